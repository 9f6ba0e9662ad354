#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"

#include "support/test_arena.h"

#include "api/json_input.h"
#include "api/order_input.h"
#include "domain/limits.h"

/* Reads an order out of a body; the errors say what was wrong with it. */
static struct field_errors read_order(const char *body, struct place_order *ret_order)
{
    struct text detail;
    struct field_errors errors;
    field_errors_init(&errors, arena);
    struct json_t *json = json_input_parse(text_from_c(body), arena, &detail);
    assert_non_null(json);
    struct json_fields fields;
    json_fields_begin(&fields, json, NULL, &errors);
    order_input_read(&fields, 3600, ret_order);
    json_fields_end(&fields);
    json_input_free(json);
    return errors;
}

static void assert_error(const char *body, const char *field, const char *code)
{
    struct place_order order;
    struct field_errors errors = read_order(body, &order);
    assert_int_equal(errors.count, 1);
    assert_string_equal(errors.items[0].field.bytes, field);
    assert_string_equal(errors.items[0].code, code);
}

static void a_whole_order_is_read(void **state)
{
    (void)state;
    struct place_order order;
    struct field_errors errors =
        read_order("{\"customer_id\":\"c-1\",\"items\":[{\"sku\":\"tee\",\"quantity\":2},{\"quantity\":1000000,"
                   "\"sku\":\"\\u00fc\"}],\"hold_seconds\":60,\"metadata\":{\"z\":\"1\",\"a\":\"\\\"\"}}",
                   &order);
    assert_int_equal(errors.count, 0);
    assert_true(text_equal_c(order.customer_id, "c-1"));
    assert_int_equal(order.line_count, 2);
    assert_true(text_equal_c(order.lines[0].sku, "tee"));
    assert_int_equal(order.lines[0].quantity, 2);
    assert_true(text_equal_c(order.lines[1].sku, "\xc3\xbc"));
    assert_int_equal(order.lines[1].quantity, 1000000);
    assert_int_equal(order.hold_seconds, 60);
    assert_true(text_equal_c(order.metadata, "{\"z\":\"1\",\"a\":\"\\\"\"}")); /* in the order it was sent */
}

static void what_is_left_out_gets_its_default(void **state)
{
    (void)state;
    struct place_order order;
    struct field_errors errors =
        read_order("{\"customer_id\":\"c\",\"items\":[{\"sku\":\"s\",\"quantity\":1}]}", &order);
    assert_int_equal(errors.count, 0);
    assert_int_equal(order.hold_seconds, HOLD_SECONDS_DEFAULT);
    assert_null(order.metadata.bytes);
}

#define ITEMS "\"items\":[{\"sku\":\"s\",\"quantity\":1}]"
#define WITH_QUANTITY(quantity) "{\"customer_id\":\"c\",\"items\":[{\"sku\":\"s\",\"quantity\":" quantity "}]}"

static void a_wrong_field_is_named_with_its_path(void **state)
{
    (void)state;
    assert_error("{" ITEMS "}", "customer_id", FIELD_REQUIRED);
    assert_error("{\"customer_id\":7," ITEMS "}", "customer_id", FIELD_INVALID_TYPE);
    assert_error("{\"customer_id\":null," ITEMS "}", "customer_id", FIELD_INVALID_TYPE);
    assert_error("{\"customer_id\":\"\"," ITEMS "}", "customer_id", FIELD_INVALID_LENGTH);
    assert_error("{\"customer_id\":\"a\\n\"," ITEMS "}", "customer_id", FIELD_INVALID_VALUE);
    assert_error("{\"customer_id\":\"c\",\"items\":[]}", "items", FIELD_INVALID_LENGTH);
    assert_error("{\"customer_id\":\"c\",\"items\":{}}", "items", FIELD_INVALID_TYPE);
    assert_error("{\"customer_id\":\"c\",\"items\":[{\"sku\":\"s\",\"quantity\":1},{\"sku\":\"s\"}]}",
                 "items[1].quantity", FIELD_REQUIRED);
    assert_error("{\"customer_id\":\"c\",\"items\":[3]}", "items[0]", FIELD_INVALID_TYPE);
    assert_error("{\"customer_id\":\"c\"," ITEMS ",\"hold_seconds\":3601}", "hold_seconds", FIELD_OUT_OF_RANGE);
    assert_error("{\"customer_id\":\"c\"," ITEMS ",\"hold_seconds\":true}", "hold_seconds", FIELD_INVALID_TYPE);
    assert_error("{\"customer_id\":\"c\"," ITEMS ",\"metadata\":{\"a\":1}}", "metadata.a", FIELD_INVALID_TYPE);
    /* PostgreSQL's jsonb has no place for it: one such order would fail its whole batch. */
    assert_error("{\"customer_id\":\"c\"," ITEMS ",\"metadata\":{\"a\":\"x\\u0000\"}}", "metadata.a",
                 FIELD_INVALID_VALUE);
    assert_error("{\"customer_id\":\"c\"," ITEMS ",\"metadata\":[]}", "metadata", FIELD_INVALID_TYPE);
    assert_error("{\"customer_id\":\"c\"," ITEMS ",\"metadata\":{\"\":\"\"}}", "metadata.", FIELD_INVALID_LENGTH);
    assert_error("[]", "", FIELD_INVALID_TYPE);
}

