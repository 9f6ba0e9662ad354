#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/catalogue_reader.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/database.h"
#include "cli/import_writer.h"
#include "cli/options.h"
#include "cli/progress.h"

#define LINES_SHOWN_MAX 100

struct import_settings {
    const char *database;
    const char *currency;
    bool dry_run;
    bool skip_bad;
};

static const struct option OPTIONS[] = {
    DATABASE_OPTION(import_settings),
    {.name = "currency",
     .type = OPTION_TEXT,
     .offset = offsetof(struct import_settings, currency),
     .placeholder = "CODE",
     .help = "of prices for which the file names none: EUR"},
    {.name = "dry-run",
     .type = OPTION_FLAG,
     .offset = offsetof(struct import_settings, dry_run),
     .help = "check the file and write nothing"},
    {.name = "skip-bad",
     .type = OPTION_FLAG,
     .offset = offsetof(struct import_settings, skip_bad),
     .help = "import the good rows even where others are bad"},
};

static const struct command_usage USAGE = {
    .name = "import",
    .about =
        "Brings a catalogue in. The header says which kind the file is:\n"
        "  plain     sku,title,price,currency,stock_quantity and, if you like, max_per_customer; columns in any order\n"
        "  Shopify   a product export: Handle, Title, Option1 Value, Variant SKU, Variant Inventory Qty, Variant Price.\n"
        "            A variant without a SKU gets one from handle and options: clay-plant-pot.regular\n"
        "The file is CSV in UTF-8, prices as 19.99. It is checked as a whole first: each bad line is named with its\n"
        "number and reason, and unless all are good nothing is imported (but see --skip-bad).\n"
        "Importing again updates: a SKU that exists gets the file's title, price, limit and stock. A stock below what\n"
        "is reserved is a bad row, too, unless a running server takes the order meanwhile: then that row alone is\n"
        "refused. The file may hold millions of rows.",
    .examples = "  holdfast import catalogue.csv --dry-run              is it good?\n"
                "  holdfast import catalogue.csv                        into holdfast.db\n"
                "  holdfast import products_export.csv --currency EUR   from Shopify\n"
                "  holdfast import big.csv --skip-bad --database sqlite:/var/lib/holdfast/shop.db",
    .options = OPTIONS,
    .option_count = sizeof(OPTIONS) / sizeof(*OPTIONS),
    .operands_min = 1,
    .operands_max = 1,
    .operand_name = "FILE.csv",
};

struct import {
    const struct import_settings *settings;
    const char *path;
    int file;
    int64_t file_bytes;
    struct progress progress;
    const char *pass; /* "checking", "importing" */
    int64_t bytes_read;
    int64_t rows;
    int64_t bad_rows;
    int64_t lines_shown;
    struct import_writer *writer; /* NULL while checking */
};

/* "catalogue.csv:17: ...", which editors can jump to; only so many, since a wrong column makes every line bad. */
static void show_line(struct import *import, size_t line, struct text text)
{
    if (++import->lines_shown <= LINES_SHOWN_MAX) {
        progress_hide(&import->progress);
        fprintf(stderr, "%s:%zu: %.*s\n", import->path, line, (int)text.length, text.bytes);
    } else if (import->lines_shown == LINES_SHOWN_MAX + 1) {
        progress_hide(&import->progress);
        fprintf(stderr, "%s: and more; the rest is only counted\n", import->path);
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
        show_line(import, line, text_from_c(reason));
    }
}

static void take_notice(void *context, size_t line, const char *text)
{
    struct import *import = context;
    if (import->writer == NULL) {
        show_line(import, line, text_from_c(text));
    }
}

static void take_advance(void *context, int64_t bytes)
{
    struct import *import = context;
    import->bytes_read += bytes;
    progress_bar(&import->progress, import->pass, import->bytes_read, import->file_bytes);
}

static void take_refusal(void *context, size_t line, struct text reason)
{
    show_line(context, line, reason);
}

