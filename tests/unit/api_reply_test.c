#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"

#include "api/problem.h"
#include "api/reply.h"

/* What every outcome may be asked for, so that each can be rendered. */
struct fixture {
    struct arena *arena;
    struct variant variant;
    struct order_line line;
    struct payment payment;
    struct order order;
    struct product product;
    struct variant *variants[1];
    struct movement movement;
    struct outcome_line lines[1];
    struct idempotency_record record;
    struct outcome members[2];
    struct field_errors refused;
    struct place_orders_member requests[2];
    struct job job;
    struct job_queue queue;
    struct webhook_endpoint endpoint;
    struct command command;
};

static struct fixture fixture;

static struct uuid id_of(uint8_t last)
{
    struct uuid id = {{1, 162, 7, 4, 107, 209, 119, 23, 139, 79, 251, 19, 199, 87, 12, last}};
    return id;
}

static int make_fixture(void **state)
{
    (void)state;
    struct fixture *f = &fixture;
    memset(f, 0, sizeof(*f));
    f->arena = arena_new(16384);
    f->variant = (struct variant){
        .product_id = id_of(3),
        .sku = TEXT_LITERAL("tee-m"),
        .title = TEXT_LITERAL("Tee \"M\""),
        .price = {1999, "EUR"},
        .low_stock_threshold = -1,
        .version = 4,
        .stock = {.stock_quantity = 10, .reserved_quantity = 4, .version = 9},
    };
    f->line = (struct order_line){.variant = &f->variant, .quantity = 2, .unit_price = 1999};
    f->payment = (struct payment){.reference = TEXT_LITERAL("pi_1"),
                                  .status = PAYMENT_REFUND_DUE,
                                  .amount = {3998, "EUR"},
                                  .reason = TEXT_LITERAL("already_paid"),
                                  .created_at_ms = 1795340460123};
    f->order = (struct order){
        .id = id_of(1),
        .customer_id = TEXT_LITERAL("c-1"),
        .total = {3998, "EUR"},
        .created_at_ms = 1795340460123,
        .expires_at_ms = 1795341360123,
        .hold_ms = 900000,
        .version = 1,
        .lines = &f->line,
        .line_count = 1,
        .payments = &f->payment,
        .payment_count = 1,
    };
    f->variants[0] = &f->variant;
    f->product = (struct product){.id = id_of(3),
                                  .title = TEXT_LITERAL("Tee"),
                                  .created_at_ms = 1795340460123,
                                  .version = 2,
                                  .variants = f->variants,
                                  .variant_count = 1};
    f->movement = (struct movement){.id = id_of(4),
                                    .variant = &f->variant,
                                    .delta = 5,
                                    .reason = MOVEMENT_RESTOCK,
                                    .stock_quantity = 10,
                                    .created_at_ms = 1795340460123};
    f->lines[0] = (struct outcome_line){.line = 1, .sku = f->variant.sku, .requested = 7, .available = 6};
    f->record = (struct idempotency_record){
        .status = 409, .body = TEXT_LITERAL("{\"kept\":true}"), .location = TEXT_LITERAL("/kept"), .version = 3};
    f->members[0] = (struct outcome){.code = OUTCOME_ORDER_PLACED, .order = &f->order};
    field_errors_init(&f->refused, f->arena);
    field_errors_add_named(&f->refused, TEXT_LITERAL("x"), FIELD_UNKNOWN, "There is no such field.");
    f->requests[1].refused = &f->refused;
    f->queue =
        (struct job_queue){.name = TEXT_LITERAL("webhook:01a20704-6bd1-7717-8b4f-fb13c7570c05"), .concurrency = 1};
    f->job = (struct job){.id = id_of(6),
                          .queue = f->queue.name,
                          .kind = WEBHOOK_DELIVERY_KIND,
                          .event_sequence = 7,
                          .state = JOB_SCHEDULED,
                          .run_at_ms = 1795340460123,
                          .max_attempts = 15,
                          .progress = JOB_PROGRESS_NONE,
                          .created_at_ms = 1795340460123};
    f->endpoint = (struct webhook_endpoint){.id = id_of(5),
                                            .url = TEXT_LITERAL("https://shop.example/"),
                                            .secret = TEXT_LITERAL("whsec_new"),
                                            .created_at_ms = 1795340460123,
                                            .version = 5};
    f->command.input.place_orders = (struct place_orders){.members = f->requests, .member_count = 2};
    return 0;
}

