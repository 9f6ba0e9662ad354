#include "domain/extend_hold.h"

#include <string.h>

void extend_hold_want(const struct extend_hold *command, struct wanted *wanted)
{
    wanted_add_order(wanted, &command->order_id);
}

void extend_hold_decide(struct facts *facts, const struct extend_hold *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    struct order *order = facts_order(facts, &command->order_id);
    if (order == NULL) {
        ret_outcome->code = OUTCOME_ORDER_NOT_FOUND;
        return;
    }
    int64_t deadline_ms = order->expires_at_ms + command->seconds * 1000;
    if (!order_is_live(order, facts->now_ms)) {
        ret_outcome->code = OUTCOME_ORDER_NOT_DRAFT;
    } else if (deadline_ms - order->created_at_ms > facts->policy.hold_seconds_max * 1000) {
        ret_outcome->code = OUTCOME_HOLD_LIMIT;
    } else {
        int64_t previous_ms = order->expires_at_ms;
        order->expires_at_ms = deadline_ms;
        order->version++;
        facts->change_count++;
        event_order_extended(facts, order, previous_ms);
        ret_outcome->code = OUTCOME_ORDER_EXTENDED;
        ret_outcome->changed = true;
    }
    ret_outcome->order = order_as_seen(facts->arena, order, facts->now_ms);
}
