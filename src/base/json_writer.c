#include "base/json_writer.h"

#include <string.h>

#include "base/clock.h"

/* What stands for a byte inside a string: 0 itself, 'u' \u00XX, another character a backslash and that character. */
static const char ESCAPES[256] = {
    [0x00] = 'u', [0x01] = 'u', [0x02] = 'u', [0x03] = 'u', [0x04] = 'u', [0x05] = 'u',  [0x06] = 'u',
    [0x07] = 'u', ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', [0x0b] = 'u', ['\f'] = 'f',  ['\r'] = 'r',
    [0x0e] = 'u', [0x0f] = 'u', [0x10] = 'u', [0x11] = 'u', [0x12] = 'u', [0x13] = 'u',  [0x14] = 'u',
    [0x15] = 'u', [0x16] = 'u', [0x17] = 'u', [0x18] = 'u', [0x19] = 'u', [0x1a] = 'u',  [0x1b] = 'u',
    [0x1c] = 'u', [0x1d] = 'u', [0x1e] = 'u', [0x1f] = 'u', ['"'] = '"',  ['\\'] = '\\',
};

void json_writer_init(struct json_writer *writer, struct buffer *buffer)
{
    *writer = (struct json_writer){.buffer = buffer};
}

static void value_begin(struct json_writer *writer)
{
    if (writer->need_comma) {
        buffer_append_char(writer->buffer, ',');
    }
    writer->need_comma = true;
}

static void container_begin(struct json_writer *writer, char bracket)
{
    value_begin(writer);
    buffer_append_char(writer->buffer, bracket);
    writer->need_comma = false;
}

static void container_end(struct json_writer *writer, char bracket)
{
    buffer_append_char(writer->buffer, bracket);
    writer->need_comma = true;
}

void json_object_begin(struct json_writer *writer)
{
    container_begin(writer, '{');
}

void json_object_end(struct json_writer *writer)
{
    container_end(writer, '}');
}

void json_array_begin(struct json_writer *writer)
{
    container_begin(writer, '[');
}

void json_array_end(struct json_writer *writer)
{
    container_end(writer, ']');
}

void json_key(struct json_writer *writer, const char *key)
{
    size_t length = strlen(key);
    value_begin(writer);
    char *room = buffer_reserve(writer->buffer, length + 3);
    if (room != NULL) {
        room[0] = '"';
        memcpy(room + 1, key, length);
        room[length + 1] = '"';
        room[length + 2] = ':';
        writer->buffer->length += length + 3;
    }
    writer->need_comma = false;
}

static void append_escaped(struct buffer *buffer, unsigned char byte, char escape)
{
    static const char HEX[] = "0123456789abcdef";
    if (escape == 'u') {
        buffer_append(buffer, (char[]){'\\', 'u', '0', '0', HEX[byte >> 4], HEX[byte & 15]}, 6);
    } else {
        buffer_append(buffer, (char[]){'\\', escape}, 2);
    }
}

void json_text(struct json_writer *writer, struct text text)
{
    value_begin(writer);
    struct buffer *buffer = writer->buffer;
    buffer_append_char(buffer, '"');
    size_t run_start = 0;
    for (size_t at = 0; at < text.length; at++) {
        unsigned char byte = (unsigned char)text.bytes[at];
        char escape = ESCAPES[byte];
        if (escape != 0) {
            buffer_append(buffer, text.bytes + run_start, at - run_start);
            append_escaped(buffer, byte, escape);
            run_start = at + 1;
        }
    }
    if (run_start < text.length) {
        buffer_append(buffer, text.bytes + run_start, text.length - run_start);
    }
    buffer_append_char(buffer, '"');
}

void json_int64(struct json_writer *writer, int64_t value)
{
    value_begin(writer);
    buffer_append_int64(writer->buffer, value);
}

void json_bool(struct json_writer *writer, bool value)
{
    json_raw(writer, value ? TEXT_LITERAL("true") : TEXT_LITERAL("false"));
}

void json_null_value(struct json_writer *writer)
{
    json_raw(writer, TEXT_LITERAL("null"));
}

void json_raw(struct json_writer *writer, struct text json)
{
    value_begin(writer);
    buffer_append_text(writer->buffer, json);
}

void json_string_field(struct json_writer *writer, const char *key, struct text text)
{
    json_key(writer, key);
    if (text.bytes == NULL) {
        json_null_value(writer);
    } else {
        json_text(writer, text);
    }
}

void json_c_field(struct json_writer *writer, const char *key, const char *c_string)
{
    json_string_field(writer, key, text_from_c(c_string));
}

void json_int64_field(struct json_writer *writer, const char *key, int64_t value)
{
    json_key(writer, key);
    json_int64(writer, value);
}

void json_bool_field(struct json_writer *writer, const char *key, bool value)
{
    json_key(writer, key);
    json_bool(writer, value);
}

void json_null_field(struct json_writer *writer, const char *key)
{
    json_key(writer, key);
    json_null_value(writer);
}

void json_raw_field(struct json_writer *writer, const char *key, struct text json)
{
    json_key(writer, key);
    json_raw(writer, json);
}

void json_time_field(struct json_writer *writer, const char *key, int64_t unix_ms)
{
    char time[TIME_TEXT_LENGTH + 1];
    time_format(unix_ms, time);
    json_string_field(writer, key, (struct text){time, TIME_TEXT_LENGTH});
}
