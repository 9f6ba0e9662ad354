#ifndef HOLDFAST_CLI_IMPORT_WRITER_H
#define HOLDFAST_CLI_IMPORT_WRITER_H

/* Products on their way from a file to the database: gathered into chunks, which go through the committer like any
 * other command, a few at a time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "cli/database.h"
#include "domain/catalogue.h"

struct import_writer;

struct import_totals {
    int64_t created; /* variants */
    int64_t updated;
    int64_t unchanged;
    int64_t refused;
};

struct import_writer_options {
    const struct database *database; /* open and migrated */
    bool check_only;                 /* write nothing: only find what the database's state rules out */
    bool may_sweep;                  /* overdue holds may be released on the way, which is a write */
    void (*refused)(void *context, size_t line, struct text reason); /* a row that the database's state rules out */
    void *context;
};

MUST_USE bool import_writer_start(const struct import_writer_options *options, struct import_writer **ret_writer,
                                  struct fault *fault);
/* Copies the product; waits while too many chunks are under way. False: the store failed, nothing more is taken. */
MUST_USE bool import_writer_put(struct import_writer *writer, const struct import_product *product);
/* Waits for everything that was put. False, with a fault: some of it was not written; totals are filled in any case. */
MUST_USE bool import_writer_finish(struct import_writer *writer, struct import_totals *ret_totals, struct fault *fault);
void import_writer_free(struct import_writer *writer);

#endif
