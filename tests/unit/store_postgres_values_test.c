#include "cmocka_all.h"

#include <endian.h>
#include <libpq-fe.h>
#include <string.h>

#include "base/arena.h"
#include "store/postgres/parameters.h"
#include "store/postgres/values.h"

static void assert_bytes(const char *bytes, int length, const char *expected, size_t expected_length)
{
    assert_int_equal(length, expected_length);
    assert_memory_equal(bytes, expected, expected_length);
}

static void rows_become_arrays_of_columns(void **state)
{
    (void)state;
    static const enum value_type types[] = {VALUE_INT64, VALUE_TEXT, VALUE_JSON};
    struct parameters parameters;
    const char *values[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX];
    parameters_init(&parameters);
    parameter_int64(&parameters, -2);
    parameters_columns(&parameters, types, 3);
    row_int64(&parameters, 1);
    row_text(&parameters, TEXT_LITERAL("a"));
    row_text(&parameters, TEXT_LITERAL("{}"));
    row_int64_or_null(&parameters, false, 0);
    row_text(&parameters, TEXT_ABSENT);
    row_text(&parameters, TEXT_ABSENT);
    assert_int_equal(parameters_row_count(&parameters), 2);
    parameters_finish(&parameters, values, lengths);
    assert_bytes(values[0], lengths[0], "\xff\xff\xff\xff\xff\xff\xff\xfe", 8);
    assert_bytes(values[1], lengths[1],
                 "\0\0\0\1\0\0\0\1\0\0\0\x14\0\0\0\2\0\0\0\1\0\0\0\x8\0\0\0\0\0\0\0\1\xff\xff\xff\xff", 36);
    assert_bytes(values[2], lengths[2], "\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\2\0\0\0\1\0\0\0\1a\xff\xff\xff\xff", 29);
    assert_bytes(values[3], lengths[3], "\0\0\0\1\0\0\0\1\0\0\0\x72\0\0\0\2\0\0\0\1\0\0\0\2{}\xff\xff\xff\xff", 30);
    parameters_done(&parameters);
}

static void an_array_without_rows_has_no_dimensions(void **state)
{
    (void)state;
    static const enum value_type types[] = {VALUE_UUID};
    struct parameters parameters;
    const char *values[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX];
    parameters_init(&parameters);
    parameter_null(&parameters, VALUE_TIME);
    parameter_text(&parameters, TEXT_LITERAL(""));
    parameters_columns(&parameters, types, 1);
    parameters_finish(&parameters, values, lengths);
    assert_null(values[0]);
    assert_non_null(values[1]); /* empty, and not NULL */
    assert_int_equal(lengths[1], 0);
    assert_bytes(values[2], lengths[2], "\0\0\0\0\0\0\0\0\0\0\x0b\x86", 12);
    parameters_done(&parameters);
}

static void times_count_from_2000(void **state)
{
    (void)state;
    assert_int_equal(time_from_unix_ms(946684800000), 0);
    assert_int_equal(time_to_unix_ms(time_from_unix_ms(1795340460123)), 1795340460123);
    assert_int_equal(time_to_unix_ms(999), 946684800000);
    assert_int_equal(time_to_unix_ms(time_from_unix_ms(-1)), -1); /* rounded down on both sides of 1970 */
    assert_int_equal(time_to_unix_ms(time_from_unix_ms(-1) + 999), -1);
}

static PGresult *one_value(const char *bytes, int length)
{
    char name[] = "value";
    PGresAttDesc column = {.name = name, .format = 1};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    char copy[256];
    assert_true(length < (int)sizeof(copy));
    if (length > 0) {
        memcpy(copy, bytes, (size_t)length);
    }
    assert_true(PQsetResultAttrs(result, 1, &column));
    assert_true(PQsetvalue(result, 0, 0, length < 0 ? NULL : copy, length));
    return result;
}

static void values_of_another_length_read_as_zeros(void **state)
{
    (void)state;
    PGresult *wrong = one_value("abc", 3);
    PGresult *absent = one_value(NULL, -1);
    assert_int_equal(value_int64(wrong, 0, 0), 0);
    assert_false(value_bool(wrong, 0, 0));
    assert_true(value_is_null(absent, 0, 0));
    assert_int_equal(value_int32(absent, 0, 0), 0);
    assert_null(value_view(absent, 0, 0).bytes);
    assert_true(text_equal_c(value_view(wrong, 0, 0), "abc"));
    PQclear(wrong);
    PQclear(absent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_arrays_of_columns),
        cmocka_unit_test(an_array_without_rows_has_no_dimensions),
        cmocka_unit_test(times_count_from_2000),
        cmocka_unit_test(values_of_another_length_read_as_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
