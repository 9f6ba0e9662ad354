#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmocka_all.h"

#include "base/clock.h"
#include "jobs/cron.h"

static struct cron *parse(const char *expression, const char *zone)
{
    struct cron *cron = NULL;
    struct cron_error error = {false, ""};
    if (!cron_parse(text_from_c(expression), text_from_c(zone), &cron, &error)) {
        fail_msg("%s in %s: %s", expression, zone, error.detail);
    }
    return cron;
}

static int64_t at(const char *time)
{
    int64_t unix_ms = 0;
    assert_true(time_parse(text_from_c(time), &unix_ms));
    return unix_ms;
}

static void assert_same_time(const char *expression, const char *zone, int64_t found_ms, int64_t expected_ms)
{
    if (found_ms != expected_ms) {
        char found[TIME_TEXT_LENGTH + 1];
        char expected[TIME_TEXT_LENGTH + 1];
        time_format(found_ms, found);
        time_format(expected_ms, expected);
        fail_msg("%s in %s runs at %s, and not at %s", expression, zone, found, expected);
    }
}

/* `expected` are the next times, RFC 3339 with an offset, in their order, with spaces between. */
static void assert_runs(const char *expression, const char *zone, const char *after, const char *expected)
{
    struct cron *cron = parse(expression, zone);
    char copy[512];
    snprintf(copy, sizeof(copy), "%s", expected);
    int64_t now = at(after);
    char *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        now = cron_next(cron, now);
        assert_same_time(expression, zone, now, at(word));
    }
    cron_free(cron);
}

/* --- fields --- */

static void fields_name_minutes_hours_days_and_months(void **state)
{
    (void)state;
    const char *after = "2026-03-10T10:20:30.500Z"; /* a Tuesday */
    assert_runs("* * * * *", "UTC", after, "2026-03-10T10:21:00Z 2026-03-10T10:22:00Z");
    assert_runs("5 * * * *", "UTC", after, "2026-03-10T11:05:00Z 2026-03-10T12:05:00Z");
    assert_runs("0,30 9-10 * * *", "UTC", after, "2026-03-10T10:30:00Z 2026-03-11T09:00:00Z 2026-03-11T09:30:00Z");
    assert_runs("*/25 10 * * *", "UTC", after, "2026-03-10T10:25:00Z 2026-03-10T10:50:00Z 2026-03-11T10:00:00Z");
    assert_runs("10-40/15,59 10 * * *", "UTC", after,
                "2026-03-10T10:25:00Z 2026-03-10T10:40:00Z 2026-03-10T10:59:00Z 2026-03-11T10:10:00Z");
    assert_runs("0 0 31 * *", "UTC", after, "2026-03-31T00:00:00Z 2026-05-31T00:00:00Z 2026-07-31T00:00:00Z");
    assert_runs("0 0 1 JAN,jul *", "UTC", after, "2026-07-01T00:00:00Z 2027-01-01T00:00:00Z");
    assert_runs("0 12 * * mon-Fri", "UTC", after,
                "2026-03-10T12:00:00Z 2026-03-11T12:00:00Z 2026-03-12T12:00:00Z 2026-03-13T12:00:00Z "
                "2026-03-16T12:00:00Z");
    assert_runs("0 12 * * 7", "UTC", after, "2026-03-15T12:00:00Z 2026-03-22T12:00:00Z");
    assert_runs("0 12 * * 0", "UTC", after, "2026-03-15T12:00:00Z 2026-03-22T12:00:00Z");
    assert_runs("0 12 * * SAT-SUN", "UTC", after, "2026-03-14T12:00:00Z 2026-03-15T12:00:00Z 2026-03-21T12:00:00Z");
    assert_runs(" \t0  12\t* * * ", "UTC", after, "2026-03-10T12:00:00Z");
}

static void shorthands_stand_for_expressions(void **state)
{
    (void)state;
    const char *after = "2026-03-10T10:20:30Z";
    assert_runs("@hourly", "UTC", after, "2026-03-10T11:00:00Z 2026-03-10T12:00:00Z");
    assert_runs("@daily", "UTC", after, "2026-03-11T00:00:00Z 2026-03-12T00:00:00Z");
    assert_runs("@MIDNIGHT", "UTC", after, "2026-03-11T00:00:00Z 2026-03-12T00:00:00Z");
    assert_runs("@weekly", "UTC", after, "2026-03-15T00:00:00Z 2026-03-22T00:00:00Z");
    assert_runs("@monthly", "UTC", after, "2026-04-01T00:00:00Z 2026-05-01T00:00:00Z");
    assert_runs(" @yearly ", "UTC", after, "2027-01-01T00:00:00Z 2028-01-01T00:00:00Z");
    assert_runs("@annually", "UTC", after, "2027-01-01T00:00:00Z 2028-01-01T00:00:00Z");
}

