#include "cmocka_all.h"

#include "domain/limits.h"
#include "support/shop.h"

static struct outcome set_stock(struct shop *shop, int64_t set_to, int64_t expected)
{
    struct adjust_stock command = {
        .sku = TEXT_LITERAL("tee-m"),
        .is_set = true,
        .set_to = set_to,
        .expected = expected,
        .reason = MOVEMENT_CORRECTION,
    };
    struct outcome outcome;
    adjust_stock_decide(&shop->facts, &command, &outcome);
    return outcome;
}

static void assert_refused(const struct shop *shop, struct outcome outcome, enum outcome_code code)
{
    assert_string_equal(outcome_code_name(outcome.code), outcome_code_name(code));
    assert_false(outcome.changed);
    assert_null(outcome.movement);
    assert_non_null(outcome.variant); /* with the present quantities */
    assert_int_equal(shop->facts.change_count, 0);
}

static void a_delta_is_a_movement_with_its_reason_and_reference(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct adjust_stock command = {
        .sku = TEXT_LITERAL("tee-m"),
        .delta = 10,
        .reason = MOVEMENT_RESTOCK,
        .reference = TEXT_LITERAL("po-1"),
    };
    struct outcome outcome;
    adjust_stock_decide(&shop->facts, &command, &outcome);
    assert_int_equal(outcome.code, OUTCOME_STOCK_ADJUSTED);
    assert_true(outcome.changed);
    assert_int_equal(tee->stock.stock_quantity, 15);
    assert_int_equal(tee->stock.version, 2);
    assert_int_equal(tee->version, 1); /* of patches, not of stock */
    assert_int_equal(outcome.variant->stock.stock_quantity, 15);
    assert_int_equal(shop->facts.movements.count, 1);
    assert_ptr_equal(outcome.movement, shop->facts.movements.items[0]);
    assert_int_equal(outcome.movement->delta, 10);
    assert_int_equal(outcome.movement->reason, MOVEMENT_RESTOCK);
    assert_true(text_equal_c(outcome.movement->reference, "po-1"));
    assert_int_equal(outcome.movement->stock_quantity, 15);
    assert_false(outcome.movement->has_order);
    assert_string_equal(shop_event_types(shop), "stock.adjusted");
}

static void stock_can_be_taken_down_to_what_is_reserved(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    (void)shop_order(shop, tee, 2, ORDER_DRAFT);
    struct outcome outcome = shop_adjust(shop, "tee-m", -4);
    assert_refused(shop, outcome, OUTCOME_STOCK_IS_RESERVED);
    assert_int_equal(outcome.variant->stock.stock_quantity, 5);
    assert_int_equal(outcome.variant->stock.reserved_quantity, 2);
    assert_int_equal(shop_adjust(shop, "tee-m", -3).code, OUTCOME_STOCK_ADJUSTED);
    assert_int_equal(stock_available(&tee->stock), 0);
}

static void stock_never_falls_below_zero(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    assert_refused(shop, shop_adjust(shop, "tee-m", -6), OUTCOME_STOCK_IS_RESERVED);
    assert_refused(shop, shop_adjust(shop, "tee-m", INT64_MIN), OUTCOME_STOCK_IS_RESERVED);
    assert_int_equal(shop_adjust(shop, "tee-m", -5).code, OUTCOME_STOCK_ADJUSTED);
    assert_int_equal(tee->stock.stock_quantity, 0);
}

static void stock_beyond_the_largest_is_refused(void **state)
{
    struct shop *shop = *state;
    (void)shop_variant(shop, "tee-m", 5);
    assert_refused(shop, shop_adjust(shop, "tee-m", STOCK_QUANTITY_MAX - 4), OUTCOME_STOCK_TOO_LARGE);
    assert_refused(shop, shop_adjust(shop, "tee-m", INT64_MAX), OUTCOME_STOCK_TOO_LARGE);
    assert_refused(shop, set_stock(shop, INT64_MAX, 5), OUTCOME_STOCK_TOO_LARGE);
    assert_int_equal(shop_adjust(shop, "tee-m", STOCK_QUANTITY_MAX - 5).code, OUTCOME_STOCK_ADJUSTED);
}

