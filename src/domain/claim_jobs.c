#include "domain/claim_jobs.h"

#include <string.h>

#include "domain/webhooks.h"

#define LEASE_LOST TEXT_LITERAL("its worker died, or stalled for longer than its lease")
#define KEY_TAKEN TEXT_LITERAL("failed, and its key was scheduled again meanwhile: that job does the work")

void claim_jobs_want(const struct claim_jobs *command, struct wanted *wanted)
{
    wanted->claim_max = command->max > wanted->claim_max ? command->max : wanted->claim_max;
    wanted->claim_reserve = command->reserve;
    for (size_t i = 0; i < command->held_count; i++) {
        if (table_find(&wanted->claim_held, command->held[i]) == NULL) {
            table_put(&wanted->claim_held, command->held[i], wanted);
        }
    }
}

void claim_share(struct facts *facts, const struct wanted *wanted, struct claim_head *heads, size_t count,
                 size_t taken_over)
{
    size_t queues = facts->endpoint_count + 1; /* and that of maintenance */
    const struct claim_limits limits = {
        .all = facts_queue(facts, ALL_QUEUES),
        .max = wanted->claim_max - taken_over,
        .reserve = queues < wanted->claim_reserve ? queues : wanted->claim_reserve,
    };
    for (size_t i = 0; i < count; i++) {
        struct job_queue *queue = heads[i].queue;
        queue->is_held = table_find(&wanted->claim_held, queue->name) != NULL;
        queue->closed_until_ms = webhooks_closed_until(facts, queue->name);
    }
    facts->claim.next_ms = claim_plan(heads, count, &limits, facts->now_ms, &facts->claim.more);
}

/* Back among the scheduled, unless its key was taken meanwhile. */
static void schedule_again(struct facts *facts, struct job *job, const struct job_result *result)
{
    if (job->key.bytes != NULL && facts_scheduled_job(facts, job->kind, job->key) != NULL) {
        job_cancel(job, facts->now_ms, KEY_TAKEN);
        return;
    }
    if (result->kind == JOB_RESULT_GIVEN_BACK) {
        job_give_back(job, facts->now_ms);
        job->run_at_ms = result->retry_in_ms > 0 ? facts->now_ms + result->retry_in_ms : job->run_at_ms;
    } else {
        job_reschedule(job, facts->now_ms + result->retry_in_ms, arena_text(facts->arena, result->error));
    }
    facts_put_job(facts, job); /* by its key */
    facts_note_job_at(facts, job->run_at_ms);
}

static bool has_room(const struct facts *facts, const struct job *job)
{
    const struct job_queue *queue = facts_queue(facts, job->queue);
    const struct job_queue *all = facts_queue(facts, ALL_QUEUES);
    return (queue == NULL || job_queue_room(queue, facts->now_ms) > 0) &&
           (all == NULL || job_queue_room(all, facts->now_ms) > 0);
}

static bool is_stopped(const struct facts *facts, const struct job *job)
{
    const struct job_queue *queue = facts_queue(facts, job->queue);
    const struct job_queue *all = facts_queue(facts, ALL_QUEUES);
    return (queue != NULL && queue->is_paused) || (all != NULL && all->is_paused) ||
           webhooks_closed_until(facts, job->queue) > facts->now_ms;
}

/* A job whose lease ran out goes to whoever asks, unless that was its last attempt, or nothing of its queue may start:
 * then it waits with the others. */
static bool take_over(struct facts *facts, struct job *job, int64_t lease_ms)
{
    job->last_error = LEASE_LOST;
    if (job->attempt >= job->max_attempts) {
        job_die(job, facts->now_ms, LEASE_LOST);
        return false;
    }
    if (is_stopped(facts, job)) {
        schedule_again(facts, job, &(struct job_result){.kind = JOB_RESULT_FAILED, .error = LEASE_LOST});
        return false;
    }
    job_start(job, facts->now_ms, lease_ms);
    return true;
}

/* One of its jobs starts. Where that was the last of a period, the next begins when that is over. */
static void count_start(struct facts *facts, struct job_queue *queue)
{
    if (queue == NULL) {
        return;
    }
    job_queue_start(queue, facts->now_ms, 1);
    int64_t rate_at_ms = job_queue_rate_at(queue, facts->now_ms);
    if (rate_at_ms > facts->now_ms && rate_at_ms < facts->claim.next_ms) {
        facts->claim.next_ms = rate_at_ms;
    }
}

/* The store loaded no more than claim_plan allowed for. */
static void start(struct facts *facts, struct job *job, int64_t lease_ms)
{
    job_start(job, facts->now_ms, lease_ms);
    count_start(facts, facts_queue(facts, job->queue));
    count_start(facts, facts_queue(facts, ALL_QUEUES));
}

