#include <string.h>

#include "store/sqlite/job_rows.h"
#include "store/sqlite/jobs.h"

/* ?1 before (NULL: the newest), ?2 state, ?3 queue, ?4 kind, ?5 key (NULL: any), ?6 limit. By key and the dead ones have
 * an index; the others are found by walking back from the newest. */
#define LIST_JOBS(source, condition)                                                                  \
    "SELECT " JOB_COLUMNS " FROM jobs " source " WHERE " condition                                    \
    " AND (?1 IS NULL OR job_id < ?1) AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR queue = ?3) " \
    "AND (?4 IS NULL OR kind = ?4) AND (?5 IS NULL OR key = ?5) ORDER BY job_id DESC LIMIT ?6"
static const char LIST_ALL[] = LIST_JOBS("INDEXED BY sqlite_autoindex_jobs_1", "job_id > zeroblob(16)");
static const char LIST_DEAD[] = LIST_JOBS("INDEXED BY jobs_dead", "state = 'dead'");
static const char LIST_BY_KEY[] = LIST_JOBS("INDEXED BY jobs_by_key", "key = ?5");
static const char ONE_JOB[] = "SELECT " JOB_COLUMNS ", log FROM jobs WHERE job_id = ?1";

static const char COUNT_QUEUES[] = "SELECT count(*) FROM (SELECT name FROM job_queues UNION SELECT queue FROM jobs)";
static const char LIST_QUEUES[] =
    "SELECT names.name, coalesce(q.paused, 0), q.concurrency, q.rate_max, q.rate_period_ms, "
    "coalesce(q.rate_begin, 0), coalesce(q.rate_count, 0), coalesce(q.version, 0), "
    "counts.scheduled, counts.running, counts.completed, counts.dead, counts.cancelled, counts.oldest "
    "FROM (SELECT name FROM job_queues UNION SELECT queue FROM jobs) AS names "
    "LEFT JOIN job_queues q ON q.name = names.name "
    "LEFT JOIN (SELECT queue, sum(state = 'scheduled') AS scheduled, sum(state = 'running') AS running, "
    "sum(state = 'completed') AS completed, sum(state = 'dead') AS dead, sum(state = 'cancelled') AS cancelled, "
    "min(CASE WHEN state = 'scheduled' AND run_at <= ?1 THEN run_at END) AS oldest FROM jobs GROUP BY queue) AS counts "
    "ON counts.queue = names.name ORDER BY names.name";
static const char COUNT_SETTINGS[] = "SELECT count(*) FROM job_queues";
static const char LIST_SETTINGS[] = "SELECT " QUEUE_COLUMNS ", 0, 0, 0, 0, 0, NULL FROM job_queues ORDER BY name";
static const char COUNT_SCHEDULES[] = "SELECT count(*) FROM job_schedules";
static const char LIST_SCHEDULES[] = "SELECT " SCHEDULE_COLUMNS " FROM job_schedules ORDER BY name";

static const char *choose_list(const struct job_filter *filter)
{
    if (filter->key.bytes != NULL) {
        return LIST_BY_KEY;
    }
    return filter->has_state && filter->state == JOB_DEAD ? LIST_DEAD : LIST_ALL;
}

static bool load_page(struct reader *reader, struct arena *arena, const struct job_filter *filter,
                      const struct page *page, struct job ***ret_jobs, size_t *ret_count, bool *ret_more,
                      struct fault *fault)
{
    struct job **jobs = arena_array(arena, page->limit, sizeof(struct job *));
    size_t count = 0;
    sqlite3_stmt *statement;
    if (!connection_prepare(&reader->connection, choose_list(filter), &statement, fault)) {
        return false;
    }
    if (page->has_after) {
        bind_uuid(statement, 1, &page->after_id);
    } else {
        bind_null(statement, 1);
    }
    bind_c_text(statement, 2, filter->has_state ? job_state_name(filter->state) : NULL);
    bind_text(statement, 3, filter->queue);
    bind_text(statement, 4, filter->kind);
    bind_text(statement, 5, filter->key);
    bind_int64(statement, 6, (int64_t)page->limit + 1);
    for (;;) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row || count == page->limit) {
            (void)sqlite3_reset(statement);
            *ret_jobs = jobs;
            *ret_count = count;
            *ret_more = row;
            return true;
        }
        if (!take_job(statement, false, arena, &jobs[count++], fault)) {
            return statement_abandon(statement);
        }
    }
}

bool sqlite_read_jobs(struct reader *reader, struct arena *arena, const struct job_filter *filter,
                      const struct page *page, struct job ***ret_jobs, size_t *ret_count, bool *ret_more,
                      struct fault *fault)
{
    if (!read_begin(reader, fault)) {
        return false;
    }
    bool ok = load_page(reader, arena, filter, page, ret_jobs, ret_count, ret_more, fault);
    read_end(reader);
    return ok;
}

