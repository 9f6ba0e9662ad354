#include "domain/facts.h"

#include <assert.h>
#include <string.h>

/* Keys of ids are the id's own bytes, wherever it lives. */
static struct text id_key(const struct uuid *id)
{
    return (struct text){(const char *)id->bytes, sizeof(id->bytes)};
}

/* Neither half has a NUL byte (all of them refuse controls), so NUL keeps them apart. */
static struct text pair_key(struct arena *arena, struct text first, struct text second)
{
    char *bytes = arena_alloc(arena, first.length + 1 + second.length);
    memcpy(bytes, first.bytes, first.length);
    bytes[first.length] = '\0';
    memcpy(bytes + first.length + 1, second.bytes, second.length);
    return (struct text){bytes, first.length + 1 + second.length};
}

static struct text purchase_key(struct arena *arena, struct text customer_id, struct text sku)
{
    return pair_key(arena, customer_id, sku);
}

struct text job_key(struct arena *arena, struct text kind, struct text key)
{
    return pair_key(arena, kind, key);
}

static void want(struct table *table, struct text key)
{
    if (table_find(table, key) == NULL) {
        table_put(table, key, table);
    }
}

void wanted_init(struct wanted *wanted, struct arena *arena)
{
    table_init(&wanted->skus, arena);
    table_init(&wanted->order_ids, arena);
    table_init(&wanted->due_ids, arena);
    table_init(&wanted->product_ids, arena);
    table_init(&wanted->payment_references, arena);
    table_init(&wanted->idempotency_keys, arena);
    table_init(&wanted->purchases, arena);
    table_init(&wanted->job_ids, arena);
    table_init(&wanted->job_keys, arena);
    table_init(&wanted->queues, arena);
    table_init(&wanted->schedules, arena);
    table_init(&wanted->claim_held, arena);
    wanted->due_known = 0;
    wanted->skip_locked = false;
    wanted->products_of_skus = false;
    wanted->claim_max = 0;
    wanted->claim_reserve = 0;
    wanted->prune = (struct prune_wanted){.max = 0};
    wanted->notice = (struct notice_wanted){.max = 0};
}

void wanted_add_sku(struct wanted *wanted, struct text sku)
{
    want(&wanted->skus, sku);
}

void wanted_add_order(struct wanted *wanted, const struct uuid *order_id)
{
    want(&wanted->order_ids, id_key(order_id));
}

void wanted_add_due(struct wanted *wanted, const struct uuid *order_id)
{
    want(&wanted->due_ids, id_key(order_id));
}

void wanted_add_product(struct wanted *wanted, const struct uuid *product_id)
{
    want(&wanted->product_ids, id_key(product_id));
}

void wanted_add_payment_reference(struct wanted *wanted, struct text reference)
{
    want(&wanted->payment_references, reference);
}

void wanted_add_idempotency_key(struct wanted *wanted, struct text key)
{
    want(&wanted->idempotency_keys, key);
}

void wanted_add_purchase(struct wanted *wanted, struct text customer_id, struct text sku)
{
    struct text key = purchase_key(wanted->purchases.arena, customer_id, sku);
    if (table_find(&wanted->purchases, key) == NULL) {
        struct purchase *purchase = arena_zalloc(wanted->purchases.arena, sizeof(*purchase));
        purchase->customer_id = customer_id;
        purchase->sku = sku;
        table_put(&wanted->purchases, key, purchase);
    }
}

void wanted_add_job(struct wanted *wanted, const struct uuid *job_id)
{
    want(&wanted->job_ids, id_key(job_id));
}

void wanted_add_job_key(struct wanted *wanted, struct text kind, struct text key)
{
    want(&wanted->job_keys, job_key(wanted->job_keys.arena, kind, key));
}

void wanted_add_queue(struct wanted *wanted, struct text name)
{
    want(&wanted->queues, name);
}

void wanted_add_schedule(struct wanted *wanted, struct text name)
{
    want(&wanted->schedules, name);
}

void facts_init(struct facts *facts, struct arena *arena, int64_t now_ms, struct uuid_source *ids, struct policy policy)
{
    memset(facts, 0, sizeof(*facts));
    facts->arena = arena;
    facts->now_ms = now_ms;
    facts->ids = ids;
    facts->policy = policy;
    table_init(&facts->variants, arena);
    table_init(&facts->orders, arena);
    table_init(&facts->products, arena);
    table_init(&facts->payment_owners, arena);
    table_init(&facts->idempotency, arena);
    table_init(&facts->locked_skus, arena);
    table_init(&facts->locked_orders, arena);
    table_init(&facts->locked_jobs, arena);
    table_init(&facts->locked_job_keys, arena);
    table_init(&facts->elsewhere, arena);
    table_init(&facts->purchases, arena);
    table_init(&facts->jobs, arena);
    table_init(&facts->job_keys, arena);
    table_init(&facts->queues, arena);
    table_init(&facts->schedules, arena);
    facts->claim.next_ms = INT64_MAX;
    facts->notice.next_ms = INT64_MAX;
    facts->jobs_at_ms = INT64_MAX;
}

