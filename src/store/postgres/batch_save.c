#include <assert.h>
#include <stdlib.h>

#include "store/postgres/jobs.h"
#include "store/postgres/save.h"
#include "store/postgres/values.h"

/* One statement a table, its rows as arrays; all are queued and run on the way to COMMIT. Statements come in the
 * same order everywhere (orders before stock levels, as batch_load locks them, changed products and variants behind), and
 * rows that other servers may be at (by a unique key, or an update) in ascending order, so that servers cannot wait for
 * each other in a circle. (But for new variants, which keep the order in which a product names them: the same SKUs made
 * by two servers at once in another order are told apart by the database's search for deadlocks.) The last is the row
 * that numbers the events: it is held only while the transaction commits. */

static const struct statement INSERT_PRODUCTS = {
    "insert_products", "INSERT INTO products (product_id, title, created_at, version) "
                       "SELECT unnest($1::uuid[]), unnest($2::text[]), unnest($3::timestamptz[]), "
                       "unnest($4::bigint[])"};
static const struct statement UPDATE_PRODUCTS = {
    "update_products",
    "WITH changed AS (UPDATE products t SET title = n.title, version = n.version "
    "FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[]) AS n(product_id, loaded, title, version)" AT_PLACE(
        "products", "k.product_id = n.product_id") GUARDED("products")};
static const struct statement INSERT_VARIANTS = {
    "insert_variants",
    "INSERT INTO product_variants (product_id, sku, title, price_amount, currency, max_per_customer, "
    "low_stock_threshold, version) SELECT unnest($1::uuid[]), unnest($2::text[]), unnest($3::text[]), "
    "unnest($4::bigint[]), unnest($5::text[]), unnest($6::bigint[]), unnest($7::bigint[]), unnest($8::bigint[]) "
    "RETURNING variant_id, sku"};
static const struct statement UPDATE_VARIANTS = {
    "update_variants",
    "WITH changed AS (UPDATE product_variants t SET title = n.title, price_amount = n.price_amount, "
    "currency = n.currency, max_per_customer = n.max_per_customer, low_stock_threshold = n.low_stock_threshold, "
    "version = n.version FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], "
    "$7::bigint[], $8::bigint[]) AS n(variant_id, loaded, title, price_amount, currency, max_per_customer, "
    "low_stock_threshold, version)" AT_PLACE("product_variants", "k.variant_id = n.variant_id")
        GUARDED("product_variants")};
static const struct statement INSERT_LEVELS = {
    "insert_levels", "INSERT INTO stock_levels (variant_id, stock_quantity, reserved_quantity, version) "
                     "SELECT unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::bigint[]), "
                     "unnest($4::bigint[])"};
/* These rows are where they were loaded, and as they were: the quantities stand beside the version for the sake of people
 * who change them by hand and leave it alone. The LIMIT tells the planner that the arrays go first, whatever the table's
 * size. */
static const struct statement UPDATE_LEVELS = {
    "update_levels",
    "WITH changed AS (UPDATE stock_levels t SET stock_quantity = n.stock_quantity, "
    "reserved_quantity = n.reserved_quantity, version = n.version FROM (SELECT unnest($1::tid[]) AS place, "
    "unnest($2::bigint[]) AS variant_id, unnest($3::bigint[]) AS loaded, unnest($4::bigint[]) AS loaded_stock, "
    "unnest($5::bigint[]) AS loaded_reserved, unnest($6::bigint[]) AS stock_quantity, "
    "unnest($7::bigint[]) AS reserved_quantity, unnest($8::bigint[]) AS version LIMIT cardinality($1)) AS n "
    "WHERE t.ctid = n.place AND t.variant_id = n.variant_id AND t.location_id = 1 "
    "AND t.stock_quantity = n.loaded_stock AND t.reserved_quantity = n.loaded_reserved" GUARDED("stock_levels")};
static const struct statement INSERT_ORDERS = {
    "insert_orders",
    "INSERT INTO orders (order_id, customer_id, status, currency, total_amount, created_at, expires_at, hold_ms, "
    "version, revived, cancel_reason, metadata, metadata_keys) SELECT n.*, "
    "CASE WHEN n.metadata IS NOT NULL THEN ARRAY(SELECT json_object_keys(n.metadata)) END "
    "FROM (SELECT unnest($1::uuid[]), unnest($2::text[]), unnest($3::text[]), unnest($4::text[]), unnest($5::bigint[]), "
    "unnest($6::timestamptz[]), unnest($7::timestamptz[]), unnest($8::bigint[]), unnest($9::bigint[]), "
    "unnest($10::boolean[]), unnest($11::text[]), unnest($12::json[]) AS metadata) AS n"};
