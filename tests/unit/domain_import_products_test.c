#include "cmocka_all.h"

#include "domain/catalogue.h"
#include "support/shop.h"

static struct import_variant row(size_t number, const char *sku, int64_t stock_quantity)
{
    return (struct import_variant){
        .row = number,
        .variant =
            {
                .sku = text_from_c(sku),
                .title = TEXT_LITERAL("Plain"),
                .price = {SHOP_PRICE, "EUR"},
                .stock_quantity = stock_quantity,
                .low_stock_threshold = -1,
            },
    };
}

static struct outcome import(struct shop *shop, const char *title, const struct import_variant *rows, size_t count)
{
    struct import_product product = {text_from_c(title), rows, count};
    struct import_products command = {.products = &product, .product_count = 1};
    struct outcome outcome;
    import_products_decide(&shop->facts, &command, &outcome);
    return outcome;
}

static void assert_counts(struct outcome outcome, size_t created, size_t updated, size_t unchanged, size_t refused)
{
    assert_int_equal(outcome.code, OUTCOME_PRODUCTS_IMPORTED);
    assert_int_equal(outcome.created_count, created);
    assert_int_equal(outcome.updated_count, updated);
    assert_int_equal(outcome.unchanged_count, unchanged);
    assert_int_equal(outcome.row_count, refused);
}

/* A product "T-shirt" with the variant "tee-m", as a store loads them. */
static struct variant *known_variant(struct shop *shop, int64_t stock_quantity)
{
    struct product *product = shop_product(shop, "T-shirt");
    struct variant *variant = shop_variant(shop, "tee-m", stock_quantity);
    variant->product_id = product->id;
    return variant;
}

static void new_skus_become_a_product(void **state)
{
    struct shop *shop = *state;
    const struct import_variant rows[] = {row(2, "tee-m", 5), row(3, "tee-l", 0)};
    struct outcome outcome = import(shop, "T-shirt", rows, 2);
    assert_counts(outcome, 2, 0, 0, 0);
    assert_true(outcome.changed);
    assert_int_equal(shop->facts.products.count, 1);
    const struct variant *large = facts_variant(&shop->facts, TEXT_LITERAL("tee-l"));
    const struct variant *medium = facts_variant(&shop->facts, TEXT_LITERAL("tee-m"));
    assert_true(uuid_equal(medium->product_id, large->product_id));
    assert_int_equal(shop->facts.movements.count, 1);
    assert_int_equal(shop->facts.movements.items[0]->reason, MOVEMENT_INITIAL);
}

static void a_second_run_changes_nothing(void **state)
{
    struct shop *shop = *state;
    const struct import_variant rows[] = {row(2, "tee-m", 5), row(3, "tee-l", 0)};
    (void)import(shop, "T-shirt", rows, 2);
    shop_next_batch(shop, 1000);
    struct outcome outcome = import(shop, "T-shirt", rows, 2);
    assert_counts(outcome, 0, 0, 2, 0);
    assert_false(outcome.changed);
    assert_int_equal(shop->facts.change_count, 0);
}

static void a_known_variant_becomes_what_the_file_says(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = known_variant(shop, 5);
    tee->max_per_customer = 4;
    struct import_variant medium = row(2, "tee-m", 8);
    medium.variant.title = TEXT_LITERAL("Medium");
    medium.variant.price.amount = 1500;
    assert_counts(import(shop, "T-shirt", &medium, 1), 0, 1, 0, 0);
    assert_true(text_equal_c(tee->title, "Medium"));
    assert_int_equal(tee->price.amount, 1500);
    assert_int_equal(tee->stock.stock_quantity, 8);
    assert_int_equal(tee->max_per_customer, 4); /* the file has no such column */
    assert_int_equal(shop->facts.movements.count, 1);
    assert_int_equal(shop->facts.movements.items[0]->delta, 3);
    assert_int_equal(shop->facts.movements.items[0]->reason, MOVEMENT_CORRECTION);
    assert_true(text_equal_c(shop->facts.movements.items[0]->reference, "import"));
    assert_string_equal(shop_event_types(shop), "stock.adjusted");

    medium.has_max_per_customer = true;
    assert_counts(import(shop, "T-shirt", &medium, 1), 0, 1, 0, 0);
    assert_int_equal(tee->max_per_customer, 0);
}

static void a_change_of_stock_alone_leaves_the_variants_version(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = known_variant(shop, 5);
    const struct import_variant medium = row(2, "tee-m", 0);
    assert_counts(import(shop, "T-shirt", &medium, 1), 0, 1, 0, 0);
    assert_int_equal(tee->version, 1);
    assert_int_equal(tee->stock.version, 2);
}

