#include "domain/cancel_order.h"

#include <string.h>

#include "domain/hold.h"

void cancel_order_want(const struct cancel_order *command, struct wanted *wanted)
{
    wanted_add_order(wanted, &command->order_id);
}

void cancel_order_decide(struct facts *facts, const struct cancel_order *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    struct order *order = facts_order(facts, &command->order_id);
    if (order == NULL) {
        ret_outcome->code = OUTCOME_ORDER_NOT_FOUND;
        return;
    }
    if (order->status == ORDER_DRAFT && !hold_is_held(order)) {
        ret_outcome->code = OUTCOME_INTERNAL_ERROR; /* a damaged database: see holdfast audit */
        return;
    }
    if (order_is_live(order, facts->now_ms)) {
        hold_release(facts, order, ORDER_CANCELLED, arena_text(facts->arena, command->reason));
        event_order_cancelled(facts, order);
        ret_outcome->changed = true;
    }
    ret_outcome->order = order_as_seen(facts->arena, order, facts->now_ms);
    switch (ret_outcome->order->status) {
    case ORDER_PAID:
        ret_outcome->code = OUTCOME_ORDER_ALREADY_PAID;
        break;
    case ORDER_EXPIRED:
    case ORDER_DRAFT: /* not left by order_as_seen of an order that is not live */
        ret_outcome->code = OUTCOME_CANCEL_AFTER_EXPIRY;
        break;
    case ORDER_CANCELLED: /* now, or before: the same answer, the first reason stays */
        ret_outcome->code = OUTCOME_ORDER_CANCELLED;
        break;
    }
}
