#include "authority.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"

#define DAY_SECONDS 86400

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
    char bundle_path[64];
};

static void add_extension(X509 *certificate, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    assert(extension != NULL);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/* With no extensions yet, and not signed. */
static X509 *make_certificate(const char *subject, EVP_PKEY *key, long valid_seconds)
{
    static long serial;
    X509 *certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), valid_seconds);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)subject,
                               -1, -1, 0);
    X509_set_pubkey(certificate, key);
    return certificate;
}

struct authority *authority_new(void)
{
    struct authority *authority = memory_zalloc(1, sizeof(*authority));
    authority->key = EVP_EC_gen("P-256");
    authority->certificate = make_certificate("Holdfast test authority", authority->key, DAY_SECONDS);
    X509_set_issuer_name(authority->certificate, X509_get_subject_name(authority->certificate));
    add_extension(authority->certificate, authority->certificate, NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(authority->certificate, authority->key, EVP_sha256());
    (void)snprintf(authority->bundle_path, sizeof(authority->bundle_path), "/tmp/holdfast-test-XXXXXX");
    int descriptor = mkstemp(authority->bundle_path);
    assert(descriptor >= 0);
    FILE *file = fdopen(descriptor, "w");
    PEM_write_X509(file, authority->certificate);
    (void)fclose(file);
    return authority;
}

void authority_free(struct authority *authority)
{
    (void)unlink(authority->bundle_path);
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
    free(authority);
}

const char *authority_bundle_path(const struct authority *authority)
{
    return authority->bundle_path;
}

SSL_CTX *authority_server(const struct authority *authority, const char *names, long valid_seconds)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate("receiver", key, valid_seconds);
    X509_set_issuer_name(certificate, X509_get_subject_name(authority->certificate));
    add_extension(certificate, authority->certificate, NID_subject_alt_name, names);
    X509_sign(certificate, authority->key, EVP_sha256());
    bool is_ready = SSL_CTX_use_certificate(tls, certificate) == 1 && SSL_CTX_use_PrivateKey(tls, key) == 1;
    assert(is_ready);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return tls;
}