static void either_day_field_is_enough_where_both_are_restricted(void **state)
{
    (void)state;
    assert_runs("0 0 13 * FRI", "UTC", "2026-03-10T00:00:00Z",
                "2026-03-13T00:00:00Z 2026-03-20T00:00:00Z 2026-03-27T00:00:00Z 2026-04-03T00:00:00Z "
                "2026-04-10T00:00:00Z 2026-04-13T00:00:00Z");
    assert_runs("0 0 */2 * FRI", "UTC", "2026-03-10T00:00:00Z", "2026-03-13T00:00:00Z 2026-03-27T00:00:00Z");
}

static void the_next_time_is_strictly_later(void **state)
{
    (void)state;
    struct cron *cron = parse("*/10 * * * *", "UTC");
    assert_true(cron_next(cron, at("2026-03-10T10:19:59.999Z")) == at("2026-03-10T10:20:00Z"));
    assert_true(cron_next(cron, at("2026-03-10T10:20:00Z")) == at("2026-03-10T10:30:00Z"));
    assert_true(cron_next(cron, at("2026-03-10T10:20:00.001Z")) == at("2026-03-10T10:30:00Z"));
    assert_true(cron_next(cron, -1) == 0);
    assert_true(cron_next(cron, -600000) == 0);
    assert_true(cron_next(cron, -600001) == -600000);
    cron_free(cron);
}

static void leap_days_come_when_they_come(void **state)
{
    (void)state;
    assert_runs("0 12 29 2 *", "UTC", "2026-03-10T00:00:00Z", "2028-02-29T12:00:00Z 2032-02-29T12:00:00Z");
    assert_runs("0 12 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T12:00:00Z");
    assert_runs("0 0 1 3 *", "UTC", "2024-02-29T12:00:00Z", "2024-03-01T00:00:00Z 2025-03-01T00:00:00Z");
    assert_runs("0 0 28-31 2 *", "UTC", "2027-12-01T00:00:00Z",
                "2028-02-28T00:00:00Z 2028-02-29T00:00:00Z 2029-02-28T00:00:00Z 2030-02-28T00:00:00Z");
    assert_runs("0 0 29 2 */7", "UTC", "2026-03-10T00:00:00Z", "2032-02-29T00:00:00Z 2060-02-29T00:00:00Z");
    assert_runs("* * 29 2 */7", "Europe/Berlin", "2088-03-01T00:00:00Z", "2128-02-28T23:00:00Z");
}

static void a_day_that_never_comes_is_refused(void **state)
{
    (void)state;
    static const char *const NEVER[] = {"0 0 30 2 *", "* * 31 4,6,9,11 *", "0 0 30-31 FEB *", "0 0 30 2 */2"};
    for (size_t i = 0; i < sizeof(NEVER) / sizeof(NEVER[0]); i++) {
        struct cron *cron = NULL;
        struct cron_error error = {true, ""};
        assert_false(cron_parse(text_from_c(NEVER[i]), TEXT_LITERAL("Europe/Berlin"), &cron, &error));
        assert_null(cron);
        assert_false(error.is_in_time_zone);
        assert_non_null(strstr(error.detail, "day of month: \"3"));
        assert_non_null(strstr(error.detail, "comes in no month that is named"));
    }
    assert_runs("0 0 30 2 MON", "UTC", "2026-02-10T00:00:00Z", "2026-02-16T00:00:00Z"); /* each Monday in February */
    assert_runs("0 0 31 4,5 *", "UTC", "2026-03-10T00:00:00Z", "2026-05-31T00:00:00Z 2027-05-31T00:00:00Z");
}

