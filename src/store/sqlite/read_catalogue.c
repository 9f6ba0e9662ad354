#include "store/sqlite/rows.h"
#include "store/sqlite/sqlite_internal.h"

static const char SELECT_PRODUCT_ROW_FROM[] =
    "SELECT product_no FROM products WHERE product_id >= ?1 ORDER BY product_id LIMIT 1";
static const char LIST_PRODUCTS[] =
    "SELECT product_no FROM products WHERE product_no < ?1 ORDER BY product_no DESC LIMIT ?2";
static const char LIST_MOVEMENTS[] =
    "SELECT m.movement_no, m.movement_id, m.delta, m.reason, m.reference, o.order_id, m.stock_quantity, m.created_at "
    "FROM stock_movements m INDEXED BY stock_movements_by_variant LEFT JOIN orders o ON o.order_no = m.order_no "
    "WHERE m.variant_no = ?1 AND m.movement_no > ?2 ORDER BY m.movement_no LIMIT ?3";

static void loader_init(struct row_loader *loader, struct facts *facts, struct reader *reader, struct arena *arena)
{
    facts_init(facts, arena, 0, NULL, (struct policy){0});
    row_loader_init(loader, &reader->connection, facts);
}

bool sqlite_read_product(struct reader *reader, struct arena *arena, const struct uuid *id,
                         struct product **ret_product, struct fault *fault)
{
    struct facts facts;
    struct row_loader loader;
    loader_init(&loader, &facts, reader, arena);
    if (!read_begin(reader, fault)) {
        return false;
    }
    bool ok = load_product_by_id(&loader, id, ret_product, fault);
    read_end(reader);
    return ok;
}

bool sqlite_read_variant(struct reader *reader, struct arena *arena, struct text sku, struct variant **ret_variant,
                         struct fault *fault)
{
    struct facts facts;
    struct row_loader loader;
    loader_init(&loader, &facts, reader, arena);
    if (!read_begin(reader, fault)) {
        return false;
    }
    bool ok = load_variants_by_sku(&loader, &sku, 1, fault);
    read_end(reader);
    *ret_variant = ok ? facts_variant(&facts, sku) : NULL;
    return ok;
}

static bool find_page_end(struct connection *connection, const struct page *page, int64_t *ret_row, struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row = false;
    if (!connection_prepare(connection, SELECT_PRODUCT_ROW_FROM, &statement, fault)) {
        return false;
    }
    if (page->has_after) {
        bind_uuid(statement, 1, &page->after_id);
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
    }
    *ret_row = row ? column_int64(statement, 0) : INT64_MAX;
    (void)sqlite3_reset(statement);
    return true;
}

static bool load_products(struct reader *reader, struct arena *arena, const struct page *page,
                          struct product ***ret_products, size_t *ret_count, bool *ret_more, struct fault *fault)
{
    struct facts facts;
    struct row_loader loader;
    struct product **products = arena_array(arena, page->limit, sizeof(struct product *));
    size_t count = 0;
    int64_t end;
    sqlite3_stmt *statement;
    loader_init(&loader, &facts, reader, arena);
    if (!find_page_end(&reader->connection, page, &end, fault) ||
        !connection_prepare(&reader->connection, LIST_PRODUCTS, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, end);
    bind_int64(statement, 2, (int64_t)page->limit + 1);
    for (;;) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row || count == page->limit) {
            (void)sqlite3_reset(statement);
            *ret_products = products;
            *ret_count = count;
            *ret_more = row;
            return true;
        }
        if (!load_product_by_row(&loader, column_int64(statement, 0), &products[count++], fault)) {
            return statement_abandon(statement);
        }
    }
}

bool sqlite_read_products(struct reader *reader, struct arena *arena, const struct page *page,
                          struct product ***ret_products, size_t *ret_count, bool *ret_more, struct fault *fault)
{
    if (!read_begin(reader, fault)) {
        return false;
    }
    bool ok = load_products(reader, arena, page, ret_products, ret_count, ret_more, fault);
    read_end(reader);
    return ok;
}

static bool take_movement(sqlite3_stmt *statement, struct arena *arena, struct movement_row *ret_row,
                          struct fault *fault)
{
    struct movement *movement = &ret_row->movement;
    ret_row->sequence = column_int64(statement, 0);
    movement->id = column_uuid(statement, 1);
    movement->delta = column_int64(statement, 2);
    movement->reference = column_text(statement, 4, arena);
    movement->has_order = !column_is_null(statement, 5);
    movement->order_id = column_uuid(statement, 5);
    movement->stock_quantity = column_int64(statement, 6);
    movement->created_at_ms = column_int64(statement, 7);
    return movement_reason_parse(column_view(statement, 3), &movement->reason) ||
           fault_set(fault, FAULT_INTERNAL, "stock movement %lld has an unknown reason", (long long)ret_row->sequence);
}

static bool load_movements(struct reader *reader, struct arena *arena, int64_t variant_row, const struct page *page,
                           struct movement_row **ret_rows, size_t *ret_count, bool *ret_more, struct fault *fault)
{
    struct movement_row *rows = arena_array(arena, page->limit, sizeof(*rows));
    size_t count = 0;
    sqlite3_stmt *statement;
    if (!connection_prepare(&reader->connection, LIST_MOVEMENTS, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, variant_row);
    bind_int64(statement, 2, page->has_after ? page->after_number : 0);
    bind_int64(statement, 3, (int64_t)page->limit + 1);
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
            return true;
        }
        if (!take_movement(statement, arena, &rows[count++], fault)) {
            return statement_abandon(statement);
        }
    }
}

bool sqlite_read_movements(struct reader *reader, struct arena *arena, struct text sku, const struct page *page,
                           struct movement_row **ret_rows, size_t *ret_count, bool *ret_more, bool *ret_found,
                           struct fault *fault)
{
    int64_t variant_row;
    if (!read_begin(reader, fault)) {
        return false;
    }
    bool ok = find_variant_row(&reader->connection, sku, &variant_row, fault) &&
              load_movements(reader, arena, variant_row, page, ret_rows, ret_count, ret_more, fault);
    read_end(reader);
    if (ok) {
        *ret_found = variant_row != 0;
    }
    return ok;
}
