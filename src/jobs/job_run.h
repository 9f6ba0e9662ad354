#ifndef HOLDFAST_JOBS_JOB_RUN_H
#define HOLDFAST_JOBS_JOB_RUN_H

/* One job while this process holds it: what a kind's handler works with. All of it belongs to the jobs thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "domain/claim_jobs.h"
#include "domain/job.h"
#include "engine/command.h"

struct job_run;

/* A row of the table of kinds. Handlers must not block: they start something, and say later what became of it. */
struct job_kind {
    const char *name;
    size_t batch_max; /* due jobs that one call of `start` may be given; 1: each has its own */
    struct job_retry retry;
    void *context; /* of the handlers */
    /* Each run ends with one job_run_finish, at once or later, unless it is stopped before. */
    void (*start)(void *context, struct job_run **runs, size_t count);
    /* The run is over: its lease went to another, or the process ends. Nothing may be done with it afterwards. NULL:
     * there is nothing to let go of. */
    void (*stop)(void *context, struct job_run *run);
};

const struct job *job_run_job(const struct job_run *run);
/* Memory that lives as long as the run. */
struct arena *job_run_arena(struct job_run *run);
/* The handler's own. */
void job_run_set_state(struct job_run *run, void *state);
void *job_run_state(const struct job_run *run);

struct job_finish {
    enum job_result_kind kind;
    struct text error; /* of all but DONE and GIVEN_BACK; copied */
    /* The same for the process's log, where `error` has a stranger's words in it, who may repeat what a customer told us;
     * absent: `error`. */
    struct text logged_error;
    int64_t retry_in_ms; /* not before; of FAILED the kind's backoff where that is longer */
    struct text message; /* a line for the job's log; absent: none. Copied */
    bool is_answered;    /* the line shows an HTTP status ... */
    int status;          /* 0: there was none */
    int64_t duration_ms; /* ... and how long that took */
    enum endpoint_health health;
    int64_t hold_ms; /* for so long the endpoint wants nothing else either */
    struct uuid endpoint_id;
};
/* The run is gone for its handler. */
void job_run_finish(struct job_run *run, const struct job_finish *finish);

/* Shown from the next renewal of the lease on. */
void job_run_progress(struct job_run *run, int percent);
void job_run_log(struct job_run *run, const char *format, ...) PRINTF_LIKE(2, 3);

/* A command of a handler's, through the one door. It must live until `completed` was called on the jobs thread, be its
 * run stopped before or not. */
struct job_task {
    struct command command;
    void (*completed)(struct job_task *task); /* the outcome's memory goes when it returns */
    void *context;
};
struct job_runner;
/* False: the process is ending. */
MUST_USE bool job_runner_submit(struct job_runner *runner, struct job_task *task);

#endif
