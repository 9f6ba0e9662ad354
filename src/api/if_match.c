#include "api/if_match.h"

#include <string.h>

/* Bytes of an opaque-tag between its quotes. */
static bool is_tag_byte(char c)
{
    return (unsigned char)c >= 0x21 && c != '"' && c != 0x7f;
}

/* One entity-tag at *at, which is moved behind it; absent *ret_tag for a weak one. */
static bool take_tag(struct text header, size_t *at, struct text *ret_tag)
{
    bool weak = header.length - *at >= 2 && memcmp(header.bytes + *at, "W/", 2) == 0;
    size_t start = *at + (weak ? 2 : 0);
    if (start >= header.length || header.bytes[start] != '"') {
        return false;
    }
    size_t end = ++start;
    while (end < header.length && is_tag_byte(header.bytes[end])) {
        end++;
    }
    if (end == header.length || header.bytes[end] != '"') {
        return false;
    }
    *at = end + 1;
    *ret_tag = weak ? TEXT_ABSENT : (struct text){header.bytes + start, end - start};
    return true;
}

static size_t skip_blanks(struct text header, size_t at)
{
    while (at < header.length && (header.bytes[at] == ' ' || header.bytes[at] == '\t')) {
        at++;
    }
    return at;
}

bool if_match_parse(struct text header, struct arena *arena, struct version_condition *ret_condition)
{
    if (text_equal_c(header, "*")) {
        *ret_condition = (struct version_condition){.is_set = false};
        return true;
    }
    int64_t *versions = arena_array(arena, header.length / 3 + 1, sizeof(*versions)); /* "1", is the shortest */
    size_t version_count = 0;
    size_t tag_count = 0;
    size_t at = 0;
    for (;;) {
        at = skip_blanks(header, at);
        if (at < header.length && header.bytes[at] != ',') { /* empty elements are allowed */
            struct text tag;
            if (!take_tag(header, &at, &tag)) {
                return false;
            }
            tag_count++;
            /* Tags are compared as they are spelt: "04" is not "4". */
            version_count += tag.bytes != NULL && tag.length > 0 && tag.bytes[0] >= '1' && tag.bytes[0] <= '9' &&
                             text_to_int64(tag, &versions[version_count]);
            at = skip_blanks(header, at);
        }
        if (at == header.length) {
            break;
        }
        if (header.bytes[at++] != ',') {
            return false;
        }
    }
    if (tag_count == 0) {
        return false;
    }
    *ret_condition = (struct version_condition){
        .is_set = true,
        .versions = versions,
        .version_count = version_count,
    };
    return true;
}
