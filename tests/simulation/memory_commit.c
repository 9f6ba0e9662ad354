/* The commit: first all that could refuse it, which changes nothing, then the changes, none of which can fail. */

#include "memory_internal.h"

#include <assert.h>
#include <string.h>

bool fault_moved(struct fault *fault, const char *table)
{
    return fault_set(fault, FAULT_CONFLICT, "a row of %s is no longer at the version that was loaded", table);
}

bool fault_taken(struct fault *fault, const char *table)
{
    return fault_set(fault, FAULT_CONFLICT, "a row of %s with the same key is there already", table);
}

bool fault_refused(struct fault *fault, const char *table)
{
    return fault_set(fault, FAULT_CONSTRAINT, "a row of %s breaks a constraint", table);
}

static bool check_held(const struct store *store, struct fault *fault)
{
    for (size_t i = 0; i < store->held_count; i++) {
        if (store->held[i].row->changed_in > store->held[i].since) {
            return fault_set(fault, FAULT_CONFLICT, "somebody else changed a row that this batch had loaded");
        }
    }
    return true;
}

/* ---- Catalogue and stock ---- */

static bool is_new_variant(const struct variant *variant)
{
    return variant->loaded_version == 0;
}

static bool is_moved_level(const struct variant *variant)
{
    return is_new_variant(variant) || variant->stock.version != variant->loaded_stock.version;
}

static bool check_products(const struct memory_database *database, const struct facts *facts, struct fault *fault)
{
    for (size_t i = 0; i < facts->products.count; i++) {
        const struct product *product = facts->products.entries[i].value;
        const struct product *stored = index_find(&database->indexes[PRODUCTS], ID_KEY(&product->id));
        if (product->version == product->loaded_version) {
            continue;
        }
        if (product->loaded_version == 0 && stored != NULL) {
            return fault_taken(fault, "products");
        }
        if (product->loaded_version != 0 && (stored == NULL || stored->version != product->loaded_version)) {
            return fault_moved(fault, "products");
        }
        if (product->version < 1 || product->title.bytes == NULL) {
            return fault_refused(fault, "products");
        }
    }
    return true;
}

static bool is_good_variant(const struct variant *variant)
{
    return variant->version >= 1 && variant->title.bytes != NULL && variant->price.amount >= 0 &&
           strlen(variant->price.currency) == 3 && variant->max_per_customer >= 0;
}

static bool is_good_level(const struct stock_level *level)
{
    return level->version >= 1 && level->reserved_quantity >= 0 && level->reserved_quantity <= level->stock_quantity;
}

/* The quantities stand beside the version as they do in SQL, for the sake of people who change them by hand. */
static bool is_loaded_level(const struct variant *variant, const struct variant *stored)
{
    return variant->loaded_stock.version == stored->stock.version &&
           variant->loaded_stock.stock_quantity == stored->stock.stock_quantity &&
           variant->loaded_stock.reserved_quantity == stored->stock.reserved_quantity;
}

static bool check_variant(const struct memory_database *database, const struct facts *facts,
                          const struct variant *variant, struct fault *fault)
{
    const struct variant *stored = index_find(&database->indexes[VARIANTS], variant->sku);
    bool is_new = is_new_variant(variant);
    if (is_new && stored != NULL) {
        return fault_taken(fault, "product_variants");
    }
    if (is_new && index_find(&database->indexes[PRODUCTS], ID_KEY(&variant->product_id)) == NULL &&
        facts_product(facts, &variant->product_id) == NULL) {
        return fault_refused(fault, "product_variants");
    }
    bool is_changed = variant->version != variant->loaded_version;
    if (!is_new && is_changed && (stored == NULL || stored->version != variant->loaded_version)) {
        return fault_moved(fault, "product_variants");
    }
    if (is_changed && !is_good_variant(variant)) {
        return fault_refused(fault, "product_variants");
    }
    if (!is_new && is_moved_level(variant) && (stored == NULL || !is_loaded_level(variant, stored))) {
        return fault_moved(fault, "stock_levels");
    }
    return !is_moved_level(variant) || is_good_level(&variant->stock) || fault_refused(fault, "stock_levels");
}

static bool check_variants(const struct memory_database *database, const struct facts *facts, struct fault *fault)
{
    for (size_t i = 0; i < facts->variants.count; i++) {
        if (!check_variant(database, facts, facts->variants.entries[i].value, fault)) {
            return false;
        }
    }
    return true;
}

