/* What a batch loads of jobs and endpoints. */

#include <assert.h>
#include <string.h>

#include "domain/claim_jobs.h"
#include "store/sqlite/job_rows.h"
#include "store/sqlite/jobs.h"
#include "store/sqlite/rows.h"

#define SELECT_JOB "SELECT " JOB_COLUMNS ", log FROM jobs "
static const char JOB_BY_ID[] = SELECT_JOB "WHERE job_id = ?1";
static const char JOB_BY_KEY[] = SELECT_JOB "WHERE state = 'scheduled' AND key IS NOT NULL AND kind = ?1 AND key = ?2";
static const char QUEUE_BY_NAME[] = "SELECT " QUEUE_COLUMNS " FROM job_queues WHERE name = ?1";
static const char QUEUE_HAS_JOBS[] = "SELECT EXISTS (SELECT 1 FROM jobs WHERE queue = ?1 AND state = 'scheduled') OR "
                                     "EXISTS (SELECT 1 FROM jobs WHERE queue = ?1 AND state = 'running')";
static const char COUNT_RUNNING[] = "SELECT count(*) FROM jobs WHERE state = 'running' AND queue = ?1";
static const char COUNT_ALL_RUNNING[] = "SELECT count(*) FROM jobs WHERE state = 'running'";
static const char SCHEDULE_BY_NAME[] = "SELECT " SCHEDULE_COLUMNS " FROM job_schedules WHERE name = ?1";

/* From one (queue, priority) to the next, each with its first job: as many steps as there are pairs. */
static const char NEXT_HEAD[] = "SELECT queue, priority, run_at FROM jobs INDEXED BY jobs_scheduled "
                                "WHERE state = 'scheduled' AND (queue, priority) > (?1, ?2) "
                                "ORDER BY queue, priority, run_at LIMIT 1";
static const char LOST_LEASES[] =
    SELECT_JOB "WHERE state = 'running' AND lease_until <= ?1 ORDER BY lease_until LIMIT ?2";
static const char NEXT_LEASE[] = "SELECT min(lease_until) FROM jobs WHERE state = 'running'";
static const char DUE_OF_HEAD[] =
    SELECT_JOB "INDEXED BY jobs_scheduled WHERE state = 'scheduled' AND queue = ?1 AND priority = ?2 AND run_at <= ?3 "
               "ORDER BY run_at, job_no LIMIT ?4";

static const char FINISHED_KEPT_FROM[] =
    "SELECT finished_at FROM jobs WHERE state = 'completed' OR state = 'cancelled' "
    "ORDER BY finished_at DESC LIMIT 1 OFFSET ?1";
static const char COUNT_FINISHED[] =
    "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE (state = 'completed' OR state = 'cancelled') AND finished_at < ?1 "
    "LIMIT ?2)";
static const char COUNT_DEAD[] =
    "SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY jobs_dead_by_age WHERE state = 'dead' AND finished_at < ?1 LIMIT ?2)";
static const char OLD_EVENTS[] = "SELECT created_at FROM events WHERE sequence < (SELECT max(sequence) FROM events) "
                                 "ORDER BY sequence LIMIT ?1";

static const char NOTICE_PLACE[] = "SELECT expires_at, order_id FROM payment_notices";
static const char NEAR_DEADLINES[] =
    "SELECT t.run_at, t.order_no, o.order_id FROM payment_timeouts t CROSS JOIN orders o ON o.order_no = t.order_no "
    "WHERE (t.run_at, t.order_no) > (?1, (SELECT coalesce((SELECT order_no FROM orders WHERE order_id = ?2), 0))) "
    "ORDER BY t.run_at, t.order_no LIMIT ?3";

/* A job is one struct, however often it is found. */
static struct job *put_job(struct facts *facts, struct job *job)
{
    struct job *known = facts_job(facts, &job->id);
    if (known == NULL) {
        facts_put_job(facts, job);
    }
    return known == NULL ? job : known;
}

/* ---- By what they are called ---- */

static bool load_one_job(sqlite3_stmt *statement, struct facts *facts, struct job **ret_job, struct fault *fault)
{
    bool row;
    struct job *job = NULL;
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    if (row) {
        if (!take_job(statement, true, facts->arena, &job, fault)) {
            return statement_abandon(statement);
        }
        (void)sqlite3_reset(statement);
        job = put_job(facts, job);
    }
    *ret_job = job;
    return true;
}

