#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buffer.h"
#include "cli/catalogue_reader.h"
#include "cmocka_all.h"

/* Reads a file and writes down, a line each, what came of it:
 * "title: sku|title|price currency|stock|limit; ..." a product, "!3 reason" a bad row, "?3 text" a notice. */
struct transcript {
    struct buffer text;
    int64_t bytes;
    bool stops; /* wants one product, and no more */
    bool ok;
    struct fault fault;
};

static bool take_product(void *context, const struct import_product *product)
{
    struct transcript *transcript = context;
    buffer_append_text(&transcript->text, product->title);
    buffer_append_c(&transcript->text, ":");
    for (size_t i = 0; i < product->variant_count; i++) {
        const struct create_variant *variant = &product->variants[i].variant;
        buffer_append_format(&transcript->text, "%s %.*s|%.*s|%lld %s|%lld|%lld", i == 0 ? "" : ";",
                             (int)variant->sku.length, variant->sku.bytes, (int)variant->title.length,
                             variant->title.bytes, (long long)variant->price.amount, variant->price.currency,
                             (long long)variant->stock_quantity, (long long)variant->max_per_customer);
    }
    buffer_append_c(&transcript->text, "\n");
    return !transcript->stops;
}

static void take_bad_row(void *context, size_t line, const char *reason)
{
    struct transcript *transcript = context;
    buffer_append_format(&transcript->text, "!%zu %s\n", line, reason);
}

static void take_notice(void *context, size_t line, const char *text)
{
    struct transcript *transcript = context;
    buffer_append_format(&transcript->text, "?%zu %s\n", line, text);
}

static void take_advance(void *context, int64_t bytes)
{
    struct transcript *transcript = context;
    transcript->bytes += bytes;
}

static struct transcript read_first(const char *bytes, size_t length, const char *currency, bool stops)
{
    struct transcript transcript = {.stops = stops};
    const struct catalogue_sink sink = {
        .product = take_product,
        .bad_row = take_bad_row,
        .notice = take_notice,
        .advanced = take_advance,
        .context = &transcript,
    };
    buffer_init(&transcript.text, 1 << 20);
    int file = memfd_create("catalogue", 0);
    assert_int_equal(write(file, bytes, length), length);
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    transcript.ok = catalogue_read(file, currency, &sink, &transcript.fault);
    close(file);
    buffer_append_char(&transcript.text, '\0');
    return transcript;
}

static struct transcript read_bytes(const char *bytes, size_t length, const char *currency)
{
    return read_first(bytes, length, currency, false);
}

static void assert_reads(const char *csv, const char *currency, const char *expected)
{
    struct transcript transcript = read_bytes(csv, strlen(csv), currency);
    assert_true(transcript.ok);
    assert_string_equal(transcript.text.bytes, expected);
    assert_int_equal(transcript.bytes, strlen(csv));
    buffer_done(&transcript.text);
}

static void assert_is_useless(const char *csv, const char *currency, const char *word)
{
    struct transcript transcript = read_bytes(csv, strlen(csv), currency);
    assert_false(transcript.ok);
    assert_non_null(strstr(transcript.fault.detail, word));
    buffer_done(&transcript.text);
}

#define PLAIN "sku,title,price,currency,stock_quantity,max_per_customer\n"
#define SHOPIFY \
    "Handle,Title,Option1 Name,Option1 Value,Option2 Value,Variant SKU,Variant Inventory Qty,Variant Price\n"

static void who_wants_no_more_hears_of_no_further_row(void **state)
{
    (void)state;
    static const char *const FILES[] = {
        PLAIN "a,A,1,EUR,1,\nb,B,bad,EUR,1,\n",
        PLAIN "a,A,1,EUR,1,\r\"x\"y\n", /* a lone CR ends a row, too */
        SHOPIFY "a,A,,,,a,1,1\nb,,,,,,1,1\n",
    };
    for (size_t i = 0; i < sizeof(FILES) / sizeof(FILES[0]); i++) {
        struct transcript transcript = read_first(FILES[i], strlen(FILES[i]), "EUR", true);
        assert_true(transcript.ok);
        assert_string_equal(transcript.text.bytes, "A: a|A|100 EUR|1|0\n");
        buffer_done(&transcript.text);
    }
}

/* ---- Plain ---- */

