#ifndef HOLDFAST_DOMAIN_EVENT_H
#define HOLDFAST_DOMAIN_EVENT_H

/* Events: one for every state change, committed with it (I11). The store numbers them without gaps as it saves. */

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "base/uuid.h"
#include "domain/order.h"
#include "domain/stock.h"

enum event_type {
    EVENT_ORDER_CREATED,
    EVENT_ORDER_PAID,
    EVENT_ORDER_CANCELLED,
    EVENT_ORDER_EXPIRED,
    EVENT_ORDER_EXTENDED,
    EVENT_PAYMENT_REFUND_DUE,
    EVENT_STOCK_ADJUSTED,
    EVENT_STOCK_LOW,
    EVENT_STOCK_SOLD_OUT,
    EVENT_STOCK_BACK,
    EVENT_ORDER_PAYMENT_DUE_SOON,
    EVENT_WEBHOOK_ENDPOINT_DISABLED
};
#define EVENT_TYPE_COUNT 12 /* at most 32: endpoints keep them as bits */

struct event {
    struct uuid id;
    enum event_type type;
    int64_t created_at_ms;
    struct order *order; /* whose history it belongs to; NULL: no order's */
    struct text data;    /* a JSON object, compact */
    size_t place;        /* in facts->events: the store numbers them in this order */
};

const char *event_type_name(enum event_type type); /* "order.created" */
bool event_type_parse(struct text name, enum event_type *ret_type);

struct facts;

/* Each appends one event to the working set. Call after the change was made. */
void event_order_created(struct facts *facts, struct order *order);
void event_order_paid(struct facts *facts, struct order *order, const struct payment *payment);
void event_order_cancelled(struct facts *facts, struct order *order);
void event_order_expired(struct facts *facts, struct order *order);
void event_order_extended(struct facts *facts, struct order *order, int64_t previous_expires_at_ms);
void event_payment_refund_due(struct facts *facts, struct order *order, const struct payment *payment);
void event_order_payment_due_soon(struct facts *facts, struct order *order);
void event_stock_adjusted(struct facts *facts, const struct movement *movement);
struct webhook_endpoint;
void event_webhook_endpoint_disabled(struct facts *facts, const struct webhook_endpoint *endpoint);
/* Compares every stock level with what was loaded and appends stock.low, stock.sold_out and stock.back: once per
 * batch, by what is available after it. */
void event_stock_thresholds(struct facts *facts);

#endif
