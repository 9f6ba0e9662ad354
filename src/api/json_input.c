#include "api/json_input.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "domain/limits.h"

#define INT64_DIGITS 19

static bool is_number_byte(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static bool number_overflows(struct text number)
{
    if (memchr(number.bytes, '.', number.length) == NULL && memchr(number.bytes, 'e', number.length) == NULL &&
        memchr(number.bytes, 'E', number.length) == NULL) {
        int64_t value;
        return number.length >= INT64_DIGITS && !text_to_int64(number, &value);
    }
    /* The copy ends with a NUL, so strtod stops inside it. */
    return isinf(strtod(number.bytes, NULL));
}

/* Jansson refuses a whole text for one number past its types' range, which is well-formed JSON: some field has to
 * refuse it, by name. In the copy that is returned such numbers are a real that is out of every field's range. */
static struct text tame_numbers(struct text body, struct arena *arena)
{
    char *bytes = arena_alloc(arena, body.length + 1);
    memcpy(bytes, body.bytes, body.length);
    bytes[body.length] = '\0';
    bool in_string = false;
    for (size_t at = 0; at < body.length; at++) {
        if (in_string) {
            in_string = bytes[at] != '"';
            at += bytes[at] == '\\';
        } else if (bytes[at] == '"') {
            in_string = true;
        } else if (bytes[at] == '-' || (bytes[at] >= '0' && bytes[at] <= '9')) {
            size_t start = at;
            while (at + 1 < body.length && is_number_byte(bytes[at + 1])) {
                at++;
            }
            size_t length = at + 1 - start;
            if (number_overflows((struct text){bytes + start, length})) {
                size_t sign = bytes[start] == '-';
                memset(bytes + start + sign, ' ', length - sign);
                memcpy(bytes + start + sign, "9e99", 4); /* "1e309" is the shortest that overflows */
            }
        }
    }
    return (struct text){bytes, body.length};
}

json_t *json_input_parse(struct text body, struct arena *arena, struct text *ret_detail)
{
    if (body.length == 0) {
        *ret_detail = TEXT_LITERAL("The body is empty; a JSON object is expected.");
        return NULL;
    }
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY;
    json_error_t error;
    json_t *root = json_loadb(body.bytes, body.length, flags, &error);
    if (root == NULL && json_error_code(&error) == json_error_numeric_overflow) {
        struct text tamed = tame_numbers(body, arena);
        root = json_loadb(tamed.bytes, tamed.length, flags, &error);
    }
    if (root == NULL) {
        struct text reason = text_from_c(error.text);
        *ret_detail = arena_printf(arena, "Line %d, column %d: %s.", error.line, error.column,
                                   text_is_utf8(reason) ? error.text : "not valid UTF-8");
    }
    return root;
}

void json_input_free(struct json_t *root)
{
    json_decref(root);
}

void json_fields_begin(struct json_fields *fields, const json_t *value, const struct field_place *place,
                       struct field_errors *errors)
{
    *fields = (struct json_fields){.place = place, .errors = errors};
    if (json_is_object(value)) {
        fields->object = value;
    } else {
        field_errors_add(errors, place, FIELD_INVALID_TYPE, "Must be an object.");
    }
}

void json_fields_end(struct json_fields *fields)
{
    if (fields->object == NULL || json_object_size(fields->object) == fields->found_count) {
        return;
    }
    json_t *object = (json_t *)(uintptr_t)fields->object; /* the iterators take no const, and change nothing */
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        const char *name = json_object_iter_key(at);
        size_t i = 0;
        while (i < fields->asked_count && strcmp(name, fields->asked[i]) != 0) {
            i++;
        }
        if (i == fields->asked_count) {
            const struct field_place place = {.parent = fields->place, .name = name};
            field_errors_add(fields->errors, &place, FIELD_UNKNOWN, "There is no such field.");
        }
    }
}

const json_t *json_fields_get(struct json_fields *fields, const char *name, enum presence presence)
{
    assert(fields->asked_count < JSON_FIELDS_MAX);
    fields->asked[fields->asked_count++] = name;
    if (fields->object == NULL) {
        return NULL;
    }
    const json_t *value = json_object_get(fields->object, name);
    if (value != NULL) {
        fields->found_count++;
    } else if (presence == FIELD_MANDATORY) {
        const struct field_place place = {.parent = fields->place, .name = name};
        field_errors_add(fields->errors, &place, FIELD_REQUIRED, "This field is required.");
    }
    return value;
}