static void errors_say_which_field_and_why(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        const char *detail;
    } CASES[] = {
        {"", "0 fields"},
        {"  ", "0 fields"},
        {"* * * *", "4 fields"},
        {"* * * * * *", "more than 5 fields"},
        {"60 * * * *", "minute: 60 is not within 0 to 59"},
        {"* 24 * * *", "hour: 24 is not within 0 to 23"},
        {"* * 0 * *", "day of month: 0 is not within 1 to 31"},
        {"* * 32 * *", "day of month: 32 is not within 1 to 31"},
        {"* * * 13 *", "month: 13 is not within 1 to 12"},
        {"* * * 0 *", "month: 0 is not within 1 to 12"},
        {"* * * * 8", "day of week: 8 is not within 0 to 7"},
        {"* * * * MOO", "day of week: \"MOO\" is neither number nor name"},
        {"* * * MONDAY *", "month: \"MONDAY\" is neither number nor name"},
        {"JAN * * * *", "minute: \"JAN\" is no number"},
        {"-5 * * * *", "minute: a value is missing"},
        {"5- * * * *", "minute: a value is missing"},
        {"5-1 * * * *", "minute: \"5-1\" ends before it begins"},
        {"* * * * FRI-MON", "day of week: \"FRI-MON\" ends before it begins"},
        {"1-2-3 * * * *", "minute: \"2-3\" is no number"},
        {"1,,2 * * * *", "minute: a value is missing"},
        {"1, * * * *", "minute: a value is missing"},
        {", * * * *", "minute: a value is missing"},
        {"*/0 * * * *", "minute: the step of \"*/0\" is not within 1 to 59"},
        {"*/60 * * * *", "minute: the step of \"*/60\" is not within 1 to 59"},
        {"*/ * * * *", "minute: the step of \"*/\" is not within"},
        {"*/x * * * *", "minute: the step of \"*/x\" is not within"},
        {"*/5/5 * * * *", "minute: the step of \"*/5/5\" is not within"},
        {"5/15 * * * *", "minute: \"5/15\" has a step, and neither \"*\" nor a range"},
        {"** * * * *", "minute: \"**\" is no number"},
        {"99999999999999999999 * * * *", "minute: \"99999999999999999999\" is no number"},
        {"?\xc3\xa4 * * * *", "characters other than"},
        {"* * * * L", "day of week: \"L\" is neither"},
        {"@reboot", "@hourly, @daily"},
        {"@", "@hourly, @daily"},
        {"@daily 5", "@hourly, @daily"},
        {"* * * * *\n", "characters other than"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct cron *cron = NULL;
        struct cron_error error = {true, ""};
        assert_false(cron_parse(text_from_c(CASES[i].expression), TEXT_LITERAL("UTC"), &cron, &error));
        assert_null(cron);
        assert_false(error.is_in_time_zone);
        if (strstr(error.detail, CASES[i].detail) == NULL) {
            fail_msg("%s: %s", CASES[i].expression, error.detail);
        }
    }
}

static void expressions_are_bounded(void **state)
{
    (void)state;
    char expression[CRON_EXPRESSION_BYTES_MAX + 2];
    memset(expression, ' ', sizeof(expression));
    memcpy(expression, "0 0 * * *", strlen("0 0 * * *"));
    struct cron *cron = NULL;
    struct cron_error error;
    assert_false(cron_parse((struct text){expression, sizeof(expression)}, TEXT_LITERAL("UTC"), &cron, &error));
    assert_non_null(strstr(error.detail, "longer than 256 bytes"));
    assert_true(cron_parse((struct text){expression, CRON_EXPRESSION_BYTES_MAX}, TEXT_LITERAL("UTC"), &cron, &error));
    cron_free(cron);
    memset(expression, 'x', sizeof(expression));
    assert_false(cron_parse((struct text){expression, CRON_EXPRESSION_BYTES_MAX}, TEXT_LITERAL("UTC"), &cron, &error));
    assert_non_null(strstr(error.detail, "1 fields"));
}