static void unknown_fields_are_refused_wherever_they_stand(void **state)
{
    (void)state;
    assert_error("{\"customer_id\":\"c\"," ITEMS ",\"x\":1}", "x", FIELD_UNKNOWN);
    assert_error("{\"customer_id\":\"c\",\"items\":[{\"sku\":\"s\",\"quantity\":1,\"price\":1}]}", "items[0].price",
                 FIELD_UNKNOWN);
}

static void quantities_are_integers_as_they_are_written(void **state)
{
    (void)state;
    static const char *const BODIES[] = {
        WITH_QUANTITY("0"),    WITH_QUANTITY("-1"),   WITH_QUANTITY("1000001"),
        WITH_QUANTITY("1.0"),  WITH_QUANTITY("1e3"),  WITH_QUANTITY("\"2\""),
        WITH_QUANTITY("true"), WITH_QUANTITY("null"), WITH_QUANTITY("[1]"),
    };
    for (size_t i = 0; i < sizeof(BODIES) / sizeof(BODIES[0]); i++) {
        assert_error(BODIES[i], "items[0].quantity", FIELD_INVALID_QUANTITY);
    }
}

static void a_number_past_64_bits_is_refused_by_its_field(void **state)
{
    (void)state;
    assert_error(WITH_QUANTITY("9223372036854775808"), "items[0].quantity", FIELD_INVALID_QUANTITY);
    assert_error(WITH_QUANTITY("-99999999999999999999999999"), "items[0].quantity", FIELD_INVALID_QUANTITY);
    assert_error(WITH_QUANTITY("1e309"), "items[0].quantity", FIELD_INVALID_QUANTITY);
    /* Digits inside a string, behind an escaped quote too, are no number; its neighbours are read as ever. */
    assert_error("{\"customer_id\":\"\\\"99999999999999999999\",\"items\":[{\"sku\":\"s\",\"quantity\":3}],"
                 "\"hold_seconds\":99999999999999999999}",
                 "hold_seconds", FIELD_OUT_OF_RANGE);
}

static void errors_are_gathered_up_to_a_maximum(void **state)
{
    (void)state;
    struct text detail;
    struct field_errors errors;
    field_errors_init(&errors, arena);
    char body[4096] = "{\"a\":1";
    for (int i = 0; i < 2 * FIELD_ERRORS_MAX; i++) {
        (void)snprintf(body + strlen(body), sizeof(body) - strlen(body), ",\"x%d\":1", i);
    }
    strcat(body, "}");
    struct json_t *json = json_input_parse(text_from_c(body), arena, &detail);
    struct json_fields fields;
    json_fields_begin(&fields, json, NULL, &errors);
    json_fields_end(&fields);
    json_input_free(json);
    assert_int_equal(errors.count, FIELD_ERRORS_MAX);
}

static void money_is_an_amount_and_an_active_currency(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *field; /* NULL: good */
    } CASES[] = {
        {"{\"price\":{\"amount\":0,\"currency\":\"EUR\"}}", NULL},
        {"{\"price\":{\"amount\":100,\"currency\":\"JPY\"}}", NULL},
        {"{\"price\":{\"amount\":101,\"currency\":\"EUR\"}}", "price.amount"},
        {"{\"price\":{\"amount\":-1,\"currency\":\"EUR\"}}", "price.amount"},
        {"{\"price\":{\"currency\":\"EUR\"}}", "price.amount"},
        {"{\"price\":{\"amount\":1,\"currency\":\"eur\"}}", "price.currency"},
        {"{\"price\":{\"amount\":1,\"currency\":\"DEM\"}}", "price.currency"},
        {"{\"price\":{\"amount\":1}}", "price.currency"},
        {"{\"price\":{\"amount\":1,\"currency\":\"EUR\",\"vat\":1}}", "price.vat"},
        {"{\"price\":19.99}", "price"},
        {"{}", "price"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct text detail;
        struct field_errors errors;
        field_errors_init(&errors, arena);
        struct json_t *json = json_input_parse(text_from_c(CASES[i].body), arena, &detail);
        struct json_fields fields;
        struct money money = {0};
        json_fields_begin(&fields, json, NULL, &errors);
        (void)json_fields_money(&fields, "price", FIELD_MANDATORY, 100, &money);
        json_fields_end(&fields);
        json_input_free(json);
        assert_int_equal(errors.count, CASES[i].field == NULL ? 0 : 1);
        if (CASES[i].field != NULL) {
            assert_string_equal(errors.items[0].field.bytes, CASES[i].field);
        }
    }
}

