#include <string.h>

#include "store/sqlite/rows.h"
#include "store/sqlite/sqlite_internal.h"

/* A list is two steps: the row numbers of one page, found through whichever index narrows most, then each order as
 * always. Row numbers ascend with the ids, so that both mean "newest first". The parameters, the same in each:
 * ?1 first row (inclusive), ?2 last row (exclusive), ?3 customer, ?4 variant, ?5 status, ?6 and ?7 created (NULL: any),
 * ?8 limit. */
#define PAGE_FILTERS \
    "o.order_no >= ?1 AND o.order_no < ?2 AND (?6 IS NULL OR o.created_at >= ?6) AND (?7 IS NULL OR o.created_at < ?7)"
#define PAGE_END "ORDER BY o.order_no DESC LIMIT ?8"
#define STATUS_FILTER "AND (?5 IS NULL OR o.status = ?5) "
#define VARIANT_FILTER \
    "AND (?4 IS NULL OR EXISTS (SELECT 1 FROM order_items i WHERE i.order_no = o.order_no AND i.variant_no = ?4)) "

static const char LIST_ALL[] = "SELECT o.order_no FROM orders o NOT INDEXED WHERE " PAGE_FILTERS
                               " AND ?3 IS NULL AND ?4 IS NULL AND ?5 IS NULL " PAGE_END;

/* Does one row, found through a deferred index, pass the filters? */
static const char CHECK_ORDER[] = "SELECT 1 FROM orders o WHERE o.order_no = ?8 AND " PAGE_FILTERS
                                  " AND (?3 IS NULL OR o.customer_id = ?3) " STATUS_FILTER VARIANT_FILTER;

static const char LIST_BY_STATUS[] =
    "SELECT o.order_no FROM orders o INDEXED BY orders_by_status "
    "WHERE o.status = ?5 AND o.status <> 'draft' AND " PAGE_FILTERS " AND ?3 IS NULL " VARIANT_FILTER PAGE_END;

/* All drafts are looked at, however many orders there are beside them; the sort keeps only a page. */
static const char LIST_DRAFTS[] =
    "SELECT o.order_no FROM payment_timeouts t CROSS JOIN orders o ON o.order_no = t.order_no "
    "WHERE t.order_no >= ?1 AND t.order_no < ?2 AND "
    "o.status = ?5 AND " PAGE_FILTERS " AND ?3 IS NULL " VARIANT_FILTER "ORDER BY t.order_no DESC LIMIT ?8";

/* A customer has fewer orders than a variant or a status, and there are fewer drafts than orders of a variant. */
static bool uses_search(const struct order_filter *filter)
{
    bool drafts = filter->has_status && filter->status == ORDER_DRAFT;
    return filter->customer_id.bytes != NULL || (filter->sku.bytes != NULL && !drafts);
}

static const char *choose_list(const struct order_filter *filter)
{
    if (uses_search(filter)) {
        return CHECK_ORDER;
    }
    if (!filter->has_status) {
        return LIST_ALL;
    }
    return filter->status == ORDER_DRAFT ? LIST_DRAFTS : LIST_BY_STATUS;
}

/* The rows that the page and the times leave: ids of one millisecond begin with it. */
static bool find_bounds(struct connection *connection, const struct order_filter *filter, const struct page *page,
                        int64_t *ret_first, int64_t *ret_end, struct fault *fault)
{
    int64_t first = 0;
    int64_t end = INT64_MAX;
    int64_t row;
    if (page->has_after) {
        if (!find_order_row_from(connection, &page->after_id, &end, fault)) {
            return false;
        }
    }
    if (filter->has_created_after) {
        struct uuid floor = uuid_floor_of_ms(filter->created_after_ms);
        if (!find_order_row_from(connection, &floor, &first, fault)) {
            return false;
        }
    }
    if (filter->has_created_before) {
        struct uuid floor = uuid_floor_of_ms(filter->created_before_ms);
        if (!find_order_row_from(connection, &floor, &row, fault)) {
            return false;
        }
        end = row < end ? row : end;
    }
    *ret_first = first;
    *ret_end = end;
    return true;
}

/* The row numbers of a page and, where there is more, of one order behind it: as a list, ... */
static bool take_listed(sqlite3_stmt *statement, size_t limit, int64_t *rows, size_t *ret_count, struct fault *fault)
{
    size_t count = 0;
    bind_int64(statement, 8, (int64_t)limit + 1);
    for (;;) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row) {
            *ret_count = count;
            return true;
        }
        rows[count++] = column_int64(statement, 0);
    }
}

