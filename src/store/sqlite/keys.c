#include <string.h>

#include "store/sqlite/sqlite_internal.h"

static const char *const SCOPE_NAMES[] = {
    [KEY_SCOPE_READ] = "read", [KEY_SCOPE_WRITE] = "write", [KEY_SCOPE_ADMIN] = "admin"};
#define SCOPE_COUNT (sizeof(SCOPE_NAMES) / sizeof(SCOPE_NAMES[0]))

static const char SELECT_KEYS[] = "SELECT key_id, name, scope, hash, hint, created_at, revoked_at FROM api_keys "
                                  "ORDER BY created_at, key_id";
static const char COUNT_KEYS[] = "SELECT count(*) FROM api_keys";
static const char INSERT_KEY[] = "INSERT INTO api_keys (key_id, name, scope, hash, hint, created_at, revoked_at) "
                                 "VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL)";
static const char REVOKE_BY_ID[] = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?2) WHERE key_id = ?1";
static const char REVOKE_BY_NAME[] = "UPDATE api_keys SET revoked_at = ?2 WHERE name = ?1 AND revoked_at IS NULL";

static bool take_key(sqlite3_stmt *statement, struct arena *arena, struct key_row *ret_row, struct fault *fault)
{
    ret_row->id = column_uuid(statement, 0);
    ret_row->name = column_text(statement, 1, arena);
    column_bytes(statement, 3, ret_row->hash, sizeof(ret_row->hash));
    ret_row->hint = column_text(statement, 4, arena);
    ret_row->created_at_ms = column_int64(statement, 5);
    ret_row->revoked_at_ms = column_int64(statement, 6); /* NULL reads as 0 */
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if (text_equal_c(column_view(statement, 2), SCOPE_NAMES[i])) {
            ret_row->scope = (enum key_scope)i;
            return true;
        }
    }
    return fault_set(fault, FAULT_INTERNAL, "an API key has an unknown scope");
}

static bool load_keys(struct reader *reader, struct arena *arena, struct key_row **ret_rows, size_t *ret_count,
                      struct fault *fault)
{
    int64_t total;
    sqlite3_stmt *statement;
    if (!connection_read_int64(&reader->connection, COUNT_KEYS, 0, &total, fault) ||
        !connection_prepare(&reader->connection, SELECT_KEYS, &statement, fault)) {
        return false;
    }
    struct key_row *rows = arena_array(arena, (size_t)total, sizeof(*rows));
    for (size_t count = 0;; count++) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row) {
            *ret_rows = rows;
            *ret_count = count;
            return true;
        }
        if (!take_key(statement, arena, &rows[count], fault)) {
            return statement_abandon(statement);
        }
    }
}

bool sqlite_read_keys(struct reader *reader, struct arena *arena, struct key_row **ret_rows, size_t *ret_count,
                      struct fault *fault)
{
    if (!read_begin(reader, fault)) {
        return false;
    }
    bool ok = load_keys(reader, arena, ret_rows, ret_count, fault);
    read_end(reader);
    return ok;
}

bool sqlite_key_create(struct store *store, const struct key_row *key, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(&store->writer, INSERT_KEY, &statement, fault) || !store_lock_writing(store, fault)) {
        return false;
    }
    bind_uuid(statement, 1, &key->id);
    bind_text(statement, 2, key->name);
    bind_c_text(statement, 3, SCOPE_NAMES[key->scope]);
    bind_blob(statement, 4, key->hash, sizeof(key->hash));
    bind_text(statement, 5, key->hint);
    bind_int64(statement, 6, key->created_at_ms);
    bool ok = statement_run(statement, fault);
    store_unlock_writing(store);
    if (!ok && fault->kind == FAULT_CONSTRAINT) {
        fault_set(fault, FAULT_CONSTRAINT, "a key named \"%.*s\" is in force: revoke it first, or take another name",
                  (int)key->name.length, key->name.bytes);
    }
    return ok;
}

bool sqlite_key_revoke(struct store *store, struct text id_or_name, int64_t now_ms, bool *ret_found,
                       struct fault *fault)
{
    struct uuid id;
    bool is_id = uuid_parse(id_or_name, &id);
    sqlite3_stmt *statement;
    if (!connection_prepare(&store->writer, is_id ? REVOKE_BY_ID : REVOKE_BY_NAME, &statement, fault) ||
        !store_lock_writing(store, fault)) {
        return false;
    }
    if (is_id) {
        bind_uuid(statement, 1, &id);
    } else {
        bind_text(statement, 1, id_or_name);
    }
    bind_int64(statement, 2, now_ms);
    bool ok = statement_run_guarded(statement, ret_found, fault);
    store_unlock_writing(store);
    return ok;
}
