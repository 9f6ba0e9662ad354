#include <stdio.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "cli/catalogue_format.h"
#include "domain/limits.h"

/* A Shopify product export: one row a variant, rows of one Handle follow one another, and only the first of them has
 * the Title. Rows that only add an image are no variants.
 *
 * A variant without a SKU gets one: the handle and its option values, each as a slug, joined by '.', which no slug
 * contains: "clay-plant-pot.regular", "tee.red.m"; of a product without options just "ocean-blue-shirt". A slug has
 * ASCII letters in lower case, digits and everything beyond ASCII as they are, and one '-' for any run of the rest.
 * Such a SKU depends on nothing but the row itself, so importing again finds the same variant. Where two rows would
 * get the same one ("S/M" and "S M"), the second is a bad row: it needs a SKU of its own. */

#define OPTIONS_MAX 3
#define UNNAMED_OPTION "Default Title" /* what Shopify writes for a product without options */

enum {
    COLUMN_HANDLE,
    COLUMN_TITLE,
    COLUMN_OPTION_1,
    COLUMN_OPTION_2,
    COLUMN_OPTION_3,
    COLUMN_SKU,
    COLUMN_STOCK_QUANTITY,
    COLUMN_PRICE
};

static const struct catalogue_column COLUMNS[] = {
    [COLUMN_HANDLE] = {"Handle", "URL handle", true},
    [COLUMN_TITLE] = {"Title", NULL, true},
    [COLUMN_OPTION_1] = {"Option1 Value", NULL, false},
    [COLUMN_OPTION_2] = {"Option2 Value", NULL, false},
    [COLUMN_OPTION_3] = {"Option3 Value", NULL, false},
    [COLUMN_SKU] = {"Variant SKU", "SKU", false},
    [COLUMN_STOCK_QUANTITY] = {"Variant Inventory Qty", "Inventory quantity", true},
    [COLUMN_PRICE] = {"Variant Price", "Price", true},
};

/* The row's option values that say something. */
static size_t read_options(const struct catalogue_reader *reader, const struct csv_row *row,
                           struct text ret_options[OPTIONS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < OPTIONS_MAX; i++) {
        struct text value = catalogue_field(reader, row, COLUMN_OPTION_1 + i);
        if (value.length > 0 && !text_equal_c(value, UNNAMED_OPTION)) {
            ret_options[count++] = value;
        }
    }
    return count;
}

static void append_slug(struct buffer *out, struct text text)
{
    size_t start = out->length;
    bool is_gap = false;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        bool is_upper = c >= 'A' && c <= 'Z';
        if (is_upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80) {
            if (is_gap && out->length > start) {
                buffer_append_char(out, '-');
            }
            is_gap = false;
            buffer_append_char(out, is_upper ? (char)(c - 'A' + 'a') : c);
        } else {
            is_gap = true;
        }
    }
}

static struct text make_sku(struct arena *arena, struct text handle, const struct text *options, size_t option_count)
{
    struct buffer sku;
    buffer_init(&sku, CSV_ROW_BYTES_MAX);
    append_slug(&sku, handle);
    for (size_t i = 0; i < option_count; i++) {
        buffer_append_char(&sku, '.');
        append_slug(&sku, options[i]);
    }
    struct text copy = arena_text(arena, buffer_text(&sku));
    buffer_done(&sku);
    return copy;
}

/* "Classic Varsity Top - Small / Red" */
static struct text make_title(struct arena *arena, struct text product_title, const struct text *options,
                              size_t option_count)
{
    struct buffer title;
    buffer_init(&title, CSV_ROW_BYTES_MAX);
    buffer_append_text(&title, product_title);
    for (size_t i = 0; i < option_count; i++) {
        buffer_append_c(&title, i == 0 ? " - " : " / ");
        buffer_append_text(&title, options[i]);
    }
    struct text copy = arena_text(arena, buffer_text(&title));
    buffer_done(&title);
    return copy;
}

/* Less than nothing is what Shopify sold beyond its stock: there is none to sell here either. */
static struct text floor_quantity(struct catalogue_reader *reader, size_t line, struct text quantity)
{
    int64_t value;
    if (!text_to_int64(quantity, &value) || value >= 0) {
        return quantity;
    }
    catalogue_notice(reader, line, "the stock quantity is %.*s (oversold there): read as 0", (int)quantity.length,
                     quantity.bytes);
    return TEXT_LITERAL("0");
}

/* True where the row is of a product that can be gathered: the one before, or a new one, which has a title. */
static bool join_group(struct catalogue_reader *reader, const struct csv_row *row, struct text handle,
                       bool *ret_is_first)
{
    *ret_is_first = !reader->has_group || !text_equal(reader->group_handle, handle);
    if (!*ret_is_first) {
        return true;
    }
    catalogue_finish_group(reader);
    struct text title = catalogue_field(reader, row, COLUMN_TITLE);
    if (handle.length == 0) {
        catalogue_bad_row(reader, row->line, "the Handle is empty");
        return false;
    }
    if (title.length == 0) {
        catalogue_bad_row(reader, row->line,
                          "the Title is empty, and the row before is of another Handle: the rows of "
                          "a product must follow one another");
        return false;
    }
    catalogue_begin_group(reader, handle, title);
    return true;
}

static void add_variant(struct catalogue_reader *reader, const struct csv_row *row, const struct text *options,
                        size_t option_count)
{
    struct text sku = catalogue_field(reader, row, COLUMN_SKU);
    const struct variant_texts texts = {
        .sku = sku.length > 0 ? sku : make_sku(reader->arena, reader->group_handle, options, option_count),
        .title = make_title(reader->arena, reader->group_title, options, option_count),
        .price = catalogue_field(reader, row, COLUMN_PRICE),
        .stock_quantity = floor_quantity(reader, row->line, catalogue_field(reader, row, COLUMN_STOCK_QUANTITY)),
    };
    catalogue_group_variant(reader, row->line, &texts);
}

static void read_row(struct catalogue_reader *reader, const struct csv_row *row)
{
    struct text options[OPTIONS_MAX];
    size_t option_count = read_options(reader, row, options);
    bool is_first;
    if (!join_group(reader, row, catalogue_field(reader, row, COLUMN_HANDLE), &is_first)) {
        return;
    }
    bool is_only_image = !is_first && option_count == 0 && catalogue_field(reader, row, COLUMN_PRICE).length == 0 &&
                         catalogue_field(reader, row, COLUMN_SKU).length == 0;
    if (!is_only_image) {
        add_variant(reader, row, options, option_count);
    }
}

const struct catalogue_format CATALOGUE_SHOPIFY = {
    .columns = COLUMNS,
    .column_count = sizeof(COLUMNS) / sizeof(*COLUMNS),
    .currency_column = -1,
    .ignores_other_columns_silently = true,
    .read_row = read_row,
    .finish = catalogue_finish_group,
};
