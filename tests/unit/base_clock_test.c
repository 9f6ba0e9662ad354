#include <string.h>
#include <time.h>

#include "cmocka_all.h"

#include "base/clock.h"

static void assert_formats_as(int64_t unix_ms, const char *expected)
{
    char text[TIME_TEXT_LENGTH + 1];
    time_format(unix_ms, text);
    assert_string_equal(text, expected);
}

static void times_are_written_in_utc_with_milliseconds(void **state)
{
    (void)state;
    assert_formats_as(0, "1970-01-01T00:00:00.000Z");
    assert_formats_as(1795340460123, "2026-11-22T09:41:00.123Z");
    assert_formats_as(951782400000, "2000-02-29T00:00:00.000Z");
    assert_formats_as(253402300799999, "9999-12-31T23:59:59.999Z");
}

static void times_out_of_range_are_shown_as_the_nearest_end(void **state)
{
    (void)state;
    assert_formats_as(INT64_MIN, "1970-01-01T00:00:00.000Z");
    assert_formats_as(INT64_MAX, "9999-12-31T23:59:59.999Z");
}

static void every_day_agrees_with_the_c_library_and_parses_back(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 200000; day++) { /* past the year 2500 */
        int64_t unix_ms = day * 86400000 + 45296789;
        char text[TIME_TEXT_LENGTH + 1];
        time_format(unix_ms, text);
        time_t seconds = unix_ms / 1000;
        struct tm parts;
        char expected[32];
        assert_non_null(gmtime_r(&seconds, &parts));
        assert_int_equal(strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.789Z", &parts), TIME_TEXT_LENGTH);
        assert_string_equal(text, expected);
        int64_t parsed = 0;
        assert_true(time_parse(text_from_c(text), &parsed));
        assert_int_equal(parsed, unix_ms);
    }
}

static void rfc_3339_forms_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t unix_ms;
    } CASES[] = {
        {"2026-11-22T09:41:00Z", 1795340460000},
        {"2026-11-22t09:41:00z", 1795340460000},
        {"2026-11-22T09:41:00.1Z", 1795340460100},
        {"2026-11-22T09:41:00.123999999Z", 1795340460123},
        {"2026-11-22T10:41:00.123+01:00", 1795340460123},
        {"2026-11-22T05:11:00-04:30", 1795340460000},
        {"1969-12-31T23:00:00-01:00", 0},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        int64_t unix_ms = -1;
        assert_true(time_parse(text_from_c(CASES[i].text), &unix_ms));
        assert_int_equal(unix_ms, CASES[i].unix_ms);
    }
}

static void anything_else_is_refused_and_leaves_the_result(void **state)
{
    (void)state;
    static const char *const CASES[] = {
        "",
        "2026",
        "2026-11-22",
        "2026-11-22T09:41:00",
        "2026-11-22 09:41:00Z",
        "2026-11-22T09:41Z",
        "2026-11-22T09:41:00.Z",
        "2026-11-22T09:41:00.1234567890Z",
        "2026-11-22T09:41:00Zx",
        "2026-11-22T09:41:00+0100",
        "2026-11-22T09:41:00+24:00",
        "2026-11-22T24:00:00Z",
        "2026-11-22T09:60:00Z",
        "2026-11-22T23:59:60Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59-00:01",
        "+026-11-22T09:41:00Z",
    };
    int64_t unix_ms = 42;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_false(time_parse(text_from_c(CASES[i]), &unix_ms));
    }
    assert_false(time_parse(TEXT_ABSENT, &unix_ms));
    assert_int_equal(unix_ms, 42);
}

static void the_clocks_run_forward(void **state)
{
    (void)state;
    int64_t before = clock_monotonic_us();
    assert_true(clock_unix_ms() > 1700000000000);
    assert_true(clock_monotonic_us() >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_in_utc_with_milliseconds),
        cmocka_unit_test(times_out_of_range_are_shown_as_the_nearest_end),
        cmocka_unit_test(every_day_agrees_with_the_c_library_and_parses_back),
        cmocka_unit_test(rfc_3339_forms_are_understood),
        cmocka_unit_test(anything_else_is_refused_and_leaves_the_result),
        cmocka_unit_test(the_clocks_run_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
