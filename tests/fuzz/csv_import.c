/* Catalogue files, plain and as Shopify exports them. The input: how it is read (1 byte), and the file.
 *
 *   bit 0: a currency is said   bit 1: only the first product is wanted
 *   bits 2 to 4, all of them (it is slow): the file is read once more behind a blank line that is long enough to put it
 *   across the border of two blocks, at the place that bits 5 to 7 say */

#include "fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/table.h"
#include "cli/catalogue_reader.h"
#include "domain/limits.h"

#define BLOCK_BYTES ((size_t)65536) /* cli/csv_rows.c */
#define TRANSCRIPT_BYTES_MAX ((size_t)64 << 20)

struct reading {
    struct arena *arena;
    struct table skus;
    struct buffer transcript; /* what came of the file, line numbers as of the file without the blank line */
    size_t lines_before;      /* 1: the blank one */
    size_t file_lines;
    size_t last_line; /* that a product was on */
    int64_t bytes;
    bool stops;
    bool has_stopped;
};

static void check_text(struct text text, size_t max)
{
    assert(text.length >= 1 && text.length <= max && text_is_utf8(text) && !text_has_control(text));
}

static void check_variant(struct reading *reading, const struct import_variant *item)
{
    const struct create_variant *variant = &item->variant;
    check_text(variant->sku, SKU_BYTES_MAX);
    check_text(variant->title, TITLE_BYTES_MAX);
    assert(variant->price.amount >= 0 && variant->price.amount <= PRICE_AMOUNT_MAX);
    assert(currency_is_active(text_from_c(variant->price.currency)));
    assert(variant->stock_quantity >= 0 && variant->stock_quantity <= STOCK_QUANTITY_MAX);
    assert(variant->max_per_customer >= 0 && (item->has_max_per_customer || variant->max_per_customer == 0));
    assert(item->row >= reading->last_line && item->row <= reading->file_lines);
    assert(table_find(&reading->skus, variant->sku) == NULL);
    reading->last_line = item->row;
    struct text sku = arena_text(reading->arena, variant->sku);
    table_put(&reading->skus, sku, reading);
    buffer_append_format(&reading->transcript, "%zu %.*s|%.*s|%lld %s|%lld|%lld\n", item->row - reading->lines_before,
                         (int)sku.length, sku.bytes, (int)variant->title.length, variant->title.bytes,
                         (long long)variant->price.amount, variant->price.currency, (long long)variant->stock_quantity,
                         (long long)variant->max_per_customer);
}

static bool take_product(void *context, const struct import_product *product)
{
    struct reading *reading = context;
    assert(!reading->has_stopped);
    check_text(product->title, TITLE_BYTES_MAX);
    assert(product->variant_count >= 1 && product->variant_count <= PRODUCT_VARIANTS_MAX);
    for (size_t i = 0; i < product->variant_count; i++) {
        check_variant(reading, &product->variants[i]);
    }
    reading->has_stopped = reading->stops;
    return !reading->stops;
}

static void take_bad_row(void *context, size_t line, const char *reason)
{
    struct reading *reading = context;
    assert(!reading->has_stopped);
    assert(line >= 1 && line <= reading->file_lines && reason[0] != '\0');
    buffer_append_format(&reading->transcript, "!%zu\n", line - reading->lines_before);
}

static void take_notice(void *context, size_t line, const char *text)
{
    struct reading *reading = context;
    assert(!reading->has_stopped);
    assert(line >= 1 && line <= reading->file_lines && text[0] != '\0');
    buffer_append_format(&reading->transcript, "?%zu\n", line - reading->lines_before);
}

static void take_advance(void *context, int64_t bytes)
{
    ((struct reading *)context)->bytes += bytes;
}

/* libcsv ends rows there, while lines are counted by their LF: what is said of a row's line may then differ. */
static bool has_lone_cr(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.bytes[i] == '\r' && (i + 1 == text.length || text.bytes[i + 1] != '\n')) {
            return true;
        }
    }
    return false;
}

static size_t count_lines(struct text text)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.length; i++) {
        lines += text.bytes[i] == '\n';
    }
    return lines;
}

/* Returns whether the file was of use; the transcript is the caller's to free. */
static bool read_catalogue(struct text file, size_t blank_bytes, const char *currency, bool stops,
                           struct buffer *ret_transcript)
{
    static int memory = -1;
    static char blank[BLOCK_BYTES];
    if (memory < 0) {
        memory = memfd_create("catalogue", 0);
        memset(blank, ' ', sizeof(blank) - 1);
        blank[sizeof(blank) - 1] = '\n';
    }
    struct reading reading = {
        .arena = arena_new(4096),
        .lines_before = blank_bytes > 0,
        .file_lines = (blank_bytes > 0) + count_lines(file),
        .stops = stops,
    };
    table_init(&reading.skus, reading.arena);
    buffer_init(&reading.transcript, TRANSCRIPT_BYTES_MAX);
    assert(ftruncate(memory, 0) == 0 && lseek(memory, 0, SEEK_SET) == 0);
    assert(write(memory, blank + sizeof(blank) - blank_bytes, blank_bytes) == (ssize_t)blank_bytes);
    assert(write(memory, file.bytes, file.length) == (ssize_t)file.length);
    assert(lseek(memory, 0, SEEK_SET) == 0);
    const struct catalogue_sink sink = {
        .product = take_product,
        .bad_row = take_bad_row,
        .notice = take_notice,
        .advanced = take_advance,
        .context = &reading,
    };
    struct fault fault = {0};
    bool ok = catalogue_read(memory, currency, &sink, &fault);
    assert(ok || fault.detail[0] != '\0');
    assert(!ok || reading.has_stopped || reading.bytes == (int64_t)(blank_bytes + file.length));
    buffer_append_c(&reading.transcript, ok ? "ok" : fault.detail);
    arena_free(reading.arena);
    *ret_transcript = reading.transcript;
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint64_t how = fuzz_take(&input, 1);
    struct text file = fuzz_rest(&input);
    const char *currency = (how & 1) != 0 ? "EUR" : NULL;
    bool stops = (how & 2) != 0;
    bool has_mark = file.length >= 3 && memcmp(file.bytes, "\xef\xbb\xbf", 3) == 0; /* counts at the start alone */
    struct buffer first;
    (void)read_catalogue(file, 0, currency, stops, &first);
    if ((how & 0x1c) == 0x1c && file.length > 0 && file.length < BLOCK_BYTES && !has_mark && !has_lone_cr(file)) {
        struct buffer second;
        size_t border = (how >> 5) * file.length / 8;
        (void)read_catalogue(file, BLOCK_BYTES - border, currency, stops, &second);
        assert(text_equal(buffer_text(&first), buffer_text(&second)));
        buffer_done(&second);
    }
    buffer_done(&first);
    return 0;
}
