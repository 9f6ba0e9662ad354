#include "cmocka_all.h"

#include "domain/expire_order.h"
#include "support/shop.h"

static void a_hold_is_released_at_its_deadline_itself(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct order *order = shop_order(shop, tee, 2, ORDER_DRAFT);
    shop_next_batch(shop, SHOP_HOLD_MS);
    assert_true(expire_order_decide(&shop->facts, order));
    assert_int_equal(order->status, ORDER_EXPIRED);
    assert_true(text_equal_c(order->cancel_reason, "payment_timeout"));
    assert_int_equal(order->version, 2);
    assert_int_equal(tee->stock.stock_quantity, 5);
    assert_int_equal(tee->stock.reserved_quantity, 0);
    assert_string_equal(shop_event_types(shop), "order.expired");
}

static void a_hold_is_not_released_before(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct order *order = shop_order(shop, tee, 2, ORDER_DRAFT);
    shop_next_batch(shop, SHOP_HOLD_MS - 1);
    assert_false(expire_order_decide(&shop->facts, order));
    assert_int_equal(order->status, ORDER_DRAFT);
    assert_int_equal(tee->stock.reserved_quantity, 2);
    assert_int_equal(shop->facts.change_count, 0);
}

static void a_hold_is_released_once(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct order *order = shop_overdue_draft(shop, tee, 2);
    (void)shop_order(shop, tee, 3, ORDER_DRAFT);
    assert_true(expire_order_decide(&shop->facts, order));
    assert_false(expire_order_decide(&shop->facts, order));
    assert_int_equal(tee->stock.reserved_quantity, 3);
    assert_int_equal(shop->facts.events.count, 1);
}

static void what_is_no_draft_does_not_expire(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct order *paid = shop_order(shop, tee, 1, ORDER_PAID);
    struct order *cancelled = shop_order(shop, tee, 1, ORDER_CANCELLED);
    shop_next_batch(shop, SHOP_HOLD_MS);
    assert_false(expire_order_decide(&shop->facts, paid));
    assert_false(expire_order_decide(&shop->facts, cancelled));
    assert_int_equal(shop->facts.change_count, 0);
}

static void what_expires_is_there_for_the_next_in_the_same_batch(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 1);
    struct order *overdue = shop_overdue_draft(shop, tee, 1);
    assert_true(expire_order_decide(&shop->facts, overdue));
    assert_int_equal(shop_place_one(shop, "c-2", "tee-m", 1).code, OUTCOME_ORDER_PLACED);
}

static void a_hold_that_is_not_reserved_is_left_to_the_audit(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct order *order = shop_order(shop, tee, 3, ORDER_DRAFT);
    tee->stock.reserved_quantity = 2; /* a damaged row */
    shop->facts.now_ms = order->expires_at_ms;
    assert_false(expire_order_decide(&shop->facts, order));
    assert_int_equal(order->status, ORDER_DRAFT);
    assert_int_equal(tee->stock.reserved_quantity, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(a_hold_that_is_not_reserved_is_left_to_the_audit),
        IN_SHOP(a_hold_is_released_at_its_deadline_itself),
        IN_SHOP(a_hold_is_not_released_before),
        IN_SHOP(a_hold_is_released_once),
        IN_SHOP(what_is_no_draft_does_not_expire),
        IN_SHOP(what_expires_is_there_for_the_next_in_the_same_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
