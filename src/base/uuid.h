#ifndef HOLDFAST_BASE_UUID_H
#define HOLDFAST_BASE_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"

#define UUID_TEXT_LENGTH 36

struct uuid {
    uint8_t bytes[16]; /* network order, so memcmp order is time order for version 7 */
};

/* Makes UUIDv7 (RFC 9562) that strictly ascend within one source: 48 bits of milliseconds, a 30-bit counter that
 * starts at random each millisecond (12 bits of rand_a, 18 of rand_b), 44 random bits. One thread at a time. */
struct uuid_source {
    int64_t last_ms;
    uint32_t counter;
    void (*random)(void *context, void *bytes, size_t length);
    void *random_context;
    uint8_t pool[512];
    size_t pool_left;
};

/* random == NULL: the kernel's getrandom. Tests and the simulation hand in their own. */
void uuid_source_init(struct uuid_source *source, void (*random)(void *, void *, size_t), void *random_context);
struct uuid uuid_source_next(struct uuid_source *source, int64_t unix_ms); /* unix_ms going back is held at the last */

MUST_USE bool uuid_parse(struct text text, struct uuid *ret_uuid); /* canonical form, either case; any version */
void uuid_format(struct uuid uuid, char ret_text[UUID_TEXT_LENGTH + 1]);
bool uuid_equal(struct uuid a, struct uuid b);
int uuid_compare(struct uuid a, struct uuid b);
uint64_t uuid_hash(struct uuid uuid);
int64_t uuid_unix_ms(struct uuid uuid);        /* of a version 7 */
struct uuid uuid_floor_of_ms(int64_t unix_ms); /* the lowest possible v7 of that millisecond: for range bounds */

#endif
