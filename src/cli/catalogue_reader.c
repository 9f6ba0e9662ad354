#include "cli/catalogue_reader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "cli/catalogue_format.h"
#include "domain/limits.h"

#define REASON_BYTES_MAX 512
#define LISTED_BYTES_MAX 300
#define SHOWN_BYTES_MAX 60 /* of a field that is quoted in a message */
#define ROW_KEY_SHOWN_BYTES_MAX 150

/* In the order in which they are tried: the newer Shopify exports have all columns of a plain catalogue but one. */
static const struct catalogue_format *const FORMATS[] = {&CATALOGUE_SHOPIFY, &CATALOGUE_PLAIN, NULL};

/* ---- What formats use ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct text trim(struct text text)
{
    while (text.length > 0 && is_space(text.bytes[0])) {
        text.bytes++;
        text.length--;
    }
    while (text.length > 0 && is_space(text.bytes[text.length - 1])) {
        text.length--;
    }
    return text;
}

bool catalogue_has_column(const struct catalogue_reader *reader, size_t column)
{
    return reader->column_at[column] != SIZE_MAX;
}

struct text catalogue_field(const struct catalogue_reader *reader, const struct csv_row *row, size_t column)
{
    size_t at = reader->column_at[column];
    return at < row->field_count ? trim(row->fields[at]) : TEXT_LITERAL("");
}

/* What is said of a row, behind its key where it has one. */
static void format_reason(const struct catalogue_reader *reader, const char *format, va_list arguments,
                          char ret_reason[REASON_BYTES_MAX]) PRINTF_LIKE(2, 0);
static void format_reason(const struct catalogue_reader *reader, const char *format, va_list arguments,
                          char ret_reason[REASON_BYTES_MAX])
{
    int key_length = (int)reader->row_key.length;
    int length = key_length == 0
                     ? 0
                     : snprintf(ret_reason, REASON_BYTES_MAX,
                                "%.*s: ", key_length < ROW_KEY_SHOWN_BYTES_MAX ? key_length : ROW_KEY_SHOWN_BYTES_MAX,
                                reader->row_key.bytes);
    vsnprintf(ret_reason + length, (size_t)(REASON_BYTES_MAX - length), format, arguments);
}

