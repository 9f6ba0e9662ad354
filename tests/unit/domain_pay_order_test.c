/* Every row of the contract's paying table, and the order in which its checks come. */

#include "cmocka_all.h"

#include "domain/expire_order.h"
#include "support/shop.h"

static void assert_payment(const struct payment *payment, const char *reference, enum payment_status status,
                           struct money amount, const char *reason)
{
    assert_true(text_equal_c(payment->reference, reference));
    assert_int_equal(payment->status, status);
    assert_true(money_equal(payment->amount, amount));
    assert_true(text_equal(payment->reason, text_from_c(reason)));
    assert_int_equal(payment->created_at_ms, SHOP_NOW_MS);
}

static void assert_sold(const struct shop *shop, const struct variant *variant, int64_t stock, int64_t reserved)
{
    assert_int_equal(variant->stock.stock_quantity, stock);
    assert_int_equal(variant->stock.reserved_quantity, reserved);
    assert_int_equal(shop->facts.movements.count, 1);
    const struct movement *movement = shop->facts.movements.items[0];
    assert_ptr_equal(movement->variant, variant);
    assert_int_equal(movement->delta, stock - variant->loaded_stock.stock_quantity);
    assert_int_equal(movement->reason, MOVEMENT_SALE);
    assert_int_equal(movement->stock_quantity, stock);
    assert_true(movement->has_order);
}

/* The refusal recorded the money and nothing else. */
static void assert_refund_due(struct shop *shop, struct outcome outcome, enum outcome_code code, struct money amount)
{
    assert_string_equal(outcome_code_name(outcome.code), outcome_code_name(code));
    assert_true(outcome.changed);
    assert_payment(outcome.payment, "pi_1", PAYMENT_REFUND_DUE, amount, outcome_code_name(code));
    assert_int_equal(outcome.order->payments[outcome.order->payment_count - 1].status, PAYMENT_REFUND_DUE);
    assert_int_equal(shop->facts.movements.count, 0);
    assert_string_equal(shop_event_types(shop), "payment.refund_due");
}

static void assert_nothing_new(const struct shop *shop, struct outcome outcome)
{
    assert_false(outcome.changed);
    assert_int_equal(shop->facts.change_count, 0);
}

static void paying_a_live_draft_turns_the_hold_into_a_sale(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct order *order = shop_order(shop, tee, 2, ORDER_DRAFT);
    order->expires_at_ms = SHOP_NOW_MS + 1; /* the last millisecond counts */
    struct outcome outcome = shop_pay(shop, order, "pi_1");
    assert_int_equal(outcome.code, OUTCOME_ORDER_PAID);
    assert_true(outcome.changed);
    assert_int_equal(outcome.order->status, ORDER_PAID);
    assert_false(outcome.order->revived);
    assert_int_equal(outcome.order->version, 2);
    assert_int_equal(outcome.order->payment_count, 1);
    assert_payment(outcome.payment, "pi_1", PAYMENT_ACCEPTED, order->total, NULL);
    assert_sold(shop, tee, 3, 0);
    assert_string_equal(shop_event_types(shop), "order.paid");
}

static void the_exact_amount_may_be_given(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 2, ORDER_DRAFT);
    assert_int_equal(shop_pay_amount(shop, order, "pi_1", order->total).code, OUTCOME_ORDER_PAID);
}

static void an_order_that_costs_nothing_is_paid_with_nothing(void **state)
{
    struct shop *shop = *state;
    struct variant *sticker = shop_variant(shop, "sticker", 5);
    sticker->price.amount = 0;
    struct order *order = shop_order(shop, sticker, 2, ORDER_DRAFT);
    struct outcome outcome = shop_pay_amount(shop, order, "pi_1", (struct money){0, "EUR"});
    assert_int_equal(outcome.code, OUTCOME_ORDER_PAID);
    assert_int_equal(outcome.payment->amount.amount, 0);
}

static void each_line_is_sold_with_a_movement_of_its_own(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct variant *mug = shop_variant(shop, "mug", 5);
    const struct place_order_line lines[] = {{tee->sku, 2}, {mug->sku, 1}, {tee->sku, 1}};
    struct outcome placed = shop_place(shop, "c-1", lines, 3);
    assert_int_equal(shop_pay(shop, placed.order, "pi_1").code, OUTCOME_ORDER_PAID);
    assert_int_equal(shop->facts.movements.count, 3);
    assert_int_equal(shop->facts.movements.items[0]->delta, -2);
    assert_int_equal(shop->facts.movements.items[0]->stock_quantity, 3);
    assert_int_equal(shop->facts.movements.items[2]->delta, -1);
    assert_int_equal(shop->facts.movements.items[2]->stock_quantity, 2);
    assert_true(uuid_equal(shop->facts.movements.items[1]->order_id, placed.order->id));
    assert_int_equal(tee->stock.reserved_quantity, 0);
    assert_int_equal(mug->stock.stock_quantity, 4);
}

