#ifndef HOLDFAST_JOBS_JOB_RUNNER_STATE_H
#define HOLDFAST_JOBS_JOB_RUNNER_STATE_H

/* What the files of the runner share; nobody else includes it. */

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "base/arena.h"
#include "engine/completions.h"
#include "jobs/cron.h"
#include "jobs/job_runner.h"

#define RESULTS_MAX 1000   /* in one transaction */
#define CLAIM_MAX 500      /* the same */
#define LOOK_US 1000000    /* nobody told of anything: look all the same */
#define CONTESTED_US 20000 /* something may start that another worker has in hand: look again */
#define RETRY_US 250000    /* after the store has failed */
#define HELD_CHUNK_BYTES 4096
#define NOTICES_MAX 500 /* orders in one transaction */
#define FAILURES_LOGGED_PER_SECOND_MAX 20

/* A kind as the runner has it. */
struct runner_kind {
    struct job_kind kind;
    struct kind_metrics *metrics;
};

struct job_run {
    struct job_runner *runner;
    const struct runner_kind *kind;
    struct arena *arena;
    struct job job; /* in the arena */
    void *state;    /* the handler's */
    int64_t started_us;
    int64_t progress;         /* since the last renewal; JOB_PROGRESS_NONE: nothing new */
    struct text notes;        /* log lines since the last renewal */
    struct text notes_sent;   /* those that the renewal under way has */
    struct job_result result; /* once it has finished */
    TAILQ_ENTRY(job_run) link;
};
TAILQ_HEAD(job_run_list, job_run);

struct periodic_state {
    struct job_runner *runner;
    struct job_schedule schedule;
    struct cron *cron;
    struct job_task task;
    bool is_declared;
    bool is_busy; /* the task is under way */
    int64_t due_ms;
    int64_t clock_ms; /* what the store's clock showed, when it was last looked at */
    int64_t ask_us;   /* not before */
};

struct job_runner {
    /* Immutable after the start. */
    struct job_runner_options options;
    struct committer *committer;
    struct completions *completions;
    struct http_client *http;
    struct watch *watch;
    struct runner_kind *kinds;
    size_t kind_count;
    struct runner_kind unknown_kind;
    struct periodic_state *periodic;
    size_t periodic_count;
    pthread_t thread;

    /* The jobs thread's own. */
    uint64_t random; /* of jitter */
    struct job_run_list running;
    size_t running_count;
    struct job_run_list finished; /* results to be written, oldest first */
    size_t finished_count;

    struct job_task claim;
    struct arena *held_arena; /* of what the claim names */
    struct text *held;
    int64_t claim_us; /* when to claim next */

    struct job_task write; /* results */
    struct job_result *results;
    struct job_run_list written; /* those that it carries */
    size_t write_max;            /* RESULTS_MAX, or fewer while one that fails is being isolated */
    int64_t write_us;            /* not before */

    struct job_task renew;
    struct job_renewal *renewals;
    size_t renewals_capacity;
    int64_t renew_us;

    struct job_task notice;
    int64_t notice_us;

    int64_t failures_second;
    int failures_logged;
    bool is_claiming; /* the task of that name is under way */
    bool is_writing;
    bool is_renewing;
    bool is_noticing;
    bool has_thread;

    /* Any thread. */
    _Atomic int64_t told_job_ms; /* the earliest that somebody told of since the last claim; INT64_MAX: none */
    _Atomic int64_t drain_us;    /* INT64_MAX: it does not drain */
    _Atomic bool is_idle;
    _Atomic bool is_stopping;
};

/* When that moment of the store's clock is on the monotonic one. */
int64_t runner_monotonic_us(const struct job_runner *runner, int64_t at_ms);
bool runner_is_draining(const struct job_runner *runner);
uint32_t runner_jitter(struct job_runner *runner);
/* Whether a failure may be logged, now that so many were. */
bool runner_may_log(struct job_runner *runner);

/* job_run.c */
struct job_run *job_run_new(struct job_runner *runner, const struct job *job);
void job_run_free(struct job_run *run);
void job_run_stop(struct job_run *run); /* lets its handler go */

/* job_results.c: what became of jobs, and leases */
void results_init(struct job_runner *runner);
int64_t results_turn(struct job_runner *runner); /* when to come again, on the monotonic clock */
void results_done(struct job_runner *runner);

/* job_periodic.c */
MUST_USE bool periodic_init(struct job_runner *runner, const struct periodic_job *jobs, size_t count,
                            struct fault *fault);
int64_t periodic_turn(struct job_runner *runner);
void periodic_done(struct job_runner *runner);

#endif
