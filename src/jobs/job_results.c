/* What became of jobs is written in the order in which it became known, as many as there are in one transaction while
 * the next gather; and leases are renewed, all of this process at once. */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "jobs/job_runner_state.h"

static void move_first(struct job_run_list *from, struct job_run_list *to)
{
    struct job_run *run = TAILQ_FIRST(from);
    TAILQ_REMOVE(from, run, link);
    TAILQ_INSERT_TAIL(to, run, link);
}

/* ---- Results ---- */

static void drop_written(struct job_runner *runner, const struct outcome *outcome)
{
    for (size_t i = 0; !TAILQ_EMPTY(&runner->written); i++) {
        struct job_run *run = TAILQ_FIRST(&runner->written);
        if (outcome != NULL && outcome->jobs[i].verdict == JOB_FENCED) {
            counter_add(&run->kind->metrics->fenced, 1);
        }
        TAILQ_REMOVE(&runner->written, run, link);
        job_run_free(run);
    }
}

/* They come again, ahead of those that have come since. */
static void put_back(struct job_runner *runner)
{
    struct job_run_list later = TAILQ_HEAD_INITIALIZER(later);
    TAILQ_CONCAT(&later, &runner->finished, link);
    while (!TAILQ_EMPTY(&runner->written)) {
        move_first(&runner->written, &runner->finished);
        runner->finished_count++;
    }
    TAILQ_CONCAT(&runner->finished, &later, link);
}

static void on_written(struct job_task *task)
{
    struct job_runner *runner = task->context;
    const struct outcome *outcome = &task->command.outcome;
    runner->is_writing = false;
    if (outcome->code == OUTCOME_JOBS_FINISHED) {
        drop_written(runner, outcome);
        runner->write_max = runner->write_max < RESULTS_MAX / 2 ? runner->write_max * 2 : RESULTS_MAX;
        runner->claim_us = 0; /* others of a limited queue may start */
        return;
    }
    if (outcome->code == OUTCOME_INTERNAL_ERROR && runner->write_max == 1) {
        log_message(LOG_ERROR, "job_result_lost", "the database refused it; the job is done again after its lease");
        drop_written(runner, NULL);
        return;
    }
    if (outcome->code == OUTCOME_INTERNAL_ERROR) {
        runner->write_max = (task->command.input.finish_jobs.count + 1) / 2; /* one of them is the culprit */
    } else {
        runner->write_us = clock_monotonic_us() + RETRY_US;
    }
    put_back(runner);
}

static void write_results(struct job_runner *runner)
{
    size_t count = 0;
    while (count < runner->write_max && !TAILQ_EMPTY(&runner->finished)) {
        struct job_run *run = TAILQ_FIRST(&runner->finished);
        run->result.log = run->notes;
        runner->results[count++] = run->result;
        move_first(&runner->finished, &runner->written);
        runner->finished_count--;
    }
    runner->write = (struct job_task){
        .command = {.kind = COMMAND_FINISH_JOBS, .input.finish_jobs = {.results = runner->results, .count = count}},
        .completed = on_written,
        .context = runner,
    };
    runner->is_writing = job_runner_submit(runner, &runner->write);
    if (!runner->is_writing) {
        drop_written(runner, NULL); /* the process is ending: their leases end, too */
    }
}

/* ---- Leases ---- */

static struct job_run *find_running(struct job_runner *runner, const struct job_renewal *renewal)
{
    struct job_run *run;
    TAILQ_FOREACH(run, &runner->running, link)
    {
        if (uuid_equal(run->job.id, renewal->job_id) && run->job.claim == renewal->claim) {
            return run;
        }
    }
    return NULL; /* it has finished meanwhile */
}

static void lose(struct job_run *run)
{
    struct job_runner *runner = run->runner;
    char id[UUID_TEXT_LENGTH + 1];
    uuid_format(run->job.id, id);
    log_message(LOG_WARN, "job_lease_lost", "job %s went to another worker", id);
    counter_add(&run->kind->metrics->fenced, 1);
    gauge_add(&run->kind->metrics->running, -1);
    TAILQ_REMOVE(&runner->running, run, link);
    runner->running_count--;
    job_run_stop(run);
    job_run_free(run);
}

