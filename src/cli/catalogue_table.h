#ifndef HOLDFAST_CLI_CATALOGUE_TABLE_H
#define HOLDFAST_CLI_CATALOGUE_TABLE_H

/* A table (or view) of somebody's PostgreSQL database with the columns that a map names, as pieces of SQL. Every name
 * in the pieces is quoted: nothing that a person wrote is SQL, and "Product" keeps its capital. */

#include <libpq-fe.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "cli/catalogue_map.h"

struct catalogue_table {
    const char *name;                     /* as the person wrote it */
    const char *from;                     /* "shop"."products" AS p */
    const char *columns[MAP_FIELD_COUNT]; /* p."price"; NULL: not mapped */
    bool price_is_minor;                  /* its column has integers: cents */
    const char *order;                    /* p."id": with it the rows come in the same order each time */
    const char *key;                      /* what a row is called: an expression that gives id=17 */
};

/* Looks the table and its columns up, within a transaction; false, with a message that says what there is instead.
 * `alias` is what the pieces call it; they live in the arena. Rows go by the primary key or, where there is none, by
 * their SKU. */
MUST_USE bool catalogue_table_find(PGconn *connection, struct arena *arena, const char *name,
                                   const struct catalogue_map *map, const char *alias,
                                   struct catalogue_table *ret_table);

/* The answer to a query, which the caller clears; NULL, with a message: the database refused it. */
MUST_USE PGresult *catalogue_table_query(PGconn *connection, const char *sql);
/* What is wrong, in one line: the server's word or, where there is none, libpq's. `result` may be NULL. */
struct text catalogue_table_error(const PGconn *connection, const PGresult *result);

#endif