static void the_same_reference_again_gets_the_same_answer(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 2, ORDER_PAID);
    struct outcome outcome = shop_pay(shop, order, "pi_first");
    assert_int_equal(outcome.code, OUTCOME_ORDER_PAID);
    assert_nothing_new(shop, outcome);
    assert_payment(outcome.payment, "pi_first", PAYMENT_ACCEPTED, order->total, NULL);
    assert_int_equal(outcome.order->status, ORDER_PAID);
}

static void a_second_payment_is_recorded_to_be_refunded(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 2, ORDER_PAID);
    struct outcome outcome = shop_pay(shop, order, "pi_1");
    assert_refund_due(shop, outcome, OUTCOME_ALREADY_PAID, order->total);
    assert_int_equal(outcome.order->payment_count, 2);
    assert_int_equal(outcome.order->version, 1);
}

static void a_late_payment_revives_an_expired_order_while_stock_is_there(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 2);
    struct order *order = shop_order(shop, tee, 2, ORDER_EXPIRED);
    struct outcome outcome = shop_pay(shop, order, "pi_1");
    assert_int_equal(outcome.code, OUTCOME_ORDER_PAID);
    assert_int_equal(outcome.order->status, ORDER_PAID);
    assert_true(outcome.order->revived);
    assert_null(outcome.order->cancel_reason.bytes);
    assert_payment(outcome.payment, "pi_1", PAYMENT_ACCEPTED, order->total, NULL);
    assert_sold(shop, tee, 0, 0);
    assert_string_equal(shop_event_types(shop), "order.paid");
}

static void a_late_payment_revives_an_order_that_no_sweep_has_reached(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 2);
    struct order *order = shop_overdue_draft(shop, tee, 2);
    struct outcome outcome = shop_pay(shop, order, "pi_1");
    assert_int_equal(outcome.code, OUTCOME_ORDER_PAID);
    assert_true(outcome.order->revived);
    assert_null(outcome.order->cancel_reason.bytes);
    assert_sold(shop, tee, 0, 0);
    assert_string_equal(shop_event_types(shop), "order.expired order.paid");
}

static void a_late_payment_is_refunded_once_stock_is_gone(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 2);
    struct order *order = shop_order(shop, tee, 2, ORDER_EXPIRED);
    (void)shop_order(shop, tee, 1, ORDER_DRAFT);
    struct outcome outcome = shop_pay(shop, order, "pi_1");
    assert_refund_due(shop, outcome, OUTCOME_PAID_AFTER_EXPIRY, order->total);
    assert_int_equal(outcome.order->status, ORDER_EXPIRED);
    assert_false(outcome.order->revived);
    assert_int_equal(tee->stock.reserved_quantity, 1);
}

static void a_late_payment_needs_stock_for_all_lines_together(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 4);
    const struct place_order_line lines[] = {{tee->sku, 2}, {tee->sku, 2}};
    struct order *order = facts_order(&shop->facts, &shop_place(shop, "c-1", lines, 2).order->id);
    shop_next_batch(shop, SHOP_HOLD_MS);
    assert_true(expire_order_decide(&shop->facts, order));
    (void)shop_place_one(shop, "c-2", "tee-m", 1); /* 3 are left: enough for each line, not for both */
    assert_int_equal(shop_pay(shop, order, "pi_1").code, OUTCOME_PAID_AFTER_EXPIRY);
    (void)shop_adjust(shop, "tee-m", 1);
    assert_int_equal(shop_pay(shop, order, "pi_2").code, OUTCOME_ORDER_PAID);
    assert_int_equal(tee->stock.stock_quantity, 1);
    assert_int_equal(tee->stock.reserved_quantity, 1);
}

static void paying_a_cancelled_order_is_recorded_to_be_refunded(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct order *order = shop_order(shop, tee, 2, ORDER_CANCELLED);
    struct outcome outcome = shop_pay(shop, order, "pi_1");
    assert_refund_due(shop, outcome, OUTCOME_PAID_AFTER_CANCEL, order->total);
    assert_true(text_equal_c(outcome.payment->reason, "order_cancelled"));
    assert_int_equal(outcome.order->status, ORDER_CANCELLED);
    assert_true(text_equal_c(outcome.order->cancel_reason, "changed my mind"));
    assert_int_equal(tee->stock.stock_quantity, 5);
}

