#include "domain/notify_payments.h"

#include <string.h>

void notify_payments_want(const struct notify_payments *command, struct wanted *wanted)
{
    wanted->notice = command->wanted;
}

/* A hold that was never longer than the notice gets none: its customer has only just been told. Nor does one that was
 * extended in this batch: its time comes. */
static bool deserves_notice(const struct facts *facts, const struct order *order, int64_t lead_ms)
{
    return order_is_live(order, facts->now_ms) && order->expires_at_ms - order->created_at_ms > lead_ms &&
           order->expires_at_ms == order->loaded_expires_at_ms;
}

void notify_payments_decide(struct facts *facts, const struct notify_payments *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    struct notice_facts *notice = &facts->notice;
    int64_t lead_ms = command->wanted.lead_ms;
    for (size_t i = 0; i < notice->count; i++) {
        struct order *order = facts_order(facts, &notice->order_ids[i]);
        if (order == NULL) {
            continue;
        }
        if (deserves_notice(facts, order, lead_ms)) {
            event_order_payment_due_soon(facts, order);
            ret_outcome->count++;
        }
        notice->given = (struct notice_place){.expires_at_ms = order->loaded_expires_at_ms, .order_id = order->id};
        facts->change_count++;
        ret_outcome->changed = true;
    }
    ret_outcome->code = OUTCOME_PAYMENTS_NOTIFIED;
    ret_outcome->more = notice->more;
    ret_outcome->next_ms = notice->next_ms == INT64_MAX ? INT64_MAX : notice->next_ms - lead_ms;
    notice->count = 0; /* given, whoever asks again in this batch */
}
