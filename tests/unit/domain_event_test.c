/* Every state change has exactly one event, with what changed (I11). */

#include "cmocka_all.h"

#include "domain/catalogue.h"
#include "domain/expire_order.h"
#include "support/shop.h"

static void an_orders_creation_says_what_was_ordered(void **state)
{
    struct shop *shop = *state;
    (void)shop_variant(shop, "tee-m", 5);
    (void)shop_variant(shop, "a \"mug\"", 5);
    const struct place_order_line lines[] = {{TEXT_LITERAL("tee-m"), 2}, {TEXT_LITERAL("a \"mug\""), 1}};
    struct outcome placed = shop_place(shop, "c-1", lines, 2);
    assert_int_equal(shop->facts.events.count, 1);
    assert_string_equal(shop_event_data(shop, 0, placed.order),
                        "{\"order_id\":\"ORDER\",\"customer_id\":\"c-1\",\"items\":[{\"sku\":\"tee-m\",\"quantity\":2},"
                        "{\"sku\":\"a \\\"mug\\\"\",\"quantity\":1}],\"total\":{\"amount\":5997,\"currency\":\"EUR\"},"
                        "\"expires_at\":\"2026-11-22T09:56:00.123Z\"}");
    const struct event *event = shop->facts.events.items[0];
    assert_int_equal(event->created_at_ms, SHOP_NOW_MS);
    assert_true(uuid_equal(event->order->id, placed.order->id));
    assert_int_equal(uuid_unix_ms(event->id), SHOP_NOW_MS);
}

static void a_payment_says_what_was_paid(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 1, ORDER_DRAFT);
    (void)shop_pay(shop, order, "pi_1");
    assert_string_equal(shop_event_types(shop), "order.paid");
    assert_string_equal(shop_event_data(shop, 0, order), "{\"order_id\":\"ORDER\",\"payment_reference\":\"pi_1\","
                                                         "\"amount\":{\"amount\":1999,\"currency\":\"EUR\"}}");
}

static void a_revived_order_says_so(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 1, ORDER_EXPIRED);
    (void)shop_pay(shop, order, "pi_1");
    assert_string_equal(shop_event_types(shop), "order.paid");
    assert_string_equal(shop_event_data(shop, 0, order),
                        "{\"order_id\":\"ORDER\",\"payment_reference\":\"pi_1\","
                        "\"amount\":{\"amount\":1999,\"currency\":\"EUR\"},\"revived\":true}");
}

static void a_refund_says_how_much_and_why(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 1, ORDER_DRAFT);
    (void)shop_pay_amount(shop, order, "pi_1", (struct money){1, "USD"});
    assert_string_equal(shop_event_types(shop), "payment.refund_due");
    assert_string_equal(shop_event_data(shop, 0, order),
                        "{\"order_id\":\"ORDER\",\"payment_reference\":\"pi_1\","
                        "\"amount\":{\"amount\":1,\"currency\":\"USD\"},\"reason\":\"amount_mismatch\"}");
    assert_ptr_equal(shop->facts.events.items[0]->order, order);
}

static void a_cancellation_says_why_or_null(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct order *first = shop_order(shop, tee, 1, ORDER_DRAFT);
    struct order *second = shop_order(shop, tee, 1, ORDER_DRAFT);
    (void)shop_cancel(shop, first, "too slow");
    (void)shop_cancel(shop, second, NULL);
    assert_string_equal(shop_event_types(shop), "order.cancelled order.cancelled");
    assert_string_equal(shop_event_data(shop, 0, first), "{\"order_id\":\"ORDER\",\"cancel_reason\":\"too slow\"}");
    assert_string_equal(shop_event_data(shop, 1, second), "{\"order_id\":\"ORDER\",\"cancel_reason\":null}");
}

static void an_expiry_says_which_deadline_passed(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_overdue_draft(shop, shop_variant(shop, "tee-m", 5), 1);
    (void)expire_order_decide(&shop->facts, order);
    assert_string_equal(shop_event_types(shop), "order.expired");
    assert_string_equal(shop_event_data(shop, 0, order),
                        "{\"order_id\":\"ORDER\",\"cancel_reason\":\"payment_timeout\","
                        "\"expires_at\":\"2026-11-22T09:41:00.123Z\"}");
}

static void an_extension_says_both_deadlines(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 1, ORDER_DRAFT);
    (void)shop_extend(shop, order, 60);
    assert_string_equal(shop_event_types(shop), "order.extended");
    assert_string_equal(shop_event_data(shop, 0, order),
                        "{\"order_id\":\"ORDER\",\"expires_at\":\"2026-11-22T09:57:00.123Z\","
                        "\"previous_expires_at\":\"2026-11-22T09:56:00.123Z\"}");
}

static void an_adjustment_says_the_level_and_the_movement(void **state)
{
    struct shop *shop = *state;
    (void)shop_order(shop, shop_variant(shop, "tee-m", 5), 2, ORDER_DRAFT);
    (void)shop_adjust(shop, "tee-m", 10);
    assert_string_equal(shop_event_types(shop), "stock.adjusted");
    assert_string_equal(shop_event_data(shop, 0, NULL),
                        "{\"sku\":\"tee-m\",\"stock_quantity\":15,\"reserved_quantity\":2,\"available_quantity\":13,"
                        "\"delta\":10,\"reason\":\"restock\",\"reference\":null}");
    assert_null(shop->facts.events.items[0]->order);
}

static void refusals_have_no_event(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 1);
    struct order *paid = shop_order(shop, tee, 1, ORDER_PAID);
    (void)shop_place_one(shop, "c-1", "tee-m", 2);
    (void)shop_cancel(shop, paid, NULL);
    (void)shop_extend(shop, paid, 1);
    (void)shop_adjust(shop, "tee-m", -2);
    (void)shop_pay(shop, paid, "pi_first");
    event_stock_thresholds(&shop->facts);
    assert_int_equal(shop->facts.events.count, 0);
}

