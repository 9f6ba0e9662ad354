#include "http/connection.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/server_state.h"

#define UNSENT_BYTES_MAX ((size_t)262144) /* above this a connection is not read from until its client reads */
#define SMALL_READ_BYTES 4096             /* while the server holds too much: what is read may have to be kept */
#define WRITE_PARTS_MAX 64                /* gathered into one write */
#define LINGER_MS 2000
#define LINGER_BYTES_MAX ((size_t)4 << 20)
#define STREAM_BYTES_DROPPED_MAX ((size_t)1 << 16) /* a listener has nothing to say */
#define OVERFLOW_CONNECTIONS_MAX 256               /* told that the server is full; those beyond are only closed */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static uv_stream_t *stream_of(struct http_connection *connection)
{
    return (uv_stream_t *)&connection->tcp;
}

static int64_t now_ms(const struct http_connection *connection)
{
    return (int64_t)uv_now(connection->server->loop);
}

/* --- the end of a connection --- */

static void drop_leftover(struct http_connection *connection)
{
    connection->server->stats.buffered_bytes -= connection->leftover_length;
    free(connection->leftover);
    connection->leftover = NULL;
    connection->leftover_length = 0;
}

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
    drop_leftover(connection);
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

/* --- reading --- */

static bool is_overloaded(const struct http_server *server)
{
    return server->stats.buffered_bytes >= server->options.buffered_bytes_max;
}

static bool has_room(const struct http_connection *connection)
{
    const struct http_server *server = connection->server;
    return connection->state == CONNECTION_OPEN &&
           connection->exchange_count < (is_overloaded(server) ? 1 : server->options.pipeline_max) &&
           connection->heavy_count < HTTP_HEAVY_MAX && connection->unsent_bytes <= UNSENT_BYTES_MAX;
}

static void stop_reading(struct http_connection *connection)
{
    connection->is_reading = false;
    uv_read_stop(stream_of(connection));
}

static void mark_dirty(struct http_connection *connection)
{
    if (!connection->is_dirty) {
        connection->is_dirty = true;
        TAILQ_INSERT_TAIL(&connection->server->dirty, connection, dirty_link);
    }
}

static void enqueue(struct http_connection *connection, struct exchange *exchange)
{
    TAILQ_INSERT_TAIL(&connection->exchanges, exchange, link);
    connection->exchange_count++;
    connection->incoming = NULL;
    connection->owes_continue = false;
}

/* Nothing that follows can be understood or is wanted: the refusal is the connection's last reply. */
static void refuse(struct http_connection *connection, struct refusal refusal)
{
    struct exchange *exchange = connection->incoming;
    if (exchange == NULL) {
        exchange = exchange_take(connection->server, connection);
    }
    enqueue(connection, exchange);
    connection->state = CONNECTION_FINISHING;
    stop_reading(connection);
    exchange_refuse(exchange, refusal);
}

static void dispatch(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    struct exchange *exchange = connection->incoming;
    enqueue(connection, exchange);
    exchange->phase = EXCHANGE_HANDLED;
    exchange->keep_alive = exchange->head.keep_alive && !server->is_draining;
    if (!exchange->keep_alive) {
        connection->state = CONNECTION_FINISHING;
    }
    struct http_request *request = &exchange->request;
    request->body = exchange->input.length > 0 ? buffer_text(&exchange->input) : TEXT_LITERAL("");
    request->received_us = clock_monotonic_us();
    if (request->request_id.bytes == NULL) {
        request->request_id = server_make_request_id(server, request->arena);
    }
    exchange->is_heavy = request->method <= HTTP_METHOD_HEAD || request->body.length > HTTP_SMALL_BODY_BYTES;
    connection->heavy_count += exchange->is_heavy;
    server->stats.requests_in_flight++;
    server->options.handle(request, server->options.context);
    if (TAILQ_LAST(&connection->exchanges, exchange_queue) == exchange) { /* it is still there */
        exchange_count_bytes(exchange);
    }
}

/* Whether a request with so much of a head or body has to be refused, now. */
static bool refuse_overload(struct http_connection *connection, uint64_t head_bytes, uint64_t body_bytes)
{
    bool is_small = head_bytes <= HTTP_SMALL_HEAD_BYTES && body_bytes <= HTTP_SMALL_BODY_BYTES;
    if (is_small || !is_overloaded(connection->server)) {
        return false;
    }
    refuse(connection, (struct refusal){HTTP_REFUSAL_OVERLOADED, "no room for a request of that size"});
    return true;
}

