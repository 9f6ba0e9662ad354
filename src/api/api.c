#include "api/api.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/call.h"
#include "api/endpoint_url.h"
#include "api/idempotency_key.h"
#include "api/json_input.h"
#include "api/media_type.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/log.h"

#define KEYS_READ_EVERY_MS 500
#define QUEUES_READ_EVERY_MS 5000
#define FAILURES_LOGGED_PER_SECOND_MAX 20

/* ---- Life ---- */

static void take_completed(uv_async_t *handle);

struct api *api_new(const struct api_options *options)
{
    struct api *api = memory_zalloc(1, sizeof(*api));
    api->options = *options;
    api->digest = digest_new();
    api->http_metrics = http_metrics_new();
    api->event_stream = event_stream_new(options->loop, options->heartbeat_ms, options->answer_timeout_ms);
    int status = uv_async_init(options->loop, &api->completed, take_completed);
    assert(status == 0);
    status = uv_timer_init(options->loop, &api->keys_timer);
    assert(status == 0);
    status = uv_timer_init(options->loop, &api->queues_timer);
    assert(status == 0);
    api->handles_open = 3;
    api->completed.data = api;
    api->keys_timer.data = api;
    api->queues_timer.data = api;
    queue_metrics_init(&api->queue_metrics);
    return api;
}

bool api_is_idle(const struct api *api)
{
    return api->calls_pending == 0;
}

void api_set_unready(struct api *api)
{
    api->is_unready = true;
}

void api_set_draining(struct api *api)
{
    api->is_unready = true;
    api->draining = true;
    event_stream_drain(api->event_stream);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct api *api = handle->data;
    if (--api->handles_open > 0) {
        return;
    }
    queue_metrics_done(&api->queue_metrics);
    auth_keys_free(api->keys_read);
    auth_keys_free(api->keys);
    http_metrics_free(api->http_metrics);
    digest_free(api->digest);
    free(api);
}

void api_free(struct api *api)
{
    if (api != NULL) {
        endpoint_url_abandon(api);
        event_stream_free(api->event_stream);
        uv_close((uv_handle_t *)&api->completed, on_handle_closed);
        uv_close((uv_handle_t *)&api->keys_timer, on_handle_closed);
        uv_close((uv_handle_t *)&api->queues_timer, on_handle_closed);
    }
}

/* ---- Keys ---- */

static bool is_open(const struct api *api)
{
    return api->options.insecure || (api->options.listener_is_loopback && auth_keys_none(api->keys));
}

static enum auth_verdict check_access(const struct api *api, const struct http_request *request, enum key_scope needed)
{
    return is_open(api) ? AUTH_ALLOWED : auth_check(api->keys, api->digest, request, needed);
}

static bool may_listen(const struct http_request *request, void *context)
{
    return check_access(context, request, KEY_SCOPE_READ) == AUTH_ALLOWED;
}

bool api_load_keys(struct api *api, struct reader *reader, struct fault *fault)
{
    if (!auth_keys_read(api->options.ops, reader, &api->keys, fault)) {
        return false;
    }
    api->store_answered_us = clock_monotonic_us();
    if (auth_keys_none(api->keys) && !api->options.listener_is_loopback && !api->options.insecure &&
        !api->options.operations_only) {
        return fault_set(
            fault, FAULT_UNAVAILABLE,
            "the address is not a loopback one and no API key exists: make one with `holdfast keys "
            "create --name NAME --scope write` (and the --database of this server), listen on 127.0.0.1, or pass --insecure");
    }
    return true;
}

static bool run_keys_read(struct read_task *task, const struct store_ops *ops, struct reader *reader,
                          struct fault *fault)
{
    struct api *api = task->context;
    return auth_keys_read(ops, reader, &api->keys_read, fault);
}

static void on_keys_due(uv_timer_t *timer)
{
    struct api *api = timer->data;
    if (!api->keys_reading) {
        api->keys_task = (struct read_task){.run = run_keys_read, .context = api, .urgent = true};
        api->keys_reading = reader_pool_submit(api->readers, &api->keys_task);
    }
}

