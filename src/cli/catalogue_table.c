#include "cli/catalogue_table.h"

#include <string.h>

#include "base/buffer.h"
#include "cli/console.h"

#define NAMES_BYTES_MAX 2000
#define SQL_BYTES_MAX (64u * 1024)

/* Types by their numbers in the protocol (pg_type.oid). A domain comes as the type that it is made of. */
enum { TYPE_INT8 = 20, TYPE_INT2 = 21, TYPE_INT4 = 23, TYPE_FLOAT4 = 700, TYPE_FLOAT8 = 701, TYPE_NUMERIC = 1700 };

static const char UNDEFINED_TABLE[] = "42P01"; /* an unknown schema is one, too */

/* Those that need no schema before them first. */
static const char LIST_TABLES[] =
    "SELECT coalesce(string_agg(name, ', '), 'none') FROM ("
    "SELECT CASE WHEN pg_table_is_visible(c.oid) THEN '' ELSE n.nspname || '.' END || c.relname AS name "
    "FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' "
    "ORDER BY pg_table_is_visible(c.oid) DESC, n.nspname, c.relname LIMIT 50) AS tables";

static const char LIST_KEY_COLUMNS[] =
    "SELECT a.attname FROM pg_index AS i, unnest(i.indkey) WITH ORDINALITY AS k (number, at), pg_attribute AS a "
    "WHERE i.indrelid = to_regclass($1) AND i.indisprimary AND a.attrelid = i.indrelid AND a.attnum = k.number "
    "ORDER BY k.at";

/* ---- Asking ---- */

struct text catalogue_table_error(const PGconn *connection, const PGresult *result)
{
    const char *message = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    message = message == NULL ? PQerrorMessage(connection) : message;
    return (struct text){message, strcspn(message, "\n")};
}

static bool is_answer(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

/* The result where it is an answer; else NULL, with a message. */
static PGresult *take_answer(PGconn *connection, PGresult *result)
{
    if (is_answer(result)) {
        return result;
    }
    struct text error = catalogue_table_error(connection, result);
    console_error("the database of --from says: %.*s", (int)error.length, error.bytes);
    PQclear(result);
    return NULL;
}

PGresult *catalogue_table_query(PGconn *connection, const char *sql)
{
    return take_answer(connection, PQexec(connection, sql));
}

/* ---- Quoting ---- */

/* In the arena; NULL, with a message: no name can be like that. */
static const char *quote_name(PGconn *connection, struct arena *arena, struct text name)
{
    char *quoted = PQescapeIdentifier(connection, name.bytes, name.length);
    if (quoted == NULL) {
        struct text error = catalogue_table_error(connection, NULL);
        console_error("the name '%.*s': %.*s", (int)name.length, name.bytes, (int)error.length, error.bytes);
        return NULL;
    }
    const char *copy = arena_text(arena, text_from_c(quoted)).bytes;
    PQfreemem(quoted);
    return copy;
}

/* Of products, or shop.products. */
static const char *quote_table(PGconn *connection, struct arena *arena, const char *name)
{
    const char *dot = strchr(name, '.');
    if (dot == NULL) {
        return quote_name(connection, arena, text_from_c(name));
    }
    const char *schema = quote_name(connection, arena, (struct text){name, (size_t)(dot - name)});
    const char *table = quote_name(connection, arena, text_from_c(dot + 1));
    return schema == NULL || table == NULL ? NULL : arena_printf(arena, "%s.%s", schema, table).bytes;
}

/* p."price" */
static const char *quote_column(PGconn *connection, struct arena *arena, const char *alias, struct text name)
{
    const char *quoted = quote_name(connection, arena, name);
    return quoted == NULL ? NULL : arena_printf(arena, "%s.%s", alias, quoted).bytes;
}

/* ---- What there is ---- */

static void refuse_table(PGconn *connection, const char *name)
{
    PGresult *rollback = PQexec(connection, "ROLLBACK"); /* the transaction has failed, and is needed no more */
    PGresult *tables = PQexec(connection, LIST_TABLES);
    console_error("there is no table '%s' in the database of --from; there are: %s", name,
                  PQresultStatus(tables) == PGRES_TUPLES_OK ? PQgetvalue(tables, 0, 0) : "(it does not say)");
    PQclear(tables);
    PQclear(rollback);
}

/* A result without rows, for its columns. */
static PGresult *describe_table(PGconn *connection, struct arena *arena, const char *name, const char *quoted)
{
    PGresult *result = PQexec(connection, arena_printf(arena, "SELECT * FROM %s LIMIT 0", quoted).bytes);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state != NULL && strcmp(state, UNDEFINED_TABLE) == 0) {
        refuse_table(connection, name);
        PQclear(result);
        return NULL;
    }
    return take_answer(connection, result);
}

