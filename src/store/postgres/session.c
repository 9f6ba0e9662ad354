#include "store/postgres/session.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/arena.h"
#include "base/clock.h"

#define STATEMENT_SLOTS 256 /* a power of two, well above the number of statements there are */
#define QUEUE_MAX 128       /* each statement twice, where it is prepared, too */
#define BACKOFF_US_MIN 50000
#define SETTINGS_US_MAX 3000000 /* a server that let us in and then falls silent */
#define WAIT_US_MAX 1000000
#define BACKOFF_US_MAX 2000000
#define BACKOFF_REPLICA_US_MAX 30000000 /* each try may take seconds, of a thread that has others to serve */

struct prepared {
    const struct statement *statement;
    bool is_prepared; /* on the present connection */
};

/* What was sent and not answered yet, in order: statements, and their preparation where that came first. */
struct queued {
    struct prepared *preparation; /* NULL: the statement itself */
    PGresult *result;
};

struct session {
    struct session_options options;
    PGconn *connection; /* NULL: none */
    int64_t connection_number;
    struct prepared prepared[STATEMENT_SLOTS];
    struct parameters parameters;
    struct queued queue[QUEUE_MAX];
    size_t queue_count;
    bool is_answered; /* the queue's results are there */
    bool send_failed;

    /* After a failed connect. */
    struct fault connect_fault;
    int64_t tried_at_us;
    int64_t retry_at_us;
    int64_t backoff_us;
};

struct session *session_new(const struct session_options *options)
{
    struct session *session = memory_zalloc(1, sizeof(*session));
    session->options = *options;
    parameters_init(&session->parameters);
    return session;
}

static void clear_results(struct session *session)
{
    for (size_t i = 0; i < session->queue_count; i++) {
        PQclear(session->queue[i].result);
    }
    session->queue_count = 0;
    session->is_answered = false;
}

void session_disconnect(struct session *session)
{
    if (session->connection != NULL) {
        PQfinish(session->connection);
        session->connection = NULL;
    }
    for (size_t i = 0; i < STATEMENT_SLOTS; i++) {
        session->prepared[i].is_prepared = false;
    }
}

void session_free(struct session *session)
{
    if (session != NULL) {
        clear_results(session);
        session_disconnect(session);
        parameters_done(&session->parameters);
        free(session);
    }
}

bool session_is_connected(const struct session *session)
{
    return session->connection != NULL;
}

/* ---- Faults ---- */

/* Whoever reads the log wants one line. */
static bool fault_from_text(struct fault *fault, enum fault_kind kind, const char *text)
{
    char line[sizeof(fault->detail)];
    size_t length = 0;
    for (const char *c = text; *c != '\0' && length + 1 < sizeof(line); c++) {
        line[length++] = *c == '\n' || *c == '\t' ? ' ' : *c;
    }
    while (length > 0 && line[length - 1] == ' ') {
        length--;
    }
    line[length] = '\0';
    return fault_set(fault, kind, "%s", line);
}