static int free_fixture(void **state)
{
    (void)state;
    arena_free(fixture.arena);
    return 0;
}

static struct outcome outcome_of(enum outcome_code code)
{
    return (struct outcome){
        .code = code,
        .order = &fixture.order,
        .payment = &fixture.payment,
        .product = &fixture.product,
        .variant = &fixture.variant,
        .movement = &fixture.movement,
        .other_order_id = id_of(2),
        .sku = fixture.variant.sku,
        .lines = fixture.lines,
        .line_count = 1,
        .limit = {fixture.variant.sku, 3, 2, 5},
        .members = fixture.members,
        .member_count = 2,
        .record = &fixture.record,
        .job = &fixture.job,
        .queue = &fixture.queue,
    };
}

static struct kept_answer render(enum outcome_code code)
{
    struct outcome outcome = outcome_of(code);
    struct kept_answer answer;
    reply_keep(&fixture.command, &outcome, fixture.arena, &answer);
    return answer;
}

static bool contains(struct text text, const char *part)
{
    return memmem(text.bytes, text.length, part, strlen(part)) != NULL;
}

static void every_outcome_has_its_row(void **state)
{
    (void)state;
    for (int code = 0; code < OUTCOME_CODE_COUNT; code++) {
        int status = reply_status((enum outcome_code)code);
        assert_int_equal(status < 400, outcome_is_success((enum outcome_code)code));
        assert_in_range(status, 200, 503);
    }
}

static void every_refusal_is_a_problem_with_its_code(void **state)
{
    (void)state;
    for (int i = OUTCOME_REPLAYED + 1; i < OUTCOME_CODE_COUNT; i++) {
        enum outcome_code code = (enum outcome_code)i;
        struct kept_answer answer = render(code);
        char member[128];
        (void)snprintf(member, sizeof(member), "\"code\":\"%s\"", outcome_code_name(code));
        assert_int_equal(answer.status, reply_status(code));
        assert_true(contains(answer.body, member));
        assert_true(contains(answer.body, "\"type\":\"urn:holdfast:problem:"));
        assert_false(contains(answer.body, "\"title\":null"));
        assert_false(contains(answer.body, "\"detail\":null"));
        assert_null(answer.location.bytes);
        assert_int_equal(answer.version, 0);
    }
}

static void a_placed_order_is_answered_with_its_place_and_version(void **state)
{
    (void)state;
    struct kept_answer answer = render(OUTCOME_ORDER_PLACED);
    assert_int_equal(answer.status, 201);
    assert_true(text_equal_c(answer.location, "/v1/orders/01a20704-6bd1-7717-8b4f-fb13c7570c01"));
    assert_int_equal(answer.version, 1);
    assert_true(text_equal_c(
        answer.body,
        "{\"order_id\":\"01a20704-6bd1-7717-8b4f-fb13c7570c01\",\"status\":\"draft\",\"customer_id\":\"c-1\","
        "\"items\":[{\"line\":1,\"sku\":\"tee-m\",\"quantity\":2,\"unit_price\":{\"amount\":1999,\"currency\":\"EUR\"},"
        "\"reservation\":\"active\"}],\"total\":{\"amount\":3998,\"currency\":\"EUR\"},\"metadata\":{},"
        "\"created_at\":\"2026-11-22T09:41:00.123Z\",\"expires_at\":\"2026-11-22T09:56:00.123Z\",\"version\":1}"));
}

