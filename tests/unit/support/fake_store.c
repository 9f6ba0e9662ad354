#include "fake_store.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct reader {
    struct store *store;
};

struct store {
    struct fake_hook hook; /* immutable */

    pthread_mutex_t mutex;
    /* Guarded by mutex. Rows live in the arena and are only ever added or overwritten. */
    struct arena *arena;
    struct table variants;    /* sku -> struct variant * */
    struct table orders;      /* id bytes -> struct order *, its lines naming the store's variants */
    struct table idempotency; /* key -> struct idempotency_record *, its order the store's */
    struct uuid_source ids;
    struct uuid elsewhere; /* an order that another server has in hand */
    bool has_elsewhere;
    const char *locked_sku;      /* NULL: none */
    const struct facts *pending; /* saved, not yet committed */
    bool in_batch;
    size_t calls[FAKE_CALL_COUNT];
    size_t rollbacks;
    size_t open_readers;
};

static struct text id_key(const struct uuid *id)
{
    return (struct text){(const char *)id->bytes, sizeof(id->bytes)};
}

static void *copy_bytes(struct arena *arena, const void *bytes, size_t size)
{
    void *copy = arena_alloc(arena, size);
    return size == 0 ? copy : memcpy(copy, bytes, size);
}

/* Counts the call and asks the hook, which may sleep: the mutex is not held. */
static bool enter(struct store *store, enum fake_call call, const struct facts *facts, struct fault *fault)
{
    pthread_mutex_lock(&store->mutex);
    store->calls[call]++;
    pthread_mutex_unlock(&store->mutex);
    return store->hook.before == NULL || store->hook.before(store->hook.context, call, facts, fault);
}

struct store *fake_store_new(struct fake_hook hook)
{
    struct store *store = memory_zalloc(1, sizeof(*store));
    store->hook = hook;
    pthread_mutex_init(&store->mutex, NULL);
    store->arena = arena_new(64 * 1024);
    table_init(&store->variants, store->arena);
    table_init(&store->orders, store->arena);
    table_init(&store->idempotency, store->arena);
    uuid_source_init(&store->ids, NULL, NULL);
    return store;
}

void fake_store_free(struct store *store)
{
    assert(!store->in_batch && store->open_readers == 0);
    arena_free(store->arena);
    pthread_mutex_destroy(&store->mutex);
    free(store);
}

/* ---- Rows ---- */

void fake_store_add_variant(struct store *store, const char *sku, int64_t stock_quantity)
{
    struct variant *variant = arena_zalloc(store->arena, sizeof(*variant));
    variant->sku = text_from_c(sku);
    variant->title = TEXT_LITERAL("Plain");
    variant->price = (struct money){1999, "EUR"};
    variant->low_stock_threshold = -1;
    variant->version = 1;
    variant->stock = (struct stock_level){.stock_quantity = stock_quantity, .version = 1};
    table_put(&store->variants, variant->sku, variant);
}

struct uuid fake_store_add_draft(struct store *store, const char *sku, int64_t quantity, int64_t expires_at_ms)
{
    struct variant *variant = table_find(&store->variants, text_from_c(sku));
    struct order *order = arena_zalloc(store->arena, sizeof(*order));
    stock_reserve(&variant->stock, quantity);
    order->hold_ms = 60000;
    order->created_at_ms = expires_at_ms - order->hold_ms;
    order->expires_at_ms = expires_at_ms;
    order->id = uuid_source_next(&store->ids, order->created_at_ms);
    order->customer_id = TEXT_LITERAL("c-1");
    order->total = (struct money){variant->price.amount * quantity, "EUR"};
    order->version = 1;
    order->lines = arena_zalloc(store->arena, sizeof(*order->lines));
    order->lines[0] = (struct order_line){variant, quantity, variant->price.amount};
    order->line_count = 1;
    table_put(&store->orders, id_key(&order->id), order);
    return order->id;
}

/* ---- Loading: copies, so that decisions that are rolled back leave no trace ---- */

static struct variant *load_variant(const struct store *store, struct text sku, struct facts *facts)
{
    const struct variant *stored = table_find(&store->variants, sku);
    if (stored == NULL || facts_variant(facts, sku) != NULL) {
        return facts_variant(facts, sku);
    }
    struct variant *variant = copy_bytes(facts->arena, stored, sizeof(*stored));
    variant->loaded_version = variant->version;
    variant->loaded_stock = variant->stock;
    facts_put_variant(facts, variant);
    return variant;
}

