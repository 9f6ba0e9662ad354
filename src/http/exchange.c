#include "http/exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/connection.h"
#include "http/reply.h"
#include "http/server_state.h"

#define EXCHANGE_ARENA_BYTES 4096
#define EXCHANGES_FREE_MAX 1024 /* kept for reuse: some 6 MiB, or 22 where all of them had bodies */
#define REFUSAL_BODY_MAX 4096

struct exchange *exchange_take(struct http_server *server, struct http_connection *connection)
{
    struct exchange *exchange = TAILQ_FIRST(&server->free_exchanges);
    if (exchange != NULL) {
        TAILQ_REMOVE(&server->free_exchanges, exchange, link);
        server->free_exchange_count--;
    } else {
        exchange = memory_zalloc(1, sizeof(*exchange));
        exchange->request.arena = arena_new(EXCHANGE_ARENA_BYTES);
        buffer_init(&exchange->input, 0);
    }
    struct arena *arena = exchange->request.arena;
    exchange->request = (struct http_request){.method = HTTP_METHOD_OTHER, .arena = arena, .route = -1};
    exchange->server = server;
    exchange->connection = connection;
    exchange->phase = EXCHANGE_HEAD;
    exchange->input.max = server->options.header_bytes_max;
    exchange->scan = (struct head_scan){0};
    exchange->head = (struct http_head){.method = HTTP_METHOD_OTHER};
    exchange->keep_alive = false;
    exchange->is_heavy = false;
    memset(exchange->unsent, 0, sizeof(exchange->unsent));
    exchange->is_stream = false;
    exchange_count_bytes(exchange);
    return exchange;
}

static void set_buffered_bytes(struct exchange *exchange, size_t bytes)
{
    exchange->server->stats.buffered_bytes -= exchange->buffered_bytes;
    exchange->server->stats.buffered_bytes += bytes;
    exchange->buffered_bytes = bytes;
}

void exchange_count_bytes(struct exchange *exchange)
{
    set_buffered_bytes(exchange, sizeof(*exchange) + arena_bytes(exchange->request.arena) + exchange->input.capacity +
                                     exchange->reply_body.capacity);
}

void exchange_drop_body(struct exchange *exchange)
{
    exchange->request.body = TEXT_LITERAL("");
    if (exchange->input.capacity > HTTP_SMALL_BODY_BYTES) { /* a smaller one's memory is kept for the next request */
        buffer_done(&exchange->input);
        buffer_init(&exchange->input, 0);
    }
}

void exchange_free(struct exchange *exchange)
{
    arena_free(exchange->request.arena);
    buffer_done(&exchange->input);
    free(exchange);
}

void exchange_discard(struct exchange *exchange)
{
    struct http_server *server = exchange->server;
    buffer_done(&exchange->reply_body);
    http_block_release(exchange->block);
    exchange->block = NULL;
    exchange_drop_body(exchange);
    set_buffered_bytes(exchange, 0);
    if (server->free_exchange_count >= EXCHANGES_FREE_MAX || server->is_freed) {
        exchange_free(exchange);
        return;
    }
    arena_clear(exchange->request.arena);
    buffer_clear(&exchange->input);
    TAILQ_INSERT_HEAD(&server->free_exchanges, exchange, link);
    server->free_exchange_count++;
}

void exchange_finish(struct exchange *exchange)
{
    struct http_server *server = exchange->server;
    if (server->options.answered != NULL && !server->is_freed) {
        server->options.answered(&exchange->request, exchange->status, exchange->body_bytes, server->options.context);
    }
    exchange_discard(exchange);
}

void exchange_detach(struct exchange *exchange, enum http_stream_end why)
{
    exchange->connection = NULL;
    if (exchange->phase == EXCHANGE_STREAMING) {
        exchange->phase = EXCHANGE_ANSWERED;
        exchange->stream_owner->ended(exchange->stream_context, why);
    }
    if (exchange->phase == EXCHANGE_ANSWERED) {
        exchange_finish(exchange);
    }
}

