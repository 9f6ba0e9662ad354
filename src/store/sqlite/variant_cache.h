#ifndef HOLDFAST_STORE_SQLITE_VARIANT_CACHE_H
#define HOLDFAST_STORE_SQLITE_VARIANT_CACHE_H

/* Variants as they were last committed, for the writing thread: an order's SKU costs four look-ups in the database
 * otherwise. Bounded; the guard on stock levels and variants stands behind it all the same. */

#include "domain/stock.h"

struct variant_cache;

struct variant_cache *variant_cache_new(void);
void variant_cache_free(struct variant_cache *cache); /* takes NULL */
/* NULL where it is not known; texts live in the cache, until the next put or clear. */
const struct variant *variant_cache_find(const struct variant_cache *cache, struct text sku);
/* A copy. What is in its way is forgotten. */
void variant_cache_put(struct variant_cache *cache, const struct variant *variant);
void variant_cache_clear(struct variant_cache *cache);

#endif