static bool load_job_by_key(struct store *store, struct text kind, struct text key, struct facts *facts,
                            struct fault *fault)
{
    sqlite3_stmt *statement;
    struct job *job;
    if (!connection_prepare(&store->writer, JOB_BY_KEY, &statement, fault)) {
        return false;
    }
    bind_text(statement, 1, kind);
    bind_text(statement, 2, key);
    return load_one_job(statement, facts, &job, fault);
}

static bool load_job_by_id(struct store *store, struct text id, struct facts *facts, struct fault *fault)
{
    sqlite3_stmt *statement;
    struct job *job = NULL;
    if (table_find(&facts->jobs, id) != NULL) {
        return true;
    }
    if (!connection_prepare(&store->writer, JOB_BY_ID, &statement, fault)) {
        return false;
    }
    bind_blob(statement, 1, id.bytes, id.length);
    if (!load_one_job(statement, facts, &job, fault)) {
        return false;
    }
    return job == NULL || job->key.bytes == NULL || job->state == JOB_SCHEDULED ||
           load_job_by_key(store, job->kind, job->key, facts, fault);
}

static bool load_jobs(struct store *store, const struct wanted *wanted, struct facts *facts, struct fault *fault)
{
    for (size_t i = 0; i < wanted->job_ids.count; i++) {
        if (!load_job_by_id(store, wanted->job_ids.entries[i].key, facts, fault)) {
            return false;
        }
    }
    for (size_t i = 0; i < wanted->job_keys.count; i++) {
        struct text pair = wanted->job_keys.entries[i].key;
        size_t kind_length = strlen(pair.bytes); /* up to the NUL between the two */
        struct text kind = {pair.bytes, kind_length};
        struct text key = {pair.bytes + kind_length + 1, pair.length - kind_length - 1};
        if (!load_job_by_key(store, kind, key, facts, fault)) {
            return false;
        }
    }
    return true;
}

static bool find_queue(struct store *store, struct text name, struct facts *facts, struct job_queue **ret_queue,
                       struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row;
    struct job_queue *queue = facts_queue(facts, name);
    if (queue != NULL) {
        *ret_queue = queue;
        return true;
    }
    if (!connection_prepare(&store->writer, QUEUE_BY_NAME, &statement, fault)) {
        return false;
    }
    bind_text(statement, 1, name);
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    queue = arena_zalloc(facts->arena, sizeof(*queue));
    if (row) {
        take_queue(statement, facts->arena, queue);
        (void)sqlite3_reset(statement);
    } else {
        queue->name = arena_text(facts->arena, name);
    }
    facts_put_queue(facts, queue);
    *ret_queue = queue;
    return true;
}

/* The first column of a statement that has one text parameter. */
static bool read_by_name(struct store *store, const char *sql, struct text name, int64_t *ret_value,
                         struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row;
    if (!connection_prepare(&store->writer, sql, &statement, fault)) {
        return false;
    }
    bind_text(statement, 1, name);
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    *ret_value = row ? column_int64(statement, 0) : 0;
    (void)sqlite3_reset(statement);
    return true;
}

static bool load_queues(struct store *store, const struct wanted *wanted, struct facts *facts, struct fault *fault)
{
    for (size_t i = 0; i < wanted->queues.count; i++) {
        struct job_queue *queue;
        int64_t has_jobs = 1;
        if (!find_queue(store, wanted->queues.entries[i].key, facts, &queue, fault) ||
            (!queue->is_known && !read_by_name(store, QUEUE_HAS_JOBS, queue->name, &has_jobs, fault))) {
            return false;
        }
        queue->is_known = has_jobs != 0;
    }
    return true;
}

static bool load_schedules(struct store *store, const struct wanted *wanted, struct facts *facts, struct fault *fault)
{
    for (size_t i = 0; i < wanted->schedules.count; i++) {
        sqlite3_stmt *statement;
        bool row;
        struct text name = wanted->schedules.entries[i].key;
        if (facts_schedule(facts, name) != NULL) {
            continue;
        }
        if (!connection_prepare(&store->writer, SCHEDULE_BY_NAME, &statement, fault)) {
            return false;
        }
        bind_text(statement, 1, name);
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (row) {
            facts_put_schedule(facts, take_schedule(statement, facts->arena));
            (void)sqlite3_reset(statement);
        }
    }
    return true;
}

