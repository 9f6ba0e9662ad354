#include "cli/catalogue_map.h"

#include <string.h>

#include "base/buffer.h"
#include "cli/console.h"

#define LISTED_BYTES_MAX 200

static const char *const FIELD_NAMES[] = {
    [MAP_ID] = "id",
    [MAP_PRODUCT] = "product",
    [MAP_SKU] = "sku",
    [MAP_TITLE] = "title",
    [MAP_PRICE] = "price",
    [MAP_STOCK] = "stock",
    [MAP_CURRENCY] = "currency",
    [MAP_MAX_PER_CUSTOMER] = "max_per_customer",
};

/* The field of that name among those of the set; MAP_FIELD_COUNT: there is none. */
static enum map_field find_field(struct text name, unsigned set)
{
    for (unsigned field = 0; field < MAP_FIELD_COUNT; field++) {
        if ((set & MAP_BIT(field)) != 0 && text_equal_c(name, FIELD_NAMES[field])) {
            return (enum map_field)field;
        }
    }
    return MAP_FIELD_COUNT;
}

static void refuse_name(const char *option, struct text name, unsigned allowed)
{
    struct buffer names;
    buffer_init(&names, LISTED_BYTES_MAX);
    for (unsigned field = 0; field < MAP_FIELD_COUNT; field++) {
        if ((allowed & MAP_BIT(field)) != 0) {
            buffer_append_c(&names, names.length == 0 ? "" : ", ");
            buffer_append_c(&names, FIELD_NAMES[field]);
        }
    }
    console_error("%s knows no '%.*s'; it takes %.*s", option, (int)name.length, name.bytes, (int)names.length,
                  names.bytes);
    buffer_done(&names);
}

/* One "sku=code". */
static bool parse_entry(const char *option, struct text entry, unsigned allowed, struct catalogue_map *map)
{
    const char *equals = memchr(entry.bytes, '=', entry.length);
    size_t name_length = equals == NULL ? 0 : (size_t)(equals - entry.bytes);
    if (name_length == 0 || name_length + 1 == entry.length) {
        console_error("%s is written NAME=COLUMN,NAME=COLUMN,... such as sku=code,title=name; '%.*s' is none of these",
                      option, (int)entry.length, entry.bytes);
        return false;
    }
    struct text name = {entry.bytes, name_length};
    enum map_field field = find_field(name, allowed);
    if (field == MAP_FIELD_COUNT) {
        refuse_name(option, name, allowed);
        return false;
    }
    if (map->columns[field].bytes != NULL) {
        console_error("%s says %s twice", option, FIELD_NAMES[field]);
        return false;
    }
    map->columns[field] = (struct text){equals + 1, entry.length - name_length - 1};
    return true;
}

bool catalogue_map_parse(const char *option, const char *text, unsigned required, unsigned allowed,
                         struct catalogue_map *ret_map)
{
    struct catalogue_map map = {0};
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        if (!parse_entry(option, (struct text){at, length}, allowed, &map)) {
            return false;
        }
        at += length;
        if (*at == '\0') {
            break;
        }
    }
    for (unsigned field = 0; field < MAP_FIELD_COUNT; field++) {
        if ((required & MAP_BIT(field)) != 0 && map.columns[field].bytes == NULL) {
            console_error("%s does not say in which column the %s is: add %s=COLUMN", option, FIELD_NAMES[field],
                          FIELD_NAMES[field]);
            return false;
        }
    }
    *ret_map = map;
    return true;
}