/* By SQLSTATE: the whole code, or its class of two characters. The first that fits. */
static const struct {
    const char *state;
    enum fault_kind kind;
    bool leave;       /* this connection will not do any more: another, or another server, may */
    const char *hint; /* what to do, where an administrator has to; NULL: nothing */
} FAULT_OF_STATE[] = {
    {"HF001", FAULT_CONFLICT, false, NULL}, /* require_rows: a version has moved */
    {"40", FAULT_CONFLICT, false, NULL},    /* deadlock, serialization failure */
    {"23505", FAULT_CONFLICT, false, NULL}, /* somebody else was first with this key: fresh facts have it */
    {"23", FAULT_CONSTRAINT, false, NULL},  /* CHECK and the like */
    {"22", FAULT_CONSTRAINT, false, NULL},  /* a value that the type does not have */
    {"55P03", FAULT_TIMEOUT, false, NULL},  /* lock_timeout */
    {"57014", FAULT_TIMEOUT, false, NULL},  /* statement_timeout */
    {"25006", FAULT_UNAVAILABLE, true,      /* a standby, or read-only by decision */
     "name the primary, or all hosts with target_session_attrs=read-write"},
    {"26000", FAULT_UNAVAILABLE, true, NULL},  /* a statement that was prepared is not there: somebody's DISCARD */
    {"0A000", FAULT_UNAVAILABLE, true, NULL},  /* or does not fit any more: a migration beside us */
    {"25P03", FAULT_UNAVAILABLE, false, NULL}, /* idle_in_transaction_session_timeout */
    {"08", FAULT_UNAVAILABLE, false, NULL},    /* connection */
    {"53", FAULT_UNAVAILABLE, false, NULL},    /* disk full, out of memory, too many connections */
    {"57", FAULT_UNAVAILABLE, false, NULL},    /* shutdown, crash of another backend, starting up */
    {"58", FAULT_UNAVAILABLE, false, NULL},    /* input/output error of the server's system */
    {"42501", FAULT_UNAVAILABLE, false,        /* the role may not do it */
     "to serve, the role needs SELECT, INSERT, UPDATE and DELETE on the tables; to migrate, CREATE on the schema"},
    {"3F", FAULT_SCHEMA, false, NULL},    /* no schema, */
    {"42P01", FAULT_SCHEMA, false, NULL}, /* no table of that name */
};

static bool state_fits(const char *state, const char *pattern)
{
    return strncmp(state, pattern, strlen(pattern)) == 0;
}

#define STATE_COUNT (sizeof(FAULT_OF_STATE) / sizeof(FAULT_OF_STATE[0]))

static size_t find_state(const char *state)
{
    size_t row = 0;
    while (row < STATE_COUNT && !state_fits(state, FAULT_OF_STATE[row].state)) {
        row++;
    }
    return row;
}

bool session_fault(const PGresult *result, struct fault *fault)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);
    enum fault_kind kind = FAULT_INTERNAL;
    if (state == NULL) { /* libpq's own: the connection was lost */
        return fault_from_text(fault, FAULT_UNAVAILABLE, PQresultErrorMessage(result));
    }
    size_t row = find_state(state);
    kind = row < STATE_COUNT ? FAULT_OF_STATE[row].kind : kind;
    /* Which row was locked, or which function failed, is in the context; rows themselves are only in the detail. */
    const char *more = row < STATE_COUNT ? FAULT_OF_STATE[row].hint : NULL;
    more = kind == FAULT_TIMEOUT ? context : more;
    struct fault named;
    fault_set(&named, kind, "%s (%s)%s%s", message == NULL ? "no message" : message, state, more == NULL ? "" : ": ",
              more == NULL ? "" : more);
    return fault_from_text(fault, kind, named.detail);
}

/* ---- Connecting ---- */

/* A connection that died is noticed within seconds, also where no packet says so. */
typedef PGconn *connect_function(const char *const *names, const char *const *values, int expand_dbname);
static PGconn *connect_by(connect_function *connect, const char *uri, bool any_server)
{
    const char *const names[] = {"fallback_application_name", "connect_timeout",
                                 "keepalives_idle",           "keepalives_interval",
                                 "keepalives_count",          "tcp_user_timeout",
                                 "target_session_attrs",      "dbname",
                                 "client_encoding",           NULL};
    /* What stands before the URI is a default, what stands behind it is not up to it. */
    const char *const values[] = {"holdfast", "3",    "5", "2", "3", "8000", any_server ? "any" : "read-write",
                                  uri,        "UTF8", NULL};
    return connect(names, values, 1);
}

PGconn *session_start_connecting(const char *uri)
{
    return connect_by(PQconnectStartParams, uri, false);
}

static void ignore_notice(void *context, const PGresult *result)
{
    (void)context;
    (void)result;
}

static bool enter_pipeline(struct session *session, struct fault *fault)
{
    PGconn *connection = session->connection;
    return (PQsetnonblocking(connection, 1) == 0 && PQenterPipelineMode(connection) == 1) ||
           fault_from_text(fault, FAULT_UNAVAILABLE, PQerrorMessage(connection));
}

static bool is_failed(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return result != NULL && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
           status != PGRES_PIPELINE_ABORTED;
}

/* Waits for bytes to come, or for room to send where that is wanted, and takes what came. False: the connection is
 * of no use any more. */
