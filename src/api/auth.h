#ifndef HOLDFAST_API_AUTH_H
#define HOLDFAST_API_AUTH_H

/* Who may call: API keys, compared by their SHA-256 alone (the store knows no more of them either). */

#include "api/digest.h"
#include "http/server.h"
#include "store/store.h"

enum auth_verdict { AUTH_ALLOWED, AUTH_UNAUTHENTICATED, AUTH_FORBIDDEN };

/* The keys at one moment. */
struct auth_keys;

/* Any thread. */
MUST_USE bool auth_keys_read(const struct store_ops *ops, struct reader *reader, struct auth_keys **ret_keys,
                             struct fault *fault);
/* No key was ever made. Revoked ones count: revoking the last key must not open the doors. */
bool auth_keys_none(const struct auth_keys *keys);
bool auth_keys_equal(const struct auth_keys *a, const struct auth_keys *b);
void auth_keys_free(struct auth_keys *keys); /* takes NULL */

/* Judges the Authorization header; one that was sent twice is nobody's. */
enum auth_verdict auth_check(const struct auth_keys *keys, struct digest *digest, const struct http_request *request,
                             enum key_scope needed);
const char *auth_scope_name(enum key_scope scope);

#endif
