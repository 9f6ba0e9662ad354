#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/postgres/jobs.h"
#include "store/postgres/save.h"
#include "store/postgres/values.h"

static const struct statement INSERT_JOBS = {
    "insert_jobs",
    "INSERT INTO jobs (job_id, queue, kind, key, payload, event_sequence, run_at, priority, max_attempts, created_at, "
    "state, attempt, claim) SELECT n.*, 'scheduled', 0, 0 FROM (SELECT unnest($1::uuid[]), unnest($2::text[]), "
    "unnest($3::text[]), unnest($4::text[]), unnest($5::json[]), unnest($6::bigint[]), unnest($7::timestamptz[]), "
    "unnest($8::integer[])::smallint, unnest($9::integer[]), unnest($10::timestamptz[])) AS n"};
/* $1: how many events the batch had; $7: which of them. Their numbers end with the last that was given out. They are due
 * behind those of the transaction before, whatever the other server's time was; a clock that was set back is followed. */
static const struct statement INSERT_DELIVERIES = {
    "insert_deliveries",
    "WITH counted AS (UPDATE counters SET last_delivery_at = CASE WHEN last_delivery_at > w.run_at + interval '1 s' "
    "THEN w.run_at ELSE greatest(w.run_at, last_delivery_at + interval '1 us') END "
    "FROM (SELECT max(r) AS run_at FROM unnest($8::timestamptz[]) AS r) AS w RETURNING last_sequence, last_delivery_at) "
    "INSERT INTO jobs (job_id, queue, kind, key, payload, event_sequence, run_at, priority, max_attempts, created_at, "
    "state, attempt, claim) SELECT n.job_id, n.queue, n.kind, n.key, n.payload, c.last_sequence - $1::bigint + n.place, "
    "c.last_delivery_at, n.priority, n.max_attempts, n.created_at, 'scheduled', 0, 0 FROM counted c, "
    "(SELECT unnest($2::uuid[]) AS job_id, unnest($3::text[]) AS queue, unnest($4::text[]) AS kind, "
    "unnest($5::text[]) AS key, unnest($6::json[]) AS payload, unnest($7::bigint[]) AS place, "
    "unnest($9::integer[])::smallint AS priority, unnest($10::integer[]) AS max_attempts, "
    "unnest($11::timestamptz[]) AS created_at) AS n"};
static const struct statement UPDATE_JOBS = {
    "update_jobs",
    "WITH changed AS (UPDATE jobs t SET state = n.state, run_at = n.run_at, priority = n.priority, "
    "attempt = n.attempt, max_attempts = n.max_attempts, claim = n.claim, lease_until = n.lease_until, "
    "progress = n.progress, last_error = n.last_error, log = n.log, started_at = n.started_at, "
    "finished_at = n.finished_at, payload = n.payload, queue = n.queue "
    "FROM (SELECT unnest($1::uuid[]) AS job_id, unnest($2::text[]) AS loaded_state, unnest($3::bigint[]) AS loaded_claim, "
    "unnest($4::text[]) AS state, unnest($5::timestamptz[]) AS run_at, unnest($6::integer[])::smallint AS priority, "
    "unnest($7::integer[]) AS attempt, unnest($8::integer[]) AS max_attempts, unnest($9::bigint[]) AS claim, "
    "unnest($10::timestamptz[]) AS lease_until, unnest($11::integer[])::smallint AS progress, "
    "unnest($12::text[]) AS last_error, unnest($13::text[]) AS log, unnest($14::timestamptz[]) AS started_at, "
    "unnest($15::timestamptz[]) AS finished_at, unnest($16::json[]) AS payload, unnest($17::text[]) AS queue) AS n, "
    "LATERAL (SELECT k.ctid AS place FROM jobs k WHERE k.job_id = n.job_id LIMIT 1) f "
    "WHERE t.ctid = f.place AND t.state = n.loaded_state AND t.claim = n.loaded_claim RETURNING 1) "
    "SELECT require_rows((SELECT count(*) FROM changed), cardinality($1), 'jobs')"};
