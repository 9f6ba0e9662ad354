#ifndef HOLDFAST_API_IDEMPOTENCY_KEY_H
#define HOLDFAST_API_IDEMPOTENCY_KEY_H

#include <stdbool.h>

#include "base/text.h"

#define IDEMPOTENCY_KEY_RULE "Must be 1 to 255 bytes of printable ASCII without spaces."

/* 1 to 255 bytes of 0x21 to 0x7E. */
bool idempotency_key_is_valid(struct text key);

#endif
