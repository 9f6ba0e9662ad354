#include "store/sqlite/rows.h"

#include <string.h>

#include "domain/limits.h"
#include "store/sqlite/sqlite_internal.h"

#define VARIANT_COLUMNS                                                                                   \
    "SELECT v.variant_no, p.product_id, v.sku, v.title, v.price_amount, v.currency, v.max_per_customer, " \
    "v.low_stock_threshold, v.version, s.stock_quantity, s.reserved_quantity, s.version "
#define VARIANT_JOINS                                       \
    "CROSS JOIN products p ON p.product_no = v.product_no " \
    "CROSS JOIN stock_levels s ON s.variant_no = v.variant_no AND s.location_no = " STOCK_LOCATION " "
#define SELECT_VARIANT VARIANT_COLUMNS "FROM product_variants v " VARIANT_JOINS
static const char SELECT_VARIANTS_BY_SKU[] =
    VARIANT_COLUMNS "FROM new_rows r CROSS JOIN product_variants v ON v.sku = r.c0 " VARIANT_JOINS;
static const char SELECT_VARIANT_BY_ROW[] = SELECT_VARIANT "WHERE v.variant_no = ?1";
static const char SELECT_VARIANTS_OF_PRODUCT[] = SELECT_VARIANT "WHERE v.product_no = ?1 ORDER BY v.variant_no";

#define SELECT_PRODUCT "SELECT product_no, product_id, title, created_at, version FROM products "
static const char SELECT_PRODUCT_BY_ID[] = SELECT_PRODUCT "WHERE product_id = ?1";
static const char SELECT_PRODUCT_BY_ROW[] = SELECT_PRODUCT "WHERE product_no = ?1";

#define SELECT_ORDER                                                                                            \
    "SELECT order_no, order_id, customer_id, status, currency, total_amount, created_at, expires_at, hold_ms, " \
    "version, revived, cancel_reason, metadata FROM orders "
static const char SELECT_ORDER_BY_ID[] = SELECT_ORDER "WHERE order_id = ?1";
static const char SELECT_ORDER_BY_ROW[] = SELECT_ORDER "WHERE order_no = ?1";
static const char SELECT_ITEMS[] =
    "SELECT variant_no, quantity, unit_price FROM order_items WHERE order_no = ?1 ORDER BY line";
static const char SELECT_PAYMENTS[] = "SELECT payment_reference, status, amount, currency, reason, created_at "
                                      "FROM payments WHERE order_no = ?1 ORDER BY number";
static const char SELECT_ORDER_ROW_FROM[] =
    "SELECT order_no FROM orders WHERE order_id >= ?1 ORDER BY order_id LIMIT 1";
static const char SELECT_VARIANT_ROW[] = "SELECT variant_no FROM product_variants WHERE sku = ?1";

static struct text row_key(const int64_t *row)
{
    return (struct text){(const char *)row, sizeof(*row)};
}

void row_loader_init(struct row_loader *loader, struct connection *connection, struct facts *facts)
{
    loader->connection = connection;
    loader->facts = facts;
    table_init(&loader->variants_by_row, facts->arena);
    for (size_t i = 0; i < facts->variants.count; i++) {
        struct variant *variant = facts->variants.entries[i].value;
        table_put(&loader->variants_by_row, row_key(&variant->row), variant);
    }
}

static void column_currency(sqlite3_stmt *statement, int column, struct money *money)
{
    memset(money->currency, 0, sizeof(money->currency));
    column_bytes(statement, column, money->currency, sizeof(money->currency) - 1);
}

/* Variants */

static void put_variant(struct row_loader *loader, struct variant *variant)
{
    facts_put_variant(loader->facts, variant);
    table_put(&loader->variants_by_row, row_key(&variant->row), variant);
}

void row_loader_add_variant(struct row_loader *loader, const struct variant *variant)
{
    struct variant *copy = variant_snapshot(loader->facts->arena, variant);
    copy->sku = arena_text(loader->facts->arena, variant->sku);
    copy->title = arena_text(loader->facts->arena, variant->title);
    put_variant(loader, copy);
}

/* The variant of the statement's present row: the one known already, or a new one. */
static struct variant *take_variant(struct row_loader *loader, sqlite3_stmt *statement)
{
    struct variant *variant = facts_variant(loader->facts, column_view(statement, 2));
    if (variant != NULL) {
        return variant;
    }
    struct arena *arena = loader->facts->arena;
    variant = arena_zalloc(arena, sizeof(*variant));
    variant->row = column_int64(statement, 0);
    variant->product_id = column_uuid(statement, 1);
    variant->sku = column_text(statement, 2, arena);
    variant->title = column_text(statement, 3, arena);
    variant->price.amount = column_int64(statement, 4);
    column_currency(statement, 5, &variant->price);
    variant->max_per_customer = column_int64(statement, 6); /* NULL reads as 0 */
    variant->low_stock_threshold = column_is_null(statement, 7) ? -1 : column_int64(statement, 7);
    variant->version = column_int64(statement, 8);
    variant->stock.stock_quantity = column_int64(statement, 9);
    variant->stock.reserved_quantity = column_int64(statement, 10);
    variant->stock.version = column_int64(statement, 11);
    variant->loaded_version = variant->version;
    variant->loaded_stock = variant->stock;
    put_variant(loader, variant);
    return variant;
}

