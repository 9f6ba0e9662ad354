#include "http/server.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/server_state.h"

#define ACCEPT_BACKLOG 4096
#define DESCRIPTORS_RESERVED 512 /* for refused connections, database files and everything else in the process */
#define SWEEP_MS_MAX 1000
#define ACCEPT_ERROR_LOG_MS 10000
#define ACCEPT_RETRY_MS 10

/* Raises the soft limit of open files as far as needed and allowed. Fewer connections than asked for is a smaller
 * evil than running out of descriptors, which would hit the database as well. */
static size_t reserve_descriptors(size_t connections_max)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections_max + DESCRIPTORS_RESERVED;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return connections_max;
    }
    struct rlimit raised = limit;
    raised.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &raised) != 0) {
        raised = limit;
    }
    if (raised.rlim_cur >= wanted) {
        return connections_max;
    }
    size_t possible = raised.rlim_cur > 2 * DESCRIPTORS_RESERVED ? (size_t)raised.rlim_cur - DESCRIPTORS_RESERVED
                                                                 : (size_t)raised.rlim_cur / 2;
    log_message(LOG_WARN, "connections_limited",
                "the limit of open files (%zu) allows %zu connections, not %zu: raise it (ulimit -n, LimitNOFILE=)",
                (size_t)raised.rlim_cur, possible, connections_max);
    return possible;
}

void server_release_if_done(struct http_server *server)
{
    if (!TAILQ_EMPTY(&server->connections) || server->stats.requests_in_flight > 0) {
        return;
    }
    if (server->is_freed) {
        if (server->handles_open == 0) {
            free(server);
        }
    } else if (server->is_draining && server->drained != NULL && server->listener_closed) {
        void (*drained)(void *) = server->drained;
        server->drained = NULL;
        drained(server->drained_context);
    }
}

struct text server_make_request_id(struct http_server *server, struct arena *arena)
{
    char *id = arena_alloc(arena, UUID_TEXT_LENGTH + 1);
    uuid_format(uuid_source_next(&server->request_ids, clock_unix_ms()), id);
    return (struct text){id, UUID_TEXT_LENGTH};
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct http_server *server = handle->data;
    server->handles_open--;
    server->listener_closed = server->listener_closed || handle == (uv_handle_t *)&server->listener;
    server_release_if_done(server);
}

/* Out of descriptors, libuv turns the waiting clients away with one that it keeps for this. Its callback sees the error
 * only where another thread has taken that one, and is called over and over until a descriptor is free: somebody has to
 * go, an idle client if there is one. */
