#ifndef HOLDFAST_DOMAIN_HOLD_H
#define HOLDFAST_DOMAIN_HOLD_H

/* The moves that an order and the stock levels of its lines make together (I2, I4 to I6). The only code that changes an
 * order's status or what is reserved. Each asserts that the move is allowed; deciding whether it is comes before. */

#include <stdbool.h>

#include "domain/facts.h"

/* For each line of the order, is there stock for all its lines together? */
bool hold_has_stock(const struct order *order);
/* Is what the order holds really reserved? It is (I2), unless the database was damaged: a row is input like any other,
 * and is looked at before a draft is moved. */
bool hold_is_held(const struct order *order);
void hold_reserve(struct facts *facts, struct order *order); /* a new draft */
/* A live draft's hold becomes a sale. */
void hold_convert(struct facts *facts, struct order *order);
/* An expired order's stock, which hold_has_stock says is there, is sold after all. */
void hold_revive(struct facts *facts, struct order *order);
/* A draft becomes cancelled or expired and gives its stock back. */
void hold_release(struct facts *facts, struct order *order, enum order_status to, struct text reason);

#endif
