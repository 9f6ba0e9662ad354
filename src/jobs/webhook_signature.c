#include "jobs/webhook_signature.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define SECRET_BYTES 32 /* of one made here */
#define SECRET_BYTES_MIN 24
#define SECRET_BYTES_MAX 64
#define BASE64_BYTES_MAX 88 /* of the longest secret */
#define SIGNATURE_BYTES 32

static const char SECRET_PREFIX[] = "whsec_";
static const char SIGNATURE_PREFIX[] = "v1,";

/* Hashing memory and drawing random bytes cannot fail but for want of memory or of a usable libcrypto. */
static void require(bool succeeded)
{
    if (!succeeded) {
        log_message(LOG_ERROR, "crypto_failed",
                    "OpenSSL's libcrypto cannot draw random bytes or compute HMAC-SHA256 on this machine.");
        abort();
    }
}

/* ---- Secrets ---- */

void webhook_secret_make(char ret_secret[WEBHOOK_SECRET_LENGTH + 1])
{
    unsigned char bytes[SECRET_BYTES];
    require(RAND_bytes(bytes, sizeof(bytes)) == 1);
    memcpy(ret_secret, SECRET_PREFIX, strlen(SECRET_PREFIX));
    EVP_EncodeBlock((unsigned char *)ret_secret + strlen(SECRET_PREFIX), bytes, sizeof(bytes));
    OPENSSL_cleanse(bytes, sizeof(bytes));
}

static bool is_base64_digit(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* How many bytes the base64 stands for; 0 where it is none, or not padded as it has to be. EVP_DecodeBlock is laxer. */
static size_t base64_decoded_length(struct text base64)
{
    size_t padding = 0;
    while (padding < 2 && padding < base64.length && base64.bytes[base64.length - 1 - padding] == '=') {
        padding++;
    }
    for (size_t i = 0; i < base64.length - padding; i++) {
        if (!is_base64_digit(base64.bytes[i])) {
            return 0;
        }
    }
    return base64.length % 4 == 0 ? base64.length / 4 * 3 - padding : 0;
}

/* The caller wipes the bytes. */
static bool decode_secret(struct text secret, unsigned char ret_bytes[BASE64_BYTES_MAX], size_t *ret_length)
{
    size_t prefix_length = strlen(SECRET_PREFIX);
    if (secret.length <= prefix_length || secret.length > prefix_length + BASE64_BYTES_MAX ||
        memcmp(secret.bytes, SECRET_PREFIX, prefix_length) != 0) {
        return false;
    }
    struct text base64 = {secret.bytes + prefix_length, secret.length - prefix_length};
    size_t length = base64_decoded_length(base64);
    if (length < SECRET_BYTES_MIN || length > SECRET_BYTES_MAX ||
        EVP_DecodeBlock(ret_bytes, (const unsigned char *)base64.bytes, (int)base64.length) < (int)length) {
        return false;
    }
    *ret_length = length;
    return true;
}

/* ---- Signatures ---- */

/* Of the parts behind each other. */
static void compute_hmac(const unsigned char *key, size_t key_length, const struct text *parts, size_t part_count,
                         unsigned char ret_bytes[SIGNATURE_BYTES])
{
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(algorithm);
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
    require(context != NULL && EVP_MAC_init(context, key, key_length, parameters) == 1);
    for (size_t i = 0; i < part_count; i++) {
        require(EVP_MAC_update(context, (const unsigned char *)parts[i].bytes, parts[i].length) == 1);
    }
    size_t length;
    require(EVP_MAC_final(context, ret_bytes, &length, SIGNATURE_BYTES) == 1 && length == SIGNATURE_BYTES);
    EVP_MAC_CTX_free(context); /* wipes the key */
    EVP_MAC_free(algorithm);
}

bool webhook_signature_make(const struct text *secrets, size_t secret_count, struct text id, int64_t timestamp_s,
                            struct text body, char ret_signature[WEBHOOK_SIGNATURE_LENGTH_MAX + 1])
{
    assert(secret_count > 0 && secret_count <= WEBHOOK_SECRETS_MAX);
    char timestamp[32];
    snprintf(timestamp, sizeof(timestamp), ".%lld.", (long long)timestamp_s);
    const struct text parts[] = {id, text_from_c(timestamp), body};
    char signature[WEBHOOK_SIGNATURE_LENGTH_MAX + 1];
    size_t length = 0;
    for (size_t i = 0; i < secret_count; i++) {
        unsigned char key[BASE64_BYTES_MAX];
        unsigned char bytes[SIGNATURE_BYTES];
        size_t key_length;
        if (!decode_secret(secrets[i], key, &key_length)) {
            OPENSSL_cleanse(key, sizeof(key));
            return false;
        }
        compute_hmac(key, key_length, parts, sizeof(parts) / sizeof(parts[0]), bytes);
        OPENSSL_cleanse(key, sizeof(key));
        length += (size_t)snprintf(signature + length, sizeof(signature) - length, "%s%s", i > 0 ? " " : "",
                                   SIGNATURE_PREFIX);
        length += (size_t)EVP_EncodeBlock((unsigned char *)signature + length, bytes, sizeof(bytes));
    }
    memcpy(ret_signature, signature, length + 1);
    return true;
}
