#include "domain/schedule_jobs.h"

#include <string.h>

#include "domain/enqueue_jobs.h"

/* Tried again like any other job: a run of it that fails is not the end of the schedule. */
#define SCHEDULED_ATTEMPTS_MAX 3

void declare_schedule_want(const struct declare_schedule *command, struct wanted *wanted)
{
    wanted_add_schedule(wanted, command->schedule->name);
}

void declare_schedule_decide(struct facts *facts, const struct declare_schedule *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    ret_outcome->code = OUTCOME_SCHEDULE_KNOWN;
    const struct job_schedule *declared = command->schedule;
    struct job_schedule *schedule = facts_schedule(facts, declared->name);
    bool is_same = schedule != NULL && text_equal(schedule->cron, declared->cron) &&
                   text_equal(schedule->time_zone, declared->time_zone) && text_equal(schedule->kind, declared->kind) &&
                   text_equal(schedule->queue, declared->queue);
    /* A time beyond the next one was worked out by a clock that was ahead. */
    bool is_beyond =
        is_same && schedule->next_run_at_ms > declared->next_run_at_ms && declared->next_run_at_ms > facts->now_ms;
    if (!is_same || is_beyond) {
        int64_t version = schedule == NULL ? 0 : schedule->version;
        int64_t loaded_version = schedule == NULL ? 0 : schedule->loaded_version;
        schedule = arena_alloc(facts->arena, sizeof(*schedule));
        *schedule = *declared;
        schedule->version = version + 1;
        schedule->loaded_version = loaded_version;
        facts_put_schedule(facts, schedule);
        facts->change_count++;
        ret_outcome->changed = true;
    }
    ret_outcome->next_ms = schedule->next_run_at_ms;
}

void fire_schedule_want(const struct fire_schedule *command, struct wanted *wanted)
{
    wanted_add_schedule(wanted, command->name);
}

void fire_schedule_decide(struct facts *facts, const struct fire_schedule *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    ret_outcome->code = OUTCOME_SCHEDULE_KNOWN;
    ret_outcome->next_ms = INT64_MAX;
    struct job_schedule *schedule = facts_schedule(facts, command->name);
    if (schedule == NULL) {
        return;
    }
    if (schedule->next_run_at_ms == command->due_ms && command->due_ms <= facts->now_ms) {
        (void)job_enqueue(facts, &(struct new_job){.queue = schedule->queue,
                                                   .kind = schedule->kind,
                                                   .key = schedule->name, /* while its queue stands still, one waits */
                                                   .on_key = JOB_KEY_KEEP,
                                                   .priority = JOB_PRIORITY_DEFAULT,
                                                   .max_attempts = SCHEDULED_ATTEMPTS_MAX});
        schedule->next_run_at_ms = command->next_ms;
        schedule->version++;
        ret_outcome->changed = true;
    }
    ret_outcome->next_ms = schedule->next_run_at_ms;
}
