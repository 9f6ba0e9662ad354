#ifndef HOLDFAST_CLI_HTTP_CALLER_H
#define HOLDFAST_CLI_HTTP_CALLER_H

/* Many HTTP calls at once: libcurl's multi interface on a libuv loop. A call that gets no answer, or one that says
 * "not now" (5xx), is made again, with growing pauses: whoever sends an idempotency key may safely do so. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/fault.h"

struct http_caller;

struct http_caller_options {
    uv_loop_t *loop;
    const char *url;        /* "http://127.0.0.1:8080" */
    const char *bearer;     /* sent as Authorization: Bearer; NULL: none */
    size_t connections_max; /* kept open at once */
    int64_t retry_ms;       /* how long a call is made again */
};

/* One call and its answer. The caller's user owns it and leaves it alone until `done`; it may be sent again then. */
struct http_call {
    const char *path;            /* "/v1/orders", percent-encoded */
    struct text body;            /* JSON to POST; absent: a GET */
    const char *idempotency_key; /* NULL: none */
    bool wants_own_connection;   /* open a new one, whatever idle ones there are */
    void (*done)(struct http_call *call);
    void *context;

    int status;           /* 0: no answer came */
    const char *error;    /* why none came */
    struct buffer answer; /* its body, until the next send */
    int64_t duration_us;  /* of the attempt that was answered */
    unsigned retries;

    /* The caller's own. */
    struct http_caller *caller;
    void *handle;
    void *headers;
    uv_timer_t retry_timer;
    int64_t first_sent_us;
};

MUST_USE bool http_caller_new(const struct http_caller_options *options, struct http_caller **ret_caller,
                              struct fault *fault);
void http_call_init(struct http_caller *caller, struct http_call *call);
void http_call_send(struct http_call *call);
/* Sends it and runs the loop until it is done; `done` is not called. */
void http_call_send_and_wait(struct http_call *call);
void http_call_done(struct http_call *call); /* lets go of the answer; the loop must run once more afterwards */
/* All calls are done and let go of. The loop must run once more afterwards. */
void http_caller_free(struct http_caller *caller);

#endif
