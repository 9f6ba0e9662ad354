/* What a commit does to jobs, queues, schedules, endpoints and notices, and what it prunes. */

#include "memory_internal.h"

#include <assert.h>
#include <string.h>

#define US_OF_MS INT64_C(1000)
#define SECOND_US INT64_C(1000000)

/* ---- Jobs ---- */

static enum index_name index_of_state(enum job_state state)
{
    static const enum index_name by_state[JOB_STATE_COUNT] = {[JOB_SCHEDULED] = JOBS_SCHEDULED,
                                                              [JOB_RUNNING] = JOBS_RUNNING,
                                                              [JOB_COMPLETED] = JOBS_FINISHED,
                                                              [JOB_DEAD] = JOBS_DEAD,
                                                              [JOB_CANCELLED] = JOBS_FINISHED};
    return by_state[state];
}

static struct text key_of_place(struct key *key, const struct stored_job *stored)
{
    const struct job *job = &stored->job;
    if (job->state != JOB_SCHEDULED) {
        return key_of_time(key, job->state == JOB_RUNNING ? job->lease_until_ms : job->finished_at_ms, &job->id);
    }
    key_clear(key);
    key_add_text(key, job->queue);
    key_add_number(key, job->priority);
    key_add_number(key, stored->run_at_us);
    key_add_id(key, &job->id);
    return key_text(key);
}

static struct text key_of_pair(struct key *key, const struct job *job)
{
    key_clear(key);
    key_add_text(key, job->kind);
    key_add_last(key, job->key);
    return key_text(key);
}

static bool has_scheduled_key(const struct job *job)
{
    return job->state == JOB_SCHEDULED && job->key.bytes != NULL;
}

void job_enter(struct memory_database *database, struct stored_job *job)
{
    struct key key;
    index_add(&database->indexes[index_of_state(job->job.state)], database->arena, key_of_place(&key, job), job);
    if (has_scheduled_key(&job->job)) {
        index_add(&database->indexes[JOB_KEYS], database->arena, key_of_pair(&key, &job->job), job);
    }
}

void job_leave(struct memory_database *database, struct stored_job *job)
{
    struct key key;
    bool was_there = index_remove(&database->indexes[index_of_state(job->job.state)], key_of_place(&key, job));
    assert(was_there);
    if (has_scheduled_key(&job->job)) {
        was_there = index_remove(&database->indexes[JOB_KEYS], key_of_pair(&key, &job->job));
        assert(was_there);
    }
}

/* Of one kind at most one is scheduled under a key. One that leaves it in this batch makes room. */
static bool check_key(const struct memory_database *database, const struct facts *facts, const struct job *job,
                      struct table *keys, struct fault *fault)
{
    struct text pair = job_key(facts->arena, job->kind, job->key);
    const struct stored_job *other = index_find(&database->indexes[JOB_KEYS], pair);
    if (table_find(keys, pair) != NULL) {
        return fault_taken(fault, "jobs");
    }
    table_put(keys, pair, keys);
    if (other == NULL || uuid_equal(other->job.id, job->id)) {
        return true;
    }
    const struct job *leaving = facts_job(facts, &other->job.id);
    return (leaving != NULL && leaving->is_changed && leaving->state != JOB_SCHEDULED) || fault_taken(fault, "jobs");
}

static bool is_good_job(const struct job *job)
{
    return job->queue.bytes != NULL && job->kind.bytes != NULL && job->priority >= 0 &&
           job->priority <= JOB_PRIORITY_MAX && job->attempt >= 0 && job->max_attempts >= 1 && job->claim >= 0 &&
           job_state_is_finished(job->state) == (job->finished_at_ms != 0);
}

static bool check_jobs(const struct memory_database *database, const struct facts *facts, struct fault *fault)
{
    struct table keys;
    table_init(&keys, facts->arena);
    for (size_t i = 0; i < facts->jobs.count; i++) {
        const struct job *job = facts->jobs.entries[i].value;
        if (job->is_new || !job->is_changed) {
            continue;
        }
        const struct stored_job *stored = index_find(&database->indexes[JOBS], ID_KEY(&job->id));
        if (stored == NULL || stored->job.state != job->loaded_state || stored->job.claim != job->loaded_claim) {
            return fault_moved(fault, "jobs");
        }
        if (!is_good_job(job)) {
            return fault_refused(fault, "jobs");
        }
        if (has_scheduled_key(job) && !check_key(database, facts, job, &keys, fault)) {
            return false;
        }
    }
    for (size_t i = 0; i < facts->new_jobs.count; i++) {
        const struct job *job = facts->new_jobs.items[i];
        if (index_find(&database->indexes[JOBS], ID_KEY(&job->id)) != NULL) {
            return fault_taken(fault, "jobs");
        }
        if (!is_good_job(job)) {
            return fault_refused(fault, "jobs");
        }
        if (job->key.bytes != NULL && !check_key(database, facts, job, &keys, fault)) {
            return false;
        }
    }
    return true;
}