static const struct statement INSERT_ITEMS = {
    "insert_items", "INSERT INTO order_items (order_id, line, variant_id, quantity, unit_price) "
                    "SELECT unnest($1::uuid[]), unnest($2::integer[]), unnest($3::bigint[]), unnest($4::bigint[]), "
                    "unnest($5::bigint[])"};
static const struct statement INSERT_RESERVATIONS = {
    "insert_reservations", "INSERT INTO stock_reservations (order_id, line, variant_id, quantity, status) "
                           "SELECT unnest($1::uuid[]), unnest($2::integer[]), unnest($3::bigint[]), "
                           "unnest($4::bigint[]), unnest($5::text[])"};
static const struct statement UPDATE_ORDERS = {
    "update_orders",
    "WITH changed AS (UPDATE orders t SET status = n.status, expires_at = n.expires_at, version = n.version, "
    "revived = n.revived, cancel_reason = n.cancel_reason "
    "FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::bigint[], $6::boolean[], $7::text[]) "
    "AS n(order_id, loaded, status, expires_at, version, revived, cancel_reason)" AT_PLACE(
        "orders", "k.order_id = n.order_id") GUARDED("orders")};
static const struct statement UPDATE_RESERVATIONS = {
    "update_reservations",
    "UPDATE stock_reservations r SET status = n.status FROM unnest($1::uuid[], $2::text[]) AS n(order_id, status), "
    "LATERAL (SELECT k.ctid AS place FROM stock_reservations k WHERE k.order_id = n.order_id LIMIT 1000) f "
    "WHERE r.ctid = f.place"};
static const struct statement DELETE_TIMEOUTS = {
    "delete_timeouts",
    "DELETE FROM payment_timeouts t USING unnest($1::timestamptz[], $2::uuid[]) AS n(run_at, order_id)" AT_PLACE(
        "payment_timeouts", "k.run_at = n.run_at AND k.order_id = n.order_id")};
static const struct statement INSERT_TIMEOUTS = {"insert_timeouts",
                                                 "INSERT INTO payment_timeouts (run_at, order_id) "
                                                 "SELECT unnest($1::timestamptz[]), unnest($2::uuid[])"};
static const struct statement INSERT_PAYMENTS = {
    "insert_payments",
    "INSERT INTO payments (payment_reference, order_id, number, status, amount, currency, reason, created_at) "
    "SELECT unnest($1::text[]), unnest($2::uuid[]), unnest($3::integer[]), unnest($4::text[]), unnest($5::bigint[]), "
    "unnest($6::text[]), unnest($7::text[]), unnest($8::timestamptz[])"};
static const struct statement INSERT_MOVEMENTS = {
    "insert_movements",
    "INSERT INTO stock_movements (movement_id, variant_id, delta, reason, reference, order_id, stock_quantity, "
    "created_at) SELECT unnest($1::uuid[]), unnest($2::bigint[]), unnest($3::bigint[]), unnest($4::text[]), "
    "unnest($5::text[]), unnest($6::uuid[]), unnest($7::bigint[]), unnest($8::timestamptz[])"};
static const struct statement INSERT_KEYS = {
    "insert_keys",
    "INSERT INTO idempotency_keys (key, fingerprint, created_at, order_id, status, body, location, version) "
    "SELECT unnest($1::text[]), unnest($2::bytea[]), unnest($3::timestamptz[]), unnest($4::uuid[]), "
    "unnest($5::integer[]), unnest($6::text[]), unnest($7::text[]), unnest($8::bigint[])"};
/* $3: the connection that may write. */
static const struct statement WRITE_MARKER = {
    "write_marker",
    "WITH marked AS (INSERT INTO writers AS w (writer_id, batch, connection, written_at) "
    "VALUES ($1::uuid, $2::bigint, $3::bigint, clock_timestamp()) ON CONFLICT (writer_id) DO UPDATE "
    "SET batch = excluded.batch, written_at = excluded.written_at WHERE w.connection = excluded.connection "
    "RETURNING 1) SELECT require_rows((SELECT count(*) FROM marked), 1, 'writers')"};
