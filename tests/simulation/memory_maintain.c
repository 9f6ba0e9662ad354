/* Housekeeping, and the keys of the API. */

#include <assert.h>
#include <string.h>

#include "memory_internal.h"

#define PRUNE_ROWS 500

/* ---- What a clock that was far ahead put off ---- */

/* Jobs for whose time nobody asked: it was that at which they were queued, or the end of a pause, or (of deliveries) a
 * little behind the one before. */
static bool was_put_off(const struct stored_job *stored, int64_t now_ms)
{
    const struct job *job = &stored->job;
    bool is_later = job->state == JOB_SCHEDULED && stored->run_at_us > now_ms * INT64_C(1000);
    bool is_first_delivery = job->event_sequence != 0 && job->attempt == 0;
    return is_later && (job->run_at_ms == job->created_at_ms || is_first_delivery || job->started_at_ms > now_ms);
}

static void recall_job(struct store *store, struct stored_job *stored, int64_t now_ms)
{
    bool runs_too_long =
        stored->job.state == JOB_RUNNING && stored->job.lease_until_ms > now_ms + store->clock_ahead_ms;
    if (stored->row.holders > 0 || !(runs_too_long || was_put_off(stored, now_ms))) {
        return;
    }
    job_leave(store->database, stored);
    if (runs_too_long) {
        stored->job.lease_until_ms -= store->clock_ahead_ms;
    } else {
        stored->job.run_at_ms = now_ms;
        stored->run_at_us = now_ms * INT64_C(1000);
    }
    stored->row.changed_in = store->database->commits;
    job_enter(store->database, stored);
}

/* The deadlines of orders stay: customers were told of them. */
static void recall(struct store *store)
{
    struct memory_database *database = store->database;
    const struct index *jobs = &database->indexes[JOBS];
    const struct index *endpoints = &database->indexes[ENDPOINTS];
    int64_t now_ms = store->unix_ms();
    database->commits++;
    for (size_t i = 0; i < jobs->count; i++) {
        recall_job(store, index_row(jobs, i), now_ms);
    }
    for (size_t i = 0; i < endpoints->count; i++) {
        struct webhook_endpoint *endpoint = index_row(endpoints, i);
        if (endpoint->held_until_ms > now_ms + store->clock_ahead_ms) {
            endpoint->held_until_ms -= store->clock_ahead_ms;
        }
    }
    if (database->notices.place.expires_at_ms > now_ms) {
        database->notices.place.expires_at_ms -= store->clock_ahead_ms;
        database->notices.row.changed_in = database->commits;
    }
    store->clock_ahead_ms = 0;
}

/* True: there are more. */
static bool prune_answers(struct store *store)
{
    struct index *by_age = &store->database->indexes[ANSWERS_BY_AGE];
    struct key key;
    size_t count = index_seek(by_age, key_of_number(&key, store->unix_ms() - store->idempotency_ms));
    bool more = count > PRUNE_ROWS;
    count = more ? PRUNE_ROWS : count;
    for (size_t i = 0; i < count; i++) {
        const struct stored_answer *stored = index_row(by_age, i);
        (void)index_remove(&store->database->indexes[ANSWERS], stored->record.key);
    }
    index_remove_places(by_age, 0, count);
    return more;
}

bool memory_maintain(struct store *store, bool idle, bool *ret_more, struct fault *fault)
{
    assert(!store->in_batch);
    if (!memory_schema_check(store, fault)) {
        return false;
    }
    if (store->clock_ahead_ms != 0) {
        recall(store);
    }
    *ret_more = prune_answers(store) && idle;
    return true;
}

bool memory_try_write(struct store *store, struct fault *fault)
{
    return memory_schema_check(store, fault);
}

/* ---- Keys ---- */

bool memory_read_keys(struct reader *reader, struct arena *arena, struct key_row **ret_rows, size_t *ret_count,
                      struct fault *fault)
{
    const struct index *keys = &reader->store->database->indexes[API_KEYS];
    struct key_row *rows = arena_array(arena, keys->count, sizeof(*rows));
    (void)fault;
    for (size_t i = 0; i < keys->count; i++) {
        rows[i] = *(const struct key_row *)index_row(keys, i);
        rows[i].name = arena_text(arena, rows[i].name);
        rows[i].hint = arena_text(arena, rows[i].hint);
    }
    *ret_rows = rows;
    *ret_count = keys->count;
    return true;
}

bool memory_key_create(struct store *store, const struct key_row *key, struct fault *fault)
{
    struct memory_database *database = store->database;
    struct index *keys = &database->indexes[API_KEYS];
    struct key place;
    if (!memory_schema_check(store, fault)) {
        return false;
    }
    for (size_t i = 0; i < keys->count; i++) {
        const struct key_row *other = index_row(keys, i);
        bool has_name = other->revoked_at_ms == 0 && text_equal(other->name, key->name);
        if (has_name || uuid_equal(other->id, key->id) || memcmp(other->hash, key->hash, sizeof(key->hash)) == 0) {
            return fault_set(fault, FAULT_CONSTRAINT, "a key named \"%.*s\" is in force, or has the same id or hash",
                             (int)key->name.length, key->name.bytes);
        }
    }
    struct key_row *stored = arena_alloc(database->arena, sizeof(*stored));
    *stored = *key;
    stored->name = arena_text(database->arena, key->name);
    stored->hint = arena_text(database->arena, key->hint);
    stored->revoked_at_ms = 0;
    index_add(keys, database->arena, key_of_time(&place, key->created_at_ms, &key->id), stored);
    return true;
}

bool memory_key_revoke(struct store *store, struct text id_or_name, int64_t now_ms, bool *ret_found,
                       struct fault *fault)
{
    struct index *keys = &store->database->indexes[API_KEYS];
    struct uuid id;
    bool is_id = uuid_parse(id_or_name, &id);
    bool found = false;
    if (!memory_schema_check(store, fault)) {
        return false;
    }
    for (size_t i = 0; i < keys->count; i++) {
        struct key_row *key = index_row(keys, i);
        bool is_in_force = key->revoked_at_ms == 0;
        if (is_id ? uuid_equal(key->id, id) : is_in_force && text_equal(key->name, id_or_name)) {
            key->revoked_at_ms = is_in_force ? now_ms : key->revoked_at_ms;
            found = true;
        }
    }
    *ret_found = found;
    return true;
}
