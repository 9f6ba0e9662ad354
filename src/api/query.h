#ifndef HOLDFAST_API_QUERY_H
#define HOLDFAST_API_QUERY_H

/* Query strings, as forms write them: name=value&..., percent-encoded, '+' for a space. */

#include "api/field_errors.h"

#define QUERY_PARAMETERS_MAX 8

struct query {
    const char *const *names;                 /* what the route knows, NULL-terminated; NULL: nothing */
    struct text values[QUERY_PARAMETERS_MAX]; /* by position in names; absent where not given */
};

/* Percent-decoding into the arena; plus_is_space: as in forms. False where it is malformed, or the result is not
 * UTF-8 or holds a NUL. */
MUST_USE bool percent_decode(struct text encoded, bool plus_is_space, struct arena *arena, struct text *ret_text);

/* Unknown and repeated parameters, and malformed values, become errors. */
void query_parse(struct text raw, const char *const *names, struct field_errors *errors, struct query *ret_query);

/* Absent where it was not given. The name must be one of the route's. */
struct text query_get(const struct query *query, const char *name);

/* For values that are well-formed and wrong. */
void query_error(struct field_errors *errors, const char *name, const char *detail);

/* Each returns true where the parameter was given and is good, and only then writes its result. */
bool query_int64(const struct query *query, const char *name, int64_t min, int64_t max, struct field_errors *errors,
                 int64_t *ret_value);
bool query_time(const struct query *query, const char *name, struct field_errors *errors, int64_t *ret_unix_ms);
bool query_text(const struct query *query, const char *name, size_t max, struct field_errors *errors,
                struct text *ret_text);

#endif
