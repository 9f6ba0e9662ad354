#ifndef HOLDFAST_HTTP_SERVER_STATE_H
#define HOLDFAST_HTTP_SERVER_STATE_H

#include <sys/queue.h>

#include "base/uuid.h"
#include "http/connection.h"
#include "http/exchange.h"
#include "http/reply.h"
#include "http/server.h"

/* What the files of this room share; nobody else includes it. */

#define SERVER_READ_BYTES 65536

struct http_server {
    /* immutable after the start */
    uv_loop_t *loop;
    struct http_server_options options;

    uv_tcp_t listener;
    uv_prepare_t flusher; /* writes, before the loop sleeps, what became ready in this turn */
    uv_timer_t sweeper;   /* ends what took too long */
    size_t handles_open;  /* of these three */

    struct connection_list connections;
    struct connection_dirty_list dirty; /* with replies that no write was tried for yet */
    struct exchange_queue free_exchanges;
    size_t free_exchange_count;
    struct http_server_stats stats;
    struct uuid_source request_ids;
    int64_t accept_error_quiet_until_ms;
    int64_t date_second;
    char date_line[HTTP_DATE_LINE_LENGTH + 1];

    bool is_draining;
    bool listener_closed;
    bool is_freed; /* http_server_free was called: ends with the last handle and the last request */
    void (*drained)(void *context);
    void *drained_context;

    char read_buffer[SERVER_READ_BYTES]; /* one read at a time on one loop: idle connections need none of their own */
};

static inline uv_stream_t *connection_stream(struct http_connection *connection)
{
    return (uv_stream_t *)&connection->tcp;
}

static inline int64_t connection_now_ms(const struct http_connection *connection)
{
    return (int64_t)uv_now(connection->server->loop);
}

struct text server_make_request_id(struct http_server *server, struct arena *arena);
/* After a connection or a request has ended: completes a drain or frees the server where it was the last. */
void server_release_if_done(struct http_server *server);

#endif
