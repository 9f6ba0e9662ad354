#include "base/uuid.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"

#define COUNTER_BITS 30
#define COUNTER_LIMIT (UINT32_C(1) << COUNTER_BITS)
#define UNIX_MS_LIMIT (INT64_C(1) << 48)

static void random_from_kernel(void *context, void *bytes, size_t length)
{
    (void)context;
    char *at = bytes;
    while (length > 0) {
        ssize_t taken = getrandom(at, length, 0);
        if (taken < 0) {
            if (errno == EINTR) {
                continue;
            }
            log_message(LOG_ERROR, "no_randomness", "getrandom: %s", strerror(errno));
            abort();
        }
        at += taken;
        length -= (size_t)taken;
    }
}

void uuid_source_init(struct uuid_source *source, void (*random)(void *, void *, size_t), void *random_context)
{
    *source = (struct uuid_source){
        .last_ms = -1,
        .random = random != NULL ? random : random_from_kernel,
        .random_context = random_context,
    };
}

/* Whole calls from the pool only: what is left of it and too short is thrown away. */
static uint64_t random_bytes(struct uuid_source *source, size_t length)
{
    if (source->pool_left < length) {
        source->random(source->random_context, source->pool, sizeof(source->pool));
        source->pool_left = sizeof(source->pool);
    }
    uint64_t value = 0;
    memcpy(&value, source->pool + sizeof(source->pool) - source->pool_left, length);
    source->pool_left -= length;
    return value;
}

struct uuid uuid_source_next(struct uuid_source *source, int64_t unix_ms)
{
    assert(unix_ms >= 0 && unix_ms < UNIX_MS_LIMIT);
    bool fresh_ms = unix_ms > source->last_ms;
    if (fresh_ms) {
        source->last_ms = unix_ms;
    } else if (++source->counter == COUNTER_LIMIT) {
        source->last_ms++; /* the counter is spent: borrow the next millisecond rather than repeat or descend */
        fresh_ms = true;
    }
    if (fresh_ms) {
        /* Starts in the lower half (RFC 9562, 6.2), which leaves 2^29 ids a millisecond at least. */
        source->counter = (uint32_t)random_bytes(source, 4) % (COUNTER_LIMIT / 2);
    }

    uint64_t random = random_bytes(source, 6);
    uint64_t high = (uint64_t)source->last_ms << 16 | UINT64_C(7) << 12 | source->counter >> 18;
    uint64_t low = UINT64_C(2) << 62 | (uint64_t)(source->counter & 0x3ffff) << 44 | (random & 0xfffffffffff);
    struct uuid uuid;
    for (size_t i = 0; i < 8; i++) {
        uuid.bytes[i] = (uint8_t)(high >> (56 - 8 * i));
        uuid.bytes[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
    return uuid;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool is_dash_place(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

bool uuid_parse(struct text text, struct uuid *ret_uuid)
{
    if (text.length != UUID_TEXT_LENGTH) {
        return false;
    }
    struct uuid uuid;
    size_t at = 0;
    for (size_t i = 0; i < sizeof(uuid.bytes); i++) {
        if (is_dash_place(at) && text.bytes[at++] != '-') {
            return false;
        }
        int high = hex_value(text.bytes[at]);
        int low = hex_value(text.bytes[at + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        uuid.bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *ret_uuid = uuid;
    return true;
}

void uuid_format(struct uuid uuid, char ret_text[UUID_TEXT_LENGTH + 1])
{
    static const char HEX[] = "0123456789abcdef";
    char *at = ret_text;
    for (size_t i = 0; i < sizeof(uuid.bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *at++ = '-';
        }
        *at++ = HEX[uuid.bytes[i] >> 4];
        *at++ = HEX[uuid.bytes[i] & 15];
    }
    *at = '\0';
}

bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

int uuid_compare(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes));
}

uint64_t uuid_hash(struct uuid uuid)
{
    return text_hash((struct text){(const char *)uuid.bytes, sizeof(uuid.bytes)}, 0);
}

int64_t uuid_unix_ms(struct uuid uuid)
{
    int64_t unix_ms = 0;
    for (size_t i = 0; i < 6; i++) {
        unix_ms = unix_ms << 8 | uuid.bytes[i];
    }
    return unix_ms;
}

struct uuid uuid_floor_of_ms(int64_t unix_ms)
{
    assert(unix_ms >= 0 && unix_ms < UNIX_MS_LIMIT);
    struct uuid uuid = {{0}};
    for (size_t i = 0; i < 6; i++) {
        uuid.bytes[i] = (uint8_t)(unix_ms >> (40 - 8 * i));
    }
    uuid.bytes[6] = 0x70;
    uuid.bytes[8] = 0x80;
    return uuid;
}
