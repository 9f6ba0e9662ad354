/* A batch until it commits: what it loads, and what it holds. */

#include <assert.h>
#include <string.h>

#include "memory_internal.h"

bool memory_batch_begin(struct store *store, int64_t *ret_now_ms, struct fault *fault)
{
    assert(!store->in_batch);
    if (!memory_schema_check(store, fault)) {
        return false;
    }
    store->in_batch = true;
    *ret_now_ms = store_advance(store);
    return true;
}

void store_hold(struct store *store, struct row *row)
{
    if (store->held_count == store->held_capacity) {
        store->held_capacity = store->held_capacity == 0 ? 64 : store->held_capacity * 2;
        store->held = memory_grow(store->held, store->held_capacity * sizeof(*store->held));
    }
    store->held[store->held_count++] = (struct held_row){row, store->database->commits};
    row->holders++;
}

void memory_batch_rollback(struct store *store)
{
    for (size_t i = 0; i < store->held_count; i++) {
        assert(store->held[i].row->holders > 0);
        store->held[i].row->holders--;
    }
    store->held_count = 0;
    store->saved = NULL;
    store->in_batch = false;
}

bool memory_batch_save(struct store *store, struct facts *facts, struct fault *fault)
{
    assert(store->in_batch);
    (void)fault;
    store->saved = facts;
    return true;
}

/* ---- Timeouts ---- */

bool memory_next_due(struct store *store, int64_t *ret_due_ms, struct fault *fault)
{
    const struct index *timeouts = &store->database->indexes[TIMEOUTS];
    if (!memory_schema_check(store, fault)) {
        return false;
    }
    *ret_due_ms = timeouts->count == 0 ? INT64_MAX : key_first_number(timeouts->entries[0]->key);
    return true;
}

static bool is_due(const struct index *timeouts, size_t place, int64_t now_ms)
{
    return place < timeouts->count && key_first_number(timeouts->entries[place]->key) <= now_ms;
}

bool memory_batch_due(struct store *store, int64_t now_ms, size_t max, struct uuid *ret_ids, size_t *ret_count,
                      bool *ret_more, struct fault *fault)
{
    const struct index *timeouts = &store->database->indexes[TIMEOUTS];
    size_t count = 0;
    assert(store->in_batch);
    (void)fault;
    while (count < max && is_due(timeouts, count, now_ms)) {
        const struct stored_order *order = index_row(timeouts, count);
        ret_ids[count++] = order->order.id;
    }
    *ret_count = count;
    *ret_more = is_due(timeouts, count, now_ms);
    return true;
}

static bool has_due_timeout(const struct memory_database *database, const struct order *order, int64_t now_ms)
{
    struct key key;
    return order->expires_at_ms <= now_ms &&
           index_find(&database->indexes[TIMEOUTS], key_of_time(&key, order->expires_at_ms, &order->id)) != NULL;
}

/* ---- Loading ---- */

static const struct uuid *id_of(struct text key)
{
    assert(key.length == sizeof(struct uuid));
    return (const struct uuid *)(const void *)key.bytes;
}

static void load_orders(struct store *store, const struct wanted *wanted, struct facts *facts)
{
    for (size_t i = 0; i < wanted->order_ids.count; i++) {
        const struct uuid *id = id_of(wanted->order_ids.entries[i].key);
        struct stored_order *stored = index_find(&store->database->indexes[ORDERS], ID_KEY(id));
        if (stored == NULL || facts_order(facts, id) != NULL) {
            continue;
        }
        if (wanted->skip_locked && stored->row.holders > 0) {
            facts_put_locked_order(facts, id);
            continue;
        }
        store_hold(store, &stored->row);
        (void)rows_put_order(facts, stored);
    }
}

/* Those that somebody else has in hand are left to it, and so are those that were too late. */
static void load_due(struct store *store, const struct wanted *wanted, struct facts *facts)
{
    for (size_t i = 0; i < wanted->due_ids.count; i++) {
        const struct uuid *id = id_of(wanted->due_ids.entries[i].key);
        struct stored_order *stored = index_find(&store->database->indexes[ORDERS], ID_KEY(id));
        bool is_known = facts_order(facts, id) != NULL;
        if (stored != NULL && !is_known && stored->row.holders == 0) {
            store_hold(store, &stored->row);
            (void)rows_put_order(facts, stored);
            is_known = true;
        }
        if (stored == NULL || !is_known || !has_due_timeout(store->database, &stored->order, facts->now_ms)) {
            facts_put_elsewhere(facts, id);
        }
    }
}