/* Most texts stay as they are. */
static void keep_text(struct arena *arena, struct text *stored, struct text text)
{
    if ((stored->bytes == NULL) != (text.bytes == NULL) || !text_equal(*stored, text)) {
        *stored = arena_text(arena, text);
    }
}

static void update_job(struct memory_database *database, const struct job *job, struct stored_job *stored)
{
    struct arena *arena = database->arena;
    job_leave(database, stored);
    stored->run_at_us = job->run_at_ms == stored->job.run_at_ms ? stored->run_at_us : job->run_at_ms * US_OF_MS;
    keep_text(arena, &stored->job.queue, job->queue);
    keep_text(arena, &stored->job.payload, job->payload);
    keep_text(arena, &stored->job.last_error, job->last_error);
    keep_text(arena, &stored->job.log, job->log);
    stored->job.state = job->state;
    stored->job.run_at_ms = job->run_at_ms;
    stored->job.priority = job->priority;
    stored->job.attempt = job->attempt;
    stored->job.max_attempts = job->max_attempts;
    stored->job.claim = job->claim;
    stored->job.lease_until_ms = job->state == JOB_RUNNING ? job->lease_until_ms : 0;
    stored->job.progress = job->progress;
    stored->job.started_at_ms = job->started_at_ms;
    stored->job.finished_at_ms = job->finished_at_ms;
    stored->row.changed_in = database->commits;
    job_enter(database, stored);
}

/* Those that leave their key before those that take one. */
static void apply_changed_jobs(struct memory_database *database, const struct facts *facts)
{
    for (int are_scheduled = 0; are_scheduled < 2; are_scheduled++) {
        for (size_t i = 0; i < facts->jobs.count; i++) {
            const struct job *job = facts->jobs.entries[i].value;
            if (!job->is_new && job->is_changed && (job->state == JOB_SCHEDULED) == are_scheduled) {
                update_job(database, job, index_find(&database->indexes[JOBS], ID_KEY(&job->id)));
            }
        }
    }
}

static void insert_job(struct memory_database *database, const struct job *job, int64_t run_at_us,
                       int64_t event_sequence)
{
    struct arena *arena = database->arena;
    struct stored_job *stored = arena_zalloc(arena, sizeof(*stored));
    stored->job = (struct job){
        .id = job->id,
        .queue = arena_text(arena, job->queue),
        .kind = arena_text(arena, job->kind),
        .key = arena_text(arena, job->key),
        .payload = arena_text(arena, job->payload),
        .event_sequence = event_sequence,
        .run_at_ms = run_at_us / US_OF_MS,
        .priority = job->priority,
        .max_attempts = job->max_attempts,
        .progress = JOB_PROGRESS_NONE,
        .created_at_ms = job->created_at_ms,
    };
    stored->run_at_us = run_at_us;
    stored->row.changed_in = database->commits;
    index_add(&database->indexes[JOBS], arena, ID_KEY(&job->id), stored);
    job_enter(database, stored);
}

/* Deliveries are due behind those of the transaction before, whatever the other server's time was; a clock that was set
 * back is followed. */
static int64_t next_delivery_us(struct memory_database *database, const struct facts *facts)
{
    int64_t run_at_us = INT64_MIN;
    for (size_t i = 0; i < facts->new_jobs.count; i++) {
        const struct job *job = facts->new_jobs.items[i];
        if (job->event != NULL && job->run_at_ms * US_OF_MS > run_at_us) {
            run_at_us = job->run_at_ms * US_OF_MS;
        }
    }
    bool is_behind =
        database->last_delivery_at_us >= run_at_us && database->last_delivery_at_us <= run_at_us + SECOND_US;
    return is_behind ? database->last_delivery_at_us + 1 : run_at_us;
}

