#include "cli/sku_set.h"

#include <stdlib.h>

#include "base/arena.h"

#define CAPACITY_MIN 1024

static void set_capacity(struct sku_set *set, size_t capacity)
{
    set->hashes = memory_zalloc(capacity, sizeof(*set->hashes));
    set->lines = memory_zalloc(capacity, sizeof(*set->lines));
    set->capacity = capacity;
}

void sku_set_init(struct sku_set *set)
{
    *set = (struct sku_set){0};
    set_capacity(set, CAPACITY_MIN);
}

/* Where the hash is, or the free place for it. */
static size_t find_place(const struct sku_set *set, uint64_t hash)
{
    size_t at = (size_t)hash & (set->capacity - 1);
    while (set->lines[at] != 0 && set->hashes[at] != hash) {
        at = (at + 1) & (set->capacity - 1);
    }
    return at;
}

static void grow(struct sku_set *set)
{
    struct sku_set old = *set;
    set_capacity(set, old.capacity * 2);
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.lines[i] != 0) {
            size_t at = find_place(set, old.hashes[i]);
            set->hashes[at] = old.hashes[i];
            set->lines[at] = old.lines[i];
        }
    }
    sku_set_done(&old);
}

size_t sku_set_add(struct sku_set *set, struct text sku, size_t line)
{
    uint64_t hash = text_hash(sku, 0);
    size_t at = find_place(set, hash);
    if (set->lines[at] != 0) {
        return set->lines[at];
    }
    set->hashes[at] = hash;
    set->lines[at] = line < UINT32_MAX ? (uint32_t)line : UINT32_MAX;
    if (++set->count * 8 > set->capacity * 7) {
        grow(set);
    }
    return 0;
}

void sku_set_done(struct sku_set *set)
{
    free(set->hashes);
    free(set->lines);
    *set = (struct sku_set){0};
}
