#include "api/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"

struct digest {
    EVP_MD *algorithm;
    EVP_MD_CTX *context;
};

/* Hashing memory cannot fail but for want of memory or of a usable libcrypto. */
static void require(bool succeeded)
{
    if (!succeeded) {
        log_message(LOG_ERROR, "crypto_failed", "OpenSSL's libcrypto cannot compute SHA-256 on this machine.");
        abort();
    }
}

struct digest *digest_new(void)
{
    struct digest *digest = memory_zalloc(1, sizeof(*digest));
    digest->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    digest->context = EVP_MD_CTX_new();
    require(digest->algorithm != NULL && digest->context != NULL);
    return digest;
}

void digest_compute(struct digest *digest, const struct text *parts, size_t part_count, uint8_t ret_bytes[DIGEST_BYTES])
{
    require(EVP_DigestInit_ex2(digest->context, digest->algorithm, NULL) == 1);
    for (size_t i = 0; i < part_count; i++) {
        require(EVP_DigestUpdate(digest->context, parts[i].bytes, parts[i].length) == 1);
    }
    require(EVP_DigestFinal_ex(digest->context, ret_bytes, NULL) == 1);
}

void digest_free(struct digest *digest)
{
    if (digest != NULL) {
        EVP_MD_CTX_free(digest->context);
        EVP_MD_free(digest->algorithm);
        free(digest);
    }
}