/* ... or one by one from a search. */
static bool take_found(struct connection *connection, struct posting_search *search, sqlite3_stmt *check, int64_t first,
                       size_t limit, int64_t *rows, size_t *ret_count, struct fault *fault)
{
    size_t count = 0;
    while (count <= limit) {
        int64_t order_row;
        bool passes;
        if (!posting_search_next(search, connection, &order_row, fault)) {
            return false;
        }
        if (order_row == 0 || order_row < first) {
            break;
        }
        bind_int64(check, 8, order_row);
        if (!statement_next(check, &passes, fault)) {
            return false;
        }
        if (passes) {
            (void)sqlite3_reset(check);
            rows[count++] = order_row;
        }
    }
    *ret_count = count;
    return true;
}

static bool list_rows(struct connection *connection, const struct order_filter *filter, const struct page *page,
                      struct posting_search *search, int64_t *rows, size_t *ret_count, struct fault *fault)
{
    int64_t first;
    int64_t end;
    int64_t variant = 0;
    sqlite3_stmt *statement;
    if (!find_bounds(connection, filter, page, &first, &end, fault) ||
        (filter->sku.bytes != NULL && !find_variant_row(connection, filter->sku, &variant, fault)) ||
        !connection_prepare(connection, choose_list(filter), &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, first);
    bind_int64(statement, 2, end);
    bind_text(statement, 3, filter->customer_id);
    bind_int64_or_null(statement, 4, filter->sku.bytes != NULL, variant);
    bind_c_text(statement, 5, filter->has_status ? order_status_name(filter->status) : NULL);
    bind_int64_or_null(statement, 6, filter->has_created_after, filter->created_after_ms);
    bind_int64_or_null(statement, 7, filter->has_created_before, filter->created_before_ms);
    if (!uses_search(filter)) {
        return take_listed(statement, page->limit, rows, ret_count, fault);
    }
    posting_search_limit(search, end);
    bool ok = take_found(connection, search, statement, first, page->limit, rows, ret_count, fault);
    posting_search_end(search);
    return ok;
}

/* Before the list's own transaction, see posting_search. */
static bool begin_search(struct reader *reader, struct arena *arena, const struct order_filter *filter,
                         struct posting_search *ret_search, struct fault *fault)
{
    if (filter->customer_id.bytes != NULL) {
        posting_search_begin(reader->store->indexes[ORDERS_BY_CUSTOMER],
                             deferred_index_text_key(reader->store->indexes[ORDERS_BY_CUSTOMER], filter->customer_id),
                             arena, ret_search);
        return true;
    }
    return begin_variant_search(reader, arena, filter->sku, ret_search, fault);
}

static bool load_page(struct reader *reader, struct arena *arena, const struct order_filter *filter,
                      const struct page *page, struct posting_search *search, struct order ***ret_orders,
                      size_t *ret_count, bool *ret_more, struct fault *fault)
{
    struct facts facts;
    struct row_loader loader;
    int64_t *rows = arena_array(arena, page->limit + 1, sizeof(*rows));
    size_t count;
    facts_init(&facts, arena, 0, NULL, (struct policy){0});
    row_loader_init(&loader, &reader->connection, &facts);
    if (!list_rows(&reader->connection, filter, page, search, rows, &count, fault)) {
        return false;
    }
    bool more = count > page->limit;
    count = more ? page->limit : count;
    struct order **orders = arena_array(arena, count, sizeof(struct order *));
    for (size_t i = 0; i < count; i++) {
        if (!load_order_by_row(&loader, rows[i], &orders[i], fault)) {
            return false;
        }
    }
    *ret_orders = orders;
    *ret_count = count;
    *ret_more = more;
    return true;
}

bool sqlite_read_orders(struct reader *reader, struct arena *arena, const struct order_filter *filter,
                        const struct page *page, struct order ***ret_orders, size_t *ret_count, bool *ret_more,
                        struct fault *fault)
{
    struct posting_search search;
    if ((uses_search(filter) && !begin_search(reader, arena, filter, &search, fault)) || !read_begin(reader, fault)) {
        return false;
    }
    bool ok = load_page(reader, arena, filter, page, &search, ret_orders, ret_count, ret_more, fault);
    read_end(reader);
    return ok;
}

bool sqlite_read_order(struct reader *reader, struct arena *arena, const struct uuid *id, struct order **ret_order,
                       struct fault *fault)
{
    struct facts facts;
    struct row_loader loader;
    facts_init(&facts, arena, 0, NULL, (struct policy){0});
    row_loader_init(&loader, &reader->connection, &facts);
    if (!read_begin(reader, fault)) {
        return false;
    }
    bool ok = load_order_by_id(&loader, id, ret_order, fault);
    read_end(reader);
    return ok;
}
