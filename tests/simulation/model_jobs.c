/* Jobs: who holds which, what becomes of them, and when. */

#include <string.h>

#include "model_state.h"

#define QUEUE_PREFIX "webhook:"

static bool parse_queue(struct text queue, struct uuid *ret_endpoint_id)
{
    size_t prefix = strlen(QUEUE_PREFIX);
    return queue.length > prefix && memcmp(queue.bytes, QUEUE_PREFIX, prefix) == 0 &&
           uuid_parse((struct text){queue.bytes + prefix, queue.length - prefix}, ret_endpoint_id);
}

struct model_job model_job_of(const struct job *job)
{
    struct model_job copy = {
        .id = job->id,
        .state = job->state,
        .claim = job->claim,
        .lease_until_ms = job->lease_until_ms,
        .run_at_ms = job->run_at_ms,
        .attempt = job->attempt,
        .max_attempts = job->max_attempts,
        .event_sequence = job->event_sequence,
        .may_overtake = job->event == NULL,
    };
    copy.is_delivery = text_equal_c(job->kind, "webhook_delivery") && parse_queue(job->queue, &copy.endpoint_id);
    return copy;
}

/* ---- Claims ---- */

/* Deliveries start in the order of their events. */
static void check_order(const struct model_batch *batch, const struct model_job *job)
{
    struct model_endpoint *endpoint = g_hash_table_lookup(batch->endpoints, &job->endpoint_id);
    if (endpoint->is_deleted || job->may_overtake) {
        return; /* what is left of a deleted one's is dropped as it is claimed */
    }
    if (job->event_sequence <= endpoint->claimed_to && !batch->clock_went_back) {
        sim_violation("order of deliveries",
                      "event %" G_GINT64_FORMAT " is taken for an endpoint behind event %" G_GINT64_FORMAT,
                      job->event_sequence, endpoint->claimed_to);
    }
    endpoint->claimed_to = job->event_sequence;
}

/* How many deliveries to it are under way: what a worker that died has keeps its place until somebody takes it over. */
static int64_t count_running(const struct model_batch *batch, const struct uuid *endpoint_id)
{
    int64_t count = 0;
    GHashTableIter iterator;
    gpointer value;
    g_hash_table_iter_init(&iterator, batch->model->open_deliveries);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        const struct model_job *job = seen_job(batch, &((const struct model_job *)value)->id);
        count += job->state == JOB_RUNNING && uuid_equal(job->endpoint_id, *endpoint_id);
    }
    return count;
}

/* A disabled endpoint is left alone (what this batch disables may have been loaded for it), and no other gets more at once
 * than it was made for. */
static void check_endpoint_of(const struct model_batch *batch, const struct uuid *endpoint_id)
{
    const struct model_endpoint *before = g_hash_table_lookup(batch->model->endpoints, endpoint_id);
    const struct model_endpoint *endpoint = g_hash_table_lookup(batch->endpoints, endpoint_id);
    if (before->is_deleted || endpoint->is_deleted) {
        return;
    }
    if (before->disabled_reason != NULL && endpoint->disabled_reason != NULL) {
        sim_violation("disabled", "a delivery is started for an endpoint that is disabled: %s",
                      before->disabled_reason);
    }
    int64_t running = count_running(batch, endpoint_id);
    if (running > endpoint->concurrency) {
        sim_violation("concurrency",
                      "%" G_GINT64_FORMAT " deliveries at once for an endpoint that takes %" G_GINT64_FORMAT, running,
                      endpoint->concurrency);
    }
}

/* Once they are in the batch's view. */
static void check_claimed(const struct model_batch *batch, const struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->job_count; i++) {
        const struct model_job *job = seen_job(batch, &outcome->jobs[i].job->id);
        if (job->is_delivery) {
            check_endpoint_of(batch, &job->endpoint_id);
        }
    }
}

/* A lease that is longer than leases are was given by a clock that was ahead: the store recalls it. */
static void check_claims(const struct model_batch *batch, int64_t lease_ms, const struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->job_count; i++) {
        const struct job *job = outcome->jobs[i].job;
        const struct model_job *before = seen_job(batch, &job->id);
        if (before == NULL) {
            sim_violation("queued", "a job was claimed that nobody has queued");
        }
        int64_t left_ms = before->lease_until_ms - batch->now_ms;
        if (before->state == JOB_RUNNING && left_ms > 0 && left_ms <= lease_ms) {
            sim_violation("one holder", "a job was claimed %" G_GINT64_FORMAT " ms before its lease ended", left_ms);
        }
        if (job_state_is_finished(before->state)) {
            sim_violation("done once", "a job that is %s was claimed", job_state_name(before->state));
        }
        if (before->state == JOB_SCHEDULED && before->run_at_ms > batch->now_ms && !batch->clock_went_back) {
            sim_violation("retry schedule", "a job was claimed %" G_GINT64_FORMAT " ms before its time",
                          before->run_at_ms - batch->now_ms);
        }
        if (before->is_delivery && before->claim == 0) {
            check_order(batch, before);
        }
    }
}

/* ---- Results ---- */

static int64_t pause_after(int64_t attempt)
{
    int64_t pause_ms = MODEL_BACKOFF_MS;
    for (int64_t i = 1; i < attempt && pause_ms < MODEL_BACKOFF_MS_MAX; i++) {
        pause_ms *= 2;
    }
    return pause_ms < MODEL_BACKOFF_MS_MAX ? pause_ms : MODEL_BACKOFF_MS_MAX;
}