static struct order *load_order(const struct store *store, const struct uuid *id, struct facts *facts)
{
    const struct order *stored = table_find(&store->orders, id_key(id));
    if (stored == NULL || facts_order(facts, id) != NULL) {
        return facts_order(facts, id);
    }
    struct order *order = copy_bytes(facts->arena, stored, sizeof(*stored));
    order->lines = copy_bytes(facts->arena, stored->lines, stored->line_count * sizeof(*stored->lines));
    for (size_t i = 0; i < order->line_count; i++) {
        order->lines[i].variant = load_variant(store, stored->lines[i].variant->sku, facts);
    }
    order->loaded_version = order->version;
    order->loaded_status = order->status;
    order->loaded_expires_at_ms = order->expires_at_ms;
    order->loaded_payment_count = order->payment_count;
    facts_put_order(facts, order);
    return order;
}

static void load_payment_owner(const struct store *store, struct text reference, struct facts *facts)
{
    for (size_t i = 0; i < store->orders.count; i++) {
        const struct order *order = store->orders.entries[i].value;
        if (order_find_payment(order, reference) != NULL) {
            facts_put_payment_owner(facts, reference, order->id);
        }
    }
}

static void load_idempotency(const struct store *store, struct text key, struct facts *facts)
{
    const struct idempotency_record *stored = table_find(&store->idempotency, key);
    if (stored == NULL) {
        return;
    }
    struct idempotency_record *record = copy_bytes(facts->arena, stored, sizeof(*stored));
    record->order = stored->order == NULL ? NULL : load_order(store, &stored->order->id, facts);
    facts_put_idempotency(facts, record);
}

/* ---- Saving: guards first, then, with the commit, the rows ---- */

static bool check_guards(const struct store *store, const struct facts *facts, struct fault *fault)
{
    for (size_t i = 0; i < facts->variants.count; i++) {
        const struct variant *variant = facts->variants.entries[i].value;
        const struct variant *stored = table_find(&store->variants, variant->sku);
        if (stored != NULL && stored->stock.version != variant->loaded_stock.version) {
            return fault_set(fault, FAULT_CONFLICT, "stock of %.*s has moved", (int)variant->sku.length,
                             variant->sku.bytes);
        }
    }
    return true;
}

static void apply_variant(struct store *store, const struct variant *variant)
{
    struct variant *stored = table_find(&store->variants, variant->sku);
    if (stored == NULL) {
        stored = arena_alloc(store->arena, sizeof(*stored));
        *stored = *variant;
        stored->sku = arena_text(store->arena, variant->sku);
        stored->title = arena_text(store->arena, variant->title);
        table_put(&store->variants, stored->sku, stored);
    }
    stored->stock = variant->stock;
    stored->version = variant->version;
    stored->price = variant->price;
}

static void apply_order(struct store *store, const struct order *order)
{
    struct order *stored = table_find(&store->orders, id_key(&order->id));
    bool is_new = stored == NULL;
    if (is_new) {
        stored = arena_alloc(store->arena, sizeof(*stored));
    }
    *stored = *order;
    stored->customer_id = arena_text(store->arena, order->customer_id);
    stored->cancel_reason = arena_text(store->arena, order->cancel_reason);
    stored->metadata = arena_text(store->arena, order->metadata);
    stored->lines = copy_bytes(store->arena, order->lines, order->line_count * sizeof(*order->lines));
    for (size_t i = 0; i < stored->line_count; i++) {
        stored->lines[i].variant = table_find(&store->variants, order->lines[i].variant->sku);
    }
    stored->payments = copy_bytes(store->arena, order->payments, order->payment_count * sizeof(*order->payments));
    for (size_t i = 0; i < stored->payment_count; i++) {
        stored->payments[i].reference = arena_text(store->arena, order->payments[i].reference);
        stored->payments[i].reason = arena_text(store->arena, order->payments[i].reason);
    }
    if (is_new) {
        table_put(&store->orders, id_key(&stored->id), stored);
    }
}

static void apply_idempotency(struct store *store, const struct idempotency_record *record)
{
    struct idempotency_record *stored = arena_alloc(store->arena, sizeof(*stored));
    *stored = *record;
    stored->is_new = false;
    stored->key = arena_text(store->arena, record->key);
    stored->body = arena_text(store->arena, record->body);
    stored->location = arena_text(store->arena, record->location);
    stored->order = record->order == NULL ? NULL : table_find(&store->orders, id_key(&record->order->id));
    table_put(&store->idempotency, stored->key, stored);
}

static void apply(struct store *store, const struct facts *facts)
{
    for (size_t i = 0; i < facts->variants.count; i++) {
        apply_variant(store, facts->variants.entries[i].value);
    }
    for (size_t i = 0; i < facts->orders.count; i++) {
        apply_order(store, facts->orders.entries[i].value);
    }
    for (size_t i = 0; i < facts->idempotency.count; i++) {
        const struct idempotency_record *record = facts->idempotency.entries[i].value;
        if (record->is_new) {
            apply_idempotency(store, record);
        }
    }
}

