/* The databases of this process, and what opens and closes them. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "memory_internal.h"

#define SCHEMA_VERSION 1
#define ARENA_BYTES ((size_t)256 * 1024)
#define IDEMPOTENCY_MS (INT64_C(24) * 60 * 60 * 1000)

static struct memory_database *databases;

static struct memory_database **find_database(const char *location)
{
    struct memory_database **place = &databases;
    while (*place != NULL && strcmp((*place)->location, location) != 0) {
        place = &(*place)->next;
    }
    return place;
}

static struct memory_database *make_database(const char *location)
{
    struct memory_database *database = memory_zalloc(1, sizeof(*database));
    database->location = strdup(location);
    assert(database->location != NULL);
    database->arena = arena_new(ARENA_BYTES);
    database->last_delivery_at_us = INT64_MIN;
    return database;
}

void memory_database_discard(const char *location)
{
    struct memory_database **place = find_database(location);
    struct memory_database *database = *place;
    if (database == NULL) {
        return;
    }
    assert(database->stores == NULL);
    *place = database->next;
    for (size_t i = 0; i < INDEX_COUNT; i++) {
        index_done(&database->indexes[i]);
    }
    arena_free(database->arena);
    free(database->location);
    free(database);
}

static bool memory_open(const struct store_options *options, struct store **ret_store, struct fault *fault)
{
    struct memory_database **place = find_database(options->location);
    if (*place == NULL && !options->create) {
        return fault_set(fault, FAULT_UNAVAILABLE, "there is no database at %s", options->location);
    }
    if (*place == NULL) {
        *place = make_database(options->location);
    }
    struct store *store = memory_zalloc(1, sizeof(*store));
    store->database = *place;
    store->unix_ms = options->unix_ms == NULL ? clock_unix_ms : options->unix_ms;
    store->idempotency_ms = options->idempotency_ms == 0 ? IDEMPOTENCY_MS : options->idempotency_ms;
    struct store **last = &store->database->stores;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = store;
    *ret_store = store;
    return true;
}

static void memory_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    assert(store->watches == NULL);
    memory_batch_rollback(store);
    struct store **place = &store->database->stores;
    while (*place != store) {
        place = &(*place)->next;
    }
    *place = store->next;
    free(store->held);
    free(store);
}

bool memory_schema_check(struct store *store, struct fault *fault)
{
    return store->database->is_migrated ||
           fault_set(fault, FAULT_SCHEMA, "the database has schema 0 and this program needs %d", SCHEMA_VERSION);
}

static bool memory_migrate(struct store *store, struct migration_report *ret_report, struct fault *fault)
{
    struct memory_database *database = store->database;
    (void)fault;
    *ret_report = (struct migration_report){database->is_migrated ? SCHEMA_VERSION : 0, SCHEMA_VERSION};
    if (!database->is_migrated) {
        struct stored_queue *maintenance = arena_zalloc(database->arena, sizeof(*maintenance));
        maintenance->queue = (struct job_queue){.name = TEXT_LITERAL("maintenance"), .version = 1};
        index_add(&database->indexes[QUEUES], database->arena, maintenance->queue.name, maintenance);
        database->is_migrated = true;
    }
    return true;
}

static int64_t memory_now(const struct store *store)
{
    return store->unix_ms();
}

int64_t store_advance(struct store *store)
{
    clock_advance(store->unix_ms(), &store->now_ms, &store->clock_ahead_ms);
    return store->now_ms;
}

static void memory_stats(struct store *store, struct store_stats *ret_stats)
{
    *ret_stats = (struct store_stats){
        .live_holds = store->database->live_holds,
        .database_bytes = (int64_t)arena_bytes(store->database->arena),
    };
}

static bool memory_reader_open(struct store *store, struct reader **ret_reader, struct fault *fault)
{
    struct reader *reader = memory_zalloc(1, sizeof(*reader));
    (void)fault;
    reader->store = store;
    *ret_reader = reader;
    return true;
}

static void memory_reader_close(struct reader *reader)
{
    free(reader);
}

static bool memory_read_ping(struct reader *reader, struct fault *fault)
{
    return memory_schema_check(reader->store, fault);
}

static bool memory_watch_start(struct store *store, void (*changed)(void *context, int64_t job_at_ms), void *context,
                               struct watch **ret_watch, struct fault *fault)
{
    struct watch *watch = memory_zalloc(1, sizeof(*watch));
    (void)fault;
    *watch = (struct watch){.store = store, .next = store->watches, .changed = changed, .context = context};
    store->watches = watch;
    *ret_watch = watch;
    return true;
}

static void memory_watch_stop(struct watch *watch)
{
    if (watch == NULL) {
        return;
    }
    struct watch **place = &watch->store->watches;
    while (*place != watch) {
        place = &(*place)->next;
    }
    *place = watch->next;
    free(watch);
}

const struct store_ops MEMORY_STORE = {
    .name = "memory",
    .open = memory_open,
    .migrate = memory_migrate,
    .schema_check = memory_schema_check,
    .close = memory_close,
    .now = memory_now,
    .batch_begin = memory_batch_begin,
    .batch_due = memory_batch_due,
    .batch_load = memory_batch_load,
    .batch_save = memory_batch_save,
    .batch_commit = memory_batch_commit,
    .batch_rollback = memory_batch_rollback,
    .next_due = memory_next_due,
    .maintain = memory_maintain,
    .try_write = memory_try_write,
    .stats = memory_stats,
    .reader_open = memory_reader_open,
    .reader_close = memory_reader_close,
    .read_ping = memory_read_ping,
    .read_order = memory_read_order,
    .read_orders = memory_read_orders,
    .read_product = memory_read_product,
    .read_products = memory_read_products,
    .read_variant = memory_read_variant,
    .read_movements = memory_read_movements,
    .read_reservations = memory_read_reservations,
    .read_events = memory_read_events,
    .read_last_sequence = memory_read_last_sequence,
    .read_jobs = memory_read_jobs,
    .read_job = memory_read_job,
    .read_queues = memory_read_queues,
    .read_schedules = memory_read_schedules,
    .read_endpoints = memory_read_endpoints,
    .read_keys = memory_read_keys,
    .watch_start = memory_watch_start,
    .watch_stop = memory_watch_stop,
    .key_create = memory_key_create,
    .key_revoke = memory_key_revoke,
    .audit = memory_audit,
};
