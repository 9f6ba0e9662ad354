#ifndef HOLDFAST_STORE_POSTGRES_VALUES_H
#define HOLDFAST_STORE_POSTGRES_VALUES_H

/* Values of results in PostgreSQL's binary format. Rows and columns count from 0. */

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/uuid.h"

#define PLACE_BYTES 6 /* of a tid: a block and a line in it */

/* timestamptz is microseconds since 2000. */
int64_t time_from_unix_ms(int64_t unix_ms);
int64_t time_to_unix_us(int64_t time_us);
int64_t time_to_unix_ms(int64_t time_us);

bool value_is_null(const PGresult *result, int row, int column);
bool value_bool(const PGresult *result, int row, int column);
int32_t value_int32(const PGresult *result, int row, int column);
int64_t value_int64(const PGresult *result, int row, int column); /* bigint; NULL: 0 */
int64_t value_place(const PGresult *result, int row, int column); /* tid */
int64_t value_unix_ms(const PGresult *result, int row, int column);
struct uuid value_uuid(const PGresult *result, int row, int column);
struct text value_view(const PGresult *result, int row, int column); /* lasts as long as the result; NULL: absent */
struct text value_text(const PGresult *result, int row, int column, struct arena *arena);
/* A value that has to be of that length; zeros where it is not. */
void value_bytes(const PGresult *result, int row, int column, void *ret_bytes, size_t length);

#endif
