#include "store/postgres/jobs.h"
#include "store/postgres/values.h"

/* $1 before, $2 state, $3 queue, $4 kind, $5 key (NULL: any), $6 limit. By key and the dead ones have an index; the
 * others are found by walking back from the newest. */
#define LIST_JOBS(condition)                                                                  \
    "SELECT " JOB_COLUMNS WITHOUT_LOG " FROM jobs j WHERE " condition " j.job_id < $1::uuid " \
    "AND ($2::text IS NULL OR j.state = $2) AND ($3::text IS NULL OR j.queue = $3) "          \
    "AND ($4::text IS NULL OR j.kind = $4) AND ($5::text IS NULL OR j.key = $5) "             \
    "ORDER BY j.job_id DESC LIMIT $6::bigint"
static const struct statement LIST_ALL = {"jobs", LIST_JOBS("")};
static const struct statement LIST_DEAD = {"dead_jobs", LIST_JOBS("j.state = 'dead' AND")};
static const struct statement LIST_BY_KEY = {"jobs_by_key", LIST_JOBS("j.key IS NOT NULL AND j.key = $5 AND")};
static const struct statement ONE_JOB = {"job",
                                         "SELECT " JOB_COLUMNS WITH_LOG " FROM jobs j WHERE j.job_id = $1::uuid"};
static const struct statement LIST_QUEUES = {
    "job_queues",
    "WITH c AS (SELECT queue, count(*) FILTER (WHERE state = 'scheduled') AS scheduled, "
    "count(*) FILTER (WHERE state = 'running') AS running, count(*) FILTER (WHERE state = 'completed') AS completed, "
    "count(*) FILTER (WHERE state = 'dead') AS dead, count(*) FILTER (WHERE state = 'cancelled') AS cancelled, "
    "min(run_at) FILTER (WHERE state = 'scheduled' AND run_at <= $1::timestamptz) AS oldest FROM jobs GROUP BY queue) "
    "SELECT coalesce(q.name, c.queue), coalesce(q.paused, false), q.concurrency::bigint, q.rate_max::bigint, "
    "q.rate_period_ms::bigint, q.rate_begin, coalesce(q.rate_count, 0)::bigint, coalesce(q.version, 0), "
    "coalesce(c.scheduled, 0), coalesce(c.running, 0), coalesce(c.completed, 0), coalesce(c.dead, 0), "
    "coalesce(c.cancelled, 0), c.oldest FROM (SELECT name FROM job_queues UNION SELECT queue FROM c) n "
    "LEFT JOIN job_queues q ON q.name = n.name LEFT JOIN c ON c.queue = n.name ORDER BY 1"};
static const struct statement LIST_SETTINGS = {
    "queue_settings", "SELECT " QUEUE_COLUMNS ", 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, "
                      "NULL::timestamptz FROM job_queues q ORDER BY q.name"};
static const struct statement LIST_SCHEDULES = {"job_schedules",
                                                "SELECT " SCHEDULE_COLUMNS " FROM job_schedules s ORDER BY s.name"};

struct jobs_read {
    const struct job_filter *filter;
    const struct page *page;
    const struct uuid *id;
    int64_t now_ms;
    const struct statement *statement; /* without parameters */
    size_t number;
};

static void queue_list(struct session *session, void *context)
{
    struct jobs_read *read = context;
    const struct job_filter *filter = read->filter;
    struct parameters *parameters = session_parameters(session);
    parameter_uuid(parameters, read->page->has_after ? read->page->after_id : UUID_MAX);
    parameter_text(parameters, filter->has_state ? text_from_c(job_state_name(filter->state)) : TEXT_ABSENT);
    parameter_text(parameters, filter->queue);
    parameter_text(parameters, filter->kind);
    parameter_text(parameters, filter->key);
    parameter_int64(parameters, (int64_t)read->page->limit + 1);
    bool is_dead = filter->has_state && filter->state == JOB_DEAD;
    read->number = session_queue(session, filter->key.bytes != NULL ? &LIST_BY_KEY : is_dead ? &LIST_DEAD : &LIST_ALL);
}

bool postgres_read_jobs(struct reader *reader, struct arena *arena, const struct job_filter *filter,
                        const struct page *page, struct job ***ret_jobs, size_t *ret_count, bool *ret_more,
                        struct fault *fault)
{
    struct jobs_read read = {.filter = filter, .page = page};
    struct session *session;
    if (!read_run(reader, &(struct read){READ_LIST, queue_list, &read}, &session, fault)) {
        return false;
    }
    const PGresult *rows = session_result(session, read.number);
    bool more;
    size_t count = read_page_count(rows, page, &more);
    struct job **jobs = arena_array(arena, count, sizeof(struct job *));
    for (size_t i = 0; i < count; i++) {
        if (!job_from_row(rows, (int)i, arena, &jobs[i], fault)) {
            return false;
        }
    }
    *ret_jobs = jobs;
    *ret_count = count;
    *ret_more = more;
    return true;
}

