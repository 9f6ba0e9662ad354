#include "workshop.h"

#include "../cmocka_all.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../store/sqlite_files.h"
#include "base/clock.h"
#include "store/sqlite/sqlite_store.h"

#define QUEUES 10

/* Of the process, as the functions of a store are. */
static _Atomic int64_t forward_ms;
static _Atomic bool is_away;
static atomic_uint failed_batches;
static pthread_mutex_t poison_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct uuid poisoned; /* guarded by poison_mutex */

/* ---- The store ---- */

static int64_t shifted_clock(void)
{
    return clock_unix_ms() + forward_ms;
}

static bool begin_unless_away(struct store *store, int64_t *ret_now_ms, struct fault *fault)
{
    if (is_away) {
        failed_batches++;
        return fault_set(fault, FAULT_UNAVAILABLE, "away");
    }
    return SQLITE_STORE.batch_begin(store, ret_now_ms, fault);
}

static bool save_unless_poisoned(struct store *store, struct facts *facts, struct fault *fault)
{
    pthread_mutex_lock(&poison_mutex);
    const struct job *job = facts_job(facts, &poisoned);
    pthread_mutex_unlock(&poison_mutex);
    if (job != NULL && job->is_changed && job->state == JOB_COMPLETED) {
        return fault_set(fault, FAULT_CONSTRAINT, "poisoned");
    }
    return SQLITE_STORE.batch_save(store, facts, fault);
}

void clock_forward(int64_t ms)
{
    forward_ms += ms;
}

void store_away(bool away)
{
    is_away = away;
}

unsigned store_failed_batches(void)
{
    return failed_batches;
}

void store_poison(const struct uuid *job_id)
{
    pthread_mutex_lock(&poison_mutex);
    poisoned = *job_id;
    pthread_mutex_unlock(&poison_mutex);
}

static void check(bool ok, const struct fault *fault)
{
    if (!ok) {
        fail_msg("%s: %s", fault_kind_name(fault->kind), fault->detail);
    }
}

/* ---- The kind ---- */

static void start_work(void *context, struct job_run **runs, size_t count)
{
    struct workshop *workshop = context;
    pthread_mutex_lock(&workshop->mutex);
    assert(workshop->call_count < CALLS_MAX && workshop->held_count + count <= HELD_MAX);
    workshop->calls[workshop->call_count++] = count;
    for (size_t i = 0; workshop->finish == NULL && i < count; i++) {
        workshop->held[workshop->held_count++] = runs[i];
    }
    pthread_mutex_unlock(&workshop->mutex);
    for (size_t i = 0; workshop->finish != NULL && i < count; i++) {
        job_run_finish(runs[i], workshop->finish);
    }
}

/* The mutex is held. */
static void let_go(struct workshop *workshop, const struct job_run *run)
{
    size_t kept = 0;
    for (size_t i = 0; i < workshop->held_count; i++) {
        if (workshop->held[i] != run) {
            workshop->held[kept++] = workshop->held[i];
        }
    }
    assert(kept + 1 == workshop->held_count);
    workshop->held_count = kept;
}

static void stop_work(void *context, struct job_run *run)
{
    struct workshop *workshop = context;
    pthread_mutex_lock(&workshop->mutex);
    let_go(workshop, run);
    workshop->stop_count++;
    pthread_mutex_unlock(&workshop->mutex);
}

/* ---- Life ---- */

static void note_nothing(void *context)
{
    (void)context; /* whoever waits looks */
}

