#include <assert.h>
#include <string.h>

#include "store/sqlite/idempotency_rows.h"
#include "store/sqlite/jobs.h"
#include "store/sqlite/rows.h"

static const char SELECT_DUE[] =
    "SELECT o.order_id FROM payment_timeouts t CROSS JOIN orders o ON o.order_no = t.order_no "
    "WHERE t.run_at <= ?1 ORDER BY t.run_at, t.order_no LIMIT ?2";
static const char SELECT_NEXT_DUE[] = "SELECT min(run_at) FROM payment_timeouts";
static const char SELECT_PAYMENT_OWNER[] =
    "SELECT o.order_id FROM payments p CROSS JOIN orders o ON o.order_no = p.order_no WHERE p.payment_reference = ?1";
static const char SELECT_PURCHASED[] = "SELECT sum(i.quantity) FROM orders o "
                                       "CROSS JOIN order_items i ON i.order_no = o.order_no AND i.variant_no = ?2 "
                                       "WHERE o.order_no = ?4 AND o.customer_id = ?1 "
                                       "AND (o.status = 'paid' OR (o.status = 'draft' AND o.expires_at > ?3))";

bool sqlite_batch_due(struct store *store, int64_t now_ms, size_t max, struct uuid *ret_ids, size_t *ret_count,
                      bool *ret_more, struct fault *fault)
{
    sqlite3_stmt *statement;
    size_t count = 0;
    if (!connection_prepare(&store->writer, SELECT_DUE, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, now_ms);
    bind_int64(statement, 2, (int64_t)max + 1);
    for (;;) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row || count == max) {
            (void)sqlite3_reset(statement);
            *ret_count = count;
            *ret_more = row;
            return true;
        }
        ret_ids[count++] = column_uuid(statement, 0);
    }
}

bool sqlite_next_due(struct store *store, int64_t *ret_due_ms, struct fault *fault)
{
    return store_get_ready(store, fault) &&
           connection_read_int64(&store->writer, SELECT_NEXT_DUE, INT64_MAX, ret_due_ms, fault);
}

static bool load_skus(struct store *store, struct row_loader *loader, const struct wanted *wanted, struct fault *fault)
{
    struct text *skus = arena_array(loader->facts->arena, wanted->skus.count, sizeof(*skus));
    size_t count = 0;
    for (size_t i = 0; i < wanted->skus.count; i++) {
        struct text sku = wanted->skus.entries[i].key;
        const struct variant *cached = variant_cache_find(store->variants, sku);
        if (facts_variant(loader->facts, sku) != NULL) {
            continue;
        }
        if (cached != NULL) {
            row_loader_add_variant(loader, cached);
        } else {
            skus[count++] = sku;
        }
    }
    if (!load_variants_by_sku(loader, skus, count, fault)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct variant *variant = facts_variant(loader->facts, skus[i]);
        if (variant != NULL) {
            variant_cache_put(store->variants, variant);
        }
    }
    return true;
}

static bool load_products_of_skus(struct row_loader *loader, const struct wanted *wanted, struct fault *fault)
{
    for (size_t i = 0; wanted->products_of_skus && i < wanted->skus.count; i++) {
        const struct variant *variant = facts_variant(loader->facts, wanted->skus.entries[i].key);
        struct product *product;
        if (variant != NULL && !load_product_by_id(loader, &variant->product_id, &product, fault)) {
            return false;
        }
    }
    return true;
}

/* Keys of wanted ids are the ids' own bytes. */
static struct uuid id_of(struct text key)
{
    struct uuid id;
    assert(key.length == sizeof(id.bytes));
    memcpy(id.bytes, key.bytes, sizeof(id.bytes));
    return id;
}

static bool load_orders(struct row_loader *loader, const struct table *ids, struct fault *fault)
{
    for (size_t i = 0; i < ids->count; i++) {
        struct uuid id = id_of(ids->entries[i].key);
        struct order *order;
        if (!load_order_by_id(loader, &id, &order, fault)) {
            return false;
        }
    }
    return true;
}

static bool load_products_and_orders(struct row_loader *loader, const struct wanted *wanted, struct fault *fault)
{
    for (size_t i = 0; i < wanted->product_ids.count; i++) {
        struct uuid id = id_of(wanted->product_ids.entries[i].key);
        struct product *product;
        if (!load_product_by_id(loader, &id, &product, fault)) {
            return false;
        }
    }
    return load_orders(loader, &wanted->order_ids, fault) && load_orders(loader, &wanted->due_ids, fault);
}

