#ifndef HOLDFAST_JOBS_PRUNE_JOB_H
#define HOLDFAST_JOBS_PRUNE_JOB_H

/* The periodic job that forgets finished jobs and old events, a slice a transaction, so that orders go in between. */

#include "jobs/job_kinds.h"
#include "jobs/job_run.h"

struct prune_job {
    const struct job_kinds_options *options;
};

void prune_job_start(void *context, struct job_run **runs, size_t count);
void prune_job_stop(void *context, struct job_run *run);

#endif
