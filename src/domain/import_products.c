#include <string.h>

#include "domain/catalogue.h"

void import_products_want(const struct import_products *command, struct wanted *wanted)
{
    for (size_t i = 0; i < command->product_count; i++) {
        for (size_t j = 0; j < command->products[i].variant_count; j++) {
            wanted_add_sku(wanted, command->products[i].variants[j].variant.sku);
        }
    }
    wanted->products_of_skus = true;
}

/* Would the file's stock fall below what is reserved now? */
static bool is_below_reserved(const struct facts *facts, const struct create_variant *wish)
{
    const struct variant *variant = facts_variant(facts, wish->sku);
    return variant != NULL && wish->stock_quantity < variant->stock.reserved_quantity;
}

static bool needs_sweep(const struct facts *facts, const struct import_products *command)
{
    for (size_t i = 0; facts->sweep_pending && i < command->product_count; i++) {
        for (size_t j = 0; j < command->products[i].variant_count; j++) {
            if (is_below_reserved(facts, &command->products[i].variants[j].variant)) {
                return true;
            }
        }
    }
    return false;
}

static void refuse_row(struct facts *facts, const struct import_variant *row, size_t rows_max, struct outcome *outcome)
{
    if (outcome->rows == NULL) {
        outcome->rows = arena_array(facts->arena, rows_max, sizeof(*outcome->rows));
    }
    const struct variant *variant = facts_variant(facts, row->variant.sku);
    outcome->rows[outcome->row_count++] = (struct outcome_row){
        .row = row->row,
        .reason = arena_printf(facts->arena, "sku %.*s: a stock of %lld is below the %lld units that are reserved now",
                               (int)row->variant.sku.length, row->variant.sku.bytes,
                               (long long)row->variant.stock_quantity, (long long)variant->stock.reserved_quantity),
    };
}

/* An existing variant becomes what the file says. */
static void update_row(struct facts *facts, struct variant *variant, const struct import_variant *row,
                       struct outcome *outcome)
{
    const struct create_variant *wish = &row->variant;
    const struct update_variant patch = {
        .title = wish->title,
        .has_price = true,
        .price = wish->price,
        .has_max_per_customer = row->has_max_per_customer,
        .max_per_customer = wish->max_per_customer,
    };
    bool changed = catalogue_patch_variant(facts, variant, &patch);
    int64_t delta = wish->stock_quantity - variant->stock.stock_quantity;
    if (delta != 0 && stock_adjust(&variant->stock, delta)) {
        event_stock_adjusted(
            facts, facts_add_movement(facts, variant, delta, MOVEMENT_CORRECTION, TEXT_LITERAL("import"), NULL));
        changed = true;
    }
    if (changed) {
        outcome->updated_count++;
    } else {
        outcome->unchanged_count++;
    }
}

/* The product that the file's product already is: that of its first SKU known. */
static struct product *find_product(const struct facts *facts, const struct import_product *import)
{
    for (size_t i = 0; i < import->variant_count; i++) {
        const struct variant *variant = facts_variant(facts, import->variants[i].variant.sku);
        if (variant != NULL) {
            return facts_product(facts, &variant->product_id);
        }
    }
    return NULL;
}

static void import_product(struct facts *facts, const struct import_product *import, size_t rows_max,
                           struct outcome *outcome)
{
    struct product *product = find_product(facts, import);
    if (product == NULL) {
        product = catalogue_add_product(facts, import->title);
    } else if (!text_equal(product->title, import->title)) {
        product->title = arena_text(facts->arena, import->title);
        product->version++;
        facts->change_count++;
    }
    for (size_t i = 0; i < import->variant_count; i++) {
        const struct import_variant *row = &import->variants[i];
        struct variant *variant = facts_variant(facts, row->variant.sku);
        if (variant == NULL) {
            catalogue_add_variant(facts, product->id, &row->variant);
            outcome->created_count++;
        } else if (is_below_reserved(facts, &row->variant)) {
            refuse_row(facts, row, rows_max, outcome);
        } else {
            update_row(facts, variant, row, outcome);
        }
    }
}

static void check_product(struct facts *facts, const struct import_product *import, size_t rows_max,
                          struct outcome *outcome)
{
    for (size_t i = 0; i < import->variant_count; i++) {
        if (is_below_reserved(facts, &import->variants[i].variant)) {
            refuse_row(facts, &import->variants[i], rows_max, outcome);
        }
    }
}

void import_products_decide(struct facts *facts, const struct import_products *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    if (needs_sweep(facts, command)) {
        ret_outcome->code = OUTCOME_NEEDS_SWEEP;
        return;
    }
    size_t changes_before = facts->change_count;
    size_t rows = 0;
    for (size_t i = 0; i < command->product_count; i++) {
        rows += command->products[i].variant_count;
    }
    for (size_t i = 0; i < command->product_count; i++) {
        if (command->check_only) {
            check_product(facts, &command->products[i], rows, ret_outcome);
        } else {
            import_product(facts, &command->products[i], rows, ret_outcome);
        }
    }
    ret_outcome->code = OUTCOME_PRODUCTS_IMPORTED;
    ret_outcome->changed = facts->change_count != changes_before;
}
