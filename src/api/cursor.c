#include "api/cursor.h"

#include <string.h>

/* version, list, filter hash (8), id (16), number (8), line (4): 38 bytes, all integers big-endian. */
#define CURSOR_VERSION 1
#define CURSOR_BYTES 38
#define CURSOR_TEXT_LENGTH ((CURSOR_BYTES * 4 + 2) / 3)

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void put_integer(uint8_t *at, uint64_t value, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        at[i] = (uint8_t)(value >> (8 * (length - 1 - i)));
    }
}

static uint64_t get_integer(const uint8_t *at, size_t length)
{
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

/* RFC 4648 section 5, without padding. */
static void base64url_encode(const uint8_t bytes[CURSOR_BYTES], char ret_text[CURSOR_TEXT_LENGTH])
{
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t length = 0;
    for (size_t i = 0; i < CURSOR_BYTES; i++) {
        bits = bits << 8 | bytes[i];
        bit_count += 8;
        while (bit_count >= 6) {
            bit_count -= 6;
            ret_text[length++] = ALPHABET[bits >> bit_count & 63];
        }
    }
    if (bit_count > 0) {
        ret_text[length] = ALPHABET[bits << (6 - bit_count) & 63];
    }
}

/* One text for one position: bits left over must be 0. */
static bool base64url_decode(struct text text, uint8_t ret_bytes[CURSOR_BYTES])
{
    if (text.length != CURSOR_TEXT_LENGTH) {
        return false;
    }
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        const char *found = memchr(ALPHABET, text.bytes[i], sizeof(ALPHABET) - 1);
        if (found == NULL) {
            return false;
        }
        bits = bits << 6 | (uint32_t)(found - ALPHABET);
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            ret_bytes[length++] = (uint8_t)(bits >> bit_count);
        }
    }
    return (bits & ((1U << bit_count) - 1)) == 0;
}

struct text cursor_encode(enum cursor_list list, uint64_t filter_hash, const struct page *position, struct arena *arena)
{
    uint8_t bytes[CURSOR_BYTES] = {CURSOR_VERSION, (uint8_t)list};
    put_integer(bytes + 2, filter_hash, 8);
    memcpy(bytes + 10, position->after_id.bytes, 16);
    put_integer(bytes + 26, (uint64_t)position->after_number, 8);
    put_integer(bytes + 34, position->after_line, 4);
    char text[CURSOR_TEXT_LENGTH];
    base64url_encode(bytes, text);
    return arena_text(arena, (struct text){text, sizeof(text)});
}

bool cursor_decode(struct text cursor, enum cursor_list list, uint64_t filter_hash, struct page *page)
{
    uint8_t bytes[CURSOR_BYTES];
    if (!base64url_decode(cursor, bytes) || bytes[0] != CURSOR_VERSION || bytes[1] != (uint8_t)list ||
        get_integer(bytes + 2, 8) != filter_hash || get_integer(bytes + 26, 8) > INT64_MAX) {
        return false;
    }
    page->has_after = true;
    memcpy(page->after_id.bytes, bytes + 10, 16);
    page->after_number = (int64_t)get_integer(bytes + 26, 8);
    page->after_line = (size_t)get_integer(bytes + 34, 4);
    return true;
}
