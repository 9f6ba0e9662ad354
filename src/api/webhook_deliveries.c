#include "api/job_filter.h"
#include "api/list.h"
#include "api/render_jobs.h"
#include "api/resources.h"

/* A delivery is a job of its endpoint's queue. */

const char *const DELIVERY_LIST_PARAMETERS[] = {LIST_PARAMETERS, "endpoint_id", "state", NULL};

struct delivery_page {
    struct list list;
    struct job_filter filter;
};

static bool read_deliveries(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    const struct delivery_page *input = call->input;
    struct job **jobs = NULL;
    size_t count = 0;
    bool more = false;
    if (!ops->read_jobs(reader, call->request->arena, &input->filter, &input->list.page, &jobs, &count, &more, fault)) {
        return false;
    }
    struct json_writer *json = list_begin(call);
    struct page last = {0};
    size_t shown = 0;
    for (; shown < count && list_has_room(call); shown++) {
        render_delivery(json, jobs[shown]);
        last.after_id = jobs[shown]->id;
    }
    list_end(call, &input->list, (more || shown < count), (shown > 0 ? &last : NULL));
    return true;
}

void delivery_list_handle(struct call *call)
{
    struct delivery_page *input = arena_zalloc(call->request->arena, sizeof(*input));
    struct job_filter *filter = &input->filter;
    list_read(call, CURSOR_DELIVERIES, &input->list);
    job_state_read(call, filter);
    filter->kind = WEBHOOK_DELIVERY_KIND;
    struct text endpoint = query_get(&call->query, "endpoint_id");
    struct uuid endpoint_id;
    if (endpoint.bytes != NULL && !uuid_parse(endpoint, &endpoint_id)) {
        query_error(&call->errors, "endpoint_id", "Must be the id of a webhook endpoint.");
    } else if (endpoint.bytes != NULL) {
        filter->queue = webhook_queue_name(call->request->arena, endpoint_id);
    }
    call_submit_read(call, read_deliveries, input);
}

static bool read_delivery(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    struct job *job = NULL;
    if (!ops->read_job(reader, call->request->arena, call->input, &job, fault)) {
        return false;
    }
    if (job == NULL || !text_equal(job->kind, WEBHOOK_DELIVERY_KIND)) {
        call_set_outcome(call, OUTCOME_JOB_NOT_FOUND);
    } else {
        render_delivery_with_attempts(call_begin_body(call, 200), job, call->request->arena);
    }
    return true;
}

void delivery_get_handle(struct call *call)
{
    struct uuid *id = arena_alloc(call->request->arena, sizeof(*id));
    if (call_take_id(call, OUTCOME_JOB_NOT_FOUND, id)) {
        call_submit_read(call, read_delivery, id);
    }
}

void delivery_redeliver_handle(struct call *call)
{
    call->command.kind = COMMAND_REDELIVER;
    call_read_no_fields(call);
    if (call_take_id(call, OUTCOME_JOB_NOT_FOUND, &call->command.input.redeliver.job_id)) {
        call_submit_command(call);
    }
}
