#ifndef HOLDFAST_JOBS_JOB_RUNNER_H
#define HOLDFAST_JOBS_JOB_RUNNER_H

/* The jobs thread: claims what is due, hands it to the handlers of its kind, renews the leases of what runs long, and
 * says what became of each. Everything that it changes goes through the one door; between two claims it sleeps until
 * the next is due, is told of new ones by the committer and the store's watch, and looks once a second besides.
 *
 * It fires periodic jobs, and asks for the notices of payments that are due soon. */

#include "base/fault.h"
#include "engine/committer.h"
#include "http/client.h"
#include "jobs/job_metrics.h"
#include "jobs/job_run.h"
#include "store/store.h"

struct job_runner;

/* A periodic job. */
struct periodic_job {
    const char *name;
    const char *queue;
    const char *kind;
    const char *cron;
    const char *time_zone;
};

struct job_runner_options {
    const struct store_ops *ops;
    struct store *store;
    size_t concurrency_max; /* jobs that run at once in this process */
    int64_t lease_ms;       /* a worker that died is replaced after; a third of it passes between renewals */
    int64_t notice_lead_ms; /* how long before its deadline an unpaid order is told of; 0: never */
    struct http_client_options http;
    struct job_metrics *metrics;
    bool is_stepped; /* there is no thread: whoever started it calls job_runner_turn */
};

/* Nothing runs yet. */
MUST_USE bool job_runner_new(const struct job_runner_options *options, struct job_runner **ret_runner,
                             struct fault *fault);
/* For handlers, before the start: all transfers are made on the jobs thread. */
struct http_client *job_runner_http(struct job_runner *runner);
/* Starts the thread. The kinds are copied; what they point at outlives the runner, as the committer does. False, with a
 * detail: a cron expression or a time zone is wrong, or the store cannot be watched. */
MUST_USE bool job_runner_start(struct job_runner *runner, struct committer *committer, const struct job_kind *kinds,
                               size_t kind_count, const struct periodic_job *periodic, size_t periodic_count,
                               struct fault *fault);

/* The committer's jobs_changed, with the runner as its context. Any thread. */
void job_runner_notify(void *context, int64_t job_at_ms);

/* Claims nothing more; what runs has until then to finish, and is given back after. Any thread. */
void job_runner_drain(struct job_runner *runner, int64_t until_us);
bool job_runner_is_idle(const struct job_runner *runner); /* drained: nothing runs, and all results are written */
/* Where it is stepped. One turn, and transfers, for up to patience_us; returns when it wants the next one, on the
 * monotonic clock, unless something ends or is told before. */
int64_t job_runner_turn(struct job_runner *runner, int64_t patience_us);
/* Ends the thread, before the committer is stopped. */
void job_runner_stop(struct job_runner *runner);
void job_runner_free(struct job_runner *runner); /* after the committer was stopped; takes NULL */

#endif
