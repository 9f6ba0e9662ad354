#include "api/render.h"

void render_id_field(struct json_writer *json, const char *key, struct uuid id)
{
    char text[UUID_TEXT_LENGTH + 1];
    uuid_format(id, text);
    json_string_field(json, key, (struct text){text, UUID_TEXT_LENGTH});
}

static void money_field(struct json_writer *json, const char *key, int64_t amount, const char *currency)
{
    json_key(json, key);
    json_object_begin(json);
    json_int64_field(json, "amount", amount);
    json_c_field(json, "currency", currency);
    json_object_end(json);
}

static void order_items(struct json_writer *json, const struct order *order)
{
    const char *reservation = reservation_status_name(order_reservation_status(order->status));
    json_key(json, "items");
    json_array_begin(json);
    for (size_t i = 0; i < order->line_count; i++) {
        const struct order_line *line = &order->lines[i];
        json_object_begin(json);
        json_int64_field(json, "line", (int64_t)i + 1);
        json_string_field(json, "sku", line->variant->sku);
        json_int64_field(json, "quantity", line->quantity);
        money_field(json, "unit_price", line->unit_price, order->total.currency);
        json_c_field(json, "reservation", reservation);
        json_object_end(json);
    }
    json_array_end(json);
}

void render_payment(struct json_writer *json, const struct payment *payment)
{
    json_object_begin(json);
    json_string_field(json, "payment_reference", payment->reference);
    json_c_field(json, "status", payment_status_name(payment->status));
    money_field(json, "amount", payment->amount.amount, payment->amount.currency);
    json_string_field(json, "reason", payment->reason);
    json_time_field(json, "created_at", payment->created_at_ms);
    json_object_end(json);
}

void render_order(struct json_writer *json, const struct order *order, enum order_payments payments)
{
    json_object_begin(json);
    render_id_field(json, "order_id", order->id);
    json_c_field(json, "status", order_status_name(order->status));
    json_string_field(json, "customer_id", order->customer_id);
    order_items(json, order);
    money_field(json, "total", order->total.amount, order->total.currency);
    json_raw_field(json, "metadata", order->metadata.bytes == NULL ? TEXT_LITERAL("{}") : order->metadata);
    json_time_field(json, "created_at", order->created_at_ms);
    json_time_field(json, "expires_at", order->expires_at_ms);
    json_int64_field(json, "version", order->version);
    if (order->cancel_reason.bytes != NULL) {
        json_string_field(json, "cancel_reason", order->cancel_reason);
    }
    if (order->revived) {
        json_bool_field(json, "revived", true);
    }
    if (payments == WITH_PAYMENTS) {
        json_key(json, "payments");
        json_array_begin(json);
        /* The newest where there are very many, so that an answer stays bounded whatever a client sends. */
        size_t first = order->payment_count > ORDER_PAYMENTS_SHOWN ? order->payment_count - ORDER_PAYMENTS_SHOWN : 0;
        for (size_t i = first; i < order->payment_count; i++) {
            render_payment(json, &order->payments[i]);
        }
        json_array_end(json);
    }
    json_object_end(json);
}

void render_quantities(struct json_writer *json, const struct stock_level *level)
{
    json_int64_field(json, "stock_quantity", level->stock_quantity);
    json_int64_field(json, "reserved_quantity", level->reserved_quantity);
    json_int64_field(json, "available_quantity", stock_available(level));
}

void render_variant(struct json_writer *json, const struct variant *variant)
{
    json_object_begin(json);
    json_string_field(json, "sku", variant->sku);
    render_id_field(json, "product_id", variant->product_id);
    json_string_field(json, "title", variant->title);
    money_field(json, "price", variant->price.amount, variant->price.currency);
    if (variant->max_per_customer > 0) {
        json_int64_field(json, "max_per_customer", variant->max_per_customer);
    } else {
        json_null_field(json, "max_per_customer");
    }
    if (variant->low_stock_threshold >= 0) {
        json_int64_field(json, "low_stock_threshold", variant->low_stock_threshold);
    } else {
        json_null_field(json, "low_stock_threshold");
    }
    render_quantities(json, &variant->stock);
    json_int64_field(json, "version", variant->version);
    json_object_end(json);
}

void render_product(struct json_writer *json, const struct product *product)
{
    json_object_begin(json);
    render_id_field(json, "product_id", product->id);
    json_string_field(json, "title", product->title);
    json_key(json, "variants");
    json_array_begin(json);
    for (size_t i = 0; i < product->variant_count; i++) {
        render_variant(json, product->variants[i]);
    }
    json_array_end(json);
    json_time_field(json, "created_at", product->created_at_ms);
    json_int64_field(json, "version", product->version);
    json_object_end(json);
}

void render_stock(struct json_writer *json, const struct variant *variant)
{
    json_object_begin(json);
    json_string_field(json, "sku", variant->sku);
    render_quantities(json, &variant->stock);
    json_int64_field(json, "version", variant->stock.version);
    json_object_end(json);
}

void render_movement(struct json_writer *json, const struct movement *movement, struct text sku)
{
    json_object_begin(json);
    render_id_field(json, "movement_id", movement->id);
    json_string_field(json, "sku", sku);
    json_int64_field(json, "delta", movement->delta);
    json_c_field(json, "reason", movement_reason_name(movement->reason));
    json_string_field(json, "reference", movement->reference);
    if (movement->has_order) {
        render_id_field(json, "order_id", movement->order_id);
    } else {
        json_null_field(json, "order_id");
    }
    json_int64_field(json, "stock_quantity", movement->stock_quantity);
    json_time_field(json, "created_at", movement->created_at_ms);
    json_object_end(json);
}

void render_reservation(struct json_writer *json, const struct reservation_row *row)
{
    json_object_begin(json);
    render_id_field(json, "order_id", row->order_id);
    json_int64_field(json, "line", (int64_t)row->line);
    json_string_field(json, "sku", row->sku);
    json_int64_field(json, "quantity", row->quantity);
    json_c_field(json, "status", reservation_status_name(row->status));
    json_time_field(json, "expires_at", row->expires_at_ms);
    json_object_end(json);
}

void render_event(struct json_writer *json, const struct event_row *row)
{
    json_object_begin(json);
    render_id_field(json, "event_id", row->id);
    json_int64_field(json, "sequence", row->sequence);
    json_c_field(json, "type", event_type_name(row->type));
    json_time_field(json, "created_at", row->created_at_ms);
    json_raw_field(json, "data", row->data);
    json_object_end(json);
}
