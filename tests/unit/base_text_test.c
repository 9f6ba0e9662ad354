#include <string.h>

#include "cmocka_all.h"

#include "base/text.h"

static void equality_is_of_bytes_and_length(void **state)
{
    (void)state;
    assert_true(text_equal(TEXT_LITERAL("abc"), text_from_c("abc")));
    assert_false(text_equal(TEXT_LITERAL("abc"), TEXT_LITERAL("abd")));
    assert_false(text_equal(TEXT_LITERAL("abc"), TEXT_LITERAL("ab")));
    assert_true(text_equal(TEXT_ABSENT, TEXT_LITERAL("")));
    assert_true(text_equal_c(TEXT_LITERAL("abc"), "abc"));
    assert_null(text_from_c(NULL).bytes);
}

static void order_is_of_unsigned_bytes_then_length(void **state)
{
    (void)state;
    assert_true(text_compare(TEXT_LITERAL("a"), TEXT_LITERAL("b")) < 0);
    assert_true(text_compare(TEXT_LITERAL("ab"), TEXT_LITERAL("a")) > 0);
    assert_true(text_compare(TEXT_ABSENT, TEXT_LITERAL("a")) < 0);
    assert_true(text_compare(TEXT_LITERAL("\xff"), TEXT_LITERAL("a")) > 0);
    assert_int_equal(text_compare(TEXT_LITERAL("a"), TEXT_LITERAL("a")), 0);
}

static void hashes_of_near_keys_differ_in_their_low_bits(void **state)
{
    (void)state;
    bool seen[1024] = {false};
    size_t distinct = 0;
    char key[] = "sku-000";
    for (int i = 0; i < 512; i++) {
        key[4] = (char)('0' + i / 100);
        key[5] = (char)('0' + i / 10 % 10);
        key[6] = (char)('0' + i % 10);
        size_t slot = text_hash(text_from_c(key), 0) % 1024;
        distinct += seen[slot] ? 0 : 1;
        seen[slot] = true;
    }
    assert_true(distinct > 370); /* a random function gives 403, give or take 10 */
}

static void well_formed_utf8_is_accepted(void **state)
{
    (void)state;
    static const char *const CASES[] = {
        "",
        "plain ascii of more than eight bytes",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "1234567\xc3\xa9 caf\xc3\xa9",
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_true(text_is_utf8(text_from_c(CASES[i])));
    }
    assert_true(text_is_utf8(TEXT_ABSENT));
}

static void malformed_utf8_is_refused(void **state)
{
    (void)state;
    static const char *const CASES[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc3",
        "\xc3(",
        "\xe0\x9f\xbf",
        "\xe2\x82",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x90\x80",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "12345678\xc3",
        "1234567\xc3(9012345678",
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_false(text_is_utf8(text_from_c(CASES[i])));
    }
}

static void controls_are_found_wherever_they_stand(void **state)
{
    (void)state;
    assert_true(text_has_control(TEXT_LITERAL("a\nb")));
    assert_true(text_has_control(TEXT_LITERAL("a\0b")));
    assert_true(text_has_control(TEXT_LITERAL("\x7f")));
    assert_true(text_has_control(TEXT_LITERAL("ab\xc2\x80")));
    assert_true(text_has_control(TEXT_LITERAL("\xc2\x9f")));
    assert_false(text_has_control(TEXT_LITERAL("\xc2\xa0")));
    assert_false(text_has_control(TEXT_LITERAL("caf\xc3\xa9 \xe2\x82\xac")));
    assert_false(text_has_control(TEXT_LITERAL("")));
}

static void whole_decimal_integers_are_parsed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } CASES[] = {
        {"0", 0},
        {"-0", 0},
        {"007", 7},
        {"1999", 1999},
        {"-1", -1},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        int64_t value = 42;
        assert_true(text_to_int64(text_from_c(CASES[i].text), &value));
        assert_int_equal(value, CASES[i].value);
    }
}

static void anything_but_an_integer_is_refused(void **state)
{
    (void)state;
    static const char *const CASES[] = {
        "",
        "-",
        "+1",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "0x1",
        "--1",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999",
    };
    int64_t value = 42;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_false(text_to_int64(text_from_c(CASES[i]), &value));
    }
    assert_false(text_to_int64(TEXT_ABSENT, &value));
    assert_int_equal(value, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_is_of_bytes_and_length),
        cmocka_unit_test(order_is_of_unsigned_bytes_then_length),
        cmocka_unit_test(hashes_of_near_keys_differ_in_their_low_bits),
        cmocka_unit_test(well_formed_utf8_is_accepted),
        cmocka_unit_test(malformed_utf8_is_refused),
        cmocka_unit_test(controls_are_found_wherever_they_stand),
        cmocka_unit_test(whole_decimal_integers_are_parsed),
        cmocka_unit_test(anything_but_an_integer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