/* ---- What may be claimed ---- */

struct head_list {
    struct claim_head *items;
    size_t count;
    size_t capacity;
};

static void add_head(struct head_list *list, struct arena *arena, struct claim_head head)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 32 : list->capacity * 2;
        struct claim_head *grown = arena_array(arena, list->capacity, sizeof(*grown));
        if (list->count > 0) {
            memcpy(grown, list->items, list->count * sizeof(*grown));
        }
        list->items = grown;
    }
    list->items[list->count++] = head;
}

static bool note_running(struct store *store, struct job_queue *queue, struct fault *fault)
{
    return queue->concurrency == 0 || read_by_name(store, COUNT_RUNNING, queue->name, &queue->running, fault);
}

static bool load_all_queues(struct store *store, struct facts *facts, struct fault *fault)
{
    struct job_queue *all;
    if (!find_queue(store, ALL_QUEUES, facts, &all, fault)) {
        return false;
    }
    return all->concurrency == 0 || connection_read_int64(&store->writer, COUNT_ALL_RUNNING, 0, &all->running, fault);
}

static bool load_heads(struct store *store, struct facts *facts, struct head_list *heads, struct fault *fault)
{
    struct text name = TEXT_LITERAL("");
    int64_t priority = -1;
    struct job_queue *queue = NULL;
    for (;;) {
        sqlite3_stmt *statement;
        bool row;
        if (!connection_prepare(&store->writer, NEXT_HEAD, &statement, fault)) {
            return false;
        }
        bind_text(statement, 1, name);
        bind_int64(statement, 2, priority);
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row) {
            return true;
        }
        name = column_text(statement, 0, facts->arena);
        priority = column_int64(statement, 1);
        int64_t run_at_ms = column_int64(statement, 2);
        (void)sqlite3_reset(statement);
        if (queue == NULL || !text_equal(queue->name, name)) {
            if (!find_queue(store, name, facts, &queue, fault) || !note_running(store, queue, fault)) {
                return false;
            }
            queue->is_known = true;
        }
        add_head(heads, facts->arena,
                 (struct claim_head){.queue = queue, .priority = priority, .run_at_ms = run_at_ms});
    }
}

/* The rows of a statement that was bound, behind those claimed so far, up to `max` of these. */
static bool add_claimable(sqlite3_stmt *statement, struct facts *facts, size_t max, size_t *ret_added,
                          struct fault *fault)
{
    struct claim_facts *claim = &facts->claim;
    size_t added = 0;
    for (;;) {
        struct job *job;
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row || added == max) {
            (void)sqlite3_reset(statement);
            *ret_added = added;
            return true;
        }
        if (!take_job(statement, true, facts->arena, &job, fault)) {
            return statement_abandon(statement);
        }
        claim->jobs[claim->count++] = put_job(facts, job);
        added++;
    }
}

/* With their queues: they do not start again in one that is paused. */
static bool add_lost_leases(struct store *store, struct facts *facts, size_t max, size_t *ret_added,
                            struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(&store->writer, LOST_LEASES, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, facts->now_ms);
    bind_int64(statement, 2, (int64_t)max);
    bool ok = add_claimable(statement, facts, max, ret_added, fault);
    for (size_t i = 0; ok && i < *ret_added; i++) {
        struct job_queue *queue;
        ok = find_queue(store, facts->claim.jobs[i]->queue, facts, &queue, fault);
    }
    return ok;
}

/* Heads of one queue share its portion, the first of them first. Where it is used up before the queue's own limits are
 * there may be more. */
