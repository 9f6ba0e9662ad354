#include "store/sqlite/idempotency_rows.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PRUNE_SLICE "500"

static const char SELECT_KEY[] = "SELECT fingerprint, created_at, order_no, status, body, location, version "
                                 "FROM idempotency_keys WHERE key = ?1";
static const char INSERT_KEY[] = "INSERT INTO idempotency_keys "
                                 "(key, fingerprint, created_at, order_no, status, body, location, version) "
                                 "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
static const char SELECT_SLICE_END[] =
    "SELECT key FROM idempotency_keys WHERE key > ?1 ORDER BY key LIMIT 1 OFFSET " PRUNE_SLICE;
static const char DELETE_SLICE[] =
    "DELETE FROM idempotency_keys WHERE key > ?1 AND key <= ?2 AND created_at < ?3";
static const char DELETE_REST[] = "DELETE FROM idempotency_keys WHERE key > ?1 AND created_at < ?2";

bool idempotency_find(struct connection *connection, struct arena *arena, struct text key,
                      struct idempotency_record **ret_record, int64_t *ret_order_row, struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row;
    if (!connection_prepare(connection, SELECT_KEY, &statement, fault)) {
        return false;
    }
    bind_text(statement, 1, key);
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    *ret_record = NULL;
    *ret_order_row = 0;
    if (!row) {
        return true;
    }
    struct idempotency_record *record = arena_zalloc(arena, sizeof(*record));
    record->key = key;
    column_bytes(statement, 0, record->fingerprint, sizeof(record->fingerprint));
    record->created_at_ms = column_int64(statement, 1);
    record->status = (int)column_int64(statement, 3);
    record->body = column_text(statement, 4, arena);
    record->location = column_text(statement, 5, arena);
    record->version = column_int64(statement, 6);
    *ret_order_row = column_int64(statement, 2); /* NULL reads as 0 */
    *ret_record = record;
    (void)sqlite3_reset(statement);
    return true;
}

bool idempotency_insert(struct connection *connection, const struct idempotency_record *record, struct fault *fault)
{
    bool is_creation = record->order != NULL;
    sqlite3_stmt *statement;
    if (!connection_prepare(connection, INSERT_KEY, &statement, fault)) {
        return false;
    }
    assert(!is_creation || record->order->row != 0);
    bind_text(statement, 1, record->key);
    bind_blob(statement, 2, record->fingerprint, sizeof(record->fingerprint));
    bind_int64(statement, 3, record->created_at_ms);
    bind_int64_or_null(statement, 4, is_creation, is_creation ? record->order->row : 0);
    bind_int64_or_null(statement, 5, !is_creation, record->status);
    bind_text(statement, 6, record->body);
    bind_text(statement, 7, record->location);
    bind_int64_or_null(statement, 8, record->version != 0, record->version); /* 0: the answer had none */
    return statement_run(statement, fault);
}

/* The last key of the slice, malloced; NULL where the slice reaches the end. */
static bool find_slice_end(struct connection *connection, struct text after, char **ret_end, struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row;
    if (!connection_prepare(connection, SELECT_SLICE_END, &statement, fault)) {
        return false;
    }
    bind_text(statement, 1, after);
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    *ret_end = NULL;
    if (row) {
        struct text end = column_view(statement, 0);
        *ret_end = memory_zalloc(end.length + 1, 1);
        memcpy(*ret_end, end.bytes, end.length);
        (void)sqlite3_reset(statement);
    }
    return true;
}

bool idempotency_prune(struct connection *connection, const char *after, int64_t before_ms, char **ret_after,
                       struct fault *fault)
{
    struct text from = text_from_c(after == NULL ? "" : after);
    sqlite3_stmt *statement;
    char *end;
    if (!find_slice_end(connection, from, &end, fault)) {
        return false;
    }
    if (!connection_prepare(connection, end == NULL ? DELETE_REST : DELETE_SLICE, &statement, fault)) {
        free(end);
        return false;
    }
    bind_text(statement, 1, from);
    if (end != NULL) {
        bind_c_text(statement, 2, end);
    }
    bind_int64(statement, end == NULL ? 2 : 3, before_ms);
    if (!statement_run(statement, fault)) {
        free(end);
        return false;
    }
    *ret_after = end;
    return true;
}
