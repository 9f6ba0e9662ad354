#include "store/sqlite/connection.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define BUSY_TIMEOUT_MS 5000
#define DEADLINE_CHECK_STEPS 4000 /* virtual machine steps between two looks at the clock: well under a millisecond */

/* Before anything else uses SQLite: no global counting of memory (a lock around every allocation), and paths are paths,
 * also those that begin with "file:". */
static void configure_library(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void)sqlite3_config(SQLITE_CONFIG_URI, 0);
}

static enum fault_kind fault_kind_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        return FAULT_CONSTRAINT;
    case SQLITE_INTERRUPT:
        return FAULT_TIMEOUT;
    case SQLITE_NOTADB:
        return FAULT_SCHEMA;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_NOMEM:
    case SQLITE_PROTOCOL:
        return FAULT_UNAVAILABLE;
    default:
        return FAULT_INTERNAL;
    }
}

static const char *fault_sentence(int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
        return "the disk is full";
    case SQLITE_IOERR:
        return "the disk failed to read or write";
    case SQLITE_READONLY:
        return "the database file cannot be written to: look at its permissions and those of its folder";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return "another process keeps the database locked";
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return "the database file cannot be opened";
    case SQLITE_CORRUPT:
        return "the database file is damaged: stop writing to it and restore a backup";
    case SQLITE_NOTADB:
        return "the file is not a database";
    case SQLITE_INTERRUPT:
        return "the read took longer than its limit";
    case SQLITE_CONSTRAINT:
        return "the database refused a row";
    default:
        return "the database failed";
    }
}

bool connection_fault(sqlite3 *database, int code, struct fault *fault)
{
    return fault_set(fault, fault_kind_of(code), "%s (%s, SQLite code %d): %s", fault_sentence(code),
                     sqlite3_errmsg(database), code, sqlite3_db_filename(database, "main"));
}

static int is_past_deadline(void *context)
{
    const struct connection *connection = context;
    return connection->deadline_us != INT64_MAX && clock_monotonic_us() > connection->deadline_us;
}

bool connection_open(const char *path, int open_flags, struct connection *ret_connection, struct fault *fault)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, configure_library);

    memset(ret_connection, 0, sizeof(*ret_connection));
    ret_connection->deadline_us = INT64_MAX;
    sqlite3 *database = NULL;
    int code = sqlite3_open_v2(path, &database, open_flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (code != SQLITE_OK) {
        int reason = sqlite3_system_errno(database);
        fault_set(fault, fault_kind_of(code), "%s (%s%s%s): %s", fault_sentence(code), sqlite3_errstr(code),
                  reason == 0 ? "" : ": ", reason == 0 ? "" : strerror(reason), path);
        (void)sqlite3_close(database);
        return false;
    }
    code = row_source_register(database, &ret_connection->new_rows);
    if (code != SQLITE_OK) {
        (void)connection_fault(database, code, fault);
        (void)sqlite3_close(database);
        return false;
    }
    (void)sqlite3_busy_timeout(database, BUSY_TIMEOUT_MS);
    /* Checkpoints are made by the store, which knows when they may be. */
    (void)sqlite3_wal_autocheckpoint(database, 0);
    (void)sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_progress_handler(database, DEADLINE_CHECK_STEPS, is_past_deadline, ret_connection);
    ret_connection->database = database;
    return true;
}

bool connection_configure(struct connection *connection, size_t cache_bytes, struct fault *fault)
{
    /* secure_delete would write zeros over every job that was done. Large sorts spill to a file, not to memory. */
    char pragmas[256];
    (void)snprintf(pragmas, sizeof(pragmas),
                   "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA mmap_size = 0;"
                   "PRAGMA secure_delete = OFF; PRAGMA trusted_schema = OFF; PRAGMA temp_store = FILE;"
                   "PRAGMA cache_size = -%zu;",
                   cache_bytes / 1024);
    return connection_run_script(connection, pragmas, fault);
}

void connection_close(struct connection *connection)
{
    for (size_t i = 0; i < CONNECTION_STATEMENT_SLOTS; i++) {
        (void)sqlite3_finalize(connection->statements[i].statement);
    }
    int code = sqlite3_close(connection->database);
    assert(code == SQLITE_OK); /* a statement was left open */
    memset(connection, 0, sizeof(*connection));
}