bool json_fields_has(const struct json_fields *fields, const char *name)
{
    return fields->object != NULL && json_object_get(fields->object, name) != NULL;
}

bool json_read_text(const json_t *value, const struct field_place *place, size_t min, size_t max,
                    struct field_errors *errors, struct text *ret_text)
{
    if (!json_is_string(value)) {
        field_errors_add(errors, place, FIELD_INVALID_TYPE, "Must be a string.");
        return false;
    }
    struct text text = {json_string_value(value), json_string_length(value)};
    if (text.length < min || text.length > max) {
        field_errors_add(errors, place, FIELD_INVALID_LENGTH, "Must be %zu to %zu bytes of UTF-8, is %zu.", min, max,
                         text.length);
        return false;
    }
    if (text_has_control(text)) {
        field_errors_add(errors, place, FIELD_INVALID_VALUE, "Must not contain control characters.");
        return false;
    }
    *ret_text = arena_text(errors->arena, text);
    return true;
}

bool json_fields_text(struct json_fields *fields, const char *name, enum presence presence, size_t min, size_t max,
                      struct text *ret_text)
{
    const struct field_place place = {.parent = fields->place, .name = name};
    const json_t *value = json_fields_get(fields, name, presence);
    return value != NULL && json_read_text(value, &place, min, max, fields->errors, ret_text);
}

bool json_fields_text_or_null(struct json_fields *fields, const char *name, size_t min, size_t max,
                              struct text *ret_text)
{
    const struct field_place place = {.parent = fields->place, .name = name};
    const json_t *value = json_fields_get(fields, name, FIELD_OPTIONAL);
    if (json_is_null(value)) {
        *ret_text = TEXT_ABSENT;
        return true;
    }
    return value != NULL && json_read_text(value, &place, min, max, fields->errors, ret_text);
}

bool json_read_int64(const json_t *value, const struct field_place *place, const char *type_code,
                     const char *range_code, int64_t min, int64_t max, struct field_errors *errors, int64_t *ret_value)
{
    bool is_past_64_bits = json_is_real(value) && fabs(json_real_value(value)) >= 0x1p63; /* see tame_numbers */
    if (!json_is_integer(value) && !is_past_64_bits) {
        field_errors_add(errors, place, type_code, "Must be an integer, written without fraction or exponent.");
        return false;
    }
    int64_t number = is_past_64_bits ? 0 : json_integer_value(value);
    if (is_past_64_bits || number < min || number > max) {
        field_errors_add(errors, place, range_code, "Must be %" PRId64 " to %" PRId64 ".", min, max);
        return false;
    }
    *ret_value = number;
    return true;
}

static bool fields_int64(struct json_fields *fields, const char *name, const json_t *value, int64_t min, int64_t max,
                         int64_t *ret_value)
{
    const struct field_place place = {.parent = fields->place, .name = name};
    return json_read_int64(value, &place, FIELD_INVALID_TYPE, FIELD_OUT_OF_RANGE, min, max, fields->errors, ret_value);
}

bool json_fields_int64(struct json_fields *fields, const char *name, enum presence presence, int64_t min, int64_t max,
                       int64_t *ret_value)
{
    const json_t *value = json_fields_get(fields, name, presence);
    return value != NULL && fields_int64(fields, name, value, min, max, ret_value);
}

bool json_fields_int64_or_null(struct json_fields *fields, const char *name, int64_t min, int64_t max,
                               int64_t null_value, int64_t *ret_value)
{
    const json_t *value = json_fields_get(fields, name, FIELD_OPTIONAL);
    if (value == NULL) {
        return false;
    }
    if (json_is_null(value)) {
        *ret_value = null_value;
        return true;
    }
    return fields_int64(fields, name, value, min, max, ret_value);
}

bool json_fields_money(struct json_fields *fields, const char *name, enum presence presence, int64_t amount_max,
                       struct money *ret_money)
{
    const struct field_place place = {.parent = fields->place, .name = name};
    const json_t *value = json_fields_get(fields, name, presence);
    if (value == NULL) {
        return false;
    }
    struct json_fields inner;
    json_fields_begin(&inner, value, &place, fields->errors);
    struct money money = {0};
    struct text currency;
    bool good = json_fields_int64(&inner, "amount", FIELD_MANDATORY, 0, amount_max, &money.amount);
    if (!json_fields_text(&inner, "currency", FIELD_MANDATORY, 3, 3, &currency)) {
        good = false;
    } else if (!currency_is_active(currency)) {
        const struct field_place at = {.parent = &place, .name = "currency"};
        field_errors_add(fields->errors, &at, FIELD_INVALID_VALUE, "Must be an active ISO 4217 code, such as EUR.");
        good = false;
    } else {
        memcpy(money.currency, currency.bytes, sizeof(money.currency) - 1);
    }
    json_fields_end(&inner);
    if (good) {
        *ret_money = money;
    }
    return good;
}

