/* A connection that listens for what other processes say they have committed. It is made again by itself; what was said
 * meanwhile is found by a look when it is there again. */

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store/postgres/jobs.h"

#define CONNECT_MS_MAX 10000 /* above tcp_user_timeout: of several hosts the next one has its turn */
#define RECONNECT_MS 1000
#define FOR_EVER (-1)

/* LISTEN wants a name, and not a value. */
static const char LISTEN[] =
    "DO $$ BEGIN EXECUTE format('LISTEN %I', " JOBS_CHANNEL "); END $$; SET tcp_keepalives_idle = 5; "
    "SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3";

struct watch {
    const char *uri;
    char writer_id[UUID_TEXT_LENGTH + 1];
    void (*changed)(void *context, int64_t job_at_ms);
    void *context;
    int stop; /* an eventfd */
    PGconn *connection;
    pthread_t thread;
};

/* False: it is to stop. *ret_ready: the socket is. */
static bool wait_for(struct watch *watch, short events, int timeout_ms, bool *ret_ready)
{
    struct pollfd descriptors[2] = {
        {.fd = watch->stop, .events = POLLIN},
        {.fd = watch->connection == NULL ? -1 : PQsocket(watch->connection), .events = events}};
    (void)poll(descriptors, 2, timeout_ms);
    *ret_ready = descriptors[1].revents != 0;
    return descriptors[0].revents == 0;
}

/* False: it is to stop. *ret_ok: connected. */
static bool connect_to(struct watch *watch, bool *ret_ok)
{
    bool ready;
    *ret_ok = false;
    watch->connection = session_start_connecting(watch->uri);
    if (watch->connection == NULL || PQstatus(watch->connection) == CONNECTION_BAD) {
        return true;
    }
    for (PostgresPollingStatusType status = PGRES_POLLING_WRITING;;) {
        if (!wait_for(watch, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, CONNECT_MS_MAX, &ready)) {
            return false;
        }
        if (!ready) {
            return true;
        }
        status = PQconnectPoll(watch->connection);
        if (status == PGRES_POLLING_OK || status == PGRES_POLLING_FAILED) {
            *ret_ok = status == PGRES_POLLING_OK;
            return true;
        }
    }
}

/* False: it is to stop. *ret_ok: it listens. */
static bool start_listening(struct watch *watch, bool *ret_ok)
{
    bool ready;
    *ret_ok = PQsendQuery(watch->connection, LISTEN) == 1;
    while (*ret_ok && PQisBusy(watch->connection)) {
        if (!wait_for(watch, POLLIN, CONNECT_MS_MAX, &ready)) {
            return false;
        }
        *ret_ok = ready && PQconsumeInput(watch->connection) == 1;
    }
    for (PGresult *result; *ret_ok && (result = PQgetResult(watch->connection)) != NULL; PQclear(result)) {
        *ret_ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    }
    return true;
}

/* "<who> <when>"; our own are known already. */
static void take_notifications(struct watch *watch)
{
    for (PGnotify *notify; (notify = PQnotifies(watch->connection)) != NULL; PQfreemem(notify)) {
        const char *at = strchr(notify->extra, ' ');
        bool is_own = strncmp(notify->extra, watch->writer_id, UUID_TEXT_LENGTH) == 0;
        if (!is_own) {
            watch->changed(watch->context, at == NULL ? 0 : strtoll(at + 1, NULL, 10));
        }
    }
}

/* Until the connection is lost; false: it is to stop. */
static bool listen_on(struct watch *watch)
{
    bool ready;
    watch->changed(watch->context, 0);
    for (;;) {
        take_notifications(watch);
        if (!wait_for(watch, POLLIN, FOR_EVER, &ready)) {
            return false;
        }
        if (ready && PQconsumeInput(watch->connection) == 0) {
            return true;
        }
    }
}

static void *watch_main(void *argument)
{
    struct watch *watch = argument;
    bool goes_on = true;
    (void)pthread_setname_np(pthread_self(), "watch");
    while (goes_on) {
        bool ok;
        bool ignored;
        goes_on = connect_to(watch, &ok);
        if (goes_on && ok) {
            goes_on = start_listening(watch, &ok) && (!ok || listen_on(watch));
        }
        PQfinish(watch->connection);
        watch->connection = NULL;
        goes_on = goes_on && wait_for(watch, 0, RECONNECT_MS, &ignored);
    }
    return NULL;
}

bool postgres_watch_start(struct store *store, void (*changed)(void *context, int64_t job_at_ms), void *context,
                          struct watch **ret_watch, struct fault *fault)
{
    struct watch *watch = memory_zalloc(1, sizeof(*watch));
    watch->uri = store->uri;
    watch->changed = changed;
    watch->context = context;
    uuid_format(store->writer_id, watch->writer_id);
    watch->stop = eventfd(0, EFD_CLOEXEC);
    if (watch->stop < 0 || pthread_create(&watch->thread, NULL, watch_main, watch) != 0) {
        if (watch->stop >= 0) {
            (void)close(watch->stop);
        }
        free(watch);
        return fault_set(fault, FAULT_INTERNAL, "cannot start the watch's thread");
    }
    *ret_watch = watch;
    return true;
}

void postgres_watch_stop(struct watch *watch)
{
    if (watch == NULL) {
        return;
    }
    int failed = eventfd_write(watch->stop, 1);
    assert(failed == 0);
    (void)failed;
    pthread_join(watch->thread, NULL);
    (void)close(watch->stop);
    free(watch);
}
