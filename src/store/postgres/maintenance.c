#include <assert.h>

#include "base/clock.h"
#include "store/postgres/jobs.h"
#include "store/postgres/values.h"

#define TRY_WRITE_MS_MAX 5000
#define PRUNE_ROWS 500
#define PRUNE_PAUSE_US INT64_C(60000000)
#define PRUNE_PAUSE_BUSY_US INT64_C(15000) /* between slices while orders are coming in: as fast as keys can come */
#define MEASURE_PAUSE_US INT64_C(30000000)
#define RECALL_ROWS 2000

/* Several servers prune side by side: each takes what no other is at. */
static const struct statement TRY_WRITE = {"try_write", "UPDATE counters SET live_holds = live_holds"};
static const struct statement PRUNE_KEYS = {
    "prune_keys", "WITH gone AS (DELETE FROM idempotency_keys WHERE key = ANY (ARRAY(SELECT key FROM idempotency_keys "
                  "WHERE created_at < $1::timestamptz ORDER BY created_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED)) "
                  "RETURNING 1) SELECT count(*) FROM gone"};
static const struct statement PRUNE_WRITERS = {
    "prune_writers", "DELETE FROM writers WHERE writer_id IN (SELECT writer_id FROM writers "
                     "WHERE written_at < clock_timestamp() - interval '1 day' FOR UPDATE SKIP LOCKED)"};
/* $1: now; $2: how far the clock was ahead, in milliseconds. Jobs for whose time nobody asked: it was that at which they
 * were queued, or the end of a pause, or (of deliveries) a little behind the one before. */
static const struct statement RECALL_JOBS = {
    "recall_jobs",
    "WITH recalled AS (UPDATE jobs SET run_at = $1::timestamptz WHERE job_id = ANY (ARRAY("
    "SELECT job_id FROM jobs WHERE state = 'scheduled' AND run_at > $1::timestamptz "
    "AND (run_at = created_at OR started_at > $1::timestamptz OR (event_sequence IS NOT NULL AND attempt = 0)) "
    "LIMIT $2::bigint FOR UPDATE SKIP LOCKED)) "
    "RETURNING 1) SELECT count(*) FROM recalled"};
#define AHEAD "$2::bigint * interval '1 ms'"
static const struct statement RECALL_LEASES = {
    "recall_leases", "UPDATE jobs SET lease_until = lease_until - " AHEAD " WHERE job_id = ANY (ARRAY("
                     "SELECT job_id FROM jobs WHERE state = 'running' AND lease_until > $1::timestamptz + " AHEAD
                     " FOR UPDATE SKIP LOCKED))"};
static const struct statement RECALL_HOLDS = {"recall_holds",
                                              "UPDATE webhook_endpoints SET held_until = held_until - " AHEAD
                                              " WHERE held_until > $1::timestamptz + " AHEAD};
static const struct statement RECALL_NOTICES = {"recall_notices",
                                                "UPDATE payment_notices SET expires_at = expires_at - " AHEAD
                                                " WHERE expires_at > $1::timestamptz"};
static const struct statement MEASURE = {"measure", "SELECT pg_database_size(current_database())"};

static size_t queue_recall(struct store *store, const struct statement *statement, int64_t number)
{
    struct parameters *parameters = session_parameters(store->session);
    parameter_time(parameters, postgres_now(store));
    parameter_int64(parameters, number);
    return session_queue(store->session, statement);
}

/* What was put off by a clock that was far ahead and has been put right would wait until it is as late again. The
 * deadlines of orders stay: customers were told of them. */
static bool recall(struct store *store, bool *ret_more, struct fault *fault)
{
    size_t jobs = queue_recall(store, &RECALL_JOBS, RECALL_ROWS);
    if (!session_exchange(store->session, fault)) {
        return false;
    }
    store->heads->full_look_us = 0;
    *ret_more = value_int64(session_result(store->session, jobs), 0, 0) == RECALL_ROWS;
    if (*ret_more) {
        return true;
    }
    (void)queue_recall(store, &RECALL_LEASES, store->clock_ahead_ms);
    (void)queue_recall(store, &RECALL_HOLDS, store->clock_ahead_ms);
    (void)queue_recall(store, &RECALL_NOTICES, store->clock_ahead_ms);
    if (!session_exchange(store->session, fault)) {
        return false;
    }
    store->clock_ahead_ms = 0;
    return true;
}

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
    return (store->clock_ahead_ms == 0 || recall(store, ret_more, fault)) &&
           (now_us < store->prune_at_us || prune(store, idle, now_us, ret_more, fault)) &&
           (now_us < store->measure_at_us || store_measure(store, fault));
}

bool postgres_try_write(struct store *store, struct fault *fault)
{
    if (!postgres_get_ready(store, fault) || !store_connect(store, fault)) {
        return false;
    }
    (void)session_parameters(store->session);
    (void)session_queue(store->session, &TRY_WRITE);
    return session_exchange_within(store->session, TRY_WRITE_MS_MAX, fault);
}
