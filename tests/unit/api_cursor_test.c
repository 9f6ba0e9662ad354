#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"

#include "support/test_arena.h"

#include "api/cursor.h"

static const struct page POSITION = {
    .after_id = {{1, 162, 7, 4, 107, 209, 119, 23, 139, 79, 251, 19, 199, 87, 12, 255}},
    .after_number = INT64_MAX - 1,
    .after_line = 100,
};

static void a_position_comes_back_as_it_went(void **state)
{
    (void)state;
    struct page page = {.limit = 7};
    struct text cursor = cursor_encode(CURSOR_RESERVATIONS, 0xfedcba9876543210u, &POSITION, arena);
    assert_true(cursor_decode(cursor, CURSOR_RESERVATIONS, 0xfedcba9876543210u, &page));
    assert_true(page.has_after);
    assert_true(uuid_equal(page.after_id, POSITION.after_id));
    assert_int_equal(page.after_number, POSITION.after_number);
    assert_int_equal(page.after_line, POSITION.after_line);
    assert_int_equal(page.limit, 7);
}

static void a_cursor_needs_no_escaping_in_a_query(void **state)
{
    (void)state;
    struct text cursor = cursor_encode(CURSOR_ORDERS, UINT64_MAX, &POSITION, arena);
    for (size_t i = 0; i < cursor.length; i++) {
        assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", cursor.bytes[i]));
    }
}

static void a_foreign_cursor_is_refused(void **state)
{
    (void)state;
    struct page page = {0};
    struct text cursor = cursor_encode(CURSOR_ORDERS, 1, &POSITION, arena);
    assert_false(cursor_decode(cursor, CURSOR_PRODUCTS, 1, &page));
    assert_false(cursor_decode(cursor, CURSOR_ORDERS, 2, &page));
    assert_false(page.has_after);
}

static void a_garbled_cursor_is_refused(void **state)
{
    (void)state;
    struct page page = {0};
    struct text cursor = cursor_encode(CURSOR_ORDERS, 1, &POSITION, arena);
    char *bytes = memory_alloc(cursor.length + 1);
    assert_false(cursor_decode(TEXT_LITERAL(""), CURSOR_ORDERS, 1, &page));
    assert_false(cursor_decode(TEXT_LITERAL("AAAA"), CURSOR_ORDERS, 1, &page));
    for (size_t length = 0; length < cursor.length; length++) {
        assert_false(cursor_decode((struct text){cursor.bytes, length}, CURSOR_ORDERS, 1, &page));
    }
    memcpy(bytes, cursor.bytes, cursor.length);
    bytes[cursor.length] = 'A';
    assert_false(cursor_decode((struct text){bytes, cursor.length + 1}, CURSOR_ORDERS, 1, &page));
    bytes[cursor.length - 1] = '='; /* no padding */
    assert_false(cursor_decode((struct text){bytes, cursor.length}, CURSOR_ORDERS, 1, &page));
    bytes[cursor.length - 1] = 'B'; /* bits behind the last byte */
    assert_false(cursor_decode((struct text){bytes, cursor.length}, CURSOR_ORDERS, 1, &page));
    memcpy(bytes, cursor.bytes, cursor.length);
    bytes[0] = 'B'; /* another version */
    assert_false(cursor_decode((struct text){bytes, cursor.length}, CURSOR_ORDERS, 1, &page));
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_position_comes_back_as_it_went),
        cmocka_unit_test(a_cursor_needs_no_escaping_in_a_query),
        cmocka_unit_test(a_foreign_cursor_is_refused),
        cmocka_unit_test(a_garbled_cursor_is_refused),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
