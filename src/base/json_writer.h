#ifndef HOLDFAST_BASE_JSON_WRITER_H
#define HOLDFAST_BASE_JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/text.h"

/* Writes compact JSON (RFC 8259) into a buffer as it goes: no tree, no allocation of its own. Commas are placed by the
 * writer. Inside an object use json_key before each value; the json_*_field helpers do both. Input text must be valid
 * UTF-8 (it was checked at the door); '"', '\\' and controls are escaped. */
struct json_writer {
    struct buffer *buffer;
    bool need_comma;
};

void json_writer_init(struct json_writer *writer, struct buffer *buffer);
void json_object_begin(struct json_writer *writer);
void json_object_end(struct json_writer *writer);
void json_array_begin(struct json_writer *writer);
void json_array_end(struct json_writer *writer);
void json_key(struct json_writer *writer, const char *key); /* key is a literal that needs no escaping */
void json_text(struct json_writer *writer, struct text text);
void json_int64(struct json_writer *writer, int64_t value);
void json_bool(struct json_writer *writer, bool value);
void json_null_value(struct json_writer *writer);
void json_raw(struct json_writer *writer, struct text json); /* a whole, valid JSON value, copied as it is */

void json_string_field(struct json_writer *writer, const char *key, struct text text); /* absent text gives null */
void json_c_field(struct json_writer *writer, const char *key, const char *c_string);
void json_int64_field(struct json_writer *writer, const char *key, int64_t value);
void json_bool_field(struct json_writer *writer, const char *key, bool value);
void json_null_field(struct json_writer *writer, const char *key);
void json_raw_field(struct json_writer *writer, const char *key, struct text json);
void json_time_field(struct json_writer *writer, const char *key, int64_t unix_ms); /* RFC 3339, UTC, milliseconds */

#endif
