#include "cmocka_all.h"

#include "support/test_arena.h"

#include "api/query.h"

static const char *const NAMES[] = {"limit", "sku", "created_after", NULL};

static struct query parse(const char *raw, struct field_errors *errors)
{
    struct query query;
    field_errors_init(errors, arena);
    query_parse(text_from_c(raw), NAMES, errors, &query);
    return query;
}

static void values_are_decoded_as_forms_write_them(void **state)
{
    (void)state;
    struct field_errors errors;
    struct query query = parse("sku=a%2Fb+c%C3%BC&&limit=7&", &errors);
    assert_int_equal(errors.count, 0);
    assert_true(text_equal_c(query_get(&query, "sku"), "a/b c\xc3\xbc"));
    assert_true(text_equal_c(query_get(&query, "limit"), "7"));
    assert_null(query_get(&query, "created_after").bytes);
}

static void an_empty_value_was_given(void **state)
{
    (void)state;
    struct field_errors errors;
    struct query query = parse("sku=&limit", &errors);
    assert_int_equal(errors.count, 0);
    assert_non_null(query_get(&query, "sku").bytes);
    assert_non_null(query_get(&query, "limit").bytes);
    struct text sku;
    assert_false(query_text(&query, "sku", 10, &errors, &sku));
    int64_t limit = 3;
    assert_false(query_int64(&query, "limit", 1, 10, &errors, &limit));
    assert_int_equal(limit, 3);
    assert_int_equal(errors.count, 2);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        const char *field;
        const char *code;
    } CASES[] = {
        {"bogus=1", "bogus", FIELD_UNKNOWN_PARAMETER}, {"Limit=1", "Limit", FIELD_UNKNOWN_PARAMETER},
        {"=1", "", FIELD_UNKNOWN_PARAMETER},           {"limit=1&limit=1", "limit", FIELD_REPEATED},
        {"sku=%", "sku", FIELD_INVALID_VALUE},         {"sku=%4", "sku", FIELD_INVALID_VALUE},
        {"sku=%zz", "sku", FIELD_INVALID_VALUE},       {"sku=%00", "sku", FIELD_INVALID_VALUE},
        {"sku=%ff", "sku", FIELD_INVALID_VALUE},       {"%ff=1", "query", FIELD_INVALID_VALUE},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct field_errors errors;
        (void)parse(CASES[i].raw, &errors);
        assert_int_equal(errors.count, 1);
        assert_string_equal(errors.items[0].field.bytes, CASES[i].field);
        assert_string_equal(errors.items[0].code, CASES[i].code);
    }
}

static void numbers_and_times_are_read_strictly(void **state)
{
    (void)state;
    struct field_errors errors;
    int64_t value = 0;
    struct query query = parse("limit=10&created_after=2026-11-22T09%3A41%3A00Z", &errors);
    assert_true(query_int64(&query, "limit", 1, 10, &errors, &value));
    assert_int_equal(value, 10);
    assert_true(query_time(&query, "created_after", &errors, &value));
    assert_int_equal(errors.count, 0);
    query = parse("limit=11&created_after=yesterday", &errors);
    assert_false(query_int64(&query, "limit", 1, 10, &errors, &value));
    assert_false(query_time(&query, "created_after", &errors, &value));
    assert_int_equal(errors.count, 2);
    static const char *const NO_NUMBERS[] = {"limit=1.0", "limit=+1", "limit=%201", "limit=99999999999999999999"};
    for (size_t i = 0; i < sizeof(NO_NUMBERS) / sizeof(NO_NUMBERS[0]); i++) {
        query = parse(NO_NUMBERS[i], &errors);
        assert_false(query_int64(&query, "limit", 1, INT64_MAX, &errors, &value));
    }
}

static void a_route_without_parameters_knows_none(void **state)
{
    (void)state;
    struct field_errors errors;
    struct query query;
    field_errors_init(&errors, arena);
    query_parse(TEXT_ABSENT, NULL, &errors, &query);
    assert_int_equal(errors.count, 0);
    query_parse(TEXT_LITERAL("a=1"), NULL, &errors, &query);
    assert_int_equal(errors.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_decoded_as_forms_write_them),
        cmocka_unit_test(an_empty_value_was_given),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(numbers_and_times_are_read_strictly),
        cmocka_unit_test(a_route_without_parameters_knows_none),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