static void later_answers_show_the_payments(void **state)
{
    (void)state;
    fixture.order.status = ORDER_PAID;
    fixture.order.revived = true;
    struct kept_answer answer = render(OUTCOME_ORDER_PAID);
    assert_int_equal(answer.status, 200);
    assert_true(contains(answer.body, "\"reservation\":\"converted\""));
    assert_true(contains(answer.body, "\"revived\":true,\"payments\":[{\"payment_reference\":\"pi_1\",\"status\":"
                                      "\"refund_due\",\"amount\":{\"amount\":3998,\"currency\":\"EUR\"},\"reason\":"
                                      "\"already_paid\",\"created_at\":\"2026-11-22T09:41:00.123Z\"}]"));
    fixture.order.status = ORDER_CANCELLED;
    fixture.order.revived = false;
    fixture.order.cancel_reason = TEXT_LITERAL("");
    answer = render(OUTCOME_ORDER_CANCELLED);
    assert_true(contains(answer.body, "\"cancel_reason\":\"\""));
    assert_false(contains(answer.body, "revived"));
    fixture.order.status = ORDER_DRAFT;
    fixture.order.cancel_reason = TEXT_ABSENT;
}

static void refusals_carry_what_a_program_needs(void **state)
{
    (void)state;
    assert_true(contains(render(OUTCOME_INSUFFICIENT_STOCK).body,
                         "\"lines\":[{\"line\":1,\"sku\":\"tee-m\",\"requested\":7,\"available\":6}]"));
    struct text unknown = render(OUTCOME_UNKNOWN_SKU).body;
    assert_true(contains(unknown, "\"lines\":[{\"line\":1,\"sku\":\"tee-m\"}]"));
    assert_true(contains(unknown, "\"errors\":[{\"field\":\"items[0].sku\""));
    assert_true(
        contains(render(OUTCOME_PURCHASE_LIMIT).body, "\"sku\":\"tee-m\",\"limit\":3,\"already\":2,\"requested\":5"));
    assert_true(contains(render(OUTCOME_ALREADY_PAID).body, "\"payment\":{\"payment_reference\":\"pi_1\""));
    assert_true(contains(render(OUTCOME_ALREADY_PAID).body, "\"order\":{\"order_id\""));
    assert_true(contains(render(OUTCOME_PAYMENT_REFERENCE_USED).body,
                         "\"recorded_on_order_id\":\"01a20704-6bd1-7717-8b4f-fb13c7570c02\""));
    assert_true(contains(render(OUTCOME_STOCK_IS_RESERVED).body,
                         "\"stock_quantity\":10,\"reserved_quantity\":4,\"available_quantity\":6,\"version\":9"));
    assert_true(contains(render(OUTCOME_VERSION_MISMATCH).body, "\"version\":2"));
}

static void products_variants_and_movements_have_their_versions(void **state)
{
    (void)state;
    struct kept_answer answer = render(OUTCOME_PRODUCT_CREATED);
    assert_int_equal(answer.status, 201);
    assert_int_equal(answer.version, 2);
    assert_true(text_equal_c(answer.location, "/v1/products/01a20704-6bd1-7717-8b4f-fb13c7570c03"));
    assert_true(contains(answer.body, "\"title\":\"Tee \\\"M\\\"\""));
    assert_true(contains(answer.body, "\"max_per_customer\":null,\"low_stock_threshold\":null"));
    answer = render(OUTCOME_VARIANT_UPDATED);
    assert_int_equal(answer.version, 4);
    answer = render(OUTCOME_STOCK_ADJUSTED);
    assert_int_equal(answer.status, 201);
    assert_int_equal(answer.version, 9);
    assert_true(contains(answer.body, "\"delta\":5,\"reason\":\"restock\",\"reference\":null,\"order_id\":null"));
}

static struct kept_answer render_of_endpoint(enum outcome_code code)
{
    struct outcome outcome = outcome_of(code);
    struct kept_answer answer;
    outcome.endpoint = &fixture.endpoint;
    reply_keep(&fixture.command, &outcome, fixture.arena, &answer);
    return answer;
}