static void apply_products(struct memory_database *database, const struct facts *facts)
{
    for (size_t i = 0; i < facts->products.count; i++) {
        const struct product *product = facts->products.entries[i].value;
        struct product *stored = index_find(&database->indexes[PRODUCTS], ID_KEY(&product->id));
        if (product->version == product->loaded_version) {
            continue;
        }
        if (stored == NULL) {
            stored = arena_zalloc(database->arena, sizeof(*stored));
            stored->id = product->id;
            stored->created_at_ms = product->created_at_ms;
            index_add(&database->indexes[PRODUCTS], database->arena, ID_KEY(&stored->id), stored);
        }
        stored->title = arena_text(database->arena, product->title);
        stored->version = product->version;
    }
}

/* The array has room for the next power of two. */
static void add_to_product(struct memory_database *database, struct variant *stored)
{
    struct product *product = index_find(&database->indexes[PRODUCTS], ID_KEY(&stored->product_id));
    size_t count = product->variant_count;
    if ((count & (count - 1)) == 0) {
        struct variant **variants = arena_array(database->arena, count == 0 ? 1 : count * 2, sizeof(struct variant *));
        if (count > 0) {
            memcpy(variants, product->variants, count * sizeof(struct variant *));
        }
        product->variants = variants;
    }
    product->variants[product->variant_count++] = stored;
}

static void apply_variants(struct memory_database *database, const struct facts *facts)
{
    for (size_t i = 0; i < facts->variants.count; i++) {
        const struct variant *variant = facts->variants.entries[i].value;
        struct variant *stored = index_find(&database->indexes[VARIANTS], variant->sku);
        if (stored == NULL) {
            stored = arena_zalloc(database->arena, sizeof(*stored));
            stored->row = ++database->variant_count;
            stored->product_id = variant->product_id;
            stored->sku = arena_text(database->arena, variant->sku);
            index_add(&database->indexes[VARIANTS], database->arena, stored->sku, stored);
            add_to_product(database, stored);
        }
        if (variant->version != variant->loaded_version) {
            stored->title = arena_text(database->arena, variant->title);
            stored->price = variant->price;
            stored->max_per_customer = variant->max_per_customer;
            stored->low_stock_threshold = variant->low_stock_threshold < 0 ? -1 : variant->low_stock_threshold;
            stored->version = variant->version;
        }
        if (is_moved_level(variant)) {
            stored->stock = variant->stock;
        }
    }
}

/* ---- Orders ---- */

static bool is_new_order(const struct order *order)
{
    return order->loaded_version == 0;
}

static bool is_changed_order(const struct order *order)
{
    return !is_new_order(order) && order->version != order->loaded_version;
}

static bool is_good_order(const struct memory_database *database, const struct facts *facts, const struct order *order)
{
    bool good =
        order->total.amount >= 0 && order->hold_ms > 0 && order->version >= 1 && order->customer_id.bytes != NULL;
    for (size_t i = 0; good && i < order->line_count; i++) {
        const struct order_line *line = &order->lines[i];
        good = line->quantity >= 1 && line->unit_price >= 0 &&
               (facts_variant(facts, line->variant->sku) != NULL ||
                index_find(&database->indexes[VARIANTS], line->variant->sku) != NULL);
    }
    return good;
}

/* `references`: of this batch so far. */
static bool check_payments(const struct memory_database *database, const struct order *order,
                           const struct stored_order *stored, struct table *references, struct fault *fault)
{
    if (order->payment_count == order->loaded_payment_count) {
        return true;
    }
    if ((stored == NULL ? 0 : stored->order.payment_count) != order->loaded_payment_count) {
        return fault_taken(fault, "payments");
    }
    for (size_t i = order->loaded_payment_count; i < order->payment_count; i++) {
        const struct payment *payment = &order->payments[i];
        if (index_find(&database->indexes[PAYMENTS], payment->reference) != NULL ||
            table_find(references, payment->reference) != NULL) {
            return fault_taken(fault, "payments");
        }
        if (payment->amount.amount < 0 || (payment->status == PAYMENT_REFUND_DUE) != (payment->reason.bytes != NULL)) {
            return fault_refused(fault, "payments");
        }
        table_put(references, payment->reference, references);
    }
    return true;
}

static bool check_orders(const struct memory_database *database, const struct facts *facts, struct fault *fault)
{
    struct table references;
    table_init(&references, facts->arena);
    for (size_t i = 0; i < facts->orders.count; i++) {
        const struct order *order = facts->orders.entries[i].value;
        const struct stored_order *stored = index_find(&database->indexes[ORDERS], ID_KEY(&order->id));
        if (is_new_order(order) && stored != NULL) {
            return fault_taken(fault, "orders");
        }
        if (!is_new_order(order) && stored == NULL) {
            return fault_moved(fault, "orders");
        }
        if (is_changed_order(order) && stored->order.version != order->loaded_version) {
            return fault_moved(fault, "orders");
        }
        if ((is_new_order(order) && !is_good_order(database, facts, order)) || order->version < 1) {
            return fault_refused(fault, "orders");
        }
        if (!check_payments(database, order, stored, &references, fault)) {
            return false;
        }
    }
    return true;
}

