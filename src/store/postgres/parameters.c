#include "store/postgres/parameters.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "store/postgres/values.h"

/* PostgreSQL itself takes no value of a gibibyte and more. */
#define PARAMETER_BYTES_MAX ((size_t)1024 * 1024 * 1024 - 1)
#define ARRAY_HEADER_BYTES 20 /* dimensions, has NULLs, element type, size and lower bound of the one dimension */
#define NULL_LENGTH UINT32_MAX

void parameters_init(struct parameters *parameters)
{
    memset(parameters, 0, sizeof(*parameters));
    for (size_t i = 0; i < PARAMETERS_MAX; i++) {
        buffer_init(&parameters->items[i].bytes, PARAMETER_BYTES_MAX);
    }
}

void parameters_done(struct parameters *parameters)
{
    for (size_t i = 0; i < PARAMETERS_MAX; i++) {
        buffer_done(&parameters->items[i].bytes);
    }
}

void parameters_clear(struct parameters *parameters)
{
    parameters->count = 0;
    parameters->first_column = 0;
    parameters->next_column = 0;
}

static void append_uint32(struct buffer *buffer, uint32_t value)
{
    uint32_t big_endian = htobe32(value);
    buffer_append(buffer, &big_endian, sizeof(big_endian));
}

static void append_uint64(struct buffer *buffer, uint64_t value)
{
    uint64_t big_endian = htobe64(value);
    buffer_append(buffer, &big_endian, sizeof(big_endian));
}

static struct parameter *add_parameter(struct parameters *parameters, enum value_type type, bool is_array)
{
    assert(parameters->count < PARAMETERS_MAX);
    struct parameter *parameter = &parameters->items[parameters->count++];
    parameter->type = type;
    parameter->is_array = is_array;
    parameter->is_null = false;
    parameter->row_count = 0;
    buffer_clear(&parameter->bytes);
    return parameter;
}

void parameter_int64(struct parameters *parameters, int64_t value)
{
    append_uint64(&add_parameter(parameters, VALUE_INT64, false)->bytes, (uint64_t)value);
}

void parameter_time(struct parameters *parameters, int64_t unix_ms)
{
    append_uint64(&add_parameter(parameters, VALUE_TIME, false)->bytes, (uint64_t)time_from_unix_ms(unix_ms));
}

void parameter_uuid(struct parameters *parameters, struct uuid id)
{
    buffer_append(&add_parameter(parameters, VALUE_UUID, false)->bytes, id.bytes, sizeof(id.bytes));
}

void parameter_text(struct parameters *parameters, struct text text)
{
    struct parameter *parameter = add_parameter(parameters, VALUE_TEXT, false);
    parameter->is_null = text.bytes == NULL;
    buffer_append_text(&parameter->bytes, text);
}

void parameter_null(struct parameters *parameters, enum value_type type)
{
    add_parameter(parameters, type, false)->is_null = true;
}

void parameter_bytes(struct parameters *parameters, const void *bytes, size_t length)
{
    buffer_append(&add_parameter(parameters, VALUE_BYTES, false)->bytes, bytes, length);
}

/* Columns */

void parameters_columns(struct parameters *parameters, const enum value_type *types, size_t count)
{
    parameters->first_column = parameters->count;
    parameters->next_column = parameters->count;
    for (size_t i = 0; i < count; i++) {
        struct buffer *bytes = &add_parameter(parameters, types[i], true)->bytes;
        append_uint32(bytes, 1);
        append_uint32(bytes, 1); /* whether there are NULLs: true is always allowed */
        append_uint32(bytes, (uint32_t)types[i]);
        append_uint32(bytes, 0); /* how many: known at the end */
        append_uint32(bytes, 1);
    }
}

/* The next value's column; its type is the caller's promise. */
static struct buffer *next_value(struct parameters *parameters, enum value_type type, uint32_t length)
{
    struct parameter *column = &parameters->items[parameters->next_column++];
    if (parameters->next_column == parameters->count) {
        parameters->next_column = parameters->first_column;
    }
    assert(column->is_array && column->type == type);
    column->row_count++;
    append_uint32(&column->bytes, length);
    return &column->bytes;
}