static void queue_one(struct session *session, void *context)
{
    struct jobs_read *read = context;
    parameter_uuid(session_parameters(session), *read->id);
    read->number = session_queue(session, &ONE_JOB);
}

bool postgres_read_job(struct reader *reader, struct arena *arena, const struct uuid *id, struct job **ret_job,
                       struct fault *fault)
{
    struct jobs_read read = {.id = id};
    struct session *session;
    if (!read_run(reader, &(struct read){READ_ONE, queue_one, &read}, &session, fault)) {
        return false;
    }
    const PGresult *rows = session_result(session, read.number);
    struct job *job = NULL;
    if (PQntuples(rows) > 0 && !job_from_row(rows, 0, arena, &job, fault)) {
        return false;
    }
    *ret_job = job;
    return true;
}

static void queue_plain(struct session *session, void *context)
{
    struct jobs_read *read = context;
    (void)session_parameters(session);
    read->number = session_queue(session, read->statement);
}

static void queue_queues(struct session *session, void *context)
{
    struct jobs_read *read = context;
    parameter_time(session_parameters(session), read->now_ms);
    read->number = session_queue(session, &LIST_QUEUES);
}

bool postgres_read_queues(struct reader *reader, struct arena *arena, enum queue_detail detail, int64_t now_ms,
                          struct queue_row **ret_rows, size_t *ret_count, struct fault *fault)
{
    static const enum job_state STATES[JOB_STATE_COUNT] = {JOB_SCHEDULED, JOB_RUNNING, JOB_COMPLETED, JOB_DEAD,
                                                           JOB_CANCELLED};
    struct jobs_read read = {.now_ms = now_ms, .statement = &LIST_SETTINGS};
    struct session *session;
    const struct read how = {READ_ONE, detail == QUEUE_COUNTS ? queue_queues : queue_plain, &read};
    if (!read_run(reader, &how, &session, fault)) {
        return false;
    }
    const PGresult *queues = session_result(session, read.number);
    size_t count = (size_t)PQntuples(queues);
    struct queue_row *rows = arena_array(arena, count, sizeof(*rows));
    for (size_t i = 0; i < count; i++) {
        queue_from_row(queues, (int)i, arena, &rows[i].queue);
        for (int state = 0; state < JOB_STATE_COUNT; state++) {
            rows[i].counts[STATES[state]] = value_int64(queues, (int)i, QUEUE_COLUMN_COUNT + state);
        }
        int oldest = QUEUE_COLUMN_COUNT + JOB_STATE_COUNT;
        rows[i].oldest_due_at_ms = value_is_null(queues, (int)i, oldest) ? 0 : value_unix_ms(queues, (int)i, oldest);
    }
    *ret_rows = rows;
    *ret_count = count;
    return true;
}

bool postgres_read_schedules(struct reader *reader, struct arena *arena, struct job_schedule ***ret_schedules,
                             size_t *ret_count, struct fault *fault)
{
    struct jobs_read read = {.statement = &LIST_SCHEDULES};
    struct session *session;
    if (!read_run(reader, &(struct read){READ_ONE, queue_plain, &read}, &session, fault)) {
        return false;
    }
    const PGresult *rows = session_result(session, read.number);
    size_t count = (size_t)PQntuples(rows);
    struct job_schedule **schedules = arena_array(arena, count, sizeof(struct job_schedule *));
    for (size_t i = 0; i < count; i++) {
        schedules[i] = schedule_from_row(rows, (int)i, arena);
    }
    *ret_schedules = schedules;
    *ret_count = count;
    return true;
}

bool postgres_read_endpoints(struct reader *reader, struct arena *arena, struct webhook_endpoint ***ret_endpoints,
                             size_t *ret_count, struct fault *fault)
{
    struct jobs_read read = {.statement = &SELECT_ENDPOINTS};
    struct session *session;
    if (!read_run(reader, &(struct read){READ_ONE, queue_plain, &read}, &session, fault)) {
        return false;
    }
    const PGresult *rows = session_result(session, read.number);
    size_t count = (size_t)PQntuples(rows);
    struct webhook_endpoint **endpoints = arena_array(arena, count, sizeof(struct webhook_endpoint *));
    for (size_t i = 0; i < count; i++) {
        if (!endpoint_from_row(rows, (int)i, arena, &endpoints[i], fault)) {
            return false;
        }
    }
    *ret_endpoints = endpoints;
    *ret_count = count;
    return true;
}