struct workshop *workshop_open(void)
{
    struct workshop *workshop = memory_zalloc(1, sizeof(*workshop));
    struct migration_report report;
    struct fault fault;
    forward_ms = 0;
    is_away = false;
    failed_batches = 0;
    store_poison(&(struct uuid){{0}});
    pthread_mutex_init(&workshop->mutex, NULL);
    workshop->arena = arena_new(16 * 1024);
    workshop->ops = SQLITE_STORE;
    workshop->ops.batch_begin = begin_unless_away;
    workshop->ops.batch_save = save_unless_poisoned;
    sqlite_files_prepare(workshop->location, sizeof(workshop->location));
    const struct store_options options = {
        .location = workshop->location, .create = true, .serve = true, .unix_ms = shifted_clock};
    check(workshop->ops.open(&options, &workshop->store, &fault), &fault);
    check(workshop->ops.migrate(workshop->store, &report, &fault), &fault);
    check(workshop->ops.reader_open(workshop->store, &workshop->reader, &fault), &fault);
    engine_metrics_init(&workshop->engine_metrics);
    workshop->options = (struct job_runner_options){
        .ops = &workshop->ops,
        .store = workshop->store,
        .concurrency_max = 100,
        .lease_ms = 600000,
        .http = {.connect_timeout_ms = PATIENCE_MS,
                 .total_timeout_ms = PATIENCE_MS,
                 .response_bytes_max = 100,
                 .excerpt_bytes_max = 100,
                 .concurrency_max = 1,
                 .user_agent = "holdfast-test/1"},
        .metrics = &workshop->metrics,
    };
    workshop->kind = (struct job_kind){.name = "work",
                                       .batch_max = 1,
                                       .retry = {600000, 600000},
                                       .context = workshop,
                                       .start = start_work,
                                       .stop = stop_work};
    return workshop;
}

void workshop_start(struct workshop *workshop)
{
    struct fault fault;
    check(job_runner_new(&workshop->options, &workshop->runner, &fault), &fault);
    const struct committer_options options = {
        .ops = &workshop->ops,
        .store = workshop->store,
        .policy = {.hold_seconds_max = 3600},
        .queue_weight_max = 1000,
        .batch_weight_max = 1000,
        .sweep_max = 100,
        .metrics = &workshop->engine_metrics,
        .completed = note_nothing,
        .jobs_changed = job_runner_notify,
        .jobs_context = workshop->runner,
    };
    check(committer_start(&options, &workshop->committer, &fault), &fault);
    check(job_runner_start(workshop->runner, workshop->committer, &workshop->kind, 1, workshop->periodic,
                           workshop->periodic_count, &fault),
          &fault);
}

void workshop_stop(struct workshop *workshop)
{
    if (workshop->runner != NULL && !workshop->is_stopped) {
        job_runner_stop(workshop->runner);
        committer_stop(workshop->committer);
        workshop->is_stopped = true;
    }
}

void workshop_free(struct workshop *workshop)
{
    if (workshop == NULL) {
        return;
    }
    workshop_stop(workshop);
    job_runner_free(workshop->runner);
    if (workshop->committer != NULL) {
        committer_free(workshop->committer);
    }
    workshop->ops.reader_close(workshop->reader);
    workshop->ops.close(workshop->store);
    sqlite_files_discard(workshop->location);
    arena_free(workshop->arena);
    pthread_mutex_destroy(&workshop->mutex);
    free(workshop);
}

/* ---- Commands ---- */

struct outcome workshop_command(struct workshop *workshop, struct command command)
{
    struct command *completed = NULL;
    assert_true(committer_submit(workshop->committer, &command));
    wait_until((completed = committer_take_completed(workshop->committer)) != NULL);
    assert_ptr_equal(completed, &command);
    struct outcome outcome = command.outcome;
    for (size_t i = 0; i < outcome.job_count; i++) { /* what a test looks at outlives the batch */
        outcome.jobs = i == 0 ? arena_array(workshop->arena, outcome.job_count, sizeof(*outcome.jobs)) : outcome.jobs;
        outcome.jobs[i] = command.outcome.jobs[i];
        outcome.jobs[i].job = job_snapshot(workshop->arena, outcome.jobs[i].job);
    }
    committer_release(workshop->committer, &command);
    return outcome;
}

