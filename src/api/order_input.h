#ifndef HOLDFAST_API_ORDER_INPUT_H
#define HOLDFAST_API_ORDER_INPUT_H

/* An order as a client asks for it, alone or in a batch. */

#include "api/json_input.h"
#include "domain/place_order.h"

/* Reads the fields of an order; whatever is wrong goes to their errors, and *ret_order is then not to be used. */
void order_input_read(struct json_fields *fields, int64_t hold_seconds_max, struct place_order *ret_order);

#endif
