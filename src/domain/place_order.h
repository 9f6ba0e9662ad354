#ifndef HOLDFAST_DOMAIN_PLACE_ORDER_H
#define HOLDFAST_DOMAIN_PLACE_ORDER_H

/* Places a draft and holds its stock: all lines or none. */

#include "domain/outcome.h"

struct place_order_line {
    struct text sku;
    int64_t quantity; /* 1..LINE_QUANTITY_MAX */
};

/* A key and the request it stands for; key absent: none. */
struct idempotency {
    struct text key;
    uint8_t fingerprint[FINGERPRINT_BYTES];
};

struct place_order {
    struct text customer_id;
    const struct place_order_line *lines; /* 1..ORDER_LINES_MAX */
    size_t line_count;
    int64_t hold_seconds;
    struct text metadata; /* a JSON object as compact text, or absent */
};

/* One order of a batch. A member that was refused at the door (malformed) is carried so that results keep their order:
 * `refused` is the caller's own and the member is skipped. */
struct place_orders_member {
    struct place_order order;
    struct idempotency idempotency;
    const void *refused;
};

struct place_orders {
    const struct place_orders_member *members; /* 1..BATCH_ORDERS_MAX */
    size_t member_count;
};

void place_order_want(const struct place_order *command, struct wanted *wanted);
void place_order_decide(struct facts *facts, const struct place_order *command, struct outcome *ret_outcome);

void place_orders_want(const struct place_orders *command, struct wanted *wanted);
/* Each member stands alone. A refused member's outcome is left zeroed. */
void place_orders_decide(struct facts *facts, const struct place_orders *command, struct outcome *ret_outcome);

#endif
