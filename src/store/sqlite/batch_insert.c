#include <assert.h>

#include "domain/facts.h"
#include "store/sqlite/idempotency_rows.h"
#include "store/sqlite/sqlite_internal.h"

static const char SELECT_LAST_ORDER[] = "SELECT max(order_no) FROM orders";
static const char INSERT_ORDERS[] =
    "INSERT INTO orders (order_no, order_id, customer_id, status, currency, total_amount, created_at, expires_at, "
    "hold_ms, version, revived, cancel_reason, metadata) "
    "SELECT c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12 FROM new_rows";
static const char INSERT_ITEMS[] = "INSERT INTO order_items (order_no, line, variant_no, quantity, unit_price) "
                                   "SELECT c0, c1, c2, c3, c4 FROM new_rows";
static const char INSERT_RESERVATIONS[] =
    "INSERT INTO stock_reservations (order_no, line, variant_no, quantity, status) "
    "SELECT c0, c1, c2, c3, c5 FROM new_rows";
static const char INSERT_TIMEOUTS[] =
    "INSERT INTO payment_timeouts (run_at, order_no) SELECT c7, c0 FROM new_rows WHERE c3 = 'draft'";
static const char INSERT_MOVEMENTS[] =
    "INSERT INTO stock_movements (movement_id, variant_no, delta, reason, reference, order_no, stock_quantity, "
    "created_at) SELECT c0, c1, c2, c3, c4, c5, c6, c7 FROM new_rows";
static const char INSERT_EVENTS[] = "INSERT INTO events (event_id, type, created_at, order_no, data) "
                                    "SELECT c0, c1, c2, c3, c4 FROM new_rows";

static void order_column(const void *rows, size_t row, int column, sqlite3_context *context)
{
    const struct order *order = ((const struct order *const *)rows)[row];
    switch (column) {
    case 0:
        sqlite3_result_int64(context, order->row);
        break;
    case 1:
        result_uuid(context, &order->id);
        break;
    case 2:
        result_text(context, order->customer_id);
        break;
    case 3:
        result_c_text(context, order_status_name(order->status));
        break;
    case 4:
        result_c_text(context, order->total.currency);
        break;
    case 5:
        sqlite3_result_int64(context, order->total.amount);
        break;
    case 6:
        sqlite3_result_int64(context, order->created_at_ms);
        break;
    case 7:
        sqlite3_result_int64(context, order->expires_at_ms);
        break;
    case 8:
        sqlite3_result_int64(context, order->hold_ms);
        break;
    case 9:
        sqlite3_result_int64(context, order->version);
        break;
    case 10:
        sqlite3_result_int64(context, order->revived);
        break;
    case 11:
        result_text(context, order->cancel_reason);
        break;
    case 12:
        result_text(context, order->metadata);
        break;
    }
}

struct new_line {
    const struct order *order;
    size_t index;
};

static void line_column(const void *rows, size_t row, int column, sqlite3_context *context)
{
    const struct new_line *new = &((const struct new_line *)rows)[row];
    const struct order_line *line = &new->order->lines[new->index];
    switch (column) {
    case 0:
        sqlite3_result_int64(context, new->order->row);
        break;
    case 1:
        sqlite3_result_int64(context, (int64_t) new->index + 1);
        break;
    case 2:
        sqlite3_result_int64(context, line->variant->row);
        break;
    case 3:
        sqlite3_result_int64(context, line->quantity);
        break;
    case 4:
        sqlite3_result_int64(context, line->unit_price);
        break;
    case 5:
        result_c_text(context, reservation_status_name(order_reservation_status(new->order->status)));
        break;
    }
}

static bool is_first_line_of_variant(const struct order *order, size_t line)
{
    for (size_t i = 0; i < line; i++) {
        if (order->lines[i].variant == order->lines[line].variant) {
            return false;
        }
    }
    return true;
}

static void add_postings(struct store *store, const struct order *order)
{
    deferred_index_add(store->indexes[ORDERS_BY_CUSTOMER],
                       deferred_index_text_key(store->indexes[ORDERS_BY_CUSTOMER], order->customer_id), order->row);
    for (size_t i = 0; i < order->line_count; i++) {
        if (is_first_line_of_variant(order, i)) {
            deferred_index_add(store->indexes[ORDERS_BY_VARIANT],
                               deferred_index_number_key(order->lines[i].variant->row), order->row);
        }
    }
}

/* The batch's new orders, numbered in the order in which they were placed, and all their lines. */
struct new_orders {
    const struct order **orders;
    size_t order_count;
    struct new_line *lines;
    size_t line_count;
};

