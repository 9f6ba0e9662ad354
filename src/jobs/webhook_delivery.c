#include "jobs/webhook_delivery.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "http/client.h"
#include "jobs/webhook_signature.h"

#define ARENA_CHUNK_BYTES 65536
#define READ_PAUSE_US 500000      /* after a read that failed */
#define READ_RETRY_MS 1000        /* of deliveries that it failed */
#define ENDPOINTS_FRESH_US 500000 /* a changed endpoint counts within a second */
#define EVENTS_READ 100           /* deliveries come in the order of events: the next are read along */
#define BODY_BYTES_MAX (512 * 1024)
#define RETRY_AFTER_MS_MAX (INT64_C(6) * 60 * 60 * 1000)
#define STATUS_GONE 410
#define HEADER_COUNT 4

struct webhook_sender {
    struct job_kinds_options options;
    struct reader *reader;
    int64_t read_again_us; /* not before: the last read failed */

    struct arena *endpoint_arena;
    struct webhook_endpoint **endpoints;
    size_t endpoint_count;
    int64_t endpoints_read_us; /* 0: not yet */

    struct arena *event_arena;
    struct event_row *events; /* consecutive */
    size_t event_count;
};

/* One attempt under way. In the run's arena. */
struct delivery {
    struct webhook_sender *sender;
    struct job_run *run;
    struct http_transfer *transfer;
    struct uuid endpoint_id;
};

/* ---- What is to be sent ---- */

static bool note_failed_read(struct webhook_sender *sender, const char *event, const struct fault *fault)
{
    sender->read_again_us = clock_monotonic_us() + READ_PAUSE_US;
    log_message(LOG_WARN, event, "%s; deliveries wait", fault->detail);
    return false;
}

static bool read_endpoints(struct webhook_sender *sender)
{
    struct fault fault;
    int64_t now_us = clock_monotonic_us();
    if (now_us < sender->read_again_us) {
        return false;
    }
    if (sender->endpoints_read_us != 0 && now_us - sender->endpoints_read_us < ENDPOINTS_FRESH_US) {
        return true;
    }
    sender->endpoints_read_us = 0;
    arena_clear(sender->endpoint_arena);
    if (!sender->options.ops->read_endpoints(sender->reader, sender->endpoint_arena, &sender->endpoints,
                                             &sender->endpoint_count, &fault)) {
        return note_failed_read(sender, "webhook_endpoints_not_read", &fault);
    }
    sender->endpoints_read_us = now_us;
    return true;
}

static const struct webhook_endpoint *known_endpoint(const struct webhook_sender *sender, struct uuid id)
{
    for (size_t i = 0; i < sender->endpoint_count; i++) {
        if (uuid_equal(sender->endpoints[i]->id, id)) {
            return sender->endpoints[i];
        }
    }
    return NULL;
}

/* *ret_endpoint is NULL where there is none. One that is not known may be newer than what is. */
static bool find_endpoint(struct webhook_sender *sender, struct uuid id, const struct webhook_endpoint **ret_endpoint)
{
    if (!read_endpoints(sender)) {
        return false;
    }
    const struct webhook_endpoint *endpoint = known_endpoint(sender, id);
    if (endpoint == NULL) {
        sender->endpoints_read_us = 0;
        if (!read_endpoints(sender)) {
            return false;
        }
        endpoint = known_endpoint(sender, id);
    }
    *ret_endpoint = endpoint;
    return true;
}

static const struct event_row *known_event(const struct webhook_sender *sender, int64_t sequence)
{
    if (sender->event_count == 0 || sequence < sender->events[0].sequence) {
        return NULL;
    }
    size_t at = (size_t)(sequence - sender->events[0].sequence);
    return at < sender->event_count ? &sender->events[at] : NULL;
}

/* *ret_event is NULL where there is none. */
static bool read_event(struct webhook_sender *sender, int64_t sequence, const struct event_row **ret_event)
{
    struct fault fault;
    bool more;
    bool found;
    const struct event_row *event = known_event(sender, sequence);
    if (event == NULL) {
        const struct event_filter any = {.is_complete = true};
        const struct page page = {.limit = EVENTS_READ, .has_after = true, .after_number = sequence - 1};
        sender->event_count = 0;
        arena_clear(sender->event_arena);
        if (!sender->options.ops->read_events(sender->reader, sender->event_arena, &any, &page, &sender->events,
                                              &sender->event_count, &more, &found, &fault)) {
            sender->event_count = 0;
            return note_failed_read(sender, "event_not_read", &fault);
        }
        event = known_event(sender, sequence);
    }
    *ret_event = event;
    return true;
}

