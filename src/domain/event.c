#include "domain/event.h"

#include "base/json_writer.h"
#include "domain/facts.h"
#include "domain/webhook_endpoint.h"

/* Above the largest order's data: 100 lines of escaped SKUs. */
#define EVENT_DATA_BYTES_MAX (256 * 1024)

static const char *const EVENT_TYPE_NAMES[EVENT_TYPE_COUNT] = {
    [EVENT_ORDER_CREATED] = "order.created",
    [EVENT_ORDER_PAID] = "order.paid",
    [EVENT_ORDER_CANCELLED] = "order.cancelled",
    [EVENT_ORDER_EXPIRED] = "order.expired",
    [EVENT_ORDER_EXTENDED] = "order.extended",
    [EVENT_PAYMENT_REFUND_DUE] = "payment.refund_due",
    [EVENT_STOCK_ADJUSTED] = "stock.adjusted",
    [EVENT_STOCK_LOW] = "stock.low",
    [EVENT_STOCK_SOLD_OUT] = "stock.sold_out",
    [EVENT_STOCK_BACK] = "stock.back",
    [EVENT_ORDER_PAYMENT_DUE_SOON] = "order.payment_due_soon",
    [EVENT_WEBHOOK_ENDPOINT_DISABLED] = "webhook_endpoint.disabled",
};

const char *event_type_name(enum event_type type)
{
    return EVENT_TYPE_NAMES[type];
}

bool event_type_parse(struct text name, enum event_type *ret_type)
{
    for (int i = 0; i < EVENT_TYPE_COUNT; i++) {
        if (text_equal_c(name, EVENT_TYPE_NAMES[i])) {
            *ret_type = (enum event_type)i;
            return true;
        }
    }
    return false;
}

/* An event's data on its way: begun with its object open, ended with the event appended to the working set. */
struct event_draft {
    struct buffer buffer;
    struct json_writer json;
};

static void draft_begin(struct event_draft *draft)
{
    buffer_init(&draft->buffer, EVENT_DATA_BYTES_MAX);
    json_writer_init(&draft->json, &draft->buffer);
    json_object_begin(&draft->json);
}

static void draft_end(struct event_draft *draft, struct facts *facts, enum event_type type, struct order *order)
{
    json_object_end(&draft->json);
    struct event *event = arena_alloc(facts->arena, sizeof(*event));
    event->id = uuid_source_next(facts->ids, facts->now_ms);
    event->type = type;
    event->created_at_ms = facts->now_ms;
    event->order = order;
    event->data = arena_text(facts->arena, buffer_text(&draft->buffer));
    buffer_done(&draft->buffer);
    facts_add_event(facts, event);
}

static void write_money(struct json_writer *json, const char *key, struct money money)
{
    json_key(json, key);
    json_object_begin(json);
    json_int64_field(json, "amount", money.amount);
    json_c_field(json, "currency", money.currency);
    json_object_end(json);
}

static void write_order_id(struct json_writer *json, const struct order *order)
{
    char id[UUID_TEXT_LENGTH + 1];
    uuid_format(order->id, id);
    json_c_field(json, "order_id", id);
}

static void write_payment(struct json_writer *json, const struct payment *payment)
{
    json_string_field(json, "payment_reference", payment->reference);
    write_money(json, "amount", payment->amount);
}

static void write_level(struct json_writer *json, const struct variant *variant)
{
    json_string_field(json, "sku", variant->sku);
    json_int64_field(json, "stock_quantity", variant->stock.stock_quantity);
    json_int64_field(json, "reserved_quantity", variant->stock.reserved_quantity);
    json_int64_field(json, "available_quantity", stock_available(&variant->stock));
}

void event_order_created(struct facts *facts, struct order *order)
{
    struct event_draft draft;
    draft_begin(&draft);
    write_order_id(&draft.json, order);
    json_string_field(&draft.json, "customer_id", order->customer_id);
    json_key(&draft.json, "items");
    json_array_begin(&draft.json);
    for (size_t i = 0; i < order->line_count; i++) {
        json_object_begin(&draft.json);
        json_string_field(&draft.json, "sku", order->lines[i].variant->sku);
        json_int64_field(&draft.json, "quantity", order->lines[i].quantity);
        json_object_end(&draft.json);
    }
    json_array_end(&draft.json);
    write_money(&draft.json, "total", order->total);
    json_time_field(&draft.json, "expires_at", order->expires_at_ms);
    draft_end(&draft, facts, EVENT_ORDER_CREATED, order);
}

