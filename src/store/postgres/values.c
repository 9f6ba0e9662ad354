#include "store/postgres/values.h"

#include <endian.h>
#include <string.h>

#define EPOCH_DIFFERENCE_US INT64_C(946684800000000) /* 2000-01-01 in microseconds since 1970 */

int64_t time_from_unix_ms(int64_t unix_ms)
{
    return unix_ms * 1000 - EPOCH_DIFFERENCE_US;
}

int64_t time_to_unix_us(int64_t time_us)
{
    return time_us + EPOCH_DIFFERENCE_US;
}

int64_t time_to_unix_ms(int64_t time_us)
{
    int64_t unix_us = time_to_unix_us(time_us);
    return unix_us >= 0 ? unix_us / 1000 : -((-unix_us + 999) / 1000);
}

bool value_is_null(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) != 0;
}

void value_bytes(const PGresult *result, int row, int column, void *ret_bytes, size_t length)
{
    memset(ret_bytes, 0, length);
    if ((size_t)PQgetlength(result, row, column) == length) {
        memcpy(ret_bytes, PQgetvalue(result, row, column), length);
    }
}

bool value_bool(const PGresult *result, int row, int column)
{
    uint8_t value;
    value_bytes(result, row, column, &value, sizeof(value));
    return value != 0;
}

int32_t value_int32(const PGresult *result, int row, int column)
{
    uint32_t value;
    value_bytes(result, row, column, &value, sizeof(value));
    return (int32_t)be32toh(value);
}

int64_t value_int64(const PGresult *result, int row, int column)
{
    uint64_t value;
    value_bytes(result, row, column, &value, sizeof(value));
    return (int64_t)be64toh(value);
}

int64_t value_place(const PGresult *result, int row, int column)
{
    uint64_t value = 0;
    value_bytes(result, row, column, (char *)&value + sizeof(value) - PLACE_BYTES, PLACE_BYTES);
    return (int64_t)be64toh(value);
}

int64_t value_unix_ms(const PGresult *result, int row, int column)
{
    return time_to_unix_ms(value_int64(result, row, column));
}

struct uuid value_uuid(const PGresult *result, int row, int column)
{
    struct uuid id;
    value_bytes(result, row, column, id.bytes, sizeof(id.bytes));
    return id;
}

struct text value_view(const PGresult *result, int row, int column)
{
    if (value_is_null(result, row, column)) {
        return TEXT_ABSENT;
    }
    return (struct text){PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
}

struct text value_text(const PGresult *result, int row, int column, struct arena *arena)
{
    struct text view = value_view(result, row, column);
    return view.bytes == NULL ? view : arena_text(arena, view);
}