/* The event as the API shows it, with the members that Standard Webhooks asks for. */
static void write_event(struct json_writer *json, const struct event_row *event)
{
    char id[UUID_TEXT_LENGTH + 1];
    uuid_format(event->id, id);
    json_object_begin(json);
    json_c_field(json, "type", event_type_name(event->type));
    json_time_field(json, "timestamp", event->created_at_ms);
    json_c_field(json, "event_id", id);
    json_int64_field(json, "sequence", event->sequence);
    json_time_field(json, "created_at", event->created_at_ms);
    json_raw_field(json, "data", event->data);
    json_object_end(json);
}

/* A test has no event: what is sent stands in its payload, {"type": ..., "data": ...}, but for the time. */
static void write_test(struct buffer *body, const struct job *job)
{
    struct json_writer json;
    char id[UUID_TEXT_LENGTH + 1];
    uuid_format(job->id, id);
    json_writer_init(&json, body);
    json_object_begin(&json);
    json_time_field(&json, "timestamp", job->created_at_ms);
    json_c_field(&json, "event_id", id);
    buffer_append_char(body, ',');
    buffer_append(body, job->payload.bytes + 1, job->payload.length - 1); /* its members, and the end */
}

static struct text make_body(struct job_run *run, const struct event_row *event)
{
    struct buffer body;
    struct json_writer json;
    buffer_init(&body, BODY_BYTES_MAX);
    if (event != NULL) {
        json_writer_init(&json, &body);
        write_event(&json, event);
    } else {
        write_test(&body, job_run_job(run));
    }
    struct text text = arena_text(job_run_arena(run), buffer_text(&body));
    buffer_done(&body);
    return text;
}

/* ---- One attempt ---- */

static void finish(struct job_run *run, enum job_result_kind kind, const char *error)
{
    job_run_finish(run, &(struct job_finish){.kind = kind, .error = text_from_c(error), .message = text_from_c(error)});
}

static void note_attempt(struct webhook_sender *sender, struct uuid endpoint_id,
                         const struct http_client_result *result, bool is_delivered)
{
    struct endpoint_metrics *metrics = job_metrics_endpoint(sender->options.metrics, endpoint_id);
    if (metrics == NULL) {
        return;
    }
    counter_add(is_delivered ? &metrics->delivered : &metrics->failed, 1);
    if (result->outcome == HTTP_CLIENT_ANSWERED) {
        histogram_observe(&metrics->delivery_seconds, (double)result->duration_ms / 1000.0);
    }
}

static struct text on_one_line(struct arena *arena, struct text text)
{
    char *line = arena_alloc(arena, text.length + 1);
    for (size_t i = 0; i < text.length; i++) {
        line[i] = text.bytes[i];
        if (line[i] == '\n' || line[i] == '\t') {
            line[i] = ' ';
        }
    }
    return (struct text){line, text.length};
}

static void on_answered(void *context, const struct http_client_result *result)
{
    struct delivery *delivery = context;
    struct job_run *run = delivery->run;
    bool is_answered = result->outcome == HTTP_CLIENT_ANSWERED;
    bool is_delivered = is_answered && result->status >= 200 && result->status < 300;
    bool is_gone = is_answered && result->status == STATUS_GONE;
    int64_t retry_after_ms = result->retry_after_ms < RETRY_AFTER_MS_MAX ? result->retry_after_ms : RETRY_AFTER_MS_MAX;
    note_attempt(delivery->sender, delivery->endpoint_id, result, is_delivered);
    struct text message = WEBHOOK_DELIVERED;
    struct text logged_error = TEXT_ABSENT;
    if (is_answered && !is_delivered) {
        struct text excerpt = on_one_line(job_run_arena(run), result->body_excerpt);
        logged_error = arena_printf(job_run_arena(run), "the endpoint answered %d", result->status);
        message = arena_printf(job_run_arena(run), "%.*s: %.*s", (int)logged_error.length, logged_error.bytes,
                               (int)excerpt.length, excerpt.bytes);
    } else if (!is_answered) {
        message = text_from_c(result->error);
    }
    job_run_finish(run, &(struct job_finish){
                            .kind = is_delivered ? JOB_RESULT_DONE
                                    : is_gone    ? JOB_RESULT_HOPELESS
                                                 : JOB_RESULT_FAILED,
                            .error = message,
                            .logged_error = logged_error,
                            .retry_in_ms = retry_after_ms,
                            .hold_ms = retry_after_ms,
                            .message = message,
                            .is_answered = true,
                            .status = result->status,
                            .duration_ms = result->duration_ms,
                            .health = is_delivered ? ENDPOINT_WORKS
                                      : is_gone    ? ENDPOINT_GONE
                                                   : ENDPOINT_FAILS,
                            .endpoint_id = delivery->endpoint_id,
                        });
}