/* What failed is tried again after a pause that doubles each time, half of it by chance, until its attempts are used up.
 * Who lost the lease while it waited to say so, and got it back, says when from the attempt that it made. */
static void check_failure(const struct model_batch *batch, const struct model_job *before, const struct job *job)
{
    int64_t pause_ms = pause_after(before->attempt);
    int64_t least_ms = pause_after(before->was_taken_over ? 1 : before->attempt) / 2;
    int64_t in_ms = job->run_at_ms - batch->now_ms;
    bool is_last = before->attempt >= before->max_attempts;
    if (is_last ? job->state != JOB_DEAD : job->state != JOB_SCHEDULED || in_ms < least_ms || in_ms > pause_ms) {
        sim_violation("retry schedule",
                      "attempt %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " failed: the job is %s, in %" G_GINT64_FORMAT
                      " ms",
                      before->attempt, before->max_attempts, job_state_name(job->state), in_ms);
    }
}

static void check_result(struct model_batch *batch, const struct facts *facts, const struct job_result *result,
                         const struct model_job *before)
{
    const struct job *job = facts_job(facts, &result->job_id);
    bool ok = true;
    switch (result->kind) {
    case JOB_RESULT_DONE:
        ok = job->state == JOB_COMPLETED;
        break;
    case JOB_RESULT_FAILED:
        if (before->is_delivery) {
            check_failure(batch, before, job);
        }
        break;
    case JOB_RESULT_HOPELESS:
        ok = job->state == JOB_DEAD;
        break;
    case JOB_RESULT_DROPPED:
        ok = job->state == JOB_CANCELLED;
        break;
    case JOB_RESULT_GIVEN_BACK:
        ok = !before->is_delivery || (job->state == JOB_SCHEDULED && job->attempt == before->attempt - 1 &&
                                      job->run_at_ms <= batch->now_ms + MODEL_GIVEN_BACK_MS_MAX);
        break;
    }
    if (!ok) {
        sim_violation("result", "a job is %s after a result of another kind", job_state_name(job->state));
    }
    expect_health(batch, result, facts->policy.webhook_disable_after_ms);
}

static void check_results(struct model_batch *batch, const struct facts *facts, const struct finish_jobs *command,
                          const struct outcome *outcome)
{
    for (size_t i = 0; i < command->count; i++) {
        const struct job_result *result = &command->results[i];
        const struct model_job *before = seen_job(batch, &result->job_id);
        bool is_held = before != NULL && before->claim == result->claim;
        bool is_accepted = outcome->jobs[i].verdict == JOB_ACCEPTED;
        if (is_accepted != is_held && outcome->jobs[i].job != NULL) {
            sim_violation("fencing", "the result of claim %" G_GINT64_FORMAT " was %s, the job's is %" G_GINT64_FORMAT,
                          result->claim, is_accepted ? "accepted" : "refused", before == NULL ? 0 : before->claim);
        }
        if (is_held && before->state == JOB_RUNNING && outcome->jobs[i].job != NULL) {
            check_result(batch, facts, result, before);
        }
    }
}

static void check_renewals(const struct model_batch *batch, const struct facts *facts, const struct renew_jobs *command,
                           const struct outcome *outcome)
{
    for (size_t i = 0; i < command->count; i++) {
        const struct job *job = facts_job(facts, &command->renewals[i].job_id);
        const struct model_job *before = seen_job(batch, &command->renewals[i].job_id);
        bool is_held = before != NULL && before->state == JOB_RUNNING && before->claim == command->renewals[i].claim;
        if ((outcome->jobs[i].verdict != JOB_FENCED) != is_held && job != NULL) {
            sim_violation("fencing",
                          "the lease of claim %" G_GINT64_FORMAT " was %s; the model's job is %s by %" G_GINT64_FORMAT
                          ", the engine's %s by %" G_GINT64_FORMAT,
                          command->renewals[i].claim, is_held ? "refused" : "renewed",
                          before == NULL ? "none" : job_state_name(before->state), before == NULL ? 0 : before->claim,
                          job_state_name(job->state), job->claim);
        }
    }
}

void check_jobs(struct model_batch *batch, const struct facts *facts, const struct command *command)
{
    switch (command->kind) {
    case COMMAND_CLAIM_JOBS:
        check_claims(batch, command->input.claim_jobs.lease_ms, &command->outcome);
        break;
    case COMMAND_FINISH_JOBS:
        check_results(batch, facts, &command->input.finish_jobs, &command->outcome);
        break;
    case COMMAND_RENEW_JOBS:
        check_renewals(batch, facts, &command->input.renew_jobs, &command->outcome);
        break;
    case COMMAND_NOTIFY_PAYMENTS:
        expect_notices(batch, facts, command->input.notify_payments.wanted.lead_ms);
        break;
    default:
        break;
    }
    for (size_t i = 0; i < facts->jobs.count;
         i++) { /* those that nobody holds change, too: with their lease, by hand */
        const struct job *job = facts->jobs.entries[i].value;
        if (job->is_changed) {
            batch_set_job(batch, job);
        }
    }
    if (command->kind == COMMAND_CLAIM_JOBS) {
        check_claimed(batch, &command->outcome);
    }
}
