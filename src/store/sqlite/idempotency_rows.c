#include "store/sqlite/idempotency_rows.h"

#define PRUNE_SLICE "500"

static const char SELECT_KEY[] = "SELECT fingerprint, created_at, order_no, status, body, location, version "
                                 "FROM idempotency_keys WHERE key_no = ?1 AND key = ?2";
static const char SELECT_LAST_KEY[] = "SELECT max(key_no) FROM idempotency_keys";
static const char INSERT_KEYS[] = "INSERT INTO idempotency_keys "
                                  "(key_no, key, fingerprint, created_at, order_no, status, body, location, version) "
                                  "SELECT c0, c1, c2, c3, c4, c5, c6, c7, c8 FROM new_rows";
/* The last row stays, so that numbers go on ascending. */
static const char DELETE_KEYS[] =
    "DELETE FROM idempotency_keys WHERE (created_at < ?1 OR created_at > ?2) AND key_no < (SELECT max(key_no) FROM idempotency_keys) AND "
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
    posting_search_begin(by_key, deferred_index_text_key(by_key, key), arena, &search);
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

struct new_keys {
    int64_t first_row;
    struct idempotency_record *const *records;
};

static void key_column(const void *rows, size_t row, int column, sqlite3_context *context)
{
    const struct new_keys *keys = rows;
    const struct idempotency_record *record = keys->records[row];
    bool is_creation = record->order != NULL;
    switch (column) {
    case 0:
        sqlite3_result_int64(context, keys->first_row + (int64_t)row);
        break;
    case 1:
        result_text(context, record->key);
        break;
    case 2:
        sqlite3_result_blob64(context, record->fingerprint, sizeof(record->fingerprint), SQLITE_STATIC);
        break;
    case 3:
        sqlite3_result_int64(context, record->created_at_ms);
        break;
    case 4:
        result_int64_or_null(context, is_creation, is_creation ? record->order->row : 0);
        break;
    case 5:
        result_int64_or_null(context, !is_creation, record->status);
        break;
    case 6:
        result_text(context, record->body);
        break;
    case 7:
        result_text(context, record->location);
        break;
    case 8:
        result_int64_or_null(context, record->version != 0, record->version); /* 0: the answer had none */
        break;
    }
}

bool idempotency_insert(struct connection *connection, struct deferred_index *by_key,
                        struct idempotency_record *const *records, size_t count, struct fault *fault)
{
    int64_t last_row;
    if (count == 0) {
        return true;
    }
    if (!connection_read_int64(connection, SELECT_LAST_KEY, 0, &last_row, fault)) {
        return false;
    }
    const struct new_keys keys = {.first_row = last_row + 1, .records = records};
    for (size_t i = 0; i < count; i++) {
        deferred_index_add(by_key, deferred_index_text_key(by_key, records[i]->key), keys.first_row + (int64_t)i);
    }
    return connection_write_rows(connection, INSERT_KEYS,
                                 (struct row_source){.rows = &keys, .count = count, .column = key_column}, fault);
}

bool idempotency_prune(struct connection *connection, int64_t before_ms, int64_t after_ms, bool *ret_more,
                       struct fault *fault)
{
    sqlite3_stmt *statement;
    bool keys_gone;
    bool postings_gone;
    if (!connection_prepare(connection, DELETE_KEYS, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, before_ms);
    bind_int64(statement, 2, after_ms);
    if (!statement_run_guarded(statement, &keys_gone, fault) ||
        !connection_prepare(connection, DELETE_POSTINGS, &statement, fault) ||
        !statement_run_guarded(statement, &postings_gone, fault)) {
        return false;
    }
    *ret_more = keys_gone || postings_gone;
    return true;
}
