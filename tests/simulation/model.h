#ifndef HOLDFAST_TESTS_SIMULATION_MODEL_H
#define HOLDFAST_TESTS_SIMULATION_MODEL_H

/* A second shop, as simple as can be: it knows no batches, locks or databases, only what the rules promise. Next to each
 * decision of the real one it predicts the answer; what it predicted becomes its state when that batch has committed.
 *
 * Batches overlap, so predictions are made on copies of what they touch. When a batch commits, what it changed must
 * still be what it was copied from: if not, the database let an update get lost. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "domain/facts.h"
#include "domain/outcome.h"
#include "engine/command.h"

#define MODEL_SKUS_MAX 8
#define MODEL_LINES_MAX 8
#define MODEL_BACKOFF_MS 5000 /* between the attempts at a delivery, at first and at most */
#define MODEL_BACKOFF_MS_MAX 3600000
#define MODEL_SET_BACK_MS 1000 /* stores take a transaction that is so far behind the one before for a clock set back */
#define MODEL_GIVEN_BACK_MS_MAX 1000 /* what could not be begun is begun again within */

struct model_payment {
    char *reference;
    bool is_accepted;
    enum outcome_code code; /* how it was answered */
    int64_t amount;
    int64_t created_at_ms;
};

struct model_line {
    int sku;
    int64_t quantity;
    int64_t unit_price;
};

struct model_order {
    struct uuid id;
    int64_t number; /* in the order of their making: how the history names it */
    enum order_status status;
    bool is_revived;
    bool is_changed; /* in a batch */
    char *customer_id;
    char *metadata;            /* NULL: none */
    const char *cancel_reason; /* interned; NULL: none */
    struct model_line lines[MODEL_LINES_MAX];
    size_t line_count;
    int64_t total;
    int64_t created_at_ms;
    int64_t expires_at_ms;
    int64_t hold_ms; /* as first asked for */
    int64_t version;
    GArray *payments; /* struct model_payment */
    int64_t stamp;    /* which commit changed it last */
};

struct model_sku {
    char name[32];
    bool exists;
    int64_t stock_quantity;
    int64_t reserved_quantity;
    int64_t price;
    int64_t max_per_customer;    /* 0: none */
    int64_t low_stock_threshold; /* -1: none */
    int64_t stamp;               /* which commit changed its stock last */
    int64_t patch_stamp;         /* and its price or limit */
    int64_t supplied;            /* units that ever came, less those that went otherwise than by a sale */
    bool is_changed;             /* in a batch: its stock */
    bool is_patched;             /* the same: its price or limit */
};

struct model_key {
    char *key;
    uint8_t fingerprint[FINGERPRINT_BYTES];
    bool has_order;
    struct uuid order_id;
    int status; /* of another answer */
    char *body; /* the same */
};

/* One job. Pruning takes those that are finished from the database, and not from here. */
struct model_job {
    struct uuid id;
    enum job_state state;
    bool is_delivery;
    bool was_taken_over; /* from somebody whose lease ran out */
    bool may_overtake;   /* other deliveries: it was asked for by hand, or queued by a clock that was set back */
    struct uuid endpoint_id;
    int64_t event_sequence; /* of a delivery; 0: a test */
    int64_t claim;
    int64_t lease_until_ms;
    int64_t run_at_ms;
    int64_t attempt;
    int64_t max_attempts;
};

struct model_endpoint {
    struct uuid id;
    char *url;
    uint32_t types;
    const char *disabled_reason; /* NULL: it is enabled */
    int64_t concurrency;
    int64_t failing_since_ms;
    int64_t claimed_to; /* the last event of which a delivery was started */
    size_t queued;      /* of a batch's events, those that were looked at */
    bool is_deleted;
    bool is_changed; /* in a batch */
};

struct model_delivery {
    struct uuid endpoint_id;
    int64_t event_sequence; /* 0: a test */
};

