#include "store/sqlite/rows.h"
#include "store/sqlite/sqlite_internal.h"

/* Holds, newest order first, its lines in their order. ?1 the order at which the page begins, ?2 its last line that was
 * shown, ?3 variant (NULL: any), ?4 status (NULL: any), ?5 limit. A reservation's status follows from its order's. */
#define SELECT_HOLD "SELECT order_id, r.line, v.sku, r.quantity, r.status, expires_at FROM "
#define HOLD_FILTERS                                                                                \
    "(r.order_no < ?1 OR (r.order_no = ?1 AND r.line > ?2)) AND (?3 IS NULL OR r.variant_no = ?3) " \
    "AND (?4 IS NULL OR r.status = ?4) "
#define JOIN_ORDER "CROSS JOIN orders o ON o.order_no = r.order_no "
#define JOIN_VARIANT "CROSS JOIN product_variants v ON v.variant_no = r.variant_no "
#define HOLD_END "ORDER BY r.order_no DESC, r.line LIMIT ?5"

static const char LIST_ALL[] =
    SELECT_HOLD "stock_reservations r " JOIN_ORDER JOIN_VARIANT "WHERE r.order_no <= ?1 AND " HOLD_FILTERS HOLD_END;

/* The holds of one order (?6), found through a deferred index. */
static const char LIST_OF_ORDER[] = SELECT_HOLD "stock_reservations r " JOIN_ORDER JOIN_VARIANT
                                                "WHERE r.order_no = ?6 AND " HOLD_FILTERS "ORDER BY r.line LIMIT ?5";

static const char LIST_ACTIVE[] =
    SELECT_HOLD "payment_timeouts t CROSS JOIN stock_reservations r ON r.order_no = t.order_no " JOIN_ORDER JOIN_VARIANT
                "WHERE t.order_no <= ?1 AND " HOLD_FILTERS HOLD_END;

static const char LIST_CONVERTED[] = SELECT_HOLD
    "orders o INDEXED BY orders_by_status CROSS JOIN stock_reservations r ON r.order_no = o.order_no " JOIN_VARIANT
    "WHERE o.status = 'paid' AND o.status <> 'draft' AND o.order_no <= ?1 AND " HOLD_FILTERS
    "ORDER BY o.order_no DESC, r.line LIMIT ?5";

/* Of each of the two statuses that release a hold a page's worth at most is merged with the other's. */
#define RELEASED_ORDERS(status)                                                                     \
    "SELECT * FROM (SELECT order_no, order_id, expires_at FROM orders INDEXED BY orders_by_status " \
    "WHERE status = '" status "' AND status <> 'draft' AND order_no <= ?1 ORDER BY order_no DESC LIMIT ?5 + 1)"
static const char LIST_RELEASED[] = SELECT_HOLD "(" RELEASED_ORDERS("cancelled") " UNION ALL " RELEASED_ORDERS(
    "expired") ") released "
               "CROSS JOIN stock_reservations r ON r.order_no = released.order_no " JOIN_VARIANT
               "WHERE " HOLD_FILTERS HOLD_END;

static bool uses_search(const struct reservation_filter *filter)
{
    return filter->sku.bytes != NULL && !(filter->has_status && filter->status == RESERVATION_ACTIVE);
}

static const char *choose_list(const struct reservation_filter *filter)
{
    if (uses_search(filter)) {
        return LIST_OF_ORDER;
    }
    if (!filter->has_status) {
        return LIST_ALL;
    }
    if (filter->status == RESERVATION_ACTIVE) {
        return LIST_ACTIVE;
    }
    return filter->status == RESERVATION_CONVERTED ? LIST_CONVERTED : LIST_RELEASED;
}

static bool take_row(sqlite3_stmt *statement, struct arena *arena, struct reservation_row *ret_row, struct fault *fault)
{
    ret_row->order_id = column_uuid(statement, 0);
    ret_row->line = (size_t)column_int64(statement, 1);
    ret_row->sku = column_text(statement, 2, arena);
    ret_row->quantity = column_int64(statement, 3);
    ret_row->expires_at_ms = column_int64(statement, 5);
    return reservation_status_parse(column_view(statement, 4), &ret_row->status) ||
           fault_set(fault, FAULT_INTERNAL, "a reservation has an unknown status");
}

