#ifndef HOLDFAST_DOMAIN_EXPIRE_ORDER_H
#define HOLDFAST_DOMAIN_EXPIRE_ORDER_H

/* The payment timeout: releases the hold of a draft whose deadline has passed. */

#include <stdbool.h>

#include "domain/facts.h"

/* True where the order expired now; false, and nothing changed, where it is no draft, not due, or its hold is not
 * there (a damaged database). */
bool expire_order_decide(struct facts *facts, struct order *order);

#endif
