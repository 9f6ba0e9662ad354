#include "cmocka_all.h"

#include "domain/limits.h"
#include "support/shop.h"

static void extending_adds_to_the_present_deadline(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct order *order = shop_order(shop, tee, 2, ORDER_DRAFT);
    struct outcome outcome = shop_extend(shop, order, 300);
    assert_int_equal(outcome.code, OUTCOME_ORDER_EXTENDED);
    assert_true(outcome.changed);
    assert_int_equal(outcome.order->expires_at_ms, SHOP_NOW_MS + SHOP_HOLD_MS + 300000);
    assert_int_equal(outcome.order->hold_ms, SHOP_HOLD_MS); /* as first asked for */
    assert_int_equal(outcome.order->version, 2);
    assert_int_equal(tee->stock.version, 2); /* from the hold itself */
    assert_string_equal(shop_event_types(shop), "order.extended");
}

static void the_longest_hold_is_allowed_and_a_second_more_is_not(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 2, ORDER_DRAFT);
    int64_t left = HOLD_SECONDS_MAX_DEFAULT - SHOP_HOLD_MS / 1000;
    struct outcome outcome = shop_extend(shop, order, left + 1);
    assert_int_equal(outcome.code, OUTCOME_HOLD_LIMIT);
    assert_false(outcome.changed);
    assert_int_equal(outcome.order->expires_at_ms, SHOP_NOW_MS + SHOP_HOLD_MS);
    assert_int_equal(shop->facts.change_count, 0);
    outcome = shop_extend(shop, order, left);
    assert_int_equal(outcome.code, OUTCOME_ORDER_EXTENDED);
    assert_int_equal(outcome.order->expires_at_ms - outcome.order->created_at_ms, HOLD_SECONDS_MAX_DEFAULT * 1000);
    assert_int_equal(shop_extend(shop, order, 1).code, OUTCOME_HOLD_LIMIT);
}

static void time_that_has_passed_counts_towards_the_longest_hold(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 2, ORDER_DRAFT);
    shop_next_batch(shop, SHOP_HOLD_MS - 1);
    assert_int_equal(shop_extend(shop, order, HOLD_SECONDS_MAX_DEFAULT - 900 + 1).code, OUTCOME_HOLD_LIMIT);
    assert_int_equal(shop_extend(shop, order, 60).code, OUTCOME_ORDER_EXTENDED);
    assert_int_equal(order->expires_at_ms, SHOP_NOW_MS + SHOP_HOLD_MS + 60000);
}

static void an_extended_hold_is_not_due_at_its_first_deadline(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct order *order = shop_order(shop, tee, 2, ORDER_DRAFT);
    (void)shop_extend(shop, order, 1);
    shop_next_batch(shop, SHOP_HOLD_MS);
    assert_int_equal(shop_pay(shop, order, "pi_1").code, OUTCOME_ORDER_PAID);
    assert_false(order->revived);
}

static void only_a_live_hold_is_extended(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    const enum order_status over[] = {ORDER_PAID, ORDER_CANCELLED, ORDER_EXPIRED};
    for (size_t i = 0; i < 3; i++) {
        struct outcome outcome = shop_extend(shop, shop_order(shop, tee, 1, over[i]), 60);
        assert_int_equal(outcome.code, OUTCOME_ORDER_NOT_DRAFT);
        assert_int_equal(outcome.order->status, over[i]);
    }
    struct outcome outcome = shop_extend(shop, shop_overdue_draft(shop, tee, 1), 60);
    assert_int_equal(outcome.code, OUTCOME_ORDER_NOT_DRAFT);
    assert_int_equal(outcome.order->status, ORDER_EXPIRED);
    /* Over before too long: the state is the first thing said. */
    assert_int_equal(shop_extend(shop, shop_overdue_draft(shop, tee, 1), HOLD_SECONDS_MAX_LIMIT).code,
                     OUTCOME_ORDER_NOT_DRAFT);
    struct order nowhere = {.id = uuid_source_next(&shop->ids, SHOP_NOW_MS)};
    assert_int_equal(shop_extend(shop, &nowhere, 60).code, OUTCOME_ORDER_NOT_FOUND);
    assert_int_equal(shop->facts.change_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(extending_adds_to_the_present_deadline),
        IN_SHOP(the_longest_hold_is_allowed_and_a_second_more_is_not),
        IN_SHOP(time_that_has_passed_counts_towards_the_longest_hold),
        IN_SHOP(an_extended_hold_is_not_due_at_its_first_deadline),
        IN_SHOP(only_a_live_hold_is_extended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
