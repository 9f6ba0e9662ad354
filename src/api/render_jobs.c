#include "api/render_jobs.h"

#include <string.h>

#include "api/json_input.h"
#include "api/render.h"

static void time_field_unless(struct json_writer *json, const char *key, bool is_none, int64_t unix_ms)
{
    if (is_none) {
        json_null_field(json, key);
    } else {
        json_time_field(json, key, unix_ms);
    }
}

static void int64_field_unless(struct json_writer *json, const char *key, bool is_none, int64_t value)
{
    if (is_none) {
        json_null_field(json, key);
    } else {
        json_int64_field(json, key, value);
    }
}

/* ---- Jobs ---- */

/* The next line of a log, without its end; false behind the last one. */
static bool take_line(struct text log, size_t *at, struct text *ret_line)
{
    if (*at >= log.length) {
        return false;
    }
    const char *end = memchr(log.bytes + *at, '\n', log.length - *at);
    size_t length = end == NULL ? log.length - *at : (size_t)(end - log.bytes) - *at;
    *ret_line = (struct text){log.bytes + *at, length};
    *at += length + 1;
    return true;
}

static void log_member(struct json_writer *json, struct text log)
{
    struct text line;
    json_key(json, "log");
    json_array_begin(json);
    for (size_t at = 0; take_line(log, &at, &line);) {
        json_raw(json, line);
    }
    json_array_end(json);
}

static bool is_delivery(const struct job *job, struct uuid *ret_endpoint_id)
{
    return text_equal(job->kind, WEBHOOK_DELIVERY_KIND) && webhook_queue_endpoint(job->queue, ret_endpoint_id);
}

static void payload_member(struct json_writer *json, const struct job *job)
{
    struct uuid endpoint_id;
    if (job->payload.bytes != NULL) {
        json_raw_field(json, "payload", job->payload);
    } else if (is_delivery(job, &endpoint_id)) {
        json_key(json, "payload");
        json_object_begin(json);
        render_id_field(json, "endpoint_id", endpoint_id);
        json_int64_field(json, "sequence", job->event_sequence);
        json_object_end(json);
    } else {
        json_null_field(json, "payload");
    }
}

void render_job(struct json_writer *json, const struct job *job, enum job_log_shown log)
{
    json_object_begin(json);
    render_id_field(json, "job_id", job->id);
    json_string_field(json, "queue", job->queue);
    json_string_field(json, "kind", job->kind);
    json_string_field(json, "key", job->key);
    payload_member(json, job);
    json_c_field(json, "state", job_state_name(job->state));
    json_time_field(json, "run_at", job->run_at_ms);
    json_int64_field(json, "priority", job->priority);
    json_int64_field(json, "attempt", job->attempt);
    json_int64_field(json, "max_attempts", job->max_attempts);
    int64_field_unless(json, "progress", job->progress == JOB_PROGRESS_NONE, job->progress);
    json_string_field(json, "last_error", job->last_error);
    json_time_field(json, "created_at", job->created_at_ms);
    time_field_unless(json, "started_at", job->started_at_ms == 0, job->started_at_ms);
    time_field_unless(json, "finished_at", job->finished_at_ms == 0, job->finished_at_ms);
    if (log == WITH_LOG) {
        log_member(json, job->log);
    }
    json_object_end(json);
}

/* ---- Queues and schedules ---- */

static void settings_members(struct json_writer *json, const struct job_queue *queue)
{
    json_string_field(json, "queue", queue->name);
    json_bool_field(json, "paused", queue->is_paused);
    int64_field_unless(json, "concurrency", queue->concurrency == 0, queue->concurrency);
    if (queue->rate_max == 0) {
        json_null_field(json, "rate_limit");
        return;
    }
    json_key(json, "rate_limit");
    json_object_begin(json);
    json_int64_field(json, "max", queue->rate_max);
    json_int64_field(json, "period_ms", queue->rate_period_ms);
    json_object_end(json);
}

void render_queue_settings(struct json_writer *json, const struct job_queue *queue)
{
    json_object_begin(json);
    settings_members(json, queue);
    json_object_end(json);
}

void render_queue(struct json_writer *json, const struct queue_row *row)
{
    json_object_begin(json);
    settings_members(json, &row->queue);
    json_key(json, "counts");
    json_object_begin(json);
    for (int state = 0; state < JOB_STATE_COUNT; state++) {
        json_int64_field(json, job_state_name((enum job_state)state), row->counts[state]);
    }
    json_object_end(json);
    time_field_unless(json, "oldest_due_at", row->oldest_due_at_ms == 0, row->oldest_due_at_ms);
    json_object_end(json);
}

void render_schedule(struct json_writer *json, const struct job_schedule *schedule)
{
    json_object_begin(json);
    json_string_field(json, "name", schedule->name);
    json_string_field(json, "queue", schedule->queue);
    json_string_field(json, "kind", schedule->kind);
    json_string_field(json, "cron", schedule->cron);
    json_string_field(json, "time_zone", schedule->time_zone);
    time_field_unless(json, "next_run_at", schedule->next_run_at_ms == INT64_MAX, schedule->next_run_at_ms);
    json_object_end(json);
}