/* ---- The batch ---- */

static int64_t fake_now(const struct store *store)
{
    (void)store;
    return clock_unix_ms();
}

static bool fake_batch_begin(struct store *store, int64_t *ret_now_ms, struct fault *fault)
{
    if (!enter(store, FAKE_BEGIN, NULL, fault)) {
        return false;
    }
    pthread_mutex_lock(&store->mutex);
    assert(!store->in_batch);
    store->in_batch = true;
    pthread_mutex_unlock(&store->mutex);
    *ret_now_ms = clock_unix_ms();
    return true;
}

static int compare_deadlines(const void *a, const void *b)
{
    const struct order *first = *(struct order *const *)a;
    const struct order *second = *(struct order *const *)b;
    return (first->expires_at_ms > second->expires_at_ms) - (first->expires_at_ms < second->expires_at_ms);
}

/* The drafts by their deadlines; the caller frees the array. */
static struct order **list_drafts(const struct store *store, size_t *ret_count)
{
    struct order **drafts = memory_zalloc(store->orders.count, sizeof(struct order *));
    size_t count = 0;
    for (size_t i = 0; i < store->orders.count; i++) {
        struct order *order = store->orders.entries[i].value;
        if (order->status == ORDER_DRAFT) {
            drafts[count++] = order;
        }
    }
    qsort(drafts, count, sizeof(struct order *), compare_deadlines);
    *ret_count = count;
    return drafts;
}

static bool fake_batch_due(struct store *store, int64_t now_ms, size_t max, struct uuid *ret_ids, size_t *ret_count,
                           bool *ret_more, struct fault *fault)
{
    if (!enter(store, FAKE_DUE, NULL, fault)) {
        return false;
    }
    pthread_mutex_lock(&store->mutex);
    size_t draft_count;
    struct order **drafts = list_drafts(store, &draft_count);
    *ret_count = 0;
    *ret_more = false;
    for (size_t i = 0; i < draft_count && drafts[i]->expires_at_ms <= now_ms; i++) {
        if (*ret_count == max) {
            *ret_more = true;
            break;
        }
        ret_ids[(*ret_count)++] = drafts[i]->id;
    }
    free(drafts);
    pthread_mutex_unlock(&store->mutex);
    return true;
}

static void load_orders(struct store *store, const struct table *ids, struct facts *facts)
{
    for (size_t i = 0; i < ids->count; i++) {
        struct uuid id;
        memcpy(id.bytes, ids->entries[i].key.bytes, sizeof(id.bytes));
        (void)load_order(store, &id, facts);
    }
}

static void load_due(struct store *store, const struct table *ids, struct facts *facts)
{
    for (size_t i = 0; i < ids->count; i++) {
        struct uuid *id = copy_bytes(facts->arena, ids->entries[i].key.bytes, sizeof(*id));
        if (store->has_elsewhere && uuid_equal(*id, store->elsewhere)) {
            facts_put_elsewhere(facts, id);
        } else {
            (void)load_order(store, id, facts);
        }
    }
}

static bool fake_batch_load(struct store *store, const struct wanted *wanted, struct facts *facts, struct fault *fault)
{
    if (!enter(store, FAKE_LOAD, NULL, fault)) {
        return false;
    }
    pthread_mutex_lock(&store->mutex);
    for (size_t i = 0; i < wanted->skus.count; i++) {
        struct text sku = wanted->skus.entries[i].key;
        if (store->locked_sku == NULL || !text_equal_c(sku, store->locked_sku)) {
            (void)load_variant(store, sku, facts);
        } else if (wanted->skip_locked) {
            facts_put_locked_sku(facts, sku);
        } else {
            pthread_mutex_unlock(&store->mutex);
            return fault_set(fault, FAULT_TIMEOUT, "a lock was waited for in vain");
        }
    }
    load_orders(store, &wanted->order_ids, facts);
    load_due(store, &wanted->due_ids, facts);
    for (size_t i = 0; i < wanted->payment_references.count; i++) {
        load_payment_owner(store, wanted->payment_references.entries[i].key, facts);
    }
    for (size_t i = 0; i < wanted->idempotency_keys.count; i++) {
        load_idempotency(store, wanted->idempotency_keys.entries[i].key, facts);
    }
    pthread_mutex_unlock(&store->mutex);
    return true;
}

static bool fake_batch_save(struct store *store, struct facts *facts, struct fault *fault)
{
    if (!enter(store, FAKE_SAVE, facts, fault)) {
        return false;
    }
    pthread_mutex_lock(&store->mutex);
    bool ok = check_guards(store, facts, fault);
    store->pending = facts;
    pthread_mutex_unlock(&store->mutex);
    return ok;
}