static void sku_column(const void *rows, size_t row, int column, sqlite3_context *context)
{
    (void)column;
    result_text(context, ((const struct text *)rows)[row]);
}

bool load_variants_by_sku(struct row_loader *loader, const struct text *skus, size_t count, struct fault *fault)
{
    const struct row_source rows = {.rows = skus, .count = count, .column = sku_column};
    sqlite3_stmt *statement;
    if (count == 0) {
        return true;
    }
    if (!connection_prepare_rows(loader->connection, SELECT_VARIANTS_BY_SKU, rows, &statement, fault)) {
        return false;
    }
    for (;;) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row) {
            return true;
        }
        (void)take_variant(loader, statement);
    }
}

static bool load_variant_by_row(struct row_loader *loader, int64_t variant_row, struct variant **ret_variant,
                                struct fault *fault)
{
    *ret_variant = table_find(&loader->variants_by_row, row_key(&variant_row));
    if (*ret_variant != NULL) {
        return true;
    }
    sqlite3_stmt *statement;
    bool row;
    if (!connection_prepare(loader->connection, SELECT_VARIANT_BY_ROW, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, variant_row);
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    if (!row) {
        return fault_set(fault, FAULT_INTERNAL, "an order names variant %lld, which is not there",
                         (long long)variant_row);
    }
    *ret_variant = take_variant(loader, statement);
    (void)sqlite3_reset(statement);
    return true;
}

/* Products */

static bool load_variants_of(struct row_loader *loader, struct product *product, struct fault *fault)
{
    sqlite3_stmt *statement;
    size_t capacity = 0;
    if (!connection_prepare(loader->connection, SELECT_VARIANTS_OF_PRODUCT, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, product->row);
    for (;;) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row) {
            return true;
        }
        if (product->variant_count == capacity) {
            capacity = capacity == 0 ? 4 : capacity * 4;
            struct variant **grown = arena_array(loader->facts->arena, capacity, sizeof(struct variant *));
            if (product->variant_count > 0) {
                memcpy(grown, product->variants, product->variant_count * sizeof(struct variant *));
            }
            product->variants = grown;
        }
        product->variants[product->variant_count++] = take_variant(loader, statement);
    }
}

/* Runs a statement that finds one product, already bound. */
static bool load_product(struct row_loader *loader, sqlite3_stmt *statement, struct product **ret_product,
                         struct fault *fault)
{
    bool row;
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    if (!row) {
        *ret_product = NULL;
        return true;
    }
    struct arena *arena = loader->facts->arena;
    struct uuid id = column_uuid(statement, 1);
    struct product *product = facts_product(loader->facts, &id);
    if (product != NULL) {
        (void)sqlite3_reset(statement);
        *ret_product = product;
        return true;
    }
    product = arena_zalloc(arena, sizeof(*product));
    product->row = column_int64(statement, 0);
    product->id = id;
    product->title = column_text(statement, 2, arena);
    product->created_at_ms = column_int64(statement, 3);
    product->version = column_int64(statement, 4);
    product->loaded_version = product->version;
    (void)sqlite3_reset(statement);
    if (!load_variants_of(loader, product, fault)) {
        return false;
    }
    facts_put_product(loader->facts, product);
    *ret_product = product;
    return true;
}

bool load_product_by_id(struct row_loader *loader, const struct uuid *id, struct product **ret_product,
                        struct fault *fault)
{
    struct product *known = facts_product(loader->facts, id);
    if (known != NULL) {
        *ret_product = known;
        return true;
    }
    sqlite3_stmt *statement;
    if (!connection_prepare(loader->connection, SELECT_PRODUCT_BY_ID, &statement, fault)) {
        return false;
    }
    bind_uuid(statement, 1, id);
    return load_product(loader, statement, ret_product, fault);
}

bool load_product_by_row(struct row_loader *loader, int64_t row, struct product **ret_product, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(loader->connection, SELECT_PRODUCT_BY_ROW, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, row);
    return load_product(loader, statement, ret_product, fault);
}

/* Orders */

static bool load_lines(struct row_loader *loader, struct order *order, struct fault *fault)
{
    struct order_line lines[ORDER_LINES_MAX];
    size_t count = 0;
    sqlite3_stmt *statement;
    if (!connection_prepare(loader->connection, SELECT_ITEMS, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, order->row);
    for (;;) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row) {
            break;
        }
        if (count == ORDER_LINES_MAX) {
            fault_set(fault, FAULT_INTERNAL, "order %lld has more than %d lines", (long long)order->row,
                      ORDER_LINES_MAX);
            return statement_abandon(statement);
        }
        lines[count].quantity = column_int64(statement, 1);
        lines[count].unit_price = column_int64(statement, 2);
        if (!load_variant_by_row(loader, column_int64(statement, 0), &lines[count].variant, fault)) {
            return statement_abandon(statement);
        }
        count++;
    }
    order->line_count = count;
    order->lines = arena_array(loader->facts->arena, count, sizeof(*order->lines));
    if (count > 0) {
        memcpy(order->lines, lines, count * sizeof(*lines));
    }
    return true;
}