/* $1: how many drafts there are more. */
static const struct statement INSERT_EVENTS = {
    "insert_events",
    "WITH counted AS (UPDATE counters SET last_sequence = last_sequence + cardinality($2::uuid[]), "
    "live_holds = live_holds + $1::bigint RETURNING last_sequence - cardinality($2::uuid[]) AS first, live_holds), "
    "logged AS (INSERT INTO events (sequence, event_id, type, created_at, order_id, data) "
    "SELECT counted.first + n.number, n.event_id, n.type, n.created_at, n.order_id, n.data FROM counted, "
    "(SELECT generate_subscripts($2::uuid[], 1) AS number, unnest($2) AS event_id, unnest($3::text[]) AS type, "
    "unnest($4::timestamptz[]) AS created_at, unnest($5::uuid[]) AS order_id, unnest($6::json[]) AS data) AS n) "
    "SELECT live_holds FROM counted"};

static const enum value_type NEW_PRODUCT[] = {VALUE_UUID, VALUE_TEXT, VALUE_TIME, VALUE_INT64};
static const enum value_type CHANGED_PRODUCT[] = {VALUE_UUID, VALUE_INT64, VALUE_TEXT, VALUE_INT64};
static const enum value_type NEW_VARIANT[] = {VALUE_UUID, VALUE_TEXT,  VALUE_TEXT,  VALUE_INT64,
                                              VALUE_TEXT, VALUE_INT64, VALUE_INT64, VALUE_INT64};
static const enum value_type CHANGED_VARIANT[] = {VALUE_INT64, VALUE_INT64, VALUE_TEXT,  VALUE_INT64,
                                                  VALUE_TEXT,  VALUE_INT64, VALUE_INT64, VALUE_INT64};
static const enum value_type NEW_LEVEL[] = {VALUE_INT64, VALUE_INT64, VALUE_INT64, VALUE_INT64};
static const enum value_type CHANGED_LEVEL[] = {VALUE_PLACE, VALUE_INT64, VALUE_INT64, VALUE_INT64,
                                                VALUE_INT64, VALUE_INT64, VALUE_INT64, VALUE_INT64};
static const enum value_type NEW_ORDER[] = {VALUE_UUID, VALUE_TEXT,  VALUE_TEXT,  VALUE_TEXT, VALUE_INT64, VALUE_TIME,
                                            VALUE_TIME, VALUE_INT64, VALUE_INT64, VALUE_BOOL, VALUE_TEXT,  VALUE_JSON};
static const enum value_type NEW_ITEM[] = {VALUE_UUID, VALUE_INT32, VALUE_INT64, VALUE_INT64, VALUE_INT64};
static const enum value_type NEW_RESERVATION[] = {VALUE_UUID, VALUE_INT32, VALUE_INT64, VALUE_INT64, VALUE_TEXT};
static const enum value_type CHANGED_ORDER[] = {VALUE_UUID,  VALUE_INT64, VALUE_TEXT, VALUE_TIME,
                                                VALUE_INT64, VALUE_BOOL,  VALUE_TEXT};
static const enum value_type CHANGED_RESERVATION[] = {VALUE_UUID, VALUE_TEXT};
static const enum value_type TIMEOUT[] = {VALUE_TIME, VALUE_UUID};
static const enum value_type NEW_PAYMENT[] = {VALUE_TEXT,  VALUE_UUID, VALUE_INT32, VALUE_TEXT,
                                              VALUE_INT64, VALUE_TEXT, VALUE_TEXT,  VALUE_TIME};
static const enum value_type NEW_MOVEMENT[] = {VALUE_UUID, VALUE_INT64, VALUE_INT64, VALUE_TEXT,
                                               VALUE_TEXT, VALUE_UUID,  VALUE_INT64, VALUE_TIME};
static const enum value_type NEW_KEY[] = {VALUE_TEXT,  VALUE_BYTES, VALUE_TIME, VALUE_UUID,
                                          VALUE_INT32, VALUE_TEXT,  VALUE_TEXT, VALUE_INT64};
static const enum value_type NEW_EVENT[] = {VALUE_UUID, VALUE_TEXT, VALUE_TIME, VALUE_UUID, VALUE_JSON};

