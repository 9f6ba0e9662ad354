#include "domain/pay_order.h"

#include <string.h>

#include "domain/expire_order.h"
#include "domain/hold.h"

void pay_order_want(const struct pay_order *command, struct wanted *wanted)
{
    wanted_add_order(wanted, &command->order_id);
    wanted_add_payment_reference(wanted, command->payment_reference);
}

/* The refusals that record a payment, which keeps the refusal's code as its reason. */
static const enum outcome_code REFUND_OUTCOMES[] = {
    OUTCOME_ALREADY_PAID,
    OUTCOME_PAID_AFTER_EXPIRY,
    OUTCOME_PAID_AFTER_CANCEL,
    OUTCOME_AMOUNT_MISMATCH,
};

/* A reference is judged once: the first answer again, whatever it was. */
static void answer_known(const struct payment *payment, struct outcome *outcome)
{
    outcome->payment = payment;
    outcome->code = OUTCOME_ORDER_PAID;
    if (payment->status == PAYMENT_ACCEPTED) {
        return;
    }
    for (size_t i = 0; i < sizeof(REFUND_OUTCOMES) / sizeof(REFUND_OUTCOMES[0]); i++) {
        if (text_equal_c(payment->reason, outcome_code_name(REFUND_OUTCOMES[i]))) {
            outcome->code = REFUND_OUTCOMES[i];
        }
    }
}

static void record_payment(struct facts *facts, struct order *order, const struct pay_order *command,
                           enum outcome_code code, struct outcome *outcome)
{
    bool accepted = code == OUTCOME_ORDER_PAID;
    struct payment payment = {
        .reference = arena_text(facts->arena, command->payment_reference),
        .status = accepted ? PAYMENT_ACCEPTED : PAYMENT_REFUND_DUE,
        .amount = command->has_amount ? command->amount : order->total,
        .reason = accepted ? TEXT_ABSENT : text_from_c(outcome_code_name(code)),
        .created_at_ms = facts->now_ms,
    };
    outcome->code = code;
    outcome->changed = true;
    outcome->payment = facts_add_payment(facts, order, &payment);
    if (accepted) {
        event_order_paid(facts, order, outcome->payment);
    } else {
        event_payment_refund_due(facts, order, outcome->payment);
    }
}

/* The reference is new and the amount right: the order's state decides. False: overdue holds must be swept first. */
static bool pay_by_state(struct facts *facts, struct order *order, const struct pay_order *command,
                         struct outcome *outcome)
{
    switch (order->status) {
    case ORDER_PAID:
        record_payment(facts, order, command, OUTCOME_ALREADY_PAID, outcome);
        return true;
    case ORDER_CANCELLED:
        record_payment(facts, order, command, OUTCOME_PAID_AFTER_CANCEL, outcome);
        return true;
    case ORDER_DRAFT:
        if (order_is_live(order, facts->now_ms)) {
            hold_convert(facts, order);
            record_payment(facts, order, command, OUTCOME_ORDER_PAID, outcome);
            return true;
        }
        (void)expire_order_decide(facts,
                                  order); /* the sweep had not reached it: it gives its stock back, then asks for it */
        break;
    case ORDER_EXPIRED:
        break;
    }
    if (hold_has_stock(order)) {
        hold_revive(facts, order);
        record_payment(facts, order, command, OUTCOME_ORDER_PAID, outcome);
        return true;
    }
    if (facts->sweep_pending) {
        return false;
    }
    record_payment(facts, order, command, OUTCOME_PAID_AFTER_EXPIRY, outcome);
    return true;
}

void pay_order_decide(struct facts *facts, const struct pay_order *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    struct order *order = facts_order(facts, &command->order_id);
    if (order == NULL) {
        ret_outcome->code = OUTCOME_ORDER_NOT_FOUND;
        return;
    }
    const struct payment *known = order_find_payment(order, command->payment_reference);
    const struct payment_owner *owner = facts_payment_owner(facts, command->payment_reference);
    if (known != NULL) {
        answer_known(known, ret_outcome);
    } else if (owner != NULL) {
        ret_outcome->code = OUTCOME_PAYMENT_REFERENCE_USED;
        ret_outcome->other_order_id = owner->order_id;
    } else if (command->has_amount && !money_equal(command->amount, order->total)) {
        record_payment(facts, order, command, OUTCOME_AMOUNT_MISMATCH, ret_outcome);
    } else if (order->status == ORDER_DRAFT && !hold_is_held(order)) {
        ret_outcome->code = OUTCOME_INTERNAL_ERROR; /* a damaged database: see holdfast audit */
        return;
    } else if (!pay_by_state(facts, order, command, ret_outcome)) {
        ret_outcome->code = OUTCOME_NEEDS_SWEEP;
        return;
    }
    ret_outcome->order = order_as_seen(facts->arena, order, facts->now_ms);
}
