#include "jobs/cron.h"

#include <assert.h>
#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"

#define MINUTE_S 60
#define HOUR_S 3600
#define DAY_S 86400
#define EVERY_HOUR 0xffffffu
#define SEARCH_DAYS_MAX 14610      /* forty years: the next 29 February that is a Sunday may be so far away */
#define OFFSET_S_MAX (16 * HOUR_S) /* no clock was ever further from UTC */

enum field { FIELD_MINUTE, FIELD_HOUR, FIELD_DAY, FIELD_MONTH, FIELD_WEEKDAY, FIELD_COUNT };

static const struct field_kind {
    const char *name;
    unsigned min;
    unsigned max;
    const char *value_names; /* three letters each, from `min` on; NULL: none */
} FIELDS[FIELD_COUNT] = {
    [FIELD_MINUTE] = {"minute", 0, 59, NULL},
    [FIELD_HOUR] = {"hour", 0, 23, NULL},
    [FIELD_DAY] = {"day of month", 1, 31, NULL},
    [FIELD_MONTH] = {"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
    [FIELD_WEEKDAY] = {"day of week", 0, 7, "SUNMONTUEWEDTHUFRISAT"},
};

static const struct {
    const char *name;
    const char *expression;
} SHORTHANDS[] = {
    {"@hourly", "0 * * * *"}, {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
    {"@yearly", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@annually", "0 0 1 1 *"},
};

struct cron {
    uint64_t values[FIELD_COUNT]; /* bit n: the field names n; Sunday is bit 0 */
    bool is_either_day_enough;    /* neither day field begins with "*" */
    GTimeZone *zone;
};

/* ---- Parsing ---- */

static bool fail(struct cron_error *error, const char *format, ...) PRINTF_LIKE(2, 3);
static bool fail(struct cron_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error->is_in_time_zone = false;
    vsnprintf(error->detail, sizeof(error->detail), format, arguments);
    va_end(arguments);
    return false;
}

#define ECHO_LENGTH_MAX 24 /* of what was written, in an error */

static bool fail_at(struct cron_error *error, const struct field_kind *kind, struct text part, const char *what)
{
    int length = part.length < ECHO_LENGTH_MAX ? (int)part.length : ECHO_LENGTH_MAX;
    return fail(error, "%s: \"%.*s\" %s", kind->name, length, part.bytes, what);
}

/* Cuts the text up to `separator`, or all of it, off the rest. */
static struct text take_until(struct text *rest, char separator)
{
    const char *end = memchr(rest->bytes, separator, rest->length);
    struct text part = {rest->bytes, end == NULL ? rest->length : (size_t)(end - rest->bytes)};
    size_t taken = end == NULL ? part.length : part.length + 1;
    *rest = (struct text){rest->bytes + taken, rest->length - taken};
    return part;
}

static bool contains(struct text text, char c)
{
    return memchr(text.bytes, c, text.length) != NULL;
}

static bool parse_number(struct text part, unsigned *ret_number)
{
    unsigned number = 0;
    for (size_t i = 0; i < part.length; i++) {
        if (part.bytes[i] < '0' || part.bytes[i] > '9' || number > 999) {
            return false;
        }
        number = number * 10 + (unsigned)(part.bytes[i] - '0');
    }
    *ret_number = number;
    return part.length > 0;
}

static bool parse_value(const struct field_kind *kind, struct text part, unsigned *ret_value, struct cron_error *error)
{
    size_t names_length = kind->value_names == NULL ? 0 : strlen(kind->value_names);
    for (size_t at = 0; part.length == 3 && at < names_length; at += 3) {
        if (strncasecmp(kind->value_names + at, part.bytes, 3) == 0) {
            *ret_value = kind->min + (unsigned)(at / 3);
            return true;
        }
    }
    unsigned value;
    if (part.length == 0) {
        return fail(error, "%s: a value is missing", kind->name);
    }
    if (!parse_number(part, &value)) {
        return fail_at(error, kind, part, kind->value_names == NULL ? "is no number" : "is neither number nor name");
    }
    if (value < kind->min || value > kind->max) {
        return fail(error, "%s: %u is not within %u to %u", kind->name, value, kind->min, kind->max);
    }
    *ret_value = value;
    return true;
}

/* "*", "5", "1-5", and with a step the first and the last of these. */
static bool parse_item(const struct field_kind *kind, struct text item, uint64_t *values, struct cron_error *error)
{
    bool has_step = contains(item, '/');
    struct text step_text = item;
    struct text range = take_until(&step_text, '/');
    struct text last_text = range;
    struct text first_text = take_until(&last_text, '-');
    bool is_all = text_equal_c(range, "*");
    unsigned first = kind->min;
    unsigned last = kind->max;
    if (!is_all && !parse_value(kind, first_text, &first, error)) {
        return false;
    }
    if (!is_all && !contains(range, '-')) {
        if (has_step) {
            return fail_at(error, kind, item, "has a step, and neither \"*\" nor a range before it");
        }
        last = first;
    } else if (!is_all && !parse_value(kind, last_text, &last, error)) {
        return false;
    }
    if (kind == &FIELDS[FIELD_WEEKDAY] && last == 0 && first > 0) {
        last = 7; /* FRI-SUN */
    }
    if (last < first) {
        return fail_at(error, kind, range, "ends before it begins");
    }
    unsigned step = 1;
    if (has_step && (!parse_number(step_text, &step) || step < 1 || step > kind->max)) {
        return fail(error, "%s: the step of \"%.*s\" is not within 1 to %u", kind->name,
                    (int)(item.length < ECHO_LENGTH_MAX ? item.length : ECHO_LENGTH_MAX), item.bytes, kind->max);
    }
    for (unsigned value = first; value <= last; value += step) {
        *values |= UINT64_C(1) << value;
    }
    return true;
}

static bool parse_field(const struct field_kind *kind, struct text field, uint64_t *ret_values,
                        struct cron_error *error)
{
    uint64_t values = 0;
    bool is_more;
    do {
        is_more = contains(field, ',');
        struct text item = take_until(&field, ',');
        if (!parse_item(kind, item, &values, error)) {
            return false;
        }
    } while (is_more);
    if (kind == &FIELDS[FIELD_WEEKDAY]) {
        values = (values | values >> 7) & 0x7f;
    }
    *ret_values = values;
    return true;
}

/* Cuts the next word off; empty where there is none. */
static struct text take_word(struct text *rest)
{
    while (rest->length > 0 && (rest->bytes[0] == ' ' || rest->bytes[0] == '\t')) {
        *rest = (struct text){rest->bytes + 1, rest->length - 1};
    }
    size_t length = 0;
    while (length < rest->length && rest->bytes[length] != ' ' && rest->bytes[length] != '\t') {
        length++;
    }
    struct text word = {rest->bytes, length};
    *rest = (struct text){rest->bytes + length, rest->length - length};
    return word;
}

/* Where either day field is enough there is always a weekday. Where both have to name a day, each date becomes each
 * weekday in time, 29 February too. */
static bool names_some_day(const struct cron *cron)
{
    static const unsigned LAST_DAYS[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (unsigned month = 1; month <= 12; month++) {
        uint64_t days = (UINT64_C(2) << LAST_DAYS[month - 1]) - 1;
        if ((cron->values[FIELD_MONTH] >> month & 1) != 0 && (cron->values[FIELD_DAY] & days) != 0) {
            return true;
        }
    }
    return cron->is_either_day_enough;
}

static bool parse_fields(struct text expression, struct cron *cron, struct cron_error *error)
{
    struct text words[FIELD_COUNT];
    for (int field = 0; field < FIELD_COUNT; field++) {
        words[field] = take_word(&expression);
        if (words[field].length == 0) {
            return fail(error, "there are %d fields, and not %d: minute, hour, day of month, month, day of week", field,
                        FIELD_COUNT);
        }
    }
    if (take_word(&expression).length > 0) {
        return fail(error, "there are more than %d fields: minute, hour, day of month, month, day of week",
                    FIELD_COUNT);
    }
    for (int field = 0; field < FIELD_COUNT; field++) {
        if (!parse_field(&FIELDS[field], words[field], &cron->values[field], error)) {
            return false;
        }
    }
    cron->is_either_day_enough = words[FIELD_DAY].bytes[0] != '*' && words[FIELD_WEEKDAY].bytes[0] != '*';
    return names_some_day(cron) ||
           fail_at(error, &FIELDS[FIELD_DAY], words[FIELD_DAY], "comes in no month that is named");
}

/* What is no part of any expression is refused at once, so that errors may repeat what was written. */
static bool has_foreign_byte(struct text text, const char *allowed)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        bool is_word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!is_word && (c == '\0' || strchr(allowed, c) == NULL)) {
            return true;
        }
    }
    return false;
}

static bool parse_expression(struct text expression, struct cron *cron, struct cron_error *error)
{
    if (expression.length > CRON_EXPRESSION_BYTES_MAX) {
        return fail(error, "the expression is longer than %d bytes", CRON_EXPRESSION_BYTES_MAX);
    }
    if (has_foreign_byte(expression, "*,-/@ \t")) {
        return fail(error, "the expression has characters other than letters, digits, spaces and * , - / @");
    }
    struct text rest = expression;
    struct text first_word = take_word(&rest);
    if (first_word.length == 0 || first_word.bytes[0] != '@') {
        return parse_fields(expression, cron, error);
    }
    for (size_t i = 0; i < sizeof(SHORTHANDS) / sizeof(SHORTHANDS[0]); i++) {
        if (strlen(SHORTHANDS[i].name) == first_word.length &&
            strncasecmp(SHORTHANDS[i].name, first_word.bytes, first_word.length) == 0 && take_word(&rest).length == 0) {
            return parse_fields(text_from_c(SHORTHANDS[i].expression), cron, error);
        }
    }
    return fail(error,
                "what begins with @ is one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually");
}

/* GLib would take more than IANA's names: a path out of the zones' folder, and POSIX rules, where "UTC+2" is two hours
 * west of Greenwich. Digits stand in no name that people use but behind a slash (Etc/GMT+2). */
static bool is_zone_name(struct text name)
{
    if (name.length == 0 || name.length > CRON_TIME_ZONE_BYTES_MAX || has_foreign_byte(name, "_-+/")) {
        return false;
    }
    bool is_below = false;
    for (size_t i = 0; i < name.length; i++) {
        bool is_letter = (name.bytes[i] | 0x20) >= 'a' && (name.bytes[i] | 0x20) <= 'z';
        if ((i == 0 && !is_letter) || (!is_below && name.bytes[i] >= '0' && name.bytes[i] <= '9')) {
            return false;
        }
        is_below = is_below || name.bytes[i] == '/';
    }
    return true;
}

static bool find_zone(struct text name, GTimeZone **ret_zone, struct cron_error *error)
{
    if (!is_zone_name(name)) {
        fail(error, "the time zone is no IANA name, such as Europe/Berlin or UTC");
        error->is_in_time_zone = true;
        return false;
    }
    char copy[CRON_TIME_ZONE_BYTES_MAX + 1];
    snprintf(copy, sizeof(copy), "%.*s", (int)name.length, name.bytes);
    GTimeZone *zone = g_time_zone_new_identifier(copy);
    if (zone == NULL) {
        fail(error, "the time zone \"%s\" is not known to this machine's tzdata", copy);
        error->is_in_time_zone = true;
        return false;
    }
    *ret_zone = zone;
    return true;
}

bool cron_parse(struct text expression, struct text time_zone, struct cron **ret_cron, struct cron_error *error)
{
    struct cron cron;
    if (!parse_expression(expression, &cron, error) || !find_zone(time_zone, &cron.zone, error)) {
        return false;
    }
    *ret_cron = memory_alloc(sizeof(cron));
    **ret_cron = cron;
    return true;
}

void cron_free(struct cron *cron)
{
    if (cron != NULL) {
        g_time_zone_unref(cron->zone);
        free(cron);
    }
}

/* ---- Which times on the wall an expression names. They are counted in seconds since 1970-01-01T00:00 on that wall ---- */

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

/* Proleptic Gregorian, after the day count of an era of 400 years that begins on a first of March. */
static void date_of_day(int64_t day, unsigned *ret_month, unsigned *ret_day)
{
    int64_t shifted = day + 719468; /* since 0000-03-01 */
    unsigned day_of_era = (unsigned)(shifted - floor_divide(shifted, 146097) * 146097);
    unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned month_from_march = (5 * day_of_year + 2) / 153;
    *ret_day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    *ret_month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
}

static bool names(const struct cron *cron, enum field field, unsigned value)
{
    return (cron->values[field] >> value & 1) != 0;
}

static bool names_day(const struct cron *cron, int64_t day)
{
    unsigned month;
    unsigned day_of_month;
    date_of_day(day, &month, &day_of_month);
    unsigned weekday = (unsigned)(day + 4 - floor_divide(day + 4, 7) * 7); /* 1970 began on a Thursday */
    bool names_date = names(cron, FIELD_DAY, day_of_month);
    bool names_weekday = names(cron, FIELD_WEEKDAY, weekday);
    return names(cron, FIELD_MONTH, month) &&
           (cron->is_either_day_enough ? names_date || names_weekday : names_date && names_weekday);
}

/* The first named time on the wall that is not before wall_s. There is one, see names_some_day. */
static int64_t next_on_wall(const struct cron *cron, int64_t wall_s)
{
    int64_t minutes = floor_divide(wall_s + MINUTE_S - 1, MINUTE_S);
    int64_t first_day = floor_divide(minutes, DAY_S / MINUTE_S);
    unsigned minute_of_day = (unsigned)(minutes - first_day * (DAY_S / MINUTE_S));
    for (int64_t day = first_day; day <= first_day + SEARCH_DAYS_MAX; day++, minute_of_day = 0) {
        if (!names_day(cron, day)) {
            continue;
        }
        unsigned minute = minute_of_day % 60;
        for (unsigned hour = minute_of_day / 60; hour < 24; hour++, minute = 0) {
            uint64_t left = names(cron, FIELD_HOUR, hour) ? cron->values[FIELD_MINUTE] >> minute << minute : 0;
            if (left != 0) {
                return day * DAY_S + hour * HOUR_S + (int64_t)__builtin_ctzll(left) * MINUTE_S;
            }
        }
    }
    assert(false);
    return INT64_MAX;
}

/* ---- From the wall to the world. A zone's intervals, which GLib numbers in order, have one offset each ---- */

static int64_t offset_at(const struct cron *cron, int64_t unix_s)
{
    return g_time_zone_get_offset(cron->zone, g_time_zone_find_interval(cron->zone, G_TIME_TYPE_UNIVERSAL, unix_s));
}

static bool is_one_interval(const struct cron *cron, int64_t a_unix_s, int64_t b_unix_s)
{
    return g_time_zone_find_interval(cron->zone, G_TIME_TYPE_UNIVERSAL, a_unix_s) ==
           g_time_zone_find_interval(cron->zone, G_TIME_TYPE_UNIVERSAL, b_unix_s);
}

/* The end of the interval that from_unix_s is in, which to_unix_s is not in. */
static int64_t interval_end(const struct cron *cron, int64_t from_unix_s, int64_t to_unix_s)
{
    int64_t within = from_unix_s;
    int64_t beyond = to_unix_s;
    while (beyond - within > 1) {
        int64_t middle = within + (beyond - within) / 2;
        if (is_one_interval(cron, from_unix_s, middle)) {
            within = middle;
        } else {
            beyond = middle;
        }
    }
    return beyond;
}

/* When the clock first shows wall_s or, where that is skipped, a later time: the moment after the gap. */
static int64_t first_moment(const struct cron *cron, int64_t wall_s)
{
    for (int64_t unix_s = wall_s - OFFSET_S_MAX;;) {
        int64_t shown_s = wall_s - offset_at(cron, unix_s);
        int64_t moment_s = shown_s > unix_s ? shown_s : unix_s;
        if (is_one_interval(cron, unix_s, moment_s)) {
            return moment_s;
        }
        unix_s = interval_end(cron, unix_s, moment_s);
    }
}

/* Each time that the clock shows what is named. */
static int64_t next_showing(const struct cron *cron, int64_t from_unix_s)
{
    for (int64_t unix_s = from_unix_s;;) {
        int64_t offset_s = offset_at(cron, unix_s);
        int64_t shown_s = next_on_wall(cron, unix_s + offset_s) - offset_s;
        if (is_one_interval(cron, unix_s, shown_s)) {
            return shown_s;
        }
        unix_s = interval_end(cron, unix_s, shown_s);
    }
}

/* Each named time once, whatever the clock does. Later times on the wall never have earlier first moments; the search
 * begins with what is skipped where from_unix_s is the moment after a gap. */
static int64_t next_named(const struct cron *cron, int64_t from_unix_s)
{
    int64_t offset_s = offset_at(cron, from_unix_s);
    int64_t offset_before_s = offset_at(cron, from_unix_s - 1);
    int64_t wall_s = from_unix_s + (offset_s < offset_before_s ? offset_s : offset_before_s);
    for (;; wall_s++) {
        wall_s = next_on_wall(cron, wall_s);
        int64_t moment_s = first_moment(cron, wall_s);
        if (moment_s >= from_unix_s) {
            return moment_s;
        }
    }
}

int64_t cron_next(const struct cron *cron, int64_t after_unix_ms)
{
    int64_t from_unix_s = floor_divide(after_unix_ms, 1000) + 1;
    bool is_each_hour = cron->values[FIELD_HOUR] == EVERY_HOUR;
    return 1000 * (is_each_hour ? next_showing(cron, from_unix_s) : next_named(cron, from_unix_s));
}