static const struct statement INSERT_QUEUES = {
    "insert_queues",
    "INSERT INTO job_queues (name, paused, concurrency, rate_max, rate_period_ms, rate_begin, rate_count, version) "
    "SELECT unnest($1::text[]), unnest($2::boolean[]), unnest($3::integer[]), unnest($4::integer[]), "
    "unnest($5::integer[]), unnest($6::timestamptz[]), unnest($7::integer[]), unnest($8::bigint[])"};
static const struct statement UPDATE_QUEUES = {
    "update_queues",
    "WITH changed AS (UPDATE job_queues t SET paused = n.paused, concurrency = n.concurrency, rate_max = n.rate_max, "
    "rate_period_ms = n.rate_period_ms, rate_begin = n.rate_begin, rate_count = n.rate_count, version = n.version "
    "FROM unnest($1::text[], $2::boolean[], $3::integer[], $4::integer[], $5::integer[], $6::timestamptz[], "
    "$7::integer[], $8::bigint[], $9::bigint[]) AS n(name, paused, concurrency, rate_max, rate_period_ms, rate_begin, "
    "rate_count, version, loaded)" AT_PLACE("job_queues", "k.name = n.name") GUARDED("job_queues")};
static const struct statement DELETE_QUEUES = {"delete_queues", "DELETE FROM job_queues WHERE name = ANY ($1::text[])"};
static const struct statement INSERT_SCHEDULE = {
    "insert_schedule", "INSERT INTO job_schedules (name, queue, kind, cron, time_zone, next_run_at, version) "
                       "VALUES ($1::text, $2::text, $3::text, $4::text, $5::text, $6::timestamptz, $7::bigint)"};
static const struct statement UPDATE_SCHEDULE = {
    "update_schedule", "WITH changed AS (UPDATE job_schedules SET queue = $2::text, kind = $3::text, cron = $4::text, "
                       "time_zone = $5::text, next_run_at = $6::timestamptz, version = $7::bigint "
                       "WHERE name = $1::text AND version = $8::bigint RETURNING 1) "
                       "SELECT require_rows((SELECT count(*) FROM changed), 1, 'job_schedules')"};
static const struct statement INSERT_ENDPOINTS = {
    "insert_endpoints",
    "INSERT INTO webhook_endpoints (endpoint_id, url, description, types, status, disabled_reason, secret, "
    "previous_secret, previous_until, failing_since, held_until, created_at, version) SELECT unnest($1::uuid[]), "
    "unnest($2::text[]), unnest($3::text[]), unnest($4::text[]), unnest($5::text[]), unnest($6::text[]), "
    "unnest($7::text[]), unnest($8::text[]), unnest($9::timestamptz[]), unnest($10::timestamptz[]), "
    "unnest($11::timestamptz[]), unnest($12::timestamptz[]), unnest($13::bigint[])"};
static const struct statement UPDATE_ENDPOINTS = {
    "update_endpoints",
    "WITH changed AS (UPDATE webhook_endpoints t SET url = n.url, description = n.description, types = n.types, "
    "status = n.status, disabled_reason = n.disabled_reason, secret = n.secret, previous_secret = n.previous_secret, "
    "previous_until = n.previous_until, failing_since = n.failing_since, held_until = n.held_until, "
    "created_at = n.created_at, version = n.version FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], "
    "$5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], "
    "$12::timestamptz[], $13::bigint[], $14::bigint[]) "
    "AS n(endpoint_id, url, description, types, status, disabled_reason, secret, previous_secret, previous_until, "
    "failing_since, held_until, created_at, version, loaded)" AT_PLACE(
        "webhook_endpoints", "k.endpoint_id = n.endpoint_id") GUARDED("webhook_endpoints")};
static const struct statement DELETE_ENDPOINTS = {"delete_endpoints",
                                                  "DELETE FROM webhook_endpoints WHERE endpoint_id = ANY ($1::uuid[])"};
