#ifndef HOLDFAST_DOMAIN_EXTEND_HOLD_H
#define HOLDFAST_DOMAIN_EXTEND_HOLD_H

/* Gives a live hold more time, up to policy.hold_seconds_max from its creation. */

#include "domain/outcome.h"

struct extend_hold {
    struct uuid order_id;
    int64_t seconds; /* 1..HOLD_SECONDS_MAX_LIMIT, added to the present deadline */
};

void extend_hold_want(const struct extend_hold *command, struct wanted *wanted);
void extend_hold_decide(struct facts *facts, const struct extend_hold *command, struct outcome *ret_outcome);

#endif
