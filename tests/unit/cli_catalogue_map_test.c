#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/catalogue_map.h"
#include "cmocka_all.h"

#define REQUIRED (MAP_BIT(MAP_SKU) | MAP_BIT(MAP_PRICE))
#define ALLOWED (REQUIRED | MAP_BIT(MAP_CURRENCY))

/* Parses "--map text" and catches the message, if there is one. */
static bool parse(const char *text, struct catalogue_map *ret_map, char ret_message[512])
{
    FILE *caught = tmpfile();
    int saved = dup(STDERR_FILENO);
    dup2(fileno(caught), STDERR_FILENO);
    bool is_good = catalogue_map_parse("--map", text, REQUIRED, ALLOWED, ret_map);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(caught);
    ret_message[fread(ret_message, 1, 511, caught)] = '\0';
    fclose(caught);
    return is_good;
}

static void assert_column(const struct catalogue_map *map, enum map_field field, const char *expected)
{
    assert_true(text_equal_c(map->columns[field], expected));
}

static void assert_refused(const char *text, const char *word)
{
    struct catalogue_map map;
    char message[512];
    assert_false(parse(text, &map, message));
    if (strstr(message, word) == NULL) {
        fail_msg("'%s' is not in: %s", word, message);
    }
}

static void names_and_columns_come_in_any_order(void **state)
{
    (void)state;
    struct catalogue_map map;
    char message[512];
    assert_true(parse("price=price_cents,sku=Sku Code", &map, message));
    assert_string_equal(message, "");
    assert_column(&map, MAP_PRICE, "price_cents");
    assert_column(&map, MAP_SKU, "Sku Code");
    assert_null(map.columns[MAP_CURRENCY].bytes);
    assert_null(map.columns[MAP_TITLE].bytes);
}

static void a_column_is_anything_up_to_the_comma(void **state)
{
    (void)state;
    struct catalogue_map map;
    char message[512];
    assert_true(parse("sku=a=b\"; DROP TABLE x,price=p,currency=ISO code", &map, message));
    assert_column(&map, MAP_SKU, "a=b\"; DROP TABLE x");
    assert_column(&map, MAP_CURRENCY, "ISO code");
}

static void what_is_no_pair_is_refused(void **state)
{
    (void)state;
    assert_refused("", "NAME=COLUMN");
    assert_refused("sku", "'sku'");
    assert_refused("sku=", "'sku='");
    assert_refused("=code,price=p", "'=code'");
    assert_refused("sku=code,,price=p", "NAME=COLUMN");
    assert_refused("sku=code,price=p,", "NAME=COLUMN");
}

static void a_name_that_is_not_known_here_is_refused_with_those_that_are(void **state)
{
    (void)state;
    assert_refused("sku=code,prize=p", "'prize'; it takes sku, price, currency");
    assert_refused("sku=code,title=t,price=p", "'title'");
    assert_refused("SKU=code,price=p", "'SKU'");
}

static void a_name_twice_is_refused(void **state)
{
    (void)state;
    assert_refused("sku=a,sku=b,price=p", "sku twice");
}

static void what_is_required_must_be_said(void **state)
{
    (void)state;
    assert_refused("sku=code,currency=c", "price=COLUMN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_columns_come_in_any_order),
        cmocka_unit_test(a_column_is_anything_up_to_the_comma),
        cmocka_unit_test(what_is_no_pair_is_refused),
        cmocka_unit_test(a_name_that_is_not_known_here_is_refused_with_those_that_are),
        cmocka_unit_test(a_name_twice_is_refused),
        cmocka_unit_test(what_is_required_must_be_said),
    };
    return cmocka_run_group_tests_name("cli_catalogue_map", tests, NULL, NULL);
}
