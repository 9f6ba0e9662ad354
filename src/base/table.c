#include "base/table.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

/* Keys come from clients: a seed of this process's own keeps them from choosing ones that meet in one slot. */
static uint64_t process_seed(void)
{
    static _Atomic uint64_t seed; /* 0: not drawn yet; two threads may draw, one is kept */
    uint64_t value = atomic_load_explicit(&seed, memory_order_relaxed);
    if (value == 0) {
        uint64_t drawn = 0;
        (void)!getrandom(&drawn, sizeof(drawn), 0);
        drawn |= 1;
        value = atomic_compare_exchange_strong(&seed, &value, drawn) ? drawn : value;
    }
    return value;
}

#define CAPACITY_MIN 16 /* a power of two; slots are twice as many, so at most half of them are taken */

void table_init(struct table *table, struct arena *arena)
{
    *table = (struct table){.arena = arena};
}

/* The slot that holds the key, or the empty slot where it belongs. */
static uint32_t *slot_of(const struct table *table, struct text key, uint64_t hash)
{
    size_t mask = table->slot_count - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &table->slots[at];
        if (*slot == 0) {
            return slot;
        }
        const struct table_entry *entry = &table->entries[*slot - 1];
        if (entry->hash == hash && text_equal(entry->key, key)) {
            return slot;
        }
    }
}

static void table_grow(struct table *table)
{
    size_t capacity = table->capacity == 0 ? CAPACITY_MIN : table->capacity * 2;
    assert(capacity <= UINT32_MAX / 2);
    struct table_entry *entries = arena_alloc(table->arena, capacity * sizeof(*entries));
    if (table->count > 0) {
        memcpy(entries, table->entries, table->count * sizeof(*entries));
    }
    table->entries = entries;
    table->capacity = capacity;
    table->slot_count = capacity * 2;
    table->slots = arena_array(table->arena, table->slot_count, sizeof(*table->slots));
    for (size_t i = 0; i < table->count; i++) {
        *slot_of(table, entries[i].key, entries[i].hash) = (uint32_t)(i + 1);
    }
}

void *table_find(const struct table *table, struct text key)
{
    if (table->count == 0) {
        return NULL;
    }
    uint32_t slot = *slot_of(table, key, text_hash(key, process_seed()));
    return slot == 0 ? NULL : table->entries[slot - 1].value;
}

void table_put(struct table *table, struct text key, void *value)
{
    if (table->count == table->capacity) {
        table_grow(table);
    }
    uint64_t hash = text_hash(key, process_seed());
    uint32_t *slot = slot_of(table, key, hash);
    if (*slot != 0) {
        table->entries[*slot - 1].value = value;
        return;
    }
    table->entries[table->count] = (struct table_entry){.key = key, .hash = hash, .value = value};
    table->count++;
    *slot = (uint32_t)table->count;
}
