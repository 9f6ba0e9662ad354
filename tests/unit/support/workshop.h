#ifndef HOLDFAST_TESTS_UNIT_SUPPORT_WORKSHOP_H
#define HOLDFAST_TESTS_UNIT_SUPPORT_WORKSHOP_H

/* A job runner with all that it needs: the SQLite store in a folder of its own, which may be away for a while, the real
 * committer, a clock that a test can set on, and one kind of jobs, "work", that does what the test says. */

#include <pthread.h>
#include <stdatomic.h>

#include "engine/committer.h"
#include "jobs/job_runner.h"

#define HELD_MAX 200
#define CALLS_MAX 200
#define PATIENCE_MS 30000 /* after which a test that waits is a test that failed */

struct workshop {
    /* To be changed before workshop_start. */
    struct job_runner_options options;
    struct job_kind kind;
    const struct periodic_job *periodic;
    size_t periodic_count;
    /* What becomes of a run at once; NULL: it is held until the test says. */
    const struct job_finish *finish;

    struct store_ops ops;
    char location[512];
    struct store *store;
    struct reader *reader;
    struct arena *arena; /* of what is read */
    struct committer *committer;
    struct engine_metrics engine_metrics;
    struct job_metrics metrics;
    struct job_runner *runner;
    bool is_stopped;

    pthread_mutex_t mutex;
    /* Guarded by mutex. */
    struct job_run *held[HELD_MAX]; /* the oldest first */
    size_t held_count;
    size_t calls[CALLS_MAX]; /* of start: how many runs each was given */
    size_t call_count;
    size_t stop_count;
};

struct workshop *workshop_open(void);
void workshop_start(struct workshop *workshop);
void workshop_stop(struct workshop *workshop); /* the runner, then the committer */
void workshop_free(struct workshop *workshop); /* stops, too; takes NULL */

/* Sets the clock of the process's stores on. */
void clock_forward(int64_t ms);
/* While it is away no batch begins; how many did not. */
void store_away(bool is_away);
unsigned store_failed_batches(void);
/* The database refuses that this job completes. */
void store_poison(const struct uuid *job_id);

/* Through the door, and waits for what becomes of it: of the outcome only its jobs can be looked at, without texts. */
struct outcome workshop_command(struct workshop *workshop, struct command command);
/* `count` jobs of a kind, due now, in one transaction, and several queues, since one alone is not given all room; the
 * first one's id. */
struct uuid enqueue(struct workshop *workshop, const char *kind, size_t count, int64_t max_attempts);
/* Another worker asks for a job; its claim. Waits until it gets the one. */
struct job take_as_another(struct workshop *workshop, const struct uuid *job_id);

struct job *read_job(struct workshop *workshop, const struct uuid *id); /* lives until workshop_free */
struct job *wait_state(struct workshop *workshop, const struct uuid *id, enum job_state state);
size_t wait_held(struct workshop *workshop, size_t count); /* until so many runs are held; how many are */
size_t count_in(struct workshop *workshop, enum job_state state);
/* Calls a function on the jobs thread, with the run that is held longest (NULL: none is), and waits for it. */
void on_jobs_thread(struct workshop *workshop, void (*function)(struct job_run *run));
/* The longest held run ends so. */
void finish_held(struct workshop *workshop, const struct job_finish *finish);

/* Waits until the condition holds. */
#define wait_until(condition)                      \
    for (int waited = 0; !(condition); waited++) { \
        assert_true(waited < PATIENCE_MS);         \
        (void)usleep(1000);                        \
    }

#endif