static void on_renewed(struct job_task *task)
{
    struct job_runner *runner = task->context;
    const struct outcome *outcome = &task->command.outcome;
    runner->is_renewing = false;
    bool ok = outcome->code == OUTCOME_JOBS_RENEWED;
    for (size_t i = 0; i < task->command.input.renew_jobs.count; i++) {
        struct job_run *run = find_running(runner, &runner->renewals[i]);
        if (run == NULL) {
            continue;
        }
        if (ok && outcome->jobs[i].verdict == JOB_FENCED) {
            lose(run);
        } else if (!ok) {
            run->notes = job_log_append(run->arena, run->notes_sent, run->notes);
            run->progress = run->progress == JOB_PROGRESS_NONE ? runner->renewals[i].progress : run->progress;
        }
    }
    runner->renew_us = ok ? runner->renew_us : clock_monotonic_us() + RETRY_US;
}

static void renew_leases(struct job_runner *runner, int64_t now_us)
{
    size_t count = 0;
    struct job_run *run;
    if (runner->renewals_capacity < runner->running_count) {
        runner->renewals_capacity = runner->running_count * 2;
        runner->renewals = memory_grow(runner->renewals, runner->renewals_capacity * sizeof(*runner->renewals));
    }
    TAILQ_FOREACH(run, &runner->running, link)
    {
        runner->renewals[count++] = (struct job_renewal){
            .job_id = run->job.id, .claim = run->job.claim, .progress = run->progress, .log = run->notes};
        run->notes_sent = run->notes;
        run->notes = TEXT_ABSENT;
        run->progress = JOB_PROGRESS_NONE;
    }
    runner->renew_us = now_us + runner->options.lease_ms * 1000 / 3;
    if (count == 0) {
        return;
    }
    runner->renew = (struct job_task){
        .command = {.kind = COMMAND_RENEW_JOBS,
                    .input.renew_jobs = {.renewals = runner->renewals,
                                         .count = count,
                                         .lease_ms = runner->options.lease_ms}},
        .completed = on_renewed,
        .context = runner,
    };
    runner->is_renewing = job_runner_submit(runner, &runner->renew);
}

/* ---- Life ---- */

void results_init(struct job_runner *runner)
{
    TAILQ_INIT(&runner->running);
    TAILQ_INIT(&runner->finished);
    TAILQ_INIT(&runner->written);
    runner->results = memory_zalloc(RESULTS_MAX, sizeof(*runner->results));
    runner->write_max = RESULTS_MAX;
    runner->renew_us = clock_monotonic_us() + runner->options.lease_ms * 1000 / 3;
}

int64_t results_turn(struct job_runner *runner)
{
    int64_t now_us = clock_monotonic_us();
    int64_t next_us = INT64_MAX;
    if (!runner->is_renewing && now_us >= runner->renew_us) {
        renew_leases(runner, now_us);
    }
    if (!runner->is_renewing && runner->running_count > 0) {
        next_us = runner->renew_us;
    }
    if (!runner->is_writing && runner->finished_count > 0 && now_us >= runner->write_us) {
        write_results(runner);
    }
    if (!runner->is_writing && runner->finished_count > 0 && runner->write_us < next_us) {
        next_us = runner->write_us;
    }
    return next_us;
}

static void free_runs(struct job_run_list *list)
{
    while (!TAILQ_EMPTY(list)) {
        struct job_run *run = TAILQ_FIRST(list);
        TAILQ_REMOVE(list, run, link);
        job_run_free(run);
    }
}

void results_done(struct job_runner *runner)
{
    free_runs(&runner->running);
    free_runs(&runner->finished);
    free_runs(&runner->written);
    free(runner->renewals);
    free(runner->results);
}
