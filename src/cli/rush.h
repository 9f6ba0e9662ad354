#ifndef HOLDFAST_CLI_RUSH_H
#define HOLDFAST_CLI_RUSH_H

/* A rush: customers who all want one SKU at once (rush_customers.c), then the server's own word on every order that it
 * confirmed (rush_check.c), and what the two say together (rush_tally.c). rush.c is the command. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"
#include "cli/http_caller.h"
#include "cli/progress.h"

#define RUSH_RUN_LENGTH_MAX 16
#define RUSH_PROBLEM_LENGTH_MAX 200

struct rush_settings {
    const char *url;
    const char *key;
    const char *sku; /* NULL: one of its own */
    int64_t stock;   /* of its own */
    int64_t customers;
    int64_t orders_per_customer;
    int64_t quantity;
    double pay_rate;
    int64_t hold_seconds;
    int64_t retry_seconds;
};

/* What became of an order, as the server tells it when asked again. */
enum rush_fate {
    RUSH_FATE_UNKNOWN, /* it could not be asked */
    RUSH_FATE_HELD,
    RUSH_FATE_PAID,
    RUSH_FATE_EXPIRED,
    RUSH_FATE_OTHER, /* in a state that it cannot be in */
    RUSH_FATE_LOST   /* the server does not know it */
};

/* An order that the server confirmed with 201. */
struct rush_order {
    char id[UUID_TEXT_LENGTH + 1];
    bool is_paid;        /* the payment was answered 200 */
    bool is_pay_unclear; /* the payment was refused or not answered: paid or not, both may be true */
    int64_t created_ms;
    int64_t expires_ms;
    enum rush_fate fate;
    int64_t revived_ms; /* paid after its deadline, at this time; 0: not */
};

struct rush_stock {
    int64_t stock_quantity;
    int64_t reserved_quantity;
};

struct rush {
    const struct rush_settings *settings;
    char run[RUSH_RUN_LENGTH_MAX + 1]; /* tells the keys of this run from those of all others */
    char *sku;
    char *sku_path; /* percent-encoded */
    bool owns_sku;
    struct rush_stock stock_before;
    struct rush_stock stock_after;
    bool has_stock_after;
    uv_loop_t *loop;
    struct http_caller *caller;
    struct progress progress;

    struct rush_order *orders; /* room for every order that can be */
    size_t placed;
    int64_t *latencies_us; /* of every order that was placed or refused */
    size_t latency_count;
    size_t refused;
    size_t paid;
    size_t payments_refused; /* recorded, refund due */
    size_t errors;
    size_t retries;
    char first_problem[RUSH_PROBLEM_LENGTH_MAX + 64]; /* of what counts as an error */
    int64_t started_us;
    int64_t last_answer_us; /* to an order */
    size_t customers_left;
};

/* Runs the loop until every customer is done. */
void rush_run_customers(struct rush *rush);
/* Waits until the unpaid holds have run out, asks the server for every order and for the stock. */
void rush_check_orders(struct rush *rush);
/* GET /v1/stock/{sku}; false: no usable answer, noted as an error. */
MUST_USE bool rush_read_stock(struct rush *rush, struct rush_stock *ret_stock);
/* Counts an error; the first one is kept in words, from the call's answer. */
void rush_note_error(struct rush *rush, const char *doing, const struct http_call *call);

struct rush_tally {
    size_t held; /* at the end */
    size_t expired;
    size_t unchecked;
    size_t lost;         /* confirmed and gone, or not what was confirmed */
    int64_t oversold;    /* units */
    int64_t unexplained; /* units by which the stock of an own product differs from what its orders explain */
    int64_t latency_p50_us;
    int64_t latency_p99_us;
    int64_t latency_max_us;
    double orders_per_second;
};

/* Pure, but for sorting latencies_us. */
void rush_tally_make(struct rush *rush, struct rush_tally *ret_tally);
/* The most units that the orders held or had bought at any one time, by the server's own times. */
int64_t rush_tally_peak(const struct rush_order *orders, size_t count, int64_t quantity);
bool rush_tally_is_good(const struct rush *rush, const struct rush_tally *tally);

#endif