static bool wait_for_server(PGconn *connection, bool wants_to_send, int64_t deadline_us, struct fault *fault)
{
    struct pollfd socket = {.fd = PQsocket(connection), .events = (short)(POLLIN | (wants_to_send ? POLLOUT : 0))};
    int64_t left_us = deadline_us - clock_monotonic_us();
    int ready =
        left_us <= 0 ? 0 : poll(&socket, 1, left_us > WAIT_US_MAX ? WAIT_US_MAX / 1000 : (int)(left_us / 1000) + 1);
    if (left_us <= 0) {
        return fault_set(fault, FAULT_UNAVAILABLE, "the database did not answer in time: the connection was given up");
    }
    if (ready < 0) {
        return errno == EINTR || fault_from_text(fault, FAULT_UNAVAILABLE, strerror(errno));
    }
    return (socket.revents & (POLLIN | POLLHUP | POLLERR)) == 0 || PQconsumeInput(connection) == 1 ||
           fault_from_text(fault, FAULT_UNAVAILABLE, PQerrorMessage(connection));
}

/* Outside the pipeline, where several statements may be one text. */
static bool execute_script(PGconn *connection, const char *sql, int64_t deadline_us, struct fault *fault)
{
    bool ok =
        PQsendQuery(connection, sql) == 1 || fault_from_text(fault, FAULT_UNAVAILABLE, PQerrorMessage(connection));
    for (;;) {
        while (PQisBusy(connection) != 0) {
            if (!wait_for_server(connection, false, deadline_us, fault)) {
                return false;
            }
        }
        PGresult *result = PQgetResult(connection);
        if (result == NULL) {
            return ok;
        }
        ok = ok && (!is_failed(result) || session_fault(result, fault));
        PQclear(result);
    }
}

static bool set_up(struct session *session, struct fault *fault)
{
    PGconn *connection = session->connection;
    if (connection == NULL || PQstatus(connection) != CONNECTION_OK) {
        return fault_from_text(fault, FAULT_UNAVAILABLE,
                               connection == NULL ? "out of memory" : PQerrorMessage(connection));
    }
    if (PQserverVersion(connection) < 150000) {
        return fault_set(fault, FAULT_UNAVAILABLE, "the server is PostgreSQL %d; Holdfast needs 15 or later",
                         PQserverVersion(connection) / 10000);
    }
    const char *encoding = PQparameterStatus(connection, "server_encoding");
    if (encoding == NULL || strcmp(encoding, "UTF8") != 0) {
        return fault_set(fault, FAULT_SCHEMA,
                         "the database's encoding is %s, and customers' texts need UTF8: CREATE DATABASE shop ENCODING "
                         "'UTF8' TEMPLATE template0",
                         encoding == NULL ? "unknown" : encoding);
    }
    (void)PQsetNoticeReceiver(connection, ignore_notice, NULL);
    return execute_script(connection, session->options.settings, clock_monotonic_us() + SETTINGS_US_MAX, fault) &&
           enter_pipeline(session, fault);
}

/* Servers that lost the same database do not come back all at one moment. */
static void back_off(struct session *session)
{
    uint32_t drawn = 0;
    (void)!getrandom(&drawn, sizeof(drawn), GRND_NONBLOCK);
    int64_t backoff_us = session->backoff_us == 0 ? BACKOFF_US_MIN : session->backoff_us * 2;
    int64_t backoff_us_max = session->options.any_server ? BACKOFF_REPLICA_US_MAX : BACKOFF_US_MAX;
    session->backoff_us = backoff_us > backoff_us_max ? backoff_us_max : backoff_us;
    session->retry_at_us = clock_monotonic_us() + session->backoff_us / 2 + (int64_t)drawn % session->backoff_us;
}

int64_t session_connection_number(const struct session *session)
{
    return session->connection_number;
}

/* Waiting spares a server that is away; one that has let another session in since is back. */
static bool must_wait(const struct session *session)
{
    return clock_monotonic_us() < session->retry_at_us &&
           atomic_load(session->options.let_in_us) <= session->tried_at_us;
}

