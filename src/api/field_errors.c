#include "api/field_errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"

#define FIELD_BYTES_MAX 512
#define NAME_BYTES_MAX 64 /* of one name that the client made up */
#define DETAIL_BYTES_MAX 256

void field_errors_init(struct field_errors *errors, struct arena *arena)
{
    *errors = (struct field_errors){.arena = arena, .count_max = FIELD_ERRORS_MAX};
}

/* At most `max` bytes, cut between characters. */
static struct text cut(struct text text, size_t max)
{
    if (text.length > max) {
        text.length = max;
        while (text.length > 0 && ((unsigned char)text.bytes[text.length] & 0xc0) == 0x80) {
            text.length--;
        }
    }
    return text;
}

static void append_place(struct buffer *out, const struct field_place *place)
{
    if (place == NULL) {
        return;
    }
    append_place(out, place->parent);
    if (place->name == NULL) {
        buffer_append_char(out, '[');
        buffer_append_int64(out, (int64_t)place->index);
        buffer_append_char(out, ']');
        return;
    }
    if (place->parent != NULL) {
        buffer_append_char(out, '.');
    }
    buffer_append_text(out, cut(text_from_c(place->name), NAME_BYTES_MAX));
}

static void __attribute__((format(printf, 4, 0)))
add(struct field_errors *errors, struct text field, const char *code, const char *format, va_list arguments)
{
    if (errors->items == NULL) {
        errors->items = arena_array(errors->arena, errors->count_max, sizeof(*errors->items));
    }
    char detail[DETAIL_BYTES_MAX];
    (void)vsnprintf(detail, sizeof(detail), format, arguments);
    errors->items[errors->count++] = (struct field_error){.field = arena_text(errors->arena, field),
                                                          .code = code,
                                                          .detail = arena_text(errors->arena, text_from_c(detail))};
}

void field_errors_add(struct field_errors *errors, const struct field_place *place, const char *code,
                      const char *format, ...)
{
    if (errors->count == errors->count_max) {
        return;
    }
    struct buffer field;
    buffer_init(&field, FIELD_BYTES_MAX);
    append_place(&field, place);
    va_list arguments;
    va_start(arguments, format);
    add(errors, buffer_text(&field), code, format, arguments);
    va_end(arguments);
    buffer_done(&field);
}

void field_errors_add_named(struct field_errors *errors, struct text name, const char *code, const char *format, ...)
{
    if (errors->count == errors->count_max) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    add(errors, cut(name, NAME_BYTES_MAX), code, format, arguments);
    va_end(arguments);
}
