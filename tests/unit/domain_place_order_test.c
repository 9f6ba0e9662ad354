#include "cmocka_all.h"

#include "domain/limits.h"
#include "support/shop.h"

static void assert_refused(struct shop *shop, struct outcome outcome, enum outcome_code code)
{
    assert_string_equal(outcome_code_name(outcome.code), outcome_code_name(code));
    assert_false(outcome.changed);
    assert_null(outcome.order);
    assert_int_equal(shop->facts.change_count, 0);
    assert_int_equal(shop->facts.orders.count, 0);
}

static void assert_line(const struct outcome_line *line, size_t number, const char *sku, int64_t requested,
                        int64_t available)
{
    assert_int_equal(line->line, number);
    assert_true(text_equal_c(line->sku, sku));
    assert_int_equal(line->requested, requested);
    assert_int_equal(line->available, available);
}

static void a_placed_order_is_a_draft_that_holds_its_stock(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct variant *mug = shop_variant(shop, "mug", 5);
    mug->price.amount = 500;
    const struct place_order_line lines[] = {{tee->sku, 2}, {mug->sku, 1}};
    struct place_order command = {
        .customer_id = TEXT_LITERAL("c-1"),
        .lines = lines,
        .line_count = 2,
        .hold_seconds = 60,
        .metadata = TEXT_LITERAL("{\"gift\":\"yes\"}"),
    };
    struct outcome outcome;
    place_order_decide(&shop->facts, &command, &outcome);
    assert_int_equal(outcome.code, OUTCOME_ORDER_PLACED);
    assert_true(outcome.changed);
    const struct order *order = outcome.order;
    assert_int_equal(order->status, ORDER_DRAFT);
    assert_true(text_equal_c(order->customer_id, "c-1"));
    assert_true(text_equal_c(order->metadata, "{\"gift\":\"yes\"}"));
    assert_true(money_equal(order->total, (struct money){2 * SHOP_PRICE + 500, "EUR"}));
    assert_int_equal(order->created_at_ms, SHOP_NOW_MS);
    assert_int_equal(order->expires_at_ms, SHOP_NOW_MS + 60000);
    assert_int_equal(order->hold_ms, 60000);
    assert_int_equal(order->version, 1);
    assert_int_equal(order->loaded_version, 0);
    assert_int_equal(order->line_count, 2);
    assert_ptr_equal(order->lines[1].variant, mug);
    assert_int_equal(order->lines[1].quantity, 1);
    assert_int_equal(order->lines[1].unit_price, 500);
    assert_int_equal(tee->stock.reserved_quantity, 2);
    assert_int_equal(tee->stock.stock_quantity, 5);
    assert_int_equal(mug->stock.reserved_quantity, 1);
    assert_int_equal(shop->facts.movements.count, 0);
    assert_non_null(facts_order(&shop->facts, &order->id));
    assert_string_equal(shop_event_types(shop), "order.created");
}

static void the_last_unit_is_sold_once(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 1);
    assert_int_equal(shop_place_one(shop, "c-1", "tee-m", 1).code, OUTCOME_ORDER_PLACED);
    struct outcome second = shop_place_one(shop, "c-2", "tee-m", 1);
    assert_int_equal(second.code, OUTCOME_INSUFFICIENT_STOCK);
    assert_int_equal(second.line_count, 1);
    assert_line(&second.lines[0], 1, "tee-m", 1, 0);
    assert_int_equal(tee->stock.reserved_quantity, 1);
}

static void an_unknown_sku_is_named_with_its_line(void **state)
{
    struct shop *shop = *state;
    (void)shop_variant(shop, "tee-m", 5);
    const struct place_order_line lines[] = {
        {TEXT_LITERAL("nope"), 1}, {TEXT_LITERAL("tee-m"), 1}, {TEXT_LITERAL("nada"), 3}};
    struct outcome outcome = shop_place(shop, "c-1", lines, 3);
    assert_refused(shop, outcome, OUTCOME_UNKNOWN_SKU);
    assert_int_equal(outcome.line_count, 2);
    assert_line(&outcome.lines[0], 1, "nope", 1, 0);
    assert_line(&outcome.lines[1], 3, "nada", 3, 0);
}

static void currencies_do_not_mix(void **state)
{
    struct shop *shop = *state;
    (void)shop_variant(shop, "tee-m", 5);
    shop_variant(shop, "mug", 5)->price = (struct money){500, "USD"};
    const struct place_order_line lines[] = {{TEXT_LITERAL("tee-m"), 1}, {TEXT_LITERAL("mug"), 1}};
    assert_refused(shop, shop_place(shop, "c-1", lines, 2), OUTCOME_MIXED_CURRENCIES);
}