static void load_catalogue(const struct memory_database *database, const struct wanted *wanted, struct facts *facts)
{
    for (size_t i = 0; i < wanted->skus.count; i++) {
        const struct variant *stored = index_find(&database->indexes[VARIANTS], wanted->skus.entries[i].key);
        if (stored == NULL) {
            continue;
        }
        (void)rows_put_variant(facts, stored);
        if (wanted->products_of_skus) {
            (void)rows_put_product(facts, index_find(&database->indexes[PRODUCTS], ID_KEY(&stored->product_id)));
        }
    }
    for (size_t i = 0; i < wanted->product_ids.count; i++) {
        const struct product *stored = index_find(&database->indexes[PRODUCTS], wanted->product_ids.entries[i].key);
        if (stored != NULL) {
            (void)rows_put_product(facts, stored);
        }
    }
}

static void load_payment_owners(const struct memory_database *database, const struct wanted *wanted,
                                struct facts *facts)
{
    for (size_t i = 0; i < wanted->payment_references.count; i++) {
        struct text reference = wanted->payment_references.entries[i].key;
        const struct stored_order *owner = index_find(&database->indexes[PAYMENTS], reference);
        if (owner != NULL && facts_payment_owner(facts, reference) == NULL) {
            facts_put_payment_owner(facts, arena_text(facts->arena, reference), owner->order.id);
        }
    }
}

/* An order whose creation is answered again is only shown, and not held. */
static bool load_answers(const struct memory_database *database, const struct wanted *wanted, struct facts *facts,
                         struct fault *fault)
{
    for (size_t i = 0; i < wanted->idempotency_keys.count; i++) {
        struct text key = wanted->idempotency_keys.entries[i].key;
        const struct stored_answer *stored = index_find(&database->indexes[ANSWERS], key);
        if (stored == NULL || facts_idempotency(facts, key) != NULL) {
            continue;
        }
        struct idempotency_record *record = arena_alloc(facts->arena, sizeof(*record));
        *record = stored->record;
        record->key = arena_text(facts->arena, key);
        record->body = arena_text(facts->arena, stored->record.body);
        record->location = arena_text(facts->arena, stored->record.location);
        if (stored->has_order) {
            const struct stored_order *order = index_find(&database->indexes[ORDERS], ID_KEY(&stored->order_id));
            if (order == NULL) {
                return fault_set(fault, FAULT_INTERNAL, "an idempotency key names an order that is not there");
            }
            record->order = rows_put_order(facts, order);
        }
        facts_put_idempotency(facts, record);
    }
    return true;
}

static int64_t count_units(const struct order *order, const struct variant *variant)
{
    int64_t quantity = 0;
    for (size_t i = 0; i < order->line_count; i++) {
        quantity += order->lines[i].variant == variant ? order->lines[i].quantity : 0;
    }
    return quantity;
}

static int64_t count_purchased(const struct memory_database *database, struct text customer_id,
                               const struct variant *variant, int64_t now_ms)
{
    const struct index *orders = &database->indexes[ORDERS_OF_CUSTOMER];
    struct key customer;
    int64_t quantity = 0;
    key_clear(&customer);
    key_add_text(&customer, customer_id);
    for (size_t i = index_seek(orders, key_text(&customer)); i < orders->count; i++) {
        const struct stored_order *stored = index_row(orders, i);
        if (!key_begins_with(orders->entries[i]->key, &customer)) {
            break;
        }
        bool counts = stored->order.status == ORDER_PAID || order_is_live(&stored->order, now_ms);
        quantity += counts ? count_units(&stored->order, variant) : 0;
    }
    return quantity;
}

static void load_purchases(const struct memory_database *database, const struct wanted *wanted, struct facts *facts)
{
    for (size_t i = 0; i < wanted->purchases.count; i++) {
        const struct purchase *asked = wanted->purchases.entries[i].value;
        const struct variant *variant = index_find(&database->indexes[VARIANTS], asked->sku);
        if (variant == NULL || variant->max_per_customer == 0 ||
            facts_purchase(facts, asked->customer_id, asked->sku) != NULL) {
            continue;
        }
        struct purchase *purchase = arena_alloc(facts->arena, sizeof(*purchase));
        *purchase = (struct purchase){
            .customer_id = arena_text(facts->arena, asked->customer_id),
            .sku = arena_text(facts->arena, asked->sku),
            .quantity = count_purchased(database, asked->customer_id, variant, facts->now_ms),
        };
        facts_put_purchase(facts, purchase);
    }
}

/* Jobs last, since they may be of what was loaded before. */
bool memory_batch_load(struct store *store, const struct wanted *wanted, struct facts *facts, struct fault *fault)
{
    const struct memory_database *database = store->database;
    assert(store->in_batch);
    facts->now_ms = store_advance(store);
    load_orders(store, wanted, facts);
    load_due(store, wanted, facts);
    load_catalogue(database, wanted, facts);
    load_payment_owners(database, wanted, facts);
    load_purchases(database, wanted, facts);
    facts->overdue_left = facts->overdue_left || is_due(&database->indexes[TIMEOUTS], wanted->due_known, facts->now_ms);
    if (!load_answers(database, wanted, facts, fault)) {
        return false;
    }
    load_jobs(store, wanted, facts);
    return true;
}
