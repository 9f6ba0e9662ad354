#ifndef HOLDFAST_API_JSON_INPUT_H
#define HOLDFAST_API_JSON_INPUT_H

/* Strict reading of request bodies: every field is asked for by name, type and range; what was not asked for, and
 * what is not as it should be, is gathered in field_errors. Values that are kept are copied into the errors' arena, so
 * the parsed tree may go as soon as the reading is done. Only json_input.c knows the parser (Jansson, whose names
 * would clash with base/json_writer.h). */

#include <stdbool.h>
#include <stdint.h>

#include "api/field_errors.h"
#include "domain/money.h"

struct json_t; /* a parsed value */

/* The body as a tree, or NULL with *ret_detail saying in the arena what is malformed: duplicate keys, anything behind
 * the value and NUL in strings too. */
struct json_t *json_input_parse(struct text body, struct arena *arena, struct text *ret_detail);
void json_input_free(struct json_t *root); /* takes NULL */

#define JSON_FIELDS_MAX 16

/* An object whose fields are being read. */
struct json_fields {
    const struct json_t *object; /* NULL where the value is no object: reads then find nothing, and say nothing more */
    const struct field_place *place;
    struct field_errors *errors;
    const char *asked[JSON_FIELDS_MAX];
    size_t asked_count;
    size_t found_count;
};

enum presence { FIELD_OPTIONAL, FIELD_MANDATORY };

/* The place must outlive the fields. */
void json_fields_begin(struct json_fields *fields, const struct json_t *value, const struct field_place *place,
                       struct field_errors *errors);
/* Refuses every field that was not asked for since begin. */
void json_fields_end(struct json_fields *fields);

bool json_fields_has(const struct json_fields *fields, const char *name); /* does not ask for it */

/* Each returns true where the field is there and good, and only then writes its result. */
const struct json_t *json_fields_get(struct json_fields *fields, const char *name, enum presence presence);
/* UTF-8 without control characters, of min to max bytes. */
bool json_fields_text(struct json_fields *fields, const char *name, enum presence presence, size_t min, size_t max,
                      struct text *ret_text);
/* The same where null stands for "none": an absent text. */
bool json_fields_text_or_null(struct json_fields *fields, const char *name, size_t min, size_t max,
                              struct text *ret_text);
/* Written as an integer: 1.0 and 1e0 are refused. */
bool json_fields_int64(struct json_fields *fields, const char *name, enum presence presence, int64_t min, int64_t max,
                       int64_t *ret_value);
/* The same where null stands for "none". */
bool json_fields_int64_or_null(struct json_fields *fields, const char *name, int64_t min, int64_t max,
                               int64_t null_value, int64_t *ret_value);
/* {"amount": 0..amount_max, "currency": an active code}. */
bool json_fields_money(struct json_fields *fields, const char *name, enum presence presence, int64_t amount_max,
                       struct money *ret_money);
/* An array of min to max elements; NULL otherwise. */
const struct json_t *json_fields_array(struct json_fields *fields, const char *name, enum presence presence, size_t min,
                                       size_t max);
/* The same of a value at a place. */
bool json_read_array(const struct json_t *value, const struct field_place *place, size_t min, size_t max,
                     struct field_errors *errors);
/* An object of short texts, as compact JSON in the order it was sent. */
bool json_fields_metadata(struct json_fields *fields, const char *name, struct text *ret_json);

/* An integer at a place; errors of type and range carry `code`. */
bool json_read_int64(const struct json_t *value, const struct field_place *place, const char *type_code,
                     const char *range_code, int64_t min, int64_t max, struct field_errors *errors, int64_t *ret_value);

/* The same for a text. */
bool json_read_text(const struct json_t *value, const struct field_place *place, size_t min, size_t max,
                    struct field_errors *errors, struct text *ret_text);

bool json_value_is_null(const struct json_t *value); /* NULL is none */
size_t json_array_count(const struct json_t *array);
const struct json_t *json_array_element(const struct json_t *array, size_t index);
/* An object, but for one field, as compact JSON with sorted keys: equal texts are equal requests. */
struct text json_canonical_without(const struct json_t *object, const char *name, struct arena *arena);

#endif