void claim_jobs_decide(struct facts *facts, const struct claim_jobs *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    struct claim_facts *claim = &facts->claim;
    ret_outcome->code = OUTCOME_JOBS_CLAIMED;
    ret_outcome->jobs = arena_array(facts->arena, claim->count, sizeof(*ret_outcome->jobs));
    for (size_t i = 0; i < claim->count && ret_outcome->job_count < command->max; i++) {
        struct job *job = claim->jobs[i];
        bool lease_ran_out = job->state == JOB_RUNNING && job->lease_until_ms <= facts->now_ms;
        /* Another command of this batch may have got at it first, or at its queue. */
        bool may_start = job->state == JOB_SCHEDULED && job->run_at_ms <= facts->now_ms && has_room(facts, job);
        if (!lease_ran_out && !may_start) {
            continue;
        }
        facts->change_count++;
        ret_outcome->changed = true;
        if (lease_ran_out && !take_over(facts, job, command->lease_ms)) {
            ret_outcome->count += job->state == JOB_DEAD;
            continue;
        }
        if (!lease_ran_out) {
            start(facts, job, command->lease_ms);
        }
        ret_outcome->jobs[ret_outcome->job_count++] =
            (struct outcome_job){.job = job_snapshot(facts->arena, job), .was_taken_over = lease_ran_out};
    }
    const struct job_queue *all = facts_queue(facts, ALL_QUEUES);
    ret_outcome->next_ms = claim->next_ms;
    ret_outcome->more = claim->more && (all == NULL || job_queue_room(all, facts->now_ms) > 0);
}

/* The job where it is still held under that claim. */
static struct job *held(const struct facts *facts, const struct uuid *job_id, int64_t claim)
{
    struct job *job = facts_job(facts, job_id);
    return job != NULL && job->state == JOB_RUNNING && job->claim == claim ? job : NULL;
}

void finish_jobs_want(const struct finish_jobs *command, struct wanted *wanted)
{
    for (size_t i = 0; i < command->count; i++) {
        wanted_add_job(wanted, &command->results[i].job_id);
    }
}

static void apply(struct facts *facts, struct job *job, const struct job_result *result)
{
    job->log = job_log_append(facts->arena, job->log, result->log);
    switch (result->kind) {
    case JOB_RESULT_DONE:
        job_complete(job, facts->now_ms);
        break;
    case JOB_RESULT_FAILED:
        if (job->attempt >= job->max_attempts) {
            job_die(job, facts->now_ms, arena_text(facts->arena, result->error));
            break;
        }
        schedule_again(facts, job, result);
        break;
    case JOB_RESULT_GIVEN_BACK:
        schedule_again(facts, job, result);
        break;
    case JOB_RESULT_HOPELESS:
        job_die(job, facts->now_ms, arena_text(facts->arena, result->error));
        break;
    case JOB_RESULT_DROPPED:
        job_cancel(job, facts->now_ms, arena_text(facts->arena, result->error));
        break;
    }
    facts->change_count++;
}

void finish_jobs_decide(struct facts *facts, const struct finish_jobs *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    ret_outcome->code = OUTCOME_JOBS_FINISHED;
    ret_outcome->job_count = command->count;
    ret_outcome->jobs = arena_array(facts->arena, command->count, sizeof(*ret_outcome->jobs));
    for (size_t i = 0; i < command->count; i++) {
        const struct job_result *result = &command->results[i];
        struct outcome_job *verdict = &ret_outcome->jobs[i];
        struct job *job = held(facts, &result->job_id, result->claim);
        if (job != NULL) {
            apply(facts, job, result);
            webhooks_note_health(facts, result);
            ret_outcome->changed = true;
        } else {
            job = facts_job(facts, &result->job_id);
            /* The answer to the same result was lost: nobody has claimed the job since. */
            bool is_repeated = job != NULL && job->state != JOB_RUNNING && job->claim == result->claim;
            verdict->verdict = is_repeated ? JOB_ACCEPTED : JOB_FENCED;
        }
        verdict->job = job == NULL ? NULL : job_snapshot(facts->arena, job);
    }
}

void renew_jobs_want(const struct renew_jobs *command, struct wanted *wanted)
{
    for (size_t i = 0; i < command->count; i++) {
        wanted_add_job(wanted, &command->renewals[i].job_id);
    }
}

void renew_jobs_decide(struct facts *facts, const struct renew_jobs *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    ret_outcome->code = OUTCOME_JOBS_RENEWED;
    ret_outcome->job_count = command->count;
    ret_outcome->jobs = arena_array(facts->arena, command->count, sizeof(*ret_outcome->jobs));
    for (size_t i = 0; i < command->count; i++) {
        const struct job_renewal *renewal = &command->renewals[i];
        struct job *job = held(facts, &renewal->job_id, renewal->claim);
        if (job == NULL) {
            ret_outcome->jobs[i].verdict = JOB_FENCED;
            continue;
        }
        job_renew(job, facts->now_ms, command->lease_ms);
        job->progress = renewal->progress == JOB_PROGRESS_NONE ? job->progress : renewal->progress;
        job->log = job_log_append(facts->arena, job->log, renewal->log);
        facts->change_count++;
        ret_outcome->changed = true;
    }
}
