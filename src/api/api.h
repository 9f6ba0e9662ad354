#ifndef HOLDFAST_API_API_H
#define HOLDFAST_API_API_H

/* The HTTP API: requests to commands and reads, outcomes to replies. Everything here runs on the loop thread, but for
 * command->render (committer's thread) and read tasks (reader pool), which touch only what they were given.
 *
 * Wiring: api_new; then committer and reader pool are started with api_notify as their `completed`; then
 * api_attach; then http_server_start with api_handle, api_refuse, api_answered and the api as context. */

#include <uv.h>

#include "engine/committer.h"
#include "engine/reader_pool.h"
#include "http/server.h"

struct api;

struct api_options {
    uv_loop_t *loop;
    const struct store_ops *ops;
    struct store *store; /* for its stats only */
    struct engine_metrics *engine_metrics;
    int64_t hold_seconds_max;
    bool listener_is_loopback;
    bool insecure;              /* --insecure: no key needed even where keys exist or the listener is public */
    bool operations_only;       /* health, readiness and metrics; all else is not found, and no key is asked for */
    bool webhook_allow_private; /* endpoints may be anywhere, and without TLS */
    struct text (*make_webhook_secret)(struct arena *arena); /* a new one, in the arena */
    int64_t answer_timeout_ms; /* for a client to take what it was given: of event streams; others are the server's */
    int64_t heartbeat_ms;      /* an event stream that is silent for so long says that it lives */
    bool log_requests;         /* an access log line for each request (else only for 5xx) */
    /* What others have to show on /metrics. Any moment between api_new and api_free; NULL: nothing. */
    void (*write_metrics)(void *context, struct buffer *out);
    void *metrics_context;
};

struct api *api_new(const struct api_options *options);
void api_attach(struct api *api, struct committer *committer, struct reader_pool *readers, struct http_server *server);
/* Reads the keys for the first time, on the given reader; false with a fault where the store does not answer, or
 * (FAULT_UNAVAILABLE with what to do) where the listener is public, no key exists and --insecure was not given.
 * Keys are read again every 500 ms from then on. */
MUST_USE bool api_load_keys(struct api *api, struct reader *reader, struct fault *fault);
/* The loop's thread. No reply is left to be made: all commands and reads were answered. */
bool api_is_idle(const struct api *api);
void api_set_unready(struct api *api);  /* /readyz answers 503 from here on */
void api_set_draining(struct api *api); /* and event streams end */
/* After committer, reader pool and HTTP server were stopped; the loop must run once more, which frees it. */
void api_free(struct api *api); /* takes NULL */

/* Callbacks of the committer, the reader pool and the HTTP server; context is the api. */
void api_notify(void *context);          /* any thread */
void api_notify_appended(void *context); /* any thread: events were committed */
void api_handle(struct http_request *request, void *context);
int api_refuse(enum http_refusal refusal, struct text request_id, const char *parser_detail, struct buffer *body,
               void *context);
void api_answered(const struct http_request *request, int status, size_t body_bytes, void *context);

#endif
