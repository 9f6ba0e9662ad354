#ifndef HOLDFAST_STORE_SQLITE_ROW_SOURCE_H
#define HOLDFAST_STORE_SQLITE_ROW_SOURCE_H

/* Rows in memory as a table, `new_rows` with columns c0 to c12, so that one INSERT ... SELECT writes all that a batch
 * adds to a table. A statement a row costs as much again as the row: each run opens its cursors, checks the schema and
 * closes. (SQLite's virtual tables: https://www.sqlite.org/vtab.html) */

#include <sqlite3.h>
#include <stddef.h>

#define ROW_SOURCE_COLUMNS 13

struct row_source {
    const void *rows;
    size_t count;
    /* Gives one value through sqlite3_result_...; bytes outlive the statement. */
    void (*column)(const void *rows, size_t row, int column, sqlite3_context *context);
};

/* Makes `new_rows` known to the connection; it shows whatever *source holds when a statement begins. */
int row_source_register(sqlite3 *database, struct row_source *source);

#endif
