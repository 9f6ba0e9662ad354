#ifndef HOLDFAST_DOMAIN_PAY_ORDER_H
#define HOLDFAST_DOMAIN_PAY_ORDER_H

/* Turns a hold into a sale. Money that came is never dropped: what cannot be accepted is recorded as refund_due (I7). */

#include "domain/outcome.h"

struct pay_order {
    struct uuid order_id;
    struct text payment_reference;
    bool has_amount; /* false: the order's total */
    struct money amount;
};

void pay_order_want(const struct pay_order *command, struct wanted *wanted);
void pay_order_decide(struct facts *facts, const struct pay_order *command, struct outcome *ret_outcome);

#endif
