#include "cli/catalogue_postgres.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/text.h"
#include "cli/catalogue_format.h"
#include "cli/catalogue_table.h"
#include "cli/console.h"
#include "domain/limits.h"

#define ARENA_BYTES (16u * 1024)
#define CONNECT_SECONDS "10"
#define FETCH "FETCH 1000 FROM catalogue"

/* One snapshot for all passes, which may take long: no timeout that the database has for its applications ends it. The
 * cursor is read to its end, so a plan that is slow to begin and soon done is the better one. */
static const char BEGIN[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; "
                            "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL cursor_tuple_fraction = 1";

/* What --map and --variants-map may say, and must. */
enum {
    OPTIONAL = MAP_BIT(MAP_CURRENCY) | MAP_BIT(MAP_MAX_PER_CUSTOMER),
    PLAIN_REQUIRED = MAP_BIT(MAP_SKU) | MAP_BIT(MAP_TITLE) | MAP_BIT(MAP_PRICE) | MAP_BIT(MAP_STOCK),
    PLAIN_ALLOWED = PLAIN_REQUIRED | OPTIONAL,
    PRODUCT_REQUIRED = MAP_BIT(MAP_ID) | MAP_BIT(MAP_TITLE),
    PRODUCT_ALLOWED = PRODUCT_REQUIRED | MAP_BIT(MAP_PRICE) | OPTIONAL,
    VARIANT_REQUIRED = MAP_BIT(MAP_PRODUCT) | MAP_BIT(MAP_SKU) | MAP_BIT(MAP_STOCK),
    VARIANT_ALLOWED = VARIANT_REQUIRED | MAP_BIT(MAP_TITLE) | MAP_BIT(MAP_PRICE) | OPTIONAL,
};

/* The columns of the query. */
enum {
    COLUMN_KEY,
    COLUMN_SKU,
    COLUMN_TITLE,
    COLUMN_PRICE,
    COLUMN_STOCK,
    COLUMN_CURRENCY,
    COLUMN_MAX_PER_CUSTOMER,
    COLUMN_PRODUCT,    /* as the variant has it; NULL where a product has no variant */
    COLUMN_PRODUCT_ID, /* as the product has it; NULL where a variant has no product */
    COLUMN_PRODUCT_TITLE,
};

struct catalogue_postgres {
    PGconn *connection;
    struct arena *arena;
    struct catalogue_table products;
    struct catalogue_table variants; /* .name NULL: there is no such table */
    const char *declare;             /* the cursor */
    bool price_is_minor;
    bool has_currency;
    bool has_max_per_customer;
    int64_t row_count;
};

/* ---- The maps ---- */

bool catalogue_postgres_parse_maps(const char *map, const char *variants_map,
                                   struct catalogue_postgres_options *options)
{
    static const char MAP[] = "--map";
    if (options->variants_table == NULL) {
        return catalogue_map_parse(MAP, map, PLAIN_REQUIRED, PLAIN_ALLOWED, &options->products_map);
    }
    if (!catalogue_map_parse(MAP, map, PRODUCT_REQUIRED, PRODUCT_ALLOWED, &options->products_map) ||
        !catalogue_map_parse("--variants-map", variants_map, VARIANT_REQUIRED, VARIANT_ALLOWED,
                             &options->variants_map)) {
        return false;
    }
    if (options->products_map.columns[MAP_PRICE].bytes == NULL &&
        options->variants_map.columns[MAP_PRICE].bytes == NULL) {
        console_error("neither %s nor --variants-map says in which column the price is: add price=COLUMN", MAP);
        return false;
    }
    return true;
}

/* ---- Opening ---- */

static bool connect_to(const char *uri, PGconn **ret_connection)
{
    /* What stands behind the URI counts more than it, what stands before it counts less. */
    const char *const names[] = {"connect_timeout", "fallback_application_name", "dbname", "client_encoding", NULL};
    const char *const values[] = {CONNECT_SECONDS, "holdfast import", uri, "UTF8", NULL};
    PGconn *connection = PQconnectdbParams(names, values, 1);
    if (PQstatus(connection) != CONNECTION_OK) {
        struct text error = text_from_c(PQerrorMessage(connection)); /* a line for each host that was tried, or more */
        error.length -= error.length > 0;                            /* the last newline */
        console_error("cannot connect to the database of --from: %.*s", (int)error.length, error.bytes);
        PQfinish(connection);
        return false;
    }
    *ret_connection = connection;
    return true;
}

/* What the variants' table does not say, the products' does. */
static const char *pick_column(const struct catalogue_postgres *catalogue, enum map_field field)
{
    const char *column = catalogue->variants.columns[field];
    return column != NULL ? column : catalogue->products.columns[field];
}

static const char *cast_column(struct arena *arena, const char *column)
{
    return column == NULL ? "NULL" : arena_printf(arena, "%s::text", column).bytes;
}

/* A FULL JOIN, since neither a variant without a product nor a product without variants shall vanish unseen. */
static void make_query(struct catalogue_postgres *catalogue, const char **ret_from)
{
    struct arena *arena = catalogue->arena;
    const struct catalogue_table *products = &catalogue->products;
    const struct catalogue_table *variants = &catalogue->variants;
    bool is_joined = variants->name != NULL;
    const char *id = products->columns[MAP_ID];
    const char *from = products->from;
    const char *order = products->order;
    if (is_joined) {
        from =
            arena_printf(arena, "%s FULL JOIN %s ON %s = %s", from, variants->from, id, variants->columns[MAP_PRODUCT])
                .bytes;
        order = arena_printf(arena, "%s, %s", id, variants->order).bytes;
    }
    catalogue->declare =
        arena_printf(arena,
                     "DECLARE catalogue NO SCROLL CURSOR FOR SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, %s "
                     "FROM %s ORDER BY %s",
                     is_joined ? variants->key : products->key, cast_column(arena, pick_column(catalogue, MAP_SKU)),
                     cast_column(arena, pick_column(catalogue, MAP_TITLE)),
                     cast_column(arena, pick_column(catalogue, MAP_PRICE)),
                     cast_column(arena, pick_column(catalogue, MAP_STOCK)),
                     cast_column(arena, pick_column(catalogue, MAP_CURRENCY)),
                     cast_column(arena, pick_column(catalogue, MAP_MAX_PER_CUSTOMER)),
                     cast_column(arena, variants->columns[MAP_PRODUCT]), cast_column(arena, is_joined ? id : NULL),
                     cast_column(arena, is_joined ? products->columns[MAP_TITLE] : NULL), from, order)
            .bytes;
    *ret_from = from;
}

static bool count_rows(struct catalogue_postgres *catalogue, const char *from)
{
    PGresult *count = catalogue_table_query(catalogue->connection,
                                            arena_printf(catalogue->arena, "SELECT count(*) FROM %s", from).bytes);
    bool ok = count != NULL && text_to_int64(text_from_c(PQgetvalue(count, 0, 0)), &catalogue->row_count);
    PQclear(count);
    return ok;
}

static bool look_up(struct catalogue_postgres *catalogue, const struct catalogue_postgres_options *options)
{
    PGconn *connection = catalogue->connection;
    PGresult *begun = catalogue_table_query(connection, BEGIN);
    bool ok =
        begun != NULL &&
        catalogue_table_find(connection, catalogue->arena, options->products_table, &options->products_map, "p",
                             &catalogue->products) &&
        (options->variants_table == NULL || catalogue_table_find(connection, catalogue->arena, options->variants_table,
                                                                 &options->variants_map, "v", &catalogue->variants));
    PQclear(begun);
    if (!ok) {
        return false;
    }
    const char *from;
    make_query(catalogue, &from);
    catalogue->price_is_minor = catalogue->variants.columns[MAP_PRICE] != NULL ? catalogue->variants.price_is_minor
                                                                               : catalogue->products.price_is_minor;
    catalogue->has_currency = pick_column(catalogue, MAP_CURRENCY) != NULL;
    catalogue->has_max_per_customer = pick_column(catalogue, MAP_MAX_PER_CUSTOMER) != NULL;
    return count_rows(catalogue, from);
}

bool catalogue_postgres_open(const struct catalogue_postgres_options *options,
                             struct catalogue_postgres **ret_catalogue)
{
    PGconn *connection;
    if (!connect_to(options->uri, &connection)) {
        return false;
    }
    struct catalogue_postgres *catalogue = memory_zalloc(1, sizeof(*catalogue));
    catalogue->connection = connection;
    catalogue->arena = arena_new(ARENA_BYTES);
    if (!look_up(catalogue, options)) {
        catalogue_postgres_close(catalogue);
        return false;
    }
    *ret_catalogue = catalogue;
    return true;
}

const char *catalogue_postgres_name(const struct catalogue_postgres *catalogue)
{
    return catalogue->variants.name != NULL ? catalogue->variants.name : catalogue->products.name;
}

int64_t catalogue_postgres_row_count(const struct catalogue_postgres *catalogue)
{
    return catalogue->row_count;
}

void catalogue_postgres_close(struct catalogue_postgres *catalogue)
{
    if (catalogue != NULL) {
        PQfinish(catalogue->connection);
        arena_free(catalogue->arena);
        free(catalogue);
    }
}

/* ---- Reading ---- */

/* Rows that FETCH brought. */
struct fetched {
    const struct catalogue_postgres *catalogue;
    const PGresult *result;
    size_t rows_before;
};

/* NULL is empty. */
static struct text value(const struct fetched *rows, int row, int column)
{
    return (struct text){PQgetvalue(rows->result, row, column), (size_t)PQgetlength(rows->result, row, column)};
}

static struct variant_texts variant_texts(const struct fetched *rows, int row)
{
    return (struct variant_texts){
        .sku = value(rows, row, COLUMN_SKU),
        .title = value(rows, row, COLUMN_TITLE),
        .price = value(rows, row, COLUMN_PRICE),
        .price_is_minor = rows->catalogue->price_is_minor,
        .currency = value(rows, row, COLUMN_CURRENCY),
        .stock_quantity = value(rows, row, COLUMN_STOCK),
        .max_per_customer = value(rows, row, COLUMN_MAX_PER_CUSTOMER),
        .has_max_per_customer = rows->catalogue->has_max_per_customer,
    };
}

static void read_product(struct catalogue_reader *reader, const struct fetched *rows, int row, size_t line)
{
    const struct variant_texts texts = variant_texts(rows, row);
    struct import_variant variant;
    if (catalogue_make_variant(reader, line, &texts, &variant)) {
        const struct import_product product = {.title = texts.title, .variants = &variant, .variant_count = 1};
        catalogue_put_product(reader, &product);
    }
}

static void read_variant(struct catalogue_reader *reader, const struct fetched *rows, int row, size_t line)
{
    struct text product = value(rows, row, COLUMN_PRODUCT);
    struct text id = value(rows, row, COLUMN_PRODUCT_ID);
    struct text title = value(rows, row, COLUMN_PRODUCT_TITLE);
    const char *table = rows->catalogue->products.name;
    if (PQgetisnull(rows->result, row, COLUMN_PRODUCT)) {
        if (PQgetisnull(rows->result, row, COLUMN_PRODUCT_ID)) {
            catalogue_bad_row(reader, line, "the product is empty");
            return;
        }
        reader->row_key = TEXT_ABSENT; /* there is no variant to be named */
        catalogue_notice(reader, line, "no row is a variant of %s %.*s, which has nothing to sell and is left out",
                         table, (int)id.length, id.bytes);
        return;
    }
    if (PQgetisnull(rows->result, row, COLUMN_PRODUCT_ID)) {
        catalogue_bad_row(reader, line, "the product '%.*s' is not in %s", (int)product.length, product.bytes, table);
        return;
    }
    if (!catalogue_check_text(reader, line, "product's title", title, TITLE_BYTES_MAX)) {
        return;
    }
    if (!reader->has_group || !text_equal(reader->group_handle, id)) {
        catalogue_begin_group(reader, id, title);
    }
    const struct variant_texts texts = variant_texts(rows, row);
    catalogue_group_variant(reader, line, &texts);
}

static void read_rows(struct catalogue_reader *reader, const struct fetched *rows)
{
    for (int row = 0; row < PQntuples(rows->result) && !reader->is_stopped; row++) {
        size_t line = rows->rows_before + (size_t)row + 1;
        reader->row_key = value(rows, row, COLUMN_KEY);
        if (rows->catalogue->variants.name == NULL) {
            read_product(reader, rows, row, line);
        } else {
            read_variant(reader, rows, row, line);
        }
    }
}

/* False, with a fault: the statement did not go through. */
static bool run(PGconn *connection, const char *sql, PGresult **ret_result, struct fault *fault)
{
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        struct text error = catalogue_table_error(connection, result);
        fault_set(fault, FAULT_UNAVAILABLE, "the database of --from says: %.*s", (int)error.length, error.bytes);
        PQclear(result);
        return false;
    }
    *ret_result = result;
    return true;
}