static void a_line_that_overflows_is_refused(void **state)
{
    struct shop *shop = *state;
    shop_variant(shop, "yacht", LINE_QUANTITY_MAX)->price.amount = PRICE_AMOUNT_MAX;
    assert_refused(shop, shop_place_one(shop, "c-1", "yacht", LINE_QUANTITY_MAX), OUTCOME_TOTAL_TOO_LARGE);
    /* 9,223 times the largest price is the most that 63 bits hold. */
    assert_refused(shop, shop_place_one(shop, "c-1", "yacht", 9224), OUTCOME_TOTAL_TOO_LARGE);
    assert_int_equal(shop_place_one(shop, "c-1", "yacht", 9223).code, OUTCOME_ORDER_PLACED);
}

static void lines_that_overflow_only_together_are_refused(void **state)
{
    struct shop *shop = *state;
    shop_variant(shop, "yacht", LINE_QUANTITY_MAX)->price.amount = PRICE_AMOUNT_MAX;
    shop_variant(shop, "island", LINE_QUANTITY_MAX)->price.amount = PRICE_AMOUNT_MAX;
    const struct place_order_line lines[] = {{TEXT_LITERAL("yacht"), 5000}, {TEXT_LITERAL("island"), 5000}};
    assert_refused(shop, shop_place(shop, "c-1", lines, 2), OUTCOME_TOTAL_TOO_LARGE);
}

static void what_is_free_of_charge_can_be_ordered(void **state)
{
    struct shop *shop = *state;
    shop_variant(shop, "sticker", LINE_QUANTITY_MAX)->price.amount = 0;
    struct outcome outcome = shop_place_one(shop, "c-1", "sticker", LINE_QUANTITY_MAX);
    assert_int_equal(outcome.code, OUTCOME_ORDER_PLACED);
    assert_true(money_equal(outcome.order->total, (struct money){0, "EUR"}));
}

static void two_lines_of_one_sku_count_together(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    (void)shop_variant(shop, "mug", 5);
    const struct place_order_line lines[] = {
        {TEXT_LITERAL("tee-m"), 3}, {TEXT_LITERAL("mug"), 5}, {TEXT_LITERAL("tee-m"), 3}};
    struct outcome outcome = shop_place(shop, "c-1", lines, 3);
    assert_refused(shop, outcome, OUTCOME_INSUFFICIENT_STOCK);
    assert_int_equal(outcome.line_count, 2); /* every line of the short SKU, each with its own quantity */
    assert_line(&outcome.lines[0], 1, "tee-m", 3, 5);
    assert_line(&outcome.lines[1], 3, "tee-m", 3, 5);
    assert_int_equal(tee->stock.reserved_quantity, 0);

    const struct place_order_line fitting[] = {{TEXT_LITERAL("tee-m"), 3}, {TEXT_LITERAL("tee-m"), 2}};
    outcome = shop_place(shop, "c-1", fitting, 2);
    assert_int_equal(outcome.code, OUTCOME_ORDER_PLACED);
    assert_int_equal(outcome.order->line_count, 2);
    assert_int_equal(tee->stock.reserved_quantity, 5);
}

static void all_lines_are_reserved_or_none(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    (void)shop_variant(shop, "mug", 0);
    const struct place_order_line lines[] = {{TEXT_LITERAL("tee-m"), 1}, {TEXT_LITERAL("mug"), 1}};
    struct outcome outcome = shop_place(shop, "c-1", lines, 2);
    assert_refused(shop, outcome, OUTCOME_INSUFFICIENT_STOCK);
    assert_int_equal(outcome.line_count, 1);
    assert_line(&outcome.lines[0], 2, "mug", 1, 0);
    assert_int_equal(tee->stock.reserved_quantity, 0);
    assert_int_equal(tee->stock.version, 1);
}

static void the_most_lines_of_the_largest_quantity_fit(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", (int64_t)ORDER_LINES_MAX * LINE_QUANTITY_MAX);
    struct place_order_line lines[ORDER_LINES_MAX];
    for (size_t i = 0; i < ORDER_LINES_MAX; i++) {
        lines[i] = (struct place_order_line){tee->sku, LINE_QUANTITY_MAX};
    }
    assert_int_equal(shop_place(shop, "c-1", lines, ORDER_LINES_MAX).code, OUTCOME_ORDER_PLACED);
    assert_int_equal(stock_available(&tee->stock), 0);
}