static void begin_body(struct http_connection *connection, struct text head_bytes)
{
    struct exchange *exchange = connection->incoming;
    const struct http_server_options *options = &connection->server->options;
    struct http_request *request = &exchange->request;
    struct refusal refusal;
    head_bytes = arena_text(request->arena, head_bytes);
    buffer_clear(&exchange->input);
    bool is_good = head_parse(head_bytes, exchange->scan.line_count, request->arena, &exchange->head, &refusal);
    request->method = exchange->head.method;
    request->method_name = exchange->head.method_name;
    request->path = exchange->head.path;
    request->query = exchange->head.query;
    request->request_id = exchange->head.request_id;
    exchange_count_bytes(exchange);
    if (!is_good) {
        refuse(connection, refusal);
        return;
    }
    if (exchange->head.content_length > options->body_bytes_max) {
        refuse(connection, (struct refusal){HTTP_REFUSAL_BODY_TOO_LARGE, "body too large"});
        return;
    }
    if (refuse_overload(connection, head_bytes.length, exchange->head.content_length)) {
        return;
    }
    if (exchange->head.content_length == 0 && !exchange->head.chunked) {
        dispatch(connection);
        return;
    }
    exchange->phase = EXCHANGE_BODY;
    exchange->input.max = options->body_bytes_max;
    chunk_decoder_init(&exchange->chunks, options->header_bytes_max);
    if (exchange->head.expects_continue) {
        connection->owes_continue = true;
        mark_dirty(connection);
    }
}

/* A head that came in one read, as nearly all do, is scanned where it lies; one in pieces is gathered first. */
static size_t receive_head(struct http_connection *connection, struct text input)
{
    struct exchange *exchange = connection->incoming;
    size_t bytes_max = connection->server->options.header_bytes_max;
    size_t held = exchange->input.length;
    struct text bytes = input;
    if (held > 0) {
        buffer_append(&exchange->input, input.bytes, smaller(input.length, bytes_max - held));
        bytes = buffer_text(&exchange->input);
    }
    struct refusal refusal;
    switch (head_scan(&exchange->scan, bytes, bytes_max, &refusal)) {
    case HTTP_PROGRESS_COMPLETE: {
        size_t used = exchange->scan.next - held;
        begin_body(connection,
                   (struct text){bytes.bytes + exchange->scan.start, exchange->scan.next - exchange->scan.start});
        return used;
    }
    case HTTP_PROGRESS_INCOMPLETE:
        if (held == 0) {
            buffer_append(&exchange->input, input.bytes, input.length);
        }
        exchange_count_bytes(exchange);
        (void)refuse_overload(connection, exchange->input.length, 0);
        return input.length;
    default:
        refuse(connection, refusal);
        return input.length;
    }
}

static size_t receive_body(struct http_connection *connection, struct text input)
{
    struct exchange *exchange = connection->incoming;
    connection->owes_continue = false;
    if (refuse_overload(connection, 0,
                        exchange->head.chunked ? exchange->input.length : exchange->head.content_length)) {
        return input.length;
    }
    if (!exchange->head.chunked) {
        size_t left = (size_t)exchange->head.content_length - exchange->input.length;
        size_t used = smaller(left, input.length);
        buffer_append(&exchange->input, input.bytes, used);
        exchange_count_bytes(exchange);
        if (used == left) {
            dispatch(connection);
        }
        return used;
    }
    struct refusal refusal;
    size_t used;
    enum http_progress progress = chunk_decode(&exchange->chunks, input, &exchange->input, &used, &refusal);
    exchange_count_bytes(exchange);
    switch (progress) {
    case HTTP_PROGRESS_COMPLETE:
        dispatch(connection);
        break;
    case HTTP_PROGRESS_INCOMPLETE:
        break;
    default:
        refuse(connection, refusal);
    }
    return used;
}

static void take_input(struct http_connection *connection, struct text input)
{
    while (input.length > 0 && has_room(connection)) {
        if (connection->incoming == NULL) {
            connection->incoming = exchange_take(connection->server, connection);
            connection->since_ms = now_ms(connection);
        }
        bool in_head = connection->incoming->phase == EXCHANGE_HEAD;
        size_t used = in_head ? receive_head(connection, input) : receive_body(connection, input);
        input.bytes += used;
        input.length -= used;
    }
    if (!has_room(connection)) {
        stop_reading(connection);
        if (connection->state == CONNECTION_OPEN && input.length > 0) {
            connection->leftover = memory_alloc(input.length);
            connection->leftover_length = input.length;
            memcpy(connection->leftover, input.bytes, input.length);
            connection->server->stats.buffered_bytes += input.length;
        }
    }
}

static void end_input(struct http_connection *connection)
{
    connection->input_ended = true;
    stop_reading(connection);
    if (connection->state == CONNECTION_LINGERING || connection->state == CONNECTION_STREAMING) {
        http_connection_close(connection);
    } else if (connection->incoming != NULL) {
        refuse(connection, (struct refusal){HTTP_REFUSAL_BAD_REQUEST, "the request ended early"});
    } else if (connection->exchange_count == 0) {
        http_connection_close(connection);
    } else {
        connection->state = CONNECTION_FINISHING;
    }
}

