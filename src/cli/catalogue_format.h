#ifndef HOLDFAST_CLI_CATALOGUE_FORMAT_H
#define HOLDFAST_CLI_CATALOGUE_FORMAT_H

/* What catalogues share, wherever they come from: for catalogue_reader.c, a file per format of files, and
 * catalogue_postgres.c. */

#include "cli/catalogue_reader.h"
#include "cli/csv_rows.h"
#include "cli/sku_set.h"

#define CATALOGUE_COLUMNS_MAX 16
#define CATALOGUE_MAX_PER_CUSTOMER_MAX INT64_C(1000000000)

struct catalogue_column {
    const char *name;       /* compared without regard to case and surrounding spaces */
    const char *other_name; /* or NULL */
    bool required;
};

struct catalogue_reader;

struct catalogue_format {
    const struct catalogue_column *columns;
    size_t column_count;
    int currency_column; /* -1: the format has none */
    bool ignores_other_columns_silently;
    void (*read_row)(struct catalogue_reader *reader, const struct csv_row *row);
    void (*finish)(struct catalogue_reader *reader); /* behind the last row; or NULL */
};

extern const struct catalogue_format CATALOGUE_PLAIN;
extern const struct catalogue_format CATALOGUE_SHOPIFY;

struct catalogue_reader {
    const struct catalogue_sink *sink;
    const char *currency;
    struct fault *fault;
    struct sku_set skus;
    bool is_failed;
    bool is_stopped;

    /* Of a file */
    const struct catalogue_format *format;   /* NULL until the header was read */
    size_t header_count;                     /* fields of the header */
    size_t column_at[CATALOGUE_COLUMNS_MAX]; /* where the format's columns are in this file; SIZE_MAX: absent */

    /* Of a table: the present row's key, which is put before what is said of it ("id=17"). Absent: it is a file, whose
     * rows are known by their lines. */
    struct text row_key;

    /* The product being gathered from rows that follow one another; its texts live in the arena. */
    struct arena *arena;
    bool has_group;
    struct text group_handle;
    struct text group_title;
    struct import_variant *group_variants; /* PRODUCT_VARIANTS_MAX */
    size_t group_count;
};

/* sink, currency and fault are set. */
void catalogue_reader_start(struct catalogue_reader *reader);
void catalogue_reader_end(struct catalogue_reader *reader);

/* The field, trimmed; empty where the file has no such column, or the row ends before it. */
struct text catalogue_field(const struct catalogue_reader *reader, const struct csv_row *row, size_t column);
bool catalogue_has_column(const struct catalogue_reader *reader, size_t column);
void catalogue_bad_row(struct catalogue_reader *reader, size_t line, const char *format, ...) PRINTF_LIKE(3, 4);
void catalogue_notice(struct catalogue_reader *reader, size_t line, const char *format, ...) PRINTF_LIKE(3, 4);
void catalogue_put_product(struct catalogue_reader *reader, const struct import_product *product);

/* A variant's fields as its row has them. */
struct variant_texts {
    struct text sku;
    struct text title;
    struct text price;
    bool price_is_minor;  /* whole cents, and not 19.99 */
    struct text currency; /* empty: what --currency said */
    struct text stock_quantity;
    struct text max_per_customer; /* empty: no limit */
    bool has_max_per_customer;    /* there is such a column: an empty field takes an earlier limit away */
};

/* False, both: the row is bad, and was reported. The variant's texts are those given; `line` is a number of the row's
 * own. */
MUST_USE bool catalogue_check_text(struct catalogue_reader *reader, size_t line, const char *what, struct text text,
                                   size_t bytes_max);
MUST_USE bool catalogue_make_variant(struct catalogue_reader *reader, size_t line, const struct variant_texts *texts,
                                     struct import_variant *ret_variant);

/* The product that is gathered from rows: the one before is handed on, a new one begins; both copy their texts. */
void catalogue_begin_group(struct catalogue_reader *reader, struct text handle, struct text title);
void catalogue_group_variant(struct catalogue_reader *reader, size_t line, const struct variant_texts *texts);
void catalogue_finish_group(struct catalogue_reader *reader);

#endif
