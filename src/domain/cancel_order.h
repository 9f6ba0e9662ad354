#ifndef HOLDFAST_DOMAIN_CANCEL_ORDER_H
#define HOLDFAST_DOMAIN_CANCEL_ORDER_H

/* Gives a draft's hold back at the customer's or the shop's wish. */

#include "domain/outcome.h"

struct cancel_order {
    struct uuid order_id;
    struct text reason; /* absent where none */
};

void cancel_order_want(const struct cancel_order *command, struct wanted *wanted);
void cancel_order_decide(struct facts *facts, const struct cancel_order *command, struct outcome *ret_outcome);

#endif
