#include "api/event_stream.h"
#include "api/list.h"
#include "api/render.h"
#include "api/resources.h"

const char *const EVENT_LIST_PARAMETERS[] = {LIST_PARAMETERS, "after", "type", NULL};
const char *const EVENT_STREAM_PARAMETERS[] = {"after", NULL};
const char *const ORDER_EVENT_LIST_PARAMETERS[] = {LIST_PARAMETERS, NULL};

struct event_query {
    struct list list;
    struct event_filter filter;
};

static bool read_events(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    const struct event_query *input = call->input;
    struct event_row *rows = NULL;
    size_t count = 0;
    bool more = false;
    bool found = true;
    if (!ops->read_events(reader, call->request->arena, &input->filter, &input->list.page, &rows, &count, &more, &found,
                          fault)) {
        return false;
    }
    if (input->filter.has_order && !found) {
        call_set_outcome(call, OUTCOME_ORDER_NOT_FOUND);
        return true;
    }
    struct json_writer *json = list_begin(call);
    struct page last = {0};
    size_t shown = 0;
    for (; shown < count && list_has_room(call); shown++) {
        render_event(json, &rows[shown]);
        last.after_number = rows[shown].sequence;
    }
    list_end(call, &input->list, (more || shown < count), (shown > 0 ? &last : NULL));
    return true;
}

void event_list_handle(struct call *call)
{
    struct event_query *input = arena_zalloc(call->request->arena, sizeof(*input));
    struct page *page = &input->list.page;
    list_read(call, CURSOR_EVENTS, &input->list);
    int64_t after;
    if (query_int64(&call->query, "after", 0, INT64_MAX, &call->errors, &after)) {
        page->has_after = true;
        page->after_number = after > page->after_number ? after : page->after_number;
    }
    struct text type = query_get(&call->query, "type");
    if (type.bytes != NULL) {
        input->filter.has_type = event_type_parse(type, &input->filter.type);
        if (!input->filter.has_type) {
            query_error(&call->errors, "type", "Is not the name of an event's type, such as order.paid.");
        }
    }
    call_submit_read(call, read_events, input);
}

void order_event_list_handle(struct call *call)
{
    struct event_query *input = arena_zalloc(call->request->arena, sizeof(*input));
    list_read(call, CURSOR_EVENTS, &input->list);
    input->filter.has_order = true;
    if (call_take_id(call, OUTCOME_ORDER_NOT_FOUND, &input->filter.order_id)) {
        call_submit_read(call, read_events, input);
    }
}

/* Where a client left off. -1: nowhere, it wants to hear what is new. */
static int64_t read_position(struct call *call)
{
    static const char NAME[] = "Last-Event-ID";
    int64_t after = -1;
    (void)query_int64(&call->query, "after", 0, INT64_MAX, &call->errors, &after);
    /* It is what the browser sends by itself when it connects again, to the URL that it was given at first. Some
     * libraries send it empty when they have seen nothing yet. */
    size_t count = http_request_header_count(call->request, NAME);
    struct text last = http_request_header(call->request, NAME);
    if (count <= 1 && last.length == 0) {
        return after;
    }
    if (count > 1) {
        field_errors_add_named(&call->errors, text_from_c(NAME), FIELD_REPEATED, "May be sent once.");
    } else if (!text_to_int64(last, &after) || after < 0) {
        field_errors_add_named(&call->errors, text_from_c(NAME), FIELD_INVALID_VALUE,
                               "Is not the sequence of an event: a whole number, 0 or more.");
    }
    return after;
}

static bool read_last_sequence(struct call *call, const struct store_ops *ops, struct reader *reader,
                               struct fault *fault)
{
    return ops->read_last_sequence(reader, &call->last_sequence, fault);
}

static void begin_stream(struct call *call)
{
    const int64_t *position = call->input;
    struct api *api = call->api;
    if (api->draining) {
        call_refuse(call, PROBLEM_DRAINING, TEXT_ABSENT);
        return;
    }
    call->is_stream = true;
    event_stream_join(api->event_stream, call->request, *position < 0 ? call->last_sequence : *position,
                      call->last_sequence);
}

void event_stream_handle(struct call *call)
{
    int64_t *position = arena_alloc(call->request->arena, sizeof(*position));
    *position = read_position(call);
    call->proceed = begin_stream;
    call_submit_read(call, read_last_sequence, position);
}
