#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"

#include "base/buffer.h"

static void assert_holds(const struct buffer *buffer, const char *expected)
{
    struct text text = buffer_text(buffer);
    assert_int_equal(text.length, strlen(expected));
    assert_memory_equal(text.bytes, expected, text.length);
}

static void appends_follow_each_other(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 1000);
    assert_holds(&buffer, "");
    buffer_append_c(&buffer, "one");
    buffer_append_char(&buffer, ' ');
    buffer_append_text(&buffer, TEXT_LITERAL("two"));
    buffer_append(&buffer, NULL, 0);
    buffer_append_format(&buffer, " %d%s", 3, "!");
    assert_holds(&buffer, "one two 3!");
    assert_false(buffer.overflowed);
    buffer_done(&buffer);
}

static void integers_are_written_as_printf_writes_them(void **state)
{
    (void)state;
    static const int64_t EDGES[] = {0,     9,    10,        99,        100, 101, 999, 1000,
                                    65536, 1999, INT64_MAX, INT64_MIN, -1,  -10, -99, -100};
    struct buffer buffer;
    buffer_init(&buffer, 100);
    int64_t power = 1;
    for (size_t i = 0; i < sizeof(EDGES) / sizeof(EDGES[0]) + 19 * 2; i++) {
        int64_t value = power - (int64_t)(i % 2);
        if (i < sizeof(EDGES) / sizeof(EDGES[0])) {
            value = EDGES[i];
        } else if (i % 2 == 1 && power <= INT64_MAX / 10) {
            power *= 10;
        }
        char expected[32];
        (void)snprintf(expected, sizeof(expected), "%" PRId64, value);
        buffer_clear(&buffer);
        buffer_append_int64(&buffer, value);
        assert_holds(&buffer, expected);
    }
    buffer_done(&buffer);
}

static void it_fills_to_its_maximum_and_no_further(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 1000);
    for (size_t i = 0; i < 1000; i++) {
        buffer_append_char(&buffer, 'x');
    }
    assert_false(buffer.overflowed);
    assert_int_equal(buffer.length, 1000);
    assert_true(buffer.capacity <= 1000);
    buffer_append_char(&buffer, 'y');
    assert_true(buffer.overflowed);
    assert_int_equal(buffer.length, 1000);
    buffer_done(&buffer);
}

static void an_overflow_lasts_until_it_is_cleared(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 10);
    buffer_append_c(&buffer, "12345678");
    buffer_append_c(&buffer, "90123");
    buffer_append_char(&buffer, '9');
    assert_holds(&buffer, "12345678");
    assert_true(buffer.overflowed);
    assert_null(buffer_reserve(&buffer, 1));
    buffer_clear(&buffer);
    buffer_append_char(&buffer, '9');
    assert_false(buffer.overflowed);
    assert_holds(&buffer, "9");
    buffer_done(&buffer);
}

static void reserved_room_is_the_callers_to_fill(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 5000);
    buffer_append_c(&buffer, "head");
    char *room = buffer_reserve(&buffer, 4000);
    assert_non_null(room);
    memset(room, 'z', 4000);
    assert_int_equal(buffer.length, 4);
    buffer.length += 2;
    assert_holds(&buffer, "headzz");
    buffer_done(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_follow_each_other),
        cmocka_unit_test(integers_are_written_as_printf_writes_them),
        cmocka_unit_test(it_fills_to_its_maximum_and_no_further),
        cmocka_unit_test(an_overflow_lasts_until_it_is_cleared),
        cmocka_unit_test(reserved_room_is_the_callers_to_fill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
