#ifndef HOLDFAST_CLI_CATALOGUE_MAP_H
#define HOLDFAST_CLI_CATALOGUE_MAP_H

/* --map and --variants-map of import: in which column of somebody's table is what? "sku=sku,title=name,price=cents" */

#include <stdbool.h>

#include "base/attributes.h"
#include "base/text.h"

enum map_field {
    MAP_ID,      /* of a product */
    MAP_PRODUCT, /* of a variant: its product's id */
    MAP_SKU,
    MAP_TITLE,
    MAP_PRICE,
    MAP_STOCK,
    MAP_CURRENCY,
    MAP_MAX_PER_CUSTOMER,
    MAP_FIELD_COUNT
};

/* A set of fields is the sum of their bits. */
#define MAP_BIT(field) (1u << (field))

struct catalogue_map {
    struct text columns[MAP_FIELD_COUNT]; /* within the text that was parsed; absent: not said */
};

/* False, with a message that begins with `option` ("--map"). `required` and `allowed` are sets of fields. */
MUST_USE bool catalogue_map_parse(const char *option, const char *text, unsigned required, unsigned allowed,
                                  struct catalogue_map *ret_map);

#endif
