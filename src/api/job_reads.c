#include "api/job_reads.h"

/* ---- Payment timeouts as jobs ---- */

static struct text timeout_payload(struct arena *arena, const struct order *order)
{
    char id[UUID_TEXT_LENGTH + 1];
    uuid_format(order->id, id);
    return arena_printf(arena, "{\"order_id\":\"%s\"}", id);
}

static struct job *job_of_draft(struct arena *arena, const struct order *order)
{
    struct job *job = arena_zalloc(arena, sizeof(*job));
    *job = (struct job){
        .id = order->id,
        .queue = PAYMENT_TIMEOUT_QUEUE,
        .kind = PAYMENT_TIMEOUT_KIND,
        .payload = timeout_payload(arena, order),
        .state = JOB_SCHEDULED,
        .run_at_ms = order->expires_at_ms,
        .max_attempts = 1,
        .progress = JOB_PROGRESS_NONE,
        .created_at_ms = order->created_at_ms,
    };
    return job;
}

static bool may_be(struct text filter, struct text value)
{
    return filter.bytes == NULL || text_equal(filter, value);
}

static bool timeouts_pass(const struct job_filter *filter)
{
    return (!filter->has_state || filter->state == JOB_SCHEDULED) && filter->key.bytes == NULL &&
           may_be(filter->queue, PAYMENT_TIMEOUT_QUEUE) && may_be(filter->kind, PAYMENT_TIMEOUT_KIND);
}

static bool others_pass(const struct job_filter *filter)
{
    return !text_equal(filter->queue, PAYMENT_TIMEOUT_QUEUE) && !text_equal(filter->kind, PAYMENT_TIMEOUT_KIND);
}

/* ---- Lists ---- */

/* Both are newest first; so is what they become, up to `limit`. */
static size_t merge(struct arena *arena, struct job *const *jobs, size_t job_count, struct order *const *drafts,
                    size_t draft_count, size_t limit, struct job **merged)
{
    size_t count = 0;
    size_t job = 0;
    size_t draft = 0;
    while (count < limit && (job < job_count || draft < draft_count)) {
        bool is_job = draft == draft_count || (job < job_count && uuid_compare(jobs[job]->id, drafts[draft]->id) > 0);
        merged[count++] = is_job ? jobs[job++] : job_of_draft(arena, drafts[draft++]);
    }
    return count;
}

bool job_reads_page(const struct store_ops *ops, struct reader *reader, struct arena *arena,
                    const struct job_filter *filter, const struct page *page, struct job ***ret_jobs, size_t *ret_count,
                    bool *ret_more, struct fault *fault)
{
    static const struct order_filter DRAFTS = {.has_status = true, .status = ORDER_DRAFT};
    struct job **jobs = NULL;
    struct order **drafts = NULL;
    size_t job_count = 0;
    size_t draft_count = 0;
    bool more_jobs = false;
    bool more_drafts = false;
    if ((others_pass(filter) && !ops->read_jobs(reader, arena, filter, page, &jobs, &job_count, &more_jobs, fault)) ||
        (timeouts_pass(filter) &&
         !ops->read_orders(reader, arena, &DRAFTS, page, &drafts, &draft_count, &more_drafts, fault))) {
        return false;
    }
    struct job **merged = arena_array(arena, page->limit, sizeof(struct job *));
    *ret_count = merge(arena, jobs, job_count, drafts, draft_count, page->limit, merged);
    *ret_more = more_jobs || more_drafts || *ret_count < job_count + draft_count;
    *ret_jobs = merged;
    return true;
}

bool job_reads_one(const struct store_ops *ops, struct reader *reader, struct arena *arena, const struct uuid *id,
                   struct job **ret_job, struct fault *fault)
{
    struct job *job = NULL;
    struct order *order = NULL;
    if (!ops->read_job(reader, arena, id, &job, fault) ||
        (job == NULL && !ops->read_order(reader, arena, id, &order, fault))) {
        return false;
    }
    *ret_job = order != NULL && order->status == ORDER_DRAFT ? job_of_draft(arena, order) : job;
    return true;
}

/* ---- Queues ---- */

void job_reads_add_up(struct queue_row *rows, size_t count)
{
    struct queue_row *all = NULL;
    for (size_t i = 0; i < count && all == NULL; i++) {
        all = text_equal(rows[i].queue.name, ALL_QUEUES) ? &rows[i] : NULL;
    }
    for (size_t i = 0; i < count && all != NULL; i++) {
        int64_t due_at_ms = rows[i].oldest_due_at_ms;
        if (&rows[i] == all) {
            continue;
        }
        for (int state = 0; state < JOB_STATE_COUNT; state++) {
            all->counts[state] += rows[i].counts[state];
        }
        if (due_at_ms != 0 && (all->oldest_due_at_ms == 0 || due_at_ms < all->oldest_due_at_ms)) {
            all->oldest_due_at_ms = due_at_ms;
        }
    }
}

bool job_reads_queues(const struct store_ops *ops, struct reader *reader, struct arena *arena, int64_t now_ms,
                      const struct payment_timeouts *timeouts, struct queue_row **ret_rows, size_t *ret_count,
                      struct fault *fault)
{
    struct queue_row *found = NULL;
    size_t count = 0;
    if (!ops->read_queues(reader, arena, QUEUE_COUNTS, now_ms, &found, &count, fault)) {
        return false;
    }
    job_reads_add_up(found, count);
    struct queue_row *rows = arena_array(arena, count + 1, sizeof(*rows));
    size_t before = 0;
    while (before < count && text_compare(found[before].queue.name, PAYMENT_TIMEOUT_QUEUE) < 0) {
        rows[before] = found[before];
        before++;
    }
    rows[before] = (struct queue_row){
        .queue = {.name = PAYMENT_TIMEOUT_QUEUE, .is_known = true},
        .counts = {[JOB_SCHEDULED] = timeouts->count},
        .oldest_due_at_ms = timeouts->next_due_ms <= now_ms ? timeouts->next_due_ms : 0,
    };
    for (size_t i = before; i < count; i++) {
        rows[i + 1] = found[i];
    }
    *ret_rows = rows;
    *ret_count = count + 1;
    return true;
}
