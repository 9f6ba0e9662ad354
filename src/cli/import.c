#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/catalogue_postgres.h"
#include "cli/catalogue_reader.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/database.h"
#include "cli/import_writer.h"
#include "cli/options.h"
#include "cli/progress.h"

#define ROWS_SHOWN_MAX 100

struct import_settings {
    const char *database;
    const char *currency;
    const char *from; /* NULL: a file */
    const char *products_table;
    const char *map;
    const char *variants_table;
    const char *variants_map;
    bool dry_run;
    bool skip_bad;
};

#define FIELD(name) offsetof(struct import_settings, name)

static const struct option OPTIONS[] = {
    DATABASE_OPTION(import_settings),
    {.name = "currency",
     .type = OPTION_TEXT,
     .offset = FIELD(currency),
     .placeholder = "CODE",
     .help = "of prices for which the catalogue names none: EUR"},
    {.name = "dry-run", .type = OPTION_FLAG, .offset = FIELD(dry_run), .help = "check the catalogue and write nothing"},
    {.name = "skip-bad",
     .type = OPTION_FLAG,
     .offset = FIELD(skip_bad),
     .help = "import the good rows even where others are bad"},
    {.name = "from",
     .type = OPTION_TEXT,
     .offset = FIELD(from),
     .placeholder = "URI",
     .help = "take the catalogue from this PostgreSQL database:\npostgresql://USER@HOST/NAME"},
    {.name = "products-table",
     .type = OPTION_TEXT,
     .offset = FIELD(products_table),
     .placeholder = "TABLE",
     .default_value = "products",
     .help = "--from: the table or view with the products,\nproducts or shop.products"},
    {.name = "map",
     .type = OPTION_TEXT,
     .offset = FIELD(map),
     .placeholder = "NAME=COLUMN,...",
     .help = "--from: its columns. sku, title, price, stock and, if\nyou like, currency, max_per_customer; with\n"
             "--variants-table id, title"},
    {.name = "variants-table",
     .type = OPTION_TEXT,
     .offset = FIELD(variants_table),
     .placeholder = "TABLE",
     .help = "--from: the table with the variants, where products\nhave several"},
    {.name = "variants-map",
     .type = OPTION_TEXT,
     .offset = FIELD(variants_map),
     .placeholder = "NAME=COLUMN,...",
     .help = "--from: its columns. product, sku, stock; title,\nprice, currency, max_per_customer: what it leaves out\n"
             "is the product's"},
};

const struct command_usage IMPORT_USAGE = {
    .name = "import",
    .about =
        "Brings a catalogue in, from a CSV file or out of an existing application's PostgreSQL database.\n\n"
        "A file's header says which kind it is:\n"
        "  plain     sku,title,price,currency,stock_quantity and, if you like, max_per_customer; columns in any order\n"
        "  Shopify   a product export: Handle, Title, Option1 Value, Variant SKU, Variant Inventory Qty, Variant Price.\n"
        "            A variant without a SKU gets one from handle and options: clay-plant-pot.regular\n"
        "It is CSV in UTF-8, prices as 19.99.\n\n"
        "Of a database, --map says which columns of the products' table are meant, with the capitals that they have.\n"
        "An integer price column counts the currency's smallest units (cents), a numeric one has prices as 19.99.\n"
        "It is read in one read-only transaction, which sees nothing of what changes meanwhile.\n\n"
        "The catalogue is checked as a whole first: each bad row is named, by its line or its key, with the reason,\n"
        "and unless all are good nothing is imported (but see --skip-bad).\n"
        "Importing again updates: a SKU that exists gets the catalogue's title, price, limit and stock. A stock below\n"
        "what is reserved is a bad row, too, unless a running server takes the order meanwhile: then that row alone\n"
        "is refused. There may be millions of rows.",
    .examples = "  holdfast import catalogue.csv --dry-run              is it good?\n"
                "  holdfast import catalogue.csv                        into holdfast.db\n"
                "  holdfast import products_export.csv --currency EUR   from Shopify\n"
                "  holdfast import big.csv --skip-bad --database sqlite:/var/lib/holdfast/shop.db\n"
                "  holdfast import --from postgresql://app@db/app --currency EUR --products-table Product \\\n"
                "      --map sku=sku,title=name,price=priceCents,stock=stockQuantity\n"
                "  holdfast import --from postgresql://app@db/app --currency EUR --map id=id,title=name \\\n"
                "      --variants-table product_variants \\\n"
                "      --variants-map product=product_id,sku=sku,title=title,price=price,stock=stock_quantity",
    .options = OPTIONS,
    .option_count = sizeof(OPTIONS) / sizeof(*OPTIONS),
    .operands_max = 1,
    .operand_name = "FILE.csv|--from URI",
};

