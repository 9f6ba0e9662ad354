/* What a batch has changed of jobs and endpoints. */

#include <assert.h>

#include "store/sqlite/jobs.h"

static const char INSERT_JOBS[] =
    "INSERT INTO jobs (job_id, queue, kind, key, payload, event_sequence, state, run_at, priority, attempt, "
    "max_attempts, claim, created_at, lease_until, started_at, finished_at, last_error, progress) "
    "SELECT c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, NULL, NULL, NULL, NULL, NULL FROM new_rows";
static const char UPDATE_JOB[] =
    "UPDATE jobs SET state = ?4, run_at = ?5, priority = ?6, attempt = ?7, max_attempts = ?8, claim = ?9, "
    "lease_until = ?10, progress = ?11, last_error = ?12, log = ?13, started_at = ?14, finished_at = ?15, queue = ?16, "
    "payload = ?17 WHERE job_id = ?1 AND state = ?2 AND claim = ?3";
static const char INSERT_QUEUE[] =
    "INSERT INTO job_queues (name, paused, concurrency, rate_max, rate_period_ms, rate_begin, rate_count, version) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
static const char UPDATE_QUEUE[] =
    "UPDATE job_queues SET paused = ?2, concurrency = ?3, rate_max = ?4, rate_period_ms = ?5, rate_begin = ?6, "
    "rate_count = ?7, version = ?8 WHERE name = ?1 AND version = ?9";
static const char DELETE_QUEUE[] = "DELETE FROM job_queues WHERE name = ?1";
static const char INSERT_SCHEDULE[] =
    "INSERT INTO job_schedules (name, queue, kind, cron, time_zone, next_run_at, version) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
static const char UPDATE_SCHEDULE[] = "UPDATE job_schedules SET queue = ?2, kind = ?3, cron = ?4, time_zone = ?5, "
                                      "next_run_at = ?6, version = ?7 WHERE name = ?1 AND version = ?8";
static const char INSERT_ENDPOINT[] =
    "INSERT INTO webhook_endpoints (endpoint_id, url, description, types, status, disabled_reason, secret, "
    "previous_secret, previous_until, failing_since, created_at, version, held_until) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
static const char UPDATE_ENDPOINT[] =
    "UPDATE webhook_endpoints SET url = ?2, description = ?3, types = ?4, status = ?5, disabled_reason = ?6, "
    "secret = ?7, previous_secret = ?8, previous_until = ?9, failing_since = ?10, created_at = ?11, version = ?12, "
    "held_until = ?13 WHERE endpoint_id = ?1 AND version = ?14";
static const char DELETE_ENDPOINT[] = "DELETE FROM webhook_endpoints WHERE endpoint_id = ?1";
static const char PRUNE_FINISHED[] =
    "DELETE FROM jobs WHERE job_no IN (SELECT job_no FROM jobs WHERE (state = 'completed' OR state = 'cancelled') "
    "AND finished_at < ?1 ORDER BY finished_at LIMIT ?2)";
static const char PRUNE_DEAD[] =
    "DELETE FROM jobs WHERE job_no IN (SELECT job_no FROM jobs INDEXED BY jobs_dead_by_age "
    "WHERE state = 'dead' AND finished_at < ?1 LIMIT ?2)";
static const char PRUNE_EVENTS[] =
    "DELETE FROM events WHERE sequence IN (SELECT sequence FROM events ORDER BY sequence LIMIT ?1)";
static const char UPDATE_NOTICES[] = "UPDATE payment_notices SET expires_at = ?1, order_id = ?2 "
                                     "WHERE expires_at = ?3 AND order_id = ?4";

/* ---- New jobs ---- */

/* Events were numbered one after the other: what the first one's number is follows from the last one's. */
struct new_jobs {
    const struct facts *facts;
    int64_t last_sequence;
};

static int64_t event_sequence(const struct new_jobs *new, const struct job *job)
{
    if (job->event == NULL) {
        return job->event_sequence;
    }
    return new->last_sequence - (int64_t) new->facts->events.count + 1 + (int64_t)job->event->place;
}

static void job_column(const void *rows, size_t row, int column, sqlite3_context *context)
{
    const struct new_jobs *new = rows;
    const struct job *job = new->facts->new_jobs.items[row];
    int64_t sequence;
    switch (column) {
    case 0:
        result_uuid(context, &job->id);
        break;
    case 1:
        result_text(context, job->queue);
        break;
    case 2:
        result_text(context, job->kind);
        break;
    case 3:
        result_text(context, job->key);
        break;
    case 4:
        result_text(context, job->payload);
        break;
    case 5:
        sequence = event_sequence(new, job);
        result_int64_or_null(context, sequence != 0, sequence);
        break;
    case 6:
        result_c_text(context, job_state_name(job->state));
        break;
    case 7:
        sqlite3_result_int64(context, job->run_at_ms);
        break;
    case 8:
        sqlite3_result_int64(context, job->priority);
        break;
    case 9:
        sqlite3_result_int64(context, job->attempt);
        break;
    case 10:
        sqlite3_result_int64(context, job->max_attempts);
        break;
    case 11:
        sqlite3_result_int64(context, job->claim);
        break;
    case 12:
        sqlite3_result_int64(context, job->created_at_ms);
        break;
    }
}

