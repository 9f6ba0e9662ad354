#include "domain/webhooks.h"

#include <string.h>

#include "base/json_writer.h"
#include "domain/enqueue_jobs.h"

#define TEST_PAYLOAD_BYTES_MAX 256
#define REASON_BY_HAND TEXT_LITERAL("by hand")
#define REASON_FAILING TEXT_LITERAL("every delivery failed for days")
#define REASON_GONE TEXT_LITERAL("it answered 410 Gone")

static const struct webhook_endpoint *snapshot(struct arena *arena, const struct webhook_endpoint *endpoint)
{
    struct webhook_endpoint *copy = arena_alloc(arena, sizeof(*copy));
    *copy = *endpoint;
    return copy;
}

static void change(struct facts *facts, struct webhook_endpoint *endpoint)
{
    if (endpoint->version == endpoint->loaded_version) {
        endpoint->version++;
    }
    facts->change_count++;
}

/* How it fares is nothing that anybody sets: the version that clients go by stays. */
static void touch(struct facts *facts, struct webhook_endpoint *endpoint)
{
    endpoint->is_touched = true;
    facts->change_count++;
}

/* The endpoint's queue, which was wanted; made where there is none. */
static struct job_queue *queue_of(struct facts *facts, const struct webhook_endpoint *endpoint)
{
    struct text name = webhook_queue_name(facts->arena, endpoint->id);
    struct job_queue *queue = facts_queue(facts, name);
    if (queue == NULL) {
        queue = arena_zalloc(facts->arena, sizeof(*queue));
        queue->name = name;
        queue->concurrency = 1;
        facts_put_queue(facts, queue);
    }
    return queue;
}

static void answer(struct facts *facts, enum outcome_code code, const struct webhook_endpoint *endpoint,
                   struct outcome *ret_outcome)
{
    ret_outcome->code = code;
    ret_outcome->changed = outcome_is_success(code);
    ret_outcome->endpoint = snapshot(facts->arena, endpoint);
    ret_outcome->queue = job_queue_snapshot(facts->arena, queue_of(facts, endpoint));
}

/* ---- What people do to endpoints ---- */

static void want_queue(struct wanted *wanted, struct uuid endpoint_id)
{
    wanted_add_queue(wanted, webhook_queue_name(wanted->queues.arena, endpoint_id));
}

void create_endpoint_want(const struct create_endpoint *command, struct wanted *wanted)
{
    (void)command; /* endpoints are always loaded, and its queue cannot be there yet */
    (void)wanted;
}

static size_t count_endpoints(const struct facts *facts)
{
    size_t count = 0;
    for (size_t i = 0; i < facts->endpoint_count; i++) {
        count += !facts->endpoints[i]->is_deleted;
    }
    return count;
}

void create_endpoint_decide(struct facts *facts, const struct create_endpoint *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    if (count_endpoints(facts) >= WEBHOOK_ENDPOINTS_MAX) {
        ret_outcome->code = OUTCOME_ENDPOINT_LIMIT;
        return;
    }
    struct webhook_endpoint *endpoint = arena_zalloc(facts->arena, sizeof(*endpoint));
    endpoint->id = uuid_source_next(facts->ids, facts->now_ms);
    endpoint->url = arena_text(facts->arena, command->url);
    endpoint->description =
        command->description.bytes == NULL ? TEXT_ABSENT : arena_text(facts->arena, command->description);
    endpoint->types = command->types;
    endpoint->status = WEBHOOK_ENABLED;
    endpoint->secret = arena_text(facts->arena, command->secret);
    endpoint->created_at_ms = facts->now_ms;
    change(facts, endpoint);
    facts_put_endpoint(facts, endpoint);
    struct job_queue *queue = queue_of(facts, endpoint);
    queue->concurrency = command->concurrency;
    job_queue_change(queue);
    answer(facts, OUTCOME_ENDPOINT_CREATED, endpoint, ret_outcome);
}

void update_endpoint_want(const struct update_endpoint *command, struct wanted *wanted)
{
    want_queue(wanted, command->endpoint_id);
}

