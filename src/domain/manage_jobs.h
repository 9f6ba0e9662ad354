#ifndef HOLDFAST_DOMAIN_MANAGE_JOBS_H
#define HOLDFAST_DOMAIN_MANAGE_JOBS_H

/* What people do to jobs and queues. */

#include "domain/outcome.h"

enum job_action { JOB_ACTION_RETRY, JOB_ACTION_CANCEL, JOB_ACTION_PROMOTE };

struct manage_job {
    struct uuid job_id; /* or an order's: its payment timeout */
    enum job_action action;
};

struct update_queue {
    struct text name;
    bool has_paused;
    bool is_paused;
    bool has_concurrency;
    int64_t concurrency; /* 0: no limit */
    bool has_rate;
    int64_t rate_max; /* 0: no limit */
    int64_t rate_period_ms;
};

/* Retry and promote: OUTCOME_JOB_SCHEDULED; cancel: OUTCOME_JOB_CANCELLED, again, too (job). Refused:
 * OUTCOME_JOB_NOT_FOUND, OUTCOME_JOB_STATE (job), OUTCOME_JOB_IS_BOUND, OUTCOME_JOB_KEY_TAKEN (job: who has it). */
void manage_job_want(const struct manage_job *command, struct wanted *wanted);
void manage_job_decide(struct facts *facts, const struct manage_job *command, struct outcome *ret_outcome);
/* OUTCOME_QUEUE_UPDATED (queue), OUTCOME_QUEUE_NOT_FOUND, OUTCOME_JOB_IS_BOUND for the payment timeouts' queue. */
void update_queue_want(const struct update_queue *command, struct wanted *wanted);
void update_queue_decide(struct facts *facts, const struct update_queue *command, struct outcome *ret_outcome);
#endif