static void another_amount_leaves_the_order_as_it_was_in_any_state(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 50);
    const struct money amounts[] = {{1, "EUR"}, {2 * SHOP_PRICE + 1, "EUR"}, {2 * SHOP_PRICE, "USD"}, {0, "EUR"}};
    for (int status = 0; status < ORDER_STATUS_COUNT; status++) {
        struct order *order = shop_order(shop, tee, 2, (enum order_status)status);
        for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
            struct text reference = shop_text(shop, "pi_%d_%zu", status, i);
            struct outcome outcome = shop_pay_amount(shop, order, reference.bytes, amounts[i]);
            assert_int_equal(outcome.code, OUTCOME_AMOUNT_MISMATCH);
            assert_payment(outcome.payment, reference.bytes, PAYMENT_REFUND_DUE, amounts[i], "amount_mismatch");
            assert_int_equal(outcome.order->status, status);
            assert_int_equal(outcome.order->version, 1);
        }
    }
    assert_int_equal(shop->facts.movements.count, 0);
    assert_int_equal(shop->facts.events.count, ORDER_STATUS_COUNT * 4);
}

static void the_right_amount_still_pays_after_a_wrong_one(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 2, ORDER_DRAFT);
    assert_int_equal(shop_pay_amount(shop, order, "pi_1", (struct money){1, "EUR"}).code, OUTCOME_AMOUNT_MISMATCH);
    struct outcome outcome = shop_pay(shop, order, "pi_2");
    assert_int_equal(outcome.code, OUTCOME_ORDER_PAID);
    assert_int_equal(outcome.order->payment_count, 2);
}

static void an_overdue_order_is_answered_as_expired_with_its_amount_mismatch(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_overdue_draft(shop, shop_variant(shop, "tee-m", 5), 2);
    struct outcome outcome = shop_pay_amount(shop, order, "pi_1", (struct money){1, "EUR"});
    assert_refund_due(shop, outcome, OUTCOME_AMOUNT_MISMATCH, (struct money){1, "EUR"});
    assert_int_equal(outcome.order->status, ORDER_EXPIRED);
}

static void a_reference_recorded_on_another_order_is_refused_and_not_recorded(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct order *other = shop_order(shop, tee, 1, ORDER_PAID);
    struct order *order = shop_order(shop, tee, 1, ORDER_DRAFT);
    struct outcome outcome = shop_pay(shop, order, "pi_first");
    assert_int_equal(outcome.code, OUTCOME_PAYMENT_REFERENCE_USED);
    assert_true(uuid_equal(outcome.other_order_id, other->id));
    assert_null(outcome.payment);
    assert_nothing_new(shop, outcome);
    assert_int_equal(order->payment_count, 0);
}

static void a_reference_used_earlier_in_the_same_batch_is_known(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct order *first = shop_order(shop, tee, 1, ORDER_DRAFT);
    struct order *second = shop_order(shop, tee, 1, ORDER_DRAFT);
    assert_int_equal(shop_pay(shop, first, "pi_1").code, OUTCOME_ORDER_PAID);
    assert_int_equal(shop_pay(shop, first, "pi_1").code, OUTCOME_ORDER_PAID);
    assert_int_equal(shop_pay(shop, second, "pi_1").code, OUTCOME_PAYMENT_REFERENCE_USED);
    assert_int_equal(first->payment_count, 1);
    assert_int_equal(tee->stock.stock_quantity, 4);
}

static void a_reference_is_judged_once_whatever_the_answer_was(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct money wrong = {1, "EUR"};
    struct order *paid = shop_order(shop, tee, 1, ORDER_PAID);
    struct order *cancelled = shop_order(shop, tee, 1, ORDER_CANCELLED);
    struct order *expired = shop_order(shop, tee, 9, ORDER_EXPIRED);
    struct order *draft = shop_order(shop, tee, 1, ORDER_DRAFT);
    assert_int_equal(shop_pay(shop, paid, "pi_a").code, OUTCOME_ALREADY_PAID);
    assert_int_equal(shop_pay(shop, cancelled, "pi_b").code, OUTCOME_PAID_AFTER_CANCEL);
    assert_int_equal(shop_pay(shop, expired, "pi_c").code, OUTCOME_PAID_AFTER_EXPIRY);
    assert_int_equal(shop_pay_amount(shop, draft, "pi_d", wrong).code, OUTCOME_AMOUNT_MISMATCH);
    shop_next_batch(shop, 1000);
    tee->stock.stock_quantity = 50; /* stock that came back does not change what was said of pi_c */
    assert_int_equal(shop_pay(shop, paid, "pi_a").code, OUTCOME_ALREADY_PAID);
    assert_int_equal(shop_pay(shop, cancelled, "pi_b").code, OUTCOME_PAID_AFTER_CANCEL);
    struct outcome again = shop_pay(shop, expired, "pi_c");
    assert_int_equal(again.code, OUTCOME_PAID_AFTER_EXPIRY);
    assert_payment(again.payment, "pi_c", PAYMENT_REFUND_DUE, expired->total, "paid_after_expiry");
    assert_int_equal(shop_pay(shop, draft, "pi_d").code, OUTCOME_AMOUNT_MISMATCH); /* now with the right amount */
    assert_int_equal(shop->facts.change_count, 0);
    assert_int_equal(draft->status, ORDER_DRAFT);
}

