#include <stdio.h>
#include <stdlib.h>

#include "store/postgres/postgres_internal.h"

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

bool postgres_reader_open(struct store *store, struct reader **ret_reader, struct fault *fault)
{
    struct reader *reader = memory_zalloc(1, sizeof(*reader));
    reader->store = store;
    (void)snprintf(reader->settings, sizeof(reader->settings), SETTINGS, (long long)store->read_timeout_ms);
    reader->primary = new_session(reader, false);
    reader->replica = store->read_uri == NULL ? NULL : new_session(reader, true);
    if (!session_connect(reader->primary, fault)) {
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

static bool exchange(struct session *session, const struct read *read, struct fault *fault)
{
    if (!session_connect(session, fault)) {
        return false;
    }
    read->queue(session, read->context);
    return session_exchange(session, fault);
}

/* Reading may be repeated: a connection that was lost since it was last used is nobody's news. */
static bool exchange_again(struct session *session, const struct read *read, struct fault *fault)
{
    bool was_connected = session_is_connected(session);
    return exchange(session, read, fault) || (was_connected && !session_is_connected(session) &&
                                              fault->kind == FAULT_UNAVAILABLE && exchange(session, read, fault));
}

static bool run(struct reader *reader, const struct read *read, struct session **ret_session, struct fault *fault)
{
    /* What a replica cannot answer (it is away, behind with the schema, or busy replaying) the primary can; but a
     * search that took too long there would here, too. */
    if (read->kind == READ_LIST && reader->replica != NULL) {
        *ret_session = reader->replica;
        if (exchange_again(reader->replica, read, fault)) {
            return true;
        }
        if (fault->kind == FAULT_TIMEOUT) {
            return false;
        }
    }
    *ret_session = reader->primary;
    return exchange_again(reader->primary, read, fault);
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
