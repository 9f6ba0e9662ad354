#include "store/sqlite/rows.h"
#include "store/sqlite/sqlite_internal.h"

/* ?1 after, ?2 order (NULL: any), ?3 type (NULL: any), ?4 limit. The rare types have an index; the others are so common
 * that walking the log meets them soon. */
#define SELECT_EVENT "SELECT sequence, event_id, type, created_at, data FROM events "
static const char LIST_ALL[] = SELECT_EVENT
    "NOT INDEXED WHERE sequence > ?1 AND ?2 IS NULL AND (?3 IS NULL OR type = ?3) ORDER BY sequence LIMIT ?4";
static const char LIST_BY_TYPE[] = SELECT_EVENT
    "INDEXED BY events_by_type WHERE sequence > ?1 AND ?2 IS NULL AND type = ?3 AND "
    "type <> 'order.created' AND type <> 'order.paid' AND type <> 'order.expired' ORDER BY sequence LIMIT ?4";
static const char LIST_BY_ORDER[] =
    SELECT_EVENT "INDEXED BY events_by_order WHERE sequence > ?1 AND order_no = ?2 AND order_no IS NOT NULL "
                 "AND (?3 IS NULL OR type = ?3) ORDER BY sequence LIMIT ?4";
static const char SELECT_ORDER_ROW[] = "SELECT order_no FROM orders WHERE order_id = ?1";

static const char *choose_list(const struct event_filter *filter)
{
    if (filter->has_order) {
        return LIST_BY_ORDER;
    }
    bool is_common =
        filter->type == EVENT_ORDER_CREATED || filter->type == EVENT_ORDER_PAID || filter->type == EVENT_ORDER_EXPIRED;
    return filter->has_type && !is_common ? LIST_BY_TYPE : LIST_ALL;
}

static bool find_order_row(struct connection *connection, const struct uuid *id, int64_t *ret_row, struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row;
    if (!connection_prepare(connection, SELECT_ORDER_ROW, &statement, fault)) {
        return false;
    }
    bind_uuid(statement, 1, id);
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    *ret_row = row ? column_int64(statement, 0) : 0;
    (void)sqlite3_reset(statement);
    return true;
}

static bool take_event(sqlite3_stmt *statement, struct arena *arena, struct event_row *ret_row, struct fault *fault)
{
    ret_row->sequence = column_int64(statement, 0);
    ret_row->id = column_uuid(statement, 1);
    ret_row->created_at_ms = column_int64(statement, 3);
    ret_row->data = column_text(statement, 4, arena);
    return event_type_parse(column_view(statement, 2), &ret_row->type) ||
           fault_set(fault, FAULT_INTERNAL, "event %lld has an unknown type", (long long)ret_row->sequence);
}

static bool load_page(struct reader *reader, struct arena *arena, const struct event_filter *filter,
                      const struct page *page, struct event_row **ret_rows, size_t *ret_count, bool *ret_more,
                      bool *ret_found, struct fault *fault)
{
    struct event_row *rows = arena_array(arena, page->limit, sizeof(*rows));
    int64_t order_row = 0;
    size_t count = 0;
    sqlite3_stmt *statement;
    if ((filter->has_order && !find_order_row(&reader->connection, &filter->order_id, &order_row, fault)) ||
        !connection_prepare(&reader->connection, choose_list(filter), &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, page->has_after ? page->after_number : 0);
    bind_int64_or_null(statement, 2, filter->has_order, order_row);
    bind_c_text(statement, 3, filter->has_type ? event_type_name(filter->type) : NULL);
    bind_int64(statement, 4, (int64_t)page->limit + 1);
    for (;;) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row || count == page->limit) {
            (void)sqlite3_reset(statement);
            *ret_rows = rows;
            *ret_count = count;
            *ret_more = row;
            *ret_found = !filter->has_order || order_row != 0;
            return true;
        }
        if (!take_event(statement, arena, &rows[count++], fault)) {
            return statement_abandon(statement);
        }
    }
}

bool sqlite_read_events(struct reader *reader, struct arena *arena, const struct event_filter *filter,
                        const struct page *page, struct event_row **ret_rows, size_t *ret_count, bool *ret_more,
                        bool *ret_found, struct fault *fault)
{
    if (!read_begin(reader, fault)) {
        return false;
    }
    bool ok = load_page(reader, arena, filter, page, ret_rows, ret_count, ret_more, ret_found, fault);
    read_end(reader);
    return ok;
}

bool sqlite_read_last_sequence(struct reader *reader, int64_t *ret_sequence, struct fault *fault)
{
    if (!read_begin(reader, fault)) {
        return false;
    }
    bool ok = connection_read_int64(&reader->connection, "SELECT max(sequence) FROM events", 0, ret_sequence, fault);
    read_end(reader);
    return ok;
}
