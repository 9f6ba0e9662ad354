#include "api/call.h"
#include "api/render_jobs.h"
#include "api/resources.h"

/* Queues and schedules: there are few, and each list is one page. */

static void begin_whole_list(struct call *call)
{
    struct json_writer *json = call_begin_body(call, 200);
    json_object_begin(json);
    json_key(json, "data");
    json_array_begin(json);
}

static void end_whole_list(struct call *call)
{
    json_array_end(&call->writer);
    json_null_field(&call->writer, "next_cursor");
    json_object_end(&call->writer);
}

struct payment_timeouts payment_timeouts_now(const struct api *api)
{
    struct store_stats stats = {0};
    api->options.ops->stats(api->options.store, &stats);
    return (struct payment_timeouts){.count = stats.live_holds, .next_due_ms = committer_next_due_ms(api->committer)};
}

struct queue_list {
    struct payment_timeouts timeouts;
    int64_t now_ms;
};

static bool read_queues(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    const struct queue_list *input = call->input;
    struct queue_row *rows = NULL;
    size_t count = 0;
    if (!job_reads_queues(ops, reader, call->request->arena, input->now_ms, &input->timeouts, &rows, &count, fault)) {
        return false;
    }
    begin_whole_list(call);
    for (size_t i = 0; i < count; i++) {
        render_queue(&call->writer, &rows[i]);
    }
    end_whole_list(call);
    return true;
}

void queue_list_handle(struct call *call)
{
    const struct api *api = call->api;
    struct queue_list *input = arena_zalloc(call->request->arena, sizeof(*input));
    input->timeouts = payment_timeouts_now(api);
    input->now_ms = api->options.ops->now(api->options.store);
    call->is_list = true;
    call_submit_read(call, read_queues, input);
}

/* False, and the call was answered: no queue has such a name. */
static bool take_queue(struct call *call, struct text *ret_name)
{
    struct text name;
    if (call_refuse_errors(call)) {
        return false;
    }
    if (!percent_decode(call->parameter, false, call->request->arena, &name) || !job_name_is_good(name)) {
        call_refuse_outcome(call, OUTCOME_QUEUE_NOT_FOUND);
        return false;
    }
    *ret_name = name;
    return true;
}

static void set_paused(struct call *call, bool is_paused)
{
    struct update_queue *update = &call->command.input.update_queue;
    call->command.kind = COMMAND_UPDATE_QUEUE;
    update->has_paused = true;
    update->is_paused = is_paused;
    call_read_no_fields(call);
    if (take_queue(call, &update->name)) {
        call_submit_command(call);
    }
}

void queue_pause_handle(struct call *call)
{
    set_paused(call, true);
}

void queue_resume_handle(struct call *call)
{
    set_paused(call, false);
}

static void read_rate(struct json_fields *fields, struct update_queue *update)
{
    static const struct field_place PLACE = {.name = "rate_limit"};
    const struct json_t *value = json_fields_get(fields, PLACE.name, FIELD_OPTIONAL);
    update->has_rate = value != NULL;
    if (value == NULL || json_value_is_null(value)) {
        return;
    }
    struct json_fields inner;
    json_fields_begin(&inner, value, &PLACE, fields->errors);
    (void)json_fields_int64(&inner, "max", FIELD_MANDATORY, 1, JOB_QUEUE_RATE_MAX, &update->rate_max);
    (void)json_fields_int64(&inner, "period_ms", FIELD_MANDATORY, 1, JOB_QUEUE_RATE_PERIOD_MS_MAX,
                            &update->rate_period_ms);
    json_fields_end(&inner);
}

void queue_update_handle(struct call *call)
{
    struct update_queue *update = &call->command.input.update_queue;
    struct json_fields fields;
    call->command.kind = COMMAND_UPDATE_QUEUE;
    json_fields_begin(&fields, call->json, NULL, &call->errors);
    update->has_concurrency =
        json_fields_int64_or_null(&fields, "concurrency", 1, JOB_QUEUE_CONCURRENCY_MAX, 0, &update->concurrency);
    read_rate(&fields, update);
    json_fields_end(&fields);
    if (take_queue(call, &update->name)) {
        call_submit_command(call);
    }
}

static bool read_schedules(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    struct job_schedule **schedules = NULL;
    size_t count = 0;
    if (!ops->read_schedules(reader, call->request->arena, &schedules, &count, fault)) {
        return false;
    }
    begin_whole_list(call);
    for (size_t i = 0; i < count; i++) {
        render_schedule(&call->writer, schedules[i]);
    }
    end_whole_list(call);
    return true;
}

void schedule_list_handle(struct call *call)
{
    call->is_list = true;
    call_submit_read(call, read_schedules, NULL);
}
