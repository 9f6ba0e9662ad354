#include "http/stream.h"

#include <assert.h>
#include <stdio.h>

#include "http/connection.h"
#include "http/reply.h"
#include "http/server_state.h"

enum stream_part { PART_HEAD, PART_CHUNK_LINE, PART_BLOCK, PART_CHUNK_END };

static char CHUNK_END[] = "\r\n";
static char LAST_CHUNK[] = "0\r\n\r\n";

void http_block_release(struct http_block *block)
{
    if (block != NULL && --block->references == 0) {
        block->free(block);
    }
}

bool http_stream_begin(struct http_request *request, int status, const char *content_type,
                       const struct http_header *headers, size_t header_count, const struct http_stream_owner *owner,
                       void *context)
{
    struct exchange *exchange = (struct exchange *)request;
    assert(exchange->phase == EXCHANGE_HANDLED);
    exchange->is_stream = true;
    if (exchange->connection == NULL || request->method == HTTP_METHOD_HEAD) {
        exchange_answer(exchange, status, content_type, headers, header_count, TEXT_ABSENT, false);
        return false;
    }
    exchange->phase = EXCHANGE_STREAMING;
    exchange->status = status;
    exchange->body_bytes = 0;
    exchange->keep_alive = false;
    exchange->stream_owner = owner;
    exchange->stream_context = context;
    exchange->server->stats.requests_in_flight--;
    reply_format(exchange, content_type, headers, header_count, TEXT_ABSENT, false);
    exchange_drop_body(exchange);
    exchange_count_bytes(exchange);
    http_connection_begin_stream(exchange->connection, exchange);
    return true;
}

void http_stream_write(struct http_request *request, struct http_block *block, size_t offset)
{
    struct exchange *exchange = (struct exchange *)request;
    assert(exchange->phase == EXCHANGE_STREAMING && exchange->block == NULL && offset < block->length);
    size_t length = block->length - offset;
    size_t framing = 0;
    block->references++;
    exchange->block = block;
    exchange->body_bytes += length;
    exchange->unsent[PART_BLOCK] = uv_buf_init(block->bytes + offset, (unsigned)length);
    if (!exchange->head.http_1_0) {
        int line = snprintf(exchange->chunk_line, sizeof(exchange->chunk_line), "%zx\r\n", length);
        exchange->unsent[PART_CHUNK_LINE] = uv_buf_init(exchange->chunk_line, (unsigned)line);
        exchange->unsent[PART_CHUNK_END] = uv_buf_init(CHUNK_END, sizeof(CHUNK_END) - 1);
        framing = (size_t)line + sizeof(CHUNK_END) - 1;
    }
    http_connection_reply_ready(exchange->connection, length + framing);
}

void http_stream_end(struct http_request *request)
{
    struct exchange *exchange = (struct exchange *)request;
    assert(exchange->phase == EXCHANGE_STREAMING);
    exchange->phase = EXCHANGE_ANSWERED;
    if (exchange->head.http_1_0 || exchange_unsent_bytes(exchange) > 0) {
        http_connection_close(exchange->connection);
        return;
    }
    exchange->unsent[PART_HEAD] = uv_buf_init(LAST_CHUNK, sizeof(LAST_CHUNK) - 1);
    http_connection_reply_ready(exchange->connection, sizeof(LAST_CHUNK) - 1);
}