struct parameters *begin_rows(struct store *store, const enum value_type *types, size_t count)
{
    struct parameters *rows = session_parameters(store->session);
    parameters_columns(rows, types, count);
    return rows;
}

void queue_rows(struct store *store, const struct parameters *rows, const struct statement *statement)
{
    if (parameters_row_count(rows) > 0) {
        (void)session_queue(store->session, statement);
    }
}

void *sort_values(struct facts *facts, const struct table *table, int (*compare)(const void *, const void *))
{
    void **values = arena_array(facts->arena, table->count, sizeof(void *));
    for (size_t i = 0; i < table->count; i++) {
        values[i] = table->entries[i].value;
    }
    if (table->count > 1) {
        qsort(values, table->count, sizeof(void *), compare);
    }
    return values;
}

/* ---- Catalogue and stock ---- */

static int compare_products(const void *a, const void *b)
{
    const struct product *first = *(const struct product *const *)a;
    const struct product *second = *(const struct product *const *)b;
    return uuid_compare(first->id, second->id);
}

static int compare_variants(const void *a, const void *b)
{
    const struct variant *first = *(const struct variant *const *)a;
    const struct variant *second = *(const struct variant *const *)b;
    return (first->row > second->row) - (first->row < second->row);
}

static void queue_new_products(struct store *store, const struct facts *facts, struct product *const *products)
{
    struct parameters *rows = begin_rows(store, COLUMNS(NEW_PRODUCT));
    for (size_t i = 0; i < facts->products.count; i++) {
        if (products[i]->loaded_version == 0) {
            row_uuid(rows, &products[i]->id);
            row_text(rows, products[i]->title);
            row_time(rows, products[i]->created_at_ms);
            row_int64(rows, products[i]->version);
        }
    }
    queue_rows(store, rows, &INSERT_PRODUCTS);
}

static void queue_changed_products(struct store *store, const struct facts *facts, struct product *const *products)
{
    struct parameters *rows = begin_rows(store, COLUMNS(CHANGED_PRODUCT));
    for (size_t i = 0; i < facts->products.count; i++) {
        if (products[i]->loaded_version != 0 && products[i]->version != products[i]->loaded_version) {
            row_uuid(rows, &products[i]->id);
            row_int64(rows, products[i]->loaded_version);
            row_text(rows, products[i]->title);
            row_int64(rows, products[i]->version);
        }
    }
    queue_rows(store, rows, &UPDATE_PRODUCTS);
}

static void add_variant_values(struct parameters *rows, const struct variant *variant)
{
    row_text(rows, variant->title);
    row_int64(rows, variant->price.amount);
    row_c_text(rows, variant->price.currency);
    row_int64_or_null(rows, variant->max_per_customer != 0, variant->max_per_customer);
    row_int64_or_null(rows, variant->low_stock_threshold >= 0, variant->low_stock_threshold);
    row_int64(rows, variant->version);
}

/* The database gives new variants their ids, and everything else of the batch names them by these: the one case with a
 * round trip more. They are numbered as they came, which is the order that a product shows them in. */
static bool insert_variants(struct store *store, struct facts *facts, struct fault *fault)
{
    struct parameters *rows = begin_rows(store, COLUMNS(NEW_VARIANT));
    for (size_t i = 0; i < facts->variants.count; i++) {
        const struct variant *variant = facts->variants.entries[i].value;
        if (variant->loaded_version == 0) {
            row_uuid(rows, &variant->product_id);
            row_text(rows, variant->sku);
            add_variant_values(rows, variant);
        }
    }
    if (parameters_row_count(rows) == 0) {
        return true;
    }
    size_t number = session_queue(store->session, &INSERT_VARIANTS);
    if (!session_exchange(store->session, fault)) {
        return false;
    }
    const PGresult *inserted = session_result(store->session, number);
    for (int row = 0; row < PQntuples(inserted); row++) {
        struct variant *variant = facts_variant(facts, value_view(inserted, row, 1));
        assert(variant != NULL && variant->loaded_version == 0);
        variant->row = value_int64(inserted, row, 0);
    }
    return true;
}

