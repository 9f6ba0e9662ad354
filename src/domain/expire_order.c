#include "domain/expire_order.h"

#include "domain/hold.h"

bool expire_order_decide(struct facts *facts, struct order *order)
{
    if (order->status != ORDER_DRAFT || order_is_live(order, facts->now_ms) || !hold_is_held(order)) {
        return false;
    }
    hold_release(facts, order, ORDER_EXPIRED, CANCEL_REASON_PAYMENT_TIMEOUT);
    event_order_expired(facts, order);
    return true;
}