static struct stored_order *insert_order(struct memory_database *database, const struct order *order)
{
    struct stored_order *stored = arena_zalloc(database->arena, sizeof(*stored));
    struct key key;
    stored->order = *order;
    stored->order.row = 0;
    stored->order.customer_id = arena_text(database->arena, order->customer_id);
    stored->order.metadata = arena_text(database->arena, order->metadata);
    stored->order.payments = NULL;
    stored->order.payment_count = 0;
    stored->order.lines = arena_array(database->arena, order->line_count, sizeof(*order->lines));
    stored->holds = arena_array(database->arena, order->line_count, sizeof(*stored->holds));
    for (size_t i = 0; i < order->line_count; i++) {
        struct order_line *line = &stored->order.lines[i];
        *line = order->lines[i];
        line->variant = index_find(&database->indexes[VARIANTS], order->lines[i].variant->sku);
        stored->holds[i] = (struct stored_hold){line->variant, line->quantity, order_reservation_status(order->status)};
    }
    key_clear(&key);
    key_add_text(&key, order->customer_id);
    key_add_id(&key, &order->id);
    index_add(&database->indexes[ORDERS], database->arena, ID_KEY(&order->id), stored);
    index_add(&database->indexes[ORDERS_OF_CUSTOMER], database->arena, key_text(&key), stored);
    return stored;
}

static void update_order(const struct order *order, struct stored_order *stored)
{
    enum reservation_status status = order_reservation_status(order->status);
    stored->order.status = order->status;
    stored->order.expires_at_ms = order->expires_at_ms;
    stored->order.version = order->version;
    stored->order.revived = order->revived;
    for (size_t i = 0; i < stored->order.line_count && status != order_reservation_status(order->loaded_status); i++) {
        stored->holds[i].status = status;
    }
}

/* I4: a draft has one timeout, due at its deadline, and no other order has any. */
static void move_timeout(struct memory_database *database, const struct order *order, struct stored_order *stored)
{
    struct index *timeouts = &database->indexes[TIMEOUTS];
    struct key key;
    bool had = !is_new_order(order) && order->loaded_status == ORDER_DRAFT;
    bool has = order->status == ORDER_DRAFT;
    if (had == has && order->expires_at_ms == order->loaded_expires_at_ms) {
        return;
    }
    if (had) {
        (void)index_remove(timeouts, key_of_time(&key, order->loaded_expires_at_ms, &order->id));
        database->live_holds--;
    }
    if (has) {
        index_add(timeouts, database->arena, key_of_time(&key, order->expires_at_ms, &order->id), stored);
        database->live_holds++;
    }
}

static void add_payments(struct memory_database *database, const struct order *order, struct stored_order *stored)
{
    struct payment *payments = arena_array(database->arena, order->payment_count, sizeof(*payments));
    if (order->loaded_payment_count > 0) {
        memcpy(payments, stored->order.payments, order->loaded_payment_count * sizeof(*payments));
    }
    for (size_t i = order->loaded_payment_count; i < order->payment_count; i++) {
        payments[i] = order->payments[i];
        payments[i].reference = arena_text(database->arena, order->payments[i].reference);
        payments[i].reason = arena_text(database->arena, order->payments[i].reason);
        index_add(&database->indexes[PAYMENTS], database->arena, payments[i].reference, stored);
    }
    stored->order.payments = payments;
    stored->order.payment_count = order->payment_count;
}

static void apply_orders(struct memory_database *database, const struct facts *facts)
{
    for (size_t i = 0; i < facts->orders.count; i++) {
        const struct order *order = facts->orders.entries[i].value;
        struct stored_order *stored = is_new_order(order) ? insert_order(database, order)
                                                          : index_find(&database->indexes[ORDERS], ID_KEY(&order->id));
        if (is_changed_order(order)) {
            update_order(order, stored);
        }
        if (is_new_order(order) || is_changed_order(order)) {
            stored->order.cancel_reason = arena_text(database->arena, order->cancel_reason);
            stored->row.changed_in = database->commits;
        }
        move_timeout(database, order, stored);
        if (order->payment_count > order->loaded_payment_count) {
            add_payments(database, order, stored);
            stored->row.changed_in = database->commits;
        }
    }
}

