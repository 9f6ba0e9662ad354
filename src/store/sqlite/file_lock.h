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
    FILE_LOCK_WRITE = 1, /* around each write transaction and checkpoint: SQLite before 3.51.3 may damage a file where
                          * one connection checkpoints while another restarts the log */
    FILE_LOCK_OPEN = 2   /* shared, as long as a process has the database open */
};

/* Opens "<database_path>-lock", making it where there is none. */
MUST_USE bool file_lock_open(const char *database_path, int *ret_file, struct fault *fault);
void file_lock_close(int file);                                  /* lets go of everything held through it */
MUST_USE bool file_lock_try(int file, enum file_lock_byte byte); /* false: someone else holds it */
MUST_USE bool file_lock_wait(int file, enum file_lock_byte byte, int64_t wait_ms);
/* Beside others who share it; what this file holds alone it shares from now on. */
MUST_USE bool file_lock_share(int file, enum file_lock_byte byte, int64_t wait_ms);
void file_lock_release(int file, enum file_lock_byte byte);

/* A mark for all that have the database open, in the memory of the system; it need not reach the disk. */
void file_lock_set_mark(int file);
void file_lock_clear_mark(int file);
bool file_lock_has_mark(int file);

#endif
