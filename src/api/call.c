#include "api/call.h"

#include <assert.h>

#include "api/if_match.h"
#include "api/reply.h"
#include "base/log.h"
#include "domain/limits.h"

#define READ_ARENA_CHUNK_BYTES 16384
#define LISTS_PENDING_MAX 256

struct call *call_new(struct api *api, struct http_request *request, struct text parameter)
{
    struct call *call = arena_zalloc(request->arena, sizeof(*call));
    call->api = api;
    call->request = request;
    request->context = call;
    call->parameter = parameter;
    call->unsent_bytes = &api->unsent_bytes;
    field_errors_init(&call->errors, request->arena);
    buffer_init(&call->body, REPLY_BODY_BYTES_MAX);
    return call;
}

struct json_writer *call_begin_body(struct call *call, int status)
{
    buffer_clear(&call->body);
    call->status = status;
    call->content_type = status < 400 ? "application/json" : PROBLEM_CONTENT_TYPE;
    json_writer_init(&call->writer, &call->body);
    return &call->writer;
}

void call_set_problem(struct call *call, enum problem_kind kind, struct text detail)
{
    call->status = problem_write(call_begin_body(call, 500), kind, detail);
}

void call_set_outcome(struct call *call, enum outcome_code code)
{
    const struct outcome outcome = {.code = code};
    struct kept_answer head;
    assert(!outcome_is_success(code));
    (void)call_begin_body(call, reply_status(code));
    reply_render(&call->command, &outcome, call->request->arena, &call->body, &head);
}

static void add_header(struct http_header *headers, size_t *count, const char *name, struct text value)
{
    if (value.bytes != NULL) {
        headers[(*count)++] = (struct http_header){.name = name, .value = value};
    }
}

/* Decided again when the answer is there: many may have been on their way when it was asked for. */
static bool is_one_too_many(const struct call *call)
{
    return call->read != NULL && call->body.length > CALL_LARGE_REPLY_BYTES &&
           *call->unsent_bytes >= CALL_UNSENT_BYTES_MAX;
}

void call_reserve_reply(struct call *call, size_t bytes)
{
    *call->unsent_bytes += bytes - call->reply_bytes;
    call->reply_bytes = bytes;
}

void call_send(struct call *call)
{
    struct arena *arena = call->request->arena;
    if (call->body.overflowed) {
        call->version = 0;
        call->location = TEXT_ABSENT;
        call_set_problem(call, PROBLEM_REPLY_TOO_LARGE, TEXT_ABSENT);
    } else if (is_one_too_many(call)) {
        call->version = 0;
        call_set_outcome(call, OUTCOME_BUSY);
    }
    struct http_header headers[6];
    size_t count = 0;
    add_header(headers, &count, "Location", call->location);
    add_header(headers, &count, "Allow", call->allow);
    add_header(headers, &count, "WWW-Authenticate", call->challenge);
    if (call->version != 0) {
        add_header(headers, &count, "ETag", arena_printf(arena, "\"%lld\"", (long long)call->version));
    }
    if (call->replayed) {
        add_header(headers, &count, "Idempotency-Replayed", TEXT_LITERAL("true"));
    }
    if (call->status == 503) {
        add_header(headers, &count, "Retry-After", TEXT_LITERAL("1"));
    }
    assert(count <= sizeof(headers) / sizeof(headers[0]));
    call_reserve_reply(call, call->body.length > CALL_LARGE_REPLY_BYTES ? call->body.length : 0);
    http_reply_take(call->request, call->status, call->content_type, headers, count, &call->body);
}

void call_refuse(struct call *call, enum problem_kind kind, struct text detail)
{
    call_set_problem(call, kind, detail);
    call_send(call);
}

void call_refuse_outcome(struct call *call, enum outcome_code code)
{
    call_set_outcome(call, code);
    call_send(call);
}

bool call_refuse_errors(struct call *call)
{
    if (call->errors.count == 0) {
        return false;
    }
    call->status = problem_write_field_errors(call_begin_body(call, 422), &call->errors);
    call_send(call);
    return true;
}

bool call_refuse_large(struct call *call)
{
    if (*call->unsent_bytes < CALL_UNSENT_BYTES_MAX) {
        return false;
    }
    call_refuse_outcome(call, OUTCOME_BUSY);
    return true;
}

bool call_take_id(struct call *call, enum outcome_code not_found, struct uuid *ret_id)
{
    if (call_refuse_errors(call)) {
        return false;
    }
    if (!uuid_parse(call->parameter, ret_id)) {
        call_refuse_outcome(call, not_found);
        return false;
    }
    return true;
}

bool call_take_sku(struct call *call, struct text *ret_sku)
{
    struct text sku;
    if (call_refuse_errors(call)) {
        return false;
    }
    if (!percent_decode(call->parameter, false, call->request->arena, &sku) || sku.length > SKU_BYTES_MAX) {
        call_refuse_outcome(call, OUTCOME_VARIANT_NOT_FOUND);
        return false;
    }
    *ret_sku = sku;
    return true;
}