/* ---- What is only ever added ---- */

static bool check_added(const struct memory_database *database, const struct facts *facts, struct fault *fault)
{
    for (size_t i = 0; i < facts->movements.count; i++) {
        const struct movement *movement = facts->movements.items[i];
        if (movement->stock_quantity < 0 || (facts_variant(facts, movement->variant->sku) == NULL)) {
            return fault_refused(fault, "stock_movements");
        }
    }
    for (size_t i = 0; i < facts->idempotency.count; i++) {
        const struct idempotency_record *record = facts->idempotency.entries[i].value;
        if (record->is_new && index_find(&database->indexes[ANSWERS], record->key) != NULL) {
            return fault_taken(fault, "idempotency_keys");
        }
    }
    return true;
}

static void apply_movements(struct memory_database *database, const struct facts *facts)
{
    for (size_t i = 0; i < facts->movements.count; i++) {
        struct movement_row *stored = arena_alloc(database->arena, sizeof(*stored));
        struct key key;
        stored->sequence = ++database->last_movement;
        stored->movement = *facts->movements.items[i];
        stored->movement.variant = index_find(&database->indexes[VARIANTS], stored->movement.variant->sku);
        stored->movement.reference = arena_text(database->arena, stored->movement.reference);
        index_add(&database->indexes[MOVEMENTS], database->arena, key_of_number(&key, stored->sequence), stored);
    }
}

static void apply_answers(struct memory_database *database, const struct facts *facts)
{
    for (size_t i = 0; i < facts->idempotency.count; i++) {
        const struct idempotency_record *record = facts->idempotency.entries[i].value;
        if (!record->is_new) {
            continue;
        }
        struct stored_answer *stored = arena_zalloc(database->arena, sizeof(*stored));
        struct key key;
        stored->record = *record;
        stored->record.is_new = false;
        stored->record.order = NULL;
        stored->record.key = arena_text(database->arena, record->key);
        stored->record.body = arena_text(database->arena, record->body);
        stored->record.location = arena_text(database->arena, record->location);
        stored->has_order = record->order != NULL;
        if (stored->has_order) {
            stored->order_id = record->order->id;
        }
        (void)key_of_number(&key, record->created_at_ms);
        key_add_last(&key, record->key);
        index_add(&database->indexes[ANSWERS], database->arena, record->key, stored);
        index_add(&database->indexes[ANSWERS_BY_AGE], database->arena, key_text(&key), stored);
    }
}

static void apply_events(struct memory_database *database, const struct facts *facts)
{
    for (size_t i = 0; i < facts->events.count; i++) {
        const struct event *event = facts->events.items[i];
        struct stored_event *stored = arena_zalloc(database->arena, sizeof(*stored));
        struct key key;
        stored->event = (struct event_row){
            .sequence = ++database->last_sequence,
            .id = event->id,
            .type = event->type,
            .created_at_ms = event->created_at_ms,
            .data = arena_text(database->arena, event->data),
        };
        stored->has_order = event->order != NULL;
        if (stored->has_order) {
            stored->order_id = event->order->id;
        }
        index_add(&database->indexes[EVENTS], database->arena, key_of_number(&key, stored->event.sequence), stored);
    }
}

/* ---- All of it ---- */

static void tell_watches(const struct store *store, int64_t job_at_ms)
{
    for (const struct store *other = store->database->stores; other != NULL; other = other->next) {
        for (const struct watch *watch = other == store ? NULL : other->watches; watch != NULL; watch = watch->next) {
            watch->changed(watch->context, job_at_ms);
        }
    }
}

bool memory_batch_commit(struct store *store, struct fault *fault)
{
    struct memory_database *database = store->database;
    struct facts *facts = store->saved;
    assert(store->in_batch);
    if (facts == NULL) {
        memory_batch_rollback(store);
        return true;
    }
    if (!check_held(store, fault) || !check_products(database, facts, fault) ||
        !check_variants(database, facts, fault) || !check_orders(database, facts, fault) ||
        !check_added(database, facts, fault) || !jobs_check(database, facts, fault)) {
        return false;
    }
    memory_batch_rollback(store); /* the batch is over, and holds nothing any more */
    database->commits++;
    int64_t first_sequence = database->last_sequence + 1;
    apply_products(database, facts);
    apply_variants(database, facts);
    apply_orders(database, facts);
    apply_movements(database, facts);
    apply_answers(database, facts);
    apply_events(database, facts);
    jobs_apply(store, facts, first_sequence);
    if (facts->jobs_at_ms != INT64_MAX) {
        tell_watches(store, facts->jobs_at_ms);
    }
    return true;
}
