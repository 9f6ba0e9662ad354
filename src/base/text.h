#ifndef HOLDFAST_BASE_TEXT_H
#define HOLDFAST_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/* A view of bytes that somebody else owns; not NUL-terminated. `bytes` may be NULL only where length is 0;
 * an absent optional text has bytes == NULL, an empty one has bytes != NULL. */
struct text {
    const char *bytes;
    size_t length;
};

#define TEXT_ABSENT ((struct text){NULL, 0})
#define TEXT_LITERAL(literal) ((struct text){"" literal, sizeof(literal) - 1})

struct text text_from_c(const char *c_string); /* NULL gives TEXT_ABSENT */
bool text_equal(struct text a, struct text b);
bool text_equal_c(struct text a, const char *c_string);
int text_compare(struct text a, struct text b); /* memcmp order, then shorter first */
/* FNV-1a with a finalising mix. Where clients choose the texts, start from a random seed: the collisions of one seed are
 * not those of another. */
uint64_t text_hash(struct text text, uint64_t seed);

/* Well-formed UTF-8 per RFC 3629 (no surrogates, no overlong forms, at most U+10FFFF). */
bool text_is_utf8(struct text text);
/* Has C0 controls, DEL, or (in UTF-8) C1 controls U+0080..U+009F. */
bool text_has_control(struct text text);

/* Whole text as a decimal integer with an optional leading '-'; false on anything else or overflow. */
MUST_USE bool text_to_int64(struct text text, int64_t *ret_value);

#endif