void call_read_condition(struct call *call, struct version_condition *ret_condition)
{
    static const char NAME[] = "If-Match";
    size_t count = http_request_header_count(call->request, NAME);
    if (count > 1 || (count == 1 &&
                      !if_match_parse(http_request_header(call->request, NAME), call->request->arena, ret_condition))) {
        query_error(&call->errors, NAME, "Must be sent once, as a list of entity tags or as *.");
    }
}

void call_read_no_fields(struct call *call)
{
    if (call->json != NULL) {
        struct json_fields fields;
        json_fields_begin(&fields, call->json, NULL, &call->errors);
        json_fields_end(&fields);
    }
}

/* A request is the same where its method, its path and its body's bytes are. */
static void take_fingerprint(struct call *call)
{
    const struct http_request *request = call->request;
    const struct text zero = {"", 1};
    const struct text parts[] = {request->method_name, zero, request->path, zero, request->body};
    digest_compute(call->api->digest, parts, sizeof(parts) / sizeof(parts[0]), call->command.idempotency.fingerprint);
    call->command.idempotency.key = call->idempotency_key;
    call->command.render = reply_keep;
}

void call_submit_command(struct call *call)
{
    if (call_refuse_errors(call)) {
        return;
    }
    if (call->idempotency_key.bytes != NULL) {
        take_fingerprint(call);
    }
    call->command.context = call;
    http_request_count_memory(call->request);
    struct api *api = call->api;
    if (committer_submit(api->committer, &call->command)) {
        api->calls_pending++;
    } else {
        call_refuse_outcome(call, OUTCOME_BUSY);
    }
}

void call_command_completed(struct command *command)
{
    struct call *call = command->context;
    const struct outcome *outcome = &command->outcome;
    struct kept_answer head = command->answer;
    call->api->calls_pending--;
    (void)call_begin_body(call, 200);
    if (head.body.bytes != NULL) {
        buffer_append_text(&call->body, head.body);
    } else {
        reply_render(command, outcome, call->request->arena, &call->body, &head);
    }
    call->status = head.status;
    call->content_type = head.status < 400 ? "application/json" : PROBLEM_CONTENT_TYPE;
    /* It may be the batch's, which goes with the release. */
    call->location = arena_text(call->request->arena, head.location);
    call->version = head.version;
    call->replayed = outcome->code == OUTCOME_REPLAYED;
    committer_release(call->api->committer, command);
    call_send(call);
}

/* What a read loads is needed until it is rendered, and may be a hundred times its answer (a page of large orders), so it
 * has an arena of its own. Until the read is done the request is this thread's alone. */
static bool run_read(struct read_task *task, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    struct call *call = task->context;
    struct arena *request_arena = call->request->arena;
    call->request->arena = arena_new(READ_ARENA_CHUNK_BYTES);
    bool ok = call->read(call, ops, reader, fault);
    arena_free(call->request->arena);
    call->request->arena = request_arena;
    return ok;
}

void call_submit_read(struct call *call, call_read *read, const void *input)
{
    if (call_refuse_errors(call)) {
        return;
    }
    call->task.run = run_read;
    call->task.context = call;
    call->task.is_long = call->is_list;
    call->read = read;
    call->input = input;
    struct api *api = call->api;
    if (call->is_list && (api->lists_pending >= LISTS_PENDING_MAX || api->unsent_bytes >= CALL_UNSENT_BYTES_MAX)) {
        call_refuse_outcome(call, OUTCOME_BUSY);
    } else if (reader_pool_submit(api->readers, &call->task)) {
        api->calls_pending++;
        api->lists_pending += call->is_list;
    } else {
        call_refuse_outcome(call, OUTCOME_BUSY);
    }
}

/* What a client learns of a read's fault; the operator learns more. */
static void set_fault(struct call *call, const struct fault *fault)
{
    call->version = 0;
    if (fault->kind == FAULT_TIMEOUT) {
        call_set_problem(call, PROBLEM_READ_TIMEOUT, TEXT_ABSENT);
    } else if (fault->kind == FAULT_UNAVAILABLE) {
        call_set_outcome(call, OUTCOME_STORE_UNAVAILABLE);
    } else {
        call_set_outcome(call, OUTCOME_INTERNAL_ERROR);
    }
    struct log_line line;
    log_begin(&line, LOG_WARN, "read_failed");
    json_c_field(&line.writer, "fault", fault_kind_name(fault->kind));
    json_c_field(&line.writer, "detail", fault->detail);
    json_string_field(&line.writer, "request_id", call->request->request_id);
    log_end(&line);
}

void call_read_completed(struct read_task *task)
{
    struct call *call = task->context;
    call->api->calls_pending--;
    call->api->lists_pending -= call->is_list;
    if (task->ok && call->proceed != NULL) {
        call->proceed(call);
        return;
    }
    if (!task->ok) {
        set_fault(call, &task->fault);
    }
    call_send(call);
}
