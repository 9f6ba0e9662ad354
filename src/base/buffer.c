#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define CAPACITY_MIN 256

void buffer_init(struct buffer *buffer, size_t max)
{
    *buffer = (struct buffer){.max = max};
}

/* False, with `overflowed` set, where `length` more bytes would pass the maximum. */
static bool buffer_grow(struct buffer *buffer, size_t length)
{
    if (buffer->overflowed || length > buffer->max - buffer->length) {
        buffer->overflowed = true;
        return false;
    }
    size_t needed = buffer->length + length;
    size_t capacity = buffer->capacity > CAPACITY_MIN / 2 ? buffer->capacity : CAPACITY_MIN / 2;
    do {
        capacity = capacity > buffer->max / 2 ? buffer->max : capacity * 2;
    } while (capacity < needed);
    buffer->bytes = memory_grow(buffer->bytes, capacity);
    buffer->capacity = capacity;
    return true;
}

char *buffer_reserve(struct buffer *buffer, size_t length)
{
    bool fits = !buffer->overflowed && length <= buffer->capacity - buffer->length;
    /* An empty buffer has no memory to point at, not even for 0 bytes. */
    if ((!fits || buffer->bytes == NULL) && !buffer_grow(buffer, length)) {
        return NULL;
    }
    return buffer->bytes + buffer->length;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
    if (length == 0) {
        return;
    }
    char *room = buffer_reserve(buffer, length);
    if (room != NULL) {
        memcpy(room, bytes, length);
        buffer->length += length;
    }
}

void buffer_append_text(struct buffer *buffer, struct text text)
{
    buffer_append(buffer, text.bytes, text.length);
}

void buffer_append_c(struct buffer *buffer, const char *c_string)
{
    buffer_append(buffer, c_string, strlen(c_string));
}

void buffer_append_char(struct buffer *buffer, char c)
{
    char *room = buffer_reserve(buffer, 1);
    if (room != NULL) {
        *room = c;
        buffer->length++;
    }
}

void buffer_append_int64(struct buffer *buffer, int64_t value)
{
    static const char PAIRS[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    char digits[20]; /* INT64_MIN is 19 digits and a sign */
    size_t at = sizeof(digits);
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    while (left >= 100) {
        at -= 2;
        memcpy(digits + at, PAIRS + left % 100 * 2, 2);
        left /= 100;
    }
    if (left >= 10) {
        at -= 2;
        memcpy(digits + at, PAIRS + left * 2, 2);
    } else {
        digits[--at] = (char)('0' + left);
    }
    if (value < 0) {
        digits[--at] = '-';
    }
    buffer_append(buffer, digits + at, sizeof(digits) - at);
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    /* vsnprintf ends with a NUL, which needs room but is not kept. */
    char *room = length < 0 ? NULL : buffer_reserve(buffer, (size_t)length + 1);
    if (room == NULL) {
        buffer->overflowed = true;
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(room, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->length += (size_t)length;
}

struct text buffer_text(const struct buffer *buffer)
{
    return (struct text){buffer->bytes == NULL ? "" : buffer->bytes, buffer->length};
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
    buffer->overflowed = false;
}

void buffer_done(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}