void facts_put_variant(struct facts *facts, struct variant *variant)
{
    table_put(&facts->variants, variant->sku, variant);
}

void facts_put_order(struct facts *facts, struct order *order)
{
    table_put(&facts->orders, id_key(&order->id), order);
}

void facts_put_product(struct facts *facts, struct product *product)
{
    table_put(&facts->products, id_key(&product->id), product);
}

void facts_put_payment_owner(struct facts *facts, struct text reference, struct uuid order_id)
{
    struct payment_owner *owner = arena_alloc(facts->arena, sizeof(*owner));
    owner->order_id = order_id;
    table_put(&facts->payment_owners, reference, owner);
}

void facts_put_idempotency(struct facts *facts, struct idempotency_record *record)
{
    table_put(&facts->idempotency, record->key, record);
}

void facts_put_locked_sku(struct facts *facts, struct text sku)
{
    want(&facts->locked_skus, sku);
}

void facts_put_locked_order(struct facts *facts, const struct uuid *order_id)
{
    want(&facts->locked_orders, id_key(order_id));
}

static bool have_common_key(const struct table *wanted, const struct table *locked)
{
    for (size_t i = 0; locked->count > 0 && i < wanted->count; i++) {
        if (table_find(locked, wanted->entries[i].key) != NULL) {
            return true;
        }
    }
    return false;
}

void facts_put_locked_job(struct facts *facts, const struct uuid *job_id)
{
    want(&facts->locked_jobs, id_key(job_id));
}

void facts_put_locked_job_key(struct facts *facts, struct text kind, struct text key)
{
    want(&facts->locked_job_keys, job_key(facts->arena, kind, key));
}

bool facts_have_locked(const struct facts *facts)
{
    return facts->locked_skus.count + facts->locked_orders.count + facts->locked_jobs.count +
               facts->locked_job_keys.count >
           0;
}

bool facts_lack_locked(const struct facts *facts, const struct wanted *wanted)
{
    if (!facts_have_locked(facts)) {
        return false;
    }
    /* A product may have lost any of its variants. */
    return wanted->product_ids.count > 0 || wanted->products_of_skus ||
           have_common_key(&wanted->skus, &facts->locked_skus) ||
           have_common_key(&wanted->order_ids, &facts->locked_orders) ||
           have_common_key(&wanted->job_ids, &facts->locked_jobs) ||
           have_common_key(&wanted->job_keys, &facts->locked_job_keys);
}

void facts_put_elsewhere(struct facts *facts, const struct uuid *order_id)
{
    want(&facts->elsewhere, id_key(order_id));
}

void facts_put_purchase(struct facts *facts, struct purchase *purchase)
{
    table_put(&facts->purchases, purchase_key(facts->arena, purchase->customer_id, purchase->sku), purchase);
}

void facts_put_job(struct facts *facts, struct job *job)
{
    table_put(&facts->jobs, id_key(&job->id), job);
    if (job->key.bytes != NULL && job->state == JOB_SCHEDULED) {
        table_put(&facts->job_keys, job_key(facts->arena, job->kind, job->key), job);
    }
}

void facts_put_queue(struct facts *facts, struct job_queue *queue)
{
    table_put(&facts->queues, queue->name, queue);
}

void facts_put_schedule(struct facts *facts, struct job_schedule *schedule)
{
    table_put(&facts->schedules, schedule->name, schedule);
}

struct variant *facts_variant(const struct facts *facts, struct text sku)
{
    return table_find(&facts->variants, sku);
}

struct order *facts_order(const struct facts *facts, const struct uuid *id)
{
    return table_find(&facts->orders, id_key(id));
}

bool facts_is_elsewhere(const struct facts *facts, const struct uuid *order_id)
{
    return table_find(&facts->elsewhere, id_key(order_id)) != NULL;
}

struct product *facts_product(const struct facts *facts, const struct uuid *id)
{
    return table_find(&facts->products, id_key(id));
}

const struct payment_owner *facts_payment_owner(const struct facts *facts, struct text reference)
{
    return table_find(&facts->payment_owners, reference);
}

struct idempotency_record *facts_idempotency(const struct facts *facts, struct text key)
{
    return table_find(&facts->idempotency, key);
}

struct purchase *facts_purchase(const struct facts *facts, struct text customer_id, struct text sku)
{
    if (facts->purchases.count == 0) {
        return NULL; /* no limit anywhere in the batch: the common case */
    }
    return table_find(&facts->purchases, purchase_key(facts->arena, customer_id, sku));
}

