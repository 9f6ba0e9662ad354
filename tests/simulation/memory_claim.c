/* What may be claimed. Nothing is waited for: what another worker has in hand is left to it. */

#include "memory_internal.h"

#include "domain/claim_jobs.h"

#define CONTESTED_MS 20 /* when to look again for what another worker has in hand */

struct claim_load {
    struct store *store;
    struct facts *facts;
    struct job_queue *all;
    struct claim_head *heads;
    size_t head_count;
    bool is_contested; /* another worker has a queue in hand */
};

static void key_of_head(struct key *key, struct text queue, int64_t priority)
{
    key_clear(key);
    key_add_text(key, queue);
    key_add_number(key, priority);
}

/* ---- The heads ---- */

/* The earliest of each queue and priority. NULL: they are only counted. */
static size_t find_heads(const struct claim_load *load, struct claim_head *ret_heads)
{
    const struct memory_database *database = load->store->database;
    const struct index *scheduled = &database->indexes[JOBS_SCHEDULED];
    size_t count = 0;
    for (size_t place = 0; place < scheduled->count; count++) {
        const struct stored_job *first = index_row(scheduled, place);
        struct key next;
        if (ret_heads != NULL) {
            ret_heads[count] = (struct claim_head){
                .queue = rows_put_queue(load->facts, database, first->job.queue),
                .priority = first->job.priority,
                .run_at_ms = first->job.run_at_ms,
            };
            ret_heads[count].queue->is_known = true;
        }
        key_of_head(&next, first->job.queue, first->job.priority + 1);
        place = index_seek(scheduled, key_text(&next));
    }
    return count;
}

static void add_claimable(struct claim_load *load, struct stored_job *stored)
{
    struct claim_facts *claim = &load->facts->claim;
    if (facts_job(load->facts, &stored->job.id) == NULL) {
        store_hold(load->store, &stored->row);
    }
    claim->jobs[claim->count++] = rows_put_job(load->facts, stored);
}

/* Not in another's hand: this batch's own are in the facts. */
static bool is_free(const struct claim_load *load, const struct stored_job *stored)
{
    return stored->row.holders == 0 || facts_job(load->facts, &stored->job.id) != NULL;
}

/* With their queues: they do not start again in one that is paused. Returns when the first of the others runs out. */
static int64_t take_lost_leases(struct claim_load *load, size_t max)
{
    const struct memory_database *database = load->store->database;
    const struct index *running = &database->indexes[JOBS_RUNNING];
    for (size_t i = 0; i < running->count; i++) {
        struct stored_job *stored = index_row(running, i);
        if (stored->job.lease_until_ms > load->facts->now_ms) {
            return stored->job.lease_until_ms;
        }
        rows_put_queue(load->facts, database, stored->job.queue)->is_known = true;
        if (load->facts->claim.count < max && is_free(load, stored)) {
            add_claimable(load, stored);
        }
    }
    return INT64_MAX;
}

/* ---- Queues with limits ---- */

static bool is_limited(const struct job_queue *queue)
{
    return !queue->is_paused && (queue->concurrency > 0 || queue->rate_max > 0);
}

static bool must_hold(const struct claim_head *head, int64_t now_ms)
{
    return head->run_at_ms <= now_ms && is_limited(head->queue);
}

/* With those whose lease ran out: they keep their places until they are taken over. */
static void count_running(const struct claim_load *load)
{
    const struct index *running = &load->store->database->indexes[JOBS_RUNNING];
    for (size_t i = 0; i < load->head_count; i++) {
        load->heads[i].queue->running = 0;
    }
    load->all->running = (int64_t)running->count;
    for (size_t i = 0; i < running->count; i++) {
        const struct stored_job *stored = index_row(running, i);
        struct job_queue *queue = facts_queue(load->facts, stored->job.queue);
        if (queue != NULL) {
            queue->running++;
        }
    }
}

