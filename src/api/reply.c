#include "api/reply.h"

#include <assert.h>
#include <string.h>

#include "api/problem.h"
#include "api/render.h"
#include "api/render_jobs.h"

struct reply_row {
    int status;
    const char *title; /* of refusals; their code is outcome_code_name */
    const char *detail;
};

static const struct reply_row REPLIES[OUTCOME_CODE_COUNT] = {
    [OUTCOME_ORDER_PLACED] = {.status = 201},
    [OUTCOME_ORDERS_PLACED] = {.status = 200},
    [OUTCOME_ORDER_PAID] = {.status = 200},
    [OUTCOME_ORDER_CANCELLED] = {.status = 200},
    [OUTCOME_ORDER_EXTENDED] = {.status = 200},
    [OUTCOME_ORDER_EXPIRED] = {.status = 200},
    [OUTCOME_STOCK_ADJUSTED] = {.status = 201},
    [OUTCOME_PRODUCT_CREATED] = {.status = 201},
    [OUTCOME_PRODUCT_UPDATED] = {.status = 200},
    [OUTCOME_VARIANT_UPDATED] = {.status = 200},
    [OUTCOME_PRODUCTS_IMPORTED] = {.status = 200},
    [OUTCOME_JOBS_ENQUEUED] = {.status = 200},
    [OUTCOME_JOBS_CLAIMED] = {.status = 200},
    [OUTCOME_JOBS_FINISHED] = {.status = 200},
    [OUTCOME_JOBS_RENEWED] = {.status = 200},
    [OUTCOME_JOB_SCHEDULED] = {.status = 200},
    [OUTCOME_JOB_CANCELLED] = {.status = 200},
    [OUTCOME_QUEUE_UPDATED] = {.status = 200},
    [OUTCOME_SCHEDULE_KNOWN] = {.status = 200},
    [OUTCOME_PRUNED] = {.status = 200},
    [OUTCOME_PAYMENTS_NOTIFIED] = {.status = 200},
    [OUTCOME_ENDPOINT_CREATED] = {.status = 201},
    [OUTCOME_ENDPOINT_UPDATED] = {.status = 200},
    [OUTCOME_ENDPOINT_DELETED] = {.status = 204},
    [OUTCOME_SECRET_ROTATED] = {.status = 200},
    [OUTCOME_DELIVERY_QUEUED] = {.status = 201}, /* a test's: 202 */
    [OUTCOME_REPLAYED] = {.status = 201},        /* an order's creation; other records carry their own */
    [OUTCOME_UNKNOWN_SKU] = {422, "A SKU is not known.", "See lines for which."},
    [OUTCOME_MIXED_CURRENCIES] = {422, "The lines have different currencies.",
                                  "All lines of one order must be priced in one currency."},
    [OUTCOME_TOTAL_TOO_LARGE] = {422, "The order's total is too large.", "The total must fit into 63 bits."},
    [OUTCOME_PURCHASE_LIMIT] = {409, "The customer may not buy that many.",
                                "Paid orders and live holds of this customer count towards the limit."},
    [OUTCOME_INSUFFICIENT_STOCK] = {409, "There is not enough stock.",
                                    "Nothing was reserved. See lines for what is available."},
    [OUTCOME_ORDER_NOT_FOUND] = {404, "There is no such order.", "No order has this id."},
    [OUTCOME_ORDER_NOT_DRAFT] = {409, "The order is no longer a draft.", "Only a live hold can be extended."},
    [OUTCOME_HOLD_LIMIT] = {409, "The hold would be too long.",
                            "From creation to deadline a hold may last as long as the server's --max-hold."},
    [OUTCOME_ALREADY_PAID] = {409, "The order was paid by another payment.",
                              "This payment was recorded and is to be refunded."},
    [OUTCOME_PAID_AFTER_EXPIRY] = {409, "The payment came after the deadline, and the stock is gone.",
                                   "This payment was recorded and is to be refunded."},
    [OUTCOME_PAID_AFTER_CANCEL] = {409, "The order was cancelled.", "This payment was recorded and is to be refunded."},
    [OUTCOME_AMOUNT_MISMATCH] = {422, "The amount is not the order's total.",
                                 "This payment was recorded and is to be refunded; the order is as it was."},
    [OUTCOME_PAYMENT_REFERENCE_USED] = {409, "The payment is recorded on another order.", "Nothing was changed."},
    [OUTCOME_ORDER_ALREADY_PAID] = {409, "The order was paid.", "A paid order cannot be cancelled."},
    [OUTCOME_CANCEL_AFTER_EXPIRY] = {409, "The order has expired.", "Its hold was released at its deadline."},
    [OUTCOME_SKU_EXISTS] = {409, "The SKU is in use.", "Another variant has this SKU; nothing was made."},
    [OUTCOME_PRODUCT_NOT_FOUND] = {404, "There is no such product.", "No product has this id."},
    [OUTCOME_VARIANT_NOT_FOUND] = {404, "The SKU is not known.", "No variant has this SKU."},
    [OUTCOME_VERSION_MISMATCH] = {412, "The resource has changed.",
                                  "Its version is not one that If-Match names. Read it and try again."},
    [OUTCOME_STOCK_IS_RESERVED] = {409, "Stock that is reserved cannot be taken.",
                                   "The stock would fall below what is reserved, or below zero."},
    [OUTCOME_STOCK_CHANGED] = {409, "The stock is not what was expected.", "Decide again by the present quantities."},
    [OUTCOME_STOCK_TOO_LARGE] = {422, "The stock would be too large.",
                                 "A stock level holds at most 1000000000000 units."},
    [OUTCOME_JOB_NOT_FOUND] = {404, "There is no such job.", "No job has this id; finished ones are kept for a while."},
    [OUTCOME_JOB_STATE] = {409, "The job is not in a state for that.",
                           "A dead job can be retried, a scheduled one cancelled or promoted, a finished delivery "
                           "redelivered."},
    [OUTCOME_JOB_IS_BOUND] = {409, "Payment timeouts go with their orders.",
                              "Pay, cancel or extend the order; this queue has no settings."},
    [OUTCOME_JOB_KEY_TAKEN] = {409, "Another job is scheduled under the same key.",
                               "Of one kind at most one job is scheduled under a key."},
    [OUTCOME_QUEUE_NOT_FOUND] = {404, "There is no such queue.", "No queue of this name has jobs or settings."},
    [OUTCOME_ENDPOINT_NOT_FOUND] = {404, "There is no such webhook endpoint.", "No webhook endpoint has this id."},
    [OUTCOME_ENDPOINT_LIMIT] = {409, "There are too many webhook endpoints.", "There may be at most 100; delete one."},
    [OUTCOME_ENDPOINT_DISABLED] = {409, "The webhook endpoint is disabled.", "Enable it first."},
    [OUTCOME_IDEMPOTENCY_KEY_REUSED] = {422, "The idempotency key stands for another request.",
                                        "Method, path and body must be the same; use a new key for a new request."},
    [OUTCOME_BUSY] = {503, "The server is busy.", "The queue is full; nothing was changed. Try again in a moment."},
    [OUTCOME_STORE_UNAVAILABLE] = {503, "The database cannot be used now.", "Nothing was changed. Try again."},
    [OUTCOME_UNKNOWN] = {503, "Whether the request took effect is not known.",
                         "Try again with the same Idempotency-Key: it takes effect once."},
    [OUTCOME_INTERNAL_ERROR] = {500, "The server failed.", "Nothing was changed. The server's log says more."},
    [OUTCOME_NEEDS_SWEEP] = {500, "The server failed.", "Nothing was changed. The server's log says more."},
};

