/* Cron expressions, and the times that they name. The input: a zone (1 byte), how many seconds after 1970 (4), how many
 * milliseconds (2), and the expression.
 *
 * Each time is held against a second, slower reading of the expression, on the clock that the C library shows. */

#include "fuzz.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "jobs/cron.h"

#define YEARS_MAX_MS (INT64_C(14612) * 86400000) /* between two Sundays that are a 29 February */
#define MINUTES_LOOKED_AT 120
#define TIMES 4

static const char *const ZONES[] = {
    "UTC",          "Europe/Berlin",     "America/New_York", "Australia/Lord_Howe",
    "Pacific/Apia", "Africa/Casablanca", "Asia/Kathmandu",
};
#define ZONE_COUNT (sizeof(ZONES) / sizeof(ZONES[0]))

/* GLib, and with it the program, knows the changes up to 2037 as tzdata lists them, and no rule for later ones. */
#define AFTER_S_MAX ((uint64_t)2000000000)
#define KNOWN_MS_MAX (INT64_C(2114380800) * 1000) /* 2037 begins */

struct field {
    char text[CRON_EXPRESSION_BYTES_MAX + 1];
    const char *names;
    long min;
    long max;
};

static long read_value(const struct field *field, char **at)
{
    if (!isalpha((unsigned char)**at)) {
        return strtol(*at, at, 10);
    }
    long value = field->min;
    for (const char *name = field->names; strncasecmp(name, *at, 3) != 0; name += 3) {
        value++;
    }
    *at += 3;
    return value;
}

static bool field_has(const struct field *field, long value)
{
    char copy[sizeof(field->text)];
    char *rest = NULL;
    snprintf(copy, sizeof(copy), "%s", field->text);
    for (char *item = strtok_r(copy, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest)) {
        long first = field->min;
        long last = field->max;
        if (*item == '*') {
            item++;
        } else {
            first = last = read_value(field, &item);
            if (*item == '-') {
                item++;
                last = read_value(field, &item);
            }
        }
        long step = *item == '/' ? strtol(item + 1, NULL, 10) : 1;
        last = field->max == 7 && last == 0 && first > 0 ? 7 : last;
        bool is_seventh = field->max == 7 && value == 0 && last == 7 && (7 - first) % step == 0;
        if (is_seventh || (value >= first && value <= last && (value - first) % step == 0)) {
            return true;
        }
    }
    return false;
}

static struct tm wall_clock(int64_t unix_s)
{
    time_t time = (time_t)unix_s;
    struct tm wall;
    assert(localtime_r(&time, &wall) != NULL);
    return wall;
}

static bool is_named(const struct field fields[5], int64_t unix_s)
{
    struct tm wall = wall_clock(unix_s);
    bool is_date = field_has(&fields[2], wall.tm_mday);
    bool is_weekday = field_has(&fields[4], wall.tm_wday);
    bool is_either = fields[2].text[0] != '*' && fields[4].text[0] != '*';
    return wall.tm_sec == 0 && field_has(&fields[0], wall.tm_min) && field_has(&fields[1], wall.tm_hour) &&
           field_has(&fields[3], wall.tm_mon + 1) && (is_either ? is_date || is_weekday : is_date && is_weekday);
}

/* A time is named, or stands for those that the clock skipped right before it; the minutes before it are not, unless the
 * clock shows them for the second time. */
static void check_time(const struct field fields[5], int64_t after_ms, int64_t next_ms)
{
    int64_t next_s = next_ms / 1000;
    int64_t after_s = after_ms / 1000;
    bool is_behind_gap = wall_clock(next_s).tm_gmtoff > wall_clock(next_s - 1).tm_gmtoff;
    assert(next_ms % 1000 == 0);
    assert(is_behind_gap || is_named(fields, next_s));
    for (int64_t second = after_s - after_s % 60 + 60, looked = 0; second < next_s && looked < MINUTES_LOOKED_AT;
         second += 60, looked++) {
        bool may_be_shown_twice = wall_clock(second).tm_gmtoff != wall_clock(second - 86400).tm_gmtoff;
        assert(may_be_shown_twice || !is_named(fields, second));
    }
}

/* False: a shorthand. */
static bool split(struct text expression, struct field ret_fields[5])
{
    static const struct field KINDS[5] = {
        {.min = 0, .max = 59},
        {.min = 0, .max = 23},
        {.min = 1, .max = 31},
        {.min = 1, .max = 12, .names = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
        {.min = 0, .max = 7, .names = "SUNMONTUEWEDTHUFRISAT"},
    };
    char copy[CRON_EXPRESSION_BYTES_MAX + 1];
    char *rest = NULL;
    snprintf(copy, sizeof(copy), "%.*s", (int)expression.length, expression.bytes);
    char *word = strtok_r(copy, " \t", &rest);
    for (size_t i = 0; i < 5; i++, word = strtok_r(NULL, " \t", &rest)) {
        assert(word != NULL);
        if (*word == '@') {
            return false;
        }
        ret_fields[i] = KINDS[i];
        snprintf(ret_fields[i].text, sizeof(ret_fields[i].text), "%s", word);
    }
    assert(word == NULL);
    return true;
}

static void check_times(const struct cron *cron, struct text expression, int64_t after_ms)
{
    struct field fields[5];
    bool has_fields = split(expression, fields);
    for (int i = 0; i < TIMES; i++) {
        int64_t next_ms = cron_next(cron, after_ms);
        assert(next_ms > after_ms && next_ms - after_ms < YEARS_MAX_MS);
        assert(cron_next(cron, next_ms - 1) == next_ms);
        assert(cron_next(cron, after_ms + (next_ms - after_ms) / 2) == next_ms || next_ms - after_ms == 1);
        if (has_fields && next_ms < KNOWN_MS_MAX) {
            check_time(fields, after_ms, next_ms);
        }
        after_ms = next_ms;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint64_t choice = fuzz_take(&input, 1);
    int64_t after_ms = (int64_t)(fuzz_take(&input, 4) % AFTER_S_MAX * 1000 + fuzz_take(&input, 2) % 1000);
    /* One choice of two is a zone of the input's own: what stands before the first line feed. */
    bool is_own_zone = choice % 2 == 1;
    struct text zone = is_own_zone ? fuzz_take_until(&input, '\n') : text_from_c(ZONES[choice / 2 % ZONE_COUNT]);
    struct text expression = fuzz_rest(&input);
    struct cron *cron = NULL;
    struct cron_error error = {.detail = "untouched"};
    if (!cron_parse(expression, zone, &cron, &error)) {
        struct text detail = text_from_c(error.detail);
        assert(cron == NULL && detail.length < sizeof(error.detail) && strcmp(error.detail, "untouched") != 0);
        assert(text_is_utf8(detail) && !text_has_control(detail));
        return 0;
    }
    assert(strcmp(error.detail, "untouched") == 0);
    char name[CRON_TIME_ZONE_BYTES_MAX + 1];
    snprintf(name, sizeof(name), "%.*s", (int)zone.length, zone.bytes);
    setenv("TZ", name, 1);
    tzset();
    check_times(cron, expression, after_ms);
    cron_free(cron);
    return 0;
}
