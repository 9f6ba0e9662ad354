#include "store/sqlite/idempotency_rows.h"

#include <assert.h>

#define PRUNE_SLICE "500"

static const char SELECT_KEY[] = "SELECT fingerprint, created_at, order_no, status, body, location, version "
                                 "FROM idempotency_keys WHERE key_no = ?1 AND key = ?2";
static const char INSERT_KEY[] = "INSERT INTO idempotency_keys "
                                 "(key, fingerprint, created_at, order_no, status, body, location, version) "
                                 "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
/* The last row stays, so that numbers go on ascending. */
static const char DELETE_KEYS[] =
    "DELETE FROM idempotency_keys WHERE created_at < ?1 AND key_no < (SELECT max(key_no) FROM idempotency_keys) AND "
    "key_no < (SELECT min(key_no) FROM idempotency_keys) + " PRUNE_SLICE;
/* Postings of keys that are gone are harmless; they go when their whole segment is. */
static const char DELETE_POSTINGS[] =
    "DELETE FROM idempotency_by_key WHERE (segment, key_hash, key_no) IN "
    "(SELECT segment, key_hash, key_no FROM idempotency_by_key "
    "WHERE segment < (SELECT min(key_no) >> 20 FROM idempotency_keys) LIMIT " PRUNE_SLICE ")";

_Static_assert(SEGMENT_ROW_BITS == 20, "DELETE_POSTINGS has the number, too");

/* The record in a row, NULL where the row is gone or another key's that has the same hash. */
static bool read_record(struct connection *connection, struct arena *arena, struct text key, int64_t key_row,
                        struct idempotency_record **ret_record, int64_t *ret_order_row, struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row;
    if (!connection_prepare(connection, SELECT_KEY, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, key_row);
    bind_text(statement, 2, key);
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
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

bool idempotency_find(struct connection *connection, struct deferred_index *by_key, struct arena *arena,
                      struct text key, struct idempotency_record **ret_record, int64_t *ret_order_row,
                      struct fault *fault)
{
    struct posting_search search;
    int64_t key_row;
    *ret_record = NULL;
    *ret_order_row = 0;
    posting_search_begin(by_key, deferred_index_text_key(key), arena, &search);
    do {
        if (!posting_search_next(&search, connection, &key_row, fault) ||
            (key_row != 0 && !read_record(connection, arena, key, key_row, ret_record, ret_order_row, fault))) {
            posting_search_end(&search);
            return false;
        }
    } while (key_row != 0 && *ret_record == NULL);
    posting_search_end(&search);
    return true;
}

bool idempotency_insert(struct connection *connection, struct deferred_index *by_key,
                        const struct idempotency_record *record, struct fault *fault)
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
    if (!statement_run(statement, fault)) {
        return false;
    }
    deferred_index_add(by_key, deferred_index_text_key(record->key), sqlite3_last_insert_rowid(connection->database));
    return true;
}

bool idempotency_prune(struct connection *connection, int64_t before_ms, bool *ret_more, struct fault *fault)
{
    sqlite3_stmt *statement;
    bool keys_gone;
    bool postings_gone;
    if (!connection_prepare(connection, DELETE_KEYS, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, before_ms);
    if (!statement_run_guarded(statement, &keys_gone, fault) ||
        !connection_prepare(connection, DELETE_POSTINGS, &statement, fault) ||
        !statement_run_guarded(statement, &postings_gone, fault)) {
        return false;
    }
    *ret_more = keys_gone || postings_gone;
    return true;
}
