#ifndef HOLDFAST_CLI_CATALOGUE_READER_H
#define HOLDFAST_CLI_CATALOGUE_READER_H

/* A catalogue file to products, whatever its format: its header says which it is. Every row is checked before it is
 * handed on, a SKU that came before in the file among the rest. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/fault.h"
#include "domain/catalogue.h"

struct catalogue_sink {
    /* A product, all its good rows together; its memory is the reader's, until the return. False: read no further. */
    bool (*product)(void *context, const struct import_product *product);
    void (*bad_row)(void *context, size_t line, const char *reason);
    void (*notice)(void *context, size_t line, const char *text); /* read, but not as it was written */
    void (*advanced)(void *context, int64_t bytes);               /* so many were read since the last time */
    void *context;
};

/* From the file's present position. `currency`: of prices for which the file names none; NULL: not said. False: the
 * file as a whole is of no use, and the fault says why. */
MUST_USE bool catalogue_read(int file, const char *currency, const struct catalogue_sink *sink, struct fault *fault);

#endif
