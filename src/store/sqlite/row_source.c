#include "store/sqlite/row_source.h"

#include "base/arena.h"

#include <stdlib.h>

#define ROW_SOURCE_DECLARATION "CREATE TABLE x (c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12)"

struct source_table {
    sqlite3_vtab base; /* first: SQLite's own part */
    const struct row_source *source;
};

struct source_cursor {
    sqlite3_vtab_cursor base; /* first */
    const struct row_source *source;
    size_t row;
};

static int source_connect(sqlite3 *database, void *client, int argc, const char *const *argv, sqlite3_vtab **ret_table,
                          char **ret_error)
{
    (void)argc;
    (void)argv;
    (void)ret_error;
    int code = sqlite3_declare_vtab(database, ROW_SOURCE_DECLARATION);
    if (code == SQLITE_OK) {
        struct source_table *table = memory_zalloc(1, sizeof(*table));
        table->source = client;
        *ret_table = &table->base;
    }
    return code;
}

static int source_disconnect(sqlite3_vtab *table)
{
    free(table);
    return SQLITE_OK;
}

/* There is one way to read it: from the first row to the last. */
static int source_best_index(sqlite3_vtab *table, sqlite3_index_info *plan)
{
    (void)table;
    plan->estimatedCost = 1000;
    plan->estimatedRows = 1000;
    return SQLITE_OK;
}

static int source_open(sqlite3_vtab *table, sqlite3_vtab_cursor **ret_cursor)
{
    struct source_cursor *cursor = memory_zalloc(1, sizeof(*cursor));
    cursor->source = ((const struct source_table *)table)->source;
    *ret_cursor = &cursor->base;
    return SQLITE_OK;
}

static int source_close(sqlite3_vtab_cursor *cursor)
{
    free(cursor);
    return SQLITE_OK;
}

static int source_filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc, sqlite3_value **argv)
{
    (void)plan;
    (void)plan_text;
    (void)argc;
    (void)argv;
    ((struct source_cursor *)base)->row = 0;
    return SQLITE_OK;
}

static int source_next(sqlite3_vtab_cursor *base)
{
    ((struct source_cursor *)base)->row++;
    return SQLITE_OK;
}

static int source_is_at_end(sqlite3_vtab_cursor *base)
{
    const struct source_cursor *cursor = (const struct source_cursor *)base;
    return cursor->row >= cursor->source->count;
}

static int source_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    const struct source_cursor *cursor = (const struct source_cursor *)base;
    cursor->source->column(cursor->source->rows, cursor->row, column, context);
    return SQLITE_OK;
}

static int source_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret_rowid)
{
    *ret_rowid = (sqlite3_int64)((const struct source_cursor *)base)->row;
    return SQLITE_OK;
}

/* No xCreate: the table is there by itself in every connection that knows the module, and in no schema. */
static const sqlite3_module SOURCE_MODULE = {
    .iVersion = 0,
    .xConnect = source_connect,
    .xBestIndex = source_best_index,
    .xDisconnect = source_disconnect,
    .xOpen = source_open,
    .xClose = source_close,
    .xFilter = source_filter,
    .xNext = source_next,
    .xEof = source_is_at_end,
    .xColumn = source_column,
    .xRowid = source_rowid,
};

int row_source_register(sqlite3 *database, struct row_source *source)
{
    return sqlite3_create_module_v2(database, "new_rows", &SOURCE_MODULE, source, NULL);
}