static bool load_one(struct reader *reader, struct arena *arena, const struct uuid *id, struct job **ret_job,
                     struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row;
    if (!connection_prepare(&reader->connection, ONE_JOB, &statement, fault)) {
        return false;
    }
    bind_uuid(statement, 1, id);
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    if (!row) {
        *ret_job = NULL;
        return true;
    }
    if (!take_job(statement, true, arena, ret_job, fault)) {
        return statement_abandon(statement);
    }
    (void)sqlite3_reset(statement);
    return true;
}

bool sqlite_read_job(struct reader *reader, struct arena *arena, const struct uuid *id, struct job **ret_job,
                     struct fault *fault)
{
    if (!read_begin(reader, fault)) {
        return false;
    }
    bool ok = load_one(reader, arena, id, ret_job, fault);
    read_end(reader);
    return ok;
}

static void take_queue_row(sqlite3_stmt *statement, struct arena *arena, struct queue_row *ret_row)
{
    static const enum job_state STATES[JOB_STATE_COUNT] = {JOB_SCHEDULED, JOB_RUNNING, JOB_COMPLETED, JOB_DEAD,
                                                           JOB_CANCELLED};
    take_queue(statement, arena, &ret_row->queue);
    for (int i = 0; i < JOB_STATE_COUNT; i++) {
        ret_row->counts[STATES[i]] = column_int64(statement, QUEUE_COLUMN_COUNT + i);
    }
    ret_row->oldest_due_at_ms = column_int64(statement, QUEUE_COLUMN_COUNT + JOB_STATE_COUNT);
}

static bool load_queues(struct reader *reader, struct arena *arena, enum queue_detail detail, int64_t now_ms,
                        struct queue_row **ret_rows, size_t *ret_count, struct fault *fault)
{
    int64_t total;
    sqlite3_stmt *statement;
    bool counts = detail == QUEUE_COUNTS;
    if (!connection_read_int64(&reader->connection, counts ? COUNT_QUEUES : COUNT_SETTINGS, 0, &total, fault) ||
        !connection_prepare(&reader->connection, counts ? LIST_QUEUES : LIST_SETTINGS, &statement, fault)) {
        return false;
    }
    struct queue_row *rows = arena_array(arena, (size_t)total, sizeof(*rows));
    if (counts) {
        bind_int64(statement, 1, now_ms);
    }
    for (size_t count = 0;; count++) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row) {
            *ret_rows = rows;
            *ret_count = count;
            return true;
        }
        take_queue_row(statement, arena, &rows[count]);
    }
}

bool sqlite_read_queues(struct reader *reader, struct arena *arena, enum queue_detail detail, int64_t now_ms,
                        struct queue_row **ret_rows, size_t *ret_count, struct fault *fault)
{
    if (!read_begin(reader, fault)) {
        return false;
    }
    bool ok = load_queues(reader, arena, detail, now_ms, ret_rows, ret_count, fault);
    read_end(reader);
    return ok;
}

static bool load_schedules(struct reader *reader, struct arena *arena, struct job_schedule ***ret_schedules,
                           size_t *ret_count, struct fault *fault)
{
    int64_t total;
    sqlite3_stmt *statement;
    if (!connection_read_int64(&reader->connection, COUNT_SCHEDULES, 0, &total, fault) ||
        !connection_prepare(&reader->connection, LIST_SCHEDULES, &statement, fault)) {
        return false;
    }
    struct job_schedule **schedules = arena_array(arena, (size_t)total, sizeof(struct job_schedule *));
    for (size_t count = 0;; count++) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row) {
            *ret_schedules = schedules;
            *ret_count = count;
            return true;
        }
        schedules[count] = take_schedule(statement, arena);
    }
}

bool sqlite_read_schedules(struct reader *reader, struct arena *arena, struct job_schedule ***ret_schedules,
                           size_t *ret_count, struct fault *fault)
{
    if (!read_begin(reader, fault)) {
        return false;
    }
    bool ok = load_schedules(reader, arena, ret_schedules, ret_count, fault);
    read_end(reader);
    return ok;
}

bool sqlite_read_endpoints(struct reader *reader, struct arena *arena, struct webhook_endpoint ***ret_endpoints,
                           size_t *ret_count, struct fault *fault)
{
    if (!read_begin(reader, fault)) {
        return false;
    }
    bool ok = load_endpoints(&reader->connection, arena, ret_endpoints, ret_count, fault);
    read_end(reader);
    return ok;
}
