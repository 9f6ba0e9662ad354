#ifndef HOLDFAST_HTTP_CLIENT_H
#define HOLDFAST_HTTP_CLIENT_H

/* Outgoing POST requests, many at once, on one thread: libcurl's multi interface. Made for URLs that strangers chose:
 *
 *   - The address is checked after it was resolved, on the very socket that is about to connect: no name server can
 *     show one address to the check and another to the connection.
 *   - A redirect is an answer like any other. No proxy, cookies, netrc, user info, decompression; HTTP/1.1 only.
 *   - TLS 1.2 or newer, certificate and host name verified.
 *   - What is read of an answer is bounded, in bytes and in time.
 *
 * Whoever makes the client drives it: all functions but http_client_wake belong to that one thread, and `done` is called
 * there, out of http_client_run and nowhere else. Connections are kept for five minutes and used again. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/fault.h"
#include "base/text.h"
#include "http/header.h"

struct http_client;
struct http_transfer;

struct http_client_options {
    bool allow_private; /* connect to any address: tests, receivers in one's own network */
    bool allow_http;    /* http as well as https */
    int64_t connect_timeout_ms;
    int64_t total_timeout_ms;   /* from the post to the last byte of the answer */
    size_t response_bytes_max;  /* of an answer's body; what goes beyond is not read, and the connection closed */
    size_t excerpt_bytes_max;   /* of an answer's body, kept for the result; at most response_bytes_max */
    size_t concurrency_max;     /* transfers at once, and connections kept */
    const char *user_agent;     /* copied */
    const char *ca_bundle_path; /* copied; a PEM file in the place of the system's authorities; NULL: the system's */
};

enum http_client_outcome {
    HTTP_CLIENT_ANSWERED,          /* an answer came, whatever its status */
    HTTP_CLIENT_URL_REFUSED,       /* http where it is not allowed, or nothing that can be asked */
    HTTP_CLIENT_ADDRESS_REFUSED,   /* the host is at no public address */
    HTTP_CLIENT_NAME_NOT_RESOLVED, /* no such name, or no name server answered */
    HTTP_CLIENT_CONNECT_FAILED,    /* refused, unreachable */
    HTTP_CLIENT_TLS_FAILED,        /* the certificate above all */
    HTTP_CLIENT_TIMED_OUT,         /* one of the two timeouts */
    HTTP_CLIENT_CONNECTION_LOST,   /* closed or reset before the answer was whole */
    HTTP_CLIENT_ANSWER_MALFORMED,  /* not HTTP, or out of bounds */
    HTTP_CLIENT_FAILED,            /* anything else */
    HTTP_CLIENT_OUTCOME_COUNT
};
const char *http_client_outcome_name(enum http_client_outcome outcome); /* snake_case, for logs and metrics */

/* Texts live until `done` returns. */
struct http_client_result {
    enum http_client_outcome outcome;
    const char *error;        /* NULL where answered; else a sentence for people, without URL, headers or body */
    int status;               /* of the answer; where none was complete the one seen last, 0: none */
    int64_t duration_ms;      /* from the post on */
    int64_t retry_after_ms;   /* what Retry-After asks for from now on, as seconds or as a date; 0: nothing */
    struct text body_excerpt; /* what was read of the body's start, as UTF-8 without controls but tab and line feed: */
                              /* other bytes are replaced by '?' */
    bool body_was_cut;        /* the body was longer than response_bytes_max */
};

struct http_client_request {
    const char *url;                   /* copied */
    const struct http_header *headers; /* copied; values are not empty. Host and Content-Length are added */
    size_t header_count;
    struct text body; /* borrowed until `done` was called or the transfer cancelled */
    /* Once for each transfer that is not cancelled. May post and cancel others; the transfer itself is gone by then. */
    void (*done)(void *context, const struct http_client_result *result);
    void *context;
};

/* Ignores SIGPIPE in the whole process. Fails where the CA bundle cannot be read or libcurl does not start. */
MUST_USE bool http_client_new(const struct http_client_options *options, struct http_client **ret_client,
                              struct fault *fault);
/* Begins a transfer. NULL: concurrency_max are under way (there is no queue here: ask http_client_room first). The
 * transfer is the client's, and ends with `done`. */
MUST_USE struct http_transfer *http_client_post(struct http_client *client, const struct http_client_request *request);
size_t http_client_room(const struct http_client *client); /* how many more transfers may begin */
/* Ends a transfer without calling `done`. What was sent may have arrived. */
void http_client_cancel(struct http_client *client, struct http_transfer *transfer);

/* Moves transfers on and waits, until at least one `done` was called, `descriptor` (-1: none) is readable or broken,
 * http_client_wake was called since the last run, or timeout_ms have passed (-1: never; 0: does not wait). Returns whether
 * the descriptor is readable or broken. Exact to the millisecond, and never early. */
bool http_client_run(struct http_client *client, int descriptor, int64_t timeout_ms);
/* Ends the wait of the run that is on, or of the next one. From any thread. */
void http_client_wake(struct http_client *client);

/* Cancels what is under way and closes all connections. Takes NULL. */
void http_client_free(struct http_client *client);

#endif
