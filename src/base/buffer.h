#ifndef HOLDFAST_BASE_BUFFER_H
#define HOLDFAST_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"

/* A growing byte buffer with a maximum. Past the maximum it sets `overflowed`, drops the append, and stays so. */
struct buffer {
    char *bytes;
    size_t length;
    size_t capacity;
    size_t max;
    bool overflowed;
};

void buffer_init(struct buffer *buffer, size_t max);
void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
void buffer_append_text(struct buffer *buffer, struct text text);
void buffer_append_c(struct buffer *buffer, const char *c_string);
void buffer_append_char(struct buffer *buffer, char c);
void buffer_append_int64(struct buffer *buffer, int64_t value);
void buffer_append_format(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
/* Room for `length` more bytes, to be filled by the caller who then adds to buffer->length; NULL past the maximum. */
char *buffer_reserve(struct buffer *buffer, size_t length);
struct text buffer_text(const struct buffer *buffer); /* a view, until the next append */
void buffer_clear(struct buffer *buffer);             /* empty, memory kept */
void buffer_done(struct buffer *buffer);              /* memory freed; init again to reuse */

#endif