static const struct statement PRUNE_FINISHED = {
    "prune_finished_jobs",
    "DELETE FROM jobs WHERE job_id = ANY (ARRAY(SELECT job_id FROM jobs WHERE (state = 'completed' OR "
    "state = 'cancelled') AND finished_at >= $3::timestamptz AND finished_at < $1::timestamptz ORDER BY finished_at "
    "LIMIT $2::bigint FOR UPDATE SKIP LOCKED))"};
static const struct statement PRUNE_DEAD = {
    "prune_dead_jobs",
    "DELETE FROM jobs WHERE job_id = ANY (ARRAY(SELECT job_id FROM jobs WHERE state = 'dead' "
    "AND finished_at < $1::timestamptz ORDER BY finished_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED))"};
static const struct statement PRUNE_EVENTS = {"prune_events",
                                              "DELETE FROM events WHERE sequence BETWEEN $1::bigint AND $2::bigint"};
static const struct statement UPDATE_NOTICES = {
    "update_notices", "WITH changed AS (UPDATE payment_notices SET expires_at = $1::timestamptz, order_id = $2::uuid "
                      "WHERE expires_at = $3::timestamptz AND order_id = $4::uuid RETURNING 1) "
                      "SELECT require_rows((SELECT count(*) FROM changed), 1, 'payment_notices')"};
/* $1: who says so, which is how it knows its own. */
static const struct statement NOTIFY = {"notify_jobs", "SELECT pg_notify(" JOBS_CHANNEL ", $1::text) IS NULL"};

static const enum value_type NEW_JOB[] = {VALUE_UUID,  VALUE_TEXT, VALUE_TEXT,  VALUE_TEXT,  VALUE_JSON,
                                          VALUE_INT64, VALUE_TIME, VALUE_INT32, VALUE_INT32, VALUE_TIME};
static const enum value_type CHANGED_JOB[] = {
    VALUE_UUID, VALUE_TEXT,  VALUE_INT64, VALUE_TEXT, VALUE_TIME, VALUE_INT32, VALUE_INT32, VALUE_INT32, VALUE_INT64,
    VALUE_TIME, VALUE_INT32, VALUE_TEXT,  VALUE_TEXT, VALUE_TIME, VALUE_TIME,  VALUE_JSON,  VALUE_TEXT};
/* The last is the version that was loaded: of new ones there is none. */
static const enum value_type QUEUE[] = {VALUE_TEXT, VALUE_BOOL,  VALUE_INT32, VALUE_INT32, VALUE_INT32,
                                        VALUE_TIME, VALUE_INT32, VALUE_INT64, VALUE_INT64};
static const enum value_type ENDPOINT[] = {VALUE_UUID, VALUE_TEXT, VALUE_TEXT,  VALUE_TEXT, VALUE_TEXT,
                                           VALUE_TEXT, VALUE_TEXT, VALUE_TEXT,  VALUE_TIME, VALUE_TIME,
                                           VALUE_TIME, VALUE_TIME, VALUE_INT64, VALUE_INT64};
static const enum value_type NAME[] = {VALUE_TEXT};
static const enum value_type ID[] = {VALUE_UUID};

/* ---- Jobs ---- */

static void add_new_job(struct store *store, struct parameters *rows, const struct job *job, int64_t number)
{
    job_heads_note_scheduled(store->heads, job);
    row_uuid(rows, &job->id);
    row_text(rows, job->queue);
    row_text(rows, job->kind);
    row_text(rows, job->key);
    row_text(rows, job->payload);
    row_int64_or_null(rows, number != 0, number);
    row_time(rows, job->run_at_ms);
    row_int32(rows, (int32_t)job->priority);
    row_int32(rows, (int32_t)job->max_attempts);
    row_time(rows, job->created_at_ms);
}