/* With both secrets while there are two. */
static bool sign(const struct webhook_endpoint *endpoint, struct text id, int64_t now_ms, struct text body,
                 char ret_signature[WEBHOOK_SIGNATURE_LENGTH_MAX + 1])
{
    const struct text secrets[WEBHOOK_SECRETS_MAX] = {endpoint->secret, endpoint->previous_secret};
    bool has_previous = endpoint->previous_secret.bytes != NULL && endpoint->previous_until_ms > now_ms;
    return webhook_signature_make(secrets, has_previous ? 2 : 1, id, now_ms / 1000, body, ret_signature);
}

static void post(struct webhook_sender *sender, struct job_run *run, const struct webhook_endpoint *endpoint,
                 const struct event_row *event)
{
    char id[UUID_TEXT_LENGTH + 1];
    char timestamp[24];
    char signature[WEBHOOK_SIGNATURE_LENGTH_MAX + 1];
    int64_t now_ms = sender->options.ops->now(sender->options.store); /* a server's own may be off */
    struct text body = make_body(run, event);
    uuid_format(event == NULL ? job_run_job(run)->id : event->id, id);
    (void)snprintf(timestamp, sizeof(timestamp), "%lld", (long long)(now_ms / 1000));
    if (!sign(endpoint, text_from_c(id), now_ms, body, signature)) {
        finish(run, JOB_RESULT_FAILED, "the endpoint's secret cannot be used");
        return;
    }
    const struct http_header headers[HEADER_COUNT] = {
        {.name = "Content-Type", .value = TEXT_LITERAL("application/json")},
        {.name = "webhook-id", .value = text_from_c(id)},
        {.name = "webhook-timestamp", .value = text_from_c(timestamp)},
        {.name = "webhook-signature", .value = text_from_c(signature)},
    };
    struct delivery *delivery = arena_zalloc(job_run_arena(run), sizeof(*delivery));
    *delivery = (struct delivery){.sender = sender, .run = run, .endpoint_id = endpoint->id};
    job_run_set_state(run, delivery);
    delivery->transfer = http_client_post(job_runner_http(sender->options.runner),
                                          &(struct http_client_request){.url = endpoint->url.bytes,
                                                                        .headers = headers,
                                                                        .header_count = HEADER_COUNT,
                                                                        .body = body,
                                                                        .done = on_answered,
                                                                        .context = delivery});
    if (delivery->transfer == NULL) {
        job_run_finish(run, &(struct job_finish){.kind = JOB_RESULT_GIVEN_BACK});
    }
}

static void start(struct webhook_sender *sender, struct job_run *run)
{
    const struct job *job = job_run_job(run);
    const struct event_row *event = NULL;
    struct uuid endpoint_id;
    if (!webhook_queue_endpoint(job->queue, &endpoint_id)) {
        finish(run, JOB_RESULT_HOPELESS, "the queue is no endpoint's");
        return;
    }
    const struct webhook_endpoint *endpoint;
    if (!find_endpoint(sender, endpoint_id, &endpoint) ||
        (job->event_sequence != 0 && !read_event(sender, job->event_sequence, &event))) {
        job_run_finish(run, &(struct job_finish){.kind = JOB_RESULT_GIVEN_BACK, .retry_in_ms = READ_RETRY_MS});
        return;
    }
    if (endpoint == NULL) {
        finish(run, JOB_RESULT_DROPPED, "the endpoint was deleted");
    } else if (event == NULL && job->payload.length < 2) {
        finish(run, JOB_RESULT_HOPELESS, "the event is not in the log any more");
    } else {
        post(sender, run, endpoint, event);
    }
}

void webhook_delivery_start(void *context, struct job_run **runs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        start(context, runs[i]);
    }
}

void webhook_delivery_stop(void *context, struct job_run *run)
{
    struct webhook_sender *sender = context;
    struct delivery *delivery = job_run_state(run);
    if (delivery != NULL && delivery->transfer != NULL) {
        http_client_cancel(job_runner_http(sender->options.runner), delivery->transfer);
        delivery->transfer = NULL;
    }
}

/* ---- Life ---- */

bool webhook_sender_new(const struct job_kinds_options *options, struct webhook_sender **ret_sender,
                        struct fault *fault)
{
    struct webhook_sender *sender = memory_zalloc(1, sizeof(*sender));
    sender->options = *options;
    sender->endpoint_arena = arena_new(ARENA_CHUNK_BYTES);
    sender->event_arena = arena_new(ARENA_CHUNK_BYTES);
    if (!options->ops->reader_open(options->store, &sender->reader, fault)) {
        webhook_sender_free(sender);
        return false;
    }
    *ret_sender = sender;
    return true;
}

void webhook_sender_free(struct webhook_sender *sender)
{
    if (sender == NULL) {
        return;
    }
    if (sender->reader != NULL) {
        sender->options.ops->reader_close(sender->reader);
    }
    arena_free(sender->event_arena);
    arena_free(sender->endpoint_arena);
    free(sender);
}
