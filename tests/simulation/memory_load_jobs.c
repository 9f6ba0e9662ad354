/* Jobs, queues, schedules and endpoints of a batch; what is old, and whose deadline is near. */

#include <assert.h>

#include "memory_internal.h"

/* The one that is scheduled under the key of a job that is not: shown, and not held. */
static void load_same_key(const struct memory_database *database, const struct job *job, struct facts *facts)
{
    if (job->key.bytes == NULL || job->state == JOB_SCHEDULED) {
        return;
    }
    const struct stored_job *other =
        index_find(&database->indexes[JOB_KEYS], job_key(facts->arena, job->kind, job->key));
    if (other != NULL) {
        (void)rows_put_job(facts, other);
    }
}

static struct job *load_job(struct store *store, struct stored_job *stored, const struct wanted *wanted,
                            struct facts *facts)
{
    struct job *job = stored == NULL ? NULL : facts_job(facts, &stored->job.id);
    if (stored == NULL || job != NULL) {
        return job;
    }
    if (wanted->skip_locked && stored->row.holders > 0) {
        struct uuid *id = arena_alloc(facts->arena, sizeof(*id));
        *id = stored->job.id;
        facts_put_locked_job(facts, id);
        if (stored->job.key.bytes != NULL && stored->job.state == JOB_SCHEDULED) {
            facts_put_locked_job_key(facts, stored->job.kind, stored->job.key);
        }
        return NULL;
    }
    store_hold(store, &stored->row);
    return rows_put_job(facts, stored);
}

static void load_wanted_jobs(struct store *store, const struct wanted *wanted, struct facts *facts)
{
    struct memory_database *database = store->database;
    for (size_t i = 0; i < wanted->job_ids.count; i++) {
        struct stored_job *stored = index_find(&database->indexes[JOBS], wanted->job_ids.entries[i].key);
        const struct job *job = load_job(store, stored, wanted, facts);
        if (job != NULL) {
            load_same_key(database, job, facts);
        }
    }
    for (size_t i = 0; i < wanted->job_keys.count; i++) {
        (void)load_job(store, index_find(&database->indexes[JOB_KEYS], wanted->job_keys.entries[i].key), wanted, facts);
    }
}

static bool has_jobs(const struct memory_database *database, struct text queue)
{
    const struct index *scheduled = &database->indexes[JOBS_SCHEDULED];
    const struct index *running = &database->indexes[JOBS_RUNNING];
    struct key key;
    key_clear(&key);
    key_add_text(&key, queue);
    size_t place = index_seek(scheduled, key_text(&key));
    bool found = place < scheduled->count && key_begins_with(scheduled->entries[place]->key, &key);
    for (size_t i = 0; !found && i < running->count; i++) {
        const struct stored_job *stored = index_row(running, i);
        found = text_equal(stored->job.queue, queue);
    }
    return found;
}

static void load_queues_and_schedules(const struct memory_database *database, const struct wanted *wanted,
                                      struct facts *facts)
{
    for (size_t i = 0; i < wanted->queues.count; i++) {
        struct job_queue *queue = rows_put_queue(facts, database, wanted->queues.entries[i].key);
        queue->is_known = queue->is_known || has_jobs(database, queue->name);
    }
    for (size_t i = 0; i < wanted->schedules.count; i++) {
        const struct job_schedule *stored = index_find(&database->indexes[SCHEDULES], wanted->schedules.entries[i].key);
        if (stored != NULL && facts_schedule(facts, stored->name) == NULL) {
            facts_put_schedule(facts, rows_copy_schedule(facts->arena, stored));
        }
    }
}

static void load_endpoints(const struct memory_database *database, struct facts *facts)
{
    const struct index *endpoints = &database->indexes[ENDPOINTS];
    if (facts->endpoints != NULL) {
        return;
    }
    facts->endpoints = arena_array(facts->arena, endpoints->count + 1, sizeof(struct webhook_endpoint *));
    for (size_t i = 0; i < endpoints->count; i++) {
        facts->endpoints[i] = rows_copy_endpoint(facts->arena, index_row(endpoints, i));
    }
    facts->endpoint_count = endpoints->count;
}

