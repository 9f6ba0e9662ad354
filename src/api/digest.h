#ifndef HOLDFAST_API_DIGEST_H
#define HOLDFAST_API_DIGEST_H

/* SHA-256 with its machinery set up once. One thread at a time. */

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

#define DIGEST_BYTES 32

struct digest;

struct digest *digest_new(void);
/* Of the parts behind each other. */
void digest_compute(struct digest *digest, const struct text *parts, size_t part_count,
                    uint8_t ret_bytes[DIGEST_BYTES]);
void digest_free(struct digest *digest); /* takes NULL */

#endif