static void set_to_counts_only_from_what_was_expected(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 37);
    struct outcome stale = set_stock(shop, 40, 36);
    assert_refused(shop, stale, OUTCOME_STOCK_CHANGED);
    assert_int_equal(stale.variant->stock.stock_quantity, 37);
    struct outcome outcome = set_stock(shop, 40, 37);
    assert_int_equal(outcome.code, OUTCOME_STOCK_ADJUSTED);
    assert_int_equal(outcome.movement->delta, 3);
    assert_int_equal(tee->stock.stock_quantity, 40);
}

static void set_to_says_stale_before_it_says_reserved(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 37);
    (void)shop_order(shop, tee, 10, ORDER_DRAFT);
    assert_refused(shop, set_stock(shop, 9, 36), OUTCOME_STOCK_CHANGED);
    assert_refused(shop, set_stock(shop, 9, 37), OUTCOME_STOCK_IS_RESERVED);
    assert_int_equal(set_stock(shop, 10, 37).code, OUTCOME_STOCK_ADJUSTED);
}

/* A count that found what the books say is worth a line in the ledger. */
static void set_to_what_is_there_is_recorded(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 37);
    struct outcome outcome = set_stock(shop, 37, 37);
    assert_int_equal(outcome.code, OUTCOME_STOCK_ADJUSTED);
    assert_int_equal(outcome.movement->delta, 0);
    assert_int_equal(tee->stock.stock_quantity, 37);
}

static void an_unknown_sku_has_no_stock_to_adjust(void **state)
{
    struct shop *shop = *state;
    struct outcome outcome = shop_adjust(shop, "nope", 1);
    assert_int_equal(outcome.code, OUTCOME_VARIANT_NOT_FOUND);
    assert_string_equal(outcome_code_name(outcome.code), "unknown_sku");
    assert_null(outcome.variant);
}

static void what_overdue_holds_tie_up_waits_for_the_sweep(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    (void)shop_overdue_draft(shop, tee, 5);
    shop->facts.sweep_pending = true;
    assert_int_equal(shop_adjust(shop, "tee-m", -5).code, OUTCOME_NEEDS_SWEEP);
    assert_int_equal(set_stock(shop, 0, 5).code, OUTCOME_NEEDS_SWEEP);
    assert_refused(shop, shop_adjust(shop, "tee-m", -6), OUTCOME_STOCK_IS_RESERVED); /* no sweep can help */
    assert_refused(shop, shop_adjust(shop, "tee-m", INT64_MIN), OUTCOME_STOCK_IS_RESERVED);
    assert_refused(shop, shop_adjust(shop, "tee-m", STOCK_QUANTITY_MAX), OUTCOME_STOCK_TOO_LARGE);
    assert_refused(shop, set_stock(shop, 0, 4), OUTCOME_STOCK_CHANGED);
    assert_int_equal(shop_adjust(shop, "tee-m", 1).code, OUTCOME_STOCK_ADJUSTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(a_delta_is_a_movement_with_its_reason_and_reference),
        IN_SHOP(stock_can_be_taken_down_to_what_is_reserved),
        IN_SHOP(stock_never_falls_below_zero),
        IN_SHOP(stock_beyond_the_largest_is_refused),
        IN_SHOP(set_to_counts_only_from_what_was_expected),
        IN_SHOP(set_to_says_stale_before_it_says_reserved),
        IN_SHOP(set_to_what_is_there_is_recorded),
        IN_SHOP(an_unknown_sku_has_no_stock_to_adjust),
        IN_SHOP(what_overdue_holds_tie_up_waits_for_the_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
