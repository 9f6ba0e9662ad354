#include "api/list.h"
#include "api/order_input.h"
#include "api/render.h"
#include "api/resources.h"
#include "domain/limits.h"

const char *const ORDER_LIST_PARAMETERS[] = {
    LIST_PARAMETERS, "status", "customer_id", "sku", "created_after", "created_before", NULL,
};

void order_place_handle(struct call *call)
{
    call->command.kind = COMMAND_PLACE_ORDER;
    struct json_fields fields;
    json_fields_begin(&fields, call->json, NULL, &call->errors);
    order_input_read(&fields, call->api->options.hold_seconds_max, &call->command.input.place_order);
    json_fields_end(&fields);
    call_submit_command(call);
}

void order_pay_handle(struct call *call)
{
    call->command.kind = COMMAND_PAY_ORDER;
    struct pay_order *pay = &call->command.input.pay_order;
    struct json_fields fields;
    json_fields_begin(&fields, call->json, NULL, &call->errors);
    (void)json_fields_text(&fields, "payment_reference", FIELD_MANDATORY, 1, PAYMENT_REFERENCE_BYTES_MAX,
                           &pay->payment_reference);
    /* Any amount that was paid is recorded, so only what is no amount at all is refused here. */
    pay->has_amount = json_fields_money(&fields, "amount", FIELD_OPTIONAL, INT64_MAX, &pay->amount);
    json_fields_end(&fields);
    if (call_take_id(call, OUTCOME_ORDER_NOT_FOUND, &pay->order_id)) {
        call_submit_command(call);
    }
}

void order_cancel_handle(struct call *call)
{
    call->command.kind = COMMAND_CANCEL_ORDER;
    struct cancel_order *cancel = &call->command.input.cancel_order;
    if (call->json != NULL) {
        struct json_fields fields;
        json_fields_begin(&fields, call->json, NULL, &call->errors);
        (void)json_fields_text(&fields, "reason", FIELD_OPTIONAL, 0, REASON_BYTES_MAX, &cancel->reason);
        json_fields_end(&fields);
    }
    if (call_take_id(call, OUTCOME_ORDER_NOT_FOUND, &cancel->order_id)) {
        call_submit_command(call);
    }
}

void order_extend_handle(struct call *call)
{
    call->command.kind = COMMAND_EXTEND_HOLD;
    struct extend_hold *extend = &call->command.input.extend_hold;
    struct json_fields fields;
    json_fields_begin(&fields, call->json, NULL, &call->errors);
    (void)json_fields_int64(&fields, "seconds", FIELD_MANDATORY, 1, HOLD_SECONDS_MAX_LIMIT, &extend->seconds);
    json_fields_end(&fields);
    if (call_take_id(call, OUTCOME_ORDER_NOT_FOUND, &extend->order_id)) {
        call_submit_command(call);
    }
}

static bool read_order(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    struct order *order = NULL;
    if (!ops->read_order(reader, call->request->arena, call->input, &order, fault)) {
        return false;
    }
    if (order == NULL) {
        call_set_outcome(call, OUTCOME_ORDER_NOT_FOUND);
        return true;
    }
    render_order(call_begin_body(call, 200), order, WITH_PAYMENTS);
    call->version = order->version;
    return true;
}

void order_get_handle(struct call *call)
{
    struct uuid *id = arena_alloc(call->request->arena, sizeof(*id));
    if (call_take_id(call, OUTCOME_ORDER_NOT_FOUND, id)) {
        call_submit_read(call, read_order, id);
    }
}

struct order_page {
    struct list list;
    struct order_filter filter;
};

static bool read_orders(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    const struct order_page *input = call->input;
    struct order **orders = NULL;
    size_t count = 0;
    bool more = false;
    if (!ops->read_orders(reader, call->request->arena, &input->filter, &input->list.page, &orders, &count, &more,
                          fault)) {
        return false;
    }
    struct json_writer *json = list_begin(call);
    struct page last = {0};
    size_t shown = 0;
    for (; shown < count && list_has_room(call); shown++) {
        render_order(json, orders[shown], WITH_PAYMENTS);
        last.after_id = orders[shown]->id;
    }
    list_end(call, &input->list, (more || shown < count), (shown > 0 ? &last : NULL));
    return true;
}

void order_list_handle(struct call *call)
{
    struct order_page *input = arena_zalloc(call->request->arena, sizeof(*input));
    struct order_filter *filter = &input->filter;
    list_read(call, CURSOR_ORDERS, &input->list);
    struct text status = query_get(&call->query, "status");
    if (status.bytes != NULL) {
        filter->has_status = order_status_parse(status, &filter->status);
        if (!filter->has_status) {
            query_error(&call->errors, "status", "Must be draft, paid, cancelled or expired.");
        }
    }
    (void)query_text(&call->query, "customer_id", CUSTOMER_ID_BYTES_MAX, &call->errors, &filter->customer_id);
    (void)query_text(&call->query, "sku", SKU_BYTES_MAX, &call->errors, &filter->sku);
    filter->has_created_after = query_time(&call->query, "created_after", &call->errors, &filter->created_after_ms);
    filter->has_created_before = query_time(&call->query, "created_before", &call->errors, &filter->created_before_ms);
    call_submit_read(call, read_orders, input);
}
