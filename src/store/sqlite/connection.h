#ifndef HOLDFAST_STORE_SQLITE_CONNECTION_H
#define HOLDFAST_STORE_SQLITE_CONNECTION_H

/* One connection to the file: how it is set up, its prepared statements, and the one place where SQLite's result codes
 * become faults. One thread at a time uses a connection. */

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/fault.h"
#include "base/text.h"
#include "base/uuid.h"
#include "store/sqlite/row_source.h"

#define CONNECTION_STATEMENT_SLOTS 128 /* a power of two, well above the number of statements there are */

struct connection {
    sqlite3 *database;
    int64_t deadline_us; /* on the monotonic clock: a statement that runs past it is interrupted; INT64_MAX: none */
    struct row_source new_rows; /* what the table of that name shows */
    struct {
        const char *sql;
        sqlite3_stmt *statement;
    } statements[CONNECTION_STATEMENT_SLOTS];
};

/* Opens the file without reading it yet (open_flags: SQLITE_OPEN_...). The connection stays where it is in memory until
 * it is closed. On failure there is nothing to close. */
MUST_USE bool connection_open(const char *path, int open_flags, struct connection *ret_connection, struct fault *fault);
/* Settings that read the file's head: before anything else is done with the connection. */
MUST_USE bool connection_configure(struct connection *connection, size_t cache_bytes, struct fault *fault);
void connection_close(struct connection *connection);

/* The statement for `sql`, prepared on first use and kept. `sql` is a constant: it is known by its address. */
MUST_USE bool connection_prepare(struct connection *connection, const char *sql, sqlite3_stmt **ret_statement,
                                 struct fault *fault);
/* Prepares (once) and runs a statement that has no parameters and whose rows, if any, do not matter. */
MUST_USE bool connection_run(struct connection *connection, const char *sql, struct fault *fault);
/* Runs one or more statements once, without keeping them. */
MUST_USE bool connection_run_script(struct connection *connection, const char *sql, struct fault *fault);
/* Runs an INSERT or UPDATE that reads new_rows; nothing where there are none. */
MUST_USE bool connection_write_rows(struct connection *connection, const char *sql, struct row_source rows,
                                    struct fault *fault);
/* As connection_prepare, for a SELECT that reads new_rows: shown until the statement has ended. */
MUST_USE bool connection_prepare_rows(struct connection *connection, const char *sql, struct row_source rows,
                                      sqlite3_stmt **ret_statement, struct fault *fault);
/* The first column of the first row of a statement without parameters; `otherwise` where there is no row or a NULL. */
MUST_USE bool connection_read_int64(struct connection *connection, const char *sql, int64_t otherwise,
                                    int64_t *ret_value, struct fault *fault);
bool connection_fault(sqlite3 *database, int code, struct fault *fault); /* fills the fault, returns false */

/* To the next row; *ret_row false where there are no more, and the statement is reset then. */
MUST_USE bool statement_next(sqlite3_stmt *statement, bool *ret_row, struct fault *fault);
/* Runs a statement that returns no rows, and resets it. */
MUST_USE bool statement_run(sqlite3_stmt *statement, struct fault *fault);
/* Runs it and tells whether it changed a row. */
MUST_USE bool statement_run_guarded(sqlite3_stmt *statement, bool *ret_changed, struct fault *fault);
/* Leaves a statement before its last row. Returns false, for `return statement_abandon(...)` behind a fault. */
bool statement_abandon(sqlite3_stmt *statement);

/* Bound bytes are not copied: they outlive the statement's run. Parameters count from 1. */
void bind_int64(sqlite3_stmt *statement, int parameter, int64_t value);
void bind_null(sqlite3_stmt *statement, int parameter);
void bind_int64_or_null(sqlite3_stmt *statement, int parameter, bool present, int64_t value);
void bind_text(sqlite3_stmt *statement, int parameter, struct text text); /* absent: NULL */
void bind_c_text(sqlite3_stmt *statement, int parameter, const char *c_string);
void bind_blob(sqlite3_stmt *statement, int parameter, const void *bytes, size_t length);
void bind_uuid(sqlite3_stmt *statement, int parameter, const struct uuid *id);

/* Values of new_rows. Bytes are not copied. */
void result_text(sqlite3_context *context, struct text text); /* absent: NULL */
void result_c_text(sqlite3_context *context, const char *c_string);
void result_uuid(sqlite3_context *context, const struct uuid *id);
void result_int64_or_null(sqlite3_context *context, bool present, int64_t value);

/* Columns count from 0. Views last until the statement moves; copies live in the arena. NULL: absent. */
struct text column_view(sqlite3_stmt *statement, int column);
struct text column_text(sqlite3_stmt *statement, int column, struct arena *arena);
bool column_is_null(sqlite3_stmt *statement, int column);
int64_t column_int64(sqlite3_stmt *statement, int column);
struct uuid column_uuid(sqlite3_stmt *statement, int column);
void column_bytes(sqlite3_stmt *statement, int column, void *ret_bytes, size_t length);

#endif
