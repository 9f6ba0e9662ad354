#include "api/job_filter.h"
#include "api/list.h"
#include "api/render_jobs.h"
#include "api/resources.h"

const char *const JOB_LIST_PARAMETERS[] = {LIST_PARAMETERS, "state", "kind", "queue", "key", NULL};

struct job_page {
    struct list list;
    struct job_filter filter;
};

static bool read_jobs(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    const struct job_page *input = call->input;
    struct job **jobs = NULL;
    size_t count = 0;
    bool more = false;
    if (!job_reads_page(ops, reader, call->request->arena, &input->filter, &input->list.page, &jobs, &count, &more,
                        fault)) {
        return false;
    }
    struct json_writer *json = list_begin(call);
    struct page last = {0};
    size_t shown = 0;
    for (; shown < count && list_has_room(call); shown++) {
        render_job(json, jobs[shown], WITHOUT_LOG);
        last.after_id = jobs[shown]->id;
    }
    list_end(call, &input->list, (more || shown < count), (shown > 0 ? &last : NULL));
    return true;
}

void job_state_read(struct call *call, struct job_filter *filter)
{
    struct text state = query_get(&call->query, "state");
    if (state.bytes != NULL) {
        filter->has_state = job_state_parse(state, &filter->state);
        if (!filter->has_state) {
            query_error(&call->errors, "state", "Must be scheduled, running, completed, dead or cancelled.");
        }
    }
}

void job_list_handle(struct call *call)
{
    struct job_page *input = arena_zalloc(call->request->arena, sizeof(*input));
    list_read(call, CURSOR_JOBS, &input->list);
    job_state_read(call, &input->filter);
    (void)query_text(&call->query, "kind", JOB_NAME_BYTES_MAX, &call->errors, &input->filter.kind);
    (void)query_text(&call->query, "queue", JOB_NAME_BYTES_MAX, &call->errors, &input->filter.queue);
    (void)query_text(&call->query, "key", JOB_KEY_BYTES_MAX, &call->errors, &input->filter.key);
    call_submit_read(call, read_jobs, input);
}

static bool read_job(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    struct job *job = NULL;
    if (!job_reads_one(ops, reader, call->request->arena, call->input, &job, fault)) {
        return false;
    }
    if (job == NULL) {
        call_set_outcome(call, OUTCOME_JOB_NOT_FOUND);
    } else {
        render_job(call_begin_body(call, 200), job, WITH_LOG);
    }
    return true;
}

void job_get_handle(struct call *call)
{
    struct uuid *id = arena_alloc(call->request->arena, sizeof(*id));
    if (call_take_id(call, OUTCOME_JOB_NOT_FOUND, id)) {
        call_submit_read(call, read_job, id);
    }
}

static void manage(struct call *call, enum job_action action)
{
    call->command.kind = COMMAND_MANAGE_JOB;
    call->command.input.manage_job.action = action;
    call_read_no_fields(call);
    if (call_take_id(call, OUTCOME_JOB_NOT_FOUND, &call->command.input.manage_job.job_id)) {
        call_submit_command(call);
    }
}

void job_retry_handle(struct call *call)
{
    manage(call, JOB_ACTION_RETRY);
}

void job_cancel_handle(struct call *call)
{
    manage(call, JOB_ACTION_CANCEL);
}

void job_promote_handle(struct call *call)
{
    manage(call, JOB_ACTION_PROMOTE);
}
