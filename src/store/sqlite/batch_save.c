#include <assert.h>
#include <stdlib.h>

#include "domain/facts.h"
#include "store/sqlite/jobs.h"

/* Parents before children: products, variants, orders, then what refers to them. */

static const char INSERT_PRODUCT[] =
    "INSERT INTO products (product_id, title, created_at, version) VALUES (?1, ?2, ?3, ?4)";
static const char UPDATE_PRODUCT[] =
    "UPDATE products SET title = ?3, version = ?4 WHERE product_no = ?1 AND version = ?2";
static const char INSERT_VARIANT[] =
    "INSERT INTO product_variants (product_no, sku, title, price_amount, currency, max_per_customer, "
    "low_stock_threshold, version) "
    "VALUES ((SELECT product_no FROM products WHERE product_id = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
static const char UPDATE_VARIANT[] =
    "UPDATE product_variants SET title = ?3, price_amount = ?4, currency = ?5, max_per_customer = ?6, "
    "low_stock_threshold = ?7, version = ?8 WHERE variant_no = ?1 AND version = ?2";
static const char INSERT_LEVEL[] =
    "INSERT INTO stock_levels (variant_no, location_no, stock_quantity, reserved_quantity, version) "
    "VALUES (?1, " STOCK_LOCATION ", ?2, ?3, ?4)";
static const char UPDATE_LEVELS[] =
    "UPDATE stock_levels SET stock_quantity = c1, reserved_quantity = c2, version = c3 FROM new_rows "
    "WHERE variant_no = c0 AND location_no = " STOCK_LOCATION " AND version = c4";
static const char UPDATE_ORDER[] =
    "UPDATE orders SET status = ?3, expires_at = ?4, version = ?5, revived = ?6, cancel_reason = ?7 "
    "WHERE order_no = ?1 AND version = ?2";
/* By whole key: for a range of rows SQLite would make a temporary table each time, dearer than all else together. */
static const char UPDATE_RESERVATION[] = "UPDATE stock_reservations SET status = ?3 WHERE order_no = ?1 AND line = ?2";
static const char INSERT_PAYMENT[] =
    "INSERT INTO payments (order_no, number, payment_reference, status, amount, currency, reason, created_at) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
static const char INSERT_TIMEOUT[] = "INSERT INTO payment_timeouts (run_at, order_no) VALUES (?1, ?2)";
static const char DELETE_TIMEOUT[] = "DELETE FROM payment_timeouts WHERE run_at = ?1 AND order_no = ?2";
/* An UPDATE that carries the loaded version and found no row: somebody else changed it since. */
static bool run_guarded(sqlite3_stmt *statement, const char *what, int64_t row, int64_t version, struct fault *fault)
{
    bool changed;
    if (!statement_run_guarded(statement, &changed, fault)) {
        return false;
    }
    return changed || fault_set(fault, FAULT_CONFLICT, "%s %lld is no longer at version %lld", what, (long long)row,
                                (long long)version);
}

/* Catalogue and stock */

static bool save_product(struct connection *connection, struct product *product, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (product->version == product->loaded_version) {
        return true;
    }
    if (product->loaded_version != 0) {
        if (!connection_prepare(connection, UPDATE_PRODUCT, &statement, fault)) {
            return false;
        }
        bind_int64(statement, 1, product->row);
        bind_int64(statement, 2, product->loaded_version);
        bind_text(statement, 3, product->title);
        bind_int64(statement, 4, product->version);
        return run_guarded(statement, "product", product->row, product->loaded_version, fault);
    }
    if (!connection_prepare(connection, INSERT_PRODUCT, &statement, fault)) {
        return false;
    }
    bind_uuid(statement, 1, &product->id);
    bind_text(statement, 2, product->title);
    bind_int64(statement, 3, product->created_at_ms);
    bind_int64(statement, 4, product->version);
    if (!statement_run(statement, fault)) {
        return false;
    }
    product->row = sqlite3_last_insert_rowid(connection->database);
    return true;
}