static void only_names_of_zones_are_time_zones(void **state)
{
    (void)state;
    static const char *const WRONG[] = {
        "",
        "Mars/Olympus",
        "europe/berlin",
        "Europe/Berlin ",
        "Europe",
        "/etc/localtime",
        "../../../etc/passwd",
        "Europe/../UTC",
        "UTC+2",
        "+02:00",
        "XYZ3",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "Europe/\"Berlin\"",
        ":UTC",
        "America/An_Overlong_Name_That_Nobody_Would_Ever_Give_To_Any_Zone_On_This_Earth",
    };
    static const char *const RIGHT[] = {
        "UTC", "Etc/UTC", "Etc/GMT+2", "Asia/Kathmandu", "America/Port-au-Prince", "America/Argentina/Buenos_Aires"};
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        struct cron *cron = NULL;
        struct cron_error error = {false, ""};
        if (cron_parse(TEXT_LITERAL("* * * * *"), text_from_c(WRONG[i]), &cron, &error)) {
            fail_msg("%s is no time zone", WRONG[i]);
        }
        assert_true(error.is_in_time_zone);
        assert_non_null(strstr(error.detail, "time zone"));
    }
    for (size_t i = 0; i < sizeof(RIGHT) / sizeof(RIGHT[0]); i++) {
        cron_free(parse("* * * * *", RIGHT[i]));
    }
}

/* --- zones --- */

static void times_are_those_of_the_zone(void **state)
{
    (void)state;
    const char *after = "2026-01-10T00:00:00Z";
    assert_runs("0 9 * * *", "Europe/Berlin", after, "2026-01-10T09:00:00+01:00 2026-01-11T09:00:00+01:00");
    assert_runs("0 9 * * *", "America/New_York", after, "2026-01-10T09:00:00-05:00 2026-01-11T09:00:00-05:00");
    assert_runs("0 9 * * *", "Asia/Kathmandu", after, "2026-01-10T09:00:00+05:45 2026-01-11T09:00:00+05:45");
    assert_runs("0 * * * *", "Asia/Kathmandu", after, "2026-01-10T06:00:00+05:45 2026-01-10T07:00:00+05:45");
    assert_runs("0 9 * * *", "Australia/Lord_Howe", after, "2026-01-11T09:00:00+11:00 2026-01-12T09:00:00+11:00");
    assert_runs("0 0 * * MON", "Pacific/Kiritimati", after, "2026-01-12T00:00:00+14:00 2026-01-19T00:00:00+14:00");
    assert_runs("0 9 * * *", "Europe/Berlin", "2026-07-10T00:00:00Z", "2026-07-10T09:00:00+02:00");
}

static void a_skipped_time_runs_at_the_end_of_the_gap(void **state)
{
    (void)state;
    const char *berlin = "Europe/Berlin"; /* 02:00 is followed by 03:00 on 29 March 2026 */
    assert_runs("30 2 * * *", berlin, "2026-03-28T00:00:00Z",
                "2026-03-28T02:30:00+01:00 2026-03-29T03:00:00+02:00 2026-03-30T02:30:00+02:00");
    assert_runs("0,30 2-3 * * *", berlin, "2026-03-29T00:00:00+01:00",
                "2026-03-29T03:00:00+02:00 2026-03-29T03:30:00+02:00 2026-03-30T02:00:00+02:00");
    assert_runs("0 */2 * * *", berlin, "2026-03-28T23:00:00Z", "2026-03-29T03:00:00+02:00 2026-03-29T04:00:00+02:00");
    assert_runs("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", /* by half an hour */
                "2026-10-04T02:30:00+11:00 2026-10-05T02:15:00+11:00");
    assert_runs("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", /* at midnight */
                "2018-11-04T01:00:00-02:00 2018-11-05T00:00:00-02:00");
    assert_runs("0 12 * * *", "Pacific/Apia", "2011-12-29T12:00:00-10:00", /* a whole day */
                "2011-12-31T00:00:00+14:00 2011-12-31T12:00:00+14:00");
}

static void a_time_shown_twice_runs_once(void **state)
{
    (void)state;
    const char *berlin = "Europe/Berlin"; /* 03:00 is followed by 02:00 on 25 October 2026 */
    assert_runs("30 2 * * *", berlin, "2026-10-24T12:00:00Z", "2026-10-25T02:30:00+02:00 2026-10-26T02:30:00+01:00");
    assert_runs("30 2 * * *", berlin, "2026-10-25T02:45:00+02:00", "2026-10-26T02:30:00+01:00");
    assert_runs("30 2 * * *", berlin, "2026-10-25T02:15:00+01:00", "2026-10-26T02:30:00+01:00");
    assert_runs("0 2,3 * * *", berlin, "2026-10-24T12:00:00Z",
                "2026-10-25T02:00:00+02:00 2026-10-25T03:00:00+01:00 2026-10-26T02:00:00+01:00");
    assert_runs("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00+11:00",
                "2026-04-05T01:45:00+11:00 2026-04-06T01:45:00+10:30");
    assert_runs("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z",
                "2026-11-01T01:30:00-04:00 2026-11-02T01:30:00-05:00");
    assert_runs("30 23 * * *", "America/Sao_Paulo", "2018-02-17T12:00:00Z",
                "2018-02-17T23:30:00-02:00 2018-02-18T23:30:00-03:00");
}