static void a_plain_row_is_a_product(void **state)
{
    (void)state;
    assert_reads(PLAIN "tee-m,Tee,19.99,EUR,50,2\nmug,Mug,900,JPY,0,\n", NULL,
                 "Tee: tee-m|Tee|1999 EUR|50|2\nMug: mug|Mug|900 JPY|0|0\n");
}

static void columns_come_in_any_order_and_case(void **state)
{
    (void)state;
    assert_reads(" Stock_Quantity ,TITLE,Price,sku\n5,Tee,1.5,tee\n", "EUR", "Tee: tee|Tee|150 EUR|5|0\n");
}

static void a_byte_order_mark_and_crlf_and_no_last_newline_are_fine(void **state)
{
    (void)state;
    assert_reads("\xef\xbb\xbf"
                 "sku,title,price,stock_quantity\r\n\r\na,A,1,1\r\nb,B,2,2",
                 "EUR", "A: a|A|100 EUR|1|0\nB: b|B|200 EUR|2|0\n");
}

static void quoted_fields_hold_commas_quotes_and_spaces(void **state)
{
    (void)state;
    assert_reads(PLAIN "a,\"Tee, \"\"red\"\"\", 1.00 ,EUR,1,\n", NULL, "Tee, \"red\": a|Tee, \"red\"|100 EUR|1|0\n");
}

static void the_currency_is_the_rows_else_the_one_said(void **state)
{
    (void)state;
    assert_reads(PLAIN "a,A,1,USD,1,\nb,B,1,,1,\n", "EUR", "A: a|A|100 USD|1|0\nB: b|B|100 EUR|1|0\n");
    assert_reads(PLAIN "b,B,1,,1,\n", NULL, "!2 the currency is empty: fill it in, or say it with --currency\n");
}

static void every_bad_row_is_named_with_its_line_and_reason(void **state)
{
    (void)state;
    assert_reads(PLAIN ",A,1,EUR,1,\n"
                       "b,,1,EUR,1,\n"
                       "c,C,12;50,EUR,1,\n"
                       "d,D,1.999,EUR,1,\n"
                       "e,E,-1,EUR,1,\n"
                       "f,F,1,XXX,1,\n"
                       "g,G,1,EUR,,\n"
                       "h,H,1,EUR,-1,\n"
                       "i,I,1,EUR,1.0,\n"
                       "j,J,1,EUR,1,0\n"
                       "k,K,,EUR,1,\n"
                       "l,L,1.5,JPY,1,\n"
                       "m\n",
                 NULL,
                 "!2 the SKU is empty\n"
                 "!3 the title is empty\n"
                 "!4 the price '12;50' is not an amount of EUR, such as 19.99\n"
                 "!5 the price '1.999' is not an amount of EUR, such as 19.99\n"
                 "!6 the price '-1' is not an amount of EUR, such as 19.99\n"
                 "!7 'XXX' is no currency code, such as EUR\n"
                 "!8 the stock quantity is empty\n"
                 "!9 the stock quantity '-1' is not a whole number from 0 to 1000000000000\n"
                 "!10 the stock quantity '1.0' is not a whole number from 0 to 1000000000000\n"
                 "!11 the limit per customer '0' is not a whole number from 1 to 1000000000\n"
                 "!12 the price is empty\n"
                 "!13 the price '1.5' is not an amount of JPY, such as 1999\n"
                 "!14 the title is empty\n");
}

static void lines_are_counted_through_quoted_newlines_and_blank_lines(void **state)
{
    (void)state;
    assert_reads("sku,title,price,stock_quantity,\"no\ntes\"\n\na,A,1,1,\"x\ny\nz\"\n\n,B,1,1,\n", "EUR",
                 "?1 columns that are not read: no\ntes\nA: a|A|100 EUR|1|0\n!8 the SKU is empty\n");
}

static void a_sku_that_came_before_is_bad(void **state)
{
    (void)state;
    assert_reads(PLAIN "a,A,1,EUR,1,\nb,B,1,EUR,1,\na,C,1,EUR,1,\n", NULL,
                 "A: a|A|100 EUR|1|0\nB: b|B|100 EUR|1|0\n!4 the SKU 'a' was on line 2 already\n");
}

static void a_row_that_was_bad_does_not_take_its_sku(void **state)
{
    (void)state;
    assert_reads(PLAIN "a,A,x,EUR,1,\na,A,1,EUR,1,\n", NULL,
                 "!2 the price 'x' is not an amount of EUR, such as 19.99\nA: a|A|100 EUR|1|0\n");
}

