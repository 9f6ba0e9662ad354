#include "api/media_type.h"

#include <string.h>
#include <strings.h>

static bool equal_ignoring_case(struct text text, const char *literal)
{
    return text.length == strlen(literal) && strncasecmp(text.bytes, literal, text.length) == 0;
}

static struct text trim(struct text text)
{
    while (text.length > 0 && (text.bytes[0] == ' ' || text.bytes[0] == '\t')) {
        text.bytes++;
        text.length--;
    }
    while (text.length > 0 && (text.bytes[text.length - 1] == ' ' || text.bytes[text.length - 1] == '\t')) {
        text.length--;
    }
    return text;
}

/* What stands before the separator, which *rest is moved behind. */
static struct text take_until(struct text *rest, char separator)
{
    const char *found = memchr(rest->bytes, separator, rest->length);
    size_t length = found == NULL ? rest->length : (size_t)(found - rest->bytes);
    struct text taken = {rest->bytes, length};
    size_t skipped = found == NULL ? length : length + 1;
    *rest = (struct text){rest->bytes + skipped, rest->length - skipped};
    return trim(taken);
}

bool media_type_is_json(struct text content_type)
{
    if (content_type.bytes == NULL) {
        return true;
    }
    if (!equal_ignoring_case(take_until(&content_type, ';'), "application/json")) {
        return false;
    }
    while (content_type.length > 0) {
        struct text value = take_until(&content_type, ';');
        struct text name = take_until(&value, '=');
        if (equal_ignoring_case(name, "charset") && !equal_ignoring_case(value, "utf-8") &&
            !equal_ignoring_case(value, "\"utf-8\"")) {
            return false;
        }
    }
    return true;
}
