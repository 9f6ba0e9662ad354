#include <assert.h>

#include "base/clock.h"
#include "store/postgres/postgres_internal.h"
#include "store/postgres/values.h"

#define PRUNE_ROWS 500
#define PRUNE_PAUSE_US INT64_C(60000000)
#define PRUNE_PAUSE_BUSY_US INT64_C(15000) /* between slices while orders are coming in: as fast as keys can come */
#define MEASURE_PAUSE_US INT64_C(30000000)

/* Several servers prune side by side: each takes what no other is at. */
static const struct statement PRUNE_KEYS = {
    "prune_keys", "WITH gone AS (DELETE FROM idempotency_keys WHERE key = ANY (ARRAY(SELECT key FROM idempotency_keys "
                  "WHERE created_at < $1::timestamptz ORDER BY created_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED)) "
                  "RETURNING 1) SELECT count(*) FROM gone"};
static const struct statement PRUNE_WRITERS = {
    "prune_writers", "DELETE FROM writers WHERE writer_id IN (SELECT writer_id FROM writers "
                     "WHERE written_at < clock_timestamp() - interval '1 day' FOR UPDATE SKIP LOCKED)"};
static const struct statement MEASURE = {"measure", "SELECT pg_database_size(current_database())"};

static bool prune(struct store *store, bool idle, int64_t now_us, bool *ret_more, struct fault *fault)
{
    struct parameters *parameters = session_parameters(store->session);
    parameter_time(parameters, postgres_now(store) - store->idempotency_ms);
    parameter_int64(parameters, PRUNE_ROWS);
    size_t number = session_queue(store->session, &PRUNE_KEYS);
    (void)session_parameters(store->session);
    (void)session_queue(store->session, &PRUNE_WRITERS);
    if (!session_exchange(store->session, fault)) {
        return false;
    }
    bool more = value_int64(session_result(store->session, number), 0, 0) == PRUNE_ROWS;
    *ret_more = more && idle;
    store->prune_at_us = now_us + (more ? (idle ? 0 : PRUNE_PAUSE_BUSY_US) : PRUNE_PAUSE_US);
    return true;
}

bool store_measure(struct store *store, struct fault *fault)
{
    (void)session_parameters(store->session);
    size_t number = session_queue(store->session, &MEASURE);
    if (!session_exchange(store->session, fault)) {
        return false;
    }
    atomic_store_explicit(&store->database_bytes, value_int64(session_result(store->session, number), 0, 0),
                          memory_order_relaxed);
    store->measure_at_us = clock_monotonic_us() + MEASURE_PAUSE_US;
    return true;
}

/* Checkpoints and vacuum are the server's own. */
bool postgres_maintain(struct store *store, bool idle, bool *ret_more, struct fault *fault)
{
    int64_t now_us = clock_monotonic_us();
    assert(!store->in_batch);
    *ret_more = false;
    if (!store->ready || !session_is_connected(store->session)) {
        return true; /* the next look or batch connects */
    }
    return (now_us < store->prune_at_us || prune(store, idle, now_us, ret_more, fault)) &&
           (now_us < store->measure_at_us || store_measure(store, fault));
}