size_t exchange_unsent_bytes(const struct exchange *exchange)
{
    size_t bytes = 0;
    for (size_t i = 0; i < EXCHANGE_PARTS_MAX; i++) {
        bytes += exchange->unsent[i].len;
    }
    return bytes;
}

void exchange_stream_taken(struct exchange *exchange)
{
    struct http_block *block = exchange->block;
    exchange->block = NULL;
    exchange->stream_owner->taken(exchange->stream_context);
    http_block_release(block);
}

void exchange_answer(struct exchange *exchange, int status, const char *content_type, const struct http_header *headers,
                     size_t header_count, struct text body, bool stays)
{
    struct http_server *server = exchange->server;
    bool was_handled = exchange->phase == EXCHANGE_HANDLED;
    exchange->phase = EXCHANGE_ANSWERED;
    exchange->status = status;
    exchange->body_bytes = body.length;
    server->stats.requests_in_flight -= was_handled;
    if (exchange->connection == NULL) {
        exchange_finish(exchange);
        if (server->is_freed) {
            server_release_if_done(server);
        }
        return;
    }
    reply_format(exchange, content_type, headers, header_count, body, stays);
    exchange_drop_body(exchange);
    exchange_count_bytes(exchange);
    exchange->connection->heavy_count -= exchange->is_heavy;
    http_connection_reply_ready(exchange->connection, exchange_unsent_bytes(exchange));
}

void http_request_count_memory(struct http_request *request)
{
    exchange_count_bytes((struct exchange *)request);
}

void http_reply(struct http_request *request, int status, const char *content_type, const struct http_header *headers,
                size_t header_count, struct text body)
{
    struct exchange *exchange = (struct exchange *)request;
    assert(exchange->phase == EXCHANGE_HANDLED);
    exchange_answer(exchange, status, content_type, headers, header_count, body, false);
}

void http_reply_constant(struct http_request *request, int status, const char *content_type, struct text body)
{
    struct exchange *exchange = (struct exchange *)request;
    assert(exchange->phase == EXCHANGE_HANDLED);
    exchange_answer(exchange, status, content_type, NULL, 0, body, true);
}

void http_reply_take(struct http_request *request, int status, const char *content_type,
                     const struct http_header *headers, size_t header_count, struct buffer *body)
{
    struct exchange *exchange = (struct exchange *)request;
    assert(exchange->phase == EXCHANGE_HANDLED && !body->overflowed);
    exchange->reply_body = *body;
    buffer_init(body, body->max);
    exchange_answer(exchange, status, content_type, headers, header_count, buffer_text(&exchange->reply_body), true);
}

void exchange_refuse(struct exchange *exchange, struct refusal refusal)
{
    struct http_server *server = exchange->server;
    struct http_request *request = &exchange->request;
    exchange->keep_alive = false;
    request->received_us = clock_monotonic_us();
    if (request->request_id.bytes == NULL) {
        request->request_id = server_make_request_id(server, request->arena);
    }
    server->stats.refusals_total++;
    buffer_init(&exchange->reply_body, REFUSAL_BODY_MAX);
    int status = server->options.refuse(refusal.kind, request->request_id, refusal.detail, &exchange->reply_body,
                                        server->options.context);
    const struct http_header retry = {"Retry-After", TEXT_LITERAL("1")};
    exchange_answer(exchange, status, "application/problem+json", &retry, status == 503 ? 1 : 0,
                    buffer_text(&exchange->reply_body), true);
}

static const struct http_head *head_of(const struct http_request *request)
{
    return &((const struct exchange *)request)->head;
}

struct text http_request_header(const struct http_request *request, const char *name)
{
    const struct http_head *head = head_of(request);
    for (size_t i = 0; i < head->header_count; i++) {
        if (header_name_equal(head->headers[i].name, text_from_c(name))) {
            return head->headers[i].value;
        }
    }
    return TEXT_ABSENT;
}

size_t http_request_header_count(const struct http_request *request, const char *name)
{
    const struct http_head *head = head_of(request);
    size_t count = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        count += header_name_equal(head->headers[i].name, text_from_c(name));
    }
    return count;
}