/* ---- Changed rows ---- */

static bool run_guarded(sqlite3_stmt *statement, const char *what, struct fault *fault)
{
    bool changed;
    return statement_run_guarded(statement, &changed, fault) &&
           (changed || fault_set(fault, FAULT_CONFLICT, "a %s is not as it was loaded", what));
}

static bool update_job(struct connection *connection, const struct job *job, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(connection, UPDATE_JOB, &statement, fault)) {
        return false;
    }
    bind_uuid(statement, 1, &job->id);
    bind_c_text(statement, 2, job_state_name(job->loaded_state));
    bind_int64(statement, 3, job->loaded_claim);
    bind_c_text(statement, 4, job_state_name(job->state));
    bind_int64(statement, 5, job->run_at_ms);
    bind_int64(statement, 6, job->priority);
    bind_int64(statement, 7, job->attempt);
    bind_int64(statement, 8, job->max_attempts);
    bind_int64(statement, 9, job->claim);
    bind_int64_or_null(statement, 10, job->state == JOB_RUNNING, job->lease_until_ms);
    bind_int64_or_null(statement, 11, job->progress != JOB_PROGRESS_NONE, job->progress);
    bind_text(statement, 12, job->last_error);
    bind_text(statement, 13, job->log);
    bind_int64_or_null(statement, 14, job->started_at_ms != 0, job->started_at_ms);
    bind_int64_or_null(statement, 15, job->finished_at_ms != 0, job->finished_at_ms);
    bind_text(statement, 16, job->queue);
    bind_text(statement, 17, job->payload);
    return run_guarded(statement, "job", fault);
}

/* Those that leave their key before those that take one. */
static bool save_jobs(struct store *store, struct facts *facts, int64_t last_sequence, struct fault *fault)
{
    const struct new_jobs new = {.facts = facts, .last_sequence = last_sequence};
    const struct row_source rows = {.rows = &new, .count = facts->new_jobs.count, .column = job_column};
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < facts->jobs.count; i++) {
            const struct job *job = facts->jobs.entries[i].value;
            bool is_scheduled = job->state == JOB_SCHEDULED;
            if (!job->is_new && job->is_changed && is_scheduled == (pass == 1) &&
                !update_job(&store->writer, job, fault)) {
                return false;
            }
        }
    }
    return connection_write_rows(&store->writer, INSERT_JOBS, rows, fault);
}

static bool save_queue(struct connection *connection, const struct job_queue *queue, struct fault *fault)
{
    sqlite3_stmt *statement;
    bool is_new = queue->loaded_version == 0;
    if (queue->is_deleted) {
        if (!connection_prepare(connection, DELETE_QUEUE, &statement, fault)) {
            return false;
        }
        bind_text(statement, 1, queue->name);
        return statement_run(statement, fault);
    }
    if (queue->version == queue->loaded_version) {
        return true;
    }
    if (!connection_prepare(connection, is_new ? INSERT_QUEUE : UPDATE_QUEUE, &statement, fault)) {
        return false;
    }
    bind_text(statement, 1, queue->name);
    bind_int64(statement, 2, queue->is_paused);
    bind_int64_or_null(statement, 3, queue->concurrency != 0, queue->concurrency);
    bind_int64_or_null(statement, 4, queue->rate_max != 0, queue->rate_max);
    bind_int64_or_null(statement, 5, queue->rate_max != 0, queue->rate_period_ms);
    bind_int64(statement, 6, queue->rate_begin_ms);
    bind_int64(statement, 7, queue->rate_count);
    bind_int64(statement, 8, queue->version);
    if (is_new) {
        return statement_run(statement, fault);
    }
    bind_int64(statement, 9, queue->loaded_version);
    return run_guarded(statement, "queue", fault);
}

static bool save_schedule(struct connection *connection, const struct job_schedule *schedule, struct fault *fault)
{
    sqlite3_stmt *statement;
    bool is_new = schedule->loaded_version == 0;
    if (schedule->version == schedule->loaded_version) {
        return true;
    }
    if (!connection_prepare(connection, is_new ? INSERT_SCHEDULE : UPDATE_SCHEDULE, &statement, fault)) {
        return false;
    }
    bind_text(statement, 1, schedule->name);
    bind_text(statement, 2, schedule->queue);
    bind_text(statement, 3, schedule->kind);
    bind_text(statement, 4, schedule->cron);
    bind_text(statement, 5, schedule->time_zone);
    bind_int64_or_null(statement, 6, schedule->next_run_at_ms != INT64_MAX, schedule->next_run_at_ms);
    bind_int64(statement, 7, schedule->version);
    if (is_new) {
        return statement_run(statement, fault);
    }
    bind_int64(statement, 8, schedule->loaded_version);
    return run_guarded(statement, "schedule", fault);
}

