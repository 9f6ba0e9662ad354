#include "jobs/job_runner.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "jobs/job_runner_state.h"

/* ---- What its files share ---- */

int64_t runner_monotonic_us(const struct job_runner *runner, int64_t at_ms)
{
    return clock_monotonic_us() + (at_ms - runner->options.ops->now(runner->options.store)) * 1000;
}

bool runner_is_draining(const struct job_runner *runner)
{
    return atomic_load(&runner->drain_us) != INT64_MAX;
}

/* A xorshift generator: what was tried at the same time shall not be tried again at the same time, no more. */
uint32_t runner_jitter(struct job_runner *runner)
{
    runner->random ^= runner->random << 13;
    runner->random ^= runner->random >> 7;
    runner->random ^= runner->random << 17;
    return (uint32_t)(runner->random >> 16) & 0xffff;
}

bool runner_may_log(struct job_runner *runner)
{
    int64_t second = clock_monotonic_us() / 1000000;
    if (second != runner->failures_second) {
        runner->failures_second = second;
        runner->failures_logged = 0;
    }
    return runner->failures_logged++ < FAILURES_LOGGED_PER_SECOND_MAX;
}

bool job_runner_submit(struct job_runner *runner, struct job_task *task)
{
    task->command.completions = runner->completions;
    task->command.context = task;
    task->command.is_internal = true;
    return committer_submit(runner->committer, &task->command);
}

static void take_completed(struct job_runner *runner)
{
    struct command *command = completions_take(runner->completions);
    while (command != NULL) {
        struct command *next = command->next;
        struct job_task *task = command->context;
        /* The outcome's memory is the batch's; the task's own may be used again by what is called. */
        struct command batch_of = *command;
        task->completed(task);
        committer_release(runner->committer, &batch_of);
        command = next;
    }
}

/* ---- Kinds that nobody knows ---- */

static void refuse_unknown(void *context, struct job_run **runs, size_t count)
{
    (void)context;
    for (size_t i = 0; i < count; i++) {
        job_run_finish(runs[i],
                       &(struct job_finish){.kind = JOB_RESULT_FAILED,
                                            .error = TEXT_LITERAL("this version does not know the job's kind")});
    }
}

/* ---- Claims ---- */

/* Ours still, by another claim: the lease ran out before its renewal was written, or the clock was moved. */
static bool is_running_here(struct job_runner *runner, const struct job *job)
{
    struct job_run *run;
    TAILQ_FOREACH(run, &runner->running, link)
    {
        if (uuid_equal(run->job.id, job->id)) {
            run->job.claim = job->claim;
            run->job.attempt = job->attempt;
            return true;
        }
    }
    TAILQ_FOREACH(run, &runner->finished, link)
    {
        if (uuid_equal(run->job.id, job->id)) {
            run->result.claim = job->claim;
            return true;
        }
    }
    return false;
}

static struct job_run *begin_run(struct job_runner *runner, const struct outcome_job *claimed)
{
    if (claimed->was_taken_over && is_running_here(runner, claimed->job)) {
        return NULL;
    }
    struct job_run *run = job_run_new(runner, claimed->job);
    struct kind_metrics *metrics = run->kind->metrics;
    if (claimed->was_taken_over) {
        counter_add(&metrics->takeovers, 1);
    } else {
        histogram_observe(&metrics->lateness_seconds,
                          (double)(claimed->job->started_at_ms - claimed->job->run_at_ms) / 1000.0);
    }
    gauge_add(&metrics->running, 1);
    TAILQ_INSERT_TAIL(&runner->running, run, link);
    runner->running_count++;
    return run;
}

/* Hands the runs of one kind over, as many at a time as it takes; what it was given leaves the array. */
static void start_kind(const struct runner_kind *kind, struct job_run **runs, size_t count)
{
    struct job_run *batch[CLAIM_MAX];
    size_t batch_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (runs[i] == NULL || runs[i]->kind != kind) {
            continue;
        }
        batch[batch_count++] = runs[i];
        runs[i] = NULL;
        if (batch_count == kind->kind.batch_max) {
            kind->kind.start(kind->kind.context, batch, batch_count);
            batch_count = 0;
        }
    }
    if (batch_count > 0) {
        kind->kind.start(kind->kind.context, batch, batch_count);
    }
}

