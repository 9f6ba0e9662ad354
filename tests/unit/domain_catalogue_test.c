#include "cmocka_all.h"

#include "domain/catalogue.h"
#include "support/shop.h"

static struct create_variant wish(const char *sku, int64_t stock_quantity)
{
    return (struct create_variant){
        .sku = text_from_c(sku),
        .title = TEXT_LITERAL("Plain"),
        .price = {SHOP_PRICE, "EUR"},
        .stock_quantity = stock_quantity,
        .low_stock_threshold = -1,
    };
}

static struct outcome create(struct shop *shop, const struct create_variant *variants, size_t count)
{
    struct create_product command = {TEXT_LITERAL("T-shirt"), variants, count};
    struct outcome outcome;
    create_product_decide(&shop->facts, &command, &outcome);
    return outcome;
}

static struct outcome patch(struct shop *shop, struct update_variant command)
{
    struct outcome outcome;
    command.sku = TEXT_LITERAL("tee-m");
    update_variant_decide(&shop->facts, &command, &outcome);
    return outcome;
}

static void a_product_is_made_with_all_its_variants(void **state)
{
    struct shop *shop = *state;
    struct create_variant variants[] = {wish("tee-m", 10), wish("tee-l", 0)};
    variants[1].max_per_customer = 2;
    variants[1].low_stock_threshold = 5;
    struct outcome outcome = create(shop, variants, 2);
    assert_int_equal(outcome.code, OUTCOME_PRODUCT_CREATED);
    assert_true(outcome.changed);
    assert_true(text_equal_c(outcome.product->title, "T-shirt"));
    assert_int_equal(outcome.product->version, 1);
    assert_int_equal(outcome.product->variant_count, 2);
    const struct variant *large = outcome.product->variants[1];
    assert_true(text_equal_c(large->sku, "tee-l"));
    assert_true(uuid_equal(large->product_id, outcome.product->id));
    assert_int_equal(large->max_per_customer, 2);
    assert_int_equal(large->low_stock_threshold, 5);
    assert_int_equal(large->version, 1);
    assert_int_equal(large->stock.version, 1);
    assert_int_equal(large->loaded_version, 0);
    assert_non_null(facts_variant(&shop->facts, TEXT_LITERAL("tee-m")));
    /* The first stock is the ledger's first row; nothing is no row. */
    assert_int_equal(shop->facts.movements.count, 1);
    assert_int_equal(shop->facts.movements.items[0]->delta, 10);
    assert_int_equal(shop->facts.movements.items[0]->reason, MOVEMENT_INITIAL);
    assert_int_equal(shop->facts.movements.items[0]->stock_quantity, 10);
}

static void a_sku_in_use_is_refused_and_nothing_is_made(void **state)
{
    struct shop *shop = *state;
    (void)shop_variant(shop, "tee-l", 1);
    struct create_variant variants[] = {wish("tee-m", 10), wish("tee-l", 10)};
    struct outcome outcome = create(shop, variants, 2);
    assert_int_equal(outcome.code, OUTCOME_SKU_EXISTS);
    assert_true(text_equal_c(outcome.sku, "tee-l"));
    assert_false(outcome.changed);
    assert_int_equal(shop->facts.change_count, 0);
    assert_null(facts_variant(&shop->facts, TEXT_LITERAL("tee-m")));
}

static void a_sku_made_earlier_in_the_same_batch_is_in_use(void **state)
{
    struct shop *shop = *state;
    struct create_variant variant = wish("tee-m", 10);
    assert_int_equal(create(shop, &variant, 1).code, OUTCOME_PRODUCT_CREATED);
    assert_int_equal(create(shop, &variant, 1).code, OUTCOME_SKU_EXISTS);
    assert_int_equal(shop_place_one(shop, "c-1", "tee-m", 10).code, OUTCOME_ORDER_PLACED);
}

static void a_patch_changes_what_it_names(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct outcome outcome = patch(shop, (struct update_variant){.title = TEXT_LITERAL("Medium")});
    assert_int_equal(outcome.code, OUTCOME_VARIANT_UPDATED);
    assert_true(outcome.changed);
    assert_true(text_equal_c(tee->title, "Medium"));
    assert_int_equal(shop->facts.change_count, 1); /* no event, and yet something to save */
    assert_int_equal(tee->price.amount, SHOP_PRICE);
    assert_int_equal(tee->version, 2);
    assert_int_equal(tee->stock.version, 1);
    (void)patch(shop, (struct update_variant){
                          .has_price = true,
                          .price = {100, "USD"},
                          .has_max_per_customer = true,
                          .max_per_customer = 3,
                          .has_low_stock_threshold = true,
                          .low_stock_threshold = 0,
                      });
    assert_true(money_equal(tee->price, (struct money){100, "USD"}));
    assert_int_equal(tee->max_per_customer, 3);
    assert_int_equal(tee->low_stock_threshold, 0);
    assert_true(text_equal_c(tee->title, "Medium"));
    (void)patch(shop, (struct update_variant){.has_max_per_customer = true, .max_per_customer = 0});
    assert_int_equal(tee->max_per_customer, 0);
    assert_int_equal(tee->version, 4);
    assert_int_equal(outcome.variant->version, 2); /* the first answer stands as it was given */
}

