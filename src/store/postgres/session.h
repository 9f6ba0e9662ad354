#ifndef HOLDFAST_STORE_POSTGRES_SESSION_H
#define HOLDFAST_STORE_POSTGRES_SESSION_H

/* One connection to the server: made when it is needed, made again by itself after it was lost, always in pipeline
 * mode. The one place where libpq's errors and SQLSTATEs become faults. One thread at a time uses a session.
 *
 * An exchange is one round trip: any number of statements are queued, then session_exchange() sends what is left of
 * them and waits, bounded, for all results. The first statement that fails ends the exchange; those behind it are not
 * run. */

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/fault.h"
#include "store/postgres/parameters.h"

struct session;

/* Prepared on a connection when it is first used there; known by its address. */
struct statement {
    const char *name; /* as the server's views and logs show it */
    const char *sql;
};

struct session_options {
    const char *uri;         /* outlives the session */
    const char *settings;    /* SQL for each new connection: SET ...; outlives the session */
    bool any_server;         /* a standby will do */
    int64_t exchange_ms_max; /* after that the connection counts as lost */
    /* Shared by all sessions to the same servers, and outlives them: when one of them was last let in, on the monotonic
     * clock. */
    _Atomic int64_t *let_in_us;
};

struct session *session_new(const struct session_options *options); /* connects to nothing yet */
void session_free(struct session *session);                         /* takes NULL */

/* True: connected. Where it is not, connects, which may take some seconds; soon after a failed try it says
 * FAULT_UNAVAILABLE at once, unless another session has been let in since. */
MUST_USE bool session_connect(struct session *session, struct fault *fault);
/* Counts the connections made: the number of the present one. */
int64_t session_connection_number(const struct session *session);
bool session_is_connected(const struct session *session);
/* Leaves the connection, whatever it is doing; what was under way on it is undone by the server. */
void session_disconnect(struct session *session);

/* Begins a connection to the primary that is no session; whoever asked goes on with PQconnectPoll(). */
PGconn *session_start_connecting(const char *uri);

/* Empty parameters, to be filled for the next session_queue(). */
struct parameters *session_parameters(struct session *session);
/* Queues a statement with the parameters as they are now, and returns its number for session_result(). */
size_t session_queue(struct session *session, const struct statement *statement);
/* One round trip. On FAULT_UNAVAILABLE the connection may be gone: session_is_connected(). */
MUST_USE bool session_exchange(struct session *session, struct fault *fault);
/* The same with a limit of its own. */
MUST_USE bool session_exchange_within(struct session *session, int64_t ms_max, struct fault *fault);
/* Did the server itself refuse a statement ahead of that number? Then it was not reached, whatever came after. */
bool session_refused_before(const struct session *session, size_t number);
/* Of the last exchange, until the next statement is queued. NULL where the statement was not reached. */
const PGresult *session_result(const struct session *session, size_t number);

/* Runs one or more statements that have no parameters, in a round trip of their own. */
MUST_USE bool session_run_script(struct session *session, const char *sql, struct fault *fault);

/* As the server said at the end of the last exchange. */
bool session_in_transaction(const struct session *session);

/* A result's fault in words that name no data; false. */
bool session_fault(const PGresult *result, struct fault *fault);

#endif