static void add_changed_job(struct parameters *rows, const struct job *job)
{
    bool has_progress = job->progress != JOB_PROGRESS_NONE;
    row_uuid(rows, &job->id);
    row_c_text(rows, job_state_name(job->loaded_state));
    row_int64(rows, job->loaded_claim);
    row_c_text(rows, job_state_name(job->state));
    row_time(rows, job->run_at_ms);
    row_int32(rows, (int32_t)job->priority);
    row_int32(rows, (int32_t)job->attempt);
    row_int32(rows, (int32_t)job->max_attempts);
    row_int64(rows, job->claim);
    row_time_or_null(rows, job->state == JOB_RUNNING, job->lease_until_ms);
    row_int32_or_null(rows, has_progress, has_progress ? (int32_t)job->progress : 0);
    row_text(rows, job->last_error);
    row_text(rows, job->log);
    row_time_or_null(rows, job->started_at_ms != 0, job->started_at_ms);
    row_time_or_null(rows, job->finished_at_ms != 0, job->finished_at_ms);
    row_text(rows, job->payload);
    row_text(rows, job->queue);
}

static void queue_jobs_that(struct store *store, const struct facts *facts, bool are_scheduled)
{
    struct parameters *rows = begin_rows(store, COLUMNS(CHANGED_JOB));
    for (size_t i = 0; i < facts->jobs.count; i++) {
        const struct job *job = facts->jobs.entries[i].value;
        if (job->is_new || !job->is_changed || (job->state == JOB_SCHEDULED) != are_scheduled) {
            continue;
        }
        add_changed_job(rows, job);
        if (are_scheduled) {
            job_heads_note_scheduled(store->heads, job);
        }
    }
    queue_rows(store, rows, &UPDATE_JOBS);
}

/* Those that leave their key before those that take one. */
static void queue_changed_jobs(struct store *store, const struct facts *facts)
{
    if (facts->jobs.count > 0) {
        queue_jobs_that(store, facts, false);
        queue_jobs_that(store, facts, true);
    }
}

/* Those with a key last and in the order of their keys: another server may be at the same ones. */
static int compare_new_jobs(const void *a, const void *b)
{
    const struct job *first = *(const struct job *const *)a;
    const struct job *second = *(const struct job *const *)b;
    int by_kind = first->key.bytes == NULL || second->key.bytes == NULL ? 0 : text_compare(first->kind, second->kind);
    int by_key = by_kind != 0 ? by_kind : text_compare(first->key, second->key);
    return by_key != 0 ? by_key : uuid_compare(first->id, second->id);
}

static void queue_new_jobs(struct store *store, const struct facts *facts)
{
    size_t count = 0;
    struct job **jobs = arena_array(facts->arena, facts->new_jobs.count, sizeof(struct job *));
    for (size_t i = 0; i < facts->new_jobs.count; i++) {
        if (facts->new_jobs.items[i]->event == NULL) {
            jobs[count++] = facts->new_jobs.items[i];
        }
    }
    if (count > 1) {
        qsort(jobs, count, sizeof(struct job *), compare_new_jobs);
    }
    struct parameters *rows = begin_rows(store, COLUMNS(NEW_JOB));
    for (size_t i = 0; i < count; i++) {
        add_new_job(store, rows, jobs[i], jobs[i]->event_sequence);
    }
    queue_rows(store, rows, &INSERT_JOBS);
}

void jobs_queue_deliveries(struct store *store, const struct facts *facts)
{
    if (facts->new_jobs.count == 0) {
        return;
    }
    struct parameters *rows = session_parameters(store->session);
    parameter_int64(rows, (int64_t)facts->events.count);
    parameters_columns(rows, COLUMNS(NEW_JOB));
    for (size_t i = 0; i < facts->new_jobs.count; i++) {
        const struct job *job = facts->new_jobs.items[i];
        if (job->event != NULL) {
            add_new_job(store, rows, job, (int64_t)job->event->place + 1);
        }
    }
    queue_rows(store, rows, &INSERT_DELIVERIES);
}

/* ---- Queues, schedules and endpoints ---- */

static int compare_queues(const void *a, const void *b)
{
    const struct job_queue *first = *(const struct job_queue *const *)a;
    const struct job_queue *second = *(const struct job_queue *const *)b;
    return text_compare(first->name, second->name);
}