/* Disabled: what is queued waits, and nothing new joins it. */
static void set_status(struct facts *facts, struct webhook_endpoint *endpoint, enum webhook_status status,
                       struct text reason)
{
    if (endpoint->status == status) {
        return;
    }
    endpoint->status = status;
    endpoint->disabled_reason = status == WEBHOOK_DISABLED ? reason : TEXT_ABSENT;
    endpoint->failing_since_ms = 0;
    endpoint->held_until_ms = 0;
    facts_note_job_at(facts, facts->now_ms);
}

static bool is_same(const struct webhook_endpoint *one, const struct webhook_endpoint *other)
{
    bool has_same_description = one->description.bytes == NULL || other->description.bytes == NULL
                                    ? one->description.bytes == other->description.bytes
                                    : text_equal(one->description, other->description);
    return text_equal(one->url, other->url) && has_same_description && one->types == other->types &&
           one->status == other->status;
}

void update_endpoint_decide(struct facts *facts, const struct update_endpoint *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    struct webhook_endpoint *endpoint = facts_endpoint(facts, &command->endpoint_id);
    if (endpoint == NULL) {
        ret_outcome->code = OUTCOME_ENDPOINT_NOT_FOUND;
        return;
    }
    if (!version_condition_holds(&command->condition, endpoint->version)) {
        answer(facts, OUTCOME_VERSION_MISMATCH, endpoint, ret_outcome);
        return;
    }
    const struct webhook_endpoint before = *endpoint;
    if (command->url.bytes != NULL) {
        endpoint->url = arena_text(facts->arena, command->url);
        webhooks_open(facts, webhook_queue_name(facts->arena, endpoint->id)); /* another may take them at once */
    }
    if (command->has_description) {
        endpoint->description =
            command->description.bytes == NULL ? TEXT_ABSENT : arena_text(facts->arena, command->description);
    }
    if (command->has_types) {
        endpoint->types = command->types;
    }
    if (command->has_status) {
        set_status(facts, endpoint, command->status, REASON_BY_HAND);
    }
    struct job_queue *queue = queue_of(facts, endpoint);
    if (command->concurrency != 0 && command->concurrency != queue->concurrency) {
        queue->concurrency = command->concurrency;
        job_queue_change(queue);
        change(facts, endpoint); /* which shows it */
    } else if (!is_same(&before, endpoint)) {
        change(facts, endpoint);
    }
    answer(facts, OUTCOME_ENDPOINT_UPDATED, endpoint, ret_outcome);
}

void delete_endpoint_want(const struct delete_endpoint *command, struct wanted *wanted)
{
    want_queue(wanted, command->endpoint_id);
}

/* What is queued for it stays, without a limit of its own now, and is dropped as it is claimed. */
void delete_endpoint_decide(struct facts *facts, const struct delete_endpoint *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    struct webhook_endpoint *endpoint = facts_endpoint(facts, &command->endpoint_id);
    if (endpoint == NULL) {
        ret_outcome->code = OUTCOME_ENDPOINT_NOT_FOUND;
        return;
    }
    endpoint->is_deleted = true;
    change(facts, endpoint);
    queue_of(facts, endpoint)->is_deleted = true;
    facts_note_job_at(facts, facts->now_ms);
    ret_outcome->code = OUTCOME_ENDPOINT_DELETED;
    ret_outcome->changed = true;
}

void rotate_secret_want(const struct rotate_secret *command, struct wanted *wanted)
{
    want_queue(wanted, command->endpoint_id);
}

void rotate_secret_decide(struct facts *facts, const struct rotate_secret *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    struct webhook_endpoint *endpoint = facts_endpoint(facts, &command->endpoint_id);
    if (endpoint == NULL) {
        ret_outcome->code = OUTCOME_ENDPOINT_NOT_FOUND;
        return;
    }
    endpoint->previous_secret = endpoint->secret;
    endpoint->previous_until_ms = facts->now_ms + WEBHOOK_PREVIOUS_SECRET_MS;
    endpoint->secret = arena_text(facts->arena, command->secret);
    change(facts, endpoint);
    answer(facts, OUTCOME_SECRET_ROTATED, endpoint, ret_outcome);
}

/* ---- Deliveries ---- */

