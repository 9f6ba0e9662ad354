#include "store/postgres/postgres_internal.h"
#include "store/postgres/values.h"

static const char *const SCOPE_NAMES[] = {
    [KEY_SCOPE_READ] = "read", [KEY_SCOPE_WRITE] = "write", [KEY_SCOPE_ADMIN] = "admin"};
#define SCOPE_COUNT (sizeof(SCOPE_NAMES) / sizeof(SCOPE_NAMES[0]))

static const struct statement SELECT_KEYS = {
    "api_keys", "SELECT key_id, name, scope, hash, hint, created_at, revoked_at FROM api_keys "
                "ORDER BY created_at, key_id"};
static const struct statement INSERT_KEY = {
    "insert_api_key", "INSERT INTO api_keys (key_id, name, scope, hash, hint, created_at) "
                      "VALUES ($1::uuid, $2::text, $3::text, $4::bytea, $5::text, $6::timestamptz)"};
static const struct statement REVOKE_BY_ID = {"revoke_api_key",
                                              "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $2::timestamptz) "
                                              "WHERE key_id = $1::uuid RETURNING key_id"};
static const struct statement REVOKE_BY_NAME = {"revoke_api_key_by_name",
                                                "UPDATE api_keys SET revoked_at = $2::timestamptz "
                                                "WHERE name = $1::text AND revoked_at IS NULL RETURNING key_id"};

static void queue_keys(struct session *session, void *context)
{
    size_t *number = context;
    (void)session_parameters(session);
    *number = session_queue(session, &SELECT_KEYS);
}

static bool take_key(const PGresult *keys, int row, struct arena *arena, struct key_row *ret_row, struct fault *fault)
{
    ret_row->id = value_uuid(keys, row, 0);
    ret_row->name = value_text(keys, row, 1, arena);
    value_bytes(keys, row, 3, ret_row->hash, sizeof(ret_row->hash));
    ret_row->hint = value_text(keys, row, 4, arena);
    ret_row->created_at_ms = value_unix_ms(keys, row, 5);
    ret_row->revoked_at_ms = value_is_null(keys, row, 6) ? 0 : value_unix_ms(keys, row, 6);
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if (text_equal_c(value_view(keys, row, 2), SCOPE_NAMES[i])) {
            ret_row->scope = (enum key_scope)i;
            return true;
        }
    }
    return fault_set(fault, FAULT_INTERNAL, "an API key has an unknown scope");
}

bool postgres_read_keys(struct reader *reader, struct arena *arena, struct key_row **ret_rows, size_t *ret_count,
                        struct fault *fault)
{
    size_t number = 0;
    struct session *session;
    if (!read_run(reader, &(struct read){READ_ONE, queue_keys, &number}, &session, fault)) {
        return false;
    }
    const PGresult *keys = session_result(session, number);
    size_t count = (size_t)PQntuples(keys);
    struct key_row *rows = arena_array(arena, count, sizeof(*rows));
    for (size_t i = 0; i < count; i++) {
        if (!take_key(keys, (int)i, arena, &rows[i], fault)) {
            return false;
        }
    }
    *ret_rows = rows;
    *ret_count = count;
    return true;
}

bool postgres_key_create(struct store *store, const struct key_row *key, struct fault *fault)
{
    if (!postgres_get_ready(store, fault) || !session_connect(store->session, fault)) {
        return false;
    }
    struct parameters *parameters = session_parameters(store->session);
    parameter_uuid(parameters, key->id);
    parameter_text(parameters, key->name);
    parameter_text(parameters, text_from_c(SCOPE_NAMES[key->scope]));
    parameter_bytes(parameters, key->hash, sizeof(key->hash));
    parameter_text(parameters, key->hint);
    parameter_time(parameters, key->created_at_ms);
    (void)session_queue(store->session, &INSERT_KEY);
    bool ok = session_exchange(store->session, fault);
    if (!ok && fault->kind == FAULT_CONFLICT) {
        fault_set(fault, FAULT_CONSTRAINT, "a key named \"%.*s\" is in force: revoke it first, or take another name",
                  (int)key->name.length, key->name.bytes);
    }
    return ok;
}

bool postgres_key_revoke(struct store *store, struct text id_or_name, int64_t now_ms, bool *ret_found,
                         struct fault *fault)
{
    struct uuid id;
    bool is_id = uuid_parse(id_or_name, &id);
    if (!postgres_get_ready(store, fault) || !session_connect(store->session, fault)) {
        return false;
    }
    struct parameters *parameters = session_parameters(store->session);
    if (is_id) {
        parameter_uuid(parameters, id);
    } else {
        parameter_text(parameters, id_or_name);
    }
    parameter_time(parameters, now_ms);
    size_t number = session_queue(store->session, is_id ? &REVOKE_BY_ID : &REVOKE_BY_NAME);
    if (!session_exchange(store->session, fault)) {
        return false;
    }
    *ret_found = PQntuples(session_result(store->session, number)) > 0;
    return true;
}
