#include "domain/manage_jobs.h"

#include <string.h>

#include "domain/webhooks.h"

/* ---- One job ---- */

void manage_job_want(const struct manage_job *command, struct wanted *wanted)
{
    wanted_add_job(wanted, &command->job_id);
    wanted_add_order(wanted, &command->job_id); /* a payment timeout has its order's id */
}

/* What a job does not do in the state that it is in. */
static enum outcome_code refuse(const struct facts *facts, const struct manage_job *command, const struct job *job)
{
    if (job == NULL) {
        const struct order *order = facts_order(facts, &command->job_id);
        return order != NULL && order->status == ORDER_DRAFT ? OUTCOME_JOB_IS_BOUND : OUTCOME_JOB_NOT_FOUND;
    }
    bool is_good = false;
    switch (command->action) {
    case JOB_ACTION_RETRY:
        is_good = job->state == JOB_DEAD;
        break;
    case JOB_ACTION_CANCEL:
        is_good = job->state == JOB_SCHEDULED || job->state == JOB_CANCELLED;
        break;
    case JOB_ACTION_PROMOTE:
        is_good = job->state == JOB_SCHEDULED;
        break;
    }
    return is_good ? OUTCOME_JOB_SCHEDULED : OUTCOME_JOB_STATE;
}

static void act(struct facts *facts, struct job *job, enum job_action action)
{
    switch (action) {
    case JOB_ACTION_RETRY:
        job_run_again(job, facts->now_ms);
        facts_put_job(facts, job); /* by its key */
        break;
    case JOB_ACTION_CANCEL:
        job_cancel(job, facts->now_ms, TEXT_ABSENT);
        break;
    case JOB_ACTION_PROMOTE:
        job_promote(job, facts->now_ms);
        break;
    }
    if (action != JOB_ACTION_CANCEL) {
        facts_note_job_at(facts, job->run_at_ms);
        webhooks_open(facts, job->queue);
    }
    facts->change_count++;
}

void manage_job_decide(struct facts *facts, const struct manage_job *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    struct job *job = facts_job(facts, &command->job_id);
    ret_outcome->code = refuse(facts, command, job);
    if (ret_outcome->code == OUTCOME_JOB_SCHEDULED && command->action == JOB_ACTION_RETRY && job->key.bytes != NULL) {
        struct job *holder = facts_scheduled_job(facts, job->kind, job->key);
        ret_outcome->code = holder == NULL ? OUTCOME_JOB_SCHEDULED : OUTCOME_JOB_KEY_TAKEN;
        job = holder == NULL ? job : holder;
    }
    if (ret_outcome->code == OUTCOME_JOB_SCHEDULED) {
        bool cancels = command->action == JOB_ACTION_CANCEL;
        ret_outcome->code = cancels ? OUTCOME_JOB_CANCELLED : OUTCOME_JOB_SCHEDULED;
        if (!cancels || job->state != JOB_CANCELLED) {
            act(facts, job, command->action);
            ret_outcome->changed = true;
        }
    }
    ret_outcome->job = job == NULL ? NULL : job_snapshot(facts->arena, job);
}

/* ---- A queue ---- */

void update_queue_want(const struct update_queue *command, struct wanted *wanted)
{
    wanted_add_queue(wanted, command->name);
}

static void change_queue(struct facts *facts, struct job_queue *queue, const struct update_queue *command)
{
    if (command->has_paused) {
        queue->is_paused = command->is_paused;
    }
    if (command->has_concurrency) {
        queue->concurrency = command->concurrency;
    }
    if (command->has_rate) {
        queue->rate_max = command->rate_max;
        queue->rate_period_ms = command->rate_max == 0 ? 0 : command->rate_period_ms;
        queue->rate_begin_ms = facts->now_ms;
        queue->rate_count = 0;
    }
    job_queue_change(queue);
    facts_note_job_at(facts, facts->now_ms); /* more of it may start now */
    facts->change_count++;
}

void update_queue_decide(struct facts *facts, const struct update_queue *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    if (text_equal(command->name, PAYMENT_TIMEOUT_QUEUE)) {
        ret_outcome->code = OUTCOME_JOB_IS_BOUND;
        return;
    }
    struct job_queue *queue = facts_queue(facts, command->name);
    bool is_there = queue != NULL && (queue->is_known || text_equal(queue->name, ALL_QUEUES)) && !queue->is_deleted;
    if (!is_there) {
        ret_outcome->code = OUTCOME_QUEUE_NOT_FOUND;
        return;
    }
    const struct job_queue before = *queue;
    bool is_same =
        (!command->has_paused || command->is_paused == before.is_paused) &&
        (!command->has_concurrency || command->concurrency == before.concurrency) &&
        (!command->has_rate || (command->rate_max == before.rate_max &&
                                (command->rate_max == 0 || command->rate_period_ms == before.rate_period_ms)));
    if (!is_same) {
        change_queue(facts, queue, command);
        ret_outcome->changed = true;
    }
    if (command->has_paused && !command->is_paused) {
        webhooks_open(facts, queue->name);
    }
    ret_outcome->code = OUTCOME_QUEUE_UPDATED;
    ret_outcome->queue = job_queue_snapshot(facts->arena, queue);
}
