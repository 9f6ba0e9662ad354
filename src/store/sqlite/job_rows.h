#ifndef HOLDFAST_STORE_SQLITE_JOB_ROWS_H
#define HOLDFAST_STORE_SQLITE_JOB_ROWS_H

/* From rows of jobs, queues, schedules and endpoints to the domain's structures, for batches and reads alike. */

#include "domain/facts.h"
#include "store/sqlite/connection.h"

#define JOB_COLUMNS                                                                                              \
    "job_id, queue, kind, key, payload, event_sequence, state, run_at, priority, attempt, max_attempts, claim, " \
    "lease_until, progress, last_error, created_at, started_at, finished_at"
#define JOB_LOG_COLUMN 18 /* behind them, where it is asked for */
#define QUEUE_COLUMNS "name, paused, concurrency, rate_max, rate_period_ms, rate_begin, rate_count, version"
#define QUEUE_COLUMN_COUNT 8

/* The statement's present row, as new structures in the arena. */
MUST_USE bool take_job(sqlite3_stmt *statement, bool with_log, struct arena *arena, struct job **ret_job,
                       struct fault *fault);
void take_queue(sqlite3_stmt *statement, struct arena *arena, struct job_queue *ret_queue);
/* All endpoints, oldest first. */
MUST_USE bool load_endpoints(struct connection *connection, struct arena *arena,
                             struct webhook_endpoint ***ret_endpoints, size_t *ret_count, struct fault *fault);
struct job_schedule *take_schedule(sqlite3_stmt *statement, struct arena *arena);
#define SCHEDULE_COLUMNS "name, queue, kind, cron, time_zone, next_run_at, version"

#endif
