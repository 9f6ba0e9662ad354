#include "domain/adjust_stock.h"

#include <string.h>

#include "domain/limits.h"

void adjust_stock_want(const struct adjust_stock *command, struct wanted *wanted)
{
    wanted_add_sku(wanted, command->sku);
}

static enum outcome_code refusal_of(const struct facts *facts, const struct stock_level *level, int64_t delta)
{
    if (delta > 0) {
        return OUTCOME_STOCK_TOO_LARGE;
    }
    return facts->sweep_pending && level->stock_quantity + delta >= 0 ? OUTCOME_NEEDS_SWEEP : OUTCOME_STOCK_IS_RESERVED;
}

void adjust_stock_decide(struct facts *facts, const struct adjust_stock *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    struct variant *variant = facts_variant(facts, command->sku);
    if (variant == NULL) {
        ret_outcome->code = OUTCOME_VARIANT_NOT_FOUND;
        return;
    }
    int64_t delta = command->is_set ? command->set_to - variant->stock.stock_quantity : command->delta;
    if (command->is_set && command->expected != variant->stock.stock_quantity) {
        ret_outcome->code = OUTCOME_STOCK_CHANGED;
    } else if (!stock_adjust(&variant->stock, delta)) {
        ret_outcome->code = refusal_of(facts, &variant->stock, delta);
    } else {
        ret_outcome->movement = facts_add_movement(facts, variant, delta, command->reason, command->reference, NULL);
        event_stock_adjusted(facts, ret_outcome->movement);
        ret_outcome->code = OUTCOME_STOCK_ADJUSTED;
        ret_outcome->changed = true;
    }
    ret_outcome->variant = variant_snapshot(facts->arena, variant);
}
