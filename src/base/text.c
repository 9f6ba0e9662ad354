#include "base/text.h"

#include <string.h>

struct text text_from_c(const char *c_string)
{
    if (c_string == NULL) {
        return TEXT_ABSENT;
    }
    return (struct text){c_string, strlen(c_string)};
}

bool text_equal(struct text a, struct text b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

bool text_equal_c(struct text a, const char *c_string)
{
    return text_equal(a, text_from_c(c_string));
}

int text_compare(struct text a, struct text b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter == 0 ? 0 : memcmp(a.bytes, b.bytes, shorter);
    if (order != 0) {
        return order;
    }
    return (a.length > b.length) - (a.length < b.length);
}

uint64_t text_hash(struct text text, uint64_t seed)
{
    uint64_t hash = 0xcbf29ce484222325u ^ seed;
    for (size_t i = 0; i < text.length; i++) {
        hash = (hash ^ (unsigned char)text.bytes[i]) * 0x100000001b3u;
    }
    /* FNV-1a leaves the low bits weak, and tables use the low bits: murmur3's 64-bit finaliser spreads them. */
    hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
    hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
    return hash ^ (hash >> 33);
}

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Length of the well-formed sequence at `at` that starts with a byte of 0x80 or more, 0 where there is none.
 * The bounds on the second byte are those of RFC 3629 section 4. */
static size_t multibyte_length(const unsigned char *at, size_t left)
{
    unsigned char lead = at[0];
    size_t length;
    unsigned char second_min = 0x80;
    unsigned char second_max = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
        length = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        length = 3;
        second_min = lead == 0xe0 ? 0xa0 : 0x80; /* overlong forms */
        second_max = lead == 0xed ? 0x9f : 0xbf; /* surrogates */
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        length = 4;
        second_min = lead == 0xf0 ? 0x90 : 0x80; /* overlong forms */
        second_max = lead == 0xf4 ? 0x8f : 0xbf; /* above U+10FFFF */
    } else {
        return 0;
    }
    if (left < length || at[1] < second_min || at[1] > second_max) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if (!is_continuation(at[i])) {
            return 0;
        }
    }
    return length;
}

bool text_is_utf8(struct text text)
{
    const unsigned char *bytes = (const unsigned char *)text.bytes;
    size_t at = 0;
    while (at < text.length) {
        uint64_t eight;
        if (text.length - at >= sizeof(eight)) {
            memcpy(&eight, bytes + at, sizeof(eight));
            if ((eight & 0x8080808080808080u) == 0) {
                at += sizeof(eight);
                continue;
            }
        }
        if (bytes[at] < 0x80) {
            at++;
            continue;
        }
        size_t length = multibyte_length(bytes + at, text.length - at);
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

bool text_has_control(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        if (byte < 0x20 || byte == 0x7f) {
            return true;
        }
        /* U+0080..U+009F are C2 80..C2 9F; C2 is never a continuation byte, so no alignment is needed. */
        if (byte == 0xc2 && i + 1 < text.length && (unsigned char)text.bytes[i + 1] < 0xa0) {
            return true;
        }
    }
    return false;
}

bool text_to_int64(struct text text, int64_t *ret_value)
{
    size_t at = text.length > 0 && text.bytes[0] == '-' ? 1 : 0;
    bool negative = at == 1;
    if (at == text.length) {
        return false;
    }
    int64_t value = 0; /* gathered as a negative number: INT64_MIN has no positive twin */
    for (; at < text.length; at++) {
        char digit = text.bytes[at];
        if (digit < '0' || digit > '9') {
            return false;
        }
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, digit - '0', &value)) {
            return false;
        }
    }
    if (!negative && __builtin_sub_overflow((int64_t)0, value, &value)) {
        return false;
    }
    *ret_value = value;
    return true;
}