static bool load_payments(struct row_loader *loader, struct order *order, struct fault *fault)
{
    struct arena *arena = loader->facts->arena;
    size_t capacity = 0;
    sqlite3_stmt *statement;
    if (!connection_prepare(loader->connection, SELECT_PAYMENTS, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, order->row);
    for (;;) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row) {
            order->loaded_payment_count = order->payment_count;
            return true;
        }
        if (order->payment_count == capacity) {
            capacity = capacity == 0 ? 1 : capacity * 4;
            struct payment *grown = arena_array(arena, capacity, sizeof(*grown));
            if (order->payment_count > 0) {
                memcpy(grown, order->payments, order->payment_count * sizeof(*grown));
            }
            order->payments = grown;
        }
        struct payment *payment = &order->payments[order->payment_count++];
        payment->reference = column_text(statement, 0, arena);
        payment->status = text_equal_c(column_view(statement, 1), "accepted") ? PAYMENT_ACCEPTED : PAYMENT_REFUND_DUE;
        payment->amount.amount = column_int64(statement, 2);
        column_currency(statement, 3, &payment->amount);
        payment->reason = column_text(statement, 4, arena);
        payment->created_at_ms = column_int64(statement, 5);
    }
}

/* The statement's present row; false where its status is none that is known. */
static bool take_order(struct arena *arena, sqlite3_stmt *statement, struct order *order, struct fault *fault)
{
    order->row = column_int64(statement, 0);
    order->id = column_uuid(statement, 1);
    order->customer_id = column_text(statement, 2, arena);
    if (!order_status_parse(column_view(statement, 3), &order->status)) {
        return fault_set(fault, FAULT_INTERNAL, "order %lld has an unknown status", (long long)order->row);
    }
    column_currency(statement, 4, &order->total);
    order->total.amount = column_int64(statement, 5);
    order->created_at_ms = column_int64(statement, 6);
    order->expires_at_ms = column_int64(statement, 7);
    order->hold_ms = column_int64(statement, 8);
    order->version = column_int64(statement, 9);
    order->revived = column_int64(statement, 10) != 0;
    order->cancel_reason = column_text(statement, 11, arena);
    order->metadata = column_text(statement, 12, arena);
    order->loaded_version = order->version;
    order->loaded_status = order->status;
    order->loaded_expires_at_ms = order->expires_at_ms;
    return true;
}

/* Runs a statement that finds one order, already bound. */
static bool load_order(struct row_loader *loader, sqlite3_stmt *statement, struct order **ret_order,
                       struct fault *fault)
{
    bool row;
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    if (!row) {
        *ret_order = NULL;
        return true;
    }
    struct uuid id = column_uuid(statement, 1);
    struct order *order = facts_order(loader->facts, &id);
    if (order != NULL) {
        (void)sqlite3_reset(statement);
        *ret_order = order;
        return true;
    }
    order = arena_zalloc(loader->facts->arena, sizeof(*order));
    bool taken = take_order(loader->facts->arena, statement, order, fault);
    (void)sqlite3_reset(statement);
    if (!taken || !load_lines(loader, order, fault) || !load_payments(loader, order, fault)) {
        return false;
    }
    facts_put_order(loader->facts, order);
    *ret_order = order;
    return true;
}

bool load_order_by_id(struct row_loader *loader, const struct uuid *id, struct order **ret_order, struct fault *fault)
{
    struct order *known = facts_order(loader->facts, id);
    if (known != NULL) {
        *ret_order = known;
        return true;
    }
    sqlite3_stmt *statement;
    if (!connection_prepare(loader->connection, SELECT_ORDER_BY_ID, &statement, fault)) {
        return false;
    }
    bind_uuid(statement, 1, id);
    return load_order(loader, statement, ret_order, fault);
}

bool load_order_by_row(struct row_loader *loader, int64_t row, struct order **ret_order, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(loader->connection, SELECT_ORDER_BY_ROW, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, row);
    return load_order(loader, statement, ret_order, fault);
}

/* Row numbers */

/* Runs a statement that gives one row number, already bound. */
static bool read_row_number(sqlite3_stmt *statement, int64_t otherwise, int64_t *ret_row, struct fault *fault)
{
    bool row;
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    *ret_row = row ? column_int64(statement, 0) : otherwise;
    (void)sqlite3_reset(statement);
    return true;
}

bool find_order_row_from(struct connection *connection, const struct uuid *id, int64_t *ret_row, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(connection, SELECT_ORDER_ROW_FROM, &statement, fault)) {
        return false;
    }
    bind_uuid(statement, 1, id);
    return read_row_number(statement, INT64_MAX, ret_row, fault);
}

bool find_variant_row(struct connection *connection, struct text sku, int64_t *ret_row, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(connection, SELECT_VARIANT_ROW, &statement, fault)) {
        return false;
    }
    bind_text(statement, 1, sku);
    return read_row_number(statement, 0, ret_row, fault);
}