/* ---- The passes ---- */

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
    import->bytes_read = 0;
    import->rows = 0;
    import->bad_rows = 0;
    import->lines_shown = 0;
    if (lseek(import->file, 0, SEEK_SET) != 0) {
        return fault_set(fault, FAULT_UNAVAILABLE, "%s: %s", import->path, strerror(errno));
    }
    bool ok = catalogue_read(import->file, import->settings->currency, &sink, fault);
    progress_hide(&import->progress);
    return ok;
}

/* True where the file may be imported. */
static bool check_file(struct import *import)
{
    struct fault fault = {0};
    if (!read_through(import, "checking", &fault)) {
        console_error("%s: %s", import->path, fault.detail);
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
    printf("%s: %" PRId64 " created, %" PRId64 " updated, %" PRId64 " unchanged", import->path, totals->created,
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
        console_error("%s changed while it was read: import it again", import->path);
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

/* Sends the file's rows through the committer, to be written or only to be checked against what is there. */
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

/* Rows that the database's state rules out are bad rows, too: found before anything is written. True where the file may
 * be imported. */
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

static int write_file(struct import *import, struct database *database, int64_t rows_checked)
{
    struct import_totals totals = {0};
    struct fault fault = {0};
    bool is_written = pass_through_database(import, database, false, &totals, &fault);
    int exit_status = report(import, &totals, is_written ? rows_checked : import->rows);
    return is_written ? exit_status : console_fault(&fault);
}

/* Reads the file and, where there is a database already, compares; writes nothing. */
static int dry_run(struct import *import, struct database *database)
{
    struct fault fault = {0};
    bool is_good = true;
    if (database_open(database, &(struct store_options){.create = false}, &fault)) {
        is_good = !database->ops->schema_check(database->store, &fault) || check_against_database(import, database);
        database_close(database);
    }
    printf("%s: %" PRId64 " good and %" PRId64 " bad rows; nothing was written\n", import->path, import->rows,
           import->bad_rows);
    return console_flush() && is_good ? EXIT_DONE : EXIT_FAILED;
}

static int import_file(struct import *import, struct database *database)
{
    if (!check_file(import)) {
        return EXIT_FAILED;
    }
    if (import->settings->dry_run) {
        return dry_run(import, database);
    }
    int64_t rows_checked = import->rows;
    struct migration_report migration;
    struct fault fault = {0};
    if (!database_open_migrated(database, &(struct store_options){.create = true}, &migration, &fault)) {
        return console_fault(&fault);
    }
    int exit_status = EXIT_FAILED;
    if (import->settings->skip_bad || check_against_database(import, database)) {
        exit_status = write_file(import, database, rows_checked);
    }
    database_close(database);
    return exit_status;
}

/* The file is read once to be checked, once to be compared and once to be written, so it must be one, and not a pipe. */
static bool open_file(struct import *import)
{
    struct stat status;
    import->file = open(import->path, O_RDONLY | O_CLOEXEC);
    if (import->file < 0 || fstat(import->file, &status) != 0) {
        console_error("%s: %s", import->path, strerror(errno));
        return false;
    }
    if (!S_ISREG(status.st_mode)) {
        console_error(
            "%s is no regular file; import reads its file more than once, so save what comes from a pipe first",
            import->path);
        close(import->file);
        return false;
    }
    import->file_bytes = status.st_size;
    return true;
}

int command_import(int argument_count, char **arguments)
{
    struct import_settings settings = {0};
    struct database database;
    size_t operand_count;
    int exit_status;
    if (!options_read(&USAGE, argument_count, arguments, &settings, &operand_count, &exit_status)) {
        return exit_status;
    }
    if (settings.currency != NULL && !currency_is_active(text_from_c(settings.currency))) {
        console_error("--currency takes an ISO 4217 code such as EUR, not '%s'", settings.currency);
        return EXIT_WRONG_USAGE;
    }
    if (!database_resolve(settings.database, &database)) {
        return EXIT_WRONG_USAGE;
    }
    struct import import = {.settings = &settings, .path = arguments[0]};
    progress_init(&import.progress);
    if (!open_file(&import)) {
        return EXIT_FAILED;
    }
    exit_status = import_file(&import, &database);
    close(import.file);
    return exit_status;
}
