#ifndef HOLDFAST_DOMAIN_PRUNE_H
#define HOLDFAST_DOMAIN_PRUNE_H

/* Old rows go, a slice at a time. */

#include "domain/outcome.h"

struct prune {
    struct prune_wanted wanted;
};

/* OUTCOME_PRUNED: count, more. */
void prune_want(const struct prune *command, struct wanted *wanted);
void prune_decide(struct facts *facts, const struct prune *command, struct outcome *ret_outcome);

#endif