static void malformed_json_is_no_tree(void **state)
{
    (void)state;
    const struct text BODIES[] = {
        TEXT_LITERAL(""),
        TEXT_LITERAL("{"),
        TEXT_LITERAL("{} x"),
        TEXT_LITERAL("{\"a\":1,\"a\":2}"),
        TEXT_LITERAL("{'a':1}"),
        TEXT_LITERAL("{\"a\":01}"),
        TEXT_LITERAL("{\"a\":\"\xff\"}"),
        TEXT_LITERAL("{\"a\":\"\xed\xa0\x80\"}"),
        TEXT_LITERAL("{\"a\":\"\0\"}"),
        TEXT_LITERAL("{\"a\":NaN}"),
        TEXT_LITERAL("{\"a\":1,}"),
        TEXT_LITERAL("{\"a\":99999999999999999999,}"),
        TEXT_LITERAL("\xef\xbb\xbf{}"),
    };
    for (size_t i = 0; i < sizeof(BODIES) / sizeof(BODIES[0]); i++) {
        struct text detail = TEXT_ABSENT;
        assert_null(json_input_parse(BODIES[i], arena, &detail));
        assert_true(detail.length > 0 && text_is_utf8(detail));
    }
}

static void equal_requests_have_one_canonical_text(void **state)
{
    (void)state;
    struct text detail;
    struct json_t *a = json_input_parse(
        TEXT_LITERAL("{ \"b\": [1, {\"y\":2,\"x\":3}], \"key\":\"k\", \"a\":\"\\u00e9\"}"), arena, &detail);
    struct json_t *b =
        json_input_parse(TEXT_LITERAL("{\"a\":\"\xc3\xa9\",\"b\":[1,{\"x\":3,\"y\":2}]}"), arena, &detail);
    struct text canonical = json_canonical_without(a, "key", arena);
    assert_true(text_equal(canonical, json_canonical_without(b, "key", arena)));
    assert_true(text_equal_c(canonical, "{\"a\":\"\xc3\xa9\",\"b\":[1,{\"x\":3,\"y\":2}]}"));
    json_input_free(a);
    json_input_free(b);
}

static void null_stands_for_no_text(void **state)
{
    (void)state;
    struct text detail;
    struct text text = TEXT_LITERAL("as it was");
    struct json_fields fields;
    struct field_errors errors;
    field_errors_init(&errors, arena);
    struct json_t *json = json_input_parse(TEXT_LITERAL("{\"none\":null,\"some\":\"x\",\"wrong\":7}"), arena, &detail);
    assert_non_null(json);
    json_fields_begin(&fields, json, NULL, &errors);
    assert_false(json_fields_text_or_null(&fields, "left_out", 0, 9, &text));
    assert_true(text_equal_c(text, "as it was"));
    assert_true(json_fields_text_or_null(&fields, "none", 1, 9, &text));
    assert_null(text.bytes);
    assert_true(json_fields_text_or_null(&fields, "some", 1, 9, &text));
    assert_true(text_equal_c(text, "x"));
    assert_int_equal(errors.count, 0);
    assert_false(json_fields_text_or_null(&fields, "wrong", 1, 9, &text));
    assert_int_equal(errors.count, 1);
    assert_string_equal(errors.items[0].code, FIELD_INVALID_TYPE);
    json_fields_end(&fields);
    json_input_free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_order_is_read),
        cmocka_unit_test(what_is_left_out_gets_its_default),
        cmocka_unit_test(a_wrong_field_is_named_with_its_path),
        cmocka_unit_test(unknown_fields_are_refused_wherever_they_stand),
        cmocka_unit_test(quantities_are_integers_as_they_are_written),
        cmocka_unit_test(a_number_past_64_bits_is_refused_by_its_field),
        cmocka_unit_test(errors_are_gathered_up_to_a_maximum),
        cmocka_unit_test(money_is_an_amount_and_an_active_currency),
        cmocka_unit_test(malformed_json_is_no_tree),
        cmocka_unit_test(null_stands_for_no_text),
        cmocka_unit_test(equal_requests_have_one_canonical_text),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
