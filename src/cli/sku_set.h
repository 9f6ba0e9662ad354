#ifndef HOLDFAST_CLI_SKU_SET_H
#define HOLDFAST_CLI_SKU_SET_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* Which SKUs a file had so far, and on which line: 12 bytes a place, since it keeps their 64-bit hashes and not the
 * SKUs. In one of 37 million files of a million SKUs two share a hash, and the second is taken for a duplicate. */
struct sku_set {
    uint64_t *hashes; /* open addressing */
    uint32_t *lines;  /* 0: the place is free */
    size_t capacity;
    size_t count;
};

void sku_set_init(struct sku_set *set);
/* 0 where the SKU is new, and now in the set; else the line that had it first. */
size_t sku_set_add(struct sku_set *set, struct text sku, size_t line);
void sku_set_done(struct sku_set *set);

#endif
