#ifndef HOLDFAST_TESTS_UNIT_SUPPORT_AUTHORITY_H
#define HOLDFAST_TESTS_UNIT_SUPPORT_AUTHORITY_H

/* A certificate authority that lives as long as a test, and receivers with certificates of it. */

#include <openssl/ssl.h>

struct authority;

struct authority *authority_new(void);
void authority_free(struct authority *authority);
const char *authority_bundle_path(const struct authority *authority); /* a PEM file, gone with the authority */

/* What a receiver presents itself with; SSL_CTX_free is the caller's. `names` as OpenSSL writes alternative names
 * ("DNS:shop.test,IP:127.0.0.1"); valid from an hour ago to so many seconds from now. */
SSL_CTX *authority_server(const struct authority *authority, const char *names, long valid_seconds);

#endif