static void bind_variant_columns(sqlite3_stmt *statement, const struct variant *variant)
{
    bind_text(statement, 3, variant->title);
    bind_int64(statement, 4, variant->price.amount);
    bind_c_text(statement, 5, variant->price.currency);
    bind_int64_or_null(statement, 6, variant->max_per_customer != 0, variant->max_per_customer);
    bind_int64_or_null(statement, 7, variant->low_stock_threshold >= 0, variant->low_stock_threshold);
    bind_int64(statement, 8, variant->version);
}

static bool insert_variant(struct connection *connection, struct variant *variant, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(connection, INSERT_VARIANT, &statement, fault)) {
        return false;
    }
    bind_uuid(statement, 1, &variant->product_id);
    bind_text(statement, 2, variant->sku);
    bind_variant_columns(statement, variant);
    if (!statement_run(statement, fault)) {
        return false;
    }
    variant->row = sqlite3_last_insert_rowid(connection->database);
    if (!connection_prepare(connection, INSERT_LEVEL, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, variant->row);
    bind_int64(statement, 2, variant->stock.stock_quantity);
    bind_int64(statement, 3, variant->stock.reserved_quantity);
    bind_int64(statement, 4, variant->stock.version);
    return statement_run(statement, fault);
}

static bool update_variant(struct connection *connection, const struct variant *variant, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(connection, UPDATE_VARIANT, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, variant->row);
    bind_int64(statement, 2, variant->loaded_version);
    bind_variant_columns(statement, variant);
    return run_guarded(statement, "variant", variant->row, variant->loaded_version, fault);
}

static void level_column(const void *rows, size_t row, int column, sqlite3_context *context)
{
    const struct variant *variant = ((const struct variant *const *)rows)[row];
    const int64_t values[] = {variant->row, variant->stock.stock_quantity, variant->stock.reserved_quantity,
                              variant->stock.version, variant->loaded_stock.version};
    sqlite3_result_int64(context, values[column]);
}

static int compare_rows(const void *a, const void *b)
{
    int64_t first = (*(const struct variant *const *)a)->row;
    int64_t second = (*(const struct variant *const *)b)->row;
    return (first > second) - (first < second);
}

/* The hot rows: all that the batch moved in one statement, in ascending order, each guarded by its version. */
static bool update_levels(struct connection *connection, struct facts *facts, struct fault *fault)
{
    const struct variant **moved = arena_array(facts->arena, facts->variants.count, sizeof(struct variant *));
    size_t count = 0;
    for (size_t i = 0; i < facts->variants.count; i++) {
        const struct variant *variant = facts->variants.entries[i].value;
        if (variant->loaded_version != 0 && variant->stock.version != variant->loaded_stock.version) {
            moved[count++] = variant;
        }
    }
    if (count == 0) {
        return true;
    }
    qsort(moved, count, sizeof(struct variant *), compare_rows);
    const struct row_source rows = {.rows = moved, .count = count, .column = level_column};
    if (!connection_write_rows(connection, UPDATE_LEVELS, rows, fault)) {
        return false;
    }
    int changed = sqlite3_changes(connection->database);
    return (size_t)changed == count ||
           fault_set(fault, FAULT_CONFLICT, "%zu of %zu stock levels are no longer at the version that was loaded",
                     count - (size_t)changed, count);
}

static bool save_variant(struct connection *connection, struct variant *variant, struct fault *fault)
{
    if (variant->loaded_version == 0) {
        return insert_variant(connection, variant, fault);
    }
    return variant->version == variant->loaded_version || update_variant(connection, variant, fault);
}

/* Orders */

static bool insert_timeout(struct connection *connection, const struct order *order, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(connection, INSERT_TIMEOUT, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, order->expires_at_ms);
    bind_int64(statement, 2, order->row);
    return statement_run(statement, fault);
}

static bool delete_timeout(struct connection *connection, const struct order *order, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(connection, DELETE_TIMEOUT, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, order->loaded_expires_at_ms);
    bind_int64(statement, 2, order->row);
    return statement_run(statement, fault);
}