struct import {
    const struct import_settings *settings;
    const char *name; /* of the file, or of the table */
    int file;
    struct catalogue_postgres *tables; /* NULL: it comes from the file */
    struct progress progress;
    const char *pass; /* "checking", "importing" */
    int64_t size;     /* in bytes of the file, or rows of the tables */
    int64_t size_read;
    int64_t rows;
    int64_t bad_rows;
    int64_t rows_shown;
    struct import_writer *writer; /* NULL while checking */
};

/* "catalogue.csv:17: ...", which editors can jump to, or "products: id=17: ..."; only so many, since a wrong column
 * makes every row bad. */
static void show_row(struct import *import, size_t line, struct text text)
{
    if (++import->rows_shown > ROWS_SHOWN_MAX + 1) {
        return;
    }
    progress_hide(&import->progress);
    if (import->rows_shown > ROWS_SHOWN_MAX) {
        fprintf(stderr, "%s: and more; the rest is only counted\n", import->name);
    } else if (import->tables != NULL) {
        fprintf(stderr, "%s: %.*s\n", import->name, (int)text.length, text.bytes);
    } else {
        fprintf(stderr, "%s:%zu: %.*s\n", import->name, line, (int)text.length, text.bytes);
    }
}

/* ---- What the reader calls ---- */

static bool take_product(void *context, const struct import_product *product)
{
    struct import *import = context;
    import->rows += (int64_t)product->variant_count;
    return import->writer == NULL || import_writer_put(import->writer, product);
}

static void take_bad_row(void *context, size_t line, const char *reason)
{
    struct import *import = context;
    import->bad_rows++;
    if (import->writer == NULL) {
        show_row(import, line, text_from_c(reason));
    }
}

static void take_notice(void *context, size_t line, const char *text)
{
    struct import *import = context;
    if (import->writer == NULL) {
        show_row(import, line, text_from_c(text));
    }
}

static void take_advance(void *context, int64_t size)
{
    struct import *import = context;
    import->size_read += size;
    progress_bar(&import->progress, import->pass, import->size_read, import->size);
}

static void take_refusal(void *context, size_t line, struct text reason)
{
    show_row(context, line, reason);
}

/* ---- The passes ---- */

static bool read_file(struct import *import, const struct catalogue_sink *sink, struct fault *fault)
{
    if (lseek(import->file, 0, SEEK_SET) != 0) {
        return fault_set(fault, FAULT_UNAVAILABLE, "%s: %s", import->name, strerror(errno));
    }
    return catalogue_read(import->file, import->settings->currency, sink, fault);
}

static bool read_through(struct import *import, const char *pass, struct fault *fault)
{
    const struct catalogue_sink sink = {
        .product = take_product,
        .bad_row = take_bad_row,
        .notice = take_notice,
        .advanced = take_advance,
        .context = import,
    };
    import->pass = pass;
    import->size_read = 0;
    import->rows = 0;
    import->bad_rows = 0;
    import->rows_shown = 0;
    bool ok = import->tables != NULL ? catalogue_postgres_read(import->tables, import->settings->currency, &sink, fault)
                                     : read_file(import, &sink, fault);
    progress_hide(&import->progress);
    return ok;
}

