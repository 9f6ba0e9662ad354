#include "store/postgres/jobs.h"
#include "store/postgres/values.h"

const struct statement SELECT_ENDPOINTS = {
    "webhook_endpoints",
    "SELECT endpoint_id, url, description, types, status, disabled_reason, secret, previous_secret, previous_until, "
    "failing_since, created_at, version, held_until FROM webhook_endpoints ORDER BY endpoint_id"};

static int64_t time_or(const PGresult *result, int row, int column, int64_t otherwise)
{
    return value_is_null(result, row, column) ? otherwise : value_unix_ms(result, row, column);
}

bool job_from_row(const PGresult *jobs, int row, struct arena *arena, struct job **ret_job, struct fault *fault)
{
    struct job *job = arena_zalloc(arena, sizeof(*job));
    job->id = value_uuid(jobs, row, 0);
    job->queue = value_text(jobs, row, 1, arena);
    job->kind = value_text(jobs, row, 2, arena);
    job->key = value_text(jobs, row, 3, arena);
    job->payload = value_text(jobs, row, 4, arena);
    job->event_sequence = value_int64(jobs, row, 5);
    job->run_at_ms = value_unix_ms(jobs, row, 7);
    job->priority = value_int64(jobs, row, 8);
    job->attempt = value_int64(jobs, row, 9);
    job->max_attempts = value_int64(jobs, row, 10);
    job->claim = value_int64(jobs, row, 11);
    job->lease_until_ms = time_or(jobs, row, 12, 0);
    job->progress = value_is_null(jobs, row, 13) ? JOB_PROGRESS_NONE : value_int64(jobs, row, 13);
    job->last_error = value_text(jobs, row, 14, arena);
    job->created_at_ms = value_unix_ms(jobs, row, 15);
    job->started_at_ms = time_or(jobs, row, 16, 0);
    job->finished_at_ms = time_or(jobs, row, 17, 0);
    job->log = value_text(jobs, row, 18, arena);
    if (!job_state_parse(value_view(jobs, row, 6), &job->state)) {
        return fault_set(fault, FAULT_INTERNAL, "a job has an unknown state");
    }
    job->loaded_state = job->state;
    job->loaded_claim = job->claim;
    *ret_job = job;
    return true;
}

struct job *put_job(struct facts *facts, struct job *job)
{
    struct job *known = facts_job(facts, &job->id);
    if (known == NULL) {
        facts_put_job(facts, job);
    }
    return known == NULL ? job : known;
}

void queue_from_row(const PGresult *queues, int row, struct arena *arena, struct job_queue *ret_queue)
{
    *ret_queue = (struct job_queue){
        .name = value_text(queues, row, 0, arena),
        .is_known = true,
        .is_paused = value_bool(queues, row, 1),
        .concurrency = value_int64(queues, row, 2),
        .rate_max = value_int64(queues, row, 3),
        .rate_period_ms = value_int64(queues, row, 4),
        .rate_begin_ms = time_or(queues, row, 5, 0),
        .rate_count = value_int64(queues, row, 6),
        .version = value_int64(queues, row, 7),
        .loaded_version = value_int64(queues, row, 7),
    };
}

struct job_schedule *schedule_from_row(const PGresult *schedules, int row, struct arena *arena)
{
    struct job_schedule *schedule = arena_zalloc(arena, sizeof(*schedule));
    schedule->name = value_text(schedules, row, 0, arena);
    schedule->queue = value_text(schedules, row, 1, arena);
    schedule->kind = value_text(schedules, row, 2, arena);
    schedule->cron = value_text(schedules, row, 3, arena);
    schedule->time_zone = value_text(schedules, row, 4, arena);
    schedule->next_run_at_ms = time_or(schedules, row, 5, INT64_MAX);
    schedule->version = value_int64(schedules, row, 6);
    schedule->loaded_version = schedule->version;
    return schedule;
}

bool endpoint_from_row(const PGresult *endpoints, int row, struct arena *arena, struct webhook_endpoint **ret_endpoint,
                       struct fault *fault)
{
    struct webhook_endpoint *endpoint = arena_zalloc(arena, sizeof(*endpoint));
    endpoint->id = value_uuid(endpoints, row, 0);
    endpoint->url = value_text(endpoints, row, 1, arena);
    endpoint->description = value_text(endpoints, row, 2, arena);
    endpoint->types = webhook_types_parse(value_view(endpoints, row, 3));
    endpoint->disabled_reason = value_text(endpoints, row, 5, arena);
    endpoint->secret = value_text(endpoints, row, 6, arena);
    endpoint->previous_secret = value_text(endpoints, row, 7, arena);
    endpoint->previous_until_ms = time_or(endpoints, row, 8, 0);
    endpoint->failing_since_ms = time_or(endpoints, row, 9, 0);
    endpoint->created_at_ms = value_unix_ms(endpoints, row, 10);
    endpoint->version = value_int64(endpoints, row, 11);
    endpoint->loaded_version = endpoint->version;
    endpoint->held_until_ms = time_or(endpoints, row, 12, 0);
    *ret_endpoint = endpoint;
    return webhook_status_parse(value_view(endpoints, row, 4), &endpoint->status) ||
           fault_set(fault, FAULT_INTERNAL, "a webhook endpoint has an unknown status");
}
