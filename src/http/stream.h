#ifndef HOLDFAST_HTTP_STREAM_H
#define HOLDFAST_HTTP_STREAM_H

/* Replies without an end in sight: begun instead of http_reply, then given block after block, until the owner ends them
 * or the client goes. Chunked for HTTP/1.1, until the connection closes for HTTP/1.0. A stream is its connection's last
 * reply: requests that are pipelined behind it are not answered.
 *
 * The owner is asked for more, never pushed against: it gives the next block when the last was taken, so that a client
 * that does not read costs nothing but the block that it was given. What is not taken within the server's write timeout
 * ends the stream. Any number of streams may write from one block; nothing is copied.
 *
 * Everything here runs on the loop's thread. */

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "http/server.h"

/* Memory that streams share. Its maker fills it in with one reference, its own; the last one lets go of it. */
struct http_block {
    char *bytes; /* they stay as they are */
    size_t length;
    size_t references;
    void (*free)(struct http_block *block); /* NULL: it lives for ever, and keeps its maker's reference */
};

void http_block_release(struct http_block *block); /* takes NULL */

enum http_stream_end { HTTP_STREAM_CLIENT_GONE, HTTP_STREAM_TIMED_OUT };

struct http_stream_owner {
    /* The kernel has taken all that was given, the head included; the block is let go of afterwards. Must not use the
     * stream before it has returned. */
    void (*taken)(void *context);
    /* The stream has ended by itself, or with the server, and the request must not be touched any more. Never called
     * from within the functions here. */
    void (*ended)(void *context, enum http_stream_end why);
};

/* Sends the head of the reply; `headers` are copied, `owner` has to last. The request is the stream's name from here
 * on. False: there is nothing to stream, since the request is a HEAD or its client has gone; it is answered. */
MUST_USE bool http_stream_begin(struct http_request *request, int status, const char *content_type,
                                const struct http_header *headers, size_t header_count,
                                const struct http_stream_owner *owner, void *context);
/* The block from `offset` on, at least one byte. Takes a reference of its own. Only right after the begin, and then once
 * each time that all was taken. */
void http_stream_write(struct http_request *request, struct http_block *block, size_t offset);
/* The request is gone. Where the client has yet to take something, or cannot be told, the connection closes on it. */
void http_stream_end(struct http_request *request);

#endif
