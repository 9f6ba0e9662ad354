#include "api/endpoint_url.h"
#include "api/list.h"
#include "api/render_jobs.h"
#include "api/resources.h"

const char *const ENDPOINT_LIST_PARAMETERS[] = {LIST_PARAMETERS, NULL};

/* ---- What is said of an endpoint ---- */

static uint32_t read_type(const struct json_t *value, const struct field_place *place, uint32_t seen,
                          struct field_errors *errors)
{
    struct text name;
    enum event_type type;
    if (!json_read_text(value, place, 1, 64, errors, &name)) {
        return 0;
    }
    if (!event_type_parse(name, &type)) {
        field_errors_add(errors, place, FIELD_INVALID_VALUE, "Is not the name of an event's type, such as order.paid.");
        return 0;
    }
    if ((seen & (UINT32_C(1) << type)) != 0) {
        field_errors_add(errors, place, FIELD_REPEATED, "Is in the list already.");
    }
    return UINT32_C(1) << type;
}

/* True where they are given; null: all. */
static bool read_types(struct json_fields *fields, uint32_t *ret_types)
{
    static const struct field_place PLACE = {.name = "types"};
    const struct json_t *value = json_fields_get(fields, PLACE.name, FIELD_OPTIONAL);
    uint32_t types = 0;
    if (value == NULL) {
        return false;
    }
    if (!json_value_is_null(value) && json_read_array(value, &PLACE, 1, EVENT_TYPE_COUNT, fields->errors)) {
        for (size_t i = 0; i < json_array_count(value); i++) {
            const struct field_place place = {.parent = &PLACE, .index = i};
            types |= read_type(json_array_element(value, i), &place, types, fields->errors);
        }
    }
    *ret_types = types;
    return true;
}

static bool read_status(struct json_fields *fields, enum webhook_status *ret_status)
{
    static const struct field_place PLACE = {.name = "status"};
    struct text name;
    if (!json_fields_text(fields, PLACE.name, FIELD_OPTIONAL, 1, 64, &name)) {
        return false;
    }
    if (!webhook_status_parse(name, ret_status)) {
        field_errors_add(fields->errors, &PLACE, FIELD_INVALID_VALUE, "Must be enabled or disabled.");
        return false;
    }
    return true;
}

void endpoint_create_handle(struct call *call)
{
    struct create_endpoint *create = &call->command.input.create_endpoint;
    struct json_fields fields;
    call->command.kind = COMMAND_CREATE_ENDPOINT;
    create->concurrency = 1;
    json_fields_begin(&fields, call->json, NULL, &call->errors);
    endpoint_url_read(call, &fields, FIELD_MANDATORY, &create->url);
    (void)read_types(&fields, &create->types);
    (void)json_fields_text_or_null(&fields, "description", 0, WEBHOOK_DESCRIPTION_BYTES_MAX, &create->description);
    (void)json_fields_int64(&fields, "concurrency", FIELD_OPTIONAL, 1, WEBHOOK_CONCURRENCY_MAX, &create->concurrency);
    json_fields_end(&fields);
    create->secret = call->api->options.make_webhook_secret(call->request->arena);
    endpoint_url_submit(call, create->url);
}

void endpoint_update_handle(struct call *call)
{
    struct update_endpoint *update = &call->command.input.update_endpoint;
    struct json_fields fields;
    call->command.kind = COMMAND_UPDATE_ENDPOINT;
    json_fields_begin(&fields, call->json, NULL, &call->errors);
    endpoint_url_read(call, &fields, FIELD_OPTIONAL, &update->url);
    update->has_types = read_types(&fields, &update->types);
    update->has_description =
        json_fields_text_or_null(&fields, "description", 0, WEBHOOK_DESCRIPTION_BYTES_MAX, &update->description);
    update->has_status = read_status(&fields, &update->status);
    (void)json_fields_int64(&fields, "concurrency", FIELD_OPTIONAL, 1, WEBHOOK_CONCURRENCY_MAX, &update->concurrency);
    json_fields_end(&fields);
    call_read_condition(call, &update->condition);
    if (call_take_id(call, OUTCOME_ENDPOINT_NOT_FOUND, &update->endpoint_id)) {
        endpoint_url_submit(call, update->url);
    }
}

