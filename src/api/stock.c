#include "api/list.h"
#include "api/render.h"
#include "api/resources.h"
#include "domain/limits.h"

const char *const MOVEMENT_LIST_PARAMETERS[] = {LIST_PARAMETERS, NULL};

static bool read_stock(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
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
    render_stock(call_begin_body(call, 200), variant);
    call->version = variant->stock.version;
    return true;
}

void stock_get_handle(struct call *call)
{
    struct text *sku = arena_alloc(call->request->arena, sizeof(*sku));
    if (call_take_sku(call, sku)) {
        call_submit_read(call, read_stock, sku);
    }
}

static void refuse_field(struct json_fields *fields, const char *name, const char *code, const char *detail)
{
    const struct field_place place = {.parent = fields->place, .name = name};
    field_errors_add(fields->errors, &place, code, "%s", detail);
}

/* Either a delta, or set_to with expected. */
static void read_change(struct json_fields *fields, struct adjust_stock *adjust)
{
    adjust->is_set = json_fields_has(fields, "set_to") || json_fields_has(fields, "expected");
    if (adjust->is_set) {
        (void)json_fields_int64(fields, "set_to", FIELD_MANDATORY, 0, STOCK_QUANTITY_MAX, &adjust->set_to);
        (void)json_fields_int64(fields, "expected", FIELD_MANDATORY, 0, STOCK_QUANTITY_MAX, &adjust->expected);
        if (json_fields_get(fields, "delta", FIELD_OPTIONAL) != NULL) {
            refuse_field(fields, "delta", FIELD_NOT_ALLOWED, "Give either delta, or set_to and expected.");
        }
    } else if (json_fields_int64(fields, "delta", FIELD_MANDATORY, -STOCK_QUANTITY_MAX, STOCK_QUANTITY_MAX,
                                 &adjust->delta) &&
               adjust->delta == 0) {
        refuse_field(fields, "delta", FIELD_OUT_OF_RANGE, "Must not be 0.");
    }
}

static void read_reason(struct json_fields *fields, enum movement_reason *ret_reason)
{
    struct text name;
    enum movement_reason reason;
    if (!json_fields_text(fields, "reason", FIELD_OPTIONAL, 1, REASON_BYTES_MAX, &name)) {
        return;
    }
    if (movement_reason_parse(name, &reason) && movement_reason_is_for_clients(reason)) {
        *ret_reason = reason;
    } else {
        refuse_field(fields, "reason", FIELD_INVALID_VALUE, "Must be restock, correction, return, damage or other.");
    }
}

void stock_adjust_handle(struct call *call)
{
    call->command.kind = COMMAND_ADJUST_STOCK;
    struct adjust_stock *adjust = &call->command.input.adjust_stock;
    adjust->reason = MOVEMENT_CORRECTION;
    struct json_fields fields;
    json_fields_begin(&fields, call->json, NULL, &call->errors);
    read_change(&fields, adjust);
    read_reason(&fields, &adjust->reason);
    (void)json_fields_text(&fields, "reference", FIELD_OPTIONAL, 1, REFERENCE_BYTES_MAX, &adjust->reference);
    json_fields_end(&fields);
    if (call_take_sku(call, &adjust->sku)) {
        call_submit_command(call);
    }
}

struct movement_page {
    struct list list;
    struct text sku;
};

static bool read_movements(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    const struct movement_page *input = call->input;
    struct movement_row *rows = NULL;
    size_t count = 0;
    bool more = false;
    bool found = false;
    if (!ops->read_movements(reader, call->request->arena, input->sku, &input->list.page, &rows, &count, &more, &found,
                             fault)) {
        return false;
    }
    if (!found) {
        call_set_outcome(call, OUTCOME_VARIANT_NOT_FOUND);
        return true;
    }
    struct json_writer *json = list_begin(call);
    struct page last = {0};
    size_t shown = 0;
    for (; shown < count && list_has_room(call); shown++) {
        render_movement(json, &rows[shown].movement, input->sku);
        last.after_number = rows[shown].sequence;
    }
    list_end(call, &input->list, (more || shown < count), (shown > 0 ? &last : NULL));
    return true;
}

void movement_list_handle(struct call *call)
{
    struct movement_page *input = arena_zalloc(call->request->arena, sizeof(*input));
    list_read(call, CURSOR_MOVEMENTS, &input->list);
    if (call_take_sku(call, &input->sku)) {
        call_submit_read(call, read_movements, input);
    }
}