void catalogue_bad_row(struct catalogue_reader *reader, size_t line, const char *format, ...)
{
    char reason[REASON_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    format_reason(reader, format, arguments, reason);
    va_end(arguments);
    if (!reader->is_stopped) {
        reader->sink->bad_row(reader->sink->context, line, reason);
    }
}

void catalogue_notice(struct catalogue_reader *reader, size_t line, const char *format, ...)
{
    char text[REASON_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    format_reason(reader, format, arguments, text);
    va_end(arguments);
    if (!reader->is_stopped) {
        reader->sink->notice(reader->sink->context, line, text);
    }
}

void catalogue_put_product(struct catalogue_reader *reader, const struct import_product *product)
{
    if (!reader->is_stopped) {
        reader->is_stopped = !reader->sink->product(reader->sink->context, product);
    }
}

/* ---- Checking a variant ---- */

/* For "%.*s": a message shows no more of a field than helps to find it. */
static int shown(struct text text)
{
    return text.length > SHOWN_BYTES_MAX ? SHOWN_BYTES_MAX : (int)text.length;
}

bool catalogue_check_text(struct catalogue_reader *reader, size_t line, const char *what, struct text text,
                          size_t bytes_max)
{
    if (text.length == 0) {
        catalogue_bad_row(reader, line, "the %s is empty", what);
    } else if (!text_is_utf8(text)) {
        catalogue_bad_row(reader, line, "the %s is not UTF-8: save the file with that encoding", what);
    } else if (text_has_control(text)) {
        catalogue_bad_row(reader, line, "the %s has a control character in it, such as a line break", what);
    } else if (text.length > bytes_max) {
        catalogue_bad_row(reader, line, "the %s is longer than %zu bytes: '%.*s...'", what, bytes_max, shown(text),
                          text.bytes);
    } else {
        return true;
    }
    return false;
}

static bool read_number(struct catalogue_reader *reader, size_t line, const char *what, struct text text, int64_t min,
                        int64_t max, int64_t *ret_value)
{
    if (text.length == 0) {
        catalogue_bad_row(reader, line, "the %s is empty", what);
        return false;
    }
    if (!text_to_int64(text, ret_value) || *ret_value < min || *ret_value > max) {
        catalogue_bad_row(reader, line, "the %s '%.*s' is not a whole number from %" PRId64 " to %" PRId64, what,
                          shown(text), text.bytes, min, max);
        return false;
    }
    return true;
}

static bool read_price(struct catalogue_reader *reader, size_t line, const struct variant_texts *texts,
                       struct money *ret_price)
{
    struct text currency = texts->currency.length > 0 ? texts->currency : text_from_c(reader->currency);
    if (currency.length == 0) {
        catalogue_bad_row(reader, line, "the currency is empty: fill it in, or say it with --currency");
        return false;
    }
    if (!currency_is_active(currency)) {
        catalogue_bad_row(reader, line, "'%.*s' is no currency code, such as EUR", shown(currency), currency.bytes);
        return false;
    }
    memcpy(ret_price->currency, currency.bytes, 3);
    ret_price->currency[3] = '\0';
    if (texts->price_is_minor) {
        return read_number(reader, line, "price", texts->price, 0, PRICE_AMOUNT_MAX, &ret_price->amount);
    }
    if (texts->price.length == 0) {
        catalogue_bad_row(reader, line, "the price is empty");
        return false;
    }
    if (!money_parse_major(texts->price, ret_price->currency, &ret_price->amount)) {
        catalogue_bad_row(reader, line, "the price '%.*s' is not an amount of %s, such as %s", shown(texts->price),
                          texts->price.bytes, ret_price->currency,
                          currency_exponent(ret_price->currency) == 0 ? "1999" : "19.99");
        return false;
    }
    return true;
}

bool catalogue_make_variant(struct catalogue_reader *reader, size_t line, const struct variant_texts *texts,
                            struct import_variant *ret_variant)
{
    struct create_variant variant = {.sku = texts->sku, .title = texts->title, .low_stock_threshold = -1};
    if (!catalogue_check_text(reader, line, "SKU", texts->sku, SKU_BYTES_MAX) ||
        !catalogue_check_text(reader, line, "title", texts->title, TITLE_BYTES_MAX) ||
        !read_price(reader, line, texts, &variant.price) ||
        !read_number(reader, line, "stock quantity", texts->stock_quantity, 0, STOCK_QUANTITY_MAX,
                     &variant.stock_quantity)) {
        return false;
    }
    if (texts->max_per_customer.length > 0 &&
        !read_number(reader, line, "limit per customer", texts->max_per_customer, 1, CATALOGUE_MAX_PER_CUSTOMER_MAX,
                     &variant.max_per_customer)) {
        return false;
    }
    size_t earlier_line = sku_set_add(&reader->skus, texts->sku, line);
    if (earlier_line != 0 && reader->row_key.length > 0) {
        catalogue_bad_row(reader, line, "the SKU '%.*s' is that of a row before it, too", shown(texts->sku),
                          texts->sku.bytes);
        return false;
    }
    if (earlier_line != 0) {
        catalogue_bad_row(reader, line, "the SKU '%.*s' was on line %zu already", shown(texts->sku), texts->sku.bytes,
                          earlier_line);
        return false;
    }
    *ret_variant = (struct import_variant){
        .row = line,
        .variant = variant,
        .has_max_per_customer = texts->has_max_per_customer,
    };
    return true;
}

/* ---- A product of several rows ---- */

void catalogue_finish_group(struct catalogue_reader *reader)
{
    if (reader->group_count > 0) {
        const struct import_product product = {
            .title = reader->group_title,
            .variants = reader->group_variants,
            .variant_count = reader->group_count,
        };
        catalogue_put_product(reader, &product);
    }
    reader->has_group = false;
    reader->group_count = 0;
    arena_clear(reader->arena);
}

void catalogue_begin_group(struct catalogue_reader *reader, struct text handle, struct text title)
{
    catalogue_finish_group(reader);
    reader->has_group = true;
    reader->group_handle = arena_text(reader->arena, handle);
    reader->group_title = arena_text(reader->arena, title);
}

void catalogue_group_variant(struct catalogue_reader *reader, size_t line, const struct variant_texts *texts)
{
    struct import_variant *variant = &reader->group_variants[reader->group_count];
    if (reader->group_count == PRODUCT_VARIANTS_MAX) {
        catalogue_bad_row(reader, line, "the product has more than %d variants", PRODUCT_VARIANTS_MAX);
    } else if (catalogue_make_variant(reader, line, texts, variant)) {
        variant->variant.sku = arena_text(reader->arena, texts->sku);
        variant->variant.title = arena_text(reader->arena, texts->title);
        reader->group_count++;
    }
}

/* ---- The header ---- */

static bool is_named(struct text field, const char *name)
{
    return name != NULL && strlen(name) == field.length && strncasecmp(name, field.bytes, field.length) == 0;
}

static bool is_column(struct text field, const struct catalogue_column *column)
{
    return is_named(trim(field), column->name) || is_named(trim(field), column->other_name);
}

/* Finds the format's columns in the header; false: it is not of this format. */
static bool match_format(struct catalogue_reader *reader, const struct catalogue_format *format,
                         const struct csv_row *header)
{
    for (size_t i = 0; i < format->column_count; i++) {
        reader->column_at[i] = SIZE_MAX;
        for (size_t j = header->field_count; j-- > 0;) {
            if (is_column(header->fields[j], &format->columns[i])) {
                reader->column_at[i] = j;
            }
        }
        if (format->columns[i].required && reader->column_at[i] == SIZE_MAX) {
            return false;
        }
    }
    return true;
}

static void list_name(struct buffer *list, struct text name)
{
    if (list->length > 0) {
        buffer_append_c(list, ", ");
    }
    buffer_append_text(list, name);
}

static bool fail(struct catalogue_reader *reader, const char *reason)
{
    reader->is_failed = true;
    return fault_set(reader->fault, FAULT_INTERNAL, "%s", reason);
}

/* A name twice would make one of the two columns silently win; an unknown one may be a known one misspelt. */
static bool check_columns(struct catalogue_reader *reader, const struct csv_row *header)
{
    const struct catalogue_format *format = reader->format;
    struct buffer ignored;
    buffer_init(&ignored, LISTED_BYTES_MAX);
    bool is_good = true;
    for (size_t j = 0; j < header->field_count && is_good; j++) {
        bool is_known = false;
        for (size_t i = 0; i < format->column_count; i++) {
            if (is_column(header->fields[j], &format->columns[i])) {
                is_known = true;
                is_good = is_good && reader->column_at[i] == j;
            }
        }
        if (!is_known && trim(header->fields[j]).length > 0) {
            list_name(&ignored, trim(header->fields[j]));
        }
        if (!is_good) {
            fail(reader, "the header names a column twice");
        }
    }
    if (is_good && ignored.length > 0 && !format->ignores_other_columns_silently) {
        catalogue_notice(reader, header->line, "columns that are not read: %.*s", (int)ignored.length, ignored.bytes);
    }
    buffer_done(&ignored);
    return is_good;
}

static bool read_header(struct catalogue_reader *reader, const struct csv_row *header)
{
    for (size_t i = 0; FORMATS[i] != NULL && reader->format == NULL; i++) {
        reader->format = match_format(reader, FORMATS[i], header) ? FORMATS[i] : NULL;
    }
    if (reader->format == NULL) {
        return fail(reader, "the first line names no columns that are known. A plain catalogue has sku, title, price, "
                            "currency, stock_quantity; a Shopify export Handle, Title, Variant Price, Variant "
                            "Inventory Qty. Columns are separated by commas");
    }
    int currency_column = reader->format->currency_column;
    if (reader->currency == NULL && (currency_column < 0 || !catalogue_has_column(reader, (size_t)currency_column))) {
        return fail(reader, "the file does not say in which currency its prices are: add --currency EUR");
    }
    reader->header_count = header->field_count;
    return check_columns(reader, header);
}

/* ---- Reading ---- */

static bool is_empty_row(const struct csv_row *row)
{
    for (size_t i = 0; i < row->field_count; i++) {
        if (trim(row->fields[i]).length > 0) {
            return false;
        }
    }
    return true;
}

static bool take_row(void *context, const struct csv_row *row)
{
    struct catalogue_reader *reader = context;
    if (is_empty_row(row)) {
        return true; /* spreadsheets leave them behind the last row */
    }
    if (reader->format == NULL) {
        return read_header(reader, row);
    }
    for (size_t i = reader->header_count; i < row->field_count; i++) {
        if (trim(row->fields[i]).length > 0) { /* the fields before it may stand in each other's place */
            catalogue_bad_row(reader, row->line,
                              "has more fields than the header: put a value with a comma in it in quotes");
            return !reader->is_stopped;
        }
    }
    reader->format->read_row(reader, row);
    return !reader->is_stopped;
}

static void take_bad_row(void *context, size_t line, const char *reason)
{
    struct catalogue_reader *reader = context;
    reader->sink->bad_row(reader->sink->context, line, reason);
}

static void take_advance(void *context, int64_t bytes)
{
    struct catalogue_reader *reader = context;
    reader->sink->advanced(reader->sink->context, bytes);
}

void catalogue_reader_start(struct catalogue_reader *reader)
{
    reader->arena = arena_new((size_t)64 * 1024);
    reader->group_variants = memory_zalloc(PRODUCT_VARIANTS_MAX, sizeof(struct import_variant));
    sku_set_init(&reader->skus);
}

void catalogue_reader_end(struct catalogue_reader *reader)
{
    sku_set_done(&reader->skus);
    arena_free(reader->arena);
    free(reader->group_variants);
}

bool catalogue_read(int file, const char *currency, const struct catalogue_sink *sink, struct fault *fault)
{
    struct catalogue_reader reader = {.sink = sink, .currency = currency, .fault = fault};
    const struct csv_sink rows = {
        .row = take_row,
        .bad_row = take_bad_row,
        .advanced = take_advance,
        .context = &reader,
    };
    catalogue_reader_start(&reader);
    bool ok = csv_read(file, &rows, fault) && !reader.is_failed;
    if (ok && reader.format == NULL) {
        ok = fail(&reader, "the file is empty: its first line names the columns");
    } else if (ok && reader.format->finish != NULL) {
        reader.format->finish(&reader);
    }
    catalogue_reader_end(&reader);
    return ok;
}
