#ifndef HOLDFAST_TESTS_FUZZ_FUZZ_H
#define HOLDFAST_TESTS_FUZZ_FUZZ_H

/* What the targets share. A target gives bytes to the real code and asserts what has to be true of any bytes; libFuzzer
 * makes the bytes, and the sanitizers watch. Each file says how its bytes are read: what the code is given comes last,
 * so that it ends where the memory ends. */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bytes that steer a target, taken from the front. Zeros where there are none left. */
struct fuzz_input {
    const uint8_t *bytes;
    size_t length;
};

static inline uint64_t fuzz_take(struct fuzz_input *input, size_t byte_count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < byte_count && input->length > 0; i++, input->bytes++, input->length--) {
        value = value << 8 | *input->bytes;
    }
    return value;
}

static inline struct text fuzz_rest(const struct fuzz_input *input)
{
    return (struct text){(const char *)input->bytes, input->length};
}

/* What stands before the first `end`, or all: the rest begins behind it. */
static inline struct text fuzz_take_until(struct fuzz_input *input, char end)
{
    const uint8_t *found = input->length == 0 ? NULL : memchr(input->bytes, end, input->length);
    struct text taken = {(const char *)input->bytes, found == NULL ? input->length : (size_t)(found - input->bytes)};
    size_t used = taken.length + (found == NULL ? 0 : 1);
    input->bytes += used;
    input->length -= used;
    return taken;
}

#endif