static void bytes_that_are_no_utf8_or_control_are_bad(void **state)
{
    (void)state;
    assert_reads(PLAIN "a,Caf\xe9,1,EUR,1,\nb,\"B\nb\",1,EUR,1,\n", NULL,
                 "!2 the title is not UTF-8: save the file with that encoding\n"
                 "!3 the title has a control character in it, such as a line break\n");
}

static void a_stray_quote_costs_its_own_lines_only(void **state)
{
    (void)state;
    struct transcript transcript = read_bytes(PLAIN "a,5\" pipe,1,EUR,1,\nb,B,1,EUR,1,\n",
                                              strlen(PLAIN "a,5\" pipe,1,EUR,1,\nb,B,1,EUR,1,\n"), NULL);
    assert_true(transcript.ok);
    assert_non_null(strstr(transcript.text.bytes, "!2 a quote is out of place"));
    assert_non_null(strstr(transcript.text.bytes, "B: b|B|100 EUR|1|0\n"));
    buffer_done(&transcript.text);
}

static void a_quote_never_closed_is_named_where_it_opens(void **state)
{
    (void)state;
    assert_reads(
        PLAIN "a,A,1,EUR,1,\nb,\"B,1,EUR,1,\nc,C,1,EUR,1,\n", NULL,
        "A: a|A|100 EUR|1|0\n!3 a quote is opened and never closed (everything up to line 5 is lost with it)\n");
}

static void a_row_without_end_is_given_up_in_bounded_memory(void **state)
{
    (void)state;
    struct buffer csv;
    buffer_init(&csv, 16u << 20);
    buffer_append_c(&csv, PLAIN "a,\"");
    while (csv.length < 6u << 20) {
        buffer_append_c(&csv, "endless endless endless endless\n");
    }
    struct transcript transcript = read_bytes(csv.bytes, csv.length, NULL);
    assert_true(transcript.ok);
    assert_non_null(strstr(transcript.text.bytes, "!2 the row is longer than 4 MiB"));
    buffer_done(&transcript.text);
    buffer_done(&csv);
}

static void columns_that_are_not_known_are_named(void **state)
{
    (void)state;
    assert_reads("sku,title,price,stock_quantity,max_per_costumer,colour\na,A,1,1,2,red\n", "EUR",
                 "?1 columns that are not read: max_per_costumer, colour\nA: a|A|100 EUR|1|0\n");
}

static void a_file_of_no_known_kind_is_refused_as_a_whole(void **state)
{
    (void)state;
    assert_is_useless("", NULL, "empty");
    assert_is_useless("\n\n", NULL, "empty");
    assert_is_useless("a,b,c\n1,2,3\n", NULL, "columns");
    assert_is_useless("sku;title;price;stock_quantity\na;A;1;1\n", "EUR", "commas");
    assert_is_useless("sku,title,price,stock_quantity,sku\n", "EUR", "twice");
    assert_is_useless("sku,title,price,stock_quantity\na,A,1,1\n", NULL, "--currency");
    assert_is_useless(SHOPIFY "a,A,Title,Default Title,,,1,1\n", NULL, "--currency");
}

/* ---- Shopify ---- */

static void rows_of_one_handle_are_one_product(void **state)
{
    (void)state;
    assert_reads(SHOPIFY "clay-plant-pot,Clay Plant Pot,Size,Regular,,,1,9.99\n"
                         "clay-plant-pot,,,Large,,POT-L,3,15.99\n"
                         "copper-light,Copper Light,Title,Default Title,,,2,59.99\n",
                 "EUR",
                 "Clay Plant Pot: clay-plant-pot.regular|Clay Plant Pot - Regular|999 EUR|1|0; "
                 "POT-L|Clay Plant Pot - Large|1599 EUR|3|0\n"
                 "Copper Light: copper-light|Copper Light|5999 EUR|2|0\n");
}

static void rows_that_only_add_an_image_are_no_variants(void **state)
{
    (void)state;
    assert_reads(SHOPIFY "tee,Tee,Size,M,,,1,1\ntee,,,,,,,\ntee,,,L,,,1,1\n", "EUR",
                 "Tee: tee.m|Tee - M|100 EUR|1|0; tee.l|Tee - L|100 EUR|1|0\n");
}