static bool fake_batch_commit(struct store *store, struct fault *fault)
{
    if (!enter(store, FAKE_COMMIT, NULL, fault)) {
        return false;
    }
    pthread_mutex_lock(&store->mutex);
    apply(store, store->pending);
    store->pending = NULL;
    store->in_batch = false;
    pthread_mutex_unlock(&store->mutex);
    return true;
}

static void fake_batch_rollback(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    assert(store->in_batch);
    store->pending = NULL;
    store->in_batch = false;
    store->rollbacks++;
    pthread_mutex_unlock(&store->mutex);
}

static bool fake_next_due(struct store *store, int64_t *ret_due_ms, struct fault *fault)
{
    if (!enter(store, FAKE_NEXT_DUE, NULL, fault)) {
        return false;
    }
    pthread_mutex_lock(&store->mutex);
    size_t count;
    struct order **drafts = list_drafts(store, &count);
    *ret_due_ms = count == 0 ? INT64_MAX : drafts[0]->expires_at_ms;
    free(drafts);
    pthread_mutex_unlock(&store->mutex);
    return true;
}

static bool fake_maintain(struct store *store, bool idle, bool *ret_more, struct fault *fault)
{
    (void)store;
    (void)idle;
    (void)fault;
    *ret_more = false;
    return true;
}

static bool fake_try_write(struct store *store, struct fault *fault)
{
    return enter(store, FAKE_TRY_WRITE, NULL, fault);
}

/* ---- Readers ---- */

static bool fake_reader_open(struct store *store, struct reader **ret_reader, struct fault *fault)
{
    if (!enter(store, FAKE_READER_OPEN, NULL, fault)) {
        return false;
    }
    struct reader *reader = memory_zalloc(1, sizeof(*reader));
    reader->store = store;
    pthread_mutex_lock(&store->mutex);
    store->open_readers++;
    pthread_mutex_unlock(&store->mutex);
    *ret_reader = reader;
    return true;
}

static void fake_reader_close(struct reader *reader)
{
    pthread_mutex_lock(&reader->store->mutex);
    reader->store->open_readers--;
    pthread_mutex_unlock(&reader->store->mutex);
    free(reader);
}

static bool fake_read_ping(struct reader *reader, struct fault *fault)
{
    (void)reader;
    (void)fault;
    return true;
}

const struct store_ops FAKE_STORE_OPS = {
    .name = "fake",
    .now = fake_now,
    .batch_begin = fake_batch_begin,
    .batch_due = fake_batch_due,
    .batch_load = fake_batch_load,
    .batch_save = fake_batch_save,
    .batch_commit = fake_batch_commit,
    .batch_rollback = fake_batch_rollback,
    .next_due = fake_next_due,
    .maintain = fake_maintain,
    .try_write = fake_try_write,
    .reader_open = fake_reader_open,
    .reader_close = fake_reader_close,
    .read_ping = fake_read_ping,
};

/* ---- Looking ---- */

struct stock_level fake_store_stock(struct store *store, const char *sku)
{
    pthread_mutex_lock(&store->mutex);
    const struct variant *variant = table_find(&store->variants, text_from_c(sku));
    struct stock_level level = variant->stock;
    pthread_mutex_unlock(&store->mutex);
    return level;
}

enum order_status fake_store_order_status(struct store *store, struct uuid order_id)
{
    pthread_mutex_lock(&store->mutex);
    const struct order *order = table_find(&store->orders, id_key(&order_id));
    enum order_status status = order->status;
    pthread_mutex_unlock(&store->mutex);
    return status;
}

void fake_store_set_elsewhere(struct store *store, struct uuid order_id)
{
    pthread_mutex_lock(&store->mutex);
    store->elsewhere = order_id;
    store->has_elsewhere = true;
    pthread_mutex_unlock(&store->mutex);
}

void fake_store_lock_sku(struct store *store, const char *sku)
{
    pthread_mutex_lock(&store->mutex);
    store->locked_sku = sku;
    pthread_mutex_unlock(&store->mutex);
}

void fake_store_forget_elsewhere(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    store->has_elsewhere = false;
    pthread_mutex_unlock(&store->mutex);
}

size_t fake_store_calls(struct store *store, enum fake_call call)
{
    pthread_mutex_lock(&store->mutex);
    size_t calls = store->calls[call];
    pthread_mutex_unlock(&store->mutex);
    return calls;
}

size_t fake_store_rollbacks(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    size_t rollbacks = store->rollbacks;
    pthread_mutex_unlock(&store->mutex);
    return rollbacks;
}

size_t fake_store_open_readers(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    size_t open = store->open_readers;
    pthread_mutex_unlock(&store->mutex);
    return open;
}
