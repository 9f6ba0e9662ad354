#include "api/list.h"
#include "api/render.h"
#include "api/resources.h"
#include "base/table.h"
#include "domain/limits.h"

#define MAX_PER_CUSTOMER_MAX 1000000000

const char *const PRODUCT_LIST_PARAMETERS[] = {LIST_PARAMETERS, NULL};

/* The fields of a variant but its title, which has another default in either form. */
static void read_variant_fields(struct json_fields *fields, struct create_variant *variant)
{
    variant->low_stock_threshold = -1;
    (void)json_fields_text(fields, "sku", FIELD_MANDATORY, 1, SKU_BYTES_MAX, &variant->sku);
    (void)json_fields_money(fields, "price", FIELD_MANDATORY, PRICE_AMOUNT_MAX, &variant->price);
    (void)json_fields_int64(fields, "stock_quantity", FIELD_OPTIONAL, 0, STOCK_QUANTITY_MAX, &variant->stock_quantity);
    (void)json_fields_int64_or_null(fields, "max_per_customer", 1, MAX_PER_CUSTOMER_MAX, 0, &variant->max_per_customer);
    (void)json_fields_int64_or_null(fields, "low_stock_threshold", 0, STOCK_QUANTITY_MAX, -1,
                                    &variant->low_stock_threshold);
}

static void refuse_variant_fields(struct json_fields *fields)
{
    static const char *const NAMES[] = {"sku", "price", "stock_quantity", "max_per_customer", "low_stock_threshold"};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (json_fields_get(fields, NAMES[i], FIELD_OPTIONAL) != NULL) {
            const struct field_place place = {.parent = fields->place, .name = NAMES[i]};
            field_errors_add(fields->errors, &place, FIELD_NOT_ALLOWED, "Belongs into variants where they are given.");
        }
    }
}

/* seen: SKU to anything, of the variants before this one. */
static void read_variant(const struct json_t *value, const struct field_place *place, struct table *seen,
                         struct field_errors *errors, struct create_variant *variant)
{
    struct json_fields fields;
    json_fields_begin(&fields, value, place, errors);
    (void)json_fields_text(&fields, "title", FIELD_MANDATORY, 1, TITLE_BYTES_MAX, &variant->title);
    read_variant_fields(&fields, variant);
    json_fields_end(&fields);
    if (variant->sku.bytes == NULL) {
        return;
    }
    if (table_find(seen, variant->sku) != NULL) {
        const struct field_place at = {.parent = place, .name = "sku"};
        field_errors_add(errors, &at, FIELD_REPEATED, "Another variant of this request has this SKU.");
    } else {
        table_put(seen, variant->sku, variant);
    }
}

static void read_variants(const struct json_t *values, struct field_errors *errors, struct create_product *product)
{
    static const struct field_place PLACE = {.name = "variants"};
    struct table seen;
    table_init(&seen, errors->arena);
    product->variant_count = json_array_count(values);
    struct create_variant *variants = arena_array(errors->arena, product->variant_count, sizeof(*variants));
    for (size_t i = 0; i < product->variant_count; i++) {
        const struct field_place place = {.parent = &PLACE, .index = i};
        read_variant(json_array_element(values, i), &place, &seen, errors, &variants[i]);
    }
    product->variants = variants;
}

void product_create_handle(struct call *call)
{
    call->command.kind = COMMAND_CREATE_PRODUCT;
    struct create_product *product = &call->command.input.create_product;
    struct json_fields fields;
    json_fields_begin(&fields, call->json, NULL, &call->errors);
    (void)json_fields_text(&fields, "title", FIELD_MANDATORY, 1, TITLE_BYTES_MAX, &product->title);
    if (json_fields_has(&fields, "variants")) {
        const struct json_t *values = json_fields_array(&fields, "variants", FIELD_MANDATORY, 1, PRODUCT_VARIANTS_MAX);
        if (values != NULL) {
            read_variants(values, &call->errors, product);
        }
        refuse_variant_fields(&fields);
    } else {
        struct create_variant *variant = arena_zalloc(call->request->arena, sizeof(*variant));
        variant->title = product->title;
        read_variant_fields(&fields, variant);
        product->variants = variant;
        product->variant_count = 1;
    }
    json_fields_end(&fields);
    call_submit_command(call);
}

