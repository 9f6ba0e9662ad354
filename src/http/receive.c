#include "http/receive.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/server_state.h"

#define UNSENT_BYTES_MAX ((size_t)262144) /* above this a connection is not read from until its client reads */
#define SMALL_READ_BYTES 4096             /* while the server holds too much: what is read may have to be kept */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

void receive_drop_leftover(struct http_connection *connection)
{
    connection->server->stats.buffered_bytes -= connection->leftover_length;
    free(connection->leftover);
    connection->leftover = NULL;
    connection->leftover_length = 0;
}

static bool is_overloaded(const struct http_server *server)
{
    return server->stats.buffered_bytes >= server->options.buffered_bytes_max;
}

bool receive_has_room(const struct http_connection *connection)
{
    const struct http_server *server = connection->server;
    return connection->state == CONNECTION_OPEN &&
           connection->exchange_count < (is_overloaded(server) ? 1 : server->options.pipeline_max) &&
           connection->heavy_count < HTTP_HEAVY_MAX && connection->unsent_bytes <= UNSENT_BYTES_MAX;
}

void receive_stop(struct http_connection *connection)
{
    connection->is_reading = false;
    uv_read_stop(connection_stream(connection));
}

static void enqueue(struct http_connection *connection, struct exchange *exchange)
{
    TAILQ_INSERT_TAIL(&connection->exchanges, exchange, link);
    connection->exchange_count++;
    connection->incoming = NULL;
    connection->owes_continue = false;
}

void receive_refuse(struct http_connection *connection, struct refusal refusal)
{
    struct exchange *exchange = connection->incoming;
    if (exchange == NULL) {
        exchange = exchange_take(connection->server, connection);
    }
    enqueue(connection, exchange);
    connection->state = CONNECTION_FINISHING;
    receive_stop(connection);
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
    exchange->is_heavy = request->method == HTTP_METHOD_GET || request->method == HTTP_METHOD_HEAD ||
                         request->body.length > HTTP_SMALL_BODY_BYTES;
    connection->heavy_count += exchange->is_heavy;
    server->stats.requests_in_flight++;
    server->options.handle(request, server->options.context);
}

/* Whether a request with so much of a head or body has to be refused, now. */
static bool refuse_overload(struct http_connection *connection, uint64_t head_bytes, uint64_t body_bytes)
{
    bool is_small = head_bytes <= HTTP_SMALL_HEAD_BYTES && body_bytes <= HTTP_SMALL_BODY_BYTES;
    if (is_small || !is_overloaded(connection->server)) {
        return false;
    }
    receive_refuse(connection, (struct refusal){HTTP_REFUSAL_OVERLOADED, "no room for a request of that size"});
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
        receive_refuse(connection, refusal);
        return;
    }
    if (exchange->head.content_length > options->body_bytes_max) {
        receive_refuse(connection, (struct refusal){HTTP_REFUSAL_BODY_TOO_LARGE, "body too large"});
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
        http_connection_mark_dirty(connection);
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
        receive_refuse(connection, refusal);
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
        receive_refuse(connection, refusal);
    }
    return used;
}

static void take_input(struct http_connection *connection, struct text input)
{
    while (input.length > 0 && receive_has_room(connection)) {
        if (connection->incoming == NULL) {
            connection->incoming = exchange_take(connection->server, connection);
            connection->since_ms = connection_now_ms(connection);
        }
        bool in_head = connection->incoming->phase == EXCHANGE_HEAD;
        size_t used = in_head ? receive_head(connection, input) : receive_body(connection, input);
        input.bytes += used;
        input.length -= used;
    }
    if (!receive_has_room(connection)) {
        receive_stop(connection);
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
    receive_stop(connection);
    if (connection->state == CONNECTION_LINGERING || connection->state == CONNECTION_STREAMING) {
        http_connection_close(connection);
    } else if (connection->incoming != NULL) {
        receive_refuse(connection, (struct refusal){HTTP_REFUSAL_BAD_REQUEST, "the request ended early"});
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

void receive_start(struct http_connection *connection)
{
    connection->is_reading = true;
    if (uv_read_start(connection_stream(connection), on_read_buffer, on_read) != 0) {
        http_connection_close(connection);
    }
}

void receive_resume(struct http_connection *connection)
{
    if (connection->leftover != NULL) {
        struct text bytes = {connection->leftover, connection->leftover_length};
        char *memory = connection->leftover;
        connection->leftover = NULL;
        receive_drop_leftover(connection);
        take_input(connection, bytes);
        free(memory);
    }
    if (connection->leftover == NULL && receive_has_room(connection)) {
        if (connection->incoming != NULL) {
            connection->since_ms =
                connection_now_ms(connection); /* the client is not to blame for the time we did not read */
        }
        receive_start(connection);
    }
}