/* False: another worker has it in hand. */
static bool hold_queue(struct claim_load *load, struct job_queue *queue, struct table *held)
{
    struct stored_queue *stored = index_find(&load->store->database->indexes[QUEUES], queue->name);
    if (stored == NULL || table_find(held, queue->name) != NULL) {
        return true; /* one that this batch makes */
    }
    if (stored->row.holders > 0) {
        return false;
    }
    store_hold(load->store, &stored->row);
    if (queue->loaded_version != stored->queue.version) { /* loaded before, and changed since */
        *queue = stored->queue;
        queue->name = arena_text(load->facts->arena, stored->queue.name);
        queue->is_known = true;
        queue->loaded_version = queue->version;
    }
    table_put(held, queue->name, queue);
    return true;
}

/* So that no two workers start more of one than it allows. Those in other hands are not looked at this time. */
static void hold_limited(struct claim_load *load)
{
    struct table held;
    size_t kept = 0;
    table_init(&held, load->facts->arena);
    bool has_all = !is_limited(load->all) || load->head_count == 0 || hold_queue(load, load->all, &held);
    for (size_t i = 0; i < load->head_count; i++) {
        const struct claim_head *head = &load->heads[i];
        bool is_held = !must_hold(head, load->facts->now_ms) || hold_queue(load, head->queue, &held);
        if (has_all && is_held) {
            load->heads[kept++] = *head;
        } else {
            load->is_contested = true;
        }
    }
    load->head_count = kept;
}

/* ---- The jobs ---- */

static size_t take_due_of_head(struct claim_load *load, const struct claim_head *head, size_t max)
{
    const struct index *scheduled = &load->store->database->indexes[JOBS_SCHEDULED];
    struct key key;
    size_t count = 0;
    key_of_head(&key, head->queue->name, head->priority);
    for (size_t i = index_seek(scheduled, key_text(&key)); count < max && i < scheduled->count; i++) {
        struct stored_job *stored = index_row(scheduled, i);
        if (!key_begins_with(scheduled->entries[i]->key, &key) ||
            stored->run_at_us > load->facts->now_ms * INT64_C(1000)) {
            break;
        }
        if (is_free(load, stored)) {
            add_claimable(load, stored);
            count++;
        }
    }
    return count;
}

/* Heads of one queue share its portion, the first of them first. Where it is used up before the queue's own limits are
 * there may be more. */
static void take_due(struct claim_load *load)
{
    struct claim_facts *claim = &load->facts->claim;
    const struct job_queue *queue = NULL;
    size_t left = 0;
    for (size_t i = 0; i < load->head_count; i++) {
        const struct claim_head *head = &load->heads[i];
        if (head->limit == 0) {
            continue;
        }
        if (queue == NULL || head->queue != queue) {
            queue = head->queue;
            left = head->limit;
        }
        left -= take_due_of_head(load, head, left);
        bool may_start_more = (int64_t)head->limit < job_queue_room(queue, load->facts->now_ms);
        claim->more = claim->more || (left == 0 && may_start_more);
    }
}

void load_claim(struct store *store, const struct wanted *wanted, struct facts *facts)
{
    struct claim_facts *claim = &facts->claim;
    struct claim_load load = {.store = store, .facts = facts};
    size_t max = wanted->claim_max;
    claim->jobs = arena_array(facts->arena, max * 2, sizeof(struct job *)); /* taken over, and due */
    load.all = rows_put_queue(facts, store->database, ALL_QUEUES);
    load.head_count = find_heads(&load, NULL);
    load.heads = arena_array(facts->arena, load.head_count, sizeof(*load.heads));
    (void)find_heads(&load, load.heads);
    int64_t next_lease_ms = take_lost_leases(&load, max);
    size_t taken_over = claim->count;
    hold_limited(&load);
    count_running(&load);
    claim_share(facts, wanted, load.heads, load.head_count, taken_over);
    claim->next_ms = next_lease_ms < claim->next_ms ? next_lease_ms : claim->next_ms;
    if (load.is_contested && claim->next_ms > facts->now_ms + CONTESTED_MS) {
        claim->next_ms = facts->now_ms + CONTESTED_MS;
    }
    claim->more = claim->more || taken_over == max;
    take_due(&load);
}
