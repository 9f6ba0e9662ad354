#include <string.h>

#include "cmocka_all.h"

#include "base/json_writer.h"

static struct buffer buffer;
static struct json_writer writer;

static int begin(void **state)
{
    (void)state;
    buffer_init(&buffer, 10000);
    json_writer_init(&writer, &buffer);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buffer_done(&buffer);
    return 0;
}

static void assert_wrote(const char *expected)
{
    buffer_append_char(&buffer, '\0');
    assert_string_equal(buffer.bytes, expected);
}

static void commas_stand_between_values_at_every_depth(void **state)
{
    (void)state;
    json_object_begin(&writer);
    json_key(&writer, "a");
    json_array_begin(&writer);
    json_int64(&writer, 1);
    json_array_begin(&writer);
    json_array_end(&writer);
    json_object_begin(&writer);
    json_object_end(&writer);
    json_null_value(&writer);
    json_array_end(&writer);
    json_key(&writer, "b");
    json_object_begin(&writer);
    json_bool_field(&writer, "c", true);
    json_bool_field(&writer, "d", false);
    json_object_end(&writer);
    json_raw_field(&writer, "e", TEXT_LITERAL("{\"x\":1}"));
    json_int64_field(&writer, "f", INT64_MIN);
    json_object_end(&writer);
    assert_wrote("{\"a\":[1,[],{},null],\"b\":{\"c\":true,\"d\":false},\"e\":{\"x\":1},\"f\":-9223372036854775808}");
}

static void what_json_forbids_in_strings_is_escaped(void **state)
{
    (void)state;
    char text[] = "\"q\\\b\f\n\r\t\x01\x1f\x7f/\xc3\xa9 plain run";
    json_text(&writer, (struct text){text, sizeof(text)}); /* with its NUL */
    assert_wrote("\"\\\"q\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/\xc3\xa9 plain run\\u0000\"");
}

static void every_control_is_escaped_and_no_other_byte(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        buffer_clear(&buffer);
        json_writer_init(&writer, &buffer);
        char c = (char)byte;
        json_text(&writer, (struct text){&c, 1});
        bool escaped = buffer.length != 3;
        assert_int_equal(escaped, byte < 0x20 || byte == '"' || byte == '\\');
    }
}

static void an_absent_text_is_null_and_an_empty_one_is_not(void **state)
{
    (void)state;
    json_array_begin(&writer);
    json_object_begin(&writer);
    json_string_field(&writer, "a", TEXT_ABSENT);
    json_c_field(&writer, "b", NULL);
    json_string_field(&writer, "c", TEXT_LITERAL(""));
    json_null_field(&writer, "d");
    json_object_end(&writer);
    json_array_end(&writer);
    assert_wrote("[{\"a\":null,\"b\":null,\"c\":\"\",\"d\":null}]");
}

static void times_are_rfc_3339(void **state)
{
    (void)state;
    json_object_begin(&writer);
    json_time_field(&writer, "created_at", 1795340460123);
    json_object_end(&writer);
    assert_wrote("{\"created_at\":\"2026-11-22T09:41:00.123Z\"}");
}

static void past_the_buffers_maximum_it_says_so(void **state)
{
    (void)state;
    buffer.max = 20;
    json_array_begin(&writer);
    for (int i = 0; i < 20; i++) {
        json_c_field(&writer, "key", "value");
    }
    assert_true(buffer.overflowed);
    assert_true(buffer.length <= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commas_stand_between_values_at_every_depth, begin, end),
        cmocka_unit_test_setup_teardown(what_json_forbids_in_strings_is_escaped, begin, end),
        cmocka_unit_test_setup_teardown(every_control_is_escaped_and_no_other_byte, begin, end),
        cmocka_unit_test_setup_teardown(an_absent_text_is_null_and_an_empty_one_is_not, begin, end),
        cmocka_unit_test_setup_teardown(times_are_rfc_3339, begin, end),
        cmocka_unit_test_setup_teardown(past_the_buffers_maximum_it_says_so, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