/* True where the catalogue may be imported. */
static bool check_catalogue(struct import *import)
{
    struct fault fault = {0};
    if (!read_through(import, "checking", &fault)) {
        console_error("%s: %s", import->name, fault.detail);
        return false;
    }
    if (import->bad_rows == 0 || import->settings->skip_bad) {
        return true;
    }
    console_error("%" PRId64 " bad and %" PRId64 " good rows: nothing was imported. Mend the bad ones, or leave them "
                  "out with --skip-bad",
                  import->bad_rows, import->rows);
    return false;
}

static int report(const struct import *import, const struct import_totals *totals, int64_t rows_checked)
{
    printf("%s: %" PRId64 " created, %" PRId64 " updated, %" PRId64 " unchanged", import->name, totals->created,
           totals->updated, totals->unchanged);
    if (totals->refused > 0) {
        printf(", %" PRId64 " refused", totals->refused);
    }
    if (import->bad_rows > 0) {
        printf(", %" PRId64 " bad rows left out", import->bad_rows);
    }
    printf("\n");
    if (!console_flush() || (totals->refused > 0 && !import->settings->skip_bad)) {
        return EXIT_FAILED;
    }
    if (import->rows != rows_checked) {
        console_error("%s changed while it was read: import it again", import->name);
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

/* Sends the rows through the committer, to be written or only to be checked against what is there. */
static bool pass_through_database(struct import *import, struct database *database, bool check_only,
                                  struct import_totals *ret_totals, struct fault *fault)
{
    struct fault read_fault = {0};
    const struct import_writer_options options = {
        .database = database,
        .check_only = check_only,
        .may_sweep = !import->settings->dry_run,
        .refused = take_refusal,
        .context = import,
    };
    if (!import_writer_start(&options, &import->writer, fault)) {
        return false;
    }
    bool is_read = read_through(import, check_only ? "comparing" : "importing", &read_fault);
    bool is_written = import_writer_finish(import->writer, ret_totals, fault);
    import_writer_free(import->writer);
    import->writer = NULL;
    if (is_written && !is_read) {
        *fault = read_fault;
    }
    return is_written && is_read;
}

/* Rows that the database's state rules out are bad rows, too: found before anything is written. True where the
 * catalogue may be imported. */
static bool check_against_database(struct import *import, struct database *database)
{
    struct import_totals totals = {0};
    struct fault fault = {0};
    if (!pass_through_database(import, database, true, &totals, &fault)) {
        (void)console_fault(&fault);
        return false;
    }
    import->rows -= totals.refused;
    import->bad_rows += totals.refused;
    if (totals.refused == 0 || import->settings->skip_bad) {
        return true;
    }
    console_error("%" PRId64 " rows would take stock that is reserved: nothing was imported. Mend them, or leave them "
                  "out with --skip-bad",
                  totals.refused);
    return false;
}

static int write_catalogue(struct import *import, struct database *database, int64_t rows_checked)
{
    struct import_totals totals = {0};
    struct fault fault = {0};
    bool is_written = pass_through_database(import, database, false, &totals, &fault);
    int exit_status = report(import, &totals, is_written ? rows_checked : import->rows);
    return is_written ? exit_status : console_fault(&fault);
}

/* Compares with what is there. That an embedded database is not there yet is no fault of the catalogue's. */
static bool compare(struct import *import, struct database *database)
{
    struct fault fault = {0};
    bool is_good;
    if (!database_open(database, &(struct store_options){.create = false}, &fault)) {
        is_good = database->ops->embedded;
    } else {
        is_good = database->ops->schema_check(database->store, &fault) ? check_against_database(import, database)
                                                                       : database->ops->embedded;
        database_close(database);
    }
    if (!is_good && fault.kind != FAULT_NONE) {
        (void)console_fault(&fault);
    }
    return is_good;
}

/* Writes nothing. */
static int dry_run(struct import *import, struct database *database)
{
    bool is_good = compare(import, database);
    printf("%s: %" PRId64 " good and %" PRId64 " bad rows; nothing was written\n", import->name, import->rows,
           import->bad_rows);
    return console_flush() && is_good ? EXIT_DONE : EXIT_FAILED;
}

static int import_catalogue(struct import *import, struct database *database)
{
    if (!check_catalogue(import)) {
        return EXIT_FAILED;
    }
    if (import->settings->dry_run) {
        return dry_run(import, database);
    }
    int64_t rows_checked = import->rows;
    struct migration_report migration;
    struct fault fault = {0};
    if (!database_open_migrated(database, &(struct store_options){.create = true, .write = true}, false, &migration,
                                &fault)) {
        return console_fault(&fault);
    }
    int exit_status = EXIT_FAILED;
    if (import->settings->skip_bad || check_against_database(import, database)) {
        exit_status = write_catalogue(import, database, rows_checked);
    }
    database_close(database);
    return exit_status;
}

/* ---- The command ---- */

/* It is read once to be checked, once to be compared and once to be written, so it must be a file, and not a pipe. */
static int import_file(struct import *import, struct database *database)
{
    struct stat status;
    import->file = open(import->name, O_RDONLY | O_CLOEXEC);
    if (import->file < 0 || fstat(import->file, &status) != 0) {
        console_error("%s: %s", import->name, strerror(errno));
        return EXIT_FAILED;
    }
    int exit_status = EXIT_FAILED;
    if (S_ISREG(status.st_mode)) {
        import->size = status.st_size;
        exit_status = import_catalogue(import, database);
    } else {
        console_error(
            "%s is no regular file; import reads its file more than once, so save what comes from a pipe first",
            import->name);
    }
    close(import->file);
    return exit_status;
}

static int import_tables(struct import *import, struct database *database)
{
    const struct import_settings *settings = import->settings;
    struct catalogue_postgres_options options = {
        .uri = settings->from,
        .products_table = settings->products_table,
        .variants_table = settings->variants_table,
    };
    if (!database_uri_check("--from", settings->from) ||
        !catalogue_postgres_parse_maps(settings->map, settings->variants_map, &options)) {
        return EXIT_WRONG_USAGE;
    }
    if (!catalogue_postgres_open(&options, &import->tables)) {
        return EXIT_FAILED;
    }
    import->name = catalogue_postgres_name(import->tables);
    import->size = catalogue_postgres_row_count(import->tables);
    int exit_status = import_catalogue(import, database);
    catalogue_postgres_close(import->tables);
    return exit_status;
}

static bool settings_are_good(const struct import_settings *settings, size_t operand_count)
{
    bool is_from = settings->from != NULL;
    if (settings->currency != NULL && !currency_is_active(text_from_c(settings->currency))) {
        console_error("--currency takes an ISO 4217 code such as EUR, not '%s'", settings->currency);
    } else if (is_from == (operand_count == 1)) {
        console_error("a catalogue comes from a file or, with --from, out of a database: say one of them");
    } else if (is_from && !database_uri_is_postgres(settings->from)) {
        console_error("--from is written postgresql://USER@HOST/NAME");
    } else if (is_from && settings->map == NULL) {
        console_error("--from wants --map, such as --map sku=sku,title=name,price=price_cents,stock=stock_quantity");
    } else if ((settings->variants_table == NULL) != (settings->variants_map == NULL)) {
        console_error("--variants-table and --variants-map go together");
    } else if (!is_from && (settings->map != NULL || settings->variants_table != NULL)) {
        console_error("--map and --variants-table are for tables: say with --from where these are");
    } else {
        return true;
    }
    return false;
}

int command_import(int argument_count, char **arguments)
{
    struct import_settings settings = {0};
    struct database database;
    size_t operand_count;
    int exit_status;
    if (!options_read(&IMPORT_USAGE, argument_count, arguments, &settings, &operand_count, &exit_status)) {
        return exit_status;
    }
    if (!settings_are_good(&settings, operand_count) || !database_resolve(settings.database, &database)) {
        return EXIT_WRONG_USAGE;
    }
    struct import import = {.settings = &settings};
    progress_init(&import.progress);
    if (settings.from != NULL) {
        return import_tables(&import, &database);
    }
    import.name = arguments[0];
    return import_file(&import, &database);
}