struct model_event {
    enum event_type type;
    struct uuid order_id; /* zero: no order's */
    char *data;
    struct uuid id; /* once it has committed, and so is the time */
    int64_t created_at_ms;
};

struct model_answer;

struct model {
    GHashTable *orders;     /* by id */
    GHashTable *references; /* payment reference -> struct uuid * of the order */
    GHashTable *keys;
    GHashTable *jobs;            /* by id */
    GHashTable *open_deliveries; /* the same: those that have not finished */
    GHashTable *endpoints;       /* by id: deleted ones, too */
    int64_t last_delivery_ms;    /* when what was queued last is due, and what is due last of all */
    int64_t furthest_delivery_ms;
    bool is_set_back; /* what is queued now is due before what was */
    GArray *events;   /* struct model_event, in the order of their sequences, from 1 */
    struct notice_place noticed;
    struct model_sku skus[MODEL_SKUS_MAX];
    int64_t commits;
    int64_t order_count;
    int64_t payment_count;
    GArray *changed; /* struct uuid: orders that commits have changed, to be read back */
};

/* Why a customer may not have more. */
struct model_limit {
    int64_t limit; /* 0: that is not the reason */
    int64_t already;
    int64_t requested;
    bool is_open; /* as the engine says */
};

/* What one batch would do. */
struct model_batch {
    const struct model *model;
    const struct facts *facts;
    int64_t now_ms;     /* of the facts that it is decided on */
    GHashTable *orders; /* copies, by id */
    GHashTable *references;
    GHashTable *keys;
    GHashTable *jobs;
    GHashTable *endpoints; /* all there are */
    struct model_sku skus[MODEL_SKUS_MAX];
    bool has_sku[MODEL_SKUS_MAX];
    GArray *events;           /* struct model_event */
    struct model_limit limit; /* of the order that was refused for it last */
    int64_t last_delta;       /* of the adjustment that was made last */
    GArray *by_hand;          /* struct model_delivery: what people asked for */
    struct notice_place noticed;
    bool has_noticed;
    bool may_set_aside;    /* timeouts of this server were set aside lately: an overdue hold may stay for a while */
    bool may_lack_notices; /* another server may be at them */
    bool clock_went_back;  /* ever: what was put off goes on earlier, and may come again */
};

struct model *model_new(void);
void model_free(struct model *model);

struct model_batch *model_batch_new(const struct model *model);
void model_batch_free(struct model_batch *batch);
/* What was loaded, before the decisions. */
void model_sees_facts(struct model_batch *batch, const struct facts *facts);
/* Next to the real decision, after it. Reports what differs. */
void model_expects_expiry(struct model_batch *batch, const struct facts *facts, const struct uuid *order_id,
                          bool has_expired);
/* Returns what whoever asked must hear; the caller's. NULL: nobody knows. */
struct model_answer *model_expects_outcome(struct model_batch *batch, const struct facts *facts,
                                           const struct command *command);
void model_answer_check(const struct model *model, const struct model_answer *expected, const struct outcome *real);
void model_answer_free(struct model_answer *answer); /* takes NULL */
/* The working set that is about to be saved must say what the predictions say. */
void model_expects_facts(struct model_batch *batch, const struct facts *facts);
/* It has committed. */
void model_apply(struct model *model, struct model_batch *batch);

const struct model_order *model_order(const struct model *model, const struct uuid *id);
/* What of the endpoints is otherwise than expected; NULL: nothing. */
const char *model_endpoints_differ(GHashTable *expected, struct webhook_endpoint *const *real, size_t count);
bool model_payment_is(const struct model_payment *expected, const struct payment *real);
/* What of it is otherwise than expected; NULL: nothing. */
const char *model_order_differs(const struct model *model, const struct model_order *expected,
                                const struct order *real);
int model_sku_index(const struct model *model, struct text name); /* -1: no such SKU */

/* Called by the model on a difference: says what the rule is and what happened. Does not return. */
void sim_violation(const char *rule, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

#endif
