/* Endpoints of webhooks, and the deliveries that are queued for them. */

#include <string.h>

#include "model_state.h"

#define BY_HAND "by hand"
#define FAILING "every delivery failed for days"
#define GONE "it answered 410 Gone"

/* ---- Endpoints ---- */

static bool wants(const struct model_endpoint *endpoint, enum event_type type)
{
    return endpoint->disabled_reason == NULL && !endpoint->is_deleted &&
           (endpoint->types == 0 || (endpoint->types & (UINT32_C(1) << type)) != 0);
}

static struct model_endpoint *find_endpoint(const struct model_batch *batch, const struct uuid *id)
{
    struct model_endpoint *endpoint = g_hash_table_lookup(batch->endpoints, id);
    return endpoint == NULL || endpoint->is_deleted ? NULL : endpoint;
}

/* A store that keeps names may add a bit that is no type's. */
static bool same_types(uint32_t expected, uint32_t real)
{
    uint32_t known = (UINT32_C(1) << EVENT_TYPE_COUNT) - 1;
    return (expected == 0) == (real == 0) && (expected & known) == (real & known);
}

static const char *endpoint_differs(const struct model_endpoint *expected, const struct webhook_endpoint *real)
{
    bool is_disabled = expected->disabled_reason != NULL;
    return !text_equal_c(real->url, expected->url)                                          ? "URL"
           : !same_types(expected->types, real->types)                                      ? "types"
           : (real->status == WEBHOOK_DISABLED) != is_disabled                              ? "status"
           : is_disabled && !text_equal_c(real->disabled_reason, expected->disabled_reason) ? "reason"
           : real->failing_since_ms != expected->failing_since_ms                           ? "failures"
                                                                                            : NULL;
}

const char *model_endpoints_differ(GHashTable *expected, struct webhook_endpoint *const *real, size_t count)
{
    guint deleted = 0;
    GHashTableIter iterator;
    gpointer value;
    g_hash_table_iter_init(&iterator, expected);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        deleted += ((const struct model_endpoint *)value)->is_deleted;
    }
    for (size_t i = 0; i < count; i++) {
        const struct model_endpoint *endpoint = g_hash_table_lookup(expected, &real[i]->id);
        count -= real[i]->is_deleted;
        const char *what = endpoint == NULL                              ? "being there"
                           : endpoint->is_deleted != real[i]->is_deleted ? "end"
                                                                         : endpoint_differs(endpoint, real[i]);
        if (what != NULL) {
            return what;
        }
    }
    return count + deleted == g_hash_table_size(expected) ? NULL : "number";
}

void model_sees_facts(struct model_batch *batch, const struct facts *facts)
{
    GHashTableIter iterator;
    gpointer value;
    const char *what = model_endpoints_differ(batch->model->endpoints, facts->endpoints, facts->endpoint_count);
    if (what != NULL) {
        sim_violation("loaded", "an endpoint is loaded otherwise than it was saved: its %s", what);
    }
    g_hash_table_iter_init(&iterator, batch->model->endpoints);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        struct model_endpoint *copy = model_endpoint_copy(value);
        copy->is_changed = false;
        g_hash_table_replace(batch->endpoints, &copy->id, copy);
    }
}

/* ---- Commands ---- */

/* NULL: it is enabled. */
static void set_status(struct model_endpoint *endpoint, const char *reason)
{
    endpoint->disabled_reason = reason;
    endpoint->failing_since_ms = 0;
    endpoint->is_changed = true;
}

static enum outcome_code create(struct model_batch *batch, const struct create_endpoint *command,
                                const struct outcome *real)
{
    if (real->endpoint != NULL) {
        struct model_endpoint *endpoint = g_new0(struct model_endpoint, 1);
        endpoint->id = real->endpoint->id;
        endpoint->url = g_strndup(command->url.bytes, command->url.length);
        endpoint->types = command->types;
        endpoint->concurrency = command->concurrency;
        endpoint->is_changed = true;
        g_hash_table_insert(batch->endpoints, &endpoint->id, endpoint);
    }
    return OUTCOME_ENDPOINT_CREATED;
}