bool session_connect(struct session *session, struct fault *fault)
{
    if (session->connection != NULL) {
        return true;
    }
    if (must_wait(session)) {
        *fault = session->connect_fault;
        return false;
    }
    clear_results(session);
    session->tried_at_us = clock_monotonic_us();
    session->connection = connect_by(PQconnectdbParams, session->options.uri, session->options.any_server);
    if (!set_up(session, fault)) {
        session_disconnect(session);
        session->connect_fault = *fault;
        back_off(session);
        return false;
    }
    atomic_store(session->options.let_in_us, clock_monotonic_us());
    session->backoff_us = 0;
    session->retry_at_us = 0;
    session->connection_number++;
    return true;
}

/* ---- Exchanges ---- */

struct parameters *session_parameters(struct session *session)
{
    parameters_clear(&session->parameters);
    return &session->parameters;
}

static struct prepared *find_prepared(struct session *session, const struct statement *statement)
{
    size_t slot = ((uintptr_t)statement / sizeof(*statement)) % STATEMENT_SLOTS;
    for (size_t i = 0; i < STATEMENT_SLOTS; i++) {
        struct prepared *prepared = &session->prepared[(slot + i) % STATEMENT_SLOTS];
        if (prepared->statement == NULL) {
            prepared->statement = statement;
        }
        if (prepared->statement == statement) {
            return prepared;
        }
    }
    assert(!"more statements than slots");
    abort();
}

static size_t queue_add(struct session *session, struct prepared *preparation)
{
    assert(session->queue_count < QUEUE_MAX);
    session->queue[session->queue_count] = (struct queued){.preparation = preparation};
    return session->queue_count++;
}

size_t session_queue(struct session *session, const struct statement *statement)
{
    const char *values[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX];
    int formats[PARAMETERS_MAX];
    struct parameters *parameters = &session->parameters;
    if (session->is_answered) {
        clear_results(session);
    }
    struct prepared *prepared = find_prepared(session, statement);
    bool is_preparing = prepared->is_prepared;
    for (size_t i = 0; i < session->queue_count && !is_preparing; i++) {
        is_preparing = session->queue[i].preparation == prepared;
    }
    if (!is_preparing) {
        (void)queue_add(session, prepared);
        if (session->connection == NULL ||
            PQsendPrepare(session->connection, statement->name, statement->sql, 0, NULL) != 1) {
            session->send_failed = true;
        }
    }
    for (size_t i = 0; i < parameters->count; i++) {
        formats[i] = 1;
    }
    parameters_finish(parameters, values, lengths);
    if (session->connection == NULL || PQsendQueryPrepared(session->connection, statement->name, (int)parameters->count,
                                                           values, lengths, formats, 1) != 1) {
        session->send_failed = true;
    }
    parameters_clear(parameters);
    return queue_add(session, NULL);
}

/* The connection is of no use any more: says why, and leaves it. */
static bool lose(struct session *session, struct fault *fault, const char *why)
{
    fault_from_text(fault, FAULT_UNAVAILABLE, why != NULL ? why : PQerrorMessage(session->connection));
    if (fault->detail[0] == '\0') {
        fault_set(fault, FAULT_UNAVAILABLE, "the connection to the database was lost");
    }
    session_disconnect(session);
    return false;
}

/* Moves bytes both ways until something has come; false: the connection is lost. */
static bool transfer(struct session *session, int64_t deadline_us, struct fault *fault)
{
    int unsent = PQflush(session->connection);
    if (unsent < 0) {
        /* What the server said last, before it closed, may be waiting to be read. */
        if (PQconsumeInput(session->connection) != 1 || PQisBusy(session->connection)) {
            return lose(session, fault, NULL);
        }
        return true;
    }
    if (!wait_for_server(session->connection, unsent > 0, deadline_us, fault)) {
        session_disconnect(session);
        return false;
    }
    return true;
}

/* Keeps one result; true behind the last, which is the synchronisation's. */
static bool take_result(struct session *session, PGresult *result, size_t position)
{
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        return true;
    }
    struct queued *queued = &session->queue[position];
    if (position == session->queue_count || queued->result != NULL) {
        PQclear(result); /* a farewell of the server's behind the last answer */
        return false;
    }
    queued->result = result;
    if (queued->preparation != NULL) {
        queued->preparation->is_prepared = PQresultStatus(queued->result) == PGRES_COMMAND_OK;
    }
    return false;
}