static void on_read_buffer(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *ret_buffer)
{
    (void)suggested_bytes;
    struct http_connection *connection = handle->data;
    *ret_buffer = uv_buf_init(connection->server->read_buffer,
                              is_overloaded(connection->server) ? SMALL_READ_BYTES : SERVER_READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t result, const uv_buf_t *buffer)
{
    struct http_connection *connection = stream->data;
    if (result == UV_EOF) {
        end_input(connection);
    } else if (result < 0) {
        http_connection_close(connection);
    } else if (connection->state == CONNECTION_LINGERING || connection->state == CONNECTION_STREAMING) {
        if ((size_t)result > connection->dropped_bytes_left) {
            http_connection_close(connection);
            return;
        }
        connection->dropped_bytes_left -= (size_t)result;
    } else {
        take_input(connection, (struct text){buffer->base, (size_t)result});
    }
}

static void start_reading(struct http_connection *connection)
{
    connection->is_reading = true;
    if (uv_read_start(stream_of(connection), on_read_buffer, on_read) != 0) {
        http_connection_close(connection);
    }
}

static void resume_reading(struct http_connection *connection)
{
    if (connection->leftover != NULL) {
        struct text bytes = {connection->leftover, connection->leftover_length};
        char *memory = connection->leftover;
        connection->leftover = NULL;
        drop_leftover(connection);
        take_input(connection, bytes);
        free(memory);
    }
    if (connection->leftover == NULL && has_room(connection)) {
        if (connection->incoming != NULL) {
            connection->since_ms = now_ms(connection); /* the client is not to blame for the time we did not read */
        }
        start_reading(connection);
    }
}

/* --- writing --- */

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
    connection->since_ms = now_ms(connection);
    connection->dropped_bytes_left = LINGER_BYTES_MAX;
    if (uv_shutdown(&connection->requests.shutdown, stream_of(connection), on_shutdown) != 0) {
        http_connection_close(connection);
        return;
    }
    start_reading(connection);
}

static void advance(struct http_connection *connection, size_t written)
{
    connection->unsent_bytes -= written;
    struct exchange *exchange;
    while ((exchange = TAILQ_FIRST(&connection->exchanges)) != NULL && exchange->phase >= EXCHANGE_STREAMING) {
        for (size_t i = 0; i < EXCHANGE_PARTS_MAX; i++) {
            size_t length = smaller(exchange->unsent[i].len, written);
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
    connection->write_since_ms = now_ms(connection);
    if (uv_write(&connection->requests.write, stream_of(connection), parts, count, on_written) != 0) {
        http_connection_close(connection);
        return;
    }
    connection->write_pending = uv_stream_get_write_queue_size(stream_of(connection));
}

static void write_continue(struct http_connection *connection)
{
    static char reply[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uv_buf_t part = uv_buf_init(reply, sizeof(reply) - 1);
    connection->owes_continue = false;
    int result = uv_try_write(stream_of(connection), &part, 1);
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
        start_reading(connection);
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
            connection->since_ms = now_ms(connection);
        }
    }
    if (!connection->is_reading && has_room(connection)) {
        resume_reading(connection);
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
        int result = uv_try_write(stream_of(connection), parts, count);
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
    mark_dirty(connection);
}

void http_connection_begin_stream(struct http_connection *connection, struct exchange *exchange)
{
    connection->state = CONNECTION_STREAMING;
    connection->dropped_bytes_left = STREAM_BYTES_DROPPED_MAX;
    connection->owes_continue = false;
    drop_leftover(connection);
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
    if (uv_accept((uv_stream_t *)&server->listener, stream_of(connection)) != 0 ||
        server->stats.connections_open > connections_max + OVERFLOW_CONNECTIONS_MAX) {
        http_connection_close(connection);
        return;
    }
    server->stats.connections_total++;
    uv_tcp_nodelay(&connection->tcp, 1);
    connection->since_ms = now_ms(connection);
    if (server->stats.connections_open > connections_max) {
        refuse(connection, (struct refusal){HTTP_REFUSAL_TOO_MANY_CONNECTIONS, "too many connections"});
        return;
    }
    start_reading(connection);
}

bool http_connection_is_idle(const struct http_connection *connection)
{
    return connection->state == CONNECTION_LINGERING ||
           (connection->state == CONNECTION_OPEN && connection->incoming == NULL && connection->exchange_count == 0);
}

static void sweep_write(struct http_connection *connection, int64_t now)
{
    size_t pending = uv_stream_get_write_queue_size(stream_of(connection));
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
            refuse(connection, (struct refusal){HTTP_REFUSAL_TIMEOUT, "the request took too long to arrive"});
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
    stop_reading(connection);
    drop_leftover(connection);
    struct exchange *last = TAILQ_LAST(&connection->exchanges, exchange_queue);
    last->keep_alive = false;
}
