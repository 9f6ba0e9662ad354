#ifndef HOLDFAST_DOMAIN_PRODUCT_H
#define HOLDFAST_DOMAIN_PRODUCT_H

#include <stddef.h>

#include "domain/stock.h"

struct product {
    int64_t row; /* the store's own handle; 0 until it was saved */
    struct uuid id;
    struct text title;
    int64_t created_at_ms;
    int64_t version;
    struct variant **variants; /* in the order they were made */
    size_t variant_count;

    int64_t loaded_version; /* 0: new */
};

#endif
