#ifndef HOLDFAST_DOMAIN_NOTIFY_PAYMENTS_H
#define HOLDFAST_DOMAIN_NOTIFY_PAYMENTS_H

/* Tells of orders whose deadline is near, a slice at a time. */

#include "domain/outcome.h"

struct notify_payments {
    struct notice_wanted wanted;
};

/* OUTCOME_PAYMENTS_NOTIFIED: count, more, next_ms (when the next is near). */
void notify_payments_want(const struct notify_payments *command, struct wanted *wanted);
void notify_payments_decide(struct facts *facts, const struct notify_payments *command, struct outcome *ret_outcome);

#endif