static void queue_variants(struct store *store, struct facts *facts, struct variant *const *variants)
{
    struct parameters *rows = begin_rows(store, COLUMNS(CHANGED_VARIANT));
    for (size_t i = 0; i < facts->variants.count; i++) {
        if (variants[i]->loaded_version != 0 && variants[i]->version != variants[i]->loaded_version) {
            row_int64(rows, variants[i]->row);
            row_int64(rows, variants[i]->loaded_version);
            add_variant_values(rows, variants[i]);
        }
    }
    queue_rows(store, rows, &UPDATE_VARIANTS);
}

static void add_level_values(struct parameters *rows, const struct variant *variant)
{
    row_int64(rows, variant->stock.stock_quantity);
    row_int64(rows, variant->stock.reserved_quantity);
    row_int64(rows, variant->stock.version);
}

static void queue_levels(struct store *store, struct facts *facts, struct variant *const *variants)
{
    struct parameters *rows = begin_rows(store, COLUMNS(NEW_LEVEL));
    for (size_t i = 0; i < facts->variants.count; i++) {
        if (variants[i]->loaded_version == 0) {
            row_int64(rows, variants[i]->row);
            add_level_values(rows, variants[i]);
        }
    }
    queue_rows(store, rows, &INSERT_LEVELS);
    rows = begin_rows(store, COLUMNS(CHANGED_LEVEL));
    for (size_t i = 0; i < facts->variants.count; i++) {
        if (variants[i]->loaded_version != 0 && variants[i]->stock.version != variants[i]->loaded_stock.version) {
            row_place(rows, variants[i]->stock_place);
            row_int64(rows, variants[i]->row);
            row_int64(rows, variants[i]->loaded_stock.version);
            row_int64(rows, variants[i]->loaded_stock.stock_quantity);
            row_int64(rows, variants[i]->loaded_stock.reserved_quantity);
            add_level_values(rows, variants[i]);
        }
    }
    queue_rows(store, rows, &UPDATE_LEVELS);
}

/* ---- Orders ---- */

static struct order *order_at(const struct facts *facts, size_t i)
{
    return facts->orders.entries[i].value;
}

static bool is_new(const struct order *order)
{
    return order->loaded_version == 0;
}

static bool is_changed(const struct order *order)
{
    return !is_new(order) && order->version != order->loaded_version;
}

static void queue_new_orders(struct store *store, const struct facts *facts)
{
    struct parameters *rows = begin_rows(store, COLUMNS(NEW_ORDER));
    for (size_t i = 0; i < facts->orders.count; i++) {
        const struct order *order = order_at(facts, i);
        if (is_new(order)) {
            row_uuid(rows, &order->id);
            row_text(rows, order->customer_id);
            row_c_text(rows, order_status_name(order->status));
            row_c_text(rows, order->total.currency);
            row_int64(rows, order->total.amount);
            row_time(rows, order->created_at_ms);
            row_time(rows, order->expires_at_ms);
            row_int64(rows, order->hold_ms);
            row_int64(rows, order->version);
            row_bool(rows, order->revived);
            row_text(rows, order->cancel_reason);
            row_text(rows, order->metadata);
        }
    }
    queue_rows(store, rows, &INSERT_ORDERS);
}

static void queue_new_lines(struct store *store, const struct facts *facts)
{
    struct parameters *rows = begin_rows(store, COLUMNS(NEW_ITEM));
    for (size_t i = 0; i < facts->orders.count; i++) {
        const struct order *order = order_at(facts, i);
        for (size_t j = 0; is_new(order) && j < order->line_count; j++) {
            row_uuid(rows, &order->id);
            row_int32(rows, (int32_t)j + 1);
            row_int64(rows, order->lines[j].variant->row);
            row_int64(rows, order->lines[j].quantity);
            row_int64(rows, order->lines[j].unit_price);
        }
    }
    queue_rows(store, rows, &INSERT_ITEMS);
    rows = begin_rows(store, COLUMNS(NEW_RESERVATION));
    for (size_t i = 0; i < facts->orders.count; i++) {
        const struct order *order = order_at(facts, i);
        for (size_t j = 0; is_new(order) && j < order->line_count; j++) {
            row_uuid(rows, &order->id);
            row_int32(rows, (int32_t)j + 1);
            row_int64(rows, order->lines[j].variant->row);
            row_int64(rows, order->lines[j].quantity);
            row_c_text(rows, reservation_status_name(order_reservation_status(order->status)));
        }
    }
    queue_rows(store, rows, &INSERT_RESERVATIONS);
}

