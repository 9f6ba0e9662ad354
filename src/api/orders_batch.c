#include "api/call.h"
#include "api/idempotency_key.h"
#include "api/order_input.h"
#include "api/resources.h"
#include "domain/limits.h"

/* Enough to mend one by; a batch of nothing but errors is not many times as large as it was. */
#define MEMBER_ERRORS_MAX 8

/* A member is the same request where its meaning is, however it was spelt or wherever in a batch it stood. The prefix
 * keeps it apart from whole requests: those begin with a method. */
static void take_fingerprint(struct call *call, const struct json_t *value, struct idempotency *idempotency)
{
    const struct text parts[] = {
        TEXT_LITERAL("holdfast batch member 1\n"),
        json_canonical_without(value, "idempotency_key", call->request->arena),
    };
    digest_compute(call->api->digest, parts, sizeof(parts) / sizeof(parts[0]), idempotency->fingerprint);
}

/* Errors are the member's own: it is refused alone, and its fields are named as if it had been sent alone. */
static void read_member(struct call *call, const struct json_t *value, struct place_orders_member *member)
{
    struct field_errors errors;
    field_errors_init(&errors, call->request->arena);
    errors.count_max = MEMBER_ERRORS_MAX;
    struct json_fields fields;
    json_fields_begin(&fields, value, NULL, &errors);
    order_input_read(&fields, call->api->options.hold_seconds_max, &member->order);
    struct text key;
    if (json_fields_text(&fields, "idempotency_key", FIELD_OPTIONAL, 1, IDEMPOTENCY_KEY_BYTES_MAX, &key)) {
        if (call->idempotency_key.bytes != NULL && text_equal(key, call->idempotency_key)) {
            const struct field_place place = {.name = "idempotency_key"};
            field_errors_add(&errors, &place, FIELD_INVALID_VALUE,
                             "is the key of the whole batch: one key, one request");
        } else if (idempotency_key_is_valid(key)) {
            member->idempotency.key = key;
            take_fingerprint(call, value, &member->idempotency);
        } else {
            const struct field_place place = {.name = "idempotency_key"};
            field_errors_add(&errors, &place, FIELD_INVALID_VALUE, IDEMPOTENCY_KEY_RULE);
        }
    }
    json_fields_end(&fields);
    if (errors.count > 0) {
        struct field_errors *refused = arena_alloc(call->request->arena, sizeof(*refused));
        *refused = errors;
        member->refused = refused;
    }
}

void order_batch_handle(struct call *call)
{
    call->command.kind = COMMAND_PLACE_ORDERS;
    struct place_orders *batch = &call->command.input.place_orders;
    struct json_fields fields;
    json_fields_begin(&fields, call->json, NULL, &call->errors);
    const struct json_t *orders = json_fields_array(&fields, "orders", FIELD_MANDATORY, 1, BATCH_ORDERS_MAX);
    if (orders != NULL) {
        batch->member_count = json_array_count(orders);
        struct place_orders_member *members = arena_array(call->request->arena, batch->member_count, sizeof(*members));
        for (size_t i = 0; i < batch->member_count; i++) {
            read_member(call, json_array_element(orders, i), &members[i]);
        }
        batch->members = members;
    }
    json_fields_end(&fields);
    if (call->errors.count > 0 || !call_refuse_large(call)) {
        call_reserve_reply(call, call->request->body.length); /* it is about as large */
        call_submit_command(call);
    }
}
