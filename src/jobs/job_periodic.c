/* What is done again and again: periodic jobs are fired when they are due, and orders whose deadline is near are told of. */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "jobs/job_runner_state.h"

#define CLOCK_STEP_MS 60000 /* schedules go by minutes: a clock that was set back by less delays none by more */

/* ---- Periodic jobs ---- */

static int64_t store_now_ms(const struct job_runner *runner)
{
    return runner->options.ops->now(runner->options.store);
}

static void on_schedule_known(struct job_task *task)
{
    struct periodic_state *periodic = task->context;
    periodic->is_busy = false;
    if (task->command.outcome.code != OUTCOME_SCHEDULE_KNOWN) {
        periodic->ask_us = clock_monotonic_us() + RETRY_US;
        return;
    }
    periodic->is_declared = true;
    periodic->due_ms = task->command.outcome.next_ms;
}

static void declare(struct periodic_state *periodic)
{
    struct job_runner *runner = periodic->runner;
    periodic->schedule.next_run_at_ms = cron_next(periodic->cron, store_now_ms(runner));
    periodic->task = (struct job_task){
        .command = {.kind = COMMAND_DECLARE_SCHEDULE, .input.declare_schedule = {.schedule = &periodic->schedule}},
        .completed = on_schedule_known,
        .context = periodic,
    };
    periodic->is_busy = job_runner_submit(runner, &periodic->task);
}

/* Times that were missed are made up for by one run. */
static void fire(struct periodic_state *periodic)
{
    struct job_runner *runner = periodic->runner;
    int64_t now_ms = store_now_ms(runner);
    periodic->task = (struct job_task){
        .command = {.kind = COMMAND_FIRE_SCHEDULE,
                    .input.fire_schedule = {.name = periodic->schedule.name,
                                            .due_ms = periodic->due_ms,
                                            .next_ms =
                                                cron_next(periodic->cron,
                                                          now_ms > periodic->due_ms ? now_ms : periodic->due_ms)}},
        .completed = on_schedule_known,
        .context = periodic,
    };
    periodic->is_busy = job_runner_submit(runner, &periodic->task);
}

/* Since the clock was set back, due_ms may lie beyond the next time. */
static void note_clock(struct periodic_state *periodic)
{
    int64_t now_ms = store_now_ms(periodic->runner);
    periodic->is_declared = periodic->is_declared && now_ms > periodic->clock_ms - CLOCK_STEP_MS;
    periodic->clock_ms = now_ms;
}

static int64_t one_turn(struct periodic_state *periodic, int64_t now_us)
{
    if (periodic->is_busy) {
        return INT64_MAX;
    }
    note_clock(periodic);
    if (now_us < periodic->ask_us) {
        return periodic->ask_us;
    }
    if (!periodic->is_declared) {
        declare(periodic);
    } else if (store_now_ms(periodic->runner) >= periodic->due_ms) {
        fire(periodic);
    } else if (periodic->due_ms != INT64_MAX) {
        return runner_monotonic_us(periodic->runner, periodic->due_ms);
    }
    return INT64_MAX;
}

bool periodic_init(struct job_runner *runner, const struct periodic_job *jobs, size_t count, struct fault *fault)
{
    runner->periodic = memory_zalloc(count == 0 ? 1 : count, sizeof(*runner->periodic));
    for (size_t i = 0; i < count; i++) {
        struct periodic_state *periodic = &runner->periodic[runner->periodic_count];
        struct cron_error error;
        periodic->runner = runner;
        periodic->schedule = (struct job_schedule){
            .name = text_from_c(jobs[i].name),
            .queue = text_from_c(jobs[i].queue),
            .kind = text_from_c(jobs[i].kind),
            .cron = text_from_c(jobs[i].cron),
            .time_zone = text_from_c(jobs[i].time_zone),
        };
        if (!cron_parse(periodic->schedule.cron, periodic->schedule.time_zone, &periodic->cron, &error)) {
            return fault_set(fault, FAULT_INTERNAL, "the %s \"%s\" of %s: %s",
                             error.is_in_time_zone ? "time zone" : "cron expression",
                             error.is_in_time_zone ? jobs[i].time_zone : jobs[i].cron, jobs[i].name, error.detail);
        }
        runner->periodic_count++;
    }
    return true;
}

void periodic_done(struct job_runner *runner)
{
    for (size_t i = 0; i < runner->periodic_count; i++) {
        cron_free(runner->periodic[i].cron);
    }
    free(runner->periodic);
}

/* ---- Deadlines that are near ---- */

static void on_noticed(struct job_task *task)
{
    struct job_runner *runner = task->context;
    const struct outcome *outcome = &task->command.outcome;
    int64_t now_us = clock_monotonic_us();
    runner->is_noticing = false;
    if (outcome->code != OUTCOME_PAYMENTS_NOTIFIED) {
        runner->notice_us = now_us + RETRY_US;
        return;
    }
    /* An order that is placed meanwhile may be near its deadline sooner than the one that is known. */
    int64_t next_us = outcome->next_ms == INT64_MAX ? INT64_MAX : runner_monotonic_us(runner, outcome->next_ms);
    runner->notice_us = outcome->more ? now_us : next_us < now_us + LOOK_US ? next_us : now_us + LOOK_US;
}

static int64_t notice_turn(struct job_runner *runner, int64_t now_us)
{
    if (runner->options.notice_lead_ms == 0 || runner->is_noticing) {
        return INT64_MAX;
    }
    if (now_us < runner->notice_us) {
        return runner->notice_us;
    }
    runner->notice = (struct job_task){
        .command = {.kind = COMMAND_NOTIFY_PAYMENTS,
                    .input.notify_payments.wanted = {.max = NOTICES_MAX, .lead_ms = runner->options.notice_lead_ms}},
        .completed = on_noticed,
        .context = runner,
    };
    runner->is_noticing = job_runner_submit(runner, &runner->notice);
    return INT64_MAX;
}

int64_t periodic_turn(struct job_runner *runner)
{
    int64_t now_us = clock_monotonic_us();
    int64_t next_us = notice_turn(runner, now_us);
    for (size_t i = 0; i < runner->periodic_count; i++) {
        int64_t at_us = one_turn(&runner->periodic[i], now_us);
        next_us = at_us < next_us ? at_us : next_us;
    }
    return next_us;
}