static void refusals_come_in_the_order_of_the_contract(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 0);
    struct variant *mug = shop_variant(shop, "mug", 0);
    tee->price = (struct money){PRICE_AMOUNT_MAX, "EUR"};
    mug->price = (struct money){PRICE_AMOUNT_MAX, "USD"};
    tee->max_per_customer = 1;
    shop_count_purchases(shop, "c-1", tee);
    /* Everything is wrong with this order: each cure uncovers the next refusal. */
    struct place_order_line lines[] = {
        {tee->sku, LINE_QUANTITY_MAX}, {mug->sku, LINE_QUANTITY_MAX}, {TEXT_LITERAL("nope"), 1}};
    assert_refused(shop, shop_place(shop, "c-1", lines, 3), OUTCOME_UNKNOWN_SKU);
    assert_refused(shop, shop_place(shop, "c-1", lines, 2), OUTCOME_MIXED_CURRENCIES);
    mug->price = tee->price;
    assert_refused(shop, shop_place(shop, "c-1", lines, 2), OUTCOME_TOTAL_TOO_LARGE);
    tee->price.amount = mug->price.amount = 1;
    assert_refused(shop, shop_place(shop, "c-1", lines, 2), OUTCOME_PURCHASE_LIMIT);
    lines[0].quantity = 1;
    assert_refused(shop, shop_place(shop, "c-1", lines, 2), OUTCOME_INSUFFICIENT_STOCK);
    tee->stock.stock_quantity = mug->stock.stock_quantity = LINE_QUANTITY_MAX;
    assert_int_equal(shop_place(shop, "c-1", lines, 2).code, OUTCOME_ORDER_PLACED);
}

static void a_shortage_waits_for_the_sweep_and_changes_nothing(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 1);
    (void)shop_variant(shop, "mug", 1);
    (void)shop_overdue_draft(shop, tee, 1);
    shop->facts.sweep_pending = true;
    struct outcome outcome = shop_place_one(shop, "c-2", "tee-m", 1);
    assert_int_equal(outcome.code, OUTCOME_NEEDS_SWEEP);
    assert_false(outcome.changed);
    assert_int_equal(shop->facts.change_count, 0);
    assert_int_equal(shop_place_one(shop, "c-2", "mug", 1).code, OUTCOME_ORDER_PLACED); /* no shortage, no wait */
    assert_int_equal(shop_place_one(shop, "c-2", "nope", 1).code, OUTCOME_UNKNOWN_SKU);
}

/* ---- Purchase limits ---- */

static struct variant *limited_variant(struct shop *shop, int64_t limit)
{
    struct variant *tee = shop_variant(shop, "tee-m", 100);
    tee->max_per_customer = limit;
    return tee;
}

static void assert_limit(struct outcome outcome, int64_t limit, int64_t already, int64_t requested)
{
    assert_int_equal(outcome.code, OUTCOME_PURCHASE_LIMIT);
    assert_true(text_equal_c(outcome.limit.sku, "tee-m"));
    assert_int_equal(outcome.limit.limit, limit);
    assert_int_equal(outcome.limit.already, already);
    assert_int_equal(outcome.limit.requested, requested);
}

static void the_limit_counts_lines_together(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = limited_variant(shop, 3);
    shop_count_purchases(shop, "c-1", tee);
    const struct place_order_line lines[] = {{tee->sku, 2}, {tee->sku, 2}};
    struct outcome outcome = shop_place(shop, "c-1", lines, 2);
    assert_refused(shop, outcome, OUTCOME_PURCHASE_LIMIT);
    assert_limit(outcome, 3, 0, 4);
    const struct place_order_line fitting[] = {{tee->sku, 2}, {tee->sku, 1}};
    assert_int_equal(shop_place(shop, "c-1", fitting, 2).code, OUTCOME_ORDER_PLACED);
}

static void the_limit_counts_paid_orders_and_live_holds_only(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = limited_variant(shop, 5);
    (void)shop_order(shop, tee, 1, ORDER_PAID);
    (void)shop_order(shop, tee, 2, ORDER_DRAFT);
    (void)shop_order(shop, tee, 4, ORDER_CANCELLED);
    (void)shop_order(shop, tee, 4, ORDER_EXPIRED);
    (void)shop_overdue_draft(shop, tee, 4);
    shop_count_purchases(shop, "c-1", tee);
    assert_limit(shop_place_one(shop, "c-1", "tee-m", 3), 5, 3, 3);
    assert_int_equal(shop_place_one(shop, "c-1", "tee-m", 2).code, OUTCOME_ORDER_PLACED);
}

