#include "model_state.h"

#include <string.h>

/* ---- Tables ---- */

static guint hash_uuid(gconstpointer key)
{
    return (guint)uuid_hash(*(const struct uuid *)key);
}

static gboolean same_uuid(gconstpointer a, gconstpointer b)
{
    return uuid_equal(*(const struct uuid *)a, *(const struct uuid *)b);
}

static void clear_payment(gpointer payment)
{
    g_free(((struct model_payment *)payment)->reference);
}

static GArray *payments_new(const GArray *source)
{
    GArray *payments = g_array_new(FALSE, TRUE, sizeof(struct model_payment));
    g_array_set_clear_func(payments, clear_payment);
    for (guint i = 0; source != NULL && i < source->len; i++) {
        struct model_payment payment = g_array_index(source, struct model_payment, i);
        payment.reference = g_strdup(payment.reference);
        g_array_append_val(payments, payment);
    }
    return payments;
}

struct model_order *model_order_copy(const struct model_order *order)
{
    struct model_order *copy = g_new(struct model_order, 1);
    *copy = *order;
    copy->customer_id = g_strdup(order->customer_id);
    copy->metadata = g_strdup(order->metadata);
    copy->payments = payments_new(order->payments);
    return copy;
}

void model_order_free(struct model_order *order)
{
    if (order != NULL) {
        g_free(order->customer_id);
        g_free(order->metadata);
        g_array_unref(order->payments);
        g_free(order);
    }
}

static void free_order(gpointer order)
{
    model_order_free(order);
}

static void free_key(gpointer value)
{
    struct model_key *key = value;
    g_free(key->key);
    g_free(key->body);
    g_free(key);
}

static GHashTable *orders_new(void)
{
    return g_hash_table_new_full(hash_uuid, same_uuid, NULL, free_order);
}

static GHashTable *references_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

static GHashTable *keys_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_key);
}

static void clear_event(gpointer event)
{
    g_free(((struct model_event *)event)->data);
}

static GArray *events_new(void)
{
    GArray *events = g_array_new(FALSE, TRUE, sizeof(struct model_event));
    g_array_set_clear_func(events, clear_event);
    return events;
}

struct model_endpoint *model_endpoint_copy(const struct model_endpoint *endpoint)
{
    struct model_endpoint *copy = g_new(struct model_endpoint, 1);
    *copy = *endpoint;
    copy->url = g_strdup(endpoint->url);
    return copy;
}

static void free_endpoint(gpointer value)
{
    struct model_endpoint *endpoint = value;
    g_free(endpoint->url);
    g_free(endpoint);
}

static GHashTable *endpoints_new(void)
{
    return g_hash_table_new_full(hash_uuid, same_uuid, NULL, free_endpoint);
}

static GHashTable *jobs_new(void)
{
    return g_hash_table_new_full(hash_uuid, same_uuid, NULL, g_free);
}

/* ---- The model ---- */

struct model *model_new(void)
{
    struct model *model = g_new0(struct model, 1);
    model->orders = orders_new();
    model->references = references_new();
    model->keys = keys_new();
    model->jobs = jobs_new();
    model->open_deliveries = g_hash_table_new(hash_uuid, same_uuid);
    model->endpoints = endpoints_new();
    model->events = events_new();
    model->changed = g_array_new(FALSE, FALSE, sizeof(struct uuid));
    for (int i = 0; i < MODEL_SKUS_MAX; i++) {
        (void)g_snprintf(model->skus[i].name, sizeof(model->skus[i].name), "sku-%d", i);
    }
    return model;
}

void model_free(struct model *model)
{
    if (model != NULL) {
        g_hash_table_unref(model->orders);
        g_hash_table_unref(model->references);
        g_hash_table_unref(model->keys);
        g_hash_table_unref(model->open_deliveries);
        g_hash_table_unref(model->jobs);
        g_hash_table_unref(model->endpoints);
        g_array_unref(model->events);
        g_array_unref(model->changed);
        g_free(model);
    }
}

const struct model_order *model_order(const struct model *model, const struct uuid *id)
{
    return g_hash_table_lookup(model->orders, id);
}

int model_sku_index(const struct model *model, struct text name)
{
    for (int i = 0; i < MODEL_SKUS_MAX; i++) {
        if (text_equal_c(name, model->skus[i].name)) {
            return i;
        }
    }
    return -1;
}

/* ---- A batch's copies ---- */

struct model_batch *model_batch_new(const struct model *model)
{
    struct model_batch *batch = g_new0(struct model_batch, 1);
    batch->model = model;
    batch->orders = orders_new();
    batch->references = references_new();
    batch->keys = keys_new();
    batch->jobs = jobs_new();
    batch->endpoints = endpoints_new();
    batch->events = events_new();
    batch->by_hand = g_array_new(FALSE, FALSE, sizeof(struct model_delivery));
    return batch;
}

