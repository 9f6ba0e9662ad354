#include <string.h>

#include "cmocka_all.h"

#include "base/uuid.h"

#define SOME_MS INT64_C(1795340460123)

static void all_ones(void *context, void *bytes, size_t length)
{
    size_t *calls = context;
    (*calls)++;
    memset(bytes, 0xff, length);
}

static void ids_are_version_7_and_carry_their_time(void **state)
{
    (void)state;
    struct uuid_source source;
    uuid_source_init(&source, NULL, NULL);
    struct uuid uuid = uuid_source_next(&source, SOME_MS);
    assert_int_equal(uuid.bytes[6] >> 4, 7);
    assert_int_equal(uuid.bytes[8] >> 6, 2);
    assert_int_equal(uuid_unix_ms(uuid), SOME_MS);
}

static void ids_of_one_source_strictly_ascend(void **state)
{
    (void)state;
    struct uuid_source source;
    uuid_source_init(&source, NULL, NULL);
    struct uuid last = uuid_source_next(&source, SOME_MS);
    for (int i = 0; i < 100000; i++) {
        int64_t now = SOME_MS + i / 1000 - (i % 100 == 0 ? 5 : 0); /* the clock steps back now and then */
        struct uuid next = uuid_source_next(&source, now);
        assert_true(uuid_compare(last, next) < 0);
        last = next;
    }
    assert_int_equal(uuid_unix_ms(last), SOME_MS + 99);
}

static void a_spent_counter_borrows_the_next_millisecond(void **state)
{
    (void)state;
    struct uuid_source source;
    size_t calls = 0;
    uuid_source_init(&source, all_ones, &calls);
    struct uuid first = uuid_source_next(&source, SOME_MS);
    source.counter = (UINT32_C(1) << 30) - 2;
    struct uuid last_of_ms = uuid_source_next(&source, SOME_MS);
    struct uuid borrowed = uuid_source_next(&source, SOME_MS);
    assert_true(uuid_compare(first, last_of_ms) < 0);
    assert_true(uuid_compare(last_of_ms, borrowed) < 0);
    assert_int_equal(uuid_unix_ms(last_of_ms), SOME_MS);
    assert_int_equal(uuid_unix_ms(borrowed), SOME_MS + 1);
}

static void randomness_is_fetched_a_pool_at_a_time(void **state)
{
    (void)state;
    struct uuid_source source;
    size_t calls = 0;
    uuid_source_init(&source, all_ones, &calls);
    for (int i = 0; i < 80; i++) {
        (void)uuid_source_next(&source, SOME_MS);
    }
    assert_int_equal(calls, 1);
    for (int i = 0; i < 20; i++) {
        (void)uuid_source_next(&source, SOME_MS);
    }
    assert_int_equal(calls, 2);
}

static void text_form_is_canonical_and_parses_back(void **state)
{
    (void)state;
    struct uuid uuid;
    char text[UUID_TEXT_LENGTH + 1];
    assert_true(uuid_parse(TEXT_LITERAL("0192D3A4-5b6c-7d8e-9f00-112233445566"), &uuid));
    uuid_format(uuid, text);
    assert_string_equal(text, "0192d3a4-5b6c-7d8e-9f00-112233445566");

    struct uuid_source source;
    uuid_source_init(&source, NULL, NULL);
    for (int i = 0; i < 1000; i++) {
        struct uuid made = uuid_source_next(&source, SOME_MS);
        uuid_format(made, text);
        assert_true(uuid_parse(text_from_c(text), &uuid));
        assert_true(uuid_equal(made, uuid));
        assert_int_equal(uuid_hash(made), uuid_hash(uuid));
    }
}

static void other_text_is_no_uuid(void **state)
{
    (void)state;
    static const char *const CASES[] = {
        "",
        "0192d3a45b6c7d8e9f00112233445566",
        "0192d3a4-5b6c-7d8e-9f00-11223344556",
        "0192d3a4-5b6c-7d8e-9f00-1122334455667",
        "0192d3a4-5b6c-7d8e-9f00-11223344556g",
        "0192d3a4-5b6c-7d8e-9f00_112233445566",
        "0192d3a45-b6c-7d8e-9f00-112233445566",
        "{192d3a4-5b6c-7d8e-9f00-112233445566",
        "0192d3a4-5b6c-7d8e-9f00-1122334455\xc3\xa9",
    };
    struct uuid uuid;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_false(uuid_parse(text_from_c(CASES[i]), &uuid));
    }
}

static void the_floor_of_a_millisecond_bounds_its_ids(void **state)
{
    (void)state;
    struct uuid_source source;
    uuid_source_init(&source, NULL, NULL);
    struct uuid uuid = uuid_source_next(&source, SOME_MS);
    assert_true(uuid_compare(uuid_floor_of_ms(SOME_MS), uuid) <= 0);
    assert_true(uuid_compare(uuid, uuid_floor_of_ms(SOME_MS + 1)) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_version_7_and_carry_their_time),
        cmocka_unit_test(ids_of_one_source_strictly_ascend),
        cmocka_unit_test(a_spent_counter_borrows_the_next_millisecond),
        cmocka_unit_test(randomness_is_fetched_a_pool_at_a_time),
        cmocka_unit_test(text_form_is_canonical_and_parses_back),
        cmocka_unit_test(other_text_is_no_uuid),
        cmocka_unit_test(the_floor_of_a_millisecond_bounds_its_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