static void a_secret_is_shown_to_whoever_made_it_alone(void **state)
{
    (void)state;
    struct kept_answer answer = render_of_endpoint(OUTCOME_ENDPOINT_CREATED);
    assert_int_equal(answer.status, 201);
    assert_int_equal(answer.version, 5);
    assert_true(text_equal_c(answer.location, "/v1/webhook_endpoints/01a20704-6bd1-7717-8b4f-fb13c7570c05"));
    assert_true(contains(answer.body, "\"secret\":\"whsec_new\"}"));
    fixture.endpoint.previous_secret = TEXT_LITERAL("whsec_old");
    fixture.endpoint.previous_until_ms = 1795340460123;
    answer = render_of_endpoint(OUTCOME_SECRET_ROTATED);
    assert_true(
        contains(answer.body, "\"secret\":\"whsec_new\",\"previous_secret_expires_at\":\"2026-11-22T09:41:00.123Z\"}"));
    assert_false(contains(answer.body, "whsec_old"));
    answer = render_of_endpoint(OUTCOME_ENDPOINT_UPDATED);
    assert_int_equal(answer.version, 5);
    assert_false(contains(answer.body, "whsec"));
    assert_true(contains(render_of_endpoint(OUTCOME_VERSION_MISMATCH).body, "\"version\":5"));
    fixture.endpoint.previous_secret = TEXT_ABSENT;
}

static void what_is_deleted_is_answered_without_a_body(void **state)
{
    (void)state;
    struct kept_answer answer = render_of_endpoint(OUTCOME_ENDPOINT_DELETED);
    assert_int_equal(answer.status, 204);
    assert_int_equal(answer.body.length, 0);
}

static void a_test_is_accepted_and_a_repeated_delivery_created(void **state)
{
    (void)state;
    fixture.command.kind = COMMAND_TEST_ENDPOINT;
    struct kept_answer answer = render(OUTCOME_DELIVERY_QUEUED);
    assert_int_equal(answer.status, 202);
    assert_true(contains(answer.body, "{\"job_id\":"));
    fixture.command.kind = COMMAND_REDELIVER;
    answer = render(OUTCOME_DELIVERY_QUEUED);
    assert_int_equal(answer.status, 201);
    assert_true(contains(answer.body, "{\"delivery_id\":"));
    assert_true(text_equal_c(answer.location, "/v1/webhook_deliveries/01a20704-6bd1-7717-8b4f-fb13c7570c06"));
    fixture.command.kind = COMMAND_PLACE_ORDERS;
}

static void a_job_that_is_in_the_way_is_shown(void **state)
{
    (void)state;
    assert_true(contains(render(OUTCOME_JOB_STATE).body, "\"job\":{\"job_id\""));
    assert_true(contains(render(OUTCOME_JOB_KEY_TAKEN).body, "\"job\":{\"job_id\""));
    assert_true(contains(render(OUTCOME_QUEUE_UPDATED).body, "\"concurrency\":1,\"rate_limit\":null}"));
}

static void members_of_a_batch_are_answered_in_their_order(void **state)
{
    (void)state;
    struct kept_answer answer = render(OUTCOME_ORDERS_PLACED);
    assert_int_equal(answer.status, 200);
    assert_true(contains(answer.body, "{\"results\":[{\"status\":201,\"order\":{\"order_id\""));
    assert_true(
        contains(answer.body, "},{\"status\":422,\"problem\":{\"type\":\"urn:holdfast:problem:unknown_field\""));
}

static void a_kept_answer_is_given_as_it_was(void **state)
{
    (void)state;
    struct kept_answer answer = render(OUTCOME_REPLAYED);
    assert_int_equal(answer.status, 409);
    assert_true(text_equal_c(answer.body, "{\"kept\":true}"));
    assert_true(text_equal_c(answer.location, "/kept"));
    assert_int_equal(answer.version, 3);
    fixture.record.order = &fixture.order;
    answer = render(OUTCOME_REPLAYED);
    assert_int_equal(answer.status, 201);
    assert_true(contains(answer.body, "\"status\":\"draft\""));
    assert_true(text_equal_c(answer.location, "/v1/orders/01a20704-6bd1-7717-8b4f-fb13c7570c01"));
    fixture.record.order = NULL;
}

