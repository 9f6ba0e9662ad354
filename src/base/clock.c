#include "base/clock.h"

#include <assert.h>
#include <time.h>

#define DAY_MS INT64_C(86400000)
#define UNIX_MS_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

int64_t clock_unix_ms(void)
{
    struct timespec now;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    assert(!failed);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_monotonic_us(void)
{
    struct timespec now;
    int failed = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(!failed);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void clock_advance(int64_t shown_ms, int64_t *now_ms, int64_t *ahead_ms)
{
    if (*now_ms - shown_ms > CLOCK_STEP_KEPT_MS) {
        *ahead_ms = *now_ms - shown_ms;
        *now_ms = shown_ms;
    } else if (*now_ms < shown_ms) {
        *now_ms = shown_ms;
    }
}

/* Civil dates and day numbers count years from 1 March, so that the leap day ends a year; a 400-year era has 146,097
 * days, and 719,468 days lie between 0000-03-01 and 1970-01-01. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    int64_t march_year = month <= 2 ? year - 1 : year;
    int64_t era = march_year / 400;
    int64_t year_of_era = march_year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day)
{
    int64_t shifted = days + 719468;
    int64_t era = shifted / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    *ret_day = day_of_year - (153 * march_month + 2) / 5 + 1;
    *ret_month = march_month < 10 ? march_month + 3 : march_month - 9;
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2 ? 1 : 0);
}

static void put_digits(char *at, int64_t value, size_t count)
{
    while (count > 0) {
        at[--count] = (char)('0' + value % 10);
        value /= 10;
    }
}

void time_format(int64_t unix_ms, char ret_text[TIME_TEXT_LENGTH + 1])
{
    int64_t shown = unix_ms < 0 ? 0 : unix_ms > UNIX_MS_MAX ? UNIX_MS_MAX : unix_ms;
    int64_t of_day = shown % DAY_MS;
    int64_t year;
    int64_t month;
    int64_t day;
    civil_from_days(shown / DAY_MS, &year, &month, &day);
    put_digits(ret_text, year, 4);
    ret_text[4] = '-';
    put_digits(ret_text + 5, month, 2);
    ret_text[7] = '-';
    put_digits(ret_text + 8, day, 2);
    ret_text[10] = 'T';
    put_digits(ret_text + 11, of_day / 3600000, 2);
    ret_text[13] = ':';
    put_digits(ret_text + 14, of_day / 60000 % 60, 2);
    ret_text[16] = ':';
    put_digits(ret_text + 17, of_day / 1000 % 60, 2);
    ret_text[19] = '.';
    put_digits(ret_text + 20, of_day % 1000, 3);
    ret_text[23] = 'Z';
    ret_text[24] = '\0';
}

/* What is left to parse; a taker that fails leaves it anywhere. */
struct cursor {
    const char *at;
    const char *end;
};

static bool take_digits(struct cursor *cursor, size_t count, int64_t *ret_value)
{
    if ((size_t)(cursor->end - cursor->at) < count) {
        return false;
    }
    int64_t value = 0;
    for (; count > 0; count--, cursor->at++) {
        if (*cursor->at < '0' || *cursor->at > '9') {
            return false;
        }
        value = value * 10 + (*cursor->at - '0');
    }
    *ret_value = value;
    return true;
}

static bool take_char(struct cursor *cursor, char either, char or_else)
{
    if (cursor->at == cursor->end || (*cursor->at != either && *cursor->at != or_else)) {
        return false;
    }
    cursor->at++;
    return true;
}

static bool take_date(struct cursor *cursor, int64_t *ret_days)
{
    static const int64_t MONTH_DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year;
    int64_t month;
    int64_t day;
    if (!take_digits(cursor, 4, &year) || !take_char(cursor, '-', '-') || !take_digits(cursor, 2, &month) ||
        !take_char(cursor, '-', '-') || !take_digits(cursor, 2, &day)) {
        return false;
    }
    if (year < 1969 || month < 1 || month > 12 || day < 1) { /* 1969: an offset may still carry it into 1970 */
        return false;
    }
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > MONTH_DAYS[month - 1] + (month == 2 && leap ? 1 : 0)) {
        return false;
    }
    *ret_days = days_from_civil(year, month, day);
    return true;
}

static bool take_time_of_day(struct cursor *cursor, int64_t *ret_ms)
{
    int64_t hour;
    int64_t minute;
    int64_t second;
    if (!take_digits(cursor, 2, &hour) || !take_char(cursor, ':', ':') || !take_digits(cursor, 2, &minute) ||
        !take_char(cursor, ':', ':') || !take_digits(cursor, 2, &second)) {
        return false;
    }
    if (hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    int64_t fraction_ms = 0;
    if (take_char(cursor, '.', '.')) {
        int64_t digit = 0;
        int64_t weight = 100;
        size_t digits = 0;
        while (digits < 9 && take_digits(cursor, 1, &digit)) {
            fraction_ms += digit * weight;
            weight /= 10;
            digits++;
        }
        if (digits == 0) {
            return false;
        }
    }
    *ret_ms = (hour * 3600 + minute * 60 + second) * 1000 + fraction_ms;
    return true;
}

static bool take_offset(struct cursor *cursor, int64_t *ret_ms)
{
    if (take_char(cursor, 'Z', 'z')) {
        *ret_ms = 0;
        return true;
    }
    if (!take_char(cursor, '+', '-')) {
        return false;
    }
    int64_t sign = cursor->at[-1] == '-' ? -1 : 1;
    int64_t hours;
    int64_t minutes;
    if (!take_digits(cursor, 2, &hours) || !take_char(cursor, ':', ':') || !take_digits(cursor, 2, &minutes) ||
        hours > 23 || minutes > 59) {
        return false;
    }
    *ret_ms = sign * (hours * 60 + minutes) * 60000;
    return true;
}

bool time_parse(struct text text, int64_t *ret_unix_ms)
{
    if (text.length == 0) {
        return false;
    }
    struct cursor cursor = {text.bytes, text.bytes + text.length};
    int64_t days;
    int64_t of_day_ms;
    int64_t offset_ms;
    if (!take_date(&cursor, &days) || !take_char(&cursor, 'T', 't') || !take_time_of_day(&cursor, &of_day_ms) ||
        !take_offset(&cursor, &offset_ms) || cursor.at != cursor.end) {
        return false;
    }
    int64_t unix_ms = days * DAY_MS + of_day_ms - offset_ms;
    if (unix_ms < 0 || unix_ms > UNIX_MS_MAX) {
        return false;
    }
    *ret_unix_ms = unix_ms;
    return true;
}