static void keys_read_completed(struct api *api)
{
    api->keys_reading = false;
    if (!api->keys_task.ok) {
        log_message(LOG_WARN, "keys_not_read", "%s: %s; the keys read before stay in force",
                    fault_kind_name(api->keys_task.fault.kind), api->keys_task.fault.detail);
        return;
    }
    if (!auth_keys_equal(api->keys, api->keys_read)) {
        log_message(LOG_INFO, "keys_changed", "API keys were made or revoked; the change counts from now on");
    }
    auth_keys_free(api->keys);
    api->keys = api->keys_read;
    api->keys_read = NULL;
    /* Where nothing changed, too: a stream begins a read after its key was judged, and the change may lie between. */
    event_stream_recheck(api->event_stream, may_listen, api);
}

static void on_queues_due(uv_timer_t *timer)
{
    struct api *api = timer->data;
    struct payment_timeouts timeouts = payment_timeouts_now(api);
    queue_metrics_read(&api->queue_metrics, api->readers, &timeouts, api->options.ops->now(api->options.store));
}

void api_attach(struct api *api, struct committer *committer, struct reader_pool *readers, struct http_server *server)
{
    api->committer = committer;
    api->readers = readers;
    api->server = server;
    event_stream_attach(api->event_stream, readers);
    int status = uv_timer_start(&api->keys_timer, on_keys_due, KEYS_READ_EVERY_MS, KEYS_READ_EVERY_MS);
    assert(status == 0);
    status = uv_timer_start(&api->queues_timer, on_queues_due, 0, QUEUES_READ_EVERY_MS);
    assert(status == 0);
}

/* ---- What comes back ---- */

void api_notify(void *context)
{
    struct api *api = context;
    (void)uv_async_send(&api->completed);
}

void api_notify_appended(void *context)
{
    struct api *api = context;
    event_stream_appended(api->event_stream);
}

static void take_completed(uv_async_t *handle)
{
    struct api *api = handle->data;
    if (api->committer == NULL) {
        return;
    }
    struct command *command = committer_take_completed(api->committer);
    while (command != NULL) {
        struct command *next = command->next;
        call_command_completed(command);
        command = next;
    }
    struct read_task *task = reader_pool_take_completed(api->readers);
    while (task != NULL) {
        struct read_task *next = task->next;
        api->store_answered_us = task->ok ? clock_monotonic_us() : api->store_answered_us;
        if (task == &api->keys_task) {
            keys_read_completed(api);
        } else if (task == &api->queue_metrics.task) {
            queue_metrics_completed(&api->queue_metrics);
        } else if (!event_stream_take_read(api->event_stream, task)) {
            call_read_completed(task);
        }
        task = next;
    }
}

/* ---- Requests: HTTP, then key and scope, then JSON, then fields ---- */

static void refuse_unrouted(struct call *call, struct text allow)
{
    call->allow = allow;
    call_refuse(call, allow.bytes == NULL ? PROBLEM_NOT_FOUND : PROBLEM_METHOD_NOT_ALLOWED, TEXT_ABSENT);
}

static bool refuse_media_type(struct call *call, const struct route *route)
{
    static const char NAME[] = "Content-Type";
    const struct http_request *request = call->request;
    if (route->body == BODY_NONE || request->body.length == 0 ||
        (http_request_header_count(request, NAME) <= 1 && media_type_is_json(http_request_header(request, NAME)))) {
        return false;
    }
    call_refuse(call, PROBLEM_UNSUPPORTED_MEDIA_TYPE, TEXT_ABSENT);
    return true;
}

static bool refuse_access(struct call *call, const struct route *route)
{
    const struct api *api = call->api;
    if (route->access < ACCESS_READ) {
        return false;
    }
    enum key_scope needed = (enum key_scope)(route->access - ACCESS_READ);
    switch (check_access(api, call->request, needed)) {
    case AUTH_ALLOWED:
        return false;
    case AUTH_UNAUTHENTICATED:
        call->challenge = TEXT_LITERAL("Bearer realm=\"holdfast\"");
        call_refuse(call, PROBLEM_UNAUTHENTICATED, TEXT_ABSENT);
        break;
    case AUTH_FORBIDDEN:
        call->challenge =
            arena_printf(call->request->arena, "Bearer realm=\"holdfast\", error=\"insufficient_scope\", scope=\"%s\"",
                         auth_scope_name(needed));
        call_refuse(
            call, PROBLEM_FORBIDDEN,
            arena_printf(call->request->arena, "This needs a key with the scope `%s`.", auth_scope_name(needed)));
        break;
    }
    return true;
}

