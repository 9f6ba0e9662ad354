#ifndef HOLDFAST_STORE_SQLITE_FILE_LOCK_H
#define HOLDFAST_STORE_SQLITE_FILE_LOCK_H

/* Locks between processes, beside SQLite's own, in a file "<database>-lock" that is made once and never removed (a
 * removed one could be held by one process while another locks its successor). The kernel lets go of them when the
 * process ends, however it ends. */

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/fault.h"

enum file_lock_byte {
    FILE_LOCK_SERVE = 0, /* for the life of a process that serves: one at a time */
    FILE_LOCK_WRITE = 1  /* around each write transaction and checkpoint: SQLite before 3.51.3 may damage a file where
                          * one connection checkpoints while another restarts the log */
};

/* Opens "<database_path>-lock", making it where there is none. */
MUST_USE bool file_lock_open(const char *database_path, int *ret_file, struct fault *fault);
void file_lock_close(int file);                                  /* lets go of everything held through it */
MUST_USE bool file_lock_try(int file, enum file_lock_byte byte); /* false: someone else holds it */
MUST_USE bool file_lock_wait(int file, enum file_lock_byte byte, int64_t wait_ms);
void file_lock_release(int file, enum file_lock_byte byte);

#endif
