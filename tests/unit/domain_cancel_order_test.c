#include "cmocka_all.h"

#include "support/shop.h"

static void cancelling_gives_the_stock_back(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct order *order = shop_order(shop, tee, 2, ORDER_DRAFT);
    struct outcome outcome = shop_cancel(shop, order, "too slow");
    assert_int_equal(outcome.code, OUTCOME_ORDER_CANCELLED);
    assert_true(outcome.changed);
    assert_int_equal(outcome.order->status, ORDER_CANCELLED);
    assert_true(text_equal_c(outcome.order->cancel_reason, "too slow"));
    assert_int_equal(outcome.order->version, 2);
    assert_int_equal(tee->stock.stock_quantity, 5);
    assert_int_equal(tee->stock.reserved_quantity, 0);
    assert_int_equal(shop->facts.movements.count, 0);
    assert_string_equal(shop_event_types(shop), "order.cancelled");
}

static void a_reason_need_not_be_given(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 2, ORDER_DRAFT);
    assert_null(shop_cancel(shop, order, NULL).order->cancel_reason.bytes);
}

static void cancelling_again_answers_the_same_and_keeps_the_first_reason(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct order *order = shop_order(shop, tee, 2, ORDER_CANCELLED);
    struct outcome outcome = shop_cancel(shop, order, "another reason");
    assert_int_equal(outcome.code, OUTCOME_ORDER_CANCELLED);
    assert_false(outcome.changed);
    assert_int_equal(shop->facts.change_count, 0);
    assert_true(text_equal_c(outcome.order->cancel_reason, "changed my mind"));
    assert_int_equal(tee->stock.version, 1);
}

static void what_is_over_cannot_be_cancelled(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct order *paid = shop_order(shop, tee, 1, ORDER_PAID);
    struct order *expired = shop_order(shop, tee, 1, ORDER_EXPIRED);
    struct order *overdue = shop_overdue_draft(shop, tee, 1);
    struct order nowhere = {.id = uuid_source_next(&shop->ids, SHOP_NOW_MS)};
    assert_int_equal(shop_cancel(shop, paid, NULL).code, OUTCOME_ORDER_ALREADY_PAID);
    assert_int_equal(shop_cancel(shop, expired, NULL).code, OUTCOME_CANCEL_AFTER_EXPIRY);
    struct outcome outcome = shop_cancel(shop, overdue, NULL);
    assert_int_equal(outcome.code, OUTCOME_CANCEL_AFTER_EXPIRY); /* whether or not a sweep has reached it */
    assert_int_equal(outcome.order->status, ORDER_EXPIRED);
    assert_int_equal(shop_cancel(shop, &nowhere, NULL).code, OUTCOME_ORDER_NOT_FOUND);
    assert_int_equal(shop->facts.change_count, 0);
    assert_int_equal(tee->stock.reserved_quantity, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(cancelling_gives_the_stock_back),
        IN_SHOP(a_reason_need_not_be_given),
        IN_SHOP(cancelling_again_answers_the_same_and_keeps_the_first_reason),
        IN_SHOP(what_is_over_cannot_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
