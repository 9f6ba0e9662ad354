#ifndef HOLDFAST_STORE_POSTGRES_PARAMETERS_H
#define HOLDFAST_STORE_POSTGRES_PARAMETERS_H

/* Parameters of one statement in PostgreSQL's binary format: single values, and whole columns as arrays, which the
 * statement turns back into rows with unnest(). Memory is kept from one statement to the next. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/text.h"
#include "base/uuid.h"

#define PARAMETERS_MAX 18

/* The values are PostgreSQL's object ids, fixed by pg_type.dat. */
enum value_type {
    VALUE_BOOL = 16,
    VALUE_BYTES = 17,
    VALUE_INT64 = 20,
    VALUE_INT32 = 23,
    VALUE_TEXT = 25,
    VALUE_PLACE = 27, /* tid: where a version of a row is */
    VALUE_JSON = 114,
    VALUE_TIME = 1184,
    VALUE_UUID = 2950
};

struct parameter {
    enum value_type type;
    bool is_array;
    bool is_null;
    struct buffer bytes;
    size_t row_count; /* of an array */
};

struct parameters {
    struct parameter items[PARAMETERS_MAX];
    size_t count;
    size_t first_column; /* arrays go from here to the end */
    size_t next_column;
};

void parameters_init(struct parameters *parameters);
void parameters_done(struct parameters *parameters);
void parameters_clear(struct parameters *parameters);

/* Single values, $1, $2, ... in the order of the calls. */
void parameter_int64(struct parameters *parameters, int64_t value);
void parameter_time(struct parameters *parameters, int64_t unix_ms);
void parameter_uuid(struct parameters *parameters, struct uuid id);
void parameter_text(struct parameters *parameters, struct text text); /* absent: NULL */
void parameter_null(struct parameters *parameters, enum value_type type);
void parameter_bytes(struct parameters *parameters, const void *bytes, size_t length);

/* Opens columns behind the single values. Then each row is as many row_...() calls, in the order of `types`. */
void parameters_columns(struct parameters *parameters, const enum value_type *types, size_t count);
void row_bool(struct parameters *parameters, bool value);
void row_int32(struct parameters *parameters, int32_t value);
void row_int32_or_null(struct parameters *parameters, bool present, int32_t value);
void row_int64(struct parameters *parameters, int64_t value);
void row_int64_or_null(struct parameters *parameters, bool present, int64_t value);
void row_time(struct parameters *parameters, int64_t unix_ms);
void row_time_or_null(struct parameters *parameters, bool present, int64_t unix_ms);
void row_place(struct parameters *parameters, int64_t place);        /* as value_place() had it */
void row_uuid(struct parameters *parameters, const struct uuid *id); /* NULL: NULL */
void row_text(struct parameters *parameters, struct text text);      /* also JSON; absent: NULL */
void row_c_text(struct parameters *parameters, const char *c_string);
void row_bytes(struct parameters *parameters, const void *bytes, size_t length);
size_t parameters_row_count(const struct parameters *parameters);

/* The whole as libpq wants it. Ends the columns; the pointers last until the next change. */
void parameters_finish(struct parameters *parameters, const char *ret_values[PARAMETERS_MAX],
                       int ret_lengths[PARAMETERS_MAX]);

#endif