bool json_read_array(const json_t *value, const struct field_place *place, size_t min, size_t max,
                     struct field_errors *errors)
{
    if (!json_is_array(value)) {
        field_errors_add(errors, place, FIELD_INVALID_TYPE, "Must be an array.");
        return false;
    }
    size_t count = json_array_size(value);
    if (count < min || count > max) {
        field_errors_add(errors, place, FIELD_INVALID_LENGTH, "Must have %zu to %zu elements, has %zu.", min, max,
                         count);
        return false;
    }
    return true;
}

const json_t *json_fields_array(struct json_fields *fields, const char *name, enum presence presence, size_t min,
                                size_t max)
{
    const struct field_place place = {.parent = fields->place, .name = name};
    const json_t *value = json_fields_get(fields, name, presence);
    return value != NULL && json_read_array(value, &place, min, max, fields->errors) ? value : NULL;
}

static struct text dump(const json_t *value, size_t flags, struct arena *arena)
{
    size_t length = json_dumpb(value, NULL, 0, flags);
    char *json = arena_alloc(arena, length);
    size_t written = json_dumpb(value, json, length, flags);
    assert(length > 0 && written == length);
    return (struct text){json, length};
}

static bool metadata_is_good(json_t *object, const struct field_place *place, struct field_errors *errors)
{
    if (!json_is_object(object)) {
        field_errors_add(errors, place, FIELD_INVALID_TYPE, "Must be an object of strings.");
        return false;
    }
    if (json_object_size(object) > METADATA_KEYS_MAX) {
        field_errors_add(errors, place, FIELD_INVALID_LENGTH, "Must have at most %d keys.", METADATA_KEYS_MAX);
        return false;
    }
    size_t errors_before = errors->count;
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at);
        const json_t *value = json_object_iter_value(at);
        const struct field_place member = {.parent = place, .name = key};
        if (json_object_iter_key_len(at) < 1 || json_object_iter_key_len(at) > METADATA_KEY_BYTES_MAX) {
            field_errors_add(errors, &member, FIELD_INVALID_LENGTH, "Its key must be 1 to %d bytes.",
                             METADATA_KEY_BYTES_MAX);
        }
        if (!json_is_string(value)) {
            field_errors_add(errors, &member, FIELD_INVALID_TYPE, "Must be a string.");
        } else if (json_string_length(value) > METADATA_VALUE_BYTES_MAX) {
            field_errors_add(errors, &member, FIELD_INVALID_LENGTH, "Must be at most %d bytes.",
                             METADATA_VALUE_BYTES_MAX);
        } else if (memchr(json_string_value(value), '\0', json_string_length(value)) != NULL) {
            field_errors_add(errors, &member, FIELD_INVALID_VALUE, "Must not contain U+0000.");
        }
    }
    return errors->count == errors_before;
}

bool json_fields_metadata(struct json_fields *fields, const char *name, struct text *ret_json)
{
    const struct field_place place = {.parent = fields->place, .name = name};
    const json_t *found = json_fields_get(fields, name, FIELD_OPTIONAL);
    if (found == NULL) {
        return false;
    }
    /* The iterators take no const, and change nothing. */
    json_t *object = (json_t *)(uintptr_t)found;
    if (!metadata_is_good(object, &place, fields->errors)) {
        return false;
    }
    *ret_json = dump(object, JSON_COMPACT | JSON_PRESERVE_ORDER, fields->errors->arena);
    return true;
}

bool json_value_is_null(const struct json_t *value)
{
    return json_is_null(value);
}

size_t json_array_count(const struct json_t *array)
{
    return json_array_size(array);
}

const struct json_t *json_array_element(const struct json_t *array, size_t index)
{
    return json_array_get(array, index);
}

struct text json_canonical_without(const struct json_t *object, const char *name, struct arena *arena)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)object); /* takes no const, and changes nothing */
    (void)json_object_del(copy, name);
    struct text json = dump(copy, JSON_COMPACT | JSON_SORT_KEYS, arena);
    json_decref(copy);
    return json;
}