static struct new_job delivery_to(struct facts *facts, const struct webhook_endpoint *endpoint)
{
    int64_t attempts = facts->policy.webhook_attempts_max;
    return (struct new_job){
        .queue = webhook_queue_name(facts->arena, endpoint->id),
        .kind = WEBHOOK_DELIVERY_KIND,
        .priority = JOB_PRIORITY_DEFAULT,
        .max_attempts = attempts > 0 ? attempts : WEBHOOK_ATTEMPTS_DEFAULT,
    };
}

static struct text test_payload(struct facts *facts, const struct webhook_endpoint *endpoint)
{
    struct buffer buffer;
    struct json_writer json;
    char id[UUID_TEXT_LENGTH + 1];
    uuid_format(endpoint->id, id);
    buffer_init(&buffer, TEST_PAYLOAD_BYTES_MAX);
    json_writer_init(&json, &buffer);
    json_object_begin(&json);
    json_c_field(&json, "type", WEBHOOK_TEST_TYPE);
    json_key(&json, "data");
    json_object_begin(&json);
    json_c_field(&json, "endpoint_id", id);
    json_object_end(&json);
    json_object_end(&json);
    struct text payload = arena_text(facts->arena, buffer_text(&buffer));
    buffer_done(&buffer);
    return payload;
}

static void queue_delivery(struct facts *facts, const struct new_job *delivery, struct outcome *ret_outcome)
{
    ret_outcome->job = job_snapshot(facts->arena, job_enqueue(facts, delivery).job);
    ret_outcome->code = OUTCOME_DELIVERY_QUEUED;
    ret_outcome->changed = true;
}

/* The endpoint that a delivery may be queued for now. */
static enum outcome_code find_enabled(const struct facts *facts, const struct uuid *id,
                                      const struct webhook_endpoint **ret_endpoint)
{
    *ret_endpoint = facts_endpoint(facts, id);
    if (*ret_endpoint == NULL) {
        return OUTCOME_ENDPOINT_NOT_FOUND;
    }
    return (*ret_endpoint)->status == WEBHOOK_ENABLED ? OUTCOME_DELIVERY_QUEUED : OUTCOME_ENDPOINT_DISABLED;
}

/* No event: the log is of what happened. */
void test_endpoint_decide(struct facts *facts, const struct test_endpoint *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    const struct webhook_endpoint *endpoint;
    ret_outcome->code = find_enabled(facts, &command->endpoint_id, &endpoint);
    if (ret_outcome->code != OUTCOME_DELIVERY_QUEUED) {
        return;
    }
    struct new_job delivery = delivery_to(facts, endpoint);
    delivery.payload = test_payload(facts, endpoint);
    delivery.max_attempts = 1;
    delivery.priority = 0; /* somebody is looking */
    webhooks_open(facts, delivery.queue);
    queue_delivery(facts, &delivery, ret_outcome);
}

void redeliver_want(const struct redeliver *command, struct wanted *wanted)
{
    wanted_add_job(wanted, &command->job_id);
}

void redeliver_decide(struct facts *facts, const struct redeliver *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    const struct job *job = facts_job(facts, &command->job_id);
    struct uuid endpoint_id;
    if (job == NULL || !text_equal(job->kind, WEBHOOK_DELIVERY_KIND) ||
        !webhook_queue_endpoint(job->queue, &endpoint_id)) {
        ret_outcome->code = OUTCOME_JOB_NOT_FOUND;
        return;
    }
    if (!job_state_is_finished(job->state)) {
        ret_outcome->code = OUTCOME_JOB_STATE;
        ret_outcome->job = job_snapshot(facts->arena, job);
        return;
    }
    const struct webhook_endpoint *endpoint;
    ret_outcome->code = find_enabled(facts, &endpoint_id, &endpoint);
    if (ret_outcome->code != OUTCOME_DELIVERY_QUEUED) {
        return;
    }
    struct new_job delivery = delivery_to(facts, endpoint);
    webhooks_open(facts, delivery.queue);
    delivery.payload = job->payload;
    delivery.event_sequence = job->event_sequence;
    queue_delivery(facts, &delivery, ret_outcome);
}