static int compare_orders(const void *a, const void *b)
{
    const struct order *first = *(const struct order *const *)a;
    const struct order *second = *(const struct order *const *)b;
    return uuid_compare(first->id, second->id);
}

static void queue_changed_orders(struct store *store, struct facts *facts)
{
    struct order *const *orders = sort_values(facts, &facts->orders, compare_orders);
    struct parameters *rows = begin_rows(store, COLUMNS(CHANGED_ORDER));
    for (size_t i = 0; i < facts->orders.count; i++) {
        const struct order *order = orders[i];
        if (is_changed(order)) {
            row_uuid(rows, &order->id);
            row_int64(rows, order->loaded_version);
            row_c_text(rows, order_status_name(order->status));
            row_time(rows, order->expires_at_ms);
            row_int64(rows, order->version);
            row_bool(rows, order->revived);
            row_text(rows, order->cancel_reason);
        }
    }
    queue_rows(store, rows, &UPDATE_ORDERS);
    rows = begin_rows(store, COLUMNS(CHANGED_RESERVATION));
    for (size_t i = 0; i < facts->orders.count; i++) {
        const struct order *order = order_at(facts, i);
        enum reservation_status status = order_reservation_status(order->status);
        if (is_changed(order) && status != order_reservation_status(order->loaded_status)) {
            row_uuid(rows, &order->id);
            row_c_text(rows, reservation_status_name(status));
        }
    }
    queue_rows(store, rows, &UPDATE_RESERVATIONS);
}

static bool had_timeout(const struct order *order)
{
    return !is_new(order) && order->loaded_status == ORDER_DRAFT;
}

static bool has_timeout(const struct order *order)
{
    return order->status == ORDER_DRAFT;
}

static bool is_moved(const struct order *order)
{
    return had_timeout(order) != has_timeout(order) || order->expires_at_ms != order->loaded_expires_at_ms;
}

/* I4: a draft has one timeout, due at its deadline, and no other order has any. Returns how many more there are. */
static int64_t queue_timeouts(struct store *store, const struct facts *facts)
{
    int64_t added = 0;
    struct parameters *rows = begin_rows(store, COLUMNS(TIMEOUT));
    for (size_t i = 0; i < facts->orders.count; i++) {
        const struct order *order = order_at(facts, i);
        if (had_timeout(order) && is_moved(order)) {
            row_time(rows, order->loaded_expires_at_ms);
            row_uuid(rows, &order->id);
            added--;
        }
    }
    queue_rows(store, rows, &DELETE_TIMEOUTS);
    rows = begin_rows(store, COLUMNS(TIMEOUT));
    for (size_t i = 0; i < facts->orders.count; i++) {
        const struct order *order = order_at(facts, i);
        if (has_timeout(order) && is_moved(order)) {
            row_time(rows, order->expires_at_ms);
            row_uuid(rows, &order->id);
            added++;
        }
    }
    queue_rows(store, rows, &INSERT_TIMEOUTS);
    return added;
}

/* ---- What is only ever added ---- */

struct new_payment {
    const struct order *order;
    size_t index;
};

static int compare_payments(const void *a, const void *b)
{
    const struct new_payment *first = a;
    const struct new_payment *second = b;
    return text_compare(first->order->payments[first->index].reference,
                        second->order->payments[second->index].reference);
}

static void queue_payments(struct store *store, struct facts *facts)
{
    size_t count = 0;
    for (size_t i = 0; i < facts->orders.count; i++) {
        count += order_at(facts, i)->payment_count - order_at(facts, i)->loaded_payment_count;
    }
    struct new_payment *new = arena_array(facts->arena, count, sizeof(*new));
    count = 0;
    for (size_t i = 0; i < facts->orders.count; i++) {
        const struct order *order = order_at(facts, i);
        for (size_t j = order->loaded_payment_count; j < order->payment_count; j++) {
            new[count++] = (struct new_payment){order, j};
        }
    }
    if (count > 1) {
        qsort(new, count, sizeof(*new), compare_payments);
    }
    struct parameters *rows = begin_rows(store, COLUMNS(NEW_PAYMENT));
    for (size_t i = 0; i < count; i++) {
        const struct payment *payment = &new[i].order->payments[new[i].index];
        row_text(rows, payment->reference);
        row_uuid(rows, &new[i].order->id);
        row_int32(rows, (int32_t) new[i].index + 1);
        row_c_text(rows, payment_status_name(payment->status));
        row_int64(rows, payment->amount.amount);
        row_c_text(rows, payment->amount.currency);
        row_text(rows, payment->reason);
        row_time(rows, payment->created_at_ms);
    }
    queue_rows(store, rows, &INSERT_PAYMENTS);
}

