/* A batch is two exchanges: begin and load, then save and commit. batch_begin sends nothing, batch_save only queues. */

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/postgres/postgres_internal.h"
#include "store/postgres/values.h"

#define TAKE_OVER_MS_MAX 5000
#define RESOLVE_US_MAX INT64_C(8000000) /* how long a commit's fate is asked after */
#define RESOLVE_PAUSE_US 20000

static const struct statement BEGIN = {"begin", "BEGIN"};
/* For some seconds after a lock was waited for in vain: a twin that works gives its locks back sooner than this. */
static const struct statement BE_IMPATIENT = {"be_impatient", "SET LOCAL lock_timeout = '100ms'"};
static const struct statement ROLLBACK = {"rollback", "ROLLBACK"};
static const struct statement COMMIT = {"commit", "COMMIT"};

/* The first thing on each connection. It waits until a transaction of the one before has ended, if that holds the
 * row; and if that comes later (some network kept it), it finds that its connection is not the process's any more.
 * Being a transaction itself, this is only answered once it, and what it read, is as durable as this database makes
 * things. */
static const struct statement TAKE_OVER = {
    "take_over", "INSERT INTO writers AS w (writer_id, batch, connection, written_at) "
                 "VALUES ($1::uuid, 0, $2::bigint, clock_timestamp()) ON CONFLICT (writer_id) DO UPDATE "
                 "SET connection = excluded.connection, written_at = excluded.written_at RETURNING batch"};

static bool take_over(struct store *store, int64_t ms_max, struct fault *fault)
{
    int64_t number = session_connection_number(store->session);
    struct parameters *parameters = session_parameters(store->session);
    parameter_uuid(parameters, store->writer_id);
    parameter_int64(parameters, number);
    size_t taken = session_queue(store->session, &TAKE_OVER);
    if (!session_exchange_within(store->session, ms_max, fault)) {
        return false;
    }
    store->committed_batch = value_int64(session_result(store->session, taken), 0, 0);
    store->connection = number;
    return true;
}

bool store_connect(struct store *store, struct fault *fault)
{
    if (!session_connect(store->session, fault)) {
        return false;
    }
    return store->connection == session_connection_number(store->session) ||
           (take_over(store, TAKE_OVER_MS_MAX, fault) && store_look(store, fault));
}

bool postgres_batch_begin(struct store *store, int64_t *ret_now_ms, struct fault *fault)
{
    assert(!store->in_batch);
    int64_t turn_connection = store->has_turn ? store->connection : 0;
    store->has_turn = false;
    if (!postgres_get_ready(store, fault) || !store_connect(store, fault)) {
        return false;
    }
    store->in_batch = true;
    store->in_turn = turn_connection == store->connection;
    store->has_begun = store->in_turn;
    store->must_lock = store->has_saved && store_meets_others(store);
    store->has_saved = false;
    *ret_now_ms = store_advance(store);
    return true;
}

void batch_queue_begin(struct store *store)
{
    if (!store->has_begun) {
        (void)session_parameters(store->session);
        (void)session_queue(store->session, &BEGIN);
        if (clock_monotonic_us() < store->impatient_until_us) {
            (void)session_queue(store->session, &BE_IMPATIENT);
        }
        store->has_begun = true;
    }
}

static void end_batch(struct store *store)
{
    store->in_batch = false;
    store->has_begun = false;
}

void postgres_batch_rollback(struct store *store)
{
    if (!store->in_batch) {
        return;
    }
    store->due.is_known = false; /* what was taken out of it may not be there any more */
    batch_abandon(store);
    end_batch(store);
}

void batch_abandon(struct store *store)
{
    struct fault ignored;
    /* Where statements are queued they run first, and one that fails keeps the first ROLLBACK from being reached. */
    for (int i = 0; i < 2 && store->has_begun && session_is_connected(store->session); i++) {
        (void)session_parameters(store->session);
        (void)session_queue(store->session, &ROLLBACK);
        store->has_begun = !session_exchange(store->session, &ignored);
    }
    if (store->has_begun) {
        session_disconnect(store->session);
        store->has_begun = false;
    }
}

/* COMMIT was sent, and the connection lost before its answer. True: it is known what became of it. */
static bool resolve(struct store *store, bool *ret_is_committed)
{
    struct fault ignored;
    int64_t until_us = clock_monotonic_us() + RESOLVE_US_MAX;
    do {
        int64_t left_ms = (until_us - clock_monotonic_us()) / 1000;
        if (session_connect(store->session, &ignored) && take_over(store, left_ms, &ignored)) {
            *ret_is_committed = store->committed_batch == store->batch;
            return true;
        }
        (void)usleep(RESOLVE_PAUSE_US);
    } while (clock_monotonic_us() < until_us);
    return false;
}

static bool is_committed(const PGresult *commit)
{
    /* PQcmdStatus wants to write: in a transaction that had failed, COMMIT would answer ROLLBACK. */
    return commit != NULL && PQresultStatus(commit) == PGRES_COMMAND_OK &&
           strcmp(PQcmdStatus((PGresult *)(uintptr_t)commit), "COMMIT") == 0;
}

static void take_commit(struct store *store)
{
    atomic_store_explicit(&store->live_holds, value_int64(session_result(store->session, store->counted), 0, 0),
                          memory_order_relaxed);
    store_take_due(store, session_result(store->session, store->looked));
}

bool postgres_batch_commit(struct store *store, struct fault *fault)
{
    bool was_committed;
    assert(store->in_batch);
    (void)session_parameters(store->session);
    size_t number = session_queue(store->session, &COMMIT);
    bool is_answered = session_exchange(store->session, fault);
    if (is_committed(session_result(store->session, number))) {
        take_commit(store);
        end_batch(store);
        return true;
    }
    if (is_answered) {
        session_disconnect(store->session);
        return fault_set(fault, FAULT_INTERNAL, "a COMMIT was answered otherwise");
    }
    if (session_is_connected(store->session)) {
        store_note_fault(store, fault->kind);
        return false; /* a statement failed, and COMMIT was not reached */
    }
    if (session_refused_before(store->session, number)) {
        end_batch(store);
        fault->kind = fault->kind == FAULT_UNAVAILABLE ? FAULT_CONFLICT : fault->kind; /* perhaps elsewhere */
        return false;
    }
    end_batch(store);
    store->due.is_known = false;
    if (!resolve(store, &was_committed)) {
        fault->kind = FAULT_OUTCOME_UNKNOWN;
        return false;
    }
    if (was_committed) {
        return true;
    }
    fault->kind = FAULT_CONFLICT; /* it is not there: plan it again */
    return false;
}