static enum outcome_code update(struct model_batch *batch, const struct update_endpoint *command)
{
    struct model_endpoint *endpoint = find_endpoint(batch, &command->endpoint_id);
    if (endpoint == NULL) {
        return OUTCOME_ENDPOINT_NOT_FOUND;
    }
    bool is_disabled = command->status == WEBHOOK_DISABLED;
    if (is_disabled != (endpoint->disabled_reason != NULL)) {
        set_status(endpoint, is_disabled ? BY_HAND : NULL);
    }
    return OUTCOME_ENDPOINT_UPDATED;
}

static void expect_delivery(struct model_batch *batch, const struct uuid *endpoint_id, int64_t event_sequence)
{
    struct model_delivery delivery = {.endpoint_id = *endpoint_id, .event_sequence = event_sequence};
    g_array_append_val(batch->by_hand, delivery);
}

static enum outcome_code deliver(struct model_batch *batch, const struct uuid *endpoint_id, int64_t event_sequence)
{
    const struct model_endpoint *endpoint = find_endpoint(batch, endpoint_id);
    if (endpoint == NULL || endpoint->disabled_reason != NULL) {
        return endpoint == NULL ? OUTCOME_ENDPOINT_NOT_FOUND : OUTCOME_ENDPOINT_DISABLED;
    }
    expect_delivery(batch, endpoint_id, event_sequence);
    return OUTCOME_DELIVERY_QUEUED;
}

/* What is finished may have been pruned. */
static enum outcome_code redeliver(struct model_batch *batch, const struct redeliver *command,
                                   const struct outcome *real)
{
    const struct model_job *job = seen_job(batch, &command->job_id);
    bool is_finished = job != NULL && job_state_is_finished(job->state);
    if (job == NULL || !job->is_delivery || (is_finished && real->code == OUTCOME_JOB_NOT_FOUND)) {
        return OUTCOME_JOB_NOT_FOUND;
    }
    return is_finished ? deliver(batch, &job->endpoint_id, job->event_sequence) : OUTCOME_JOB_STATE;
}

bool predict_webhooks(struct model_batch *batch, const struct command *command, enum outcome_code *ret_code)
{
    struct model_endpoint *endpoint;
    switch (command->kind) {
    case COMMAND_CREATE_ENDPOINT:
        *ret_code = create(batch, &command->input.create_endpoint, &command->outcome);
        return true;
    case COMMAND_UPDATE_ENDPOINT:
        *ret_code = update(batch, &command->input.update_endpoint);
        return true;
    case COMMAND_DELETE_ENDPOINT:
        endpoint = find_endpoint(batch, &command->input.delete_endpoint.endpoint_id);
        *ret_code = endpoint == NULL ? OUTCOME_ENDPOINT_NOT_FOUND : OUTCOME_ENDPOINT_DELETED;
        if (endpoint != NULL) {
            endpoint->is_deleted = true;
            endpoint->is_changed = true;
        }
        return true;
    case COMMAND_ROTATE_SECRET:
        endpoint = find_endpoint(batch, &command->input.rotate_secret.endpoint_id);
        *ret_code = endpoint == NULL ? OUTCOME_ENDPOINT_NOT_FOUND : OUTCOME_SECRET_ROTATED;
        return true;
    case COMMAND_TEST_ENDPOINT:
        *ret_code = deliver(batch, &command->input.test_endpoint.endpoint_id, 0);
        return true;
    case COMMAND_REDELIVER:
        *ret_code = redeliver(batch, &command->input.redeliver, &command->outcome);
        return true;
    default:
        return false;
    }
}

