#include "domain/catalogue.h"

#include <string.h>

void create_product_want(const struct create_product *command, struct wanted *wanted)
{
    for (size_t i = 0; i < command->variant_count; i++) {
        wanted_add_sku(wanted, command->variants[i].sku);
    }
}

void update_product_want(const struct update_product *command, struct wanted *wanted)
{
    wanted_add_product(wanted, &command->product_id);
}

void update_variant_want(const struct update_variant *command, struct wanted *wanted)
{
    wanted_add_sku(wanted, command->sku);
}

static const struct product *product_snapshot(struct arena *arena, const struct product *product)
{
    struct product *copy = arena_alloc(arena, sizeof(*copy));
    memcpy(copy, product, sizeof(*copy));
    copy->variants = arena_array(arena, product->variant_count, sizeof(struct variant *));
    for (size_t i = 0; i < product->variant_count; i++) {
        copy->variants[i] = variant_snapshot(arena, product->variants[i]);
    }
    return copy;
}

struct product *catalogue_add_product(struct facts *facts, struct text title)
{
    struct product *product = arena_zalloc(facts->arena, sizeof(*product));
    product->id = uuid_source_next(facts->ids, facts->now_ms);
    product->title = arena_text(facts->arena, title);
    product->created_at_ms = facts->now_ms;
    product->version = 1;
    facts_put_product(facts, product);
    facts->change_count++;
    return product;
}

struct variant *catalogue_add_variant(struct facts *facts, struct uuid product_id, const struct create_variant *wish)
{
    struct variant *variant = arena_zalloc(facts->arena, sizeof(*variant));
    variant->product_id = product_id;
    variant->sku = arena_text(facts->arena, wish->sku);
    variant->title = arena_text(facts->arena, wish->title);
    variant->price = wish->price;
    variant->max_per_customer = wish->max_per_customer;
    variant->low_stock_threshold = wish->low_stock_threshold;
    variant->version = 1;
    variant->stock = (struct stock_level){.stock_quantity = wish->stock_quantity, .version = 1};
    facts_put_variant(facts, variant);
    facts->change_count++;
    if (wish->stock_quantity > 0) {
        facts_add_movement(facts, variant, wish->stock_quantity, MOVEMENT_INITIAL, TEXT_ABSENT, NULL);
    }
    return variant;
}

void create_product_decide(struct facts *facts, const struct create_product *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    for (size_t i = 0; i < command->variant_count; i++) {
        if (facts_variant(facts, command->variants[i].sku) != NULL) {
            ret_outcome->code = OUTCOME_SKU_EXISTS;
            ret_outcome->sku = command->variants[i].sku;
            return;
        }
    }

    struct product *product = catalogue_add_product(facts, command->title);
    product->variants = arena_array(facts->arena, command->variant_count, sizeof(struct variant *));
    for (size_t i = 0; i < command->variant_count; i++) {
        product->variants[product->variant_count++] = catalogue_add_variant(facts, product->id, &command->variants[i]);
    }
    ret_outcome->code = OUTCOME_PRODUCT_CREATED;
    ret_outcome->changed = true;
    ret_outcome->product = product_snapshot(facts->arena, product);
}

void update_product_decide(struct facts *facts, const struct update_product *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    struct product *product = facts_product(facts, &command->product_id);
    if (product == NULL) {
        ret_outcome->code = OUTCOME_PRODUCT_NOT_FOUND;
        return;
    }
    if (!version_condition_holds(&command->condition, product->version)) {
        ret_outcome->code = OUTCOME_VERSION_MISMATCH;
    } else {
        ret_outcome->code = OUTCOME_PRODUCT_UPDATED;
        if (command->title.bytes != NULL && !text_equal(command->title, product->title)) {
            product->title = arena_text(facts->arena, command->title);
            product->version++;
            facts->change_count++;
            ret_outcome->changed = true;
        }
    }
    ret_outcome->product = product_snapshot(facts->arena, product);
}

bool catalogue_patch_variant(struct facts *facts, struct variant *variant, const struct update_variant *patch)
{
    struct variant before = *variant;
    if (patch->title.bytes != NULL) {
        variant->title = arena_text(facts->arena, patch->title);
    }
    if (patch->has_price) {
        variant->price = patch->price;
    }
    if (patch->has_max_per_customer) {
        variant->max_per_customer = patch->max_per_customer;
    }
    if (patch->has_low_stock_threshold) {
        variant->low_stock_threshold = patch->low_stock_threshold;
    }
    if (text_equal(before.title, variant->title) && money_equal(before.price, variant->price) &&
        before.max_per_customer == variant->max_per_customer &&
        before.low_stock_threshold == variant->low_stock_threshold) {
        return false;
    }
    variant->version++;
    facts->change_count++;
    return true;
}

void update_variant_decide(struct facts *facts, const struct update_variant *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    struct variant *variant = facts_variant(facts, command->sku);
    if (variant == NULL) {
        ret_outcome->code = OUTCOME_VARIANT_NOT_FOUND;
        return;
    }
    if (!version_condition_holds(&command->condition, variant->version)) {
        ret_outcome->code = OUTCOME_VERSION_MISMATCH;
    } else {
        ret_outcome->code = OUTCOME_VARIANT_UPDATED;
        ret_outcome->changed = catalogue_patch_variant(facts, variant, command);
    }
    ret_outcome->variant = variant_snapshot(facts->arena, variant);
}
