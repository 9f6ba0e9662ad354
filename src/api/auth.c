#include "api/auth.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct auth_key {
    uint8_t hash[KEY_HASH_BYTES];
    enum key_scope scope;
};

struct auth_keys {
    bool none;
    size_t count;
    struct auth_key items[]; /* those in force */
};

bool auth_keys_read(const struct store_ops *ops, struct reader *reader, struct auth_keys **ret_keys,
                    struct fault *fault)
{
    struct arena *arena = arena_new(4096);
    struct key_row *rows = NULL;
    size_t row_count = 0;
    bool ok = ops->read_keys(reader, arena, &rows, &row_count, fault);
    if (ok) {
        struct auth_keys *keys = memory_zalloc(1, sizeof(*keys) + row_count * sizeof(keys->items[0]));
        keys->none = row_count == 0;
        for (size_t i = 0; i < row_count; i++) {
            if (rows[i].revoked_at_ms == 0) {
                struct auth_key *key = &keys->items[keys->count++];
                memcpy(key->hash, rows[i].hash, KEY_HASH_BYTES);
                key->scope = rows[i].scope;
            }
        }
        *ret_keys = keys;
    }
    arena_free(arena);
    return ok;
}

bool auth_keys_none(const struct auth_keys *keys)
{
    return keys->none;
}

bool auth_keys_equal(const struct auth_keys *a, const struct auth_keys *b)
{
    if (a->none != b->none || a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (a->items[i].scope != b->items[i].scope || memcmp(a->items[i].hash, b->items[i].hash, KEY_HASH_BYTES) != 0) {
            return false;
        }
    }
    return true;
}

void auth_keys_free(struct auth_keys *keys)
{
    free(keys);
}

/* What follows "Bearer " (RFC 6750, section 2.1); absent where the header is something else. */
static struct text bearer_token(const struct http_request *request)
{
    static const char SCHEME[] = "Bearer ";
    const size_t scheme_length = sizeof(SCHEME) - 1;
    struct text header = http_request_header(request, "Authorization");
    if (http_request_header_count(request, "Authorization") != 1 || header.length <= scheme_length ||
        strncasecmp(header.bytes, SCHEME, scheme_length) != 0) {
        return TEXT_ABSENT;
    }
    size_t start = scheme_length;
    while (start < header.length && header.bytes[start] == ' ') {
        start++;
    }
    return (struct text){header.bytes + start, header.length - start};
}

enum auth_verdict auth_check(const struct auth_keys *keys, struct digest *digest, const struct http_request *request,
                             enum key_scope needed)
{
    struct text token = bearer_token(request);
    if (token.length == 0) {
        return AUTH_UNAUTHENTICATED;
    }
    uint8_t hash[DIGEST_BYTES];
    digest_compute(digest, &token, 1, hash);
    for (size_t i = 0; i < keys->count; i++) {
        if (CRYPTO_memcmp(keys->items[i].hash, hash, KEY_HASH_BYTES) == 0) {
            return keys->items[i].scope >= needed ? AUTH_ALLOWED : AUTH_FORBIDDEN;
        }
    }
    return AUTH_UNAUTHENTICATED;
}

const char *auth_scope_name(enum key_scope scope)
{
    switch (scope) {
    case KEY_SCOPE_READ:
        return "read";
    case KEY_SCOPE_WRITE:
        return "write";
    case KEY_SCOPE_ADMIN:
        break;
    }
    return "admin";
}
