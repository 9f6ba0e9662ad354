#include "domain/stock.h"

#include <assert.h>
#include <string.h>

#include "domain/limits.h"

static const char *const MOVEMENT_REASON_NAMES[MOVEMENT_REASON_COUNT] = {
    [MOVEMENT_INITIAL] = "initial",       [MOVEMENT_SALE] = "sale",     [MOVEMENT_RESTOCK] = "restock",
    [MOVEMENT_CORRECTION] = "correction", [MOVEMENT_RETURN] = "return", [MOVEMENT_DAMAGE] = "damage",
    [MOVEMENT_OTHER] = "other",
};

/* I1, on every move. */
static void assert_level(const struct stock_level *level)
{
    assert(level->reserved_quantity >= 0);
    assert(level->reserved_quantity <= level->stock_quantity);
    assert(level->stock_quantity <= STOCK_QUANTITY_MAX);
}

struct variant *variant_snapshot(struct arena *arena, const struct variant *variant)
{
    struct variant *copy = arena_alloc(arena, sizeof(*copy));
    memcpy(copy, variant, sizeof(*copy));
    return copy;
}

int64_t stock_available(const struct stock_level *level)
{
    return level->stock_quantity - level->reserved_quantity;
}

void stock_reserve(struct stock_level *level, int64_t quantity)
{
    assert(quantity > 0 && quantity <= stock_available(level));
    level->reserved_quantity += quantity;
    level->version++;
    assert_level(level);
}

void stock_release(struct stock_level *level, int64_t quantity)
{
    assert(quantity > 0 && quantity <= level->reserved_quantity);
    level->reserved_quantity -= quantity;
    level->version++;
    assert_level(level);
}

void stock_convert(struct stock_level *level, int64_t quantity)
{
    assert(quantity > 0 && quantity <= level->reserved_quantity);
    level->reserved_quantity -= quantity;
    level->stock_quantity -= quantity;
    level->version++;
    assert_level(level);
}

bool stock_adjust(struct stock_level *level, int64_t delta)
{
    int64_t result;
    if (__builtin_add_overflow(level->stock_quantity, delta, &result) || result < level->reserved_quantity ||
        result > STOCK_QUANTITY_MAX) {
        return false;
    }
    level->stock_quantity = result;
    level->version++;
    assert_level(level);
    return true;
}

const char *movement_reason_name(enum movement_reason reason)
{
    return MOVEMENT_REASON_NAMES[reason];
}

bool movement_reason_parse(struct text name, enum movement_reason *ret_reason)
{
    for (int i = 0; i < MOVEMENT_REASON_COUNT; i++) {
        if (text_equal_c(name, MOVEMENT_REASON_NAMES[i])) {
            *ret_reason = (enum movement_reason)i;
            return true;
        }
    }
    return false;
}

bool movement_reason_is_for_clients(enum movement_reason reason)
{
    return reason >= MOVEMENT_RESTOCK;
}