void product_update_handle(struct call *call)
{
    call->command.kind = COMMAND_UPDATE_PRODUCT;
    struct update_product *update = &call->command.input.update_product;
    struct json_fields fields;
    json_fields_begin(&fields, call->json, NULL, &call->errors);
    (void)json_fields_text(&fields, "title", FIELD_OPTIONAL, 1, TITLE_BYTES_MAX, &update->title);
    json_fields_end(&fields);
    call_read_condition(call, &update->condition);
    if (call_take_id(call, OUTCOME_PRODUCT_NOT_FOUND, &update->product_id)) {
        call_submit_command(call);
    }
}

void variant_update_handle(struct call *call)
{
    call->command.kind = COMMAND_UPDATE_VARIANT;
    struct update_variant *update = &call->command.input.update_variant;
    struct json_fields fields;
    json_fields_begin(&fields, call->json, NULL, &call->errors);
    (void)json_fields_text(&fields, "title", FIELD_OPTIONAL, 1, TITLE_BYTES_MAX, &update->title);
    update->has_price = json_fields_money(&fields, "price", FIELD_OPTIONAL, PRICE_AMOUNT_MAX, &update->price);
    update->has_max_per_customer =
        json_fields_int64_or_null(&fields, "max_per_customer", 1, MAX_PER_CUSTOMER_MAX, 0, &update->max_per_customer);
    update->has_low_stock_threshold = json_fields_int64_or_null(&fields, "low_stock_threshold", 0, STOCK_QUANTITY_MAX,
                                                                -1, &update->low_stock_threshold);
    json_fields_end(&fields);
    call_read_condition(call, &update->condition);
    if (call_take_sku(call, &update->sku)) {
        call_submit_command(call);
    }
}

static bool read_product(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    struct product *product = NULL;
    if (!ops->read_product(reader, call->request->arena, call->input, &product, fault)) {
        return false;
    }
    if (product == NULL) {
        call_set_outcome(call, OUTCOME_PRODUCT_NOT_FOUND);
        return true;
    }
    render_product(call_begin_body(call, 200), product);
    call->version = product->version;
    return true;
}

void product_get_handle(struct call *call)
{
    struct uuid *id = arena_alloc(call->request->arena, sizeof(*id));
    if (call_take_id(call, OUTCOME_PRODUCT_NOT_FOUND, id)) {
        call_submit_read(call, read_product, id);
    }
}

static bool read_products(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    const struct list *list = call->input;
    struct product **products = NULL;
    size_t count = 0;
    bool more = false;
    if (!ops->read_products(reader, call->request->arena, &list->page, &products, &count, &more, fault)) {
        return false;
    }
    struct json_writer *json = list_begin(call);
    struct page last = {0};
    size_t shown = 0;
    for (; shown < count && list_has_room(call); shown++) {
        render_product(json, products[shown]);
        last.after_id = products[shown]->id;
    }
    list_end(call, list, (more || shown < count), (shown > 0 ? &last : NULL));
    return true;
}

void product_list_handle(struct call *call)
{
    struct list *list = arena_zalloc(call->request->arena, sizeof(*list));
    list_read(call, CURSOR_PRODUCTS, list);
    call_submit_read(call, read_products, list);
}

static bool read_one_variant(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    const struct text *sku = call->input;
    struct variant *variant = NULL;
    if (!ops->read_variant(reader, call->request->arena, *sku, &variant, fault)) {
        return false;
    }
    if (variant == NULL) {
        call_set_outcome(call, OUTCOME_VARIANT_NOT_FOUND);
        return true;
    }
    render_variant(call_begin_body(call, 200), variant);
    call->version = variant->version;
    return true;
}

void variant_get_handle(struct call *call)
{
    struct text *sku = arena_alloc(call->request->arena, sizeof(*sku));
    if (call_take_sku(call, sku)) {
        call_submit_read(call, read_one_variant, sku);
    }
}
