#include "api/call.h"
#include "api/openapi.h"
#include "api/resources.h"
#include "base/clock.h"
#include "base/version.h"

/* The keys are read twice a second: a store that did not answer for this long does not answer. */
#define STORE_SILENT_US_MAX (2 * INT64_C(1000000))

static void send_status(struct call *call, const char *status)
{
    struct json_writer *json = call_begin_body(call, 200);
    json_object_begin(json);
    json_c_field(json, "status", status);
    json_c_field(json, "version", HOLDFAST_VERSION);
    json_object_end(json);
    call_send(call);
}

void health_handle(struct call *call)
{
    if (!call_refuse_errors(call)) {
        send_status(call, "ok");
    }
}

/* Answers at once, whatever the store does: a probe must never wait for what it asks about. */
void readiness_handle(struct call *call)
{
    const struct api *api = call->api;
    if (call_refuse_errors(call)) {
        return;
    }
    if (api->is_unready) {
        call_refuse(call, PROBLEM_DRAINING, TEXT_ABSENT);
    } else if (clock_monotonic_us() - api->store_answered_us > STORE_SILENT_US_MAX ||
               committer_is_failing(api->committer)) {
        call_refuse_outcome(call, OUTCOME_STORE_UNAVAILABLE);
    } else {
        send_status(call, "ready");
    }
}

static void write_number(struct buffer *out, const char *name, const char *type, const char *help, int64_t value)
{
    metrics_write_head(out, name, type, help);
    buffer_append_c(out, name);
    buffer_append_char(out, ' ');
    buffer_append_int64(out, value);
    buffer_append_char(out, '\n');
}

void metrics_handle(struct call *call)
{
    struct api *api = call->api;
    call->unsent_bytes = &api->unsent_metrics_bytes;
    if (call_refuse_errors(call) || call_refuse_large(call)) {
        return;
    }
    call->status = 200;
    call->content_type = "text/plain; version=0.0.4; charset=utf-8";
    struct http_server_stats http = http_server_stats(api->server);
    struct store_stats store = {0};
    api->options.ops->stats(api->options.store, &store);
    http_metrics_write(api->http_metrics, &http, &call->body);
    engine_metrics_write(api->options.engine_metrics, &call->body);
    write_number(&call->body, "holdfast_live_holds", "gauge", "Drafts that hold stock.", store.live_holds);
    write_number(&call->body, "holdfast_database_bytes", "gauge", "Size of the database.", store.database_bytes);
    write_number(&call->body, "holdfast_database_log_bytes", "gauge", "Size of the write-ahead log.", store.log_bytes);
    write_number(&call->body, "holdfast_read_database_fallbacks_total", "counter",
                 "Lists that came from the primary because the replica did not answer.", store.replica_fallbacks);
    event_stream_write_metrics(api->event_stream, &call->body);
    queue_metrics_write(&api->queue_metrics, &call->body);
    if (api->options.write_metrics != NULL) {
        api->options.write_metrics(api->options.metrics_context, &call->body);
    }
    call_send(call);
}

void openapi_handle(struct call *call)
{
    if (!call_refuse_errors(call)) {
        http_reply_constant(call->request, 200, "application/json", (struct text){OPENAPI_JSON, OPENAPI_JSON_LENGTH});
    }
}