/* Room for one more in an arena-backed list: the capacity doubles, the old array is left to the arena. */
static void **list_grow(struct arena *arena, void **items, size_t count, size_t *capacity)
{
    if (count < *capacity) {
        return items;
    }
    size_t grown = *capacity == 0 ? 16 : *capacity * 2;
    void **copy = arena_array(arena, grown, sizeof(*copy));
    if (count > 0) {
        memcpy(copy, items, count * sizeof(*copy));
    }
    *capacity = grown;
    return copy;
}

void facts_put_endpoint(struct facts *facts, struct webhook_endpoint *endpoint)
{
    /* A fresh array each time: at most WEBHOOK_ENDPOINTS_MAX, and new ones are rare. */
    struct webhook_endpoint **endpoints =
        arena_array(facts->arena, facts->endpoint_count + 1, sizeof(struct webhook_endpoint *));
    for (size_t i = 0; i < facts->endpoint_count; i++) {
        endpoints[i] = facts->endpoints[i];
    }
    endpoints[facts->endpoint_count++] = endpoint;
    facts->endpoints = endpoints;
}

struct job *facts_job(const struct facts *facts, const struct uuid *id)
{
    return table_find(&facts->jobs, id_key(id));
}

struct job *facts_scheduled_job(const struct facts *facts, struct text kind, struct text key)
{
    struct job *job = table_find(&facts->job_keys, job_key(facts->arena, kind, key));
    return job != NULL && job->state == JOB_SCHEDULED ? job : NULL;
}

struct job_queue *facts_queue(const struct facts *facts, struct text name)
{
    return table_find(&facts->queues, name);
}

struct job_schedule *facts_schedule(const struct facts *facts, struct text name)
{
    return table_find(&facts->schedules, name);
}

struct webhook_endpoint *facts_endpoint(const struct facts *facts, const struct uuid *id)
{
    for (size_t i = 0; i < facts->endpoint_count; i++) {
        if (uuid_equal(facts->endpoints[i]->id, *id) && !facts->endpoints[i]->is_deleted) {
            return facts->endpoints[i];
        }
    }
    return NULL;
}

void facts_note_job_at(struct facts *facts, int64_t at_ms)
{
    if (at_ms < facts->jobs_at_ms) {
        facts->jobs_at_ms = at_ms;
    }
}

void facts_add_job(struct facts *facts, struct job *job)
{
    struct job_list *list = &facts->new_jobs;
    list->items = (struct job **)list_grow(facts->arena, (void **)list->items, list->count, &list->capacity);
    list->items[list->count++] = job;
    job->is_new = true;
    facts_put_job(facts, job);
    facts_note_job_at(facts, job->run_at_ms);
    facts->change_count++;
}

void facts_add_event(struct facts *facts, struct event *event)
{
    struct event_list *list = &facts->events;
    list->items = (struct event **)list_grow(facts->arena, (void **)list->items, list->count, &list->capacity);
    event->place = list->count;
    list->items[list->count++] = event;
    facts->change_count++;
}

struct movement *facts_add_movement(struct facts *facts, struct variant *variant, int64_t delta,
                                    enum movement_reason reason, struct text reference, const struct order *order)
{
    struct movement *movement = arena_zalloc(facts->arena, sizeof(*movement));
    movement->id = uuid_source_next(facts->ids, facts->now_ms);
    movement->variant = variant;
    movement->delta = delta;
    movement->reason = reason;
    movement->reference = reference;
    if (order != NULL) {
        movement->has_order = true;
        movement->order_id = order->id;
    }
    movement->stock_quantity = variant->stock.stock_quantity;
    movement->created_at_ms = facts->now_ms;
    struct movement_list *list = &facts->movements;
    list->items = (struct movement **)list_grow(facts->arena, (void **)list->items, list->count, &list->capacity);
    list->items[list->count++] = movement;
    facts->change_count++;
    return movement;
}

struct payment *facts_add_payment(struct facts *facts, struct order *order, const struct payment *payment)
{
    /* A fresh array each time: snapshots of the order keep seeing the one they were taken with. */
    struct payment *payments = arena_array(facts->arena, order->payment_count + 1, sizeof(*payments));
    if (order->payment_count > 0) {
        memcpy(payments, order->payments, order->payment_count * sizeof(*payments));
    }
    payments[order->payment_count] = *payment;
    order->payments = payments;
    order->payment_count++;
    assert(facts_payment_owner(facts, payment->reference) == NULL); /* I7: once, anywhere */
    facts_put_payment_owner(facts, payment->reference, order->id);
    facts->change_count++;
    return &payments[order->payment_count - 1];
}
