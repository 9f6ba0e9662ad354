#ifndef HOLDFAST_BASE_TABLE_H
#define HOLDFAST_BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

/* A hash table from byte keys to pointers, living in an arena (never freed by itself; it forgets with the arena).
 * Keys are not copied: they must live as long as the table. Insertion order is kept for iteration. */
struct table {
    struct arena *arena;
    struct table_entry *entries; /* in insertion order */
    size_t count;
    size_t capacity;
    uint32_t *slots; /* open addressing: index into entries + 1, 0 empty */
    size_t slot_count;
};

struct table_entry {
    struct text key;
    uint64_t hash;
    void *value;
};

void table_init(struct table *table, struct arena *arena);
void *table_find(const struct table *table, struct text key);      /* NULL where absent */
void table_put(struct table *table, struct text key, void *value); /* replaces */

#endif
