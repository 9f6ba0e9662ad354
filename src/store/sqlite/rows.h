#ifndef HOLDFAST_STORE_SQLITE_ROWS_H
#define HOLDFAST_STORE_SQLITE_ROWS_H

/* From rows to the domain's structures, for batches and reads alike: both fill a working set, so that each variant,
 * product and order is loaded once however often it is named. */

#include "domain/facts.h"
#include "store/sqlite/connection.h"

struct row_loader {
    struct connection *connection;
    struct facts *facts;
    struct table variants_by_row; /* the bytes of variant->row -> struct variant * */
};

/* `facts` may hold rows already. */
void row_loader_init(struct row_loader *loader, struct connection *connection, struct facts *facts);

/* Each gives NULL where there is no such row. Orders come with lines, payments and variants, products with variants. */
/* A copy of a variant that is known already. */
void row_loader_add_variant(struct row_loader *loader, const struct variant *variant);
/* Those that exist are in the facts afterwards. */
MUST_USE bool load_variants_by_sku(struct row_loader *loader, const struct text *skus, size_t count,
                                   struct fault *fault);
MUST_USE bool load_product_by_id(struct row_loader *loader, const struct uuid *id, struct product **ret_product,
                                 struct fault *fault);
MUST_USE bool load_product_by_row(struct row_loader *loader, int64_t row, struct product **ret_product,
                                  struct fault *fault);
MUST_USE bool load_order_by_id(struct row_loader *loader, const struct uuid *id, struct order **ret_order,
                               struct fault *fault);
MUST_USE bool load_order_by_row(struct row_loader *loader, int64_t row, struct order **ret_order, struct fault *fault);

/* The first row, in order of time, whose id is not below `id`; INT64_MAX where there is none. */
MUST_USE bool find_order_row_from(struct connection *connection, const struct uuid *id, int64_t *ret_row,
                                  struct fault *fault);
/* 0 where there is no such SKU. */
MUST_USE bool find_variant_row(struct connection *connection, struct text sku, int64_t *ret_row, struct fault *fault);

#endif