struct uuid enqueue(struct workshop *workshop, const char *kind, size_t count, int64_t max_attempts)
{
    struct new_job *jobs = arena_array(workshop->arena, count, sizeof(*jobs));
    for (size_t i = 0; i < count; i++) {
        jobs[i] = (struct new_job){.queue = arena_printf(workshop->arena, "queue-%zu", i % QUEUES),
                                   .kind = text_from_c(kind),
                                   .priority = JOB_PRIORITY_DEFAULT,
                                   .max_attempts = max_attempts};
    }
    struct outcome outcome =
        workshop_command(workshop, (struct command){.kind = COMMAND_ENQUEUE_JOBS, .input.enqueue_jobs = {jobs, count}});
    assert_int_equal(outcome.code, OUTCOME_JOBS_ENQUEUED);
    return outcome.jobs[0].job->id;
}

struct job take_as_another(struct workshop *workshop, const struct uuid *job_id)
{
    for (int tries = 0; tries < PATIENCE_MS; tries++) {
        clock_forward(3600000); /* whatever lease it has runs out, unless it is renewed in between */
        struct outcome outcome =
            workshop_command(workshop, (struct command){.kind = COMMAND_CLAIM_JOBS,
                                                        .input.claim_jobs = {.max = 1, .lease_ms = 86400000}});
        if (outcome.job_count == 1) {
            assert_true(uuid_equal(outcome.jobs[0].job->id, *job_id));
            return *outcome.jobs[0].job;
        }
    }
    fail_msg("the job was not to be had");
    abort();
}

/* ---- What there is ---- */

struct job *read_job(struct workshop *workshop, const struct uuid *id)
{
    struct job *job = NULL;
    struct fault fault;
    check(workshop->ops.read_job(workshop->reader, workshop->arena, id, &job, &fault), &fault);
    assert_non_null(job);
    return job;
}

struct job *wait_state(struct workshop *workshop, const struct uuid *id, enum job_state state)
{
    struct job *job;
    wait_until((job = read_job(workshop, id))->state == state);
    return job;
}

static size_t held_count(struct workshop *workshop)
{
    pthread_mutex_lock(&workshop->mutex);
    size_t count = workshop->held_count;
    pthread_mutex_unlock(&workshop->mutex);
    return count;
}

size_t wait_held(struct workshop *workshop, size_t count)
{
    wait_until(held_count(workshop) >= count);
    return held_count(workshop);
}

size_t count_in(struct workshop *workshop, enum job_state state)
{
    struct queue_row *rows;
    size_t row_count;
    struct fault fault;
    check(workshop->ops.read_queues(workshop->reader, workshop->arena, QUEUE_COUNTS, shifted_clock(), &rows, &row_count,
                                    &fault),
          &fault);
    size_t count = 0;
    for (size_t i = 0; i < row_count; i++) {
        count += (size_t)rows[i].counts[state];
    }
    return count;
}

/* ---- The jobs thread ---- */

struct errand {
    struct job_task task;
    struct workshop *workshop;
    void (*function)(struct job_run *run);
    const struct job_finish *finish;
    _Atomic bool is_done;
};

static void run_errand(struct job_task *task)
{
    struct errand *errand = task->context;
    struct workshop *workshop = errand->workshop;
    pthread_mutex_lock(&workshop->mutex);
    struct job_run *run = workshop->held_count == 0 ? NULL : workshop->held[0];
    if (errand->finish != NULL) {
        let_go(workshop, run);
    }
    pthread_mutex_unlock(&workshop->mutex);
    if (errand->finish != NULL) {
        job_run_finish(run, errand->finish);
    } else {
        errand->function(run);
    }
    errand->is_done = true;
}

/* A command that changes nothing is answered on the jobs thread; that the store is away is an answer, too. */
static void send_errand(struct workshop *workshop, struct errand *errand)
{
    errand->workshop = workshop;
    errand->task =
        (struct job_task){.command = {.kind = COMMAND_MANAGE_JOB}, .completed = run_errand, .context = errand};
    assert_true(job_runner_submit(workshop->runner, &errand->task));
    wait_until(errand->is_done);
}

void on_jobs_thread(struct workshop *workshop, void (*function)(struct job_run *run))
{
    struct errand errand = {.function = function};
    send_errand(workshop, &errand);
}

void finish_held(struct workshop *workshop, const struct job_finish *finish)
{
    struct errand errand = {.finish = finish};
    send_errand(workshop, &errand);
}
