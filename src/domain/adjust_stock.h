#ifndef HOLDFAST_DOMAIN_ADJUST_STOCK_H
#define HOLDFAST_DOMAIN_ADJUST_STOCK_H

/* Restocks and corrections, by a delta or by compare-and-swap. */

#include "domain/outcome.h"

struct adjust_stock {
    struct text sku;
    bool is_set; /* set_to and expected count; else delta */
    int64_t delta;
    int64_t set_to;
    int64_t expected;
    enum movement_reason reason;
    struct text reference; /* absent where none */
};

void adjust_stock_want(const struct adjust_stock *command, struct wanted *wanted);
void adjust_stock_decide(struct facts *facts, const struct adjust_stock *command, struct outcome *ret_outcome);

#endif
