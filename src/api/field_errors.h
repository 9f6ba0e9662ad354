#ifndef HOLDFAST_API_FIELD_ERRORS_H
#define HOLDFAST_API_FIELD_ERRORS_H

/* What is wrong with a request that is well-formed: gathered while it is read, so that a client learns of all its
 * mistakes at once. */

#include <stddef.h>

#include "base/arena.h"

/* Further errors are dropped: enough to mend a request by, too few to make answers large. */
#define FIELD_ERRORS_MAX 32

/* Stable codes of single errors. */
#define FIELD_REQUIRED "required"
#define FIELD_INVALID_TYPE "invalid_type"
#define FIELD_INVALID_LENGTH "invalid_length"
#define FIELD_INVALID_VALUE "invalid_value"
#define FIELD_OUT_OF_RANGE "out_of_range"
#define FIELD_NOT_ALLOWED "not_allowed"
#define FIELD_REPEATED "repeated"
#define FIELD_INVALID_URL "invalid_url"
#define FIELD_HTTPS_REQUIRED "https_required"
#define FIELD_PRIVATE_ADDRESS "private_address"
/* These three also name the whole problem where all its errors are of one kind (see problem_write_field_errors). */
#define FIELD_UNKNOWN "unknown_field"
#define FIELD_UNKNOWN_PARAMETER "unknown_parameter"
#define FIELD_INVALID_QUANTITY "invalid_quantity"

/* Where a value stands in the body. Places are chained on the stack and put into words ("items[0].quantity") only
 * when something is wrong there. NULL is the body itself. */
struct field_place {
    const struct field_place *parent;
    const char *name; /* of a field; NULL where this is an array's element */
    size_t index;
};

struct field_error {
    struct text field;
    const char *code; /* one of the above */
    struct text detail;
};

struct field_errors {
    struct arena *arena;
    struct field_error *items; /* NULL until the first */
    size_t count;
    size_t count_max; /* FIELD_ERRORS_MAX, or fewer */
};

void field_errors_init(struct field_errors *errors, struct arena *arena);
void field_errors_add(struct field_errors *errors, const struct field_place *place, const char *code,
                      const char *format, ...) PRINTF_LIKE(4, 5);
/* For what has no place in the body: a header, a query parameter. The name is copied. */
void field_errors_add_named(struct field_errors *errors, struct text name, const char *code, const char *format, ...)
    PRINTF_LIKE(4, 5);

#endif