void model_batch_free(struct model_batch *batch)
{
    if (batch != NULL) {
        g_hash_table_unref(batch->orders);
        g_hash_table_unref(batch->references);
        g_hash_table_unref(batch->keys);
        g_hash_table_unref(batch->jobs);
        g_hash_table_unref(batch->endpoints);
        g_array_unref(batch->events);
        g_array_unref(batch->by_hand);
        g_free(batch);
    }
}

struct model_sku *batch_sku(struct model_batch *batch, int index)
{
    if (!batch->has_sku[index]) {
        batch->skus[index] = batch->model->skus[index];
        batch->skus[index].is_changed = false;
        batch->has_sku[index] = true;
    }
    return &batch->skus[index];
}

const struct model_sku *seen_sku(const struct model_batch *batch, int index)
{
    return batch->has_sku[index] ? &batch->skus[index] : &batch->model->skus[index];
}

const struct model_order *seen_order(const struct model_batch *batch, const struct uuid *id)
{
    const struct model_order *copy = g_hash_table_lookup(batch->orders, id);
    return copy != NULL ? copy : model_order(batch->model, id);
}

struct model_order *batch_order(struct model_batch *batch, const struct uuid *id)
{
    struct model_order *copy = g_hash_table_lookup(batch->orders, id);
    const struct model_order *order = model_order(batch->model, id);
    if (copy == NULL && order != NULL) {
        copy = model_order_copy(order);
        copy->is_changed = false;
        g_hash_table_insert(batch->orders, &copy->id, copy);
    }
    return copy;
}

const struct uuid *seen_reference(const struct model_batch *batch, const char *reference)
{
    const struct uuid *order_id = g_hash_table_lookup(batch->references, reference);
    return order_id != NULL ? order_id : g_hash_table_lookup(batch->model->references, reference);
}

const struct model_key *seen_key(const struct model_batch *batch, const char *key)
{
    const struct model_key *seen = g_hash_table_lookup(batch->keys, key);
    return seen != NULL ? seen : g_hash_table_lookup(batch->model->keys, key);
}

const struct model_job *seen_job(const struct model_batch *batch, const struct uuid *id)
{
    const struct model_job *job = g_hash_table_lookup(batch->jobs, id);
    return job != NULL ? job : g_hash_table_lookup(batch->model->jobs, id);
}

void batch_set_job(struct model_batch *batch, const struct job *job)
{
    const struct model_job *before = seen_job(batch, &job->id);
    struct model_job *copy = g_new(struct model_job, 1);
    *copy = model_job_of(job);
    copy->was_taken_over =
        before != NULL && (before->claim == copy->claim ? before->was_taken_over : before->state == JOB_RUNNING);
    copy->event_sequence = before == NULL ? copy->event_sequence : before->event_sequence;
    copy->may_overtake = before != NULL && before->may_overtake;
    g_hash_table_replace(batch->jobs, &copy->id, copy);
}

void batch_add_order(struct model_batch *batch, struct model_order *order)
{
    order->payments = payments_new(NULL);
    order->number = -1; /* not before it has committed */
    g_hash_table_insert(batch->orders, &order->id, order);
}

void batch_add_reference(struct model_batch *batch, const char *reference, const struct uuid *order_id)
{
    struct uuid *owner = g_new(struct uuid, 1);
    *owner = *order_id;
    g_hash_table_replace(batch->references, g_strdup(reference), owner);
}

void batch_add_key(struct model_batch *batch, struct model_key *key)
{
    g_hash_table_insert(batch->keys, key->key, key);
}

/* ---- The commit ---- */

/* A batch was decided on what it had loaded. Where another has changed that meanwhile, its commit must have failed. */
static void check_not_lost(const char *what, int64_t number, int64_t copied_stamp, int64_t stamp)
{
    if (copied_stamp != stamp) {
        sim_violation("version guard", "two batches changed %s %" G_GINT64_FORMAT " from the same facts", what, number);
    }
}

static void apply_order(struct model *model, struct model_order *copy)
{
    struct model_order *order = g_hash_table_lookup(model->orders, &copy->id);
    if (order != NULL) {
        check_not_lost("order", order->number, copy->stamp, order->stamp);
    } else {
        copy->number = ++model->order_count;
    }
    model->payment_count += (int64_t)copy->payments->len - (order == NULL ? 0 : (int64_t)order->payments->len);
    copy->stamp = model->commits;
    copy->is_changed = false;
    g_array_append_val(model->changed, copy->id);
    g_hash_table_replace(model->orders, &copy->id, copy);
}

static void apply_orders(struct model *model, struct model_batch *batch)
{
    GHashTableIter iterator;
    gpointer value;
    g_hash_table_iter_init(&iterator, batch->orders);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        if (((struct model_order *)value)->is_changed) {
            g_hash_table_iter_steal(&iterator);
            apply_order(model, value);
        }
    }
}

/* Moves what is new; nothing of that name may have been there. */
static void apply_new(GHashTable *from, GHashTable *to, const char *rule, const char *what)
{
    GHashTableIter iterator;
    gpointer key;
    gpointer value;
    g_hash_table_iter_init(&iterator, from);
    while (g_hash_table_iter_next(&iterator, &key, &value)) {
        if (g_hash_table_contains(to, key)) {
            sim_violation(rule, "the %s %s was recorded twice", what, (const char *)key);
        }
        g_hash_table_iter_steal(&iterator);
        g_hash_table_insert(to, key, value);
    }
}