static void the_limit_counts_earlier_orders_of_the_same_batch(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = limited_variant(shop, 2);
    shop_count_purchases(shop, "c-1", tee);
    shop_count_purchases(shop, "c-2", tee);
    struct outcome first = shop_place_one(shop, "c-1", "tee-m", 2);
    assert_int_equal(first.code, OUTCOME_ORDER_PLACED);
    assert_limit(shop_place_one(shop, "c-1", "tee-m", 1), 2, 2, 1);
    assert_int_equal(shop_place_one(shop, "c-2", "tee-m", 2).code, OUTCOME_ORDER_PLACED); /* each customer alone */
    assert_int_equal(shop_cancel(shop, first.order, NULL).code, OUTCOME_ORDER_CANCELLED);
    assert_int_equal(shop_place_one(shop, "c-1", "tee-m", 2).code, OUTCOME_ORDER_PLACED);
}

static void paying_does_not_count_a_hold_twice(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = limited_variant(shop, 2);
    shop_count_purchases(shop, "c-1", tee);
    struct outcome first = shop_place_one(shop, "c-1", "tee-m", 1);
    assert_int_equal(shop_pay(shop, first.order, "pi_1").code, OUTCOME_ORDER_PAID);
    assert_int_equal(shop_place_one(shop, "c-1", "tee-m", 1).code, OUTCOME_ORDER_PLACED);
    assert_limit(shop_place_one(shop, "c-1", "tee-m", 1), 2, 2, 1);
}

static void an_overdue_hold_stops_counting_once(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = limited_variant(shop, 2);
    struct order *overdue = shop_overdue_draft(shop, tee, 2);
    shop_count_purchases(shop, "c-1", tee);
    assert_int_equal(shop_cancel(shop, overdue, NULL).code, OUTCOME_CANCEL_AFTER_EXPIRY);
    assert_int_equal(shop_place_one(shop, "c-1", "tee-m", 1).code, OUTCOME_ORDER_PLACED);
    assert_int_equal(shop_pay(shop, overdue, "pi_late").code, OUTCOME_ORDER_PAID); /* not measured, but counted */
    assert_limit(shop_place_one(shop, "c-1", "tee-m", 1), 2, 3, 1);
}

/* A store has nothing to load of a variant that the same batch makes. */
static void the_limit_of_a_variant_made_in_the_same_batch_holds(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = limited_variant(shop, 1);
    tee->loaded_version = 0;
    assert_int_equal(shop_place_one(shop, "c-1", "tee-m", 1).code, OUTCOME_ORDER_PLACED);
    assert_limit(shop_place_one(shop, "c-1", "tee-m", 1), 1, 1, 1);
    assert_int_equal(shop_place_one(shop, "c-2", "tee-m", 1).code, OUTCOME_ORDER_PLACED);
}

static void wanting_names_each_sku_once_and_the_customers_purchases(void **state)
{
    struct shop *shop = *state;
    const struct place_order_line lines[] = {
        {TEXT_LITERAL("tee-m"), 1}, {TEXT_LITERAL("mug"), 1}, {TEXT_LITERAL("tee-m"), 1}};
    struct place_order command = {.customer_id = TEXT_LITERAL("c-1"), .lines = lines, .line_count = 3};
    struct wanted wanted;
    wanted_init(&wanted, shop->arena);
    place_order_want(&command, &wanted);
    assert_int_equal(wanted.skus.count, 2);
    assert_int_equal(wanted.purchases.count, 2);
    const struct purchase *purchase = wanted.purchases.entries[1].value;
    assert_true(text_equal_c(purchase->customer_id, "c-1"));
    assert_true(text_equal_c(purchase->sku, "mug"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(a_placed_order_is_a_draft_that_holds_its_stock),
        IN_SHOP(the_last_unit_is_sold_once),
        IN_SHOP(an_unknown_sku_is_named_with_its_line),
        IN_SHOP(currencies_do_not_mix),
        IN_SHOP(a_line_that_overflows_is_refused),
        IN_SHOP(lines_that_overflow_only_together_are_refused),
        IN_SHOP(what_is_free_of_charge_can_be_ordered),
        IN_SHOP(two_lines_of_one_sku_count_together),
        IN_SHOP(all_lines_are_reserved_or_none),
        IN_SHOP(the_most_lines_of_the_largest_quantity_fit),
        IN_SHOP(refusals_come_in_the_order_of_the_contract),
        IN_SHOP(a_shortage_waits_for_the_sweep_and_changes_nothing),
        IN_SHOP(the_limit_counts_lines_together),
        IN_SHOP(the_limit_counts_paid_orders_and_live_holds_only),
        IN_SHOP(the_limit_counts_earlier_orders_of_the_same_batch),
        IN_SHOP(paying_does_not_count_a_hold_twice),
        IN_SHOP(an_overdue_hold_stops_counting_once),
        IN_SHOP(the_limit_of_a_variant_made_in_the_same_batch_holds),
        IN_SHOP(wanting_names_each_sku_once_and_the_customers_purchases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
