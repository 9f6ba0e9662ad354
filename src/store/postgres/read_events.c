#include "store/postgres/postgres_internal.h"
#include "store/postgres/values.h"

#define SELECT_EVENT "SELECT sequence, event_id, type, created_at, data FROM events WHERE "

/* $1 after, $2 limit, $3 type (NULL: any). The rare types have an index; the others are so common that walking the log
 * meets them soon. Stretches of one index, as in read_orders.c. */
static const struct statement SELECT_ALL = {
    "events", SELECT_EVENT "sequence > $1::bigint AND ($3::text IS NULL OR type = $3) ORDER BY sequence "
                           "LIMIT $2::bigint"};
static const struct statement SELECT_BY_TYPE = {
    "events_of_type",
    SELECT_EVENT "type <> 'order.created' AND type <> 'order.paid' AND type <> 'order.expired' AND "
                 "(type, sequence) > ($3::text, $1::bigint) AND (type, sequence) <= ($3, 9223372036854775807) "
                 "ORDER BY type, sequence LIMIT $2::bigint"};
/* $4 order. */
static const struct statement SELECT_BY_ORDER = {
    "events_of_order",
    SELECT_EVENT "order_id IS NOT NULL AND ($3::text IS NULL OR type = $3) AND "
                 "(order_id, sequence) > ($4::uuid, $1::bigint) AND (order_id, sequence) <= ($4, 9223372036854775807) "
                 "ORDER BY order_id, sequence LIMIT $2::bigint"};
static const struct statement FIND_ORDER = {"order_exists", "SELECT FROM orders WHERE order_id = $1::uuid"};
static const struct statement LAST_SEQUENCE = {"last_sequence", "SELECT last_sequence FROM counters WHERE only_row"};

struct events_read {
    const struct event_filter *filter;
    const struct page *page;
    size_t order; /* where in the exchange */
    size_t events;
};

static const struct statement *choose_list(const struct event_filter *filter)
{
    if (filter->has_order) {
        return &SELECT_BY_ORDER;
    }
    bool is_common =
        filter->type == EVENT_ORDER_CREATED || filter->type == EVENT_ORDER_PAID || filter->type == EVENT_ORDER_EXPIRED;
    return filter->has_type && !is_common ? &SELECT_BY_TYPE : &SELECT_ALL;
}

static void queue_events(struct session *session, void *context)
{
    struct events_read *read = context;
    const struct event_filter *filter = read->filter;
    if (filter->has_order) {
        parameter_uuid(session_parameters(session), filter->order_id);
        read->order = session_queue(session, &FIND_ORDER);
    }
    struct parameters *parameters = session_parameters(session);
    parameter_int64(parameters, read->page->has_after ? read->page->after_number : 0);
    parameter_int64(parameters, (int64_t)read->page->limit + 1);
    parameter_text(parameters, filter->has_type ? text_from_c(event_type_name(filter->type)) : TEXT_ABSENT);
    if (filter->has_order) {
        parameter_uuid(parameters, filter->order_id);
    }
    read->events = session_queue(session, choose_list(filter));
}

static bool take_event(const PGresult *events, int row, struct arena *arena, struct event_row *ret_row,
                       struct fault *fault)
{
    ret_row->sequence = value_int64(events, row, 0);
    ret_row->id = value_uuid(events, row, 1);
    ret_row->created_at_ms = value_unix_ms(events, row, 3);
    ret_row->data = value_text(events, row, 4, arena);
    return event_type_parse(value_view(events, row, 2), &ret_row->type) ||
           fault_set(fault, FAULT_INTERNAL, "event %lld has an unknown type", (long long)ret_row->sequence);
}

bool postgres_read_events(struct reader *reader, struct arena *arena, const struct event_filter *filter,
                          const struct page *page, struct event_row **ret_rows, size_t *ret_count, bool *ret_more,
                          bool *ret_found, struct fault *fault)
{
    struct events_read read = {.filter = filter, .page = page};
    struct session *session;
    enum read_kind kind = filter->has_order || filter->is_complete ? READ_ONE : READ_LIST;
    if (!read_run(reader, &(struct read){kind, queue_events, &read}, &session, fault)) {
        return false;
    }
    const PGresult *events = session_result(session, read.events);
    bool more;
    size_t count = read_page_count(events, page, &more);
    struct event_row *rows = arena_array(arena, count, sizeof(*rows));
    for (size_t i = 0; i < count; i++) {
        if (!take_event(events, (int)i, arena, &rows[i], fault)) {
            return false;
        }
    }
    *ret_rows = rows;
    *ret_count = count;
    *ret_more = more;
    *ret_found = !filter->has_order || PQntuples(session_result(session, read.order)) > 0;
    return true;
}

static void queue_last_sequence(struct session *session, void *context)
{
    size_t *place = context;
    (void)session_parameters(session);
    *place = session_queue(session, &LAST_SEQUENCE);
}

bool postgres_read_last_sequence(struct reader *reader, int64_t *ret_sequence, struct fault *fault)
{
    struct session *session;
    size_t place;
    if (!read_run(reader, &(struct read){READ_ONE, queue_last_sequence, &place}, &session, fault)) {
        return false;
    }
    const PGresult *rows = session_result(session, place);
    if (PQntuples(rows) != 1) {
        return fault_set(fault, FAULT_INTERNAL, "the table counters has lost its row");
    }
    *ret_sequence = value_int64(rows, 0, 0);
    return true;
}
