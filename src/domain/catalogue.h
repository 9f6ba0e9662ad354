#ifndef HOLDFAST_DOMAIN_CATALOGUE_H
#define HOLDFAST_DOMAIN_CATALOGUE_H

/* Making and changing products and variants, one by one or by import. */

#include "domain/outcome.h"
#include "domain/version_condition.h"

struct create_variant {
    struct text sku;
    struct text title;
    struct money price;
    int64_t stock_quantity;
    int64_t max_per_customer;    /* 0: none */
    int64_t low_stock_threshold; /* -1: none */
};

struct create_product {
    struct text title;
    const struct create_variant *variants; /* 1..PRODUCT_VARIANTS_MAX, SKUs distinct */
    size_t variant_count;
};

struct update_product {
    struct uuid product_id;
    struct text title; /* absent: unchanged */
    struct version_condition condition;
};

struct update_variant {
    struct text sku;
    struct text title; /* absent: unchanged */
    bool has_price;
    struct money price;
    bool has_max_per_customer;
    int64_t max_per_customer; /* 0: none */
    bool has_low_stock_threshold;
    int64_t low_stock_threshold; /* -1: none */
    struct version_condition condition;
};

/* One product of a file: made where its SKUs are new, else brought to what the file says. */
struct import_variant {
    size_t row; /* the file's line, for the report */
    struct create_variant variant;
    bool has_max_per_customer; /* the file has that column */
};
struct import_product {
    struct text title;
    const struct import_variant *variants;
    size_t variant_count;
};
struct import_products {
    const struct import_product *products;
    size_t product_count;
    bool check_only; /* change nothing: only say which rows would be refused */
};

void create_product_want(const struct create_product *command, struct wanted *wanted);
void create_product_decide(struct facts *facts, const struct create_product *command, struct outcome *ret_outcome);
void update_product_want(const struct update_product *command, struct wanted *wanted);
void update_product_decide(struct facts *facts, const struct update_product *command, struct outcome *ret_outcome);
void update_variant_want(const struct update_variant *command, struct wanted *wanted);
void update_variant_decide(struct facts *facts, const struct update_variant *command, struct outcome *ret_outcome);
/* A variant that exists keeps its product; its title, price, limit and stock become the file's (a stock below what is
 * reserved is refused for that row alone). New variants join the product of the first of their product's variants that
 * exists, else a new product. */
void import_products_want(const struct import_products *command, struct wanted *wanted);
void import_products_decide(struct facts *facts, const struct import_products *command, struct outcome *ret_outcome);

/* The pieces that creation, patches and imports share: each changes the working set. */
struct product *catalogue_add_product(struct facts *facts, struct text title);
struct variant *catalogue_add_variant(struct facts *facts, struct uuid product_id, const struct create_variant *wish);
/* A patch that says what is there already changes nothing, the version included: false. The condition is not looked at. */
bool catalogue_patch_variant(struct facts *facts, struct variant *variant, const struct update_variant *patch);

#endif
