/* Reads of jobs, queues, schedules and endpoints. */

#include "memory_internal.h"

static bool is_asked_for(const struct job *job, const struct job_filter *filter)
{
    return (!filter->has_state || job->state == filter->state) &&
           (filter->queue.bytes == NULL || text_equal(job->queue, filter->queue)) &&
           (filter->kind.bytes == NULL || text_equal(job->kind, filter->kind)) &&
           (filter->key.bytes == NULL || (job->key.bytes != NULL && text_equal(job->key, filter->key)));
}

bool memory_read_jobs(struct reader *reader, struct arena *arena, const struct job_filter *filter,
                      const struct page *page, struct job ***ret_jobs, size_t *ret_count, bool *ret_more,
                      struct fault *fault)
{
    const struct index *jobs = &reader->store->database->indexes[JOBS];
    size_t count = 0;
    (void)fault;
    *ret_more = false;
    *ret_jobs = arena_array(arena, page->limit, sizeof(struct job *));
    for (size_t i = page->has_after ? index_seek(jobs, ID_KEY(&page->after_id)) : jobs->count; i > 0; i--) {
        const struct stored_job *stored = index_row(jobs, i - 1);
        if (!is_asked_for(&stored->job, filter)) {
            continue;
        }
        if (count == page->limit) {
            *ret_more = true;
            break;
        }
        struct stored_job without_log = *stored;
        without_log.job.log = TEXT_ABSENT;
        (*ret_jobs)[count++] = rows_copy_job(arena, &without_log);
    }
    *ret_count = count;
    return true;
}

bool memory_read_job(struct reader *reader, struct arena *arena, const struct uuid *id, struct job **ret_job,
                     struct fault *fault)
{
    const struct stored_job *stored = index_find(&reader->store->database->indexes[JOBS], ID_KEY(id));
    (void)fault;
    *ret_job = stored == NULL ? NULL : rows_copy_job(arena, stored);
    return true;
}

/* ---- Queues ---- */

static struct queue_row *row_of(struct index *rows, struct arena *arena, struct text name)
{
    struct queue_row *row = index_find(rows, name);
    if (row == NULL) {
        row = arena_zalloc(arena, sizeof(*row));
        row->queue.name = arena_text(arena, name);
        index_add(rows, arena, name, row);
    }
    return row;
}

static void count_jobs(const struct memory_database *database, struct index *rows, struct arena *arena, int64_t now_ms)
{
    const struct index *jobs = &database->indexes[JOBS];
    for (size_t i = 0; i < jobs->count; i++) {
        const struct job *job = &((const struct stored_job *)index_row(jobs, i))->job;
        struct queue_row *row = row_of(rows, arena, job->queue);
        bool is_due = job->state == JOB_SCHEDULED && job->run_at_ms <= now_ms;
        row->counts[job->state]++;
        if (is_due && (row->oldest_due_at_ms == 0 || job->run_at_ms < row->oldest_due_at_ms)) {
            row->oldest_due_at_ms = job->run_at_ms;
        }
    }
}

bool memory_read_queues(struct reader *reader, struct arena *arena, enum queue_detail detail, int64_t now_ms,
                        struct queue_row **ret_rows, size_t *ret_count, struct fault *fault)
{
    const struct memory_database *database = reader->store->database;
    const struct index *queues = &database->indexes[QUEUES];
    struct index rows = {0};
    (void)fault;
    for (size_t i = 0; i < queues->count; i++) {
        const struct stored_queue *stored = index_row(queues, i);
        struct job_queue *queue = &row_of(&rows, arena, stored->queue.name)->queue;
        struct text name = queue->name;
        *queue = stored->queue;
        queue->name = name;
    }
    if (detail == QUEUE_COUNTS) {
        count_jobs(database, &rows, arena, now_ms);
    }
    *ret_rows = arena_array(arena, rows.count, sizeof(struct queue_row));
    *ret_count = rows.count;
    for (size_t i = 0; i < rows.count; i++) {
        (*ret_rows)[i] = *(const struct queue_row *)index_row(&rows, i);
        (*ret_rows)[i].queue.is_known = true;
    }
    index_done(&rows);
    return true;
}

/* ---- Schedules and endpoints ---- */

bool memory_read_schedules(struct reader *reader, struct arena *arena, struct job_schedule ***ret_schedules,
                           size_t *ret_count, struct fault *fault)
{
    const struct index *schedules = &reader->store->database->indexes[SCHEDULES];
    (void)fault;
    *ret_schedules = arena_array(arena, schedules->count, sizeof(struct job_schedule *));
    *ret_count = schedules->count;
    for (size_t i = 0; i < schedules->count; i++) {
        (*ret_schedules)[i] = rows_copy_schedule(arena, index_row(schedules, i));
    }
    return true;
}

bool memory_read_endpoints(struct reader *reader, struct arena *arena, struct webhook_endpoint ***ret_endpoints,
                           size_t *ret_count, struct fault *fault)
{
    const struct index *endpoints = &reader->store->database->indexes[ENDPOINTS];
    (void)fault;
    *ret_endpoints = arena_array(arena, endpoints->count, sizeof(struct webhook_endpoint *));
    *ret_count = endpoints->count;
    for (size_t i = 0; i < endpoints->count; i++) {
        (*ret_endpoints)[i] = rows_copy_endpoint(arena, index_row(endpoints, i));
    }
    return true;
}