static void put_job(struct model *model, struct model_job *job)
{
    (void)g_hash_table_remove(model->open_deliveries, &job->id);
    g_hash_table_replace(model->jobs, &job->id, job);
    if (job->is_delivery && !job_state_is_finished(job->state)) {
        g_hash_table_insert(model->open_deliveries, &job->id, job);
    }
}

static void apply_jobs(struct model *model, struct model_batch *batch)
{
    GHashTableIter iterator;
    gpointer value;
    g_hash_table_iter_init(&iterator, batch->jobs);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        struct model_job *job = value;
        const struct model_job *before = g_hash_table_lookup(model->jobs, &job->id);
        if (before != NULL && job->claim < before->claim) {
            sim_violation("fencing", "a job's claim went back from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                          before->claim, job->claim);
        }
        g_hash_table_iter_steal(&iterator);
        put_job(model, job);
    }
}

/* Deliveries are due behind those of the transaction before, unless that is far ahead. */
static void queue_delivery(struct model *model, const struct job *source, struct model_job *job)
{
    int64_t ahead_ms = model->last_delivery_ms - job->run_at_ms;
    int64_t due_ms = ahead_ms > 0 && ahead_ms < MODEL_SET_BACK_MS ? model->last_delivery_ms : job->run_at_ms;
    model->is_set_back =
        (model->is_set_back || due_ms < model->last_delivery_ms) && due_ms <= model->furthest_delivery_ms;
    model->last_delivery_ms = due_ms;
    model->furthest_delivery_ms = MAX(due_ms, model->furthest_delivery_ms);
    job->may_overtake = model->is_set_back;
    job->event_sequence = (int64_t)(model->events->len + source->event->place + 1);
}

static void apply_new_jobs(struct model *model, const struct facts *facts)
{
    for (size_t i = 0; i < facts->new_jobs.count; i++) {
        const struct job *job = facts->new_jobs.items[i];
        struct model_job *copy = g_new(struct model_job, 1);
        *copy = model_job_of(job);
        if (job->event != NULL) {
            queue_delivery(model, job, copy);
        }
        put_job(model, copy);
    }
}

/* How an endpoint fares, whoever says so last. */
static void apply_endpoints(struct model *model, struct model_batch *batch)
{
    GHashTableIter iterator;
    gpointer value;
    g_hash_table_iter_init(&iterator, batch->endpoints);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        struct model_endpoint *copy = value;
        struct model_endpoint *endpoint = g_hash_table_lookup(model->endpoints, &copy->id);
        if (endpoint != NULL && endpoint->claimed_to > copy->claimed_to) {
            copy->claimed_to = endpoint->claimed_to;
        } else if (endpoint != NULL) {
            endpoint->claimed_to = copy->claimed_to;
        }
        if (copy->is_changed) {
            g_hash_table_iter_steal(&iterator);
            g_hash_table_replace(model->endpoints, &copy->id, copy);
        }
    }
}

static void apply_events(struct model *model, struct model_batch *batch)
{
    for (guint i = 0; i < batch->events->len; i++) {
        struct model_event *event = &g_array_index(batch->events, struct model_event, i);
        event->id = batch->facts->events.items[i]->id;
        event->created_at_ms = batch->facts->events.items[i]->created_at_ms;
        g_array_append_val(model->events, *event);
        event->data = NULL;
    }
}

/* Levels and what the shop says of a variant have versions of their own. */
static void apply_sku(struct model *model, const struct model_sku *copy, int index)
{
    struct model_sku *sku = &model->skus[index];
    if (copy->is_changed) {
        check_not_lost("SKU", index, copy->stamp, sku->stamp);
        sku->stamp = model->commits;
        sku->stock_quantity = copy->stock_quantity;
        sku->reserved_quantity = copy->reserved_quantity;
        sku->supplied = copy->supplied;
    }
    if (copy->is_patched) {
        check_not_lost("what is said of SKU", index, copy->patch_stamp, sku->patch_stamp);
        sku->patch_stamp = model->commits;
        sku->exists = true;
        sku->price = copy->price;
        sku->max_per_customer = copy->max_per_customer;
        sku->low_stock_threshold = copy->low_stock_threshold;
    }
}

void model_apply(struct model *model, struct model_batch *batch)
{
    model->commits++;
    apply_orders(model, batch);
    apply_new(batch->references, model->references, "I7", "payment reference");
    apply_new(batch->keys, model->keys, "I8", "idempotency key");
    apply_jobs(model, batch);
    apply_new_jobs(model, batch->facts);
    apply_endpoints(model, batch);
    apply_events(model, batch);
    model->noticed = batch->has_noticed ? batch->noticed : model->noticed;
    for (int i = 0; i < MODEL_SKUS_MAX; i++) {
        apply_sku(model, &batch->skus[i], i);
    }
}
