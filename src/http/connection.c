#include "http/connection.h"

#include <assert.h>
#include <stdlib.h>

#include "http/receive.h"
#include "http/server_state.h"

#define WRITE_PARTS_MAX 64 /* gathered into one write */
#define LINGER_MS 2000
#define LINGER_BYTES_MAX ((size_t)4 << 20)
#define STREAM_BYTES_DROPPED_MAX ((size_t)1 << 16) /* a listener has nothing to say */
#define OVERFLOW_CONNECTIONS_MAX 256               /* told that the server is full; those beyond are only closed */

/* --- the end of a connection --- */

static void on_closed(uv_handle_t *handle)
{
    struct http_connection *connection = handle->data;
    struct http_server *server = connection->server;
    TAILQ_REMOVE(&server->connections, connection, link);
    server->stats.connections_open--;
    free(connection);
    server_release_if_done(server);
}

void http_connection_close(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    if (connection->state == CONNECTION_CLOSED) {
        return;
    }
    connection->state = CONNECTION_CLOSED;
    if (connection->is_dirty) {
        TAILQ_REMOVE(&server->dirty, connection, dirty_link);
    }
    receive_drop_leftover(connection);
    if (connection->incoming != NULL) {
        exchange_discard(connection->incoming);
    }
    struct exchange *exchange;
    while ((exchange = TAILQ_FIRST(&connection->exchanges)) != NULL) {
        TAILQ_REMOVE(&connection->exchanges, exchange, link);
        exchange_detach(exchange, connection->timed_out ? HTTP_STREAM_TIMED_OUT : HTTP_STREAM_CLIENT_GONE);
    }
    uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

/* --- writing --- */

void http_connection_mark_dirty(struct http_connection *connection)
{
    if (!connection->is_dirty) {
        connection->is_dirty = true;
        TAILQ_INSERT_TAIL(&connection->server->dirty, connection, dirty_link);
    }
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    if (status < 0) {
        http_connection_close(request->handle->data);
    }
}

static void linger(struct http_connection *connection)
{
    if (connection->input_ended) {
        http_connection_close(connection);
        return;
    }
    connection->state = CONNECTION_LINGERING;
    connection->since_ms = connection_now_ms(connection);
    connection->dropped_bytes_left = LINGER_BYTES_MAX;
    if (uv_shutdown(&connection->requests.shutdown, connection_stream(connection), on_shutdown) != 0) {
        http_connection_close(connection);
        return;
    }
    receive_start(connection);
}

static void advance(struct http_connection *connection, size_t written)
{
    connection->unsent_bytes -= written;
    struct exchange *exchange;
    while ((exchange = TAILQ_FIRST(&connection->exchanges)) != NULL && exchange->phase >= EXCHANGE_STREAMING) {
        for (size_t i = 0; i < EXCHANGE_PARTS_MAX; i++) {
            size_t length = exchange->unsent[i].len < written ? exchange->unsent[i].len : written;
            if (length > 0) {
                exchange->unsent[i].base += length;
                exchange->unsent[i].len -= length;
                written -= length;
            }
        }
        if (exchange_unsent_bytes(exchange) > 0) {
            break;
        }
        if (exchange->phase == EXCHANGE_STREAMING) {
            exchange_stream_taken(exchange);
            break;
        }
        TAILQ_REMOVE(&connection->exchanges, exchange, link);
        connection->exchange_count--;
        exchange_finish(exchange);
    }
    assert(written == 0);
}

static void on_written(uv_write_t *request, int status)
{
    struct http_connection *connection = request->handle->data;
    connection->is_writing = false;
    if (status < 0) {
        http_connection_close(connection);
        return;
    }
    advance(connection, connection->write_bytes);
    http_connection_flush(connection);
}

/* The socket is full: libuv writes on when the client reads. Of the parts so many bytes are those of exchanges. */
static void write_later(struct http_connection *connection, const uv_buf_t *parts, unsigned count, size_t bytes)
{
    connection->is_writing = true;
    connection->write_bytes = bytes;
    connection->write_since_ms = connection_now_ms(connection);
    if (uv_write(&connection->requests.write, connection_stream(connection), parts, count, on_written) != 0) {
        http_connection_close(connection);
        return;
    }
    connection->write_pending = uv_stream_get_write_queue_size(connection_stream(connection));
}

static void write_continue(struct http_connection *connection)
{
    static char reply[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uv_buf_t part = uv_buf_init(reply, sizeof(reply) - 1);
    connection->owes_continue = false;
    int result = uv_try_write(connection_stream(connection), &part, 1);
    if (result < 0 && result != UV_EAGAIN) {
        http_connection_close(connection);
        return;
    }
    size_t written = result > 0 ? (size_t)result : 0;
    part = uv_buf_init(reply + written, (unsigned)(part.len - written));
    if (part.len > 0) {
        write_later(connection, &part, 1, 0); /* no exchange's */
    }
}

/* It reads on only to notice that the client has gone. */
static void settle_stream(struct http_connection *connection)
{
    if (connection->exchange_count == 0 || connection->input_ended) {
        http_connection_close(connection);
    } else if (!connection->is_reading) {
        receive_start(connection);
    }
}

/* All that could be written was: what next? */
static void settle(struct http_connection *connection)
{
    if (connection->state == CONNECTION_STREAMING) {
        settle_stream(connection);
        return;
    }
    if (connection->exchange_count == 0) {
        if (connection->state == CONNECTION_FINISHING) {
            linger(connection);
            return;
        }
        if (connection->owes_continue) {
            write_continue(connection);
        }
        if (connection->incoming == NULL) {
            connection->since_ms = connection_now_ms(connection);
        }
    }
    if (!connection->is_reading && receive_has_room(connection)) {
        receive_resume(connection);
    }
}

static unsigned gather(const struct http_connection *connection, uv_buf_t parts[WRITE_PARTS_MAX], size_t *ret_bytes)
{
    unsigned count = 0;
    size_t bytes = 0;
    struct exchange *exchange;
    TAILQ_FOREACH(exchange, &connection->exchanges, link)
    {
        if (exchange->phase < EXCHANGE_STREAMING || count + EXCHANGE_PARTS_MAX > WRITE_PARTS_MAX) {
            break;
        }
        for (size_t i = 0; i < EXCHANGE_PARTS_MAX; i++) {
            if (exchange->unsent[i].len > 0) {
                parts[count++] = exchange->unsent[i];
                bytes += exchange->unsent[i].len;
            }
        }
    }
    *ret_bytes = bytes;
    return count;
}

void http_connection_flush(struct http_connection *connection)
{
    while (!connection->is_writing && connection->state != CONNECTION_CLOSED) {
        uv_buf_t parts[WRITE_PARTS_MAX];
        size_t bytes;
        unsigned count = gather(connection, parts, &bytes);
        if (count == 0) {
            settle(connection);
            return;
        }
        int result = uv_try_write(connection_stream(connection), parts, count);
        if (result < 0 && result != UV_EAGAIN) {
            http_connection_close(connection);
            return;
        }
        size_t written = result > 0 ? (size_t)result : 0;
        advance(connection, written);
        if (written < bytes) {
            count = gather(connection, parts, &bytes);
            write_later(connection, parts, count, bytes);
        }
    }
}

void http_connection_reply_ready(struct http_connection *connection, size_t bytes)
{
    connection->unsent_bytes += bytes;
    http_connection_mark_dirty(connection);
}

void http_connection_begin_stream(struct http_connection *connection, struct exchange *exchange)
{
    connection->state = CONNECTION_STREAMING;
    connection->dropped_bytes_left = STREAM_BYTES_DROPPED_MAX;
    connection->owes_continue = false;
    receive_drop_leftover(connection);
    if (connection->incoming != NULL) {
        exchange_discard(connection->incoming);
        connection->incoming = NULL;
    }
    struct exchange *behind;
    while ((behind = TAILQ_LAST(&connection->exchanges, exchange_queue)) != exchange) {
        TAILQ_REMOVE(&connection->exchanges, behind, link);
        connection->exchange_count--;
        connection->unsent_bytes -= behind->phase == EXCHANGE_ANSWERED ? exchange_unsent_bytes(behind) : 0;
        exchange_detach(behind, HTTP_STREAM_CLIENT_GONE);
    }
    http_connection_reply_ready(connection, exchange_unsent_bytes(exchange));
}

/* --- the life of a connection --- */

void http_connection_accept(struct http_server *server)
{
    struct http_connection *connection = memory_zalloc(1, sizeof(*connection));
    connection->server = server;
    connection->tcp.data = connection;
    connection->state = CONNECTION_OPEN;
    TAILQ_INIT(&connection->exchanges);
    int result = uv_tcp_init(server->loop, &connection->tcp);
    assert(result == 0);
    TAILQ_INSERT_TAIL(&server->connections, connection, link);
    server->stats.connections_open++;
    size_t connections_max = server->options.connections_max;
    if (uv_accept((uv_stream_t *)&server->listener, connection_stream(connection)) != 0 ||
        server->stats.connections_open > connections_max + OVERFLOW_CONNECTIONS_MAX) {
        http_connection_close(connection);
        return;
    }
    server->stats.connections_total++;
    uv_tcp_nodelay(&connection->tcp, 1);
    connection->since_ms = connection_now_ms(connection);
    if (server->stats.connections_open > connections_max) {
        receive_refuse(connection, (struct refusal){HTTP_REFUSAL_TOO_MANY_CONNECTIONS, "too many connections"});
        return;
    }
    receive_start(connection);
}

bool http_connection_is_idle(const struct http_connection *connection)
{
    return connection->state == CONNECTION_LINGERING ||
           (connection->state == CONNECTION_OPEN && connection->incoming == NULL && connection->exchange_count == 0);
}

static void sweep_write(struct http_connection *connection, int64_t now)
{
    size_t pending = uv_stream_get_write_queue_size(connection_stream(connection));
    if (pending < connection->write_pending) {
        connection->write_pending = pending;
        connection->write_since_ms = now;
    } else if (now - connection->write_since_ms >= connection->server->options.write_timeout_ms) {
        connection->timed_out = true;
        http_connection_close(connection);
    }
}

void http_connection_sweep(struct http_connection *connection, int64_t now)
{
    const struct http_server_options *options = &connection->server->options;
    int64_t age_ms = now - connection->since_ms;
    if (connection->state == CONNECTION_CLOSED) {
        return;
    }
    if (connection->is_writing) {
        sweep_write(connection, now);
    } else if (connection->state == CONNECTION_LINGERING) {
        if (age_ms >= LINGER_MS) {
            http_connection_close(connection);
        }
    } else if (connection->incoming != NULL) {
        if (connection->is_reading && age_ms >= options->request_timeout_ms) {
            receive_refuse(connection, (struct refusal){HTTP_REFUSAL_TIMEOUT, "the request took too long to arrive"});
        }
    } else if (http_connection_is_idle(connection) && age_ms >= options->idle_timeout_ms) {
        http_connection_close(connection);
    }
}

void http_connection_drain(struct http_connection *connection)
{
    if (connection->state != CONNECTION_OPEN || connection->incoming != NULL) {
        return; /* an incoming request is dispatched as the connection's last */
    }
    if (connection->exchange_count == 0) {
        http_connection_close(connection);
        return;
    }
    connection->state = CONNECTION_FINISHING;
    receive_stop(connection);
    receive_drop_leftover(connection);
    struct exchange *last = TAILQ_LAST(&connection->exchanges, exchange_queue);
    last->keep_alive = false;
}
