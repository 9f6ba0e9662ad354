#ifndef HOLDFAST_API_API_STATE_H
#define HOLDFAST_API_API_STATE_H

/* What the files of this room share of the API's state. The loop's thread alone. */

#include "api/api.h"
#include "api/auth.h"
#include "api/digest.h"
#include "api/event_stream.h"
#include "api/http_metrics.h"
#include "api/queue_metrics.h"

struct host_lookup;

struct api {
    /* immutable once attached */
    struct api_options options;
    struct committer *committer;
    struct reader_pool *readers;
    struct http_server *server;
    struct digest *digest;
    struct http_metrics *http_metrics;

    /* the keys, and how they are kept fresh */
    struct auth_keys *keys;
    uv_timer_t keys_timer;
    struct read_task keys_task;
    struct auth_keys *keys_read; /* by the task, to take the place of `keys` */
    bool keys_reading;
    int64_t store_answered_us; /* when a read last came back with what it asked for */

    struct queue_metrics queue_metrics;
    uv_timer_t queues_timer;

    /* calls that wait until their webhook's host was looked up; see endpoint_url.c */
    struct host_lookup *lookups;
    size_t lookup_count;

    struct event_stream *event_stream;

    uv_async_t completed; /* commands or reads wait to be taken; any thread may send */
    size_t calls_pending; /* submitted or waiting for a lookup, not yet taken back */
    size_t lists_pending; /* past LISTS_PENDING_MAX a list is answered 503 busy */
    /* Of large answers that their connections have not taken yet. Past CALL_UNSENT_BYTES_MAX no list or batch of orders is
     * begun, and no large read is answered: 503 busy. Nobody needs a key for the metrics: who asks for them and does not
     * read must not keep others from anything else. */
    size_t unsent_bytes;
    size_t unsent_metrics_bytes;
    bool is_unready;
    bool draining;
    int64_t failures_second; /* of the monotonic clock: when failures_logged began to count */
    int failures_logged;
    int handles_open; /* of this struct, until it may be freed */
};

/* What is known of the payment timeouts without asking the store. */
struct payment_timeouts payment_timeouts_now(const struct api *api);

#endif
