#include "store/postgres/postgres_store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/postgres/jobs.h"

#define READ_TIMEOUT_MS 5000
#define IDEMPOTENCY_MS (INT64_C(24) * 60 * 60 * 1000)
#define BATCH_MS_MAX 15000 /* above all limits below: the server ends a statement before the session is given up */

/* The writer finds rows by their keys, always: plans are made once, and never for a table that happens to be small at
 * that moment. A twin that stopped in the middle of a batch loses its locks after five seconds. Nothing is answered
 * before it is on disk, whatever the role's default. */
static const char WRITER_SETTINGS[] =
    "SET statement_timeout = '10s'; SET lock_timeout = '2s'; SET idle_in_transaction_session_timeout = '5s'; "
    "SET tcp_user_timeout = '8s'; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; "
    "SET tcp_keepalives_count = 3; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; "
    "SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; SET timezone = 'UTC'; "
    "SET default_transaction_isolation = 'read committed'; SET client_min_messages = error; "
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

static void store_free(struct store *store)
{
    session_free(store->session);
    free(store->heads);
    free(store->read_uri);
    free(store->uri);
    free(store);
}

static bool postgres_open(const struct store_options *options, struct store **ret_store, struct fault *fault)
{
    struct uuid_source ids;
    struct store *store = memory_zalloc(1, sizeof(*store));
    store->uri = strdup(options->location);
    store->read_uri = options->read_location == NULL ? NULL : strdup(options->read_location);
    store->unix_ms = options->unix_ms;
    store->read_timeout_ms = options->read_timeout_ms == 0 ? READ_TIMEOUT_MS : options->read_timeout_ms;
    store->idempotency_ms = options->idempotency_ms == 0 ? IDEMPOTENCY_MS : options->idempotency_ms;
    uuid_source_init(&ids, NULL, NULL);
    store->heads = memory_zalloc(1, sizeof(*store->heads));
    store->writer_id = uuid_source_next(&ids, clock_unix_ms());
    store->session = session_new(&(struct session_options){.uri = store->uri,
                                                           .settings = WRITER_SETTINGS,
                                                           .exchange_ms_max = BATCH_MS_MAX,
                                                           .let_in_us = &store->let_in_us});
    if (!session_connect(store->session, fault)) {
        store_free(store);
        return false;
    }
    *ret_store = store;
    return true;
}

static void postgres_close(struct store *store)
{
    if (store != NULL) {
        assert(!store->in_batch);
        store_free(store);
    }
}

static void postgres_stats(struct store *store, struct store_stats *ret_stats)
{
    *ret_stats = (struct store_stats){
        .live_holds = atomic_load_explicit(&store->live_holds, memory_order_relaxed),
        .database_bytes = atomic_load_explicit(&store->database_bytes, memory_order_relaxed),
        .replica_fallbacks = atomic_load_explicit(&store->replica_fallbacks, memory_order_relaxed),
    };
}

const struct store_ops POSTGRES_STORE = {
    .name = "postgres",
    .open = postgres_open,
    .migrate = postgres_migrate,
    .schema_check = postgres_schema_check,
    .close = postgres_close,
    .now = postgres_now,
    .await_turn = postgres_await_turn,
    .batch_begin = postgres_batch_begin,
    .batch_due = postgres_batch_due,
    .batch_load = postgres_batch_load,
    .batch_save = postgres_batch_save,
    .batch_commit = postgres_batch_commit,
    .batch_rollback = postgres_batch_rollback,
    .next_due = postgres_next_due,
    .maintain = postgres_maintain,
    .try_write = postgres_try_write,
    .stats = postgres_stats,
    .reader_open = postgres_reader_open,
    .reader_close = postgres_reader_close,
    .read_ping = postgres_read_ping,
    .read_order = postgres_read_order,
    .read_orders = postgres_read_orders,
    .read_product = postgres_read_product,
    .read_products = postgres_read_products,
    .read_variant = postgres_read_variant,
    .read_movements = postgres_read_movements,
    .read_reservations = postgres_read_reservations,
    .read_events = postgres_read_events,
    .read_last_sequence = postgres_read_last_sequence,
    .read_jobs = postgres_read_jobs,
    .read_job = postgres_read_job,
    .read_queues = postgres_read_queues,
    .read_schedules = postgres_read_schedules,
    .read_endpoints = postgres_read_endpoints,
    .watch_start = postgres_watch_start,
    .watch_stop = postgres_watch_stop,
    .read_keys = postgres_read_keys,
    .key_create = postgres_key_create,
    .key_revoke = postgres_key_revoke,
    .audit = postgres_audit,
};
