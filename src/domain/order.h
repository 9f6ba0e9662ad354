#ifndef HOLDFAST_DOMAIN_ORDER_H
#define HOLDFAST_DOMAIN_ORDER_H

/* Orders, their lines, holds and payments.
 *
 *              pay                        late pay, stock is there
 *    draft ---------> paid <--------------------------------------- expired
 *      |                                                               ^
 *      |---cancel---> cancelled                                        |
 *      +---payment timeout---------------------------------------------+
 *
 * The reservations of an order move together with it (I4, I5, I6), so a line's reservation status follows from the
 * order's: draft is active, paid is converted, cancelled and expired are released. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/uuid.h"
#include "domain/money.h"
#include "domain/stock.h"

enum order_status { ORDER_DRAFT, ORDER_PAID, ORDER_CANCELLED, ORDER_EXPIRED };
#define ORDER_STATUS_COUNT 4
enum reservation_status { RESERVATION_ACTIVE, RESERVATION_CONVERTED, RESERVATION_RELEASED };
#define RESERVATION_STATUS_COUNT 3
#define CANCEL_REASON_PAYMENT_TIMEOUT TEXT_LITERAL("payment_timeout")
enum payment_status { PAYMENT_ACCEPTED, PAYMENT_REFUND_DUE };

struct order_line {
    struct variant *variant;
    int64_t quantity;
    int64_t unit_price; /* at the time of the order */
};

struct payment {
    struct text reference;
    enum payment_status status;
    struct money amount;
    struct text reason; /* of refund_due: the refusal's code; absent where accepted */
    int64_t created_at_ms;
};

struct order {
    int64_t row; /* the store's own handle; 0 until it was saved */
    struct uuid id;
    enum order_status status;
    bool revived; /* paid after its deadline, since stock was still there */
    struct text customer_id;
    struct text cancel_reason; /* absent where none */
    struct text metadata;      /* a JSON object as compact text; absent where none was given */
    struct money total;
    int64_t created_at_ms;
    int64_t expires_at_ms;
    int64_t hold_ms; /* as first asked for: a replayed creation answers the first deadline */
    int64_t version;
    struct order_line *lines; /* line number is index + 1 */
    size_t line_count;
    struct payment *payments; /* oldest first */
    size_t payment_count;

    /* What the store loaded, so that saving knows what changed and what to guard. */
    int64_t loaded_version; /* 0: new */
    enum order_status loaded_status;
    int64_t loaded_expires_at_ms;
    size_t loaded_payment_count;
};

const char *order_status_name(enum order_status status);
bool order_status_parse(struct text name, enum order_status *ret_status);
const char *reservation_status_name(enum reservation_status status);
bool reservation_status_parse(struct text name, enum reservation_status *ret_status);
const char *payment_status_name(enum payment_status status);
enum reservation_status order_reservation_status(enum order_status status);
bool order_may_move(enum order_status from, enum order_status to); /* the diagram above */

/* A draft whose deadline has not passed. At the deadline itself it has. */
bool order_is_live(const struct order *order, int64_t now_ms);
const struct payment *order_find_payment(const struct order *order, struct text reference);
/* A copy that later decisions of the same batch do not change. Lines and texts are shared. */
const struct order *order_snapshot(struct arena *arena, const struct order *order);
/* A snapshot that shows a draft past its deadline as the expired order it is, whether or not it was swept. */
const struct order *order_as_seen(struct arena *arena, const struct order *order, int64_t now_ms);
/* The order as its creation answered it: draft, no payments, first deadline, version 1. */
const struct order *order_as_created(struct arena *arena, const struct order *order);

#endif
