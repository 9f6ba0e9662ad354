#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "store/sqlite/idempotency_rows.h"
#include "store/sqlite/sqlite_internal.h"

#define RECOUNT_PAUSE_US INT64_C(1000000)
#define PRUNE_ROUND_MS (INT64_C(60) * 60 * 1000)
#define GATE_HOLD_US INT64_C(1000000)   /* how long new reads may be held: most reads inside end far sooner */
#define GATE_PAUSE_US INT64_C(10000000) /* before it is tried again, where some read was longer */
#define RECALL_ROWS 10000
#define KEPT_LOG_PAUSE_US INT64_C(60000000) /* between two warnings that the log grows */

/* ?1: now; ?2: how far the clock was ahead, or how many. Jobs for whose time nobody asked: it was that at which they were
 * queued, or the end of a pause. */
static const char RECALL_JOBS[] =
    "UPDATE jobs SET run_at = ?1 WHERE job_no IN (SELECT job_no FROM jobs "
    "WHERE state = 'scheduled' AND run_at > ?1 AND (run_at = created_at OR started_at > ?1) "
    "LIMIT ?2)";
static const char RECALL_LEASES[] =
    "UPDATE jobs SET lease_until = lease_until - ?2 WHERE state = 'running' AND lease_until > ?1 + ?2";
static const char RECALL_HOLDS[] =
    "UPDATE webhook_endpoints SET held_until = held_until - ?2 WHERE held_until > ?1 + ?2";
static const char RECALL_NOTICES[] = "UPDATE payment_notices SET expires_at = expires_at - ?2 WHERE expires_at > ?1";

/* Copies what readers allow of the log into the database; never waits for them.
 *
 * What a checkpoint copied that readers cut short SQLite counts as copied, and leaves it to a later one to sync. Where that
 * sync fails the system may have dropped these pages, the next sync succeeds all the same (so does Linux), and the log
 * would start again over their only copy. It is kept from then on, by every process that has the database open (see
 * store_keeps_log); whoever opens it when nobody has it open any more copies all of it again (docs/decisions/0008). */
static bool checkpoint(struct store *store, struct fault *fault)
{
    int log_pages;
    int copied_pages;
    if (store_keeps_log(store)) {
        return true;
    }
    int code =
        sqlite3_wal_checkpoint_v2(store->writer.database, NULL, SQLITE_CHECKPOINT_PASSIVE, &log_pages, &copied_pages);
    store_note_checkpoint(store, code);
    if ((code & 0xff) == SQLITE_BUSY) {
        return true; /* another process is at it */
    }
    if (code != SQLITE_OK) {
        return connection_fault(store->writer.database, code, fault);
    }
    atomic_store_explicit(&store->log_pages, log_pages, memory_order_relaxed);
    store->copied_pages = copied_pages;
    return true;
}

static bool checkpoint_if_due(struct store *store, bool idle, struct fault *fault)
{
    int64_t log_pages = atomic_load_explicit(&store->log_pages, memory_order_relaxed);
    if (log_pages < store->copied_pages) {
        store->copied_pages = 0; /* the log started again */
    }
    int64_t limit = idle ? store->checkpoint_idle_pages : store->checkpoint_pages;
    if (log_pages - store->copied_pages < limit || !store_try_lock_writing(store)) {
        return true;
    }
    bool ok = checkpoint(store, fault);
    store_unlock_writing(store);
    return ok;
}

static bool close_gate_if_due(struct store *store, int64_t now_us)
{
    int64_t log_pages = atomic_load_explicit(&store->log_pages, memory_order_relaxed);
    if (log_pages < store->gate_pages || log_pages == store->copied_pages || now_us < store->gate_next_us ||
        store->keeps_log) {
        return false;
    }
    store->gate_closed_until_us = now_us + GATE_HOLD_US;
    store->gate_next_us = store->gate_closed_until_us + GATE_PAUSE_US;
    read_gate_close(&store->gate, store->gate_closed_until_us);
    return true;
}

/* The log is far larger than a checkpoint leaves it: some reader was inside at every moment at which it could have
 * started again. With the gate shut and nobody inside, one more checkpoint is complete, and the next write begins at
 * the log's beginning whatever reads come then (they find everything in the database). */
static bool hold_reads_if_due(struct store *store, bool *ret_more, struct fault *fault)
{
    int64_t now_us = clock_monotonic_us();
    bool ok = true;
    if (store->gate_closed_until_us == 0) {
        *ret_more = close_gate_if_due(store, now_us);
        return true;
    }
    if (read_gate_is_empty(&store->gate) && store_try_lock_writing(store)) {
        ok = checkpoint(store, fault);
        store_unlock_writing(store);
        if (store->copied_pages == atomic_load_explicit(&store->log_pages, memory_order_relaxed)) {
            store->gate_next_us = 0; /* complete; otherwise a process beside this one is reading */
        }
    } else if (now_us < store->gate_closed_until_us) {
        *ret_more = true;
        return true;
    }
    read_gate_open(&store->gate);
    store->gate_closed_until_us = 0;
    return ok;
}

typedef bool run_in_slice(struct store *store, int64_t now_ms, bool *ret_more, struct fault *fault);

static bool run_slice(struct store *store, run_in_slice *run, int64_t now_ms, bool *ret_more, struct fault *fault)
{
    struct fault ignored;
    if (!connection_run(&store->writer, "BEGIN IMMEDIATE", fault)) {
        return false;
    }
    bool ok = run(store, now_ms, ret_more, fault) && connection_run(&store->writer, "COMMIT", fault);
    if (!ok && sqlite3_get_autocommit(store->writer.database) == 0) {
        (void)!connection_run(&store->writer, "ROLLBACK", &ignored);
    }
    return ok;
}

