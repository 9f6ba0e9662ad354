#include "store/sqlite/job_rows.h"

static const char COUNT_ENDPOINTS[] = "SELECT count(*) FROM webhook_endpoints";
static const char SELECT_ENDPOINTS[] =
    "SELECT endpoint_id, url, description, types, status, disabled_reason, secret, previous_secret, previous_until, "
    "failing_since, created_at, version, held_until FROM webhook_endpoints ORDER BY endpoint_id";

bool take_job(sqlite3_stmt *statement, bool with_log, struct arena *arena, struct job **ret_job, struct fault *fault)
{
    struct job *job = arena_zalloc(arena, sizeof(*job));
    job->id = column_uuid(statement, 0);
    job->queue = column_text(statement, 1, arena);
    job->kind = column_text(statement, 2, arena);
    job->key = column_text(statement, 3, arena);
    job->payload = column_text(statement, 4, arena);
    job->event_sequence = column_int64(statement, 5); /* NULL reads as 0, here and below */
    job->run_at_ms = column_int64(statement, 7);
    job->priority = column_int64(statement, 8);
    job->attempt = column_int64(statement, 9);
    job->max_attempts = column_int64(statement, 10);
    job->claim = column_int64(statement, 11);
    job->lease_until_ms = column_int64(statement, 12);
    job->progress = column_is_null(statement, 13) ? JOB_PROGRESS_NONE : column_int64(statement, 13);
    job->last_error = column_text(statement, 14, arena);
    job->created_at_ms = column_int64(statement, 15);
    job->started_at_ms = column_int64(statement, 16);
    job->finished_at_ms = column_int64(statement, 17);
    job->log = with_log ? column_text(statement, JOB_LOG_COLUMN, arena) : TEXT_ABSENT;
    if (!job_state_parse(column_view(statement, 6), &job->state)) {
        return fault_set(fault, FAULT_INTERNAL, "a job has an unknown state");
    }
    job->loaded_state = job->state;
    job->loaded_claim = job->claim;
    *ret_job = job;
    return true;
}

void take_queue(sqlite3_stmt *statement, struct arena *arena, struct job_queue *ret_queue)
{
    *ret_queue = (struct job_queue){
        .name = column_text(statement, 0, arena),
        .is_known = true,
        .is_paused = column_int64(statement, 1) != 0,
        .concurrency = column_int64(statement, 2),
        .rate_max = column_int64(statement, 3),
        .rate_period_ms = column_int64(statement, 4),
        .rate_begin_ms = column_int64(statement, 5),
        .rate_count = column_int64(statement, 6),
        .version = column_int64(statement, 7),
        .loaded_version = column_int64(statement, 7),
    };
}

struct job_schedule *take_schedule(sqlite3_stmt *statement, struct arena *arena)
{
    struct job_schedule *schedule = arena_zalloc(arena, sizeof(*schedule));
    schedule->name = column_text(statement, 0, arena);
    schedule->queue = column_text(statement, 1, arena);
    schedule->kind = column_text(statement, 2, arena);
    schedule->cron = column_text(statement, 3, arena);
    schedule->time_zone = column_text(statement, 4, arena);
    schedule->next_run_at_ms = column_is_null(statement, 5) ? INT64_MAX : column_int64(statement, 5);
    schedule->version = column_int64(statement, 6);
    schedule->loaded_version = schedule->version;
    return schedule;
}

static bool take_endpoint(sqlite3_stmt *statement, struct arena *arena, struct webhook_endpoint **ret_endpoint,
                          struct fault *fault)
{
    struct webhook_endpoint *endpoint = arena_zalloc(arena, sizeof(*endpoint));
    endpoint->id = column_uuid(statement, 0);
    endpoint->url = column_text(statement, 1, arena);
    endpoint->description = column_text(statement, 2, arena);
    endpoint->types = webhook_types_parse(column_view(statement, 3));
    endpoint->disabled_reason = column_text(statement, 5, arena);
    endpoint->secret = column_text(statement, 6, arena);
    endpoint->previous_secret = column_text(statement, 7, arena);
    endpoint->previous_until_ms = column_int64(statement, 8);
    endpoint->failing_since_ms = column_int64(statement, 9);
    endpoint->created_at_ms = column_int64(statement, 10);
    endpoint->version = column_int64(statement, 11);
    endpoint->loaded_version = endpoint->version;
    endpoint->held_until_ms = column_int64(statement, 12);
    *ret_endpoint = endpoint;
    return webhook_status_parse(column_view(statement, 4), &endpoint->status) ||
           fault_set(fault, FAULT_INTERNAL, "a webhook endpoint has an unknown status");
}

bool load_endpoints(struct connection *connection, struct arena *arena, struct webhook_endpoint ***ret_endpoints,
                    size_t *ret_count, struct fault *fault)
{
    int64_t total;
    sqlite3_stmt *statement;
    if (!connection_read_int64(connection, COUNT_ENDPOINTS, 0, &total, fault) ||
        !connection_prepare(connection, SELECT_ENDPOINTS, &statement, fault)) {
        return false;
    }
    struct webhook_endpoint **endpoints = arena_array(arena, (size_t)total + 1, sizeof(struct webhook_endpoint *));
    for (size_t count = 0;; count++) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row) {
            *ret_endpoints = endpoints;
            *ret_count = count;
            return true;
        }
        if (!take_endpoint(statement, arena, &endpoints[count], fault)) {
            return statement_abandon(statement);
        }
    }
}
