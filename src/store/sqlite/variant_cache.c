#include "store/sqlite/variant_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define SLOT_COUNT 32768 /* a power of two; up to about 10 MiB with long titles */
#define WAYS 4           /* a SKU may be in one of so many neighbouring slots */

/* The variant and, behind it, its texts. */
struct cached {
    uint64_t hash;
    struct variant variant;
    char texts[];
};

struct variant_cache {
    struct cached *slots[SLOT_COUNT];
    unsigned next_way; /* which neighbour gives way when all are taken */
};

struct variant_cache *variant_cache_new(void)
{
    return memory_zalloc(1, sizeof(struct variant_cache));
}

void variant_cache_clear(struct variant_cache *cache)
{
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        free(cache->slots[i]);
        cache->slots[i] = NULL;
    }
}

void variant_cache_free(struct variant_cache *cache)
{
    if (cache != NULL) {
        variant_cache_clear(cache);
        free(cache);
    }
}

static size_t slot_at(uint64_t hash, unsigned way)
{
    return (size_t)(hash + way) & (SLOT_COUNT - 1);
}

/* The slot that has the SKU; SLOT_COUNT where none has. */
static size_t find_slot(const struct variant_cache *cache, uint64_t hash, struct text sku)
{
    for (unsigned way = 0; way < WAYS; way++) {
        const struct cached *cached = cache->slots[slot_at(hash, way)];
        if (cached != NULL && cached->hash == hash && text_equal(cached->variant.sku, sku)) {
            return slot_at(hash, way);
        }
    }
    return SLOT_COUNT;
}

const struct variant *variant_cache_find(const struct variant_cache *cache, struct text sku)
{
    size_t slot = find_slot(cache, text_hash(sku, 0), sku);
    return slot == SLOT_COUNT ? NULL : &cache->slots[slot]->variant;
}

static size_t choose_slot(struct variant_cache *cache, uint64_t hash, struct text sku)
{
    size_t slot = find_slot(cache, hash, sku);
    for (unsigned way = 0; slot == SLOT_COUNT && way < WAYS; way++) {
        slot = cache->slots[slot_at(hash, way)] == NULL ? slot_at(hash, way) : SLOT_COUNT;
    }
    return slot == SLOT_COUNT ? slot_at(hash, cache->next_way++ % WAYS) : slot;
}

void variant_cache_put(struct variant_cache *cache, const struct variant *variant)
{
    uint64_t hash = text_hash(variant->sku, 0);
    struct cached *cached = memory_alloc(sizeof(*cached) + variant->sku.length + variant->title.length);
    cached->hash = hash;
    cached->variant = *variant;
    cached->variant.loaded_version = variant->version;
    cached->variant.loaded_stock = variant->stock;
    cached->variant.sku.bytes = cached->texts;
    cached->variant.title.bytes = cached->texts + variant->sku.length;
    memcpy(cached->texts, variant->sku.bytes, variant->sku.length);
    memcpy(cached->texts + variant->sku.length, variant->title.bytes, variant->title.length);
    size_t slot = choose_slot(cache, hash, variant->sku);
    free(cache->slots[slot]);
    cache->slots[slot] = cached;
}