static void collect_orders(struct store *store, struct facts *facts, int64_t last_row, struct new_orders *ret_new)
{
    struct new_orders new = {.orders = arena_array(facts->arena, facts->orders.count, sizeof(struct order *))};
    size_t line_count = 0;
    for (size_t i = 0; i < facts->orders.count; i++) {
        struct order *order = facts->orders.entries[i].value;
        if (order->loaded_version != 0) {
            continue;
        }
        order->row = ++last_row;
        new.orders[new.order_count++] = order;
        line_count += order->line_count;
        store->live_holds_delta += order->status == ORDER_DRAFT;
        add_postings(store, order);
    }
    new.lines = arena_array(facts->arena, line_count, sizeof(*new.lines));
    for (size_t i = 0; i < new.order_count; i++) {
        for (size_t j = 0; j < new.orders[i]->line_count; j++) {
            new.lines[new.line_count++] = (struct new_line){.order = new.orders[i], .index = j};
        }
    }
    *ret_new = new;
}

bool insert_orders(struct store *store, struct facts *facts, struct fault *fault)
{
    int64_t last_row;
    struct new_orders new;
    if (!connection_read_int64(&store->writer, SELECT_LAST_ORDER, 0, &last_row, fault)) {
        return false;
    }
    collect_orders(store, facts, last_row, &new);
    const struct row_source orders = {.rows = new.orders, .count = new.order_count, .column = order_column};
    const struct row_source lines = {.rows = new.lines, .count = new.line_count, .column = line_column};
    return connection_write_rows(&store->writer, INSERT_ORDERS, orders, fault) &&
           connection_write_rows(&store->writer, INSERT_ITEMS, lines, fault) &&
           connection_write_rows(&store->writer, INSERT_RESERVATIONS, lines, fault) &&
           connection_write_rows(&store->writer, INSERT_TIMEOUTS, orders, fault);
}

static void movement_column(const void *rows, size_t row, int column, sqlite3_context *context)
{
    const struct facts *facts = rows;
    const struct movement *movement = facts->movements.items[row];
    const struct order *order = movement->has_order ? facts_order(facts, &movement->order_id) : NULL;
    assert(!movement->has_order || order != NULL);
    switch (column) {
    case 0:
        result_uuid(context, &movement->id);
        break;
    case 1:
        sqlite3_result_int64(context, movement->variant->row);
        break;
    case 2:
        sqlite3_result_int64(context, movement->delta);
        break;
    case 3:
        result_c_text(context, movement_reason_name(movement->reason));
        break;
    case 4:
        result_text(context, movement->reference);
        break;
    case 5:
        result_int64_or_null(context, order != NULL, order == NULL ? 0 : order->row);
        break;
    case 6:
        sqlite3_result_int64(context, movement->stock_quantity);
        break;
    case 7:
        sqlite3_result_int64(context, movement->created_at_ms);
        break;
    }
}

static void event_column(const void *rows, size_t row, int column, sqlite3_context *context)
{
    const struct event *event = ((const struct event *const *)rows)[row];
    switch (column) {
    case 0:
        result_uuid(context, &event->id);
        break;
    case 1:
        result_c_text(context, event_type_name(event->type));
        break;
    case 2:
        sqlite3_result_int64(context, event->created_at_ms);
        break;
    case 3:
        result_int64_or_null(context, event->order != NULL, event->order == NULL ? 0 : event->order->row);
        break;
    case 4:
        result_text(context, event->data);
        break;
    }
}

bool insert_log(struct store *store, struct facts *facts, struct fault *fault)
{
    const struct row_source movements = {.rows = facts, .count = facts->movements.count, .column = movement_column};
    const struct row_source events = {
        .rows = facts->events.items, .count = facts->events.count, .column = event_column};
    return connection_write_rows(&store->writer, INSERT_MOVEMENTS, movements, fault) &&
           connection_write_rows(&store->writer, INSERT_EVENTS, events, fault);
}

bool insert_keys(struct store *store, struct facts *facts, struct fault *fault)
{
    size_t count = 0;
    struct idempotency_record **records =
        arena_array(facts->arena, facts->idempotency.count, sizeof(struct idempotency_record *));
    for (size_t i = 0; i < facts->idempotency.count; i++) {
        struct idempotency_record *record = facts->idempotency.entries[i].value;
        if (record->is_new) {
            records[count++] = record;
        }
    }
    return idempotency_insert(&store->writer, store->indexes[IDEMPOTENCY_BY_KEY], records, count, fault);
}
