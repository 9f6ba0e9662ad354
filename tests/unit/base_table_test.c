#include "cmocka_all.h"

#include "base/table.h"

static struct arena *arena;

static int begin(void **state)
{
    (void)state;
    arena = arena_new(4096);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static void an_empty_table_finds_nothing(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, arena);
    assert_null(table_find(&table, TEXT_LITERAL("tee-m")));
    assert_null(table_find(&table, TEXT_LITERAL("")));
}

static void every_key_of_many_is_found_in_insertion_order(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, arena);
    for (size_t i = 0; i < 5000; i++) {
        size_t *value = arena_alloc(arena, sizeof(*value));
        *value = i;
        table_put(&table, arena_printf(arena, "sku-%zu", i), value);
    }
    assert_int_equal(table.count, 5000);
    for (size_t i = 0; i < 5000; i++) {
        struct text key = arena_printf(arena, "sku-%zu", i);
        size_t *value = table_find(&table, key);
        assert_non_null(value);
        assert_int_equal(*value, i);
        assert_true(text_equal(table.entries[i].key, key));
    }
    assert_null(table_find(&table, TEXT_LITERAL("sku-5000")));
}

static void putting_a_key_again_replaces_its_value_in_place(void **state)
{
    (void)state;
    struct table table;
    int values[4];
    table_init(&table, arena);
    table_put(&table, TEXT_LITERAL("a"), &values[0]);
    table_put(&table, TEXT_LITERAL("b"), &values[1]);
    table_put(&table, TEXT_LITERAL("a"), &values[2]);
    assert_int_equal(table.count, 2);
    assert_ptr_equal(table_find(&table, TEXT_LITERAL("a")), &values[2]);
    assert_ptr_equal(table.entries[0].value, &values[2]);
}

static void keys_are_bytes_and_may_hold_nul_or_nothing(void **state)
{
    (void)state;
    struct table table;
    int values[3];
    table_init(&table, arena);
    table_put(&table, (struct text){"a\0b", 3}, &values[0]);
    table_put(&table, (struct text){"a\0c", 3}, &values[1]);
    table_put(&table, TEXT_LITERAL(""), &values[2]);
    assert_ptr_equal(table_find(&table, (struct text){"a\0b", 3}), &values[0]);
    assert_ptr_equal(table_find(&table, (struct text){"a\0c", 3}), &values[1]);
    assert_ptr_equal(table_find(&table, TEXT_LITERAL("")), &values[2]);
    assert_null(table_find(&table, TEXT_LITERAL("a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_table_finds_nothing, begin, end),
        cmocka_unit_test_setup_teardown(every_key_of_many_is_found_in_insertion_order, begin, end),
        cmocka_unit_test_setup_teardown(putting_a_key_again_replaces_its_value_in_place, begin, end),
        cmocka_unit_test_setup_teardown(keys_are_bytes_and_may_hold_nul_or_nothing, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
