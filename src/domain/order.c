#include "domain/order.h"

#include <string.h>

static const char *const ORDER_STATUS_NAMES[ORDER_STATUS_COUNT] = {
    [ORDER_DRAFT] = "draft",
    [ORDER_PAID] = "paid",
    [ORDER_CANCELLED] = "cancelled",
    [ORDER_EXPIRED] = "expired",
};

static const char *const RESERVATION_STATUS_NAMES[RESERVATION_STATUS_COUNT] = {
    [RESERVATION_ACTIVE] = "active",
    [RESERVATION_CONVERTED] = "converted",
    [RESERVATION_RELEASED] = "released",
};

static const bool MOVES[ORDER_STATUS_COUNT][ORDER_STATUS_COUNT] = {
    [ORDER_DRAFT] = {[ORDER_PAID] = true, [ORDER_CANCELLED] = true, [ORDER_EXPIRED] = true},
    [ORDER_EXPIRED] = {[ORDER_PAID] = true},
};

const char *order_status_name(enum order_status status)
{
    return ORDER_STATUS_NAMES[status];
}

bool order_status_parse(struct text name, enum order_status *ret_status)
{
    for (int i = 0; i < ORDER_STATUS_COUNT; i++) {
        if (text_equal_c(name, ORDER_STATUS_NAMES[i])) {
            *ret_status = (enum order_status)i;
            return true;
        }
    }
    return false;
}

const char *reservation_status_name(enum reservation_status status)
{
    return RESERVATION_STATUS_NAMES[status];
}

bool reservation_status_parse(struct text name, enum reservation_status *ret_status)
{
    for (int i = 0; i < RESERVATION_STATUS_COUNT; i++) {
        if (text_equal_c(name, RESERVATION_STATUS_NAMES[i])) {
            *ret_status = (enum reservation_status)i;
            return true;
        }
    }
    return false;
}

const char *payment_status_name(enum payment_status status)
{
    return status == PAYMENT_ACCEPTED ? "accepted" : "refund_due";
}

enum reservation_status order_reservation_status(enum order_status status)
{
    switch (status) {
    case ORDER_DRAFT:
        return RESERVATION_ACTIVE;
    case ORDER_PAID:
        return RESERVATION_CONVERTED;
    case ORDER_CANCELLED:
    case ORDER_EXPIRED:
        break;
    }
    return RESERVATION_RELEASED;
}

bool order_may_move(enum order_status from, enum order_status to)
{
    return MOVES[from][to];
}

bool order_is_live(const struct order *order, int64_t now_ms)
{
    return order->status == ORDER_DRAFT && now_ms < order->expires_at_ms;
}

const struct payment *order_find_payment(const struct order *order, struct text reference)
{
    for (size_t i = 0; i < order->payment_count; i++) {
        if (text_equal(order->payments[i].reference, reference)) {
            return &order->payments[i];
        }
    }
    return NULL;
}

static struct order *order_copy(struct arena *arena, const struct order *order)
{
    struct order *copy = arena_alloc(arena, sizeof(*copy));
    memcpy(copy, order, sizeof(*copy));
    return copy;
}

const struct order *order_snapshot(struct arena *arena, const struct order *order)
{
    return order_copy(arena, order);
}

const struct order *order_as_created(struct arena *arena, const struct order *order)
{
    struct order *created = order_copy(arena, order);
    created->status = ORDER_DRAFT;
    created->revived = false;
    created->cancel_reason = TEXT_ABSENT;
    created->expires_at_ms = created->created_at_ms + created->hold_ms;
    created->version = 1;
    created->payments = NULL;
    created->payment_count = 0;
    return created;
}

const struct order *order_as_seen(struct arena *arena, const struct order *order, int64_t now_ms)
{
    struct order *seen = order_copy(arena, order);
    if (seen->status == ORDER_DRAFT && !order_is_live(order, now_ms)) {
        seen->status = ORDER_EXPIRED;
        seen->cancel_reason = CANCEL_REASON_PAYMENT_TIMEOUT;
    }
    return seen;
}