static void queue_movements(struct store *store, const struct facts *facts)
{
    struct parameters *rows = begin_rows(store, COLUMNS(NEW_MOVEMENT));
    for (size_t i = 0; i < facts->movements.count; i++) {
        const struct movement *movement = facts->movements.items[i];
        row_uuid(rows, &movement->id);
        row_int64(rows, movement->variant->row);
        row_int64(rows, movement->delta);
        row_c_text(rows, movement_reason_name(movement->reason));
        row_text(rows, movement->reference);
        row_uuid(rows, movement->has_order ? &movement->order_id : NULL);
        row_int64(rows, movement->stock_quantity);
        row_time(rows, movement->created_at_ms);
    }
    queue_rows(store, rows, &INSERT_MOVEMENTS);
}

static int compare_records(const void *a, const void *b)
{
    const struct idempotency_record *first = *(const struct idempotency_record *const *)a;
    const struct idempotency_record *second = *(const struct idempotency_record *const *)b;
    return text_compare(first->key, second->key);
}

static void queue_keys(struct store *store, struct facts *facts)
{
    struct idempotency_record *const *records = sort_values(facts, &facts->idempotency, compare_records);
    struct parameters *rows = begin_rows(store, COLUMNS(NEW_KEY));
    for (size_t i = 0; i < facts->idempotency.count; i++) {
        const struct idempotency_record *record = records[i];
        if (record->is_new) {
            row_text(rows, record->key);
            row_bytes(rows, record->fingerprint, sizeof(record->fingerprint));
            row_time(rows, record->created_at_ms);
            row_uuid(rows, record->order == NULL ? NULL : &record->order->id);
            row_int32_or_null(rows, record->order == NULL, record->status);
            row_text(rows, record->body);
            row_text(rows, record->location);
            row_int64_or_null(rows, record->version != 0, record->version);
        }
    }
    queue_rows(store, rows, &INSERT_KEYS);
}

static void queue_events(struct store *store, const struct facts *facts, int64_t live_holds_added)
{
    struct parameters *rows = session_parameters(store->session);
    parameter_int64(rows, live_holds_added);
    parameters_columns(rows, COLUMNS(NEW_EVENT));
    for (size_t i = 0; i < facts->events.count; i++) {
        const struct event *event = facts->events.items[i];
        row_uuid(rows, &event->id);
        row_c_text(rows, event_type_name(event->type));
        row_time(rows, event->created_at_ms);
        row_uuid(rows, event->order == NULL ? NULL : &event->order->id);
        row_text(rows, event->data);
    }
    store->counted = session_queue(store->session, &INSERT_EVENTS);
}

static void queue_marker(struct store *store)
{
    struct parameters *parameters = session_parameters(store->session);
    parameter_uuid(parameters, store->writer_id);
    parameter_int64(parameters, ++store->batch);
    parameter_int64(parameters, store->connection);
    (void)session_queue(store->session, &WRITE_MARKER);
}

bool postgres_batch_save(struct store *store, struct facts *facts, struct fault *fault)
{
    assert(store->in_batch);
    batch_queue_begin(store);
    store->has_saved = true;
    struct product *const *products = sort_values(facts, &facts->products, compare_products);
    queue_new_products(store, facts, products);
    if (!insert_variants(store, facts, fault)) {
        return false;
    }
    struct variant *const *variants = sort_values(facts, &facts->variants, compare_variants);
    queue_changed_orders(store, facts);
    queue_levels(store, facts, variants);
    queue_changed_products(store, facts, products);
    queue_variants(store, facts, variants);
    queue_new_orders(store, facts);
    queue_new_lines(store, facts);
    int64_t live_holds_added = queue_timeouts(store, facts);
    queue_payments(store, facts);
    queue_movements(store, facts);
    queue_keys(store, facts);
    jobs_queue_save(store, facts);
    queue_marker(store);
    store->looked = store_queue_due(store);
    queue_events(store, facts, live_holds_added);
    jobs_queue_deliveries(store, facts);
    return true;
}
