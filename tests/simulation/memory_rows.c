#include "memory_internal.h"

#include <string.h>

struct variant *rows_put_variant(struct facts *facts, const struct variant *stored)
{
    struct variant *variant = facts_variant(facts, stored->sku);
    if (variant != NULL) {
        return variant;
    }
    variant = arena_alloc(facts->arena, sizeof(*variant));
    *variant = *stored;
    variant->sku = arena_text(facts->arena, stored->sku);
    variant->title = arena_text(facts->arena, stored->title);
    variant->loaded_version = stored->version;
    variant->loaded_stock = stored->stock;
    facts_put_variant(facts, variant);
    return variant;
}

struct product *rows_put_product(struct facts *facts, const struct product *stored)
{
    struct product *product = facts_product(facts, &stored->id);
    if (product != NULL) {
        return product;
    }
    product = arena_alloc(facts->arena, sizeof(*product));
    *product = *stored;
    product->title = arena_text(facts->arena, stored->title);
    product->loaded_version = stored->version;
    product->variants = arena_array(facts->arena, stored->variant_count, sizeof(struct variant *));
    for (size_t i = 0; i < stored->variant_count; i++) {
        product->variants[i] = rows_put_variant(facts, stored->variants[i]);
    }
    facts_put_product(facts, product);
    return product;
}

struct order *rows_put_order(struct facts *facts, const struct stored_order *stored)
{
    const struct order *row = &stored->order;
    struct order *order = facts_order(facts, &row->id);
    if (order != NULL) {
        return order;
    }
    order = arena_alloc(facts->arena, sizeof(*order));
    *order = *row;
    order->customer_id = arena_text(facts->arena, row->customer_id);
    order->cancel_reason = arena_text(facts->arena, row->cancel_reason);
    order->metadata = arena_text(facts->arena, row->metadata);
    order->loaded_version = row->version;
    order->loaded_status = row->status;
    order->loaded_expires_at_ms = row->expires_at_ms;
    order->loaded_payment_count = row->payment_count;
    order->lines = arena_array(facts->arena, row->line_count, sizeof(*order->lines));
    for (size_t i = 0; i < row->line_count; i++) {
        order->lines[i] = row->lines[i];
        order->lines[i].variant = rows_put_variant(facts, row->lines[i].variant);
    }
    order->payments = arena_array(facts->arena, row->payment_count, sizeof(*order->payments));
    for (size_t i = 0; i < row->payment_count; i++) {
        order->payments[i] = row->payments[i];
        order->payments[i].reference = arena_text(facts->arena, row->payments[i].reference);
        order->payments[i].reason = arena_text(facts->arena, row->payments[i].reason);
    }
    facts_put_order(facts, order);
    return order;
}

struct job *rows_copy_job(struct arena *arena, const struct stored_job *stored)
{
    struct job *job = arena_alloc(arena, sizeof(*job));
    *job = stored->job;
    job->queue = arena_text(arena, stored->job.queue);
    job->kind = arena_text(arena, stored->job.kind);
    job->key = arena_text(arena, stored->job.key);
    job->payload = arena_text(arena, stored->job.payload);
    job->last_error = arena_text(arena, stored->job.last_error);
    job->log = arena_text(arena, stored->job.log);
    job->loaded_state = job->state;
    job->loaded_claim = job->claim;
    return job;
}

struct job *rows_put_job(struct facts *facts, const struct stored_job *stored)
{
    struct job *job = facts_job(facts, &stored->job.id);
    if (job == NULL) {
        job = rows_copy_job(facts->arena, stored);
        facts_put_job(facts, job);
    }
    return job;
}

/* One without a row has no limits. */
struct job_queue *rows_put_queue(struct facts *facts, const struct memory_database *database, struct text name)
{
    struct job_queue *queue = facts_queue(facts, name);
    if (queue != NULL) {
        return queue;
    }
    const struct stored_queue *stored = index_find(&database->indexes[QUEUES], name);
    queue = arena_zalloc(facts->arena, sizeof(*queue));
    if (stored != NULL) {
        *queue = stored->queue;
        queue->is_known = true;
        queue->loaded_version = queue->version;
    }
    queue->name = arena_text(facts->arena, name);
    facts_put_queue(facts, queue);
    return queue;
}

struct job_schedule *rows_copy_schedule(struct arena *arena, const struct job_schedule *stored)
{
    struct job_schedule *schedule = arena_alloc(arena, sizeof(*schedule));
    *schedule = *stored;
    schedule->name = arena_text(arena, stored->name);
    schedule->queue = arena_text(arena, stored->queue);
    schedule->kind = arena_text(arena, stored->kind);
    schedule->cron = arena_text(arena, stored->cron);
    schedule->time_zone = arena_text(arena, stored->time_zone);
    schedule->loaded_version = stored->version;
    return schedule;
}

struct webhook_endpoint *rows_copy_endpoint(struct arena *arena, const struct webhook_endpoint *stored)
{
    struct webhook_endpoint *endpoint = arena_alloc(arena, sizeof(*endpoint));
    *endpoint = *stored;
    endpoint->url = arena_text(arena, stored->url);
    endpoint->description = arena_text(arena, stored->description);
    endpoint->disabled_reason = arena_text(arena, stored->disabled_reason);
    endpoint->secret = arena_text(arena, stored->secret);
    endpoint->previous_secret = arena_text(arena, stored->previous_secret);
    endpoint->loaded_version = stored->version;
    return endpoint;
}