/* ---- What is old ---- */

/* Of an index whose keys begin with a time: how many are from before, `max` at most. */
static size_t count_before(const struct index *index, int64_t before_ms, size_t max)
{
    struct key key;
    size_t count = index_seek(index, key_of_number(&key, before_ms));
    return count < max ? count : max;
}

/* Age or number, whichever leaves less: the first that is one too many goes, and all before it. */
static int64_t finished_before(const struct index *finished, const struct prune_wanted *wanted)
{
    int64_t by_number_ms =
        finished->count <= wanted->finished_keep
            ? INT64_MIN
            : key_first_number(finished->entries[finished->count - 1 - wanted->finished_keep]->key) + 1;
    return by_number_ms > wanted->finished_before_ms ? by_number_ms : wanted->finished_before_ms;
}

static void load_prune(struct store *store, const struct prune_wanted *wanted, struct facts *facts)
{
    const struct index *indexes = store->database->indexes;
    const struct index *events = &indexes[EVENTS];
    struct prune_facts *prune = &facts->prune;
    store->prune = *wanted;
    store->prune.finished_before_ms = finished_before(&indexes[JOBS_FINISHED], wanted);
    size_t finished = count_before(&indexes[JOBS_FINISHED], store->prune.finished_before_ms, wanted->max);
    size_t dead = count_before(&indexes[JOBS_DEAD], wanted->dead_before_ms, wanted->max);
    for (size_t i = 0; i + 1 < events->count && i < wanted->max; i++) { /* the last one stays */
        const struct stored_event *stored = index_row(events, i);
        if (stored->event.created_at_ms >= wanted->events_before_ms) {
            break;
        }
        store->prune_events_to = stored->event.sequence;
        prune->event_count = i + 1;
    }
    prune->job_count = finished + dead;
    prune->more = finished == wanted->max || dead == wanted->max || prune->event_count == wanted->max;
}

/* ---- Whose deadline is near ---- */

/* Notices change no order: nobody has to be kept from it. */
static void load_notice(struct store *store, const struct notice_wanted *wanted, struct facts *facts)
{
    struct memory_database *database = store->database;
    const struct index *timeouts = &database->indexes[TIMEOUTS];
    struct notice_facts *notice = &facts->notice;
    struct key key;
    if (database->notices.row.holders > 0) {
        return; /* another server is at it, or this batch has them already */
    }
    store_hold(store, &database->notices.row);
    notice->loaded = database->notices.place;
    notice->given = notice->loaded;
    notice->order_ids = arena_array(facts->arena, wanted->max, sizeof(*notice->order_ids));
    struct text from = key_of_time(&key, notice->loaded.expires_at_ms, &notice->loaded.order_id);
    size_t place = index_seek(timeouts, from);
    place += place < timeouts->count && text_equal(timeouts->entries[place]->key, from);
    for (; place < timeouts->count; place++) {
        const struct stored_order *stored = index_row(timeouts, place);
        int64_t expires_at_ms = key_first_number(timeouts->entries[place]->key);
        bool is_near = expires_at_ms - wanted->lead_ms <= facts->now_ms;
        if (!is_near || notice->count == wanted->max) {
            notice->more = is_near;
            notice->next_ms = expires_at_ms;
            return;
        }
        const struct order *order = rows_put_order(facts, stored);
        if (order->status == ORDER_DRAFT && order->loaded_expires_at_ms == expires_at_ms) {
            notice->order_ids[notice->count++] = order->id;
        }
    }
}

void load_jobs(struct store *store, const struct wanted *wanted, struct facts *facts)
{
    load_endpoints(store->database, facts);
    load_wanted_jobs(store, wanted, facts);
    load_queues_and_schedules(store->database, wanted, facts);
    if (wanted->claim_max > 0 && facts->claim.jobs == NULL) {
        load_claim(store, wanted, facts);
    }
    if (wanted->prune.max > 0) {
        load_prune(store, &wanted->prune, facts);
    }
    if (wanted->notice.max > 0) {
        load_notice(store, &wanted->notice, facts);
    }
}