void row_bool(struct parameters *parameters, bool value)
{
    buffer_append_char(next_value(parameters, VALUE_BOOL, 1), (char)value);
}

void row_int32(struct parameters *parameters, int32_t value)
{
    append_uint32(next_value(parameters, VALUE_INT32, sizeof(value)), (uint32_t)value);
}

void row_int32_or_null(struct parameters *parameters, bool present, int32_t value)
{
    if (present) {
        row_int32(parameters, value);
    } else {
        (void)next_value(parameters, VALUE_INT32, NULL_LENGTH);
    }
}

void row_int64(struct parameters *parameters, int64_t value)
{
    append_uint64(next_value(parameters, VALUE_INT64, sizeof(value)), (uint64_t)value);
}

void row_int64_or_null(struct parameters *parameters, bool present, int64_t value)
{
    if (present) {
        row_int64(parameters, value);
    } else {
        (void)next_value(parameters, VALUE_INT64, NULL_LENGTH);
    }
}

void row_time(struct parameters *parameters, int64_t unix_ms)
{
    append_uint64(next_value(parameters, VALUE_TIME, sizeof(uint64_t)), (uint64_t)time_from_unix_ms(unix_ms));
}

void row_time_or_null(struct parameters *parameters, bool present, int64_t unix_ms)
{
    if (present) {
        row_time(parameters, unix_ms);
    } else {
        (void)next_value(parameters, VALUE_TIME, NULL_LENGTH);
    }
}

void row_place(struct parameters *parameters, int64_t place)
{
    uint64_t big_endian = htobe64((uint64_t)place);
    buffer_append(next_value(parameters, VALUE_PLACE, PLACE_BYTES),
                  (const char *)&big_endian + sizeof(big_endian) - PLACE_BYTES, PLACE_BYTES);
}

void row_uuid(struct parameters *parameters, const struct uuid *id)
{
    if (id == NULL) {
        (void)next_value(parameters, VALUE_UUID, NULL_LENGTH);
    } else {
        buffer_append(next_value(parameters, VALUE_UUID, sizeof(id->bytes)), id->bytes, sizeof(id->bytes));
    }
}

void row_text(struct parameters *parameters, struct text text)
{
    enum value_type type = parameters->items[parameters->next_column].type;
    if (text.bytes == NULL) {
        (void)next_value(parameters, type, NULL_LENGTH);
        return;
    }
    assert(type == VALUE_TEXT || type == VALUE_JSON);
    buffer_append_text(next_value(parameters, type, (uint32_t)text.length), text);
}

void row_c_text(struct parameters *parameters, const char *c_string)
{
    row_text(parameters, text_from_c(c_string));
}

void row_bytes(struct parameters *parameters, const void *bytes, size_t length)
{
    buffer_append(next_value(parameters, VALUE_BYTES, (uint32_t)length), bytes, length);
}

size_t parameters_row_count(const struct parameters *parameters)
{
    return parameters->items[parameters->first_column].row_count;
}

/* An array without elements has no dimensions. */
static void finish_array(struct parameter *column)
{
    uint32_t count = htobe32((uint32_t)column->row_count);
    assert(!column->bytes.overflowed && column->bytes.length >= ARRAY_HEADER_BYTES);
    if (column->row_count == 0) {
        memset(column->bytes.bytes, 0, 8);
        column->bytes.length = 12;
    } else {
        memcpy(column->bytes.bytes + 12, &count, sizeof(count));
    }
}

void parameters_finish(struct parameters *parameters, const char *ret_values[PARAMETERS_MAX],
                       int ret_lengths[PARAMETERS_MAX])
{
    assert(parameters->next_column == parameters->first_column);
    for (size_t i = 0; i < parameters->count; i++) {
        struct parameter *parameter = &parameters->items[i];
        if (parameter->is_array) {
            finish_array(parameter);
        }
        ret_values[i] = parameter->is_null ? NULL : parameter->bytes.length == 0 ? "" : parameter->bytes.bytes;
        ret_lengths[i] = (int)parameter->bytes.length;
    }
}