static void a_price_never_changes_a_placed_order(void **state)
{
    struct shop *shop = *state;
    (void)shop_variant(shop, "tee-m", 5);
    struct outcome placed = shop_place_one(shop, "c-1", "tee-m", 2);
    (void)patch(shop, (struct update_variant){.has_price = true, .price = {1, "USD"}});
    struct outcome paid = shop_pay_amount(shop, placed.order, "pi_1", (struct money){2 * SHOP_PRICE, "EUR"});
    assert_int_equal(paid.code, OUTCOME_ORDER_PAID);
    assert_int_equal(paid.order->lines[0].unit_price, SHOP_PRICE);
}

static void a_patch_that_says_what_is_there_changes_nothing(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct outcome outcome = patch(shop, (struct update_variant){
                                             .title = TEXT_LITERAL("Plain"),
                                             .has_price = true,
                                             .price = {SHOP_PRICE, "EUR"},
                                             .has_max_per_customer = true,
                                             .has_low_stock_threshold = true,
                                             .low_stock_threshold = -1,
                                         });
    assert_int_equal(outcome.code, OUTCOME_VARIANT_UPDATED);
    assert_false(outcome.changed);
    assert_int_equal(tee->version, 1);
    assert_int_equal(shop->facts.change_count, 0);
}

static void a_condition_holds_for_the_present_version_only(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    const int64_t versions[] = {7, 1};
    struct update_variant title = {.title = TEXT_LITERAL("Medium")};
    title.condition = (struct version_condition){.is_set = true, .versions = versions, .version_count = 1};
    struct outcome stale = patch(shop, title);
    assert_int_equal(stale.code, OUTCOME_VERSION_MISMATCH);
    assert_false(stale.changed);
    assert_int_equal(stale.variant->version, 1);                  /* as it is */
    title.condition = (struct version_condition){.is_set = true}; /* weak or foreign tags never match */
    assert_int_equal(patch(shop, title).code, OUTCOME_VERSION_MISMATCH);
    assert_int_equal(shop->facts.change_count, 0);
    title.condition = (struct version_condition){.is_set = true, .versions = versions, .version_count = 2};
    assert_int_equal(patch(shop, title).code, OUTCOME_VARIANT_UPDATED);
    assert_int_equal(patch(shop, title).code, OUTCOME_VERSION_MISMATCH); /* of two with one tag, one wins */
    assert_int_equal(tee->version, 2);
}

static void a_product_has_a_title_to_patch(void **state)
{
    struct shop *shop = *state;
    struct product *product = shop_product(shop, "T-shirt");
    const int64_t one = 1;
    struct update_product command = {
        .product_id = product->id,
        .title = TEXT_LITERAL("Tee"),
        .condition = {.is_set = true, .versions = &one, .version_count = 1},
    };
    struct outcome outcome;
    update_product_decide(&shop->facts, &command, &outcome);
    assert_int_equal(outcome.code, OUTCOME_PRODUCT_UPDATED);
    assert_true(outcome.changed);
    assert_int_equal(outcome.product->version, 2);
    assert_true(text_equal_c(product->title, "Tee"));
    assert_int_equal(shop->facts.change_count, 1);
    update_product_decide(&shop->facts, &command, &outcome);
    assert_int_equal(outcome.code, OUTCOME_VERSION_MISMATCH);
    command.condition.is_set = false;
    update_product_decide(&shop->facts, &command, &outcome); /* the same title again */
    assert_int_equal(outcome.code, OUTCOME_PRODUCT_UPDATED);
    assert_false(outcome.changed);
    command.title = TEXT_ABSENT;
    update_product_decide(&shop->facts, &command, &outcome);
    assert_int_equal(outcome.code, OUTCOME_PRODUCT_UPDATED);
    assert_int_equal(product->version, 2);
}

static void what_is_not_there_cannot_be_patched(void **state)
{
    struct shop *shop = *state;
    struct update_product command = {.product_id = uuid_source_next(&shop->ids, SHOP_NOW_MS)};
    struct outcome outcome;
    update_product_decide(&shop->facts, &command, &outcome);
    assert_int_equal(outcome.code, OUTCOME_PRODUCT_NOT_FOUND);
    outcome = patch(shop, (struct update_variant){.title = TEXT_LITERAL("Medium")});
    assert_int_equal(outcome.code, OUTCOME_VARIANT_NOT_FOUND);
    assert_string_equal(outcome_code_name(outcome.code), "unknown_sku");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(a_product_is_made_with_all_its_variants),
        IN_SHOP(a_sku_in_use_is_refused_and_nothing_is_made),
        IN_SHOP(a_sku_made_earlier_in_the_same_batch_is_in_use),
        IN_SHOP(a_patch_changes_what_it_names),
        IN_SHOP(a_price_never_changes_a_placed_order),
        IN_SHOP(a_patch_that_says_what_is_there_changes_nothing),
        IN_SHOP(a_condition_holds_for_the_present_version_only),
        IN_SHOP(a_product_has_a_title_to_patch),
        IN_SHOP(what_is_not_there_cannot_be_patched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