static bool recall(struct store *store, const char *sql, int64_t now_ms, int64_t number, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(&store->writer, sql, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, now_ms);
    bind_int64(statement, 2, number);
    return statement_run(statement, fault);
}

static bool recall_slice(struct store *store, int64_t now_ms, bool *ret_more, struct fault *fault)
{
    if (!recall(store, RECALL_JOBS, now_ms, RECALL_ROWS, fault)) {
        return false;
    }
    *ret_more = sqlite3_changes(store->writer.database) == RECALL_ROWS;
    store->endpoints_known = false;
    return *ret_more || (recall(store, RECALL_LEASES, now_ms, store->clock_ahead_ms, fault) &&
                         recall(store, RECALL_HOLDS, now_ms, store->clock_ahead_ms, fault) &&
                         recall(store, RECALL_NOTICES, now_ms, store->clock_ahead_ms, fault));
}

/* What was put off by a clock that was far ahead and has been put right would wait until it is as late again. The
 * deadlines of orders stay: customers were told of them. */
static bool recall_if_due(struct store *store, bool *ret_more, struct fault *fault)
{
    bool more = false;
    if (store->clock_ahead_ms == 0 || !store_try_lock_writing(store)) {
        return true;
    }
    bool ok = run_slice(store, recall_slice, store->unix_ms(), &more, fault);
    store_unlock_writing(store);
    if (ok && !more) {
        store->clock_ahead_ms = 0;
    }
    *ret_more = *ret_more || more;
    return ok;
}

static bool prune_slice(struct store *store, int64_t now_ms, bool *ret_more, struct fault *fault)
{
    return idempotency_prune(&store->writer, store->prune_before_ms, now_ms + store->idempotency_ms, ret_more, fault);
}

/* One slice a call. A round forgets all keys that are old enough and happens every hour: when nothing waits, or, where
 * that never happens, an hour later under load. */
static bool prune_if_due(struct store *store, bool idle, bool *ret_more, struct fault *fault)
{
    int64_t now_ms = store->unix_ms();
    int64_t patience_ms = idle || store->prune_round ? 0 : PRUNE_ROUND_MS;
    if (now_ms < store->prune_round_at_ms + patience_ms || !store_try_lock_writing(store)) {
        return true;
    }
    if (!store->prune_round) {
        store->prune_before_ms = now_ms - store->idempotency_ms;
    }
    bool more = false;
    bool ok = run_slice(store, prune_slice, now_ms, &more, fault) &&
              deferred_index_look_first(store->indexes[IDEMPOTENCY_BY_KEY], &store->writer, fault);
    store_unlock_writing(store);
    store->prune_round = ok && more;
    if (store->prune_round) {
        *ret_more = true;
    } else {
        store->prune_round_at_ms = now_ms + PRUNE_ROUND_MS;
    }
    return ok;
}

/* Another process may have expired holds (an import sweeps as it goes), which this one did not count. */
static bool recount_if_due(struct store *store, struct fault *fault)
{
    int64_t holds;
    int64_t now_us = clock_monotonic_us();
    if (!store->recount_holds || now_us < store->recount_at_us) {
        return true;
    }
    if (!connection_read_int64(&store->writer, COUNT_HOLDS, 0, &holds, fault)) {
        return false;
    }
    atomic_store_explicit(&store->live_holds, holds, memory_order_relaxed);
    store->recount_holds = false;
    store->recount_at_us = now_us + RECOUNT_PAUSE_US;
    return true;
}

static bool warn_of_kept_log(struct store *store, struct fault *fault)
{
    int64_t now_us = clock_monotonic_us();
    if (!store->keeps_log || now_us < store->kept_log_warning_us) {
        return true;
    }
    store->kept_log_warning_us = now_us + KEPT_LOG_PAUSE_US;
    return fault_set(fault, FAULT_UNAVAILABLE,
                     "the disk failed to sync %s, and its log grows from now on: look at the disk, stop all that have "
                     "it open, and start again",
                     store->path);
}

bool sqlite_maintain(struct store *store, bool idle, bool *ret_more, struct fault *fault)
{
    bool more = false;
    assert(!store->in_batch);
    if (!store_check_place(store, fault) || !store_get_ready(store, fault) || !checkpoint_if_due(store, idle, fault) ||
        !hold_reads_if_due(store, &more, fault) || !recall_if_due(store, &more, fault) ||
        !prune_if_due(store, idle, &more, fault) || !recount_if_due(store, fault)) {
        return false;
    }
    *ret_more = more;
    return warn_of_kept_log(store, fault);
}

/* Setting the version to what it is writes the file's first page. */
static bool write_version(struct store *store, int64_t now_ms, bool *ret_more, struct fault *fault)
{
    char sql[64];
    int64_t version;
    (void)now_ms;
    *ret_more = false;
    if (!connection_read_int64(&store->writer, "PRAGMA user_version", 0, &version, fault)) {
        return false;
    }
    (void)snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", (int)version);
    return connection_run_script(&store->writer, sql, fault);
}

bool sqlite_try_write(struct store *store, struct fault *fault)
{
    bool more;
    if (!store_check_place(store, fault) || !store_get_ready(store, fault) || !store_lock_writing(store, fault)) {
        return false;
    }
    bool ok = run_slice(store, write_version, 0, &more, fault);
    store_unlock_writing(store);
    return ok;
}