static void start_claimed(struct job_runner *runner, const struct outcome *outcome)
{
    struct job_run *runs[CLAIM_MAX];
    size_t count = outcome->job_count; /* the task may be used again while they start */
    assert(count <= CLAIM_MAX);
    for (size_t i = 0; i < count; i++) {
        runs[i] = begin_run(runner, &outcome->jobs[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (runs[i] != NULL) {
            start_kind(runs[i]->kind, runs, count);
        }
    }
}

static void on_claimed(struct job_task *task)
{
    struct job_runner *runner = task->context;
    const struct outcome *outcome = &task->command.outcome;
    int64_t now_us = clock_monotonic_us();
    runner->is_claiming = false;
    if (atomic_load(&runner->is_stopping)) {
        return; /* their leases run out */
    }
    if (outcome->code != OUTCOME_JOBS_CLAIMED) {
        runner->claim_us = now_us + RETRY_US;
        return;
    }
    if (outcome->count > 0) {
        log_message(LOG_WARN, "jobs_dead", "%zu jobs lost their last worker, and are dead: see jobs list --state dead",
                    outcome->count);
    }
    bool is_full = outcome->job_count == task->command.input.claim_jobs.max;
    runner->claim_us = now_us + LOOK_US;
    if (is_full || outcome->more) {
        runner->claim_us = outcome->job_count > 0 ? now_us : now_us + CONTESTED_US;
    } else if (outcome->next_ms != INT64_MAX) {
        int64_t next_us = runner_monotonic_us(runner, outcome->next_ms);
        runner->claim_us = next_us < runner->claim_us ? next_us : runner->claim_us;
    }
    start_claimed(runner, outcome);
}

/* The queues of what runs. The names are copied: a run may end before its claim is decided. */
static size_t list_held(struct job_runner *runner)
{
    struct job_run *run;
    size_t count = 0;
    arena_clear(runner->held_arena);
    runner->held = arena_array(runner->held_arena, runner->running_count, sizeof(*runner->held));
    TAILQ_FOREACH(run, &runner->running, link)
    {
        if (count == 0 || !text_equal(runner->held[count - 1], run->job.queue)) {
            runner->held[count++] = arena_text(runner->held_arena, run->job.queue);
        }
    }
    return count;
}

static int64_t claim_turn(struct job_runner *runner)
{
    int64_t now_us = clock_monotonic_us();
    if (runner->is_claiming || runner_is_draining(runner) || runner->running_count >= runner->options.concurrency_max) {
        return INT64_MAX;
    }
    int64_t told_ms = atomic_load(&runner->told_job_ms);
    int64_t told_us = told_ms == INT64_MAX ? INT64_MAX : runner_monotonic_us(runner, told_ms);
    if (told_us < runner->claim_us) {
        runner->claim_us = told_us;
    }
    if (now_us < runner->claim_us) {
        return runner->claim_us;
    }
    size_t room = runner->options.concurrency_max - runner->running_count;
    size_t reserve = room <= CLAIM_MAX ? runner->options.concurrency_max / 2 : 0;
    size_t held_count = reserve == 0 ? 0 : list_held(runner);
    atomic_store(&runner->told_job_ms, INT64_MAX);
    runner->claim = (struct job_task){
        .command = {.kind = COMMAND_CLAIM_JOBS,
                    .input.claim_jobs = {.max = room < CLAIM_MAX ? room : CLAIM_MAX,
                                         .reserve = reserve,
                                         .lease_ms = runner->options.lease_ms,
                                         .held = runner->held,
                                         .held_count = held_count}},
        .completed = on_claimed,
        .context = runner,
    };
    runner->is_claiming = job_runner_submit(runner, &runner->claim);
    return INT64_MAX;
}

/* ---- The thread ---- */

/* Past its time, what still runs is given back: another worker starts it at once. */
static int64_t drain_turn(struct job_runner *runner)
{
    int64_t drain_us = atomic_load(&runner->drain_us);
    if (drain_us == INT64_MAX) {
        return INT64_MAX;
    }
    if (clock_monotonic_us() >= drain_us) {
        while (!TAILQ_EMPTY(&runner->running)) {
            struct job_run *run = TAILQ_FIRST(&runner->running);
            job_run_stop(run);
            job_run_finish(run, &(struct job_finish){.kind = JOB_RESULT_GIVEN_BACK});
        }
    }
    atomic_store(&runner->is_idle,
                 runner->running_count + runner->finished_count == 0 && !runner->is_writing && !runner->is_claiming);
    return drain_us;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t job_runner_turn(struct job_runner *runner, int64_t patience_us)
{
    take_completed(runner);
    int64_t next_us = drain_turn(runner);
    next_us = earlier(next_us, results_turn(runner));
    next_us = earlier(next_us, claim_turn(runner));
    if (!runner_is_draining(runner)) {
        next_us = earlier(next_us, periodic_turn(runner));
    }
    int64_t wait_us = earlier(next_us - clock_monotonic_us(), patience_us);
    (void)http_client_run(runner->http, -1, wait_us <= 0 ? 0 : (wait_us + 999) / 1000);
    return next_us;
}

static void *runner_main(void *argument)
{
    struct job_runner *runner = argument;
    (void)pthread_setname_np(pthread_self(), "jobs");
    while (!atomic_load(&runner->is_stopping)) {
        (void)job_runner_turn(runner, LOOK_US);
    }
    return NULL;
}

static void on_completed(void *context)
{
    struct job_runner *runner = context;
    http_client_wake(runner->http);
}

void job_runner_notify(void *context, int64_t job_at_ms)
{
    struct job_runner *runner = context;
    int64_t known_ms = atomic_load(&runner->told_job_ms);
    while (job_at_ms < known_ms) {
        if (atomic_compare_exchange_weak(&runner->told_job_ms, &known_ms, job_at_ms)) {
            http_client_wake(runner->http);
            return;
        }
    }
}

/* ---- Life ---- */

bool job_runner_new(const struct job_runner_options *options, struct job_runner **ret_runner, struct fault *fault)
{
    struct job_runner *runner = memory_zalloc(1, sizeof(*runner));
    runner->options = *options;
    atomic_store(&runner->told_job_ms, INT64_MAX);
    atomic_store(&runner->drain_us, INT64_MAX);
    runner->random = (uint64_t)clock_monotonic_us() * UINT64_C(0x9e3779b97f4a7c15) + 1;
    runner->held_arena = arena_new(HELD_CHUNK_BYTES);
    results_init(runner);
    runner->completions = completions_new(on_completed, runner);
    if (!http_client_new(&options->http, &runner->http, fault)) {
        job_runner_free(runner);
        return false;
    }
    *ret_runner = runner;
    return true;
}

struct http_client *job_runner_http(struct job_runner *runner)
{
    return runner->http;
}

static void add_kinds(struct job_runner *runner, const struct job_kind *kinds, size_t count)
{
    runner->kinds = memory_zalloc(count + 1, sizeof(*runner->kinds));
    runner->kind_count = count;
    for (size_t i = 0; i < count; i++) {
        assert(kinds[i].batch_max >= 1 && kinds[i].batch_max <= CLAIM_MAX);
        runner->kinds[i] = (struct runner_kind){
            .kind = kinds[i], .metrics = job_metrics_add_kind(runner->options.metrics, kinds[i].name)};
    }
    runner->unknown_kind = (struct runner_kind){
        .kind = {.name = "unknown", .batch_max = CLAIM_MAX, .retry = {60000, 3600000}, .start = refuse_unknown},
        .metrics = job_metrics_add_kind(runner->options.metrics, "unknown"),
    };
}

bool job_runner_start(struct job_runner *runner, struct committer *committer, const struct job_kind *kinds,
                      size_t kind_count, const struct periodic_job *periodic, size_t periodic_count,
                      struct fault *fault)
{
    runner->committer = committer;
    add_kinds(runner, kinds, kind_count);
    if (!periodic_init(runner, periodic, periodic_count, fault) ||
        !runner->options.ops->watch_start(runner->options.store, job_runner_notify, runner, &runner->watch, fault)) {
        return false;
    }
    if (runner->options.is_stepped) {
        return true;
    }
    runner->has_thread = pthread_create(&runner->thread, NULL, runner_main, runner) == 0;
    return runner->has_thread || fault_set(fault, FAULT_INTERNAL, "cannot start the jobs thread");
}

void job_runner_drain(struct job_runner *runner, int64_t until_us)
{
    atomic_store(&runner->drain_us, until_us);
    http_client_wake(runner->http);
}

bool job_runner_is_idle(const struct job_runner *runner)
{
    return atomic_load(&runner->is_idle);
}

void job_runner_stop(struct job_runner *runner)
{
    runner->options.ops->watch_stop(runner->watch);
    runner->watch = NULL;
    if (runner->has_thread) {
        atomic_store(&runner->is_stopping, true);
        http_client_wake(runner->http);
        pthread_join(runner->thread, NULL);
        runner->has_thread = false;
    }
}

void job_runner_free(struct job_runner *runner)
{
    if (runner == NULL) {
        return;
    }
    struct job_run *run;
    if (runner->committer != NULL) {
        take_completed(runner);
    }
    TAILQ_FOREACH(run, &runner->running, link)
    {
        job_run_stop(run);
    }
    http_client_free(runner->http);
    completions_free(runner->completions);
    results_done(runner);
    periodic_done(runner);
    arena_free(runner->held_arena);
    free(runner->kinds);
    free(runner);
}