static bool delete_endpoint(struct connection *connection, const struct webhook_endpoint *endpoint, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(connection, DELETE_ENDPOINT, &statement, fault)) {
        return false;
    }
    bind_uuid(statement, 1, &endpoint->id);
    return statement_run(statement, fault);
}

static bool save_endpoint(struct store *store, const struct webhook_endpoint *endpoint, struct arena *arena,
                          struct fault *fault)
{
    sqlite3_stmt *statement;
    bool is_new = endpoint->loaded_version == 0;
    if (endpoint->version == endpoint->loaded_version && !endpoint->is_touched) {
        return true;
    }
    store->endpoints_known = false;
    if (endpoint->is_deleted) {
        return delete_endpoint(&store->writer, endpoint, fault);
    }
    if (!connection_prepare(&store->writer, is_new ? INSERT_ENDPOINT : UPDATE_ENDPOINT, &statement, fault)) {
        return false;
    }
    bind_uuid(statement, 1, &endpoint->id);
    bind_text(statement, 2, endpoint->url);
    bind_text(statement, 3, endpoint->description);
    bind_text(statement, 4, webhook_types_format(arena, endpoint->types));
    bind_c_text(statement, 5, webhook_status_name(endpoint->status));
    bind_text(statement, 6, endpoint->disabled_reason);
    bind_text(statement, 7, endpoint->secret);
    bind_text(statement, 8, endpoint->previous_secret);
    bind_int64_or_null(statement, 9, endpoint->previous_secret.bytes != NULL, endpoint->previous_until_ms);
    bind_int64_or_null(statement, 10, endpoint->failing_since_ms != 0, endpoint->failing_since_ms);
    bind_int64(statement, 11, endpoint->created_at_ms);
    bind_int64(statement, 12, endpoint->version);
    bind_int64_or_null(statement, 13, endpoint->held_until_ms != 0, endpoint->held_until_ms);
    if (is_new) {
        return statement_run(statement, fault);
    }
    bind_int64(statement, 14, endpoint->loaded_version);
    return run_guarded(statement, "webhook endpoint", fault);
}

/* ---- What goes, and how far notices were given ---- */

static bool run_prune(struct connection *connection, const char *sql, int64_t before_ms, size_t max,
                      struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(connection, sql, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, before_ms);
    bind_int64(statement, 2, (int64_t)max);
    return statement_run(statement, fault);
}

static bool prune(struct store *store, const struct prune_facts *facts, struct fault *fault)
{
    const struct prune_wanted *old = &store->prune_jobs;
    sqlite3_stmt *statement;
    if (!run_prune(&store->writer, PRUNE_FINISHED, old->finished_before_ms, old->max, fault) ||
        !run_prune(&store->writer, PRUNE_DEAD, old->dead_before_ms, old->max, fault) ||
        !connection_prepare(&store->writer, PRUNE_EVENTS, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, (int64_t)facts->event_count);
    return statement_run(statement, fault);
}

static bool save_notices(struct connection *connection, const struct notice_facts *notice, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (notice->given.expires_at_ms == notice->loaded.expires_at_ms &&
        uuid_equal(notice->given.order_id, notice->loaded.order_id)) {
        return true;
    }
    if (!connection_prepare(connection, UPDATE_NOTICES, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, notice->given.expires_at_ms);
    bind_uuid(statement, 2, &notice->given.order_id);
    bind_int64(statement, 3, notice->loaded.expires_at_ms);
    bind_uuid(statement, 4, &notice->loaded.order_id);
    return run_guarded(statement, "notice", fault);
}

bool jobs_save(struct store *store, struct facts *facts, int64_t last_sequence, struct fault *fault)
{
    for (size_t i = 0; i < facts->queues.count; i++) {
        if (!save_queue(&store->writer, facts->queues.entries[i].value, fault)) {
            return false;
        }
    }
    for (size_t i = 0; i < facts->schedules.count; i++) {
        if (!save_schedule(&store->writer, facts->schedules.entries[i].value, fault)) {
            return false;
        }
    }
    for (size_t i = 0; i < facts->endpoint_count; i++) {
        if (!save_endpoint(store, facts->endpoints[i], facts->arena, fault)) {
            return false;
        }
    }
    return save_jobs(store, facts, last_sequence, fault) && save_notices(&store->writer, &facts->notice, fault) &&
           (!facts->prune.is_accepted || prune(store, &facts->prune, fault));
}