/* ---- Thresholds: once a batch, by what is available after it ---- */

static void the_last_available_unit_is_sold_out_and_comes_back(void **state)
{
    struct shop *shop = *state;
    (void)shop_variant(shop, "tee-m", 2);
    struct outcome placed = shop_place_one(shop, "c-1", "tee-m", 2);
    event_stock_thresholds(&shop->facts);
    assert_string_equal(shop_event_types(shop), "order.created stock.sold_out");
    assert_string_equal(shop_event_data(shop, 1, NULL), "{\"sku\":\"tee-m\",\"stock_quantity\":2,"
                                                        "\"reserved_quantity\":2,\"available_quantity\":0}");
    shop_next_batch(shop, 1);
    (void)shop_cancel(shop, placed.order, NULL);
    event_stock_thresholds(&shop->facts);
    assert_string_equal(shop_event_types(shop), "order.cancelled stock.back");
}

static void a_sale_of_what_was_held_does_not_sell_out_again(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 2);
    struct order *order = shop_order(shop, tee, 2, ORDER_DRAFT);
    (void)shop_pay(shop, order, "pi_1");
    event_stock_thresholds(&shop->facts);
    assert_string_equal(shop_event_types(shop), "order.paid");
}

static void what_sells_out_and_comes_back_within_a_batch_is_silent(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 2);
    tee->low_stock_threshold = 1;
    struct outcome placed = shop_place_one(shop, "c-1", "tee-m", 2);
    (void)shop_cancel(shop, placed.order, NULL);
    event_stock_thresholds(&shop->facts);
    assert_string_equal(shop_event_types(shop), "order.created order.cancelled");
}

static void stock_is_low_once_on_its_way_down(void **state)
{
    struct shop *shop = *state;
    shop_variant(shop, "tee-m", 10)->low_stock_threshold = 3;
    (void)shop_place_one(shop, "c-1", "tee-m", 6);
    event_stock_thresholds(&shop->facts);
    assert_string_equal(shop_event_types(shop), "order.created");
    shop_next_batch(shop, 1);
    (void)shop_place_one(shop, "c-1", "tee-m", 1);
    event_stock_thresholds(&shop->facts);
    assert_string_equal(shop_event_types(shop), "order.created stock.low");
    assert_string_equal(shop_event_data(shop, 1, NULL),
                        "{\"sku\":\"tee-m\",\"stock_quantity\":10,\"reserved_quantity\":7,\"available_quantity\":3,"
                        "\"low_stock_threshold\":3}");
    shop_next_batch(shop, 1);
    (void)shop_place_one(shop, "c-1", "tee-m", 1);
    event_stock_thresholds(&shop->facts);
    assert_string_equal(shop_event_types(shop), "order.created");
}

static void a_fall_from_plenty_to_nothing_is_both_low_and_sold_out(void **state)
{
    struct shop *shop = *state;
    shop_variant(shop, "tee-m", 10)->low_stock_threshold = 3;
    (void)shop_place_one(shop, "c-1", "tee-m", 10);
    event_stock_thresholds(&shop->facts);
    assert_string_equal(shop_event_types(shop), "order.created stock.sold_out stock.low");
}

static void a_threshold_of_zero_is_low_with_nothing_left(void **state)
{
    struct shop *shop = *state;
    shop_variant(shop, "tee-m", 2)->low_stock_threshold = 0;
    (void)shop_place_one(shop, "c-1", "tee-m", 1);
    event_stock_thresholds(&shop->facts);
    assert_string_equal(shop_event_types(shop), "order.created");
    (void)shop_place_one(shop, "c-1", "tee-m", 1);
    event_stock_thresholds(&shop->facts);
    assert_string_equal(shop_event_types(shop), "order.created order.created stock.sold_out stock.low");
}

static void a_new_variant_is_silent(void **state)
{
    struct shop *shop = *state;
    const struct create_variant variant = {
        .sku = TEXT_LITERAL("tee-m"),
        .title = TEXT_LITERAL("Plain"),
        .price = {SHOP_PRICE, "EUR"},
        .stock_quantity = 1,
        .low_stock_threshold = 5,
    };
    struct create_product command = {TEXT_LITERAL("T-shirt"), &variant, 1};
    struct outcome outcome;
    create_product_decide(&shop->facts, &command, &outcome);
    event_stock_thresholds(&shop->facts);
    assert_int_equal(shop->facts.events.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(an_orders_creation_says_what_was_ordered),
        IN_SHOP(a_payment_says_what_was_paid),
        IN_SHOP(a_revived_order_says_so),
        IN_SHOP(a_refund_says_how_much_and_why),
        IN_SHOP(a_cancellation_says_why_or_null),
        IN_SHOP(an_expiry_says_which_deadline_passed),
        IN_SHOP(an_extension_says_both_deadlines),
        IN_SHOP(an_adjustment_says_the_level_and_the_movement),
        IN_SHOP(refusals_have_no_event),
        IN_SHOP(the_last_available_unit_is_sold_out_and_comes_back),
        IN_SHOP(a_sale_of_what_was_held_does_not_sell_out_again),
        IN_SHOP(what_sells_out_and_comes_back_within_a_batch_is_silent),
        IN_SHOP(stock_is_low_once_on_its_way_down),
        IN_SHOP(a_fall_from_plenty_to_nothing_is_both_low_and_sold_out),
        IN_SHOP(a_threshold_of_zero_is_low_with_nothing_left),
        IN_SHOP(a_new_variant_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
