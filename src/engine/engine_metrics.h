#ifndef HOLDFAST_ENGINE_ENGINE_METRICS_H
#define HOLDFAST_ENGINE_ENGINE_METRICS_H

#include "base/fault.h"
#include "base/metrics.h"
#include "domain/outcome.h"
#include "engine/command.h"

#define FAULT_KIND_COUNT (FAULT_INTERNAL + 1)

/* Moved by the committer, read by whoever answers /metrics. */
struct engine_metrics {
    struct gauge queue_depth;    /* orders waiting */
    struct histogram batch_size; /* commands and timeouts in a batch */
    struct histogram commit_seconds;
    struct histogram batch_seconds; /* begin to commit */
    struct histogram timeout_lateness_seconds;
    struct counter outcomes[COMMAND_KIND_COUNT][OUTCOME_CODE_COUNT];
    struct counter events[EVENT_TYPE_COUNT]; /* what really happened: a repeated answer makes no event */
    struct counter store_errors[FAULT_KIND_COUNT];
    struct counter batches_replanned;
    struct counter batches_split;
};

void engine_metrics_init(struct engine_metrics *metrics);
void engine_metrics_write(const struct engine_metrics *metrics, struct buffer *out);

#endif