static void the_checks_come_in_the_order_of_the_contract(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct money wrong = {1, "EUR"};
    struct order *paid = shop_order(shop, tee, 1, ORDER_PAID);
    struct order *cancelled = shop_order(shop, tee, 1, ORDER_CANCELLED);
    /* Known on this order, before the amount and the state. */
    assert_int_equal(shop_pay_amount(shop, paid, "pi_first", wrong).code, OUTCOME_ORDER_PAID);
    /* Known on another, before the amount and the state. */
    assert_int_equal(shop_pay_amount(shop, cancelled, "pi_first", wrong).code, OUTCOME_PAYMENT_REFERENCE_USED);
    assert_int_equal(shop->facts.change_count, 0);
    /* The amount, before the state. */
    assert_int_equal(shop_pay_amount(shop, cancelled, "pi_2", wrong).code, OUTCOME_AMOUNT_MISMATCH);
    assert_int_equal(shop_pay_amount(shop, paid, "pi_3", wrong).code, OUTCOME_AMOUNT_MISMATCH);
}

static void an_order_that_is_not_there_cannot_be_paid(void **state)
{
    struct shop *shop = *state;
    struct order nowhere = {.id = uuid_source_next(&shop->ids, SHOP_NOW_MS)};
    struct outcome outcome = shop_pay(shop, &nowhere, "pi_1");
    assert_int_equal(outcome.code, OUTCOME_ORDER_NOT_FOUND);
    assert_nothing_new(shop, outcome);
    assert_null(facts_payment_owner(&shop->facts, TEXT_LITERAL("pi_1")));
}

static void a_late_payment_is_not_judged_short_before_the_sweep(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 1);
    struct order *order = shop_order(shop, tee, 1, ORDER_EXPIRED);
    struct order *overdue = shop_overdue_draft(shop, tee, 1);
    shop->facts.sweep_pending = true;
    struct outcome outcome = shop_pay(shop, order, "pi_1");
    assert_int_equal(outcome.code, OUTCOME_NEEDS_SWEEP);
    assert_nothing_new(shop, outcome);
    /* An overdue hold that pays late has its own stock to take, pending or not. */
    assert_int_equal(shop_pay(shop, overdue, "pi_2").code, OUTCOME_ORDER_PAID);
    shop_next_batch(shop, 0);
    assert_refund_due(shop, shop_pay(shop, order, "pi_1"), OUTCOME_PAID_AFTER_EXPIRY, order->total);
}

static void a_late_payment_is_not_measured_against_the_purchase_limit(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    tee->max_per_customer = 1;
    (void)shop_order(shop, tee, 1, ORDER_PAID);
    struct order *order = shop_order(shop, tee, 1, ORDER_EXPIRED);
    shop_count_purchases(shop, "c-1", tee);
    assert_int_equal(shop_pay(shop, order, "pi_1").code, OUTCOME_ORDER_PAID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(paying_a_live_draft_turns_the_hold_into_a_sale),
        IN_SHOP(the_exact_amount_may_be_given),
        IN_SHOP(an_order_that_costs_nothing_is_paid_with_nothing),
        IN_SHOP(each_line_is_sold_with_a_movement_of_its_own),
        IN_SHOP(the_same_reference_again_gets_the_same_answer),
        IN_SHOP(a_second_payment_is_recorded_to_be_refunded),
        IN_SHOP(a_late_payment_revives_an_expired_order_while_stock_is_there),
        IN_SHOP(a_late_payment_revives_an_order_that_no_sweep_has_reached),
        IN_SHOP(a_late_payment_is_refunded_once_stock_is_gone),
        IN_SHOP(a_late_payment_needs_stock_for_all_lines_together),
        IN_SHOP(paying_a_cancelled_order_is_recorded_to_be_refunded),
        IN_SHOP(another_amount_leaves_the_order_as_it_was_in_any_state),
        IN_SHOP(the_right_amount_still_pays_after_a_wrong_one),
        IN_SHOP(an_overdue_order_is_answered_as_expired_with_its_amount_mismatch),
        IN_SHOP(a_reference_recorded_on_another_order_is_refused_and_not_recorded),
        IN_SHOP(a_reference_used_earlier_in_the_same_batch_is_known),
        IN_SHOP(a_reference_is_judged_once_whatever_the_answer_was),
        IN_SHOP(the_checks_come_in_the_order_of_the_contract),
        IN_SHOP(an_order_that_is_not_there_cannot_be_paid),
        IN_SHOP(a_late_payment_is_not_judged_short_before_the_sweep),
        IN_SHOP(a_late_payment_is_not_measured_against_the_purchase_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
