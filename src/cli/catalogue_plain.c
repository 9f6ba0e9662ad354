#include "cli/catalogue_format.h"

/* A plain catalogue: a row is a product with one variant. Columns in any order. */

enum { COLUMN_SKU, COLUMN_TITLE, COLUMN_PRICE, COLUMN_CURRENCY, COLUMN_STOCK_QUANTITY, COLUMN_MAX_PER_CUSTOMER };

static const struct catalogue_column COLUMNS[] = {
    [COLUMN_SKU] = {"sku", NULL, true},
    [COLUMN_TITLE] = {"title", NULL, true},
    [COLUMN_PRICE] = {"price", NULL, true},
    [COLUMN_CURRENCY] = {"currency", NULL, false},
    [COLUMN_STOCK_QUANTITY] = {"stock_quantity", NULL, true},
    [COLUMN_MAX_PER_CUSTOMER] = {"max_per_customer", NULL, false},
};

static void read_row(struct catalogue_reader *reader, const struct csv_row *row)
{
    const struct variant_texts texts = {
        .sku = catalogue_field(reader, row, COLUMN_SKU),
        .title = catalogue_field(reader, row, COLUMN_TITLE),
        .price = catalogue_field(reader, row, COLUMN_PRICE),
        .currency = catalogue_field(reader, row, COLUMN_CURRENCY),
        .stock_quantity = catalogue_field(reader, row, COLUMN_STOCK_QUANTITY),
        .max_per_customer = catalogue_field(reader, row, COLUMN_MAX_PER_CUSTOMER),
        .has_max_per_customer = catalogue_has_column(reader, COLUMN_MAX_PER_CUSTOMER),
    };
    struct import_variant variant;
    if (!catalogue_make_variant(reader, row->line, &texts, &variant)) {
        return;
    }
    const struct import_product product = {.title = texts.title, .variants = &variant, .variant_count = 1};
    catalogue_put_product(reader, &product);
}

const struct catalogue_format CATALOGUE_PLAIN = {
    .columns = COLUMNS,
    .column_count = sizeof(COLUMNS) / sizeof(*COLUMNS),
    .currency_column = COLUMN_CURRENCY,
    .read_row = read_row,
};