static void a_sku_is_made_of_slugs_that_say_the_same_each_time(void **state)
{
    (void)state;
    assert_reads(SHOPIFY "tee,Tee,Colour,  Sea & Sky ,XL / 42,,1,1\ntee,,,Größe 1,,,1,1\n", "EUR",
                 "Tee: tee.sea-sky.xl-42|Tee - Sea & Sky / XL / 42|100 EUR|1|0; "
                 "tee.größe-1|Tee - Größe 1|100 EUR|1|0\n");
}

static void a_made_sku_that_another_row_has_is_bad(void **state)
{
    (void)state;
    assert_reads(SHOPIFY "tee,Tee,Size,S/M,,,1,1\ntee,,,S M,,,1,1\n", "EUR",
                 "!3 the SKU 'tee.s-m' was on line 2 already\nTee: tee.s-m|Tee - S/M|100 EUR|1|0\n");
}

static void a_variant_needs_a_price_and_a_quantity(void **state)
{
    (void)state;
    assert_reads(SHOPIFY "tee,Tee,Size,S,,,1,\ntee,,,M,,,,1\ntee,,,L,,,1,1\nmug,Mug,,,,,1,\n", "EUR",
                 "!2 the price is empty\n!3 the stock quantity is empty\nTee: tee.l|Tee - L|100 EUR|1|0\n"
                 "!5 the price is empty\n");
}

static void what_was_oversold_there_is_none_here(void **state)
{
    (void)state;
    assert_reads(SHOPIFY "tee,Tee,Title,Default Title,,,-3,1\n", "EUR",
                 "?2 the stock quantity is -3 (oversold there): read as 0\nTee: tee|Tee|100 EUR|0|0\n");
}

static void a_row_without_title_or_handle_belongs_to_nobody(void **state)
{
    (void)state;
    assert_reads(
        SHOPIFY "tee,Tee,Size,S,,,1,1\nmug,,,M,,,1,1\n,Cup,,,,,1,1\n", "EUR",
        "Tee: tee.s|Tee - S|100 EUR|1|0\n"
        "!3 the Title is empty, and the row before is of another Handle: the rows of a product must follow one "
        "another\n!4 the Handle is empty\n");
}

static void the_newer_column_names_are_known(void **state)
{
    (void)state;
    assert_reads("Title,URL handle,SKU,Option1 name,Option1 value,Price,Inventory quantity\nTee,tee,,Size,S,1,4\n",
                 "EUR", "Tee: tee.s|Tee - S|100 EUR|4|0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_wants_no_more_hears_of_no_further_row),
        cmocka_unit_test(a_plain_row_is_a_product),
        cmocka_unit_test(columns_come_in_any_order_and_case),
        cmocka_unit_test(a_byte_order_mark_and_crlf_and_no_last_newline_are_fine),
        cmocka_unit_test(quoted_fields_hold_commas_quotes_and_spaces),
        cmocka_unit_test(the_currency_is_the_rows_else_the_one_said),
        cmocka_unit_test(every_bad_row_is_named_with_its_line_and_reason),
        cmocka_unit_test(lines_are_counted_through_quoted_newlines_and_blank_lines),
        cmocka_unit_test(a_sku_that_came_before_is_bad),
        cmocka_unit_test(a_row_that_was_bad_does_not_take_its_sku),
        cmocka_unit_test(bytes_that_are_no_utf8_or_control_are_bad),
        cmocka_unit_test(a_stray_quote_costs_its_own_lines_only),
        cmocka_unit_test(a_quote_never_closed_is_named_where_it_opens),
        cmocka_unit_test(a_row_without_end_is_given_up_in_bounded_memory),
        cmocka_unit_test(columns_that_are_not_known_are_named),
        cmocka_unit_test(a_file_of_no_known_kind_is_refused_as_a_whole),
        cmocka_unit_test(rows_of_one_handle_are_one_product),
        cmocka_unit_test(rows_that_only_add_an_image_are_no_variants),
        cmocka_unit_test(a_sku_is_made_of_slugs_that_say_the_same_each_time),
        cmocka_unit_test(a_made_sku_that_another_row_has_is_bad),
        cmocka_unit_test(a_variant_needs_a_price_and_a_quantity),
        cmocka_unit_test(what_was_oversold_there_is_none_here),
        cmocka_unit_test(a_row_without_title_or_handle_belongs_to_nobody),
        cmocka_unit_test(the_newer_column_names_are_known),
    };
    return cmocka_run_group_tests_name("cli_catalogue", tests, NULL, NULL);
}