static bool add_due(struct store *store, struct facts *facts, const struct head_list *heads, struct fault *fault)
{
    const struct job_queue *queue = NULL;
    size_t left = 0;
    for (size_t i = 0; i < heads->count; i++) {
        const struct claim_head *head = &heads->items[i];
        sqlite3_stmt *statement;
        size_t added = 0;
        if (head->limit == 0) {
            continue;
        }
        if (head->queue != queue) {
            queue = head->queue;
            left = head->limit;
        }
        if (left > 0) {
            if (!connection_prepare(&store->writer, DUE_OF_HEAD, &statement, fault)) {
                return false;
            }
            bind_text(statement, 1, queue->name);
            bind_int64(statement, 2, head->priority);
            bind_int64(statement, 3, facts->now_ms);
            bind_int64(statement, 4, (int64_t)left);
            if (!add_claimable(statement, facts, left, &added, fault)) {
                return false;
            }
            left -= added;
        }
        bool may_start_more = (int64_t)head->limit < job_queue_room(queue, facts->now_ms);
        facts->claim.more = facts->claim.more || (left == 0 && may_start_more);
    }
    return true;
}

static bool load_claim(struct store *store, const struct wanted *wanted, struct facts *facts, struct fault *fault)
{
    struct claim_facts *claim = &facts->claim;
    struct head_list heads = {0};
    size_t max = wanted->claim_max;
    size_t taken_over = 0;
    int64_t lease_ms = INT64_MAX;
    if (claim->jobs != NULL) {
        return true; /* loaded before */
    }
    claim->jobs = arena_array(facts->arena, max, sizeof(struct job *));
    if (!load_all_queues(store, facts, fault) || !load_heads(store, facts, &heads, fault) ||
        !add_lost_leases(store, facts, max, &taken_over, fault) ||
        !connection_read_int64(&store->writer, NEXT_LEASE, INT64_MAX, &lease_ms, fault)) {
        return false;
    }
    claim_share(facts, wanted, heads.items, heads.count, taken_over);
    if (lease_ms > facts->now_ms && lease_ms < claim->next_ms) {
        claim->next_ms = lease_ms;
    }
    claim->more = claim->more || taken_over == max;
    return add_due(store, facts, &heads, fault);
}

/* ---- What is old ---- */

static bool count_old(struct store *store, const char *sql, int64_t before_ms, size_t max, size_t *count,
                      struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row;
    if (!connection_prepare(&store->writer, sql, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, before_ms);
    bind_int64(statement, 2, (int64_t)max);
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    *count += row ? (size_t)column_int64(statement, 0) : 0;
    (void)sqlite3_reset(statement);
    return true;
}

/* Age or number, whichever leaves less: the newest finished_keep stay, and none from before finished_before_ms. */
static bool find_finished_before(struct store *store, const struct prune_wanted *wanted, int64_t *ret_before_ms,
                                 struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row;
    if (!connection_prepare(&store->writer, FINISHED_KEPT_FROM, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, (int64_t)wanted->finished_keep);
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    int64_t by_number_ms = row ? column_int64(statement, 0) + 1 : INT64_MIN; /* the first that is one too many goes */
    (void)sqlite3_reset(statement);
    *ret_before_ms = by_number_ms > wanted->finished_before_ms ? by_number_ms : wanted->finished_before_ms;
    return true;
}

static bool count_events(struct store *store, const struct prune_wanted *wanted, size_t *ret_count, struct fault *fault)
{
    sqlite3_stmt *statement;
    size_t count = 0;
    if (!connection_prepare(&store->writer, OLD_EVENTS, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, (int64_t)wanted->max);
    for (;;) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row || column_int64(statement, 0) >= wanted->events_before_ms) {
            (void)sqlite3_reset(statement);
            *ret_count = count;
            return true;
        }
        count++;
    }
}

static bool load_prune(struct store *store, const struct prune_wanted *wanted, struct facts *facts, struct fault *fault)
{
    struct prune_facts *prune = &facts->prune;
    size_t finished = 0;
    size_t dead = 0;
    store->prune_jobs = *wanted;
    if (!find_finished_before(store, wanted, &store->prune_jobs.finished_before_ms, fault) ||
        !count_old(store, COUNT_FINISHED, store->prune_jobs.finished_before_ms, wanted->max, &finished, fault) ||
        !count_old(store, COUNT_DEAD, wanted->dead_before_ms, wanted->max, &dead, fault) ||
        !count_events(store, wanted, &prune->event_count, fault)) {
        return false;
    }
    prune->job_count = finished + dead;
    prune->more = finished == wanted->max || dead == wanted->max || prune->event_count == wanted->max;
    return true;
}

/* ---- Whose deadline is near ---- */

static bool load_notice_place(struct store *store, struct notice_facts *notice, struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row;
    if (!connection_prepare(&store->writer, NOTICE_PLACE, &statement, fault) ||
        !statement_next(statement, &row, fault)) {
        return false;
    }
    if (row) {
        notice->loaded = (struct notice_place){column_int64(statement, 0), column_uuid(statement, 1)};
        (void)sqlite3_reset(statement);
    }
    notice->given = notice->loaded;
    return true;
}

static bool load_notice(struct store *store, const struct notice_wanted *wanted, struct facts *facts,
                        struct fault *fault)
{
    struct notice_facts *notice = &facts->notice;
    sqlite3_stmt *statement;
    if (!load_notice_place(store, notice, fault) ||
        !connection_prepare(&store->writer, NEAR_DEADLINES, &statement, fault)) {
        return false;
    }
    notice->order_ids = arena_array(facts->arena, wanted->max, sizeof(*notice->order_ids));
    bind_int64(statement, 1, notice->loaded.expires_at_ms);
    bind_uuid(statement, 2, &notice->loaded.order_id);
    bind_int64(statement, 3, (int64_t)wanted->max + 1);
    for (;;) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        int64_t expires_at_ms = row ? column_int64(statement, 0) : INT64_MAX;
        bool is_near = row && expires_at_ms - wanted->lead_ms <= facts->now_ms;
        if (!is_near || notice->count == wanted->max) {
            notice->more = is_near;
            notice->next_ms = expires_at_ms;
            (void)sqlite3_reset(statement);
            break;
        }
        notice->order_ids[notice->count++] = column_uuid(statement, 2);
    }
    struct row_loader loader;
    row_loader_init(&loader, &store->writer, facts);
    for (size_t i = 0; i < notice->count; i++) {
        struct order *order;
        if (facts_order(facts, &notice->order_ids[i]) == NULL &&
            !load_order_by_id(&loader, &notice->order_ids[i], &order, fault)) {
            return false;
        }
    }
    return true;
}