static void apply_new_jobs(struct memory_database *database, const struct facts *facts, int64_t first_sequence)
{
    int64_t delivery_us = next_delivery_us(database, facts);
    for (size_t i = 0; i < facts->new_jobs.count; i++) {
        const struct job *job = facts->new_jobs.items[i];
        if (job->event == NULL) {
            insert_job(database, job, job->run_at_ms * US_OF_MS, job->event_sequence);
        } else {
            insert_job(database, job, delivery_us, first_sequence + (int64_t)job->event->place);
            database->last_delivery_at_us = delivery_us;
        }
    }
}

/* ---- Queues, schedules, endpoints and notices ---- */

static bool is_good_queue(const struct job_queue *queue)
{
    return queue->concurrency >= 0 && queue->rate_max >= 0 && queue->version >= 1 &&
           (queue->rate_max == 0 || queue->rate_period_ms >= 1);
}

static bool check_queues(const struct memory_database *database, const struct facts *facts, struct fault *fault)
{
    for (size_t i = 0; i < facts->queues.count; i++) {
        const struct job_queue *queue = facts->queues.entries[i].value;
        const struct stored_queue *stored = index_find(&database->indexes[QUEUES], queue->name);
        if (queue->is_deleted || queue->version == queue->loaded_version) {
            continue;
        }
        if (queue->loaded_version == 0 && stored != NULL) {
            return fault_taken(fault, "job_queues");
        }
        if (queue->loaded_version != 0 && (stored == NULL || stored->queue.version != queue->loaded_version)) {
            return fault_moved(fault, "job_queues");
        }
        if (!is_good_queue(queue)) {
            return fault_refused(fault, "job_queues");
        }
    }
    return true;
}

static bool check_schedules(const struct memory_database *database, const struct facts *facts, struct fault *fault)
{
    for (size_t i = 0; i < facts->schedules.count; i++) {
        const struct job_schedule *schedule = facts->schedules.entries[i].value;
        const struct job_schedule *stored = index_find(&database->indexes[SCHEDULES], schedule->name);
        if (schedule->version == schedule->loaded_version) {
            continue;
        }
        if (schedule->loaded_version == 0 && stored != NULL) {
            return fault_taken(fault, "job_schedules");
        }
        if (schedule->loaded_version != 0 && (stored == NULL || stored->version != schedule->loaded_version)) {
            return fault_moved(fault, "job_schedules");
        }
    }
    return true;
}

static bool is_saved_endpoint(const struct webhook_endpoint *endpoint)
{
    return !endpoint->is_deleted && (endpoint->version != endpoint->loaded_version || endpoint->is_touched);
}

static bool check_endpoints(const struct memory_database *database, const struct facts *facts, struct fault *fault)
{
    for (size_t i = 0; i < facts->endpoint_count; i++) {
        const struct webhook_endpoint *endpoint = facts->endpoints[i];
        const struct webhook_endpoint *stored = index_find(&database->indexes[ENDPOINTS], ID_KEY(&endpoint->id));
        if (!is_saved_endpoint(endpoint)) {
            continue;
        }
        if (endpoint->loaded_version == 0 && stored != NULL) {
            return fault_taken(fault, "webhook_endpoints");
        }
        if (endpoint->loaded_version != 0 && (stored == NULL || stored->version != endpoint->loaded_version)) {
            return fault_moved(fault, "webhook_endpoints");
        }
        if (endpoint->version < 1 || endpoint->url.bytes == NULL || endpoint->secret.bytes == NULL ||
            (endpoint->status == WEBHOOK_DISABLED) != (endpoint->disabled_reason.bytes != NULL)) {
            return fault_refused(fault, "webhook_endpoints");
        }
    }
    return true;
}

static bool is_same_place(const struct notice_place *a, const struct notice_place *b)
{
    return a->expires_at_ms == b->expires_at_ms && uuid_equal(a->order_id, b->order_id);
}

static bool check_notices(const struct memory_database *database, const struct notice_facts *notice,
                          struct fault *fault)
{
    return is_same_place(&notice->given, &notice->loaded) || is_same_place(&notice->loaded, &database->notices.place) ||
           fault_moved(fault, "payment_notices");
}