void endpoint_delete_handle(struct call *call)
{
    call->command.kind = COMMAND_DELETE_ENDPOINT;
    if (call_take_id(call, OUTCOME_ENDPOINT_NOT_FOUND, &call->command.input.delete_endpoint.endpoint_id)) {
        call_submit_command(call);
    }
}

void endpoint_test_handle(struct call *call)
{
    call->command.kind = COMMAND_TEST_ENDPOINT;
    call_read_no_fields(call);
    if (call_take_id(call, OUTCOME_ENDPOINT_NOT_FOUND, &call->command.input.test_endpoint.endpoint_id)) {
        call_submit_command(call);
    }
}

void endpoint_rotate_secret_handle(struct call *call)
{
    struct rotate_secret *rotate = &call->command.input.rotate_secret;
    call->command.kind = COMMAND_ROTATE_SECRET;
    call_read_no_fields(call);
    rotate->secret = call->api->options.make_webhook_secret(call->request->arena);
    if (call_take_id(call, OUTCOME_ENDPOINT_NOT_FOUND, &rotate->endpoint_id)) {
        call_submit_command(call);
    }
}

/* ---- Reading: all there are are few, and each one's concurrency is its queue's ---- */

struct endpoints {
    struct webhook_endpoint **items; /* oldest first */
    size_t count;
    struct queue_row *queues;
    size_t queue_count;
};

static bool load_endpoints(struct call *call, const struct store_ops *ops, struct reader *reader,
                           struct endpoints *ret_endpoints, struct fault *fault)
{
    struct arena *arena = call->request->arena;
    *ret_endpoints = (struct endpoints){0};
    return ops->read_endpoints(reader, arena, &ret_endpoints->items, &ret_endpoints->count, fault) &&
           ops->read_queues(reader, arena, QUEUE_SETTINGS, 0, &ret_endpoints->queues, &ret_endpoints->queue_count,
                            fault);
}

static void show_endpoint(struct call *call, const struct endpoints *endpoints, const struct webhook_endpoint *endpoint)
{
    struct job_queue queue = {.name = webhook_queue_name(call->request->arena, endpoint->id), .concurrency = 1};
    for (size_t i = 0; i < endpoints->queue_count; i++) {
        if (text_equal(endpoints->queues[i].queue.name, queue.name)) {
            queue = endpoints->queues[i].queue;
        }
    }
    render_endpoint(&call->writer, endpoint, &queue, WITHOUT_SECRET);
}

static bool read_endpoint(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    const struct uuid *id = call->input;
    struct endpoints endpoints;
    if (!load_endpoints(call, ops, reader, &endpoints, fault)) {
        return false;
    }
    for (size_t i = 0; i < endpoints.count; i++) {
        if (uuid_equal(endpoints.items[i]->id, *id)) {
            (void)call_begin_body(call, 200);
            show_endpoint(call, &endpoints, endpoints.items[i]);
            call->version = endpoints.items[i]->version;
            return true;
        }
    }
    call_set_outcome(call, OUTCOME_ENDPOINT_NOT_FOUND);
    return true;
}

void endpoint_get_handle(struct call *call)
{
    struct uuid *id = arena_alloc(call->request->arena, sizeof(*id));
    if (call_take_id(call, OUTCOME_ENDPOINT_NOT_FOUND, id)) {
        call_submit_read(call, read_endpoint, id);
    }
}

static bool read_endpoints(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    const struct list *list = call->input;
    struct endpoints endpoints;
    if (!load_endpoints(call, ops, reader, &endpoints, fault)) {
        return false;
    }
    (void)list_begin(call);
    struct page last = {0};
    size_t shown = 0;
    size_t left = endpoints.count; /* newest first */
    while (list->page.has_after && left > 0 && uuid_compare(endpoints.items[left - 1]->id, list->page.after_id) >= 0) {
        left--;
    }
    for (; left > 0 && shown < list->page.limit && list_has_room(call); shown++, left--) {
        show_endpoint(call, &endpoints, endpoints.items[left - 1]);
        last.after_id = endpoints.items[left - 1]->id;
    }
    list_end(call, list, left > 0, (shown > 0 ? &last : NULL));
    return true;
}

void endpoint_list_handle(struct call *call)
{
    struct list *list = arena_zalloc(call->request->arena, sizeof(*list));
    list_read(call, CURSOR_ENDPOINTS, list);
    call_submit_read(call, read_endpoints, list);
}