int reply_status(enum outcome_code code)
{
    return REPLIES[code].status;
}

const char *reply_title(enum outcome_code code)
{
    return REPLIES[code].title;
}

const char *reply_detail(enum outcome_code code)
{
    return REPLIES[code].detail;
}

/* What the order looks like where it is not the answer itself. */
static void order_summary(struct json_writer *json, const struct order *order)
{
    render_id_field(json, "order_id", order->id);
    json_c_field(json, "order_status", order_status_name(order->status));
    json_time_field(json, "expires_at", order->expires_at_ms);
}

static void lines_member(struct json_writer *json, const struct outcome *outcome, bool with_quantities)
{
    json_key(json, "lines");
    json_array_begin(json);
    for (size_t i = 0; i < outcome->line_count; i++) {
        const struct outcome_line *line = &outcome->lines[i];
        json_object_begin(json);
        json_int64_field(json, "line", (int64_t)line->line);
        json_string_field(json, "sku", line->sku);
        if (with_quantities) {
            json_int64_field(json, "requested", line->requested);
            json_int64_field(json, "available", line->available);
        }
        json_object_end(json);
    }
    json_array_end(json);
}

/* The same lines by their fields, as for any other 422. */
static void unknown_sku_errors(struct json_writer *json, const struct outcome *outcome, struct arena *arena)
{
    struct field_error *errors = arena_array(arena, outcome->line_count, sizeof(*errors));
    for (size_t i = 0; i < outcome->line_count; i++) {
        errors[i] = (struct field_error){.field = arena_printf(arena, "items[%zu].sku", outcome->lines[i].line - 1),
                                         .code = outcome_code_name(outcome->code),
                                         .detail = TEXT_LITERAL("No variant has this SKU.")};
    }
    problem_write_errors_member(json, errors, outcome->line_count);
}