static void apply_queue(struct memory_database *database, const struct job_queue *queue)
{
    struct stored_queue *stored = index_find(&database->indexes[QUEUES], queue->name);
    if (queue->is_deleted ? stored == NULL || queue->loaded_version == 0 : queue->version == queue->loaded_version) {
        return;
    }
    if (stored == NULL) {
        stored = arena_zalloc(database->arena, sizeof(*stored));
        stored->queue.name = arena_text(database->arena, queue->name);
        index_add(&database->indexes[QUEUES], database->arena, stored->queue.name, stored);
    }
    stored->row.changed_in = database->commits;
    if (queue->is_deleted) {
        (void)index_remove(&database->indexes[QUEUES], queue->name);
        return;
    }
    stored->queue = (struct job_queue){
        .name = stored->queue.name,
        .is_paused = queue->is_paused,
        .concurrency = queue->concurrency,
        .rate_max = queue->rate_max,
        .rate_period_ms = queue->rate_max == 0 ? 0 : queue->rate_period_ms,
        .rate_begin_ms = queue->rate_begin_ms,
        .rate_count = queue->rate_count,
        .version = queue->version,
    };
}

static void apply_schedule(struct memory_database *database, const struct job_schedule *schedule)
{
    struct job_schedule *stored = index_find(&database->indexes[SCHEDULES], schedule->name);
    if (schedule->version == schedule->loaded_version) {
        return;
    }
    struct job_schedule *copy = rows_copy_schedule(database->arena, schedule);
    copy->loaded_version = 0;
    if (stored == NULL) {
        index_add(&database->indexes[SCHEDULES], database->arena, copy->name, copy);
    } else {
        *stored = *copy;
    }
}

static void apply_endpoint(struct memory_database *database, const struct webhook_endpoint *endpoint)
{
    struct webhook_endpoint *stored = index_find(&database->indexes[ENDPOINTS], ID_KEY(&endpoint->id));
    if (endpoint->is_deleted) {
        (void)index_remove(&database->indexes[ENDPOINTS], ID_KEY(&endpoint->id));
    }
    if (!is_saved_endpoint(endpoint)) {
        return;
    }
    struct webhook_endpoint *copy = rows_copy_endpoint(database->arena, endpoint);
    copy->loaded_version = 0;
    copy->is_touched = false;
    if (stored == NULL) {
        index_add(&database->indexes[ENDPOINTS], database->arena, ID_KEY(&copy->id), copy);
    } else {
        *stored = *copy;
    }
}

/* ---- What is old ---- */

static void prune_jobs(struct memory_database *database, enum index_name name, int64_t before_ms, size_t max)
{
    struct index *old = &database->indexes[name];
    size_t place = 0;
    for (size_t count = 0; count < max && place < old->count;) {
        struct stored_job *stored = index_row(old, place);
        if (key_first_number(old->entries[place]->key) >= before_ms) {
            return;
        }
        if (stored->row.holders > 0) {
            place++; /* in another's hand */
            continue;
        }
        job_leave(database, stored);
        (void)index_remove(&database->indexes[JOBS], ID_KEY(&stored->job.id));
        stored->row.changed_in = database->commits;
        count++;
    }
}

static void apply_prune(struct store *store, const struct prune_facts *prune)
{
    struct memory_database *database = store->database;
    struct index *events = &database->indexes[EVENTS];
    if (!prune->is_accepted) {
        return;
    }
    if (prune->job_count > 0) {
        prune_jobs(database, JOBS_FINISHED, store->prune.finished_before_ms, store->prune.max);
        prune_jobs(database, JOBS_DEAD, store->prune.dead_before_ms, store->prune.max);
    }
    if (prune->event_count > 0) {
        struct key key;
        index_remove_places(events, 0, index_seek(events, key_of_number(&key, store->prune_events_to + 1)));
    }
}

/* ---- All of it ---- */

bool jobs_check(const struct memory_database *database, struct facts *facts, struct fault *fault)
{
    return check_jobs(database, facts, fault) && check_queues(database, facts, fault) &&
           check_schedules(database, facts, fault) && check_endpoints(database, facts, fault) &&
           check_notices(database, &facts->notice, fault);
}

void jobs_apply(struct store *store, struct facts *facts, int64_t first_sequence)
{
    struct memory_database *database = store->database;
    for (size_t i = 0; i < facts->queues.count; i++) {
        apply_queue(database, facts->queues.entries[i].value);
    }
    for (size_t i = 0; i < facts->schedules.count; i++) {
        apply_schedule(database, facts->schedules.entries[i].value);
    }
    for (size_t i = 0; i < facts->endpoint_count; i++) {
        apply_endpoint(database, facts->endpoints[i]);
    }
    apply_changed_jobs(database, facts);
    apply_new_jobs(database, facts, first_sequence);
    if (!is_same_place(&facts->notice.given, &facts->notice.loaded)) {
        database->notices.place = facts->notice.given;
        database->notices.row.changed_in = database->commits;
    }
    apply_prune(store, &facts->prune);
}
