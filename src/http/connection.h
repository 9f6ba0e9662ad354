#ifndef HOLDFAST_HTTP_CONNECTION_H
#define HOLDFAST_HTTP_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "http/exchange.h"

/* One client's connection: bytes in, requests to the handler, replies back in the order of the requests.
 *
 *   OPEN --last request received--> FINISHING --all replies written--> LINGERING --client done, or time is up--> CLOSED
 *     +----------a stream began---------+----> STREAMING --ended, or the client has gone------------------------->^
 *     +-----------------------------error, idle for too long, write timeout------------------------------------->^
 *
 * STREAMING: the connection's last reply is one without an end in sight; what the client still sends is dropped.
 *
 * LINGERING: our side is shut, what the client still sends is read and dropped for a moment. Closing at once would make
 * the kernel answer such bytes with a reset, which can destroy the reply before the client has read it. */

enum connection_state {
    CONNECTION_OPEN,
    CONNECTION_FINISHING,
    CONNECTION_STREAMING,
    CONNECTION_LINGERING,
    CONNECTION_CLOSED
};

struct http_connection {
    uv_tcp_t tcp;
    struct http_server *server;
    TAILQ_ENTRY(http_connection) link;
    TAILQ_ENTRY(http_connection) dirty_link;
    enum connection_state state;
    bool is_dirty;
    bool is_writing; /* a uv_write is under way */
    bool is_reading;
    bool input_ended;   /* the client has shut its side */
    bool owes_continue; /* `incoming` waits for a 100 Continue */

    struct exchange *incoming;       /* being received; NULL between requests */
    struct exchange_queue exchanges; /* received, in order: with the handler, or answered and unwritten */
    size_t exchange_count;           /* in that queue */
    size_t heavy_count;              /* of those that are with the handler */
    size_t unsent_bytes;             /* of its answered ones */
    char *leftover;                  /* bytes that were read and for which there was no room */
    size_t leftover_length;

    int64_t since_ms; /* OPEN: of the incoming request's first byte, or of the last activity; LINGERING: of its start */
    int64_t write_since_ms;    /* of the last progress of a write */
    size_t write_pending;      /* as the last sweep saw it */
    size_t write_bytes;        /* in the present write */
    size_t dropped_bytes_left; /* STREAMING, LINGERING: past this the client is cut off */
    bool timed_out;            /* a write has: why a stream ends */
    union {
        uv_write_t write;
        uv_shutdown_t shutdown; /* only after the last write */
    } requests;
};

TAILQ_HEAD(connection_list, http_connection);
TAILQ_HEAD(connection_dirty_list, http_connection);

void http_connection_accept(struct http_server *server);
bool http_connection_is_idle(const struct http_connection *connection); /* closing it would lose no reply */
/* It is looked at before the loop sleeps. */
void http_connection_mark_dirty(struct http_connection *connection);
/* More is to be written: so many bytes of its exchanges. */
void http_connection_reply_ready(struct http_connection *connection, size_t bytes);
/* Makes the exchange the connection's last: what is received behind it is dropped, and goes unanswered. */
void http_connection_begin_stream(struct http_connection *connection, struct exchange *exchange);
void http_connection_flush(struct http_connection *connection);
void http_connection_sweep(struct http_connection *connection, int64_t now_ms); /* ends what took too long */
/* Lets what was received be answered, the last reply with `Connection: close`; closes an idle connection at once. */
void http_connection_drain(struct http_connection *connection);
void http_connection_close(struct http_connection *connection);

#endif