static void refuse_column(const PGresult *described, const char *table, struct text column)
{
    struct buffer names;
    buffer_init(&names, NAMES_BYTES_MAX);
    for (int i = 0; i < PQnfields(described); i++) {
        buffer_append_c(&names, i == 0 ? "" : ", ");
        buffer_append_c(&names, PQfname(described, i));
    }
    console_error("the table %s has no column '%.*s'; it has: %.*s", table, (int)column.length, column.bytes,
                  (int)names.length, names.bytes);
    buffer_done(&names);
}

static int find_column(const PGresult *described, struct text name)
{
    for (int i = 0; i < PQnfields(described); i++) {
        if (text_equal_c(name, PQfname(described, i))) {
            return i;
        }
    }
    return -1;
}

/* A price is exact, or it is none. */
static bool check_price_type(const char *table, struct text column, Oid type, bool *ret_is_minor)
{
    switch (type) {
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
        *ret_is_minor = true;
        return true;
    case TYPE_NUMERIC:
        *ret_is_minor = false;
        return true;
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
        console_error("the price %s.%.*s is a floating-point number, which has no exact 19.99: change the column to "
                      "numeric, or name a view of the table that rounds it, such as round(%.*s::numeric, 2)",
                      table, (int)column.length, column.bytes, (int)column.length, column.bytes);
        return false;
    default:
        console_error("the price %s.%.*s is no number: an integer column counts the smallest units (cents), a numeric "
                      "one has prices such as 19.99. A view of the table can cast it",
                      table, (int)column.length, column.bytes);
        return false;
    }
}

static bool find_columns(PGconn *connection, struct arena *arena, const PGresult *described,
                         const struct catalogue_map *map, const char *alias, struct catalogue_table *table)
{
    for (size_t field = 0; field < MAP_FIELD_COUNT; field++) {
        struct text name = map->columns[field];
        if (name.bytes == NULL) {
            continue;
        }
        int number = find_column(described, name);
        if (number < 0) {
            refuse_column(described, table->name, name);
            return false;
        }
        if (field == MAP_PRICE &&
            !check_price_type(table->name, name, PQftype(described, number), &table->price_is_minor)) {
            return false;
        }
        table->columns[field] = quote_column(connection, arena, alias, name);
        if (table->columns[field] == NULL) {
            return false;
        }
    }
    return true;
}

/* ---- What its rows are called ---- */

/* One more column of the key: appends `, p."id"` and `, 'id=' || p."id"`, in words. */
static bool add_key_column(PGconn *connection, struct arena *arena, const char *alias, struct text name,
                           struct buffer *order, struct buffer *key)
{
    const char *column = quote_column(connection, arena, alias, name);
    struct text label = arena_printf(arena, "%.*s=", (int)name.length, name.bytes);
    char *literal = PQescapeLiteral(connection, label.bytes, label.length);
    bool ok = column != NULL && literal != NULL;
    if (ok) {
        buffer_append_format(order, "%s%s", order->length == 0 ? "" : ", ", column);
        buffer_append_format(key, ", %s || coalesce(%s::text, 'NULL')", literal, column);
    }
    PQfreemem(literal);
    return ok;
}

static bool find_key(PGconn *connection, struct arena *arena, const char *quoted, const struct catalogue_map *map,
                     const char *alias, struct catalogue_table *table)
{
    struct buffer order;
    struct buffer key;
    PGresult *columns =
        take_answer(connection, PQexecParams(connection, LIST_KEY_COLUMNS, 1, NULL, &quoted, NULL, NULL, 0));
    if (columns == NULL) {
        return false;
    }
    buffer_init(&order, SQL_BYTES_MAX);
    buffer_init(&key, SQL_BYTES_MAX);
    bool ok = true;
    for (int i = 0; ok && i < PQntuples(columns); i++) {
        ok = add_key_column(connection, arena, alias, text_from_c(PQgetvalue(columns, i, 0)), &order, &key);
    }
    if (ok && PQntuples(columns) == 0) { /* a view has none */
        enum map_field field = map->columns[MAP_SKU].bytes != NULL ? MAP_SKU : MAP_ID;
        ok = add_key_column(connection, arena, alias, map->columns[field], &order, &key);
    }
    table->order = arena_text(arena, buffer_text(&order)).bytes;
    table->key = arena_printf(arena, "concat_ws(' '%.*s)", (int)key.length, key.bytes).bytes;
    PQclear(columns);
    buffer_done(&order);
    buffer_done(&key);
    return ok;
}

bool catalogue_table_find(PGconn *connection, struct arena *arena, const char *name, const struct catalogue_map *map,
                          const char *alias, struct catalogue_table *ret_table)
{
    const char *quoted = quote_table(connection, arena, name);
    PGresult *described = quoted == NULL ? NULL : describe_table(connection, arena, name, quoted);
    if (described == NULL) {
        return false;
    }
    struct catalogue_table table = {.name = name, .from = arena_printf(arena, "%s AS %s", quoted, alias).bytes};
    bool ok = find_columns(connection, arena, described, map, alias, &table) &&
              find_key(connection, arena, quoted, map, alias, &table);
    PQclear(described);
    if (ok) {
        *ret_table = table;
    }
    return ok;
}
