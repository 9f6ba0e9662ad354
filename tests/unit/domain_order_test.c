#include "cmocka_all.h"

#include "support/shop.h"

static void only_the_moves_of_the_diagram_are_allowed(void **state)
{
    (void)state;
    for (int from = 0; from < ORDER_STATUS_COUNT; from++) {
        for (int to = 0; to < ORDER_STATUS_COUNT; to++) {
            bool allowed = (from == ORDER_DRAFT && to != ORDER_DRAFT) || (from == ORDER_EXPIRED && to == ORDER_PAID);
            assert_int_equal(order_may_move((enum order_status)from, (enum order_status)to), allowed);
        }
    }
}

static void reservations_follow_their_order(void **state)
{
    (void)state;
    assert_int_equal(order_reservation_status(ORDER_DRAFT), RESERVATION_ACTIVE);
    assert_int_equal(order_reservation_status(ORDER_PAID), RESERVATION_CONVERTED);
    assert_int_equal(order_reservation_status(ORDER_CANCELLED), RESERVATION_RELEASED);
    assert_int_equal(order_reservation_status(ORDER_EXPIRED), RESERVATION_RELEASED);
}

static void names_and_values_map_both_ways(void **state)
{
    (void)state;
    for (int i = 0; i < ORDER_STATUS_COUNT; i++) {
        enum order_status status = ORDER_DRAFT;
        assert_true(order_status_parse(text_from_c(order_status_name((enum order_status)i)), &status));
        assert_int_equal(status, i);
    }
    for (int i = 0; i < RESERVATION_STATUS_COUNT; i++) {
        enum reservation_status status = RESERVATION_ACTIVE;
        assert_true(
            reservation_status_parse(text_from_c(reservation_status_name((enum reservation_status)i)), &status));
        assert_int_equal(status, i);
    }
    for (int i = 0; i < MOVEMENT_REASON_COUNT; i++) {
        enum movement_reason reason = MOVEMENT_INITIAL;
        assert_true(movement_reason_parse(text_from_c(movement_reason_name((enum movement_reason)i)), &reason));
        assert_int_equal(reason, i);
    }
    for (int i = 0; i < EVENT_TYPE_COUNT; i++) {
        enum event_type type = EVENT_ORDER_CREATED;
        assert_true(event_type_parse(text_from_c(event_type_name((enum event_type)i)), &type));
        assert_int_equal(type, i);
    }
    for (int i = 0; i < OUTCOME_CODE_COUNT; i++) {
        assert_non_null(outcome_code_name((enum outcome_code)i));
    }
    enum order_status status = ORDER_PAID;
    assert_false(order_status_parse(TEXT_LITERAL("Draft"), &status));
    assert_false(order_status_parse(TEXT_LITERAL(""), &status));
    assert_int_equal(status, ORDER_PAID);
}

static void a_draft_is_live_until_its_deadline_and_not_at_it(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 1, ORDER_DRAFT);
    assert_true(order_is_live(order, order->expires_at_ms - 1));
    assert_false(order_is_live(order, order->expires_at_ms));
    order->status = ORDER_PAID;
    assert_false(order_is_live(order, order->expires_at_ms - 1));
}

static void an_overdue_draft_is_seen_as_the_expired_order_it_is(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 1, ORDER_DRAFT);
    assert_int_equal(order_as_seen(shop->arena, order, order->expires_at_ms - 1)->status, ORDER_DRAFT);
    const struct order *seen = order_as_seen(shop->arena, order, order->expires_at_ms);
    assert_int_equal(seen->status, ORDER_EXPIRED);
    assert_true(text_equal_c(seen->cancel_reason, "payment_timeout"));
    assert_int_equal(order->status, ORDER_DRAFT);
}

static void as_created_forgets_all_that_came_later(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 1, ORDER_EXPIRED);
    order->expires_at_ms += 60000; /* extended before it expired */
    order->version = 3;
    (void)shop_pay(shop, order, "pi_late");
    assert_int_equal(order->status, ORDER_PAID);
    assert_true(order->revived);
    const struct order *created = order_as_created(shop->arena, order);
    assert_int_equal(created->status, ORDER_DRAFT);
    assert_false(created->revived);
    assert_null(created->cancel_reason.bytes);
    assert_int_equal(created->expires_at_ms, order->created_at_ms + SHOP_HOLD_MS);
    assert_int_equal(created->version, 1);
    assert_int_equal(created->payment_count, 0);
    assert_int_equal(order->payment_count, 1);
}

static void a_snapshot_does_not_follow_later_decisions(void **state)
{
    struct shop *shop = *state;
    (void)shop_variant(shop, "tee-m", 5);
    struct outcome placed = shop_place_one(shop, "c-1", "tee-m", 2);
    struct outcome paid = shop_pay(shop, placed.order, "pi_1");
    struct outcome again = shop_pay(shop, placed.order, "pi_2");
    assert_int_equal(placed.order->status, ORDER_DRAFT);
    assert_int_equal(placed.order->payment_count, 0);
    assert_int_equal(paid.order->status, ORDER_PAID);
    assert_int_equal(paid.order->payment_count, 1);
    assert_int_equal(again.order->payment_count, 2);
    assert_true(text_equal_c(paid.order->payments[0].reference, "pi_1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_moves_of_the_diagram_are_allowed),
        cmocka_unit_test(reservations_follow_their_order),
        cmocka_unit_test(names_and_values_map_both_ways),
        IN_SHOP(a_draft_is_live_until_its_deadline_and_not_at_it),
        IN_SHOP(an_overdue_draft_is_seen_as_the_expired_order_it_is),
        IN_SHOP(as_created_forgets_all_that_came_later),
        IN_SHOP(a_snapshot_does_not_follow_later_decisions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
