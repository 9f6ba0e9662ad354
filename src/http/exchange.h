#ifndef HOLDFAST_HTTP_EXCHANGE_H
#define HOLDFAST_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "http/chunked.h"
#include "http/head.h"
#include "http/server.h"
#include "http/stream.h"

/* One request and its reply. It is made when a request's first byte comes, belongs to its connection from then on, and
 * goes back to the server's free list when the reply was written. If the client goes away while a handler has it, it
 * belongs to the handler until http_reply.
 *
 *   HEAD --> BODY --> HANDLED --http_reply--> ANSWERED --> written, free
 *     |        |        +----> STREAMING -------^
 *     +--------+------------refusal-------------^                           */

enum exchange_phase { EXCHANGE_HEAD, EXCHANGE_BODY, EXCHANGE_HANDLED, EXCHANGE_STREAMING, EXCHANGE_ANSWERED };

#define EXCHANGE_PARTS_MAX 4

struct http_connection;
struct http_server;

struct exchange {
    struct http_request request; /* first: a handler's request is its exchange */
    struct http_server *server;
    struct http_connection *connection; /* NULL once the client has gone */
    TAILQ_ENTRY(exchange) link;         /* in the connection's queue, or in the free list */
    enum exchange_phase phase;

    /* receiving */
    struct buffer input; /* the head while it is incomplete, then the body */
    struct head_scan scan;
    struct http_head head;
    struct chunk_decoder chunks;
    size_t buffered_bytes; /* of the server's, for this one */
    bool is_heavy;         /* its answer may be large, or its body is */
    bool keep_alive;       /* after this reply */

    /* the reply */
    int status;
    size_t body_bytes;
    /* What is left to write: the head with a small body, a large body; of a stream the head, a chunk's first line, a
     * block, what ends the chunk. */
    uv_buf_t unsent[EXCHANGE_PARTS_MAX];
    struct buffer reply_body; /* a body that was taken */

    /* of a stream */
    bool is_stream;
    const struct http_stream_owner *stream_owner;
    void *stream_context;
    struct http_block *block; /* being written, with a reference; NULL: none */
    char chunk_line[24];
};

TAILQ_HEAD(exchange_queue, exchange);

struct exchange *exchange_take(struct http_server *server, struct http_connection *connection);
/* After any of its memory has grown or gone: counts what the server holds for the exchange. */
void exchange_count_bytes(struct exchange *exchange);
/* Nobody reads the request's body any more. */
void exchange_drop_body(struct exchange *exchange);
/* After the reply was written or can never be: tells the owner of the server, and frees. */
void exchange_finish(struct exchange *exchange);
/* An answer is known: hands it to the connection, or ends the exchange where the client has gone. `stays`: the body lasts
 * as long as the exchange, and need not be copied. */
void exchange_answer(struct exchange *exchange, int status, const char *content_type, const struct http_header *headers,
                     size_t header_count, struct text body, bool stays);
/* Its connection has no more use for it. What is with a handler stays until the handler answers. */
void exchange_detach(struct exchange *exchange, enum http_stream_end why);
size_t exchange_unsent_bytes(const struct exchange *exchange);
void exchange_stream_taken(struct exchange *exchange); /* all that was given: asks the owner for more */
void exchange_discard(struct exchange *exchange);      /* one that was never handed to the handler */
void exchange_free(struct exchange *exchange);         /* really, past the free list */
/* The server's own answer, without asking the handler; the connection closes behind it. */
void exchange_refuse(struct exchange *exchange, struct refusal refusal);

#endif
