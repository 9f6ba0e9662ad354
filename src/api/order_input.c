#include "api/order_input.h"

#include "domain/limits.h"

static void read_line(const struct json_t *value, const struct field_place *place, struct field_errors *errors,
                      struct place_order_line *ret_line)
{
    struct json_fields fields;
    json_fields_begin(&fields, value, place, errors);
    (void)json_fields_text(&fields, "sku", FIELD_MANDATORY, 1, SKU_BYTES_MAX, &ret_line->sku);
    const struct json_t *quantity = json_fields_get(&fields, "quantity", FIELD_MANDATORY);
    if (quantity != NULL) {
        const struct field_place at = {.parent = place, .name = "quantity"};
        (void)json_read_int64(quantity, &at, FIELD_INVALID_QUANTITY, FIELD_INVALID_QUANTITY, 1, LINE_QUANTITY_MAX,
                              errors, &ret_line->quantity);
    }
    json_fields_end(&fields);
}

void order_input_read(struct json_fields *fields, int64_t hold_seconds_max, struct place_order *ret_order)
{
    struct place_order order = {.hold_seconds = HOLD_SECONDS_DEFAULT};
    if (order.hold_seconds > hold_seconds_max) {
        order.hold_seconds = hold_seconds_max;
    }
    (void)json_fields_text(fields, "customer_id", FIELD_MANDATORY, 1, CUSTOMER_ID_BYTES_MAX, &order.customer_id);
    const struct json_t *items = json_fields_array(fields, "items", FIELD_MANDATORY, 1, ORDER_LINES_MAX);
    if (items != NULL) {
        const struct field_place items_place = {.parent = fields->place, .name = "items"};
        order.line_count = json_array_count(items);
        struct place_order_line *lines = arena_array(fields->errors->arena, order.line_count, sizeof(*lines));
        for (size_t i = 0; i < order.line_count; i++) {
            const struct field_place place = {.parent = &items_place, .index = i};
            read_line(json_array_element(items, i), &place, fields->errors, &lines[i]);
        }
        order.lines = lines;
    }
    (void)json_fields_int64(fields, "hold_seconds", FIELD_OPTIONAL, 1, hold_seconds_max, &order.hold_seconds);
    (void)json_fields_metadata(fields, "metadata", &order.metadata);
    *ret_order = order;
}
