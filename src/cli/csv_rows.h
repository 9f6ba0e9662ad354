#ifndef HOLDFAST_CLI_CSV_ROWS_H
#define HOLDFAST_CLI_CSV_ROWS_H

/* CSV (RFC 4180, LF or CRLF, a byte order mark tolerated, quoted fields with newlines) to rows, in bounded memory.
 * A row that cannot be read is reported, and reading goes on at the next line. Empty lines are passed over. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/fault.h"
#include "base/text.h"

#define CSV_ROW_BYTES_MAX (4u * 1024 * 1024)
#define CSV_FIELDS_MAX 1024

struct csv_row {
    size_t line; /* of the file, where the row begins; from 1 */
    const struct text *fields;
    size_t field_count;
};

struct csv_sink {
    bool (*row)(void *context, const struct csv_row *row); /* false: read no further */
    void (*bad_row)(void *context, size_t line, const char *reason);
    void (*advanced)(void *context, int64_t bytes); /* so many were read since the last time */
    void *context;
};

/* From the file's present position to its end. False: the file could not be read. */
MUST_USE bool csv_read(int file, const struct csv_sink *sink, struct fault *fault);

#endif