static void a_stock_below_what_is_reserved_is_refused_for_that_row_alone(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = known_variant(shop, 5);
    (void)shop_order(shop, tee, 3, ORDER_DRAFT);
    struct import_variant rows[] = {row(2, "tee-l", 1), row(3, "tee-m", 2), row(4, "tee-s", 1)};
    rows[1].variant.price.amount = 1;
    struct outcome outcome = import(shop, "T-shirt", rows, 3);
    assert_counts(outcome, 2, 0, 0, 1);
    assert_int_equal(outcome.rows[0].row, 3);
    assert_string_equal(outcome.rows[0].reason.bytes,
                        "sku tee-m: a stock of 2 is below the 3 units that are reserved now");
    assert_int_equal(tee->stock.stock_quantity, 5);
    assert_int_equal(tee->price.amount, SHOP_PRICE); /* nothing of the row is applied */
    rows[1].variant.stock_quantity = 3;
    assert_counts(import(shop, "T-shirt", rows, 3), 0, 1, 2, 0);
}

static void a_check_says_what_would_be_refused_and_changes_nothing(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = known_variant(shop, 5);
    (void)shop_order(shop, tee, 3, ORDER_DRAFT);
    const struct import_variant rows[] = {row(2, "tee-l", 1), row(3, "tee-m", 2)};
    const struct import_product product = {text_from_c("Renamed"), rows, 2};
    const struct import_products command = {.products = &product, .product_count = 1, .check_only = true};
    size_t changes = shop->facts.change_count;
    struct outcome outcome;
    import_products_decide(&shop->facts, &command, &outcome);
    assert_counts(outcome, 0, 0, 0, 1);
    assert_int_equal(outcome.rows[0].row, 3);
    assert_false(outcome.changed);
    assert_int_equal(shop->facts.change_count, changes);
    assert_null(facts_variant(&shop->facts, TEXT_LITERAL("tee-l")));
}

static void a_new_variant_joins_the_product_of_its_siblings(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = known_variant(shop, 5);
    const struct import_variant rows[] = {row(2, "tee-s", 1), row(3, "tee-m", 5), row(4, "tee-l", 1)};
    assert_counts(import(shop, "T-shirt", rows, 3), 2, 0, 1, 0);
    assert_int_equal(shop->facts.products.count, 1);
    assert_true(uuid_equal(facts_variant(&shop->facts, TEXT_LITERAL("tee-s"))->product_id, tee->product_id));
    assert_true(uuid_equal(facts_variant(&shop->facts, TEXT_LITERAL("tee-l"))->product_id, tee->product_id));
}

static void a_products_title_becomes_the_files(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = known_variant(shop, 5);
    const struct import_variant medium = row(2, "tee-m", 5);
    struct outcome outcome = import(shop, "Tee", &medium, 1);
    assert_counts(outcome, 0, 0, 1, 0);
    assert_true(outcome.changed);
    const struct product *product = facts_product(&shop->facts, &tee->product_id);
    assert_true(text_equal_c(product->title, "Tee"));
    assert_int_equal(product->version, 2);
}

static void what_overdue_holds_tie_up_waits_whole_for_the_sweep(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = known_variant(shop, 5);
    (void)shop_overdue_draft(shop, tee, 3);
    shop->facts.sweep_pending = true;
    struct import_variant rows[] = {row(2, "tee-l", 1), row(3, "tee-m", 2)};
    struct outcome outcome = import(shop, "T-shirt", rows, 2);
    assert_int_equal(outcome.code, OUTCOME_NEEDS_SWEEP);
    assert_false(outcome.changed);
    assert_int_equal(shop->facts.change_count, 0);
    rows[1].variant.stock_quantity = 3;
    assert_counts(import(shop, "T-shirt", rows, 2), 1, 1, 0, 0);
}

static void wanting_asks_for_the_products_of_the_skus(void **state)
{
    struct shop *shop = *state;
    const struct import_variant rows[] = {row(2, "tee-m", 5), row(3, "tee-l", 0)};
    struct import_product product = {TEXT_LITERAL("T-shirt"), rows, 2};
    struct import_products command = {.products = &product, .product_count = 1};
    struct wanted wanted;
    wanted_init(&wanted, shop->arena);
    import_products_want(&command, &wanted);
    assert_int_equal(wanted.skus.count, 2);
    assert_true(wanted.products_of_skus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(new_skus_become_a_product),
        IN_SHOP(a_second_run_changes_nothing),
        IN_SHOP(a_known_variant_becomes_what_the_file_says),
        IN_SHOP(a_change_of_stock_alone_leaves_the_variants_version),
        IN_SHOP(a_stock_below_what_is_reserved_is_refused_for_that_row_alone),
        IN_SHOP(a_check_says_what_would_be_refused_and_changes_nothing),
        IN_SHOP(a_new_variant_joins_the_product_of_its_siblings),
        IN_SHOP(a_products_title_becomes_the_files),
        IN_SHOP(what_overdue_holds_tie_up_waits_whole_for_the_sweep),
        IN_SHOP(wanting_asks_for_the_products_of_the_skus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
