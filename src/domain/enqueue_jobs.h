#ifndef HOLDFAST_DOMAIN_ENQUEUE_JOBS_H
#define HOLDFAST_DOMAIN_ENQUEUE_JOBS_H

/* New jobs, in the transaction of what causes them. */

#include "domain/outcome.h"

/* What becomes of a job whose kind and key are those of a scheduled one. */
enum on_scheduled_key { JOB_KEY_REFUSE, JOB_KEY_KEEP, JOB_KEY_REPLACE };

struct new_job {
    struct text queue;
    struct text kind;
    struct text key; /* absent: none */
    enum on_scheduled_key on_key;
    struct text payload;       /* a JSON object, compact; absent: none */
    int64_t run_at_ms;         /* 0: now; never before now */
    int64_t priority;          /* 0 first to JOB_PRIORITY_MAX last */
    int64_t max_attempts;      /* 1 to JOB_ATTEMPTS_MAX */
    const struct event *event; /* to deliver; NULL: none */
    int64_t event_sequence;    /* the same, of an event that is there already; 0: none */
};

struct enqueue_jobs {
    const struct new_job *jobs; /* outlive the batch, as the texts in them */
    size_t count;
};

void enqueue_jobs_want(const struct enqueue_jobs *command, struct wanted *wanted);
/* OUTCOME_JOBS_ENQUEUED; jobs[i] tells what became of each. Nothing else depends on a refused one. */
void enqueue_jobs_decide(struct facts *facts, const struct enqueue_jobs *command, struct outcome *ret_outcome);

/* For other decisions: one job whose key, where it has one, was wanted. */
struct outcome_job job_enqueue(struct facts *facts, const struct new_job *input);

#endif
