#include "domain/enqueue_jobs.h"

#include <assert.h>
#include <string.h>

void enqueue_jobs_want(const struct enqueue_jobs *command, struct wanted *wanted)
{
    for (size_t i = 0; i < command->count; i++) {
        if (command->jobs[i].key.bytes != NULL) {
            wanted_add_job_key(wanted, command->jobs[i].kind, command->jobs[i].key);
        }
    }
}

static void fill(struct facts *facts, struct job *job, const struct new_job *input)
{
    job->queue = input->queue;
    job->payload = input->payload;
    job->run_at_ms = input->run_at_ms > facts->now_ms ? input->run_at_ms : facts->now_ms;
    job->priority = input->priority;
    job->max_attempts = input->max_attempts;
}

static struct job *make(struct facts *facts, const struct new_job *input)
{
    struct job *job = arena_zalloc(facts->arena, sizeof(*job));
    job->id = uuid_source_next(facts->ids, facts->now_ms);
    job->kind = input->kind;
    job->key = input->key;
    job->state = JOB_SCHEDULED;
    job->progress = JOB_PROGRESS_NONE;
    job->created_at_ms = facts->now_ms;
    job->event = input->event;
    job->event_sequence = input->event_sequence;
    fill(facts, job, input);
    facts_add_job(facts, job);
    return job;
}

/* The scheduled one becomes what was asked for, from its first attempt on. */
static void replace(struct facts *facts, struct job *job, const struct new_job *input)
{
    fill(facts, job, input);
    job_run_again(job, job->run_at_ms);
    job->last_error = TEXT_ABSENT;
    facts_note_job_at(facts, job->run_at_ms);
    facts->change_count++;
}

struct outcome_job job_enqueue(struct facts *facts, const struct new_job *input)
{
    assert(job_name_is_good(input->queue) && job_name_is_good(input->kind) && input->max_attempts >= 1);
    struct job *scheduled = input->key.bytes == NULL ? NULL : facts_scheduled_job(facts, input->kind, input->key);
    if (scheduled == NULL) {
        return (struct outcome_job){.job = make(facts, input), .verdict = JOB_ACCEPTED};
    }
    switch (input->on_key) {
    case JOB_KEY_REPLACE:
        replace(facts, scheduled, input);
        return (struct outcome_job){.job = scheduled, .verdict = JOB_REPLACED};
    case JOB_KEY_KEEP:
        return (struct outcome_job){.job = scheduled, .verdict = JOB_KEPT};
    default:
        return (struct outcome_job){.job = scheduled, .verdict = JOB_REFUSED};
    }
}

void enqueue_jobs_decide(struct facts *facts, const struct enqueue_jobs *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    ret_outcome->code = OUTCOME_JOBS_ENQUEUED;
    ret_outcome->job_count = command->count;
    ret_outcome->jobs = arena_array(facts->arena, command->count, sizeof(*ret_outcome->jobs));
    for (size_t i = 0; i < command->count; i++) {
        ret_outcome->jobs[i] = job_enqueue(facts, &command->jobs[i]);
        ret_outcome->changed = ret_outcome->changed || ret_outcome->jobs[i].verdict == JOB_ACCEPTED ||
                               ret_outcome->jobs[i].verdict == JOB_REPLACED;
    }
}
