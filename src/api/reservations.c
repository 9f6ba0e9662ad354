#include "api/list.h"
#include "api/render.h"
#include "api/resources.h"
#include "domain/limits.h"

const char *const RESERVATION_LIST_PARAMETERS[] = {LIST_PARAMETERS, "sku", "status", NULL};

struct reservation_page {
    struct list list;
    struct reservation_filter filter;
};

static bool read_reservations(struct call *call, const struct store_ops *ops, struct reader *reader,
                              struct fault *fault)
{
    const struct reservation_page *input = call->input;
    struct reservation_row *rows = NULL;
    size_t count = 0;
    bool more = false;
    if (!ops->read_reservations(reader, call->request->arena, &input->filter, &input->list.page, &rows, &count, &more,
                                fault)) {
        return false;
    }
    struct json_writer *json = list_begin(call);
    struct page last = {0};
    size_t shown = 0;
    for (; shown < count && list_has_room(call); shown++) {
        render_reservation(json, &rows[shown]);
        last.after_id = rows[shown].order_id;
        last.after_line = rows[shown].line;
    }
    list_end(call, &input->list, (more || shown < count), (shown > 0 ? &last : NULL));
    return true;
}

void reservation_list_handle(struct call *call)
{
    struct reservation_page *input = arena_zalloc(call->request->arena, sizeof(*input));
    list_read(call, CURSOR_RESERVATIONS, &input->list);
    (void)query_text(&call->query, "sku", SKU_BYTES_MAX, &call->errors, &input->filter.sku);
    struct text status = query_get(&call->query, "status");
    if (status.bytes != NULL) {
        input->filter.has_status = reservation_status_parse(status, &input->filter.status);
        if (!input->filter.has_status) {
            query_error(&call->errors, "status", "Must be active, converted or released.");
        }
    }
    call_submit_read(call, read_reservations, input);
}
