#include "engine/command.h"

#include <assert.h>
#include <string.h>

static const char *const COMMAND_KIND_NAMES[COMMAND_KIND_COUNT] = {
    [COMMAND_PLACE_ORDER] = "place_order",       [COMMAND_PLACE_ORDERS] = "place_orders",
    [COMMAND_PAY_ORDER] = "pay_order",           [COMMAND_CANCEL_ORDER] = "cancel_order",
    [COMMAND_EXTEND_HOLD] = "extend_hold",       [COMMAND_ADJUST_STOCK] = "adjust_stock",
    [COMMAND_CREATE_PRODUCT] = "create_product", [COMMAND_UPDATE_PRODUCT] = "update_product",
    [COMMAND_UPDATE_VARIANT] = "update_variant", [COMMAND_IMPORT_PRODUCTS] = "import_products",
};

const char *command_kind_name(enum command_kind kind)
{
    return COMMAND_KIND_NAMES[kind];
}

size_t command_weight(const struct command *command)
{
    size_t weight = 1;
    if (command->kind == COMMAND_PLACE_ORDERS) {
        weight = command->input.place_orders.member_count;
    } else if (command->kind == COMMAND_IMPORT_PRODUCTS) {
        weight = command->input.import_products.product_count;
    }
    return weight > 0 ? weight : 1;
}

void command_want(const struct command *command, struct wanted *wanted)
{
    if (command->idempotency.key.bytes != NULL) {
        wanted_add_idempotency_key(wanted, command->idempotency.key);
    }
    switch (command->kind) {
    case COMMAND_PLACE_ORDER:
        place_order_want(&command->input.place_order, wanted);
        break;
    case COMMAND_PLACE_ORDERS:
        place_orders_want(&command->input.place_orders, wanted);
        break;
    case COMMAND_PAY_ORDER:
        pay_order_want(&command->input.pay_order, wanted);
        break;
    case COMMAND_CANCEL_ORDER:
        cancel_order_want(&command->input.cancel_order, wanted);
        break;
    case COMMAND_EXTEND_HOLD:
        extend_hold_want(&command->input.extend_hold, wanted);
        break;
    case COMMAND_ADJUST_STOCK:
        adjust_stock_want(&command->input.adjust_stock, wanted);
        break;
    case COMMAND_CREATE_PRODUCT:
        create_product_want(&command->input.create_product, wanted);
        break;
    case COMMAND_UPDATE_PRODUCT:
        update_product_want(&command->input.update_product, wanted);
        break;
    case COMMAND_UPDATE_VARIANT:
        update_variant_want(&command->input.update_variant, wanted);
        break;
    case COMMAND_IMPORT_PRODUCTS:
        import_products_want(&command->input.import_products, wanted);
        break;
    }
}

static void decide_by_kind(struct command *command, struct facts *facts)
{
    struct outcome *outcome = &command->outcome;
    switch (command->kind) {
    case COMMAND_PLACE_ORDER:
        place_order_decide(facts, &command->input.place_order, outcome);
        break;
    case COMMAND_PLACE_ORDERS:
        place_orders_decide(facts, &command->input.place_orders, outcome);
        break;
    case COMMAND_PAY_ORDER:
        pay_order_decide(facts, &command->input.pay_order, outcome);
        break;
    case COMMAND_CANCEL_ORDER:
        cancel_order_decide(facts, &command->input.cancel_order, outcome);
        break;
    case COMMAND_EXTEND_HOLD:
        extend_hold_decide(facts, &command->input.extend_hold, outcome);
        break;
    case COMMAND_ADJUST_STOCK:
        adjust_stock_decide(facts, &command->input.adjust_stock, outcome);
        break;
    case COMMAND_CREATE_PRODUCT:
        create_product_decide(facts, &command->input.create_product, outcome);
        break;
    case COMMAND_UPDATE_PRODUCT:
        update_product_decide(facts, &command->input.update_product, outcome);
        break;
    case COMMAND_UPDATE_VARIANT:
        update_variant_decide(facts, &command->input.update_variant, outcome);
        break;
    case COMMAND_IMPORT_PRODUCTS:
        import_products_decide(facts, &command->input.import_products, outcome);
        break;
    }
}

/* Cheap unless somebody keeps rows locked, which is rare. */
static bool needs_locked(const struct command *command, const struct facts *facts)
{
    struct wanted wanted;
    if (facts->locked_skus.count + facts->locked_orders.count == 0) {
        return false;
    }
    wanted_init(&wanted, facts->arena);
    command_want(command, &wanted);
    return facts_lack_locked(facts, &wanted);
}

void command_decide(struct command *command, struct facts *facts)
{
    memset(&command->answer, 0, sizeof(command->answer));
    if (needs_locked(command, facts)) {
        memset(&command->outcome, 0, sizeof(command->outcome));
        command->outcome.code = OUTCOME_STORE_UNAVAILABLE;
        return;
    }
    if (idempotency_decide(facts, &command->idempotency, &command->outcome)) {
        return;
    }
    decide_by_kind(command, facts);
    struct idempotency_record *record = idempotency_keep(facts, &command->idempotency, &command->outcome);
    if (record == NULL || record->order != NULL) {
        return;
    }
    assert(command->render != NULL);
    command->render(command, &command->outcome, facts->arena, &command->answer);
    record->status = command->answer.status;
    record->body = command->answer.body;
    record->location = command->answer.location;
    record->version = command->answer.version;
}