/* ---- Webhooks ---- */

static void types_member(struct json_writer *json, uint32_t types)
{
    if (types == 0) {
        json_null_field(json, "types");
        return;
    }
    json_key(json, "types");
    json_array_begin(json);
    for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
        if ((types & (UINT32_C(1) << type)) != 0) {
            json_text(json, text_from_c(event_type_name((enum event_type)type)));
        }
    }
    json_array_end(json);
}

void render_endpoint(struct json_writer *json, const struct webhook_endpoint *endpoint, const struct job_queue *queue,
                     enum secret_shown secret)
{
    json_object_begin(json);
    render_id_field(json, "endpoint_id", endpoint->id);
    json_string_field(json, "url", endpoint->url);
    types_member(json, endpoint->types);
    json_string_field(json, "description", endpoint->description);
    json_c_field(json, "status", webhook_status_name(endpoint->status));
    json_string_field(json, "disabled_reason", endpoint->disabled_reason);
    int64_field_unless(json, "concurrency", queue->concurrency == 0, queue->concurrency);
    time_field_unless(json, "failing_since", endpoint->failing_since_ms == 0, endpoint->failing_since_ms);
    time_field_unless(json, "held_until", endpoint->held_until_ms == 0, endpoint->held_until_ms);
    json_time_field(json, "created_at", endpoint->created_at_ms);
    json_int64_field(json, "version", endpoint->version);
    if (secret == WITH_SECRET) {
        json_string_field(json, "secret", endpoint->secret);
        if (endpoint->previous_secret.bytes != NULL) {
            json_time_field(json, "previous_secret_expires_at", endpoint->previous_until_ms);
        }
    }
    json_object_end(json);
}

static void delivery_members(struct json_writer *json, const struct job *job)
{
    struct uuid endpoint_id = {{0}};
    (void)is_delivery(job, &endpoint_id);
    render_id_field(json, "delivery_id", job->id);
    render_id_field(json, "endpoint_id", endpoint_id);
    int64_field_unless(json, "event_sequence", job->event_sequence == 0, job->event_sequence);
    json_c_field(json, "state", job_state_name(job->state));
    json_int64_field(json, "attempt", job->attempt);
    json_int64_field(json, "max_attempts", job->max_attempts);
    time_field_unless(json, "next_attempt_at", job->state != JOB_SCHEDULED, job->run_at_ms);
    json_string_field(json, "last_error", job->last_error);
    json_time_field(json, "created_at", job->created_at_ms);
    time_field_unless(json, "finished_at", job->finished_at_ms == 0, job->finished_at_ms);
}

void render_delivery(struct json_writer *json, const struct job *job)
{
    json_object_begin(json);
    delivery_members(json, job);
    json_object_end(json);
}

/* A line of the log that tells of an attempt has a status, of the answer or null; others are left out. */
static void attempt_element(struct json_writer *json, const struct json_t *line, struct arena *arena)
{
    struct field_errors errors;
    struct json_fields fields;
    struct text at = TEXT_ABSENT;
    struct text message = TEXT_ABSENT;
    int64_t attempt = 0;
    int64_t latency_ms = -1;
    int64_t status = 0;
    field_errors_init(&errors, arena);
    json_fields_begin(&fields, line, NULL, &errors);
    bool is_attempt = json_fields_int64_or_null(&fields, "status", 1, 999, 0, &status);
    (void)json_fields_text(&fields, "at", FIELD_MANDATORY, 1, JOB_LOG_BYTES_MAX, &at);
    (void)json_fields_int64(&fields, "attempt", FIELD_MANDATORY, 1, INT64_MAX, &attempt);
    if (!is_attempt || errors.count > 0) {
        return;
    }
    (void)json_fields_text(&fields, "message", FIELD_OPTIONAL, 0, JOB_LOG_BYTES_MAX, &message);
    (void)json_fields_int64_or_null(&fields, "latency_ms", 0, INT64_MAX, -1, &latency_ms);
    json_object_begin(json);
    json_string_field(json, "at", at);
    json_int64_field(json, "attempt", attempt);
    int64_field_unless(json, "status", status == 0, status);
    int64_field_unless(json, "latency_ms", latency_ms < 0, latency_ms);
    json_string_field(json, "error", text_equal(message, WEBHOOK_DELIVERED) ? TEXT_ABSENT : message);
    json_object_end(json);
}

void render_delivery_with_attempts(struct json_writer *json, const struct job *job, struct arena *arena)
{
    struct text line;
    json_object_begin(json);
    delivery_members(json, job);
    json_key(json, "attempts");
    json_array_begin(json);
    for (size_t at = 0; take_line(job->log, &at, &line);) {
        struct text detail;
        struct json_t *value = json_input_parse(line, arena, &detail);
        if (value != NULL) {
            attempt_element(json, value, arena);
            json_input_free(value);
        }
    }
    json_array_end(json);
    json_object_end(json);
}
