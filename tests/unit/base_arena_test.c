#include <stdint.h>
#include <string.h>

#include "cmocka_all.h"

#include "base/arena.h"

static void memory_is_aligned_to_sixteen_bytes(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1024);
    for (size_t bytes = 0; bytes < 100; bytes++) {
        assert_int_equal((uintptr_t)arena_alloc(arena, bytes) % 16, 0);
    }
    arena_free(arena);
}

static void allocations_do_not_overlap(void **state)
{
    (void)state;
    struct arena *arena = arena_new(256);
    unsigned char *blocks[200];
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = arena_alloc(arena, i + 1);
        memset(blocks[i], (int)i, i + 1);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t at = 0; at <= i; at++) {
            assert_int_equal(blocks[i][at], i);
        }
    }
    arena_free(arena);
}

static void a_block_larger_than_a_chunk_is_served(void **state)
{
    (void)state;
    struct arena *arena = arena_new(64);
    char *large = arena_zalloc(arena, 100000);
    assert_int_equal(large[0], 0);
    assert_int_equal(large[99999], 0);
    arena_free(arena);
}

static void clear_gives_back_all_but_the_first_chunk(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1024);
    size_t at_first = arena_bytes(arena);
    void *first = arena_alloc(arena, 16);
    for (size_t i = 0; i < 100; i++) {
        (void)arena_alloc(arena, 500);
    }
    assert_true(arena_bytes(arena) > at_first + 40000);
    arena_clear(arena);
    assert_int_equal(arena_bytes(arena), at_first);
    assert_ptr_equal(arena_alloc(arena, 16), first);
    arena_free(arena);
}

static void zeroed_memory_is_zero_after_reuse(void **state)
{
    (void)state;
    struct arena *arena = arena_new(256);
    memset(arena_alloc(arena, 64), 0xff, 64);
    arena_clear(arena);
    static const char ZEROS[64];
    assert_memory_equal(arena_array(arena, 8, 8), ZEROS, 64);
    arena_free(arena);
}

static void a_text_copy_is_its_own_and_ends_with_nul(void **state)
{
    (void)state;
    struct arena *arena = arena_new(256);
    char source[] = "tee-m and more";
    struct text copy = arena_text(arena, (struct text){source, 5});
    source[0] = 'X';
    assert_string_equal(copy.bytes, "tee-m");
    assert_int_equal(copy.length, 5);
    arena_free(arena);
}

static void absent_stays_absent_and_empty_stays_empty(void **state)
{
    (void)state;
    struct arena *arena = arena_new(256);
    assert_null(arena_text(arena, TEXT_ABSENT).bytes);
    struct text empty = arena_text(arena, TEXT_LITERAL(""));
    assert_non_null(empty.bytes);
    assert_int_equal(empty.length, 0);
    arena_free(arena);
}

static void printf_makes_text_of_any_length(void **state)
{
    (void)state;
    struct arena *arena = arena_new(64);
    struct text text = arena_printf(arena, "%0500d|%s", 7, "end");
    assert_int_equal(text.length, 504);
    assert_string_equal(text.bytes + 499, "7|end");
    arena_free(arena);
}

static void freeing_nothing_is_fine(void **state)
{
    (void)state;
    arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_aligned_to_sixteen_bytes),
        cmocka_unit_test(allocations_do_not_overlap),
        cmocka_unit_test(a_block_larger_than_a_chunk_is_served),
        cmocka_unit_test(clear_gives_back_all_but_the_first_chunk),
        cmocka_unit_test(zeroed_memory_is_zero_after_reuse),
        cmocka_unit_test(a_text_copy_is_its_own_and_ends_with_nul),
        cmocka_unit_test(absent_stays_absent_and_empty_stays_empty),
        cmocka_unit_test(printf_makes_text_of_any_length),
        cmocka_unit_test(freeing_nothing_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