/* A variant's row never changes, so it may be looked up in a transaction of its own. */
bool begin_variant_search(struct reader *reader, struct arena *arena, struct text sku,
                          struct posting_search *ret_search, struct fault *fault)
{
    int64_t variant;
    if (!read_begin(reader, fault)) {
        return false;
    }
    bool ok = find_variant_row(&reader->connection, sku, &variant, fault);
    read_end(reader);
    if (ok) {
        posting_search_begin(reader->store->indexes[ORDERS_BY_VARIANT], deferred_index_number_key(variant), arena,
                             ret_search);
    }
    return ok;
}

struct reservation_page {
    struct reservation_row *rows;
    size_t count;
    size_t limit;
    bool more;
};

/* The statement's rows, until the page is full and one row behind it was seen. */
static bool take_rows(sqlite3_stmt *statement, struct arena *arena, struct reservation_page *result,
                      struct fault *fault)
{
    for (;;) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row || result->count == result->limit) {
            (void)sqlite3_reset(statement);
            result->more = row;
            return true;
        }
        if (!take_row(statement, arena, &result->rows[result->count++], fault)) {
            return statement_abandon(statement);
        }
    }
}

static bool take_found(struct connection *connection, struct posting_search *search, sqlite3_stmt *statement,
                       struct arena *arena, struct reservation_page *result, struct fault *fault)
{
    while (!result->more) {
        int64_t order_row;
        if (!posting_search_next(search, connection, &order_row, fault)) {
            return false;
        }
        if (order_row == 0) {
            return true;
        }
        bind_int64(statement, 6, order_row);
        if (!take_rows(statement, arena, result, fault)) {
            return false;
        }
    }
    return true;
}

static bool load_page(struct reader *reader, struct arena *arena, const struct reservation_filter *filter,
                      const struct page *page, struct posting_search *search, struct reservation_page *result,
                      struct fault *fault)
{
    int64_t variant = 0;
    int64_t order = INT64_MAX;
    sqlite3_stmt *statement;
    if ((filter->sku.bytes != NULL && !find_variant_row(&reader->connection, filter->sku, &variant, fault)) ||
        (page->has_after && !find_order_row_from(&reader->connection, &page->after_id, &order, fault)) ||
        !connection_prepare(&reader->connection, choose_list(filter), &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, order);
    bind_int64(statement, 2, (int64_t)page->after_line);
    bind_int64_or_null(statement, 3, filter->sku.bytes != NULL, variant);
    bind_c_text(statement, 4, filter->has_status ? reservation_status_name(filter->status) : NULL);
    bind_int64(statement, 5, (int64_t)page->limit + 1);
    if (!uses_search(filter)) {
        return take_rows(statement, arena, result, fault);
    }
    posting_search_limit(search, order == INT64_MAX ? order : order + 1); /* the page may begin inside an order */
    bool ok = take_found(&reader->connection, search, statement, arena, result, fault);
    posting_search_end(search);
    return ok;
}

bool sqlite_read_reservations(struct reader *reader, struct arena *arena, const struct reservation_filter *filter,
                              const struct page *page, struct reservation_row **ret_rows, size_t *ret_count,
                              bool *ret_more, struct fault *fault)
{
    struct posting_search search;
    struct reservation_page result = {
        .rows = arena_array(arena, page->limit, sizeof(*result.rows)),
        .limit = page->limit,
    };
    if ((uses_search(filter) && !begin_variant_search(reader, arena, filter->sku, &search, fault)) ||
        !read_begin(reader, fault)) {
        return false;
    }
    bool ok = load_page(reader, arena, filter, page, &search, &result, fault);
    read_end(reader);
    *ret_rows = result.rows;
    *ret_count = result.count;
    *ret_more = result.more;
    return ok;
}
