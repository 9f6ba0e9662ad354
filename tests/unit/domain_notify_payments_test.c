/* Who is told that a payment is due soon, and how far that was told. */

#include "cmocka_all.h"

#include "domain/notify_payments.h"
#include "support/shop.h"

#define LEAD_MS 300000

/* As a store would have loaded it. */
static struct outcome notify(struct shop *shop, struct uuid *ids, size_t count)
{
    struct outcome outcome;
    shop->facts.notice.order_ids = ids;
    shop->facts.notice.count = count;
    notify_payments_decide(&shop->facts, &(struct notify_payments){{.max = 10, .lead_ms = LEAD_MS}}, &outcome);
    assert_int_equal(outcome.code, OUTCOME_PAYMENTS_NOTIFIED);
    return outcome;
}

static void each_order_is_told_of_and_the_place_moves_to_the_last(void **state)
{
    struct shop *shop = *state;
    struct variant *variant = shop_variant(shop, "tee-m", 9);
    struct uuid ids[2];
    for (int i = 0; i < 2; i++) {
        ids[i] = shop_order(shop, variant, 1, ORDER_DRAFT)->id;
    }
    shop->facts.now_ms += SHOP_HOLD_MS - LEAD_MS;
    assert_int_equal(notify(shop, ids, 2).count, 2);
    assert_string_equal(shop_event_types(shop), "order.payment_due_soon order.payment_due_soon");
    assert_true(uuid_equal(shop->facts.notice.given.order_id, ids[1]));
    assert_int_equal(shop->facts.notice.given.expires_at_ms, SHOP_NOW_MS + SHOP_HOLD_MS);
    struct outcome outcome;
    notify_payments_decide(&shop->facts, &(struct notify_payments){{.max = 10, .lead_ms = LEAD_MS}}, &outcome);
    assert_int_equal(outcome.count, 0); /* again in this batch */
    assert_false(outcome.changed);
}

static void who_needs_no_notice_is_passed_by(void **state)
{
    struct shop *shop = *state;
    struct variant *variant = shop_variant(shop, "tee-m", 9);
    struct order *brief = shop_order(shop, variant, 1, ORDER_DRAFT); /* was never held for longer than the notice */
    brief->expires_at_ms = brief->loaded_expires_at_ms = SHOP_NOW_MS + LEAD_MS;
    struct order *paid = shop_order(shop, variant, 1, ORDER_DRAFT);
    assert_int_equal(shop_pay(shop, paid, "pi_1").code, OUTCOME_ORDER_PAID);
    struct order *overdue = shop_overdue_draft(shop, variant, 1);
    shop_next_batch(shop, 0);
    struct uuid ids[] = {brief->id, paid->id, overdue->id};
    struct outcome outcome = notify(shop, ids, 3);
    assert_int_equal(outcome.count, 0);
    assert_true(outcome.changed);
    assert_string_equal(shop_event_types(shop), "");
    assert_true(uuid_equal(shop->facts.notice.given.order_id, overdue->id));
}

static void an_order_that_was_extended_meanwhile_leaves_the_place_where_it_was_found(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 9), 1, ORDER_DRAFT);
    assert_int_equal(shop_extend(shop, order, 600).code, OUTCOME_ORDER_EXTENDED);
    assert_true(order->expires_at_ms > order->loaded_expires_at_ms);
    (void)notify(shop, &order->id, 1);
    assert_int_equal(shop->facts.notice.given.expires_at_ms, SHOP_NOW_MS + SHOP_HOLD_MS);
}

static void one_that_somebody_else_has_in_hand_does_not_move_the_place(void **state)
{
    struct shop *shop = *state;
    struct uuid unknown = {{1}};
    struct outcome outcome = notify(shop, &unknown, 1);
    assert_int_equal(outcome.count, 0);
    assert_false(outcome.changed);
    assert_int_equal(shop->facts.notice.given.expires_at_ms, 0);
}

static void the_next_notice_is_due_its_lead_before_the_next_deadline(void **state)
{
    struct shop *shop = *state;
    assert_true(notify(shop, NULL, 0).next_ms == INT64_MAX);
    shop->facts.notice.next_ms = SHOP_NOW_MS + SHOP_HOLD_MS;
    shop->facts.notice.more = true;
    struct outcome outcome = notify(shop, NULL, 0);
    assert_int_equal(outcome.next_ms, SHOP_NOW_MS + SHOP_HOLD_MS - LEAD_MS);
    assert_true(outcome.more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(each_order_is_told_of_and_the_place_moves_to_the_last),
        IN_SHOP(who_needs_no_notice_is_passed_by),
        IN_SHOP(an_order_that_was_extended_meanwhile_leaves_the_place_where_it_was_found),
        IN_SHOP(one_that_somebody_else_has_in_hand_does_not_move_the_place),
        IN_SHOP(the_next_notice_is_due_its_lead_before_the_next_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