/* ---- Endpoints ---- */

static struct text copy_text(struct arena *arena, struct text text)
{
    return text.bytes == NULL ? TEXT_ABSENT : arena_text(arena, text);
}

/* Outcomes show it after the batch, when the cache may have gone. */
static struct webhook_endpoint *copy_endpoint(struct arena *arena, const struct webhook_endpoint *endpoint)
{
    struct webhook_endpoint *copy = arena_alloc(arena, sizeof(*copy));
    *copy = *endpoint;
    copy->url = copy_text(arena, endpoint->url);
    copy->description = copy_text(arena, endpoint->description);
    copy->disabled_reason = copy_text(arena, endpoint->disabled_reason);
    copy->secret = copy_text(arena, endpoint->secret);
    copy->previous_secret = copy_text(arena, endpoint->previous_secret);
    return copy;
}

/* Kept in memory between batches: there are few, they hardly ever change, and every batch wants them. */
static bool load_cached_endpoints(struct store *store, struct facts *facts, struct fault *fault)
{
    if (facts->endpoints != NULL) {
        return true; /* by an earlier load of this batch */
    }
    if (!store->endpoints_known) {
        arena_clear(store->endpoint_arena);
        if (!load_endpoints(&store->writer, store->endpoint_arena, &store->endpoints, &store->endpoint_count, fault)) {
            return false;
        }
        store->endpoints_known = true;
    }
    facts->endpoints = arena_array(facts->arena, store->endpoint_count + 1, sizeof(struct webhook_endpoint *));
    for (size_t i = 0; i < store->endpoint_count; i++) {
        facts->endpoints[i] = copy_endpoint(facts->arena, store->endpoints[i]);
    }
    facts->endpoint_count = store->endpoint_count;
    return true;
}

bool jobs_load(struct store *store, const struct wanted *wanted, struct facts *facts, struct fault *fault)
{
    return load_cached_endpoints(store, facts, fault) && load_jobs(store, wanted, facts, fault) &&
           load_queues(store, wanted, facts, fault) && load_schedules(store, wanted, facts, fault) &&
           (wanted->claim_max == 0 || load_claim(store, wanted, facts, fault)) &&
           (wanted->prune.max == 0 || load_prune(store, &wanted->prune, facts, fault)) &&
           (wanted->notice.max == 0 || load_notice(store, &wanted->notice, facts, fault));
}