static void what_runs_every_hour_keeps_its_pace(void **state)
{
    (void)state;
    assert_runs("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z",
                "2026-03-29T01:30:00+01:00 2026-03-29T03:30:00+02:00 2026-03-29T04:30:00+02:00");
    assert_runs("30 * * * *", "Europe/Berlin", "2026-10-24T23:00:00Z",
                "2026-10-25T01:30:00+02:00 2026-10-25T02:30:00+02:00 2026-10-25T02:30:00+01:00 "
                "2026-10-25T03:30:00+01:00");
    struct cron *cron = parse("*/20 * * * *", "Europe/Berlin");
    for (int change = 0; change < 2; change++) {
        int64_t now = at(change == 0 ? "2026-03-28T12:00:00Z" : "2026-10-24T12:00:00Z");
        for (int i = 0; i < 100; i++) {
            assert_true(cron_next(cron, now) == now + 20 * 60000);
            now += 20 * 60000;
        }
    }
    cron_free(cron);
}

/* --- against a search minute by minute, with the C library's clock and a simpler reading of expressions --- */

static bool plain_field_names(const char *field, int value)
{
    char copy[64];
    snprintf(copy, sizeof(copy), "%s", field);
    char *rest = NULL;
    for (char *item = strtok_r(copy, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest)) {
        int first = 0;
        int last = 99;
        int step = 1;
        if (sscanf(item, "*/%d", &step) != 1 && strcmp(item, "*") != 0) { /* NOLINT(cert-err34-c) */
            int count = sscanf(item, "%d-%d/%d", &first, &last, &step);   /* NOLINT(cert-err34-c) */
            last = count == 1 ? first : last;
        }
        if (value >= first && value <= last && (value - first) % step == 0) {
            return true;
        }
    }
    return false;
}

static bool plain_names(char fields[5][64], int64_t wall_minute)
{
    time_t wall_s = wall_minute * 60;
    struct tm parts;
    assert_non_null(gmtime_r(&wall_s, &parts));
    bool day = plain_field_names(fields[2], parts.tm_mday);
    bool weekday = plain_field_names(fields[4], parts.tm_wday);
    return plain_field_names(fields[0], parts.tm_min) && plain_field_names(fields[1], parts.tm_hour) &&
           plain_field_names(fields[3], parts.tm_mon + 1) &&
           (fields[2][0] != '*' && fields[4][0] != '*' ? day || weekday : day && weekday);
}

static int64_t plain_wall_minute(int64_t minute)
{
    time_t unix_s = minute * 60;
    struct tm parts;
    assert_non_null(localtime_r(&unix_s, &parts));
    return minute + parts.tm_gmtoff / 60;
}

static unsigned pick(unsigned *seed, unsigned count)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 16) % count;
}

static void random_expression(unsigned *seed, char fields[5][64])
{
    static const char *const MINUTES[] = {"*", "0", "30", "15,45", "*/20", "5-50/15", "*/7"};
    static const char *const HOURS[] = {"*", "*", "0", "1", "2", "3", "0-3", "*/2", "1,2,23", "0-23"};
    static const char *const DAYS[] = {"*", "*", "*", "29", "1-15", "4,5,25,28"};
    static const char *const MONTHS[] = {"*", "*", "3,10,11", "2-4", "10"};
    static const char *const WEEKDAYS[] = {"*", "*", "0", "1-5", "0,6"};
    snprintf(fields[0], 64, "%s", MINUTES[pick(seed, 7)]);
    snprintf(fields[1], 64, "%s", HOURS[pick(seed, 10)]);
    snprintf(fields[2], 64, "%s", DAYS[pick(seed, 6)]);
    snprintf(fields[3], 64, "%s", MONTHS[pick(seed, 5)]);
    snprintf(fields[4], 64, "%s", WEEKDAYS[pick(seed, 5)]);
}