/* I4: a draft has one timeout, due at its deadline, and no other order has any. */
static bool save_timeout(struct store *store, const struct order *order, struct fault *fault)
{
    bool had = order->loaded_version != 0 && order->loaded_status == ORDER_DRAFT;
    bool has = order->status == ORDER_DRAFT;
    bool moved = had && has && order->expires_at_ms != order->loaded_expires_at_ms;
    if (had && (!has || moved) && !delete_timeout(&store->writer, order, fault)) {
        return false;
    }
    if (has && (!had || moved) && !insert_timeout(&store->writer, order, fault)) {
        return false;
    }
    store->live_holds_delta += (int64_t)has - (int64_t)had;
    return true;
}

static bool update_reservations(struct connection *connection, const struct order *order, struct fault *fault)
{
    enum reservation_status status = order_reservation_status(order->status);
    sqlite3_stmt *statement;
    if (status == order_reservation_status(order->loaded_status)) {
        return true;
    }
    if (!connection_prepare(connection, UPDATE_RESERVATION, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, order->row);
    bind_c_text(statement, 3, reservation_status_name(status));
    for (size_t i = 0; i < order->line_count; i++) {
        bind_int64(statement, 2, (int64_t)i + 1);
        if (!statement_run(statement, fault)) {
            return false;
        }
    }
    return true;
}

static bool update_order(struct store *store, const struct order *order, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(&store->writer, UPDATE_ORDER, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, order->row);
    bind_int64(statement, 2, order->loaded_version);
    bind_c_text(statement, 3, order_status_name(order->status));
    bind_int64(statement, 4, order->expires_at_ms);
    bind_int64(statement, 5, order->version);
    bind_int64(statement, 6, order->revived);
    bind_text(statement, 7, order->cancel_reason);
    return run_guarded(statement, "order", order->row, order->loaded_version, fault) &&
           update_reservations(&store->writer, order, fault) && save_timeout(store, order, fault);
}

static bool insert_payment(struct connection *connection, const struct order *order, size_t index, struct fault *fault)
{
    const struct payment *payment = &order->payments[index];
    sqlite3_stmt *statement;
    if (!connection_prepare(connection, INSERT_PAYMENT, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, order->row);
    bind_int64(statement, 2, (int64_t)index + 1);
    bind_text(statement, 3, payment->reference);
    bind_c_text(statement, 4, payment_status_name(payment->status));
    bind_int64(statement, 5, payment->amount.amount);
    bind_c_text(statement, 6, payment->amount.currency);
    bind_text(statement, 7, payment->reason);
    bind_int64(statement, 8, payment->created_at_ms);
    return statement_run(statement, fault);
}

static bool save_order(struct store *store, struct order *order, struct fault *fault)
{
    if (order->loaded_version != 0 && order->version != order->loaded_version) {
        if (!update_order(store, order, fault)) {
            return false;
        }
    } else if (order->loaded_version != 0) {
        assert(order->status == order->loaded_status && order->expires_at_ms == order->loaded_expires_at_ms);
    }
    for (size_t i = order->loaded_payment_count; i < order->payment_count; i++) {
        if (!insert_payment(&store->writer, order, i, fault)) {
            return false;
        }
    }
    return true;
}

static bool save_catalogue(struct connection *connection, struct facts *facts, struct fault *fault)
{
    for (size_t i = 0; i < facts->products.count; i++) {
        if (!save_product(connection, facts->products.entries[i].value, fault)) {
            return false;
        }
    }
    for (size_t i = 0; i < facts->variants.count; i++) {
        if (!save_variant(connection, facts->variants.entries[i].value, fault)) {
            return false;
        }
    }
    return update_levels(connection, facts, fault);
}

bool sqlite_batch_save(struct store *store, struct facts *facts, struct fault *fault)
{
    assert(store->in_batch);
    store->saved = facts;
    if (!save_catalogue(&store->writer, facts, fault) || !insert_orders(store, facts, fault)) {
        return false;
    }
    for (size_t i = 0; i < facts->orders.count; i++) {
        if (!save_order(store, facts->orders.entries[i].value, fault)) {
            return false;
        }
    }
    /* The last row to have been inserted is the last event's. */
    return insert_log(store, facts, fault) &&
           jobs_save(store, facts, sqlite3_last_insert_rowid(store->writer.database), fault) &&
           insert_keys(store, facts, fault) && indexes_fold(store->indexes, &store->writer, fault);
}
