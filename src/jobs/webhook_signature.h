#ifndef HOLDFAST_JOBS_WEBHOOK_SIGNATURE_H
#define HOLDFAST_JOBS_WEBHOOK_SIGNATURE_H

/* Standard Webhooks (https://www.standardwebhooks.com): what stands in the header webhook-signature, and the secrets that
 * it is made with: "whsec_" and the base64 of 24 to 64 bytes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"

#define WEBHOOK_SECRET_LENGTH 50     /* of one made here: 32 bytes */
#define WEBHOOK_SECRET_LENGTH_MAX 94 /* of one from elsewhere */
#define WEBHOOK_SECRETS_MAX 2        /* at once: the new one and, for a while, the one before */
#define WEBHOOK_SIGNATURE_LENGTH_MAX (WEBHOOK_SECRETS_MAX * 48 - 1)

/* Ends the process where the system has no randomness to give. */
void webhook_secret_make(char ret_secret[WEBHOOK_SECRET_LENGTH + 1]);

/* "v1,<base64>" for each of 1 to WEBHOOK_SECRETS_MAX secrets, in their order, with a space between. `id` and
 * `timestamp_s` (Unix seconds) are what the headers webhook-id and webhook-timestamp say. False: a secret is not valid. */
MUST_USE bool webhook_signature_make(const struct text *secrets, size_t secret_count, struct text id,
                                     int64_t timestamp_s, struct text body,
                                     char ret_signature[WEBHOOK_SIGNATURE_LENGTH_MAX + 1]);

#endif