static void read_idempotency_key(struct call *call)
{
    static const char NAME[] = "Idempotency-Key";
    size_t count = http_request_header_count(call->request, NAME);
    if (count == 0) {
        return;
    }
    struct text key = http_request_header(call->request, NAME);
    if (count > 1) {
        field_errors_add_named(&call->errors, text_from_c(NAME), FIELD_REPEATED, "May be sent once.");
    } else if (!idempotency_key_is_valid(key)) {
        field_errors_add_named(&call->errors, text_from_c(NAME), FIELD_INVALID_VALUE, IDEMPOTENCY_KEY_RULE);
    } else {
        call->idempotency_key = key;
    }
}

void api_handle(struct http_request *request, void *context)
{
    struct api *api = context;
    struct text parameter = TEXT_ABSENT;
    struct text allow = TEXT_ABSENT;
    const struct route *route = routes_find(request->method, request->path, request->arena, &parameter, &allow);
    struct call *call = call_new(api, request, parameter);
    if (api->options.operations_only && (route == NULL || route->access != ACCESS_OPERATIONS)) {
        call_refuse(call, PROBLEM_NOT_FOUND,
                    TEXT_LITERAL("This process takes no orders: it has /healthz, /readyz and /metrics."));
        return;
    }
    if (route == NULL) {
        refuse_unrouted(call, allow);
        return;
    }
    request->route = (int)(route - ROUTES);
    if (refuse_media_type(call, route) || refuse_access(call, route)) {
        return;
    }
    struct json_t *json = NULL;
    if (route->body == BODY_REQUIRED || (route->body == BODY_OPTIONAL && request->body.length > 0)) {
        struct text detail;
        json = json_input_parse(request->body, request->arena, &detail);
        if (json == NULL) {
            call_refuse(call, PROBLEM_INVALID_JSON, detail);
            return;
        }
    }
    query_parse(request->query, route->parameters, &call->errors, &call->query);
    if (route->method == HTTP_METHOD_POST) {
        read_idempotency_key(call);
    }
    call->json = json;
    route->handle(call); /* the call may be gone now */
    json_input_free(json);
}

int api_refuse(enum http_refusal refusal, struct text request_id, const char *parser_detail, struct buffer *body,
               void *context)
{
    struct api *api = context;
    struct json_writer json;
    (void)request_id; /* in the X-Request-Id header */
    json_writer_init(&json, body);
    http_metrics_count_refusal(api->http_metrics, refusal);
    if (api->options.log_requests) {
        log_message(LOG_INFO, "http_refused", "%s", parser_detail == NULL ? "" : parser_detail);
    }
    return problem_write_refusal(&json, refusal);
}

/* Failures are always logged, but no flood of them: an overloaded server has better things to do. */
static bool wants_log_line(struct api *api, int status)
{
    if (api->options.log_requests) {
        return true;
    }
    if (status < 500 || status == 501) { /* an unknown method is its client's failure */
        return false;
    }
    int64_t second = clock_monotonic_us() / 1000000;
    if (second != api->failures_second) {
        api->failures_second = second;
        api->failures_logged = 0;
    }
    return api->failures_logged++ < FAILURES_LOGGED_PER_SECOND_MAX;
}

void api_answered(const struct http_request *request, int status, size_t body_bytes, void *context)
{
    struct api *api = context;
    const struct call *call = request->context; /* NULL where the server refused by itself */
    if (call != NULL) {
        *call->unsent_bytes -= call->reply_bytes;
    }
    double seconds = (double)(clock_monotonic_us() - request->received_us) / 1e6;
    bool is_stream = call != NULL && call->is_stream; /* whose length says nothing of how fast anything is */
    http_metrics_count(api->http_metrics, request->route, status, is_stream ? -1 : seconds);
    if (!wants_log_line(api, status)) {
        return;
    }
    struct log_line line;
    log_begin(&line, status < 500 || status == 501 ? LOG_INFO : LOG_WARN, "request");
    json_string_field(&line.writer, "method", request->method_name);
    json_string_field(&line.writer, "path", request->path);
    json_c_field(&line.writer, "route",
                 request->route == ROUTE_UNMATCHED ? "unmatched" : ROUTES[request->route].pattern);
    json_int64_field(&line.writer, "status", status);
    char milliseconds[32];
    (void)snprintf(milliseconds, sizeof(milliseconds), "%.3f", seconds * 1000);
    json_raw_field(&line.writer, "duration_ms", text_from_c(milliseconds));
    json_int64_field(&line.writer, "body_bytes", (int64_t)body_bytes);
    json_string_field(&line.writer, "request_id", request->request_id);
    log_end(&line);
}
