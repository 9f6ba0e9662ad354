#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/postgres/postgres_internal.h"
#include "store/postgres/values.h"

#define REPLICA_WARNING_US INT64_C(60000000)

/* Above statement_timeout, so that it is the server that ends a read that takes too long. */
#define ANSWER_MS_SPARE 5000

/* Every read finds its rows through an index, always: plans are made once, and never for a table that happens to be
 * small, or not to have been counted yet, at that moment. */
#define SETTINGS                                                                                        \
    "SET statement_timeout = %lld; SET default_transaction_read_only = on; "                            \
    "SET default_transaction_isolation = 'repeatable read'; SET plan_cache_mode = force_generic_plan; " \
    "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; "                \
    "SET enable_mergejoin = off; SET jit = off; SET timezone = 'UTC'; SET client_min_messages = error"

static const struct statement PING = {"ping", "SELECT max(number) FROM holdfast_migrations"};
/* Not the same of two shops that were made apart, and always of a replica. A copy that was restored elsewhere passes. */
static const struct statement SELECT_MADE_AT = {"made_at",
                                                "SELECT applied_at FROM holdfast_migrations WHERE number = 1"};

static struct session *new_session(const struct reader *reader, bool is_replica)
{
    struct store *store = reader->store;
    return session_new(&(struct session_options){
        .uri = is_replica ? store->read_uri : store->uri,
        .settings = reader->settings,
        .any_server = is_replica,
        .exchange_ms_max = store->read_timeout_ms + ANSWER_MS_SPARE,
        .let_in_us = is_replica ? &store->replica_let_in_us : &store->let_in_us,
    });
}

static bool read_made_at(struct session *session, int64_t *ret_made_at, struct fault *fault)
{
    (void)session_parameters(session);
    size_t number = session_queue(session, &SELECT_MADE_AT);
    if (!session_exchange(session, fault)) {
        return false;
    }
    const PGresult *made = session_result(session, number);
    *ret_made_at = PQntuples(made) == 0 ? 0 : value_int64(made, 0, 0);
    return true;
}

bool postgres_reader_open(struct store *store, struct reader **ret_reader, struct fault *fault)
{
    struct reader *reader = memory_zalloc(1, sizeof(*reader));
    reader->store = store;
    (void)snprintf(reader->settings, sizeof(reader->settings), SETTINGS, (long long)store->read_timeout_ms);
    reader->primary = new_session(reader, false);
    reader->replica = store->read_uri == NULL ? NULL : new_session(reader, true);
    if (!session_connect(reader->primary, fault) ||
        (reader->replica != NULL && !read_made_at(reader->primary, &reader->made_at, fault))) {
        postgres_reader_close(reader);
        return false;
    }
    *ret_reader = reader;
    return true;
}

void postgres_reader_close(struct reader *reader)
{
    if (reader != NULL) {
        session_free(reader->replica);
        session_free(reader->primary);
        free(reader);
    }
}

/* On each new connection: the address may lead elsewhere by now. */
static bool check_replica(struct reader *reader, struct fault *fault)
{
    int64_t made_at;
    int64_t number = session_connection_number(reader->replica);
    if (number == reader->replica_is_of_number) {
        return true;
    }
    if (!read_made_at(reader->replica, &made_at, fault)) {
        return false;
    }
    if (made_at == 0 || made_at != reader->made_at) {
        return fault_set(fault, FAULT_SCHEMA, "it is no replica of this database, but another shop");
    }
    reader->replica_is_of_number = number;
    return true;
}

static bool exchange(struct reader *reader, struct session *session, const struct read *read, struct fault *fault)
{
    if (!session_connect(session, fault) || (session == reader->replica && !check_replica(reader, fault))) {
        return false;
    }
    read->queue(session, read->context);
    return session_exchange(session, fault);
}

/* Reading may be repeated: a connection that was lost since it was last used is nobody's news. */
static bool exchange_again(struct reader *reader, struct session *session, const struct read *read, struct fault *fault)
{
    bool was_connected = session_is_connected(session);
    return exchange(reader, session, read, fault) ||
           (was_connected && !session_is_connected(session) && fault->kind == FAULT_UNAVAILABLE &&
            exchange(reader, session, read, fault));
}

/* The primary answers, so nobody else hears of it. Once a minute, by whichever thread is first. */
static void note_fallback(struct store *store, const struct fault *fault)
{
    int64_t now_us = clock_monotonic_us();
    int64_t warned_us = atomic_load(&store->replica_warned_us);
    atomic_fetch_add_explicit(&store->replica_fallbacks, 1, memory_order_relaxed);
    if ((warned_us == 0 || now_us - warned_us >= REPLICA_WARNING_US) &&
        atomic_compare_exchange_strong(&store->replica_warned_us, &warned_us, now_us)) {
        log_message(fault->kind == FAULT_SCHEMA ? LOG_ERROR : LOG_WARN, "read_database_failed",
                    "lists come from the primary: %s: %s", fault_kind_name(fault->kind), fault->detail);
    }
}

static bool run(struct reader *reader, const struct read *read, struct session **ret_session, struct fault *fault)
{
    /* What a replica cannot answer (it is away, behind with the schema, or busy replaying) the primary can; but a
     * search that took too long there would here, too. */
    if (read->kind == READ_LIST && reader->replica != NULL) {
        *ret_session = reader->replica;
        if (exchange_again(reader, reader->replica, read, fault)) {
            return true;
        }
        if (fault->kind == FAULT_TIMEOUT) {
            return false;
        }
        note_fallback(reader->store, fault);
    }
    *ret_session = reader->primary;
    return exchange_again(reader, reader->primary, read, fault);
}

bool read_run(struct reader *reader, const struct read *read, struct session **ret_session, struct fault *fault)
{
    struct fault last = {0};
    bool ok = run(reader, read, ret_session, &last);
    if (!ok) {
        *fault = last;
    }
    return ok;
}

size_t read_page_count(const PGresult *rows, const struct page *page, bool *ret_more)
{
    size_t count = (size_t)PQntuples(rows);
    *ret_more = count > page->limit;
    return *ret_more ? page->limit : count;
}

static void queue_ping(struct session *session, void *context)
{
    (void)context;
    (void)session_parameters(session);
    (void)session_queue(session, &PING);
}

bool postgres_read_ping(struct reader *reader, struct fault *fault)
{
    struct session *session;
    return read_run(reader, &(struct read){READ_ONE, queue_ping, NULL}, &session, fault);
}
