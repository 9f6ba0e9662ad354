#include "api/idempotency_key.h"

#include "domain/limits.h"

bool idempotency_key_is_valid(struct text key)
{
    if (key.length < 1 || key.length > IDEMPOTENCY_KEY_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < key.length; i++) {
        if (key.bytes[i] < 0x21 || key.bytes[i] > 0x7e) {
            return false;
        }
    }
    return true;
}