void webhooks_enqueue(struct facts *facts)
{
    /* Events that disabling an endpoint makes come before: nothing here appends one. */
    for (size_t i = 0; i < facts->endpoint_count; i++) {
        const struct webhook_endpoint *endpoint = facts->endpoints[i];
        struct new_job delivery = {.kind = TEXT_ABSENT};
        for (size_t j = 0; j < facts->events.count; j++) {
            if (!webhook_endpoint_wants(endpoint, facts->events.items[j]->type)) {
                continue;
            }
            if (delivery.kind.bytes == NULL) {
                delivery = delivery_to(facts, endpoint);
            }
            delivery.event = facts->events.items[j];
            (void)job_enqueue(facts, &delivery);
        }
    }
}

static void disable(struct facts *facts, struct webhook_endpoint *endpoint, struct text reason)
{
    set_status(facts, endpoint, WEBHOOK_DISABLED, reason);
    change(facts, endpoint);
    event_webhook_endpoint_disabled(facts, endpoint);
}

/* ---- How endpoints fare ---- */

static struct webhook_endpoint *endpoint_of(const struct facts *facts, struct text queue)
{
    struct uuid id;
    return webhook_queue_endpoint(queue, &id) ? facts_endpoint(facts, &id) : NULL;
}

int64_t webhooks_closed_until(const struct facts *facts, struct text queue)
{
    const struct webhook_endpoint *endpoint = endpoint_of(facts, queue);
    if (endpoint == NULL) {
        return 0;
    }
    return endpoint->status == WEBHOOK_DISABLED ? INT64_MAX : endpoint->held_until_ms;
}

void webhooks_open(struct facts *facts, struct text queue)
{
    struct webhook_endpoint *endpoint = endpoint_of(facts, queue);
    if (endpoint != NULL && endpoint->held_until_ms != 0) {
        endpoint->held_until_ms = 0;
        facts_note_job_at(facts, facts->now_ms);
        touch(facts, endpoint);
    }
}

/* What fails once may be the delivery's fault; what fails twice in a row is the endpoint's. */
static void note_failure(struct facts *facts, struct webhook_endpoint *endpoint, int64_t asked_ms)
{
    int64_t hold_ms = asked_ms;
    if (endpoint->failing_since_ms == 0) {
        endpoint->failing_since_ms = facts->now_ms;
    } else if (hold_ms == 0) {
        hold_ms = facts->now_ms - endpoint->failing_since_ms;
        hold_ms = hold_ms < WEBHOOK_HOLD_MS_MIN ? WEBHOOK_HOLD_MS_MIN : hold_ms;
        hold_ms = hold_ms > WEBHOOK_HOLD_MS_MAX ? WEBHOOK_HOLD_MS_MAX : hold_ms;
    }
    if (hold_ms > 0) {
        endpoint->held_until_ms = facts->now_ms + hold_ms;
    }
    touch(facts, endpoint);
}

void webhooks_note_health(struct facts *facts, const struct job_result *result)
{
    if (result->health == ENDPOINT_UNTOUCHED) {
        return;
    }
    struct webhook_endpoint *endpoint = facts_endpoint(facts, &result->endpoint_id);
    if (endpoint == NULL || endpoint->status == WEBHOOK_DISABLED) {
        return;
    }
    int64_t patience_ms = facts->policy.webhook_disable_after_ms;
    patience_ms = patience_ms > 0 ? patience_ms : WEBHOOK_DISABLE_AFTER_MS_DEFAULT;
    bool has_failed_for_long =
        endpoint->failing_since_ms != 0 && facts->now_ms - endpoint->failing_since_ms >= patience_ms;
    if (result->health == ENDPOINT_WORKS) {
        if (endpoint->failing_since_ms != 0 || endpoint->held_until_ms != 0) {
            endpoint->failing_since_ms = 0;
            endpoint->held_until_ms = 0;
            touch(facts, endpoint);
        }
    } else if (result->health == ENDPOINT_GONE) {
        disable(facts, endpoint, REASON_GONE);
    } else if (has_failed_for_long) {
        disable(facts, endpoint, REASON_FAILING);
    } else {
        note_failure(facts, endpoint, result->hold_ms);
    }
}