static void add_limit(struct parameters *rows, int64_t limit)
{
    row_int32_or_null(rows, limit != 0, (int32_t)limit);
}

static void queue_saved_queues(struct store *store, const struct table *table, struct job_queue *const *queues,
                               bool is_new)
{
    struct parameters *rows = begin_rows(store, QUEUE, COLUMN_COUNT(QUEUE) - is_new);
    for (size_t i = 0; i < table->count; i++) {
        const struct job_queue *queue = queues[i];
        if (queue->is_deleted || queue->version == queue->loaded_version || (queue->loaded_version == 0) != is_new) {
            continue;
        }
        row_text(rows, queue->name);
        row_bool(rows, queue->is_paused);
        add_limit(rows, queue->concurrency);
        add_limit(rows, queue->rate_max);
        add_limit(rows, queue->rate_max == 0 ? 0 : queue->rate_period_ms);
        row_time(rows, queue->rate_begin_ms);
        row_int32(rows, (int32_t)queue->rate_count);
        row_int64(rows, queue->version);
        if (!is_new) {
            row_int64(rows, queue->loaded_version);
        }
    }
    queue_rows(store, rows, is_new ? &INSERT_QUEUES : &UPDATE_QUEUES);
}

static void queue_queues(struct store *store, struct facts *facts)
{
    struct job_queue *const *queues = sort_values(facts, &facts->queues, compare_queues);
    queue_saved_queues(store, &facts->queues, queues, false);
    queue_saved_queues(store, &facts->queues, queues, true);
    struct parameters *rows = begin_rows(store, COLUMNS(NAME));
    for (size_t i = 0; i < facts->queues.count; i++) {
        if (queues[i]->is_deleted && queues[i]->loaded_version != 0) {
            row_text(rows, queues[i]->name);
        }
    }
    queue_rows(store, rows, &DELETE_QUEUES);
}

static void add_time_or_null(struct parameters *parameters, bool present, int64_t unix_ms)
{
    if (present) {
        parameter_time(parameters, unix_ms);
    } else {
        parameter_null(parameters, VALUE_TIME);
    }
}

static void queue_schedule(struct store *store, const struct job_schedule *schedule)
{
    if (schedule->version == schedule->loaded_version) {
        return;
    }
    struct parameters *parameters = session_parameters(store->session);
    parameter_text(parameters, schedule->name);
    parameter_text(parameters, schedule->queue);
    parameter_text(parameters, schedule->kind);
    parameter_text(parameters, schedule->cron);
    parameter_text(parameters, schedule->time_zone);
    add_time_or_null(parameters, schedule->next_run_at_ms != INT64_MAX, schedule->next_run_at_ms);
    parameter_int64(parameters, schedule->version);
    if (schedule->loaded_version != 0) {
        parameter_int64(parameters, schedule->loaded_version);
    }
    (void)session_queue(store->session, schedule->loaded_version == 0 ? &INSERT_SCHEDULE : &UPDATE_SCHEDULE);
}

static void queue_saved_endpoints(struct store *store, const struct facts *facts, bool is_new)
{
    struct parameters *rows = begin_rows(store, ENDPOINT, COLUMN_COUNT(ENDPOINT) - is_new);
    for (size_t i = 0; i < facts->endpoint_count; i++) {
        const struct webhook_endpoint *endpoint = facts->endpoints[i];
        bool is_as_it_was = endpoint->version == endpoint->loaded_version && !endpoint->is_touched;
        if (endpoint->is_deleted || is_as_it_was || (endpoint->loaded_version == 0) != is_new) {
            continue;
        }
        row_uuid(rows, &endpoint->id);
        row_text(rows, endpoint->url);
        row_text(rows, endpoint->description);
        row_text(rows, webhook_types_format(facts->arena, endpoint->types));
        row_c_text(rows, webhook_status_name(endpoint->status));
        row_text(rows, endpoint->disabled_reason);
        row_text(rows, endpoint->secret);
        row_text(rows, endpoint->previous_secret);
        row_time_or_null(rows, endpoint->previous_secret.bytes != NULL, endpoint->previous_until_ms);
        row_time_or_null(rows, endpoint->failing_since_ms != 0, endpoint->failing_since_ms);
        row_time_or_null(rows, endpoint->held_until_ms != 0, endpoint->held_until_ms);
        row_time(rows, endpoint->created_at_ms);
        row_int64(rows, endpoint->version);
        if (!is_new) {
            row_int64(rows, endpoint->loaded_version);
        }
    }
    queue_rows(store, rows, is_new ? &INSERT_ENDPOINTS : &UPDATE_ENDPOINTS);
}