/* Of what If-Match was about. */
static int64_t present_version(const struct outcome *outcome)
{
    if (outcome->endpoint != NULL) {
        return outcome->endpoint->version;
    }
    return outcome->product != NULL ? outcome->product->version : outcome->variant->version;
}

/* The fields that let a program act. */
static void refusal_members(struct json_writer *json, const struct outcome *outcome, struct arena *arena)
{
    switch (outcome->code) {
    case OUTCOME_UNKNOWN_SKU:
        lines_member(json, outcome, false);
        unknown_sku_errors(json, outcome, arena);
        break;
    case OUTCOME_INSUFFICIENT_STOCK:
        lines_member(json, outcome, true);
        break;
    case OUTCOME_PURCHASE_LIMIT:
        json_string_field(json, "sku", outcome->limit.sku);
        json_int64_field(json, "limit", outcome->limit.limit);
        json_int64_field(json, "already", outcome->limit.already);
        json_int64_field(json, "requested", outcome->limit.requested);
        break;
    case OUTCOME_ORDER_NOT_DRAFT:
    case OUTCOME_HOLD_LIMIT:
    case OUTCOME_ORDER_ALREADY_PAID:
    case OUTCOME_CANCEL_AFTER_EXPIRY:
        order_summary(json, outcome->order);
        break;
    case OUTCOME_ALREADY_PAID:
    case OUTCOME_PAID_AFTER_EXPIRY:
    case OUTCOME_PAID_AFTER_CANCEL:
    case OUTCOME_AMOUNT_MISMATCH:
        json_key(json, "payment");
        render_payment(json, outcome->payment);
        json_key(json, "order");
        render_order(json, outcome->order, WITH_PAYMENTS);
        break;
    case OUTCOME_PAYMENT_REFERENCE_USED:
        render_id_field(json, "recorded_on_order_id", outcome->other_order_id);
        break;
    case OUTCOME_SKU_EXISTS:
        json_string_field(json, "sku", outcome->sku);
        break;
    case OUTCOME_VERSION_MISMATCH:
        json_int64_field(json, "version", present_version(outcome));
        break;
    case OUTCOME_JOB_STATE:
    case OUTCOME_JOB_KEY_TAKEN:
        json_key(json, "job");
        render_job(json, outcome->job, WITHOUT_LOG);
        break;
    case OUTCOME_STOCK_IS_RESERVED:
    case OUTCOME_STOCK_CHANGED:
    case OUTCOME_STOCK_TOO_LARGE:
        json_string_field(json, "sku", outcome->variant->sku);
        render_quantities(json, &outcome->variant->stock);
        json_int64_field(json, "version", outcome->variant->stock.version);
        break;
    default:
        break;
    }
}

static void write_refusal(struct json_writer *json, const struct outcome *outcome, struct arena *arena)
{
    const struct reply_row *row = &REPLIES[outcome->code];
    problem_begin(json, row->status, outcome_code_name(outcome->code), row->title, text_from_c(row->detail));
    refusal_members(json, outcome, arena);
    json_object_end(json);
}

static void write_member(struct json_writer *json, const struct place_orders_member *member,
                         const struct outcome *outcome, struct arena *arena)
{
    json_object_begin(json);
    if (member->refused != NULL) {
        json_int64_field(json, "status", 422);
        json_key(json, "problem");
        (void)problem_write_field_errors(json, member->refused);
    } else if (outcome_is_success(outcome->code)) {
        /* Member keys only ever stand for creations: anything else has another fingerprint. */
        assert(outcome->order != NULL);
        json_int64_field(json, "status", reply_status(outcome->code));
        json_key(json, "order");
        render_order(json, outcome->order, WITHOUT_PAYMENTS);
        if (outcome->replayed) {
            json_bool_field(json, "replayed", true);
        }
    } else {
        json_int64_field(json, "status", reply_status(outcome->code));
        json_key(json, "problem");
        write_refusal(json, outcome, arena);
    }
    json_object_end(json);
}

static void write_members(struct json_writer *json, const struct place_orders *command, const struct outcome *outcome,
                          struct arena *arena)
{
    assert(outcome->member_count == command->member_count);
    json_object_begin(json);
    json_key(json, "results");
    json_array_begin(json);
    for (size_t i = 0; i < command->member_count; i++) {
        write_member(json, &command->members[i], &outcome->members[i], arena);
    }
    json_array_end(json);
    json_object_end(json);
}

static struct text location_of(struct arena *arena, const char *collection, struct uuid id)
{
    char text[UUID_TEXT_LENGTH + 1];
    uuid_format(id, text);
    size_t collection_length = strlen(collection);
    char *bytes = arena_alloc(arena, collection_length + UUID_TEXT_LENGTH);
    memcpy(bytes, collection, collection_length);
    memcpy(bytes + collection_length, text, UUID_TEXT_LENGTH);
    return (struct text){bytes, collection_length + UUID_TEXT_LENGTH};
}

