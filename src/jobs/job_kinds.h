#ifndef HOLDFAST_JOBS_JOB_KINDS_H
#define HOLDFAST_JOBS_JOB_KINDS_H

/* The table of kinds: what this program knows to do, and when it does it by itself. */

#include "base/fault.h"
#include "http/client.h"
#include "jobs/job_metrics.h"
#include "jobs/job_runner.h"
#include "store/store.h"

struct job_kinds;

struct job_kinds_options {
    const struct store_ops *ops;
    struct store *store;
    struct job_runner *runner;
    struct job_metrics *metrics;
    struct job_retry webhook_retry;
    /* What pruning leaves. */
    int64_t finished_keep_ms; /* completed and cancelled jobs, this long ... */
    size_t finished_keep;     /* ... and no more than this many */
    int64_t dead_keep_ms;
    int64_t event_keep_ms; /* 0: for ever */
    const char *prune_cron;
    const char *time_zone;
};

MUST_USE bool job_kinds_new(const struct job_kinds_options *options, struct job_kinds **ret_kinds, struct fault *fault);
/* Starts the runner with them. */
MUST_USE bool job_kinds_start(struct job_kinds *kinds, struct committer *committer, struct fault *fault);
void job_kinds_free(struct job_kinds *kinds); /* after the runner was stopped; takes NULL */

#endif