static struct text field_problem(const char *first_code, const char *second_code)
{
    struct field_errors errors;
    field_errors_init(&errors, fixture.arena);
    field_errors_add_named(&errors, TEXT_LITERAL("a"), first_code, "a");
    field_errors_add_named(&errors, TEXT_LITERAL("b"), second_code, "b");
    struct buffer buffer;
    struct json_writer json;
    buffer_init(&buffer, 4096);
    json_writer_init(&json, &buffer);
    assert_int_equal(problem_write_field_errors(&json, &errors), 422);
    struct text body = arena_text(fixture.arena, buffer_text(&buffer));
    buffer_done(&buffer);
    return body;
}

static void errors_of_one_kind_name_the_problem(void **state)
{
    (void)state;
    assert_true(contains(field_problem(FIELD_UNKNOWN, FIELD_UNKNOWN), "\"status\":422"));
    assert_true(contains(field_problem(FIELD_UNKNOWN, FIELD_UNKNOWN), "\"code\":\"unknown_field\",\"field\":\"a\""));
    assert_true(contains(field_problem(FIELD_INVALID_QUANTITY, FIELD_INVALID_QUANTITY),
                         "\"code\":\"invalid_quantity\",\"field\":\"a\""));
    assert_true(contains(field_problem(FIELD_UNKNOWN_PARAMETER, FIELD_UNKNOWN_PARAMETER),
                         "\"code\":\"unknown_parameter\",\"field\":\"a\""));
    assert_true(contains(field_problem(FIELD_UNKNOWN, FIELD_INVALID_QUANTITY), "\"code\":\"invalid_request\""));
    assert_true(contains(field_problem(FIELD_REQUIRED, FIELD_REQUIRED), "\"code\":\"invalid_request\""));
}

static void every_refusal_before_the_engine_has_its_row(void **state)
{
    (void)state;
    for (int kind = 0; kind < PROBLEM_KIND_COUNT; kind++) {
        struct buffer buffer;
        struct json_writer json;
        buffer_init(&buffer, 4096);
        json_writer_init(&json, &buffer);
        assert_in_range(problem_write(&json, (enum problem_kind)kind, TEXT_ABSENT), 400, 503);
        assert_false(contains(buffer_text(&buffer), "null"));
        buffer_done(&buffer);
    }
    for (int refusal = HTTP_REFUSAL_BAD_REQUEST; refusal <= HTTP_REFUSAL_VERSION; refusal++) {
        struct buffer buffer;
        struct json_writer json;
        buffer_init(&buffer, 4096);
        json_writer_init(&json, &buffer);
        assert_in_range(problem_write_refusal(&json, (enum http_refusal)refusal), 400, 505);
        assert_false(contains(buffer_text(&buffer), "null"));
        buffer_done(&buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_outcome_has_its_row),
        cmocka_unit_test(every_refusal_is_a_problem_with_its_code),
        cmocka_unit_test(a_placed_order_is_answered_with_its_place_and_version),
        cmocka_unit_test(later_answers_show_the_payments),
        cmocka_unit_test(refusals_carry_what_a_program_needs),
        cmocka_unit_test(products_variants_and_movements_have_their_versions),
        cmocka_unit_test(a_secret_is_shown_to_whoever_made_it_alone),
        cmocka_unit_test(what_is_deleted_is_answered_without_a_body),
        cmocka_unit_test(a_test_is_accepted_and_a_repeated_delivery_created),
        cmocka_unit_test(a_job_that_is_in_the_way_is_shown),
        cmocka_unit_test(members_of_a_batch_are_answered_in_their_order),
        cmocka_unit_test(a_kept_answer_is_given_as_it_was),
        cmocka_unit_test(errors_of_one_kind_name_the_problem),
        cmocka_unit_test(every_refusal_before_the_engine_has_its_row),
    };
    return cmocka_run_group_tests(tests, make_fixture, free_fixture);
}