/* Where the outcome is about jobs, their queues, or webhooks; false where it is not. */
static bool render_of_jobs(struct json_writer *json, const struct command *command, const struct outcome *outcome,
                           struct arena *arena, struct kept_answer *head)
{
    switch (outcome->code) {
    case OUTCOME_JOB_SCHEDULED:
    case OUTCOME_JOB_CANCELLED:
        render_job(json, outcome->job, WITHOUT_LOG);
        return true;
    case OUTCOME_QUEUE_UPDATED:
        render_queue_settings(json, outcome->queue);
        return true;
    case OUTCOME_ENDPOINT_CREATED:
    case OUTCOME_SECRET_ROTATED:
        render_endpoint(json, outcome->endpoint, outcome->queue, WITH_SECRET);
        head->version = outcome->endpoint->version;
        if (outcome->code == OUTCOME_ENDPOINT_CREATED) {
            head->location = location_of(arena, "/v1/webhook_endpoints/", outcome->endpoint->id);
        }
        return true;
    case OUTCOME_ENDPOINT_UPDATED:
        render_endpoint(json, outcome->endpoint, outcome->queue, WITHOUT_SECRET);
        head->version = outcome->endpoint->version;
        return true;
    case OUTCOME_ENDPOINT_DELETED: /* 204 */
        return true;
    case OUTCOME_DELIVERY_QUEUED:
        head->location = location_of(arena, "/v1/webhook_deliveries/", outcome->job->id);
        if (command->kind == COMMAND_TEST_ENDPOINT) {
            head->status = 202;
            render_job(json, outcome->job, WITHOUT_LOG);
        } else {
            render_delivery(json, outcome->job);
        }
        return true;
    default:
        return false;
    }
}

void reply_render(const struct command *command, const struct outcome *outcome, struct arena *arena,
                  struct buffer *body, struct kept_answer *ret_head)
{
    struct json_writer json;
    json_writer_init(&json, body);
    struct kept_answer head = {.status = reply_status(outcome->code)};
    switch (outcome->code) {
    case OUTCOME_ORDER_PLACED:
        render_order(&json, outcome->order, WITHOUT_PAYMENTS);
        head.location = location_of(arena, "/v1/orders/", outcome->order->id);
        head.version = outcome->order->version;
        break;
    case OUTCOME_ORDERS_PLACED:
        write_members(&json, &command->input.place_orders, outcome, arena);
        break;
    case OUTCOME_ORDER_PAID:
    case OUTCOME_ORDER_CANCELLED:
    case OUTCOME_ORDER_EXTENDED:
        render_order(&json, outcome->order, WITH_PAYMENTS);
        head.version = outcome->order->version;
        break;
    case OUTCOME_STOCK_ADJUSTED:
        render_movement(&json, outcome->movement, outcome->variant->sku);
        head.version = outcome->variant->stock.version;
        break;
    case OUTCOME_PRODUCT_CREATED:
        head.location = location_of(arena, "/v1/products/", outcome->product->id);
        render_product(&json, outcome->product);
        head.version = outcome->product->version;
        break;
    case OUTCOME_PRODUCT_UPDATED:
        render_product(&json, outcome->product);
        head.version = outcome->product->version;
        break;
    case OUTCOME_VARIANT_UPDATED:
        render_variant(&json, outcome->variant);
        head.version = outcome->variant->version;
        break;
    case OUTCOME_REPLAYED:
        if (outcome->record->order != NULL) {
            render_order(&json, outcome->order, WITHOUT_PAYMENTS);
            head.location = location_of(arena, "/v1/orders/", outcome->order->id);
            head.version = outcome->order->version;
        } else {
            const struct idempotency_record *record = outcome->record;
            json_raw(&json, record->body);
            head = (struct kept_answer){
                .status = record->status, .location = record->location, .version = record->version};
        }
        break;
    default:
        if (!render_of_jobs(&json, command, outcome, arena, &head)) {
            write_refusal(&json, outcome, arena);
        }
        break;
    }
    *ret_head = head;
}

void reply_keep(const struct command *command, const struct outcome *outcome, struct arena *arena,
                struct kept_answer *ret_answer)
{
    struct buffer body;
    buffer_init(&body, REPLY_BODY_BYTES_MAX);
    struct kept_answer answer;
    reply_render(command, outcome, arena, &body, &answer);
    assert(!body.overflowed);
    answer.body = arena_text(arena, buffer_text(&body));
    buffer_done(&body);
    *ret_answer = answer;
}