static bool collect(struct session *session, int64_t ms_max, struct fault *fault)
{
    int64_t deadline_us = clock_monotonic_us() + ms_max * 1000;
    size_t position = 0;
    for (;;) {
        while (PQisBusy(session->connection)) {
            if (!transfer(session, deadline_us, fault)) {
                return false;
            }
        }
        PGresult *result = PQgetResult(session->connection);
        if (result != NULL) {
            if (take_result(session, result, position)) {
                return true;
            }
            continue;
        }
        if (PQstatus(session->connection) != CONNECTION_OK || clock_monotonic_us() > deadline_us) {
            return lose(session, fault, NULL);
        }
        position += position < session->queue_count && session->queue[position].result != NULL;
    }
}

/* The first statement that failed says what the fault is, also where the connection was lost after it. */
static const PGresult *find_failed(const struct session *session)
{
    for (size_t i = 0; i < session->queue_count; i++) {
        if (is_failed(session->queue[i].result)) {
            return session->queue[i].result;
        }
    }
    return NULL;
}

static bool must_leave(const PGresult *failed)
{
    const char *state = PQresultErrorField(failed, PG_DIAG_SQLSTATE);
    size_t row = state == NULL ? STATE_COUNT : find_state(state);
    return row < STATE_COUNT && FAULT_OF_STATE[row].leave;
}

/* An ERROR is about its statement. What ends the connection (FATAL, PANIC) may be a pooler's word, which does not know
 * how far the server came. */
static bool is_refusal(const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity != NULL && strcmp(severity, "ERROR") == 0;
}

bool session_refused_before(const struct session *session, size_t number)
{
    for (size_t i = 0; i < number && i < session->queue_count; i++) {
        if (is_failed(session->queue[i].result)) {
            return is_refusal(session->queue[i].result);
        }
    }
    return false;
}

bool session_exchange_within(struct session *session, int64_t ms_max, struct fault *fault)
{
    bool was_sent = !session->send_failed;
    session->send_failed = false;
    session->is_answered = true;
    if (session->connection == NULL) {
        return fault_set(fault, FAULT_UNAVAILABLE, "there is no connection to the database");
    }
    if (!was_sent || PQpipelineSync(session->connection) != 1) {
        return lose(session, fault, NULL);
    }
    bool is_whole = collect(session, ms_max, fault);
    const PGresult *failed = find_failed(session);
    if (failed == NULL) {
        return is_whole;
    }
    session_fault(failed, fault);
    if (must_leave(failed)) {
        session_disconnect(session);
    }
    return false;
}

bool session_exchange(struct session *session, struct fault *fault)
{
    return session_exchange_within(session, session->options.exchange_ms_max, fault);
}

const PGresult *session_result(const struct session *session, size_t number)
{
    assert(session->is_answered && number < session->queue_count);
    const PGresult *result = session->queue[number].result;
    return PQresultStatus(result) == PGRES_PIPELINE_ABORTED ? NULL : result;
}

bool session_run_script(struct session *session, const char *sql, struct fault *fault)
{
    if (session->connection == NULL) {
        return fault_set(fault, FAULT_UNAVAILABLE, "there is no connection to the database");
    }
    clear_results(session);
    if (PQexitPipelineMode(session->connection) != 1 || PQsetnonblocking(session->connection, 0) != 0) {
        return lose(session, fault, NULL);
    }
    bool ok = execute_script(session->connection, sql, INT64_MAX, fault);
    if (PQstatus(session->connection) != CONNECTION_OK) {
        session_disconnect(session);
        return false;
    }
    struct fault entering;
    if (!enter_pipeline(session, &entering)) {
        *fault = entering;
        session_disconnect(session);
        return false;
    }
    return ok;
}

bool session_in_transaction(const struct session *session)
{
    return session->connection != NULL && PQtransactionStatus(session->connection) == PQTRANS_INTRANS;
}
