#ifndef HOLDFAST_HTTP_SERVER_H
#define HOLDFAST_HTTP_SERVER_H

/* The HTTP/1.1 server: libuv for sockets and time, llhttp for bytes. It turns hostile bytes into bounded, complete
 * requests, hands each to one handler on the loop thread, and writes the answers back in order. It knows nothing of
 * routes, JSON or orders.
 *
 * A request lives until it has been answered, whatever becomes of its connection: a client that hangs up changes
 * nothing about the command it sent. Everything here runs on the loop thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/fault.h"
#include "base/text.h"
#include "http/header.h"

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_PUT,
    HTTP_METHOD_OPTIONS,
    HTTP_METHOD_OTHER
};

#define HTTP_REQUEST_ID_MAX 64
#define HTTP_SMALL_BODY_BYTES ((size_t)16384)
#define HTTP_SMALL_HEAD_BYTES ((size_t)4096)
#define HTTP_HEAVY_MAX 4

struct http_server;

/* What a handler sees. The body lives until it is answered, the arena and all other texts until the reply was written, or
 * the client found gone; `answered` is the last to see them. */
struct http_request {
    enum http_method method;
    struct text method_name;
    /* Before '?', as it was sent (percent-encoded). Starts with '/', except for `OPTIONS *`; of a target in absolute form
     * (http://host/path) it is the path. */
    struct text path;
    struct text query;      /* behind '?', absent where there is none */
    struct text body;       /* empty where there is none */
    struct text request_id; /* X-Request-Id where the client sent a decent one, else made here */
    struct arena *arena;
    int64_t received_us; /* monotonic: when the last byte of the request was parsed */
    void *context;       /* the handler's own */
    int route;           /* the handler's own, for metrics; -1 until set */
};

/* First header of that name (ASCII case-insensitive); absent where there is none. */
struct text http_request_header(const struct http_request *request, const char *name);
/* How often the header was sent: a credential or key sent twice is refused by the caller. */
size_t http_request_header_count(const struct http_request *request, const char *name);

/* What was put into the request's arena counts towards buffered_bytes_max from here: for a handler that keeps much, before
 * it hands the request to another thread. On the loop thread. */
void http_request_count_memory(struct http_request *request);

/* Answers, exactly once per request, now or later, always on the loop thread. `body` is copied; or taken, with
 * http_reply_take: the buffer's memory moves to the server and *body is left empty; or stays where it is, with
 * http_reply_constant: it lasts as long as the server. A HEAD request gets the headers
 * and no body. Content-Length, Date, Connection and X-Request-Id are added here. content_type NULL: none. */
void http_reply(struct http_request *request, int status, const char *content_type, const struct http_header *headers,
                size_t header_count, struct text body);
void http_reply_take(struct http_request *request, int status, const char *content_type,
                     const struct http_header *headers, size_t header_count, struct buffer *body);
void http_reply_constant(struct http_request *request, int status, const char *content_type, struct text body);

/* What the server itself refuses (it never reaches the handler); the callee writes the problem body. The connection
 * closes behind each. */
enum http_refusal {
    HTTP_REFUSAL_BAD_REQUEST,          /* 400 malformed HTTP, smuggling, CONNECT */
    HTTP_REFUSAL_TIMEOUT,              /* 408 a request that trickled past its time */
    HTTP_REFUSAL_BODY_TOO_LARGE,       /* 413 */
    HTTP_REFUSAL_URI_TOO_LONG,         /* 414 */
    HTTP_REFUSAL_EXPECTATION_FAILED,   /* 417 an Expect other than 100-continue */
    HTTP_REFUSAL_HEADERS_TOO_LARGE,    /* 431 */
    HTTP_REFUSAL_NOT_IMPLEMENTED,      /* 501 a transfer coding other than chunked, an unknown method */
    HTTP_REFUSAL_TOO_MANY_CONNECTIONS, /* 503 */
    HTTP_REFUSAL_OVERLOADED,           /* 503 a body for which there is no room now */
    HTTP_REFUSAL_VERSION               /* 505 not HTTP/1.0 or 1.1 */
};

struct http_server_options {
    const char *host;        /* numeric address or name */
    uint16_t port;           /* 0: the kernel chooses, see http_server_port */
    size_t connections_max;  /* 10,000 */
    size_t header_bytes_max; /* 16 KiB for the request line and all headers */
    size_t body_bytes_max;   /* 1 MiB */
    /* 256 MiB for all requests and their answers together, from a request's first byte until its answer is written; a
     * stream counts with its head. Past that a body of more than HTTP_SMALL_BODY_BYTES or a head of more than
     * HTTP_SMALL_HEAD_BYTES is refused, and a connection gets one answer before its next request is read: what a client
     * needs for one small request it always gets. */
    size_t buffered_bytes_max;
    /* 64 requests of one connection in flight, of which HTTP_HEAVY_MAX may be a GET or HEAD, or have a large body; further bytes
     * wait in the socket. */
    size_t pipeline_max;
    int64_t idle_timeout_ms;    /* between requests: 75,000 */
    int64_t request_timeout_ms; /* first byte to last byte of a request: 15,000 */
    int64_t write_timeout_ms;   /* a reply that the client does not read: 15,000 */
    void (*handle)(struct http_request *request, void *context);
    /* Writes the problem+json body for a refusal and returns its status; *ret_detail is the HTTP parser's own word. */
    int (*refuse)(enum http_refusal refusal, struct text request_id, const char *parser_detail, struct buffer *body,
                  void *context);
    /* Called once per answered request (after the write was handed to the kernel, or the client was found gone): for
     * metrics and the access log. Refusals as well: of those only request_id and route (-1) are always there. May be
     * NULL. Not called any more after http_server_free. */
    void (*answered)(const struct http_request *request, int status, size_t body_bytes, void *context);
    void *context;
};

struct http_server_stats {
    size_t connections_open;
    uint64_t connections_total;
    size_t requests_in_flight;
    uint64_t refusals_total;
    size_t buffered_bytes; /* for requests and answers, see buffered_bytes_max */
};

/* Listens on the first address of options->host. Raises the process's limit of open files where connections_max needs it,
 * and ignores SIGPIPE. On failure the loop must run once more before it can be closed. */
MUST_USE bool http_server_start(uv_loop_t *loop, const struct http_server_options *options,
                                struct http_server **ret_server, struct fault *fault);
uint16_t http_server_port(const struct http_server *server);
struct http_server_stats http_server_stats(const struct http_server *server);
/* Stop accepting, close idle connections, answer what is in flight with `Connection: close`; `drained` is called once
 * when no connection and no unanswered request is left. */
void http_server_drain(struct http_server *server, void (*drained)(void *context), void *context);
/* Closes what is open; the loop must run once more afterwards. Takes NULL. Requests still with handlers stay valid until
 * their http_reply. */
void http_server_free(struct http_server *server);

#endif
