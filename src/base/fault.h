#ifndef HOLDFAST_BASE_FAULT_H
#define HOLDFAST_BASE_FAULT_H

#include <stdbool.h>

#include "base/attributes.h"

/* A fault is an error that is nobody's answer: a disk, a connection, a bug. Refusals (out of stock) are data and never
 * travel this way. Fallible functions return false and fill *fault; on success *fault is untouched. */
enum fault_kind {
    FAULT_NONE = 0,
    FAULT_UNAVAILABLE,     /* the store cannot be used now (disk full, read-only, locked): nothing was changed */
    FAULT_CONFLICT,        /* a version guard failed: load fresh facts and plan again */
    FAULT_CONSTRAINT,      /* the database refused one of the rows: isolate the command that made it */
    FAULT_OUTCOME_UNKNOWN, /* COMMIT was sent and its answer never came */
    FAULT_TIMEOUT,         /* a read, or the wait for a lock, took longer than its limit */
    FAULT_SCHEMA,          /* the database is newer or older than this program, or is not Holdfast's */
    FAULT_INTERNAL         /* corruption or a bug */
};

struct fault {
    enum fault_kind kind;
    char detail[240]; /* for the log and the operator, never for a client */
};

/* Fills *fault (which may not be NULL) and returns false, so that callers can `return fault_set(...)`. */
bool fault_set(struct fault *fault, enum fault_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);
const char *fault_kind_name(enum fault_kind kind); /* snake_case, for logs and metrics */

#endif