static bool load_payment_owner(struct row_loader *loader, struct text reference, struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row;
    if (facts_payment_owner(loader->facts, reference) != NULL) {
        return true;
    }
    if (!connection_prepare(loader->connection, SELECT_PAYMENT_OWNER, &statement, fault)) {
        return false;
    }
    bind_text(statement, 1, reference);
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    if (row) {
        facts_put_payment_owner(loader->facts, reference, column_uuid(statement, 0));
        (void)sqlite3_reset(statement);
    }
    return true;
}

static bool load_idempotency(struct store *store, struct row_loader *loader, struct text key, struct fault *fault)
{
    struct idempotency_record *record;
    int64_t order_row;
    if (facts_idempotency(loader->facts, key) != NULL) {
        return true;
    }
    if (!idempotency_find(loader->connection, store->indexes[IDEMPOTENCY_BY_KEY], loader->facts->arena, key, &record,
                          &order_row, fault)) {
        return false;
    }
    if (record == NULL) {
        return true;
    }
    if (order_row != 0) {
        if (!load_order_by_row(loader, order_row, &record->order, fault)) {
            return false;
        }
        if (record->order == NULL) {
            return fault_set(fault, FAULT_INTERNAL, "an idempotency key names order %lld, which is not there",
                             (long long)order_row);
        }
    }
    facts_put_idempotency(loader->facts, record);
    return true;
}

/* What the customer has of the variant in one order; 0 where the order is somebody else's with the same hash. */
static bool add_purchased(struct row_loader *loader, const struct variant *variant, int64_t order_row,
                          struct purchase *purchase, struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row;
    if (!connection_prepare(loader->connection, SELECT_PURCHASED, &statement, fault)) {
        return false;
    }
    bind_text(statement, 1, purchase->customer_id);
    bind_int64(statement, 2, variant->row);
    bind_int64(statement, 3, loader->facts->now_ms);
    bind_int64(statement, 4, order_row);
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    purchase->quantity += row ? column_int64(statement, 0) : 0; /* the sum of no rows is NULL, which reads as 0 */
    (void)sqlite3_reset(statement);
    return true;
}

/* Only where the variant has a limit: most have none, and a customer's history may be long. */
static bool load_purchase(struct store *store, struct row_loader *loader, const struct purchase *wish,
                          struct fault *fault)
{
    const struct variant *variant = facts_variant(loader->facts, wish->sku);
    if (variant == NULL || variant->row == 0 || variant->max_per_customer == 0 ||
        facts_purchase(loader->facts, wish->customer_id, wish->sku) != NULL) {
        return true;
    }
    struct purchase *purchase = arena_alloc(loader->facts->arena, sizeof(*purchase));
    *purchase = *wish;
    purchase->quantity = 0;
    struct posting_search search;
    int64_t order_row;
    posting_search_begin(store->indexes[ORDERS_BY_CUSTOMER],
                         deferred_index_text_key(store->indexes[ORDERS_BY_CUSTOMER], wish->customer_id),
                         loader->facts->arena, &search);
    do {
        if (!posting_search_next(&search, loader->connection, &order_row, fault) ||
            (order_row != 0 && !add_purchased(loader, variant, order_row, purchase, fault))) {
            posting_search_end(&search);
            return false;
        }
    } while (order_row != 0);
    posting_search_end(&search);
    facts_put_purchase(loader->facts, purchase);
    return true;
}

bool sqlite_batch_load(struct store *store, const struct wanted *wanted, struct facts *facts, struct fault *fault)
{
    assert(store->in_batch);
    struct row_loader loader;
    row_loader_init(&loader, &store->writer, facts);
    if (!load_skus(store, &loader, wanted, fault) || !load_products_of_skus(&loader, wanted, fault) ||
        !load_products_and_orders(&loader, wanted, fault)) {
        return false;
    }
    for (size_t i = 0; i < wanted->payment_references.count; i++) {
        if (!load_payment_owner(&loader, wanted->payment_references.entries[i].key, fault)) {
            return false;
        }
    }
    for (size_t i = 0; i < wanted->idempotency_keys.count; i++) {
        if (!load_idempotency(store, &loader, wanted->idempotency_keys.entries[i].key, fault)) {
            return false;
        }
    }
    for (size_t i = 0; i < wanted->purchases.count; i++) {
        if (!load_purchase(store, &loader, wanted->purchases.entries[i].value, fault)) {
            return false;
        }
    }
    return jobs_load(store, wanted, facts, fault);
}
