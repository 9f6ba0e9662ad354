#include <string.h>

#include "store/sqlite/rows.h"
#include "store/sqlite/sqlite_internal.h"

/* A list is two steps: the row numbers of one page, found through whichever index narrows most, then each order as
 * always. Row numbers ascend with the ids, so that both mean "newest first". The parameters, the same in each:
 * ?1 first row (inclusive), ?2 last row (exclusive), ?3 customer, ?4 variant, ?5 status, ?6 and ?7 created (NULL: any),
 * ?8 limit. */
#define PAGE_FILTERS                                                                                                   \
    "o.order_no >= ?1 AND o.order_no < ?2 AND (?6 IS NULL OR o.created_at >= ?6) AND (?7 IS NULL OR o.created_at < ?7)"
#define PAGE_END "ORDER BY o.order_no DESC LIMIT ?8"
#define STATUS_FILTER "AND (?5 IS NULL OR o.status = ?5) "
#define VARIANT_FILTER                                                                                                 \
    "AND (?4 IS NULL OR EXISTS (SELECT 1 FROM order_items i WHERE i.order_no = o.order_no AND i.variant_no = ?4)) "

static const char LIST_ALL[] = "SELECT o.order_no FROM orders o NOT INDEXED WHERE " PAGE_FILTERS
                               " AND ?3 IS NULL AND ?4 IS NULL AND ?5 IS NULL " PAGE_END;

static const char LIST_BY_CUSTOMER[] = "SELECT o.order_no FROM orders o INDEXED BY orders_by_customer "
                                       "WHERE o.customer_id = ?3 AND " PAGE_FILTERS
                                       " " STATUS_FILTER VARIANT_FILTER PAGE_END;

static const char LIST_BY_VARIANT[] =
    "SELECT DISTINCT o.order_no FROM order_items v INDEXED BY order_items_by_variant "
    "CROSS JOIN orders o ON o.order_no = v.order_no "
    "WHERE v.variant_no = ?4 AND v.order_no >= ?1 AND v.order_no < ?2 AND " PAGE_FILTERS
    " AND ?3 IS NULL " STATUS_FILTER "ORDER BY v.order_no DESC LIMIT ?8";

static const char LIST_BY_STATUS[] = "SELECT o.order_no FROM orders o INDEXED BY orders_by_status "
                                     "WHERE o.status = ?5 AND o.status <> 'draft' AND " PAGE_FILTERS
                                     " AND ?3 IS NULL " VARIANT_FILTER PAGE_END;

/* All drafts are looked at, however many orders there are beside them; the sort keeps only a page. */
static const char LIST_DRAFTS[] = "SELECT o.order_no FROM jobs j CROSS JOIN orders o ON o.order_no = j.order_no "
                                  "WHERE j.kind = '" PAYMENT_TIMEOUT "' AND j.order_no >= ?1 AND j.order_no < ?2 AND "
                                  "o.status = ?5 AND " PAGE_FILTERS " AND ?3 IS NULL " VARIANT_FILTER
                                  "ORDER BY j.order_no DESC LIMIT ?8";

/* A rarer filter is served by an index of a wider one; a customer has fewer orders than a variant or a status. */
static const char *choose_list(const struct order_filter *filter)
{
    if (filter->customer_id.bytes != NULL) {
        return LIST_BY_CUSTOMER;
    }
    if (filter->has_status && filter->status == ORDER_DRAFT) {
        return LIST_DRAFTS;
    }
    if (filter->sku.bytes != NULL) {
        return LIST_BY_VARIANT;
    }
    return filter->has_status ? LIST_BY_STATUS : LIST_ALL;
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

/* The row numbers of a page and, where there is more, of one order behind it. */
static bool list_rows(struct connection *connection, const struct order_filter *filter, const struct page *page,
                      int64_t *rows, size_t *ret_count, struct fault *fault)
{
    int64_t first;
    int64_t end;
    int64_t variant = 0;
    size_t count = 0;
    sqlite3_stmt *statement;
    bool row;
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
    bind_int64(statement, 8, (int64_t)page->limit + 1);
    for (;;) {
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

static bool load_page(struct reader *reader, struct arena *arena, const struct order_filter *filter,
                      const struct page *page, struct order ***ret_orders, size_t *ret_count, bool *ret_more,
                      struct fault *fault)
{
    struct facts facts;
    struct row_loader loader;
    int64_t *rows = arena_array(arena, page->limit + 1, sizeof(*rows));
    size_t count;
    facts_init(&facts, arena, 0, NULL, (struct policy){0});
    row_loader_init(&loader, &reader->connection, &facts);
    if (!list_rows(&reader->connection, filter, page, rows, &count, fault)) {
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
    if (!read_begin(reader, fault)) {
        return false;
    }
    bool ok = load_page(reader, arena, filter, page, ret_orders, ret_count, ret_more, fault);
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