static bool read_cursor(struct catalogue_reader *reader, struct catalogue_postgres *catalogue)
{
    size_t rows_read = 0;
    for (;;) {
        PGresult *result;
        if (!run(catalogue->connection, FETCH, &result, reader->fault)) {
            return false;
        }
        int count = PQntuples(result);
        read_rows(reader, &(struct fetched){.catalogue = catalogue, .result = result, .rows_before = rows_read});
        rows_read += (size_t)count;
        PQclear(result);
        reader->sink->advanced(reader->sink->context, count);
        if (count == 0 || reader->is_stopped) {
            catalogue_finish_group(reader);
            return true;
        }
    }
}

bool catalogue_postgres_read(struct catalogue_postgres *catalogue, const char *currency,
                             const struct catalogue_sink *sink, struct fault *fault)
{
    struct catalogue_reader reader = {.sink = sink, .currency = currency, .fault = fault};
    PGresult *result;
    if (currency == NULL && !catalogue->has_currency) {
        return fault_set(fault, FAULT_INTERNAL,
                         "the map does not say in which column the prices' currency is: add currency=COLUMN to it, or "
                         "--currency EUR");
    }
    if (!run(catalogue->connection, catalogue->declare, &result, fault)) {
        return false;
    }
    PQclear(result);
    catalogue_reader_start(&reader);
    bool ok = read_cursor(&reader, catalogue);
    catalogue_reader_end(&reader);
    if (ok && run(catalogue->connection, "CLOSE catalogue", &result, fault)) {
        PQclear(result);
        return true;
    }
    return false;
}
