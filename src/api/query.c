#include "api/query.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool percent_decode(struct text encoded, bool plus_is_space, struct arena *arena, struct text *ret_text)
{
    char *bytes = arena_alloc(arena, encoded.length + 1);
    size_t length = 0;
    for (size_t at = 0; at < encoded.length; at++) {
        char c = encoded.bytes[at];
        if (c == '%') {
            int high = at + 2 < encoded.length ? hex_digit(encoded.bytes[at + 1]) : -1;
            int low = at + 2 < encoded.length ? hex_digit(encoded.bytes[at + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high << 4 | low);
            at += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0') {
            return false;
        }
        bytes[length++] = c;
    }
    bytes[length] = '\0';
    struct text text = {bytes, length};
    if (!text_is_utf8(text)) {
        return false;
    }
    *ret_text = text;
    return true;
}

static bool find_name(const char *const *names, struct text name, size_t *ret_index)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        if (text_equal_c(name, names[i])) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static void parse_pair(struct text pair, struct field_errors *errors, struct query *query)
{
    const char *equals = memchr(pair.bytes, '=', pair.length);
    size_t name_length = equals == NULL ? pair.length : (size_t)(equals - pair.bytes);
    size_t value_start = equals == NULL ? pair.length : name_length + 1;
    struct text raw_value = {pair.bytes + value_start, pair.length - value_start};
    struct text name;
    size_t index;
    if (!percent_decode((struct text){pair.bytes, name_length}, true, errors->arena, &name)) {
        field_errors_add_named(errors, TEXT_LITERAL("query"), FIELD_INVALID_VALUE,
                               "A parameter's name is not "
                               "percent-encoded UTF-8.");
    } else if (!find_name(query->names, name, &index)) {
        field_errors_add_named(errors, name, FIELD_UNKNOWN_PARAMETER, "There is no such query parameter here.");
    } else if (query->values[index].bytes != NULL) {
        field_errors_add_named(errors, name, FIELD_REPEATED, "This query parameter may be given once.");
    } else if (!percent_decode(raw_value, true, errors->arena, &query->values[index])) {
        field_errors_add_named(errors, name, FIELD_INVALID_VALUE, "The value is not percent-encoded UTF-8.");
    }
}

void query_parse(struct text raw, const char *const *names, struct field_errors *errors, struct query *ret_query)
{
    struct query query = {.names = names};
    for (size_t start = 0; start < raw.length;) {
        const char *end = memchr(raw.bytes + start, '&', raw.length - start);
        size_t length = end == NULL ? raw.length - start : (size_t)(end - raw.bytes) - start;
        if (length > 0) {
            parse_pair((struct text){raw.bytes + start, length}, errors, &query);
        }
        start += length + 1;
    }
    *ret_query = query;
}

struct text query_get(const struct query *query, const char *name)
{
    size_t index = 0;
    bool known = find_name(query->names, text_from_c(name), &index);
    assert(known && index < QUERY_PARAMETERS_MAX);
    return query->values[index];
}

void query_error(struct field_errors *errors, const char *name, const char *detail)
{
    field_errors_add_named(errors, text_from_c(name), FIELD_INVALID_VALUE, "%s", detail);
}

bool query_int64(const struct query *query, const char *name, int64_t min, int64_t max, struct field_errors *errors,
                 int64_t *ret_value)
{
    struct text text = query_get(query, name);
    if (text.bytes == NULL) {
        return false;
    }
    int64_t value;
    if (!text_to_int64(text, &value) || value < min || value > max) {
        field_errors_add_named(errors, text_from_c(name), FIELD_OUT_OF_RANGE,
                               "Must be an integer from %" PRId64 " to %" PRId64 ".", min, max);
        return false;
    }
    *ret_value = value;
    return true;
}

bool query_time(const struct query *query, const char *name, struct field_errors *errors, int64_t *ret_unix_ms)
{
    struct text text = query_get(query, name);
    if (text.bytes == NULL) {
        return false;
    }
    if (!time_parse(text, ret_unix_ms)) {
        query_error(errors, name, "Must be an RFC 3339 time, such as 2026-11-22T09:41:00Z.");
        return false;
    }
    return true;
}

bool query_text(const struct query *query, const char *name, size_t max, struct field_errors *errors,
                struct text *ret_text)
{
    struct text text = query_get(query, name);
    if (text.bytes == NULL) {
        return false;
    }
    if (text.length < 1 || text.length > max || text_has_control(text)) {
        field_errors_add_named(errors, text_from_c(name), FIELD_INVALID_VALUE,
                               "Must be 1 to %zu bytes without control characters.", max);
        return false;
    }
    *ret_text = text;
    return true;
}