static void shed_connection(struct http_server *server)
{
    struct http_connection *victim = NULL;
    struct http_connection *connection;
    TAILQ_FOREACH(connection, &server->connections, link)
    {
        if (http_connection_is_idle(connection)) {
            victim = connection;
            break;
        }
        if (victim == NULL && connection->state != CONNECTION_CLOSED) {
            victim = connection;
        }
    }
    if (victim != NULL) {
        http_connection_close(victim);
    } else {
        uv_sleep(ACCEPT_RETRY_MS);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct http_server *server = listener->data;
    if (status == 0) {
        http_connection_accept(server);
        return;
    }
    int64_t now = (int64_t)uv_now(server->loop);
    if (now >= server->accept_error_quiet_until_ms) {
        server->accept_error_quiet_until_ms = now + ACCEPT_ERROR_LOG_MS;
        log_message(LOG_WARN, "accept_failed", "%s", uv_strerror(status));
    }
    if (status == UV_EMFILE || status == UV_ENFILE) {
        shed_connection(server);
    }
}

static void on_flush(uv_prepare_t *handle)
{
    struct http_server *server = handle->data;
    struct http_connection *connection;
    while ((connection = TAILQ_FIRST(&server->dirty)) != NULL) {
        TAILQ_REMOVE(&server->dirty, connection, dirty_link);
        connection->is_dirty = false;
        http_connection_flush(connection);
    }
    server_release_if_done(server);
}

static void on_sweep(uv_timer_t *handle)
{
    struct http_server *server = handle->data;
    int64_t now = (int64_t)uv_now(server->loop);
    struct http_connection *connection;
    TAILQ_FOREACH(connection, &server->connections, link)
    {
        http_connection_sweep(connection, now);
    }
}

static uint64_t sweep_interval_ms(const struct http_server_options *options)
{
    int64_t shortest = options->idle_timeout_ms;
    shortest = options->request_timeout_ms < shortest ? options->request_timeout_ms : shortest;
    shortest = options->write_timeout_ms < shortest ? options->write_timeout_ms : shortest;
    int64_t interval = shortest / 8;
    return interval < 1 ? 1 : interval > SWEEP_MS_MAX ? SWEEP_MS_MAX : (uint64_t)interval;
}

static int listen_at(struct http_server *server, const struct sockaddr *address)
{
    int result = uv_tcp_bind(&server->listener, address, 0);
    return result != 0 ? result : uv_listen((uv_stream_t *)&server->listener, ACCEPT_BACKLOG, on_connection);
}

static int resolve_and_listen(struct http_server *server)
{
    char port[8];
    snprintf(port, sizeof(port), "%u", server->options.port);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    uv_getaddrinfo_t request;
    int result = uv_getaddrinfo(server->loop, &request, NULL, server->options.host, port, &hints);
    if (result == 0) {
        result = listen_at(server, request.addrinfo->ai_addr);
        uv_freeaddrinfo(request.addrinfo);
    }
    return result;
}

static void open_handles(struct http_server *server)
{
    int result = uv_tcp_init(server->loop, &server->listener);
    result |= uv_prepare_init(server->loop, &server->flusher);
    result |= uv_timer_init(server->loop, &server->sweeper);
    assert(result == 0);
    server->listener.data = server->flusher.data = server->sweeper.data = server;
    server->handles_open = 3;
}

bool http_server_start(uv_loop_t *loop, const struct http_server_options *options, struct http_server **ret_server,
                       struct fault *fault)
{
    assert(options->handle != NULL && options->refuse != NULL && options->pipeline_max > 0);
    /* A write to a connection that the client has reset must be an error, not the end of the process. */
    signal(SIGPIPE, SIG_IGN);
    struct http_server *server = memory_zalloc(1, sizeof(*server));
    server->loop = loop;
    server->options = *options;
    server->options.connections_max = reserve_descriptors(options->connections_max);
    TAILQ_INIT(&server->connections);
    TAILQ_INIT(&server->dirty);
    TAILQ_INIT(&server->free_exchanges);
    uuid_source_init(&server->request_ids, NULL, NULL);
    open_handles(server);
    int result = resolve_and_listen(server);
    if (result != 0) {
        fault_set(fault, FAULT_UNAVAILABLE, "cannot listen on %s, port %u: %s", options->host, options->port,
                  uv_strerror(result));
        http_server_free(server);
        return false;
    }
    uv_prepare_start(&server->flusher, on_flush);
    uint64_t interval = sweep_interval_ms(options);
    uv_timer_start(&server->sweeper, on_sweep, interval, interval);
    /* Only the listener and connections keep the loop alive. */
    uv_unref((uv_handle_t *)&server->flusher);
    uv_unref((uv_handle_t *)&server->sweeper);
    *ret_server = server;
    return true;
}

uint16_t http_server_port(const struct http_server *server)
{
    struct sockaddr_storage address;
    int length = sizeof(address);
    if (uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &length) != 0) {
        return 0;
    }
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

struct http_server_stats http_server_stats(const struct http_server *server)
{
    return server->stats;
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle)) {
        uv_close(handle, on_handle_closed);
    }
}

void http_server_drain(struct http_server *server, void (*drained)(void *context), void *context)
{
    assert(!server->is_draining);
    server->is_draining = true;
    server->drained = drained;
    server->drained_context = context;
    close_handle((uv_handle_t *)&server->listener);
    struct http_connection *connection;
    TAILQ_FOREACH(connection, &server->connections, link)
    {
        http_connection_drain(connection);
    }
}

void http_server_free(struct http_server *server)
{
    if (server == NULL) {
        return;
    }
    server->is_freed = true;
    struct http_connection *connection;
    TAILQ_FOREACH(connection, &server->connections, link)
    {
        http_connection_close(connection);
    }
    struct exchange *exchange;
    while ((exchange = TAILQ_FIRST(&server->free_exchanges)) != NULL) {
        TAILQ_REMOVE(&server->free_exchanges, exchange, link);
        exchange_free(exchange);
    }
    close_handle((uv_handle_t *)&server->listener);
    close_handle((uv_handle_t *)&server->flusher);
    close_handle((uv_handle_t *)&server->sweeper);
}