/* One that fails for too long, or is gone, is disabled, with an event. */
void expect_health(struct model_batch *batch, const struct job_result *result, int64_t patience_ms)
{
    struct model_endpoint *endpoint = find_endpoint(batch, &result->endpoint_id);
    if (result->health == ENDPOINT_UNTOUCHED || endpoint == NULL || endpoint->disabled_reason != NULL) {
        return;
    }
    int64_t since_ms = endpoint->failing_since_ms;
    endpoint->is_changed = endpoint->is_changed || since_ms != 0 || result->health != ENDPOINT_WORKS;
    if (result->health == ENDPOINT_WORKS) {
        endpoint->failing_since_ms = 0;
    } else if (result->health == ENDPOINT_GONE || (since_ms != 0 && batch->now_ms - since_ms >= patience_ms)) {
        const char *reason = result->health == ENDPOINT_GONE ? GONE : FAILING;
        set_status(endpoint, reason);
        tell_disabled(batch, endpoint, reason);
    } else {
        endpoint->failing_since_ms = since_ms == 0 ? batch->now_ms : since_ms;
    }
}

/* ---- What is queued ---- */

/* Each event once for each endpoint that wants it, in the order of events; and what was asked for by hand. */
void check_deliveries(const struct model_batch *batch, const struct facts *facts)
{
    guint expected = batch->by_hand->len;
    guint by_hand = 0;
    guint found = 0;
    GHashTableIter iterator;
    gpointer value;
    g_hash_table_iter_init(&iterator, batch->endpoints);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        ((struct model_endpoint *)value)->queued = 0;
        for (guint i = 0; i < batch->events->len; i++) {
            expected += wants(value, g_array_index(batch->events, struct model_event, i).type);
        }
    }
    for (size_t i = 0; i < facts->new_jobs.count; i++) {
        const struct job *job = facts->new_jobs.items[i];
        struct model_job seen = model_job_of(job);
        if (!seen.is_delivery) {
            continue;
        }
        found++;
        struct model_endpoint *endpoint = g_hash_table_lookup(batch->endpoints, &seen.endpoint_id);
        bool is_owed;
        if (job->event == NULL) {
            const struct model_delivery *wish =
                by_hand < batch->by_hand->len ? &g_array_index(batch->by_hand, struct model_delivery, by_hand) : NULL;
            by_hand++;
            is_owed = wish != NULL && uuid_equal(wish->endpoint_id, seen.endpoint_id) &&
                      wish->event_sequence == job->event_sequence;
        } else {
            is_owed = endpoint != NULL && wants(endpoint, job->event->type) && job->event->place >= endpoint->queued;
            if (endpoint != NULL) {
                endpoint->queued = job->event->place + 1;
            }
        }
        if (!is_owed || job->run_at_ms != facts->now_ms || job->state != JOB_SCHEDULED) {
            sim_violation("queued", "a delivery of %s is queued that nobody is owed now",
                          job->event == NULL ? "what was asked for by hand" : event_type_name(job->event->type));
        }
    }
    if (found != expected) {
        sim_violation("queued", "%u deliveries are queued, and %u are owed", found, expected);
    }
}

/* One that is saved is saved whole: what another batch said meanwhile of how it fares is forgotten. */
void check_endpoints(const struct model_batch *batch, const struct facts *facts)
{
    const char *what = model_endpoints_differ(batch->endpoints, facts->endpoints, facts->endpoint_count);
    if (what != NULL) {
        sim_violation("saved", "an endpoint is saved otherwise than the model has it: its %s", what);
    }
    for (size_t i = 0; i < facts->endpoint_count; i++) {
        struct model_endpoint *endpoint = g_hash_table_lookup(batch->endpoints, &facts->endpoints[i]->id);
        endpoint->is_changed = endpoint->is_changed || facts->endpoints[i]->is_touched ||
                               facts->endpoints[i]->version != facts->endpoints[i]->loaded_version;
    }
}
