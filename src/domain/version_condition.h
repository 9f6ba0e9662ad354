#ifndef HOLDFAST_DOMAIN_VERSION_CONDITION_H
#define HOLDFAST_DOMAIN_VERSION_CONDITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What If-Match asked for. */
struct version_condition {
    bool is_set;             /* false: unconditional */
    const int64_t *versions; /* none of them: nothing matches (weak or foreign tags) */
    size_t version_count;
};

bool version_condition_holds(const struct version_condition *condition, int64_t version);

#endif