bool connection_prepare(struct connection *connection, const char *sql, sqlite3_stmt **ret_statement,
                        struct fault *fault)
{
    size_t slot = (size_t)(((uintptr_t)sql >> 3) * UINT64_C(0x9E3779B97F4A7C15) >> 57);
    static_assert(CONNECTION_STATEMENT_SLOTS == 128, "the shift above leaves 7 bits");
    while (connection->statements[slot].sql != sql && connection->statements[slot].sql != NULL) {
        slot = (slot + 1) % CONNECTION_STATEMENT_SLOTS;
    }
    if (connection->statements[slot].sql == NULL) {
        sqlite3_stmt *statement;
        int code = sqlite3_prepare_v3(connection->database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
        if (code != SQLITE_OK) {
            connection_fault(connection->database, code, fault);
            return false;
        }
        connection->statements[slot].sql = sql;
        connection->statements[slot].statement = statement;
    }
    *ret_statement = connection->statements[slot].statement;
    return true;
}

bool connection_run(struct connection *connection, const char *sql, struct fault *fault)
{
    sqlite3_stmt *statement;
    return connection_prepare(connection, sql, &statement, fault) && statement_run(statement, fault);
}

bool connection_run_script(struct connection *connection, const char *sql, struct fault *fault)
{
    int code = sqlite3_exec(connection->database, sql, NULL, NULL, NULL);
    return code == SQLITE_OK || connection_fault(connection->database, code, fault);
}

bool connection_prepare_rows(struct connection *connection, const char *sql, struct row_source rows,
                             sqlite3_stmt **ret_statement, struct fault *fault)
{
    connection->new_rows = rows;
    return connection_prepare(connection, sql, ret_statement, fault);
}

bool connection_write_rows(struct connection *connection, const char *sql, struct row_source rows, struct fault *fault)
{
    sqlite3_stmt *statement;
    return rows.count == 0 ||
           (connection_prepare_rows(connection, sql, rows, &statement, fault) && statement_run(statement, fault));
}

bool connection_read_int64(struct connection *connection, const char *sql, int64_t otherwise, int64_t *ret_value,
                           struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row;
    if (!connection_prepare(connection, sql, &statement, fault) || !statement_next(statement, &row, fault)) {
        return false;
    }
    *ret_value = row && !column_is_null(statement, 0) ? column_int64(statement, 0) : otherwise;
    (void)sqlite3_reset(statement);
    return true;
}

bool statement_next(sqlite3_stmt *statement, bool *ret_row, struct fault *fault)
{
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *ret_row = true;
        return true;
    }
    if (code != SQLITE_DONE) {
        connection_fault(sqlite3_db_handle(statement), code, fault);
        return statement_abandon(statement);
    }
    (void)sqlite3_reset(statement);
    *ret_row = false;
    return true;
}

bool statement_run(sqlite3_stmt *statement, struct fault *fault)
{
    int code = sqlite3_step(statement);
    if (code != SQLITE_DONE && code != SQLITE_ROW) {
        connection_fault(sqlite3_db_handle(statement), code, fault);
        return statement_abandon(statement);
    }
    (void)sqlite3_reset(statement);
    return true;
}

bool statement_run_guarded(sqlite3_stmt *statement, bool *ret_changed, struct fault *fault)
{
    if (!statement_run(statement, fault)) {
        return false;
    }
    *ret_changed = sqlite3_changes(sqlite3_db_handle(statement)) > 0;
    return true;
}

bool statement_abandon(sqlite3_stmt *statement)
{
    (void)sqlite3_reset(statement);
    return false;
}

/* Binding fails only where the caller names a parameter that there is not, or binds to a running statement. */
static void assert_bound(int code)
{
    assert(code == SQLITE_OK);
}

void bind_int64(sqlite3_stmt *statement, int parameter, int64_t value)
{
    assert_bound(sqlite3_bind_int64(statement, parameter, value));
}

void bind_null(sqlite3_stmt *statement, int parameter)
{
    assert_bound(sqlite3_bind_null(statement, parameter));
}

void bind_int64_or_null(sqlite3_stmt *statement, int parameter, bool present, int64_t value)
{
    if (present) {
        bind_int64(statement, parameter, value);
    } else {
        bind_null(statement, parameter);
    }
}

void bind_text(sqlite3_stmt *statement, int parameter, struct text text)
{
    assert_bound(sqlite3_bind_text(statement, parameter, text.bytes, (int)text.length, SQLITE_STATIC));
}

void bind_c_text(sqlite3_stmt *statement, int parameter, const char *c_string)
{
    bind_text(statement, parameter, text_from_c(c_string));
}

void bind_blob(sqlite3_stmt *statement, int parameter, const void *bytes, size_t length)
{
    assert_bound(sqlite3_bind_blob(statement, parameter, bytes, (int)length, SQLITE_STATIC));
}

void bind_uuid(sqlite3_stmt *statement, int parameter, const struct uuid *id)
{
    bind_blob(statement, parameter, id->bytes, sizeof(id->bytes));
}

struct text column_view(sqlite3_stmt *statement, int column)
{
    if (column_is_null(statement, column)) {
        return TEXT_ABSENT;
    }
    /* As a blob, so that SQLite neither converts nor copies; its empty values have no address. */
    const char *bytes = sqlite3_column_blob(statement, column);
    return (struct text){bytes == NULL ? "" : bytes, (size_t)sqlite3_column_bytes(statement, column)};
}

struct text column_text(sqlite3_stmt *statement, int column, struct arena *arena)
{
    struct text view = column_view(statement, column);
    return view.bytes == NULL ? view : arena_text(arena, view);
}

bool column_is_null(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL;
}

int64_t column_int64(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_int64(statement, column);
}

struct uuid column_uuid(sqlite3_stmt *statement, int column)
{
    struct uuid id;
    column_bytes(statement, column, id.bytes, sizeof(id.bytes));
    return id;
}

void column_bytes(sqlite3_stmt *statement, int column, void *ret_bytes, size_t length)
{
    struct text view = column_view(statement, column);
    memset(ret_bytes, 0, length);
    if (view.length > 0) { /* a CHECK holds the length; whatever a damaged row has must fit all the same */
        memcpy(ret_bytes, view.bytes, view.length < length ? view.length : length);
    }
}

void result_text(sqlite3_context *context, struct text text)
{
    if (text.bytes == NULL) {
        sqlite3_result_null(context);
    } else {
        sqlite3_result_text64(context, text.bytes, text.length, SQLITE_STATIC, SQLITE_UTF8);
    }
}

void result_c_text(sqlite3_context *context, const char *c_string)
{
    result_text(context, text_from_c(c_string));
}

void result_uuid(sqlite3_context *context, const struct uuid *id)
{
    sqlite3_result_blob64(context, id->bytes, sizeof(id->bytes), SQLITE_STATIC);
}

void result_int64_or_null(sqlite3_context *context, bool present, int64_t value)
{
    if (present) {
        sqlite3_result_int64(context, value);
    } else {
        sqlite3_result_null(context);
    }
}