void event_order_paid(struct facts *facts, struct order *order, const struct payment *payment)
{
    struct event_draft draft;
    draft_begin(&draft);
    write_order_id(&draft.json, order);
    write_payment(&draft.json, payment);
    if (order->revived) {
        json_bool_field(&draft.json, "revived", true);
    }
    draft_end(&draft, facts, EVENT_ORDER_PAID, order);
}

void event_order_cancelled(struct facts *facts, struct order *order)
{
    struct event_draft draft;
    draft_begin(&draft);
    write_order_id(&draft.json, order);
    json_string_field(&draft.json, "cancel_reason", order->cancel_reason);
    draft_end(&draft, facts, EVENT_ORDER_CANCELLED, order);
}

void event_order_expired(struct facts *facts, struct order *order)
{
    struct event_draft draft;
    draft_begin(&draft);
    write_order_id(&draft.json, order);
    json_string_field(&draft.json, "cancel_reason", order->cancel_reason);
    json_time_field(&draft.json, "expires_at", order->expires_at_ms);
    draft_end(&draft, facts, EVENT_ORDER_EXPIRED, order);
}

void event_order_extended(struct facts *facts, struct order *order, int64_t previous_expires_at_ms)
{
    struct event_draft draft;
    draft_begin(&draft);
    write_order_id(&draft.json, order);
    json_time_field(&draft.json, "expires_at", order->expires_at_ms);
    json_time_field(&draft.json, "previous_expires_at", previous_expires_at_ms);
    draft_end(&draft, facts, EVENT_ORDER_EXTENDED, order);
}

void event_order_payment_due_soon(struct facts *facts, struct order *order)
{
    struct event_draft draft;
    draft_begin(&draft);
    write_order_id(&draft.json, order);
    json_string_field(&draft.json, "customer_id", order->customer_id);
    write_money(&draft.json, "total", order->total);
    json_time_field(&draft.json, "expires_at", order->expires_at_ms);
    draft_end(&draft, facts, EVENT_ORDER_PAYMENT_DUE_SOON, order);
}

void event_payment_refund_due(struct facts *facts, struct order *order, const struct payment *payment)
{
    struct event_draft draft;
    draft_begin(&draft);
    write_order_id(&draft.json, order);
    write_payment(&draft.json, payment);
    json_string_field(&draft.json, "reason", payment->reason);
    draft_end(&draft, facts, EVENT_PAYMENT_REFUND_DUE, order);
}

void event_stock_adjusted(struct facts *facts, const struct movement *movement)
{
    struct event_draft draft;
    draft_begin(&draft);
    write_level(&draft.json, movement->variant);
    json_int64_field(&draft.json, "delta", movement->delta);
    json_c_field(&draft.json, "reason", movement_reason_name(movement->reason));
    json_string_field(&draft.json, "reference", movement->reference);
    draft_end(&draft, facts, EVENT_STOCK_ADJUSTED, NULL);
}

void event_webhook_endpoint_disabled(struct facts *facts, const struct webhook_endpoint *endpoint)
{
    struct event_draft draft;
    char id[UUID_TEXT_LENGTH + 1];
    uuid_format(endpoint->id, id);
    draft_begin(&draft);
    json_c_field(&draft.json, "endpoint_id", id);
    json_string_field(&draft.json, "reason", endpoint->disabled_reason);
    draft_end(&draft, facts, EVENT_WEBHOOK_ENDPOINT_DISABLED, NULL);
}

static void append_level_event(struct facts *facts, enum event_type type, const struct variant *variant)
{
    struct event_draft draft;
    draft_begin(&draft);
    write_level(&draft.json, variant);
    if (type == EVENT_STOCK_LOW) {
        json_int64_field(&draft.json, "low_stock_threshold", variant->low_stock_threshold);
    }
    draft_end(&draft, facts, type, NULL);
}

void event_stock_thresholds(struct facts *facts)
{
    for (size_t i = 0; i < facts->variants.count; i++) {
        const struct variant *variant = facts->variants.entries[i].value;
        if (variant->loaded_version == 0 || variant->stock.version == variant->loaded_stock.version) {
            continue;
        }
        int64_t before = stock_available(&variant->loaded_stock);
        int64_t after = stock_available(&variant->stock);
        if (before > 0 && after == 0) {
            append_level_event(facts, EVENT_STOCK_SOLD_OUT, variant);
        } else if (before == 0 && after > 0) {
            append_level_event(facts, EVENT_STOCK_BACK, variant);
        }
        if (before > variant->low_stock_threshold && after <= variant->low_stock_threshold) {
            append_level_event(facts, EVENT_STOCK_LOW, variant);
        }
    }
}
