#include "api/list.h"
#include "api/render.h"
#include "api/resources.h"

const char *const EVENT_LIST_PARAMETERS[] = {LIST_PARAMETERS, "after", "type", NULL};
const char *const ORDER_EVENT_LIST_PARAMETERS[] = {LIST_PARAMETERS, NULL};

struct event_page {
    struct list list;
    struct event_filter filter;
};

static bool read_events(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    const struct event_page *input = call->input;
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
    struct event_page *input = arena_zalloc(call->request->arena, sizeof(*input));
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
    struct event_page *input = arena_zalloc(call->request->arena, sizeof(*input));
    list_read(call, CURSOR_EVENTS, &input->list);
    input->filter.has_order = true;
    if (call_take_id(call, OUTCOME_ORDER_NOT_FOUND, &input->filter.order_id)) {
        call_submit_read(call, read_events, input);
    }
}