/* Asks, at each time that the plain search finds, whether cron_next finds it, too. Returns how many these were. */
static unsigned compare_with_plain_search(char fields[5][64], const char *zone, int64_t first_minute,
                                          int64_t last_minute)
{
    char expression[5 * 64];
    snprintf(expression, sizeof(expression), "%.63s %.63s %.63s %.63s %.63s", fields[0], fields[1], fields[2],
             fields[3], fields[4]);
    struct cron *cron = parse(expression, zone);
    bool is_each_hour = strcmp(fields[1], "*") == 0 || strcmp(fields[1], "0-23") == 0;
    int64_t seen_wall_minute = plain_wall_minute(first_minute);
    int64_t now_ms = first_minute * 60000;
    unsigned run_count = 0;
    for (int64_t minute = first_minute + 1; minute <= last_minute; minute++) {
        int64_t wall_minute = plain_wall_minute(minute);
        bool runs = is_each_hour && plain_names(fields, wall_minute);
        for (; seen_wall_minute < wall_minute; seen_wall_minute++) {
            runs = runs || (!is_each_hour && plain_names(fields, seen_wall_minute + 1));
        }
        if (runs) {
            int64_t next_ms = cron_next(cron, now_ms);
            assert_same_time(expression, zone, next_ms, minute * 60000);
            now_ms = next_ms;
            run_count++;
        }
    }
    assert_true(cron_next(cron, now_ms) > last_minute * 60000);
    cron_free(cron);
    return run_count;
}

static void a_search_minute_by_minute_finds_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *zone;
        const char *from[2]; /* shortly before a change of the clock */
    } ZONES[] = {
        {"UTC", {"2028-02-20T00:00:00Z", "2026-12-25T00:00:00Z"}},
        {"Europe/Berlin", {"2026-03-27T00:00:00Z", "2026-10-23T00:00:00Z"}},
        {"America/New_York", {"2026-03-06T00:00:00Z", "2026-10-30T00:00:00Z"}},
        {"Australia/Lord_Howe", {"2026-10-02T00:00:00Z", "2026-04-03T00:00:00Z"}},
        {"Asia/Kathmandu", {"2026-03-27T00:00:00Z", "1985-12-30T00:00:00Z"}},
        {"America/Sao_Paulo", {"2018-11-02T00:00:00Z", "2018-02-16T00:00:00Z"}},
        {"Africa/Casablanca", {"2026-02-13T00:00:00Z", "2026-03-20T00:00:00Z"}},
        {"Pacific/Apia", {"2011-12-28T00:00:00Z", "2012-03-30T00:00:00Z"}},
    };
    const char *seed_text = getenv("CRON_TEST_SEED");
    unsigned seed = seed_text == NULL ? 20260310 : (unsigned)strtoul(seed_text, NULL, 10);
    print_message("# CRON_TEST_SEED=%u\n", seed);
    for (size_t i = 0; i < sizeof(ZONES) / sizeof(ZONES[0]); i++) {
        unsigned run_count = 0;
        setenv("TZ", ZONES[i].zone, 1);
        tzset();
        for (int round = 0; round < 60; round++) {
            char fields[5][64];
            random_expression(&seed, fields);
            int64_t first_minute = at(ZONES[i].from[round % 2]) / 60000 + pick(&seed, 1440);
            run_count += compare_with_plain_search(fields, ZONES[i].zone, first_minute, first_minute + 6 * 1440);
        }
        assert_in_range(run_count, 1000, 100000);
    }
    unsetenv("TZ");
    tzset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_name_minutes_hours_days_and_months),
        cmocka_unit_test(shorthands_stand_for_expressions),
        cmocka_unit_test(either_day_field_is_enough_where_both_are_restricted),
        cmocka_unit_test(the_next_time_is_strictly_later),
        cmocka_unit_test(leap_days_come_when_they_come),
        cmocka_unit_test(a_day_that_never_comes_is_refused),
        cmocka_unit_test(errors_say_which_field_and_why),
        cmocka_unit_test(expressions_are_bounded),
        cmocka_unit_test(only_names_of_zones_are_time_zones),
        cmocka_unit_test(times_are_those_of_the_zone),
        cmocka_unit_test(a_skipped_time_runs_at_the_end_of_the_gap),
        cmocka_unit_test(a_time_shown_twice_runs_once),
        cmocka_unit_test(what_runs_every_hour_keeps_its_pace),
        cmocka_unit_test(a_search_minute_by_minute_finds_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