/* They were loaded in the order of their ids. */
static void queue_endpoints(struct store *store, const struct facts *facts)
{
    queue_saved_endpoints(store, facts, false);
    queue_saved_endpoints(store, facts, true);
    struct parameters *rows = begin_rows(store, COLUMNS(ID));
    for (size_t i = 0; i < facts->endpoint_count; i++) {
        if (facts->endpoints[i]->is_deleted && facts->endpoints[i]->loaded_version != 0) {
            row_uuid(rows, &facts->endpoints[i]->id);
        }
    }
    queue_rows(store, rows, &DELETE_ENDPOINTS);
}

static void queue_notices(struct store *store, const struct notice_facts *notice)
{
    if (notice->given.expires_at_ms == notice->loaded.expires_at_ms &&
        uuid_equal(notice->given.order_id, notice->loaded.order_id)) {
        return;
    }
    struct parameters *parameters = session_parameters(store->session);
    parameter_time(parameters, notice->given.expires_at_ms);
    parameter_uuid(parameters, notice->given.order_id);
    parameter_time(parameters, notice->loaded.expires_at_ms);
    parameter_uuid(parameters, notice->loaded.order_id);
    (void)session_queue(store->session, &UPDATE_NOTICES);
}

static void queue_prune(struct store *store, const struct prune_facts *prune)
{
    const struct prune_look *look = &store->prune;
    if (!prune->is_accepted) {
        return;
    }
    if (prune->job_count > 0) {
        struct parameters *parameters = session_parameters(store->session);
        parameter_time(parameters, look->finished_before_ms);
        parameter_int64(parameters, (int64_t)look->wanted.max);
        parameter_time(parameters, look->finished_from_ms);
        (void)session_queue(store->session, &PRUNE_FINISHED);
        parameters = session_parameters(store->session);
        parameter_time(parameters, look->wanted.dead_before_ms == INT64_MIN ? 0 : look->wanted.dead_before_ms);
        parameter_int64(parameters, (int64_t)look->wanted.max);
        (void)session_queue(store->session, &PRUNE_DEAD);
    }
    if (prune->event_count > 0) {
        struct parameters *parameters = session_parameters(store->session);
        parameter_int64(parameters, look->first_event);
        parameter_int64(parameters, look->last_event);
        (void)session_queue(store->session, &PRUNE_EVENTS);
    }
}

static void queue_notify(struct store *store, const struct facts *facts)
{
    char id[UUID_TEXT_LENGTH + 1];
    char payload[UUID_TEXT_LENGTH + 32];
    if (facts->jobs_at_ms == INT64_MAX) {
        return;
    }
    uuid_format(store->writer_id, id);
    (void)snprintf(payload, sizeof(payload), "%s %lld", id, (long long)facts->jobs_at_ms);
    parameter_text(session_parameters(store->session), text_from_c(payload));
    (void)session_queue(store->session, &NOTIFY);
}

void jobs_queue_save(struct store *store, struct facts *facts)
{
    if (facts->queues.count > 0) {
        queue_queues(store, facts);
    }
    for (size_t i = 0; i < facts->schedules.count; i++) {
        queue_schedule(store, facts->schedules.entries[i].value);
    }
    if (facts->endpoint_count > 0) {
        queue_endpoints(store, facts);
    }
    queue_changed_jobs(store, facts);
    queue_new_jobs(store, facts);
    queue_notices(store, &facts->notice);
    queue_prune(store, &facts->prune);
    queue_notify(store, facts);
}
