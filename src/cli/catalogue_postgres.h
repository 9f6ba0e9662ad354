#ifndef HOLDFAST_CLI_CATALOGUE_POSTGRES_H
#define HOLDFAST_CLI_CATALOGUE_POSTGRES_H

/* A catalogue out of an existing application's PostgreSQL database, to products, with the checks of a file. The
 * database is only read, in one transaction that sees it as it was at its beginning, however often it is read
 * through. */

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "cli/catalogue_map.h"
#include "cli/catalogue_reader.h"

struct catalogue_postgres;

struct catalogue_postgres_options {
    const char *uri; /* that passed database_uri_check */
    const char *products_table;
    const char *variants_table; /* NULL: each row of the products table is a product with one variant */
    struct catalogue_map products_map;
    struct catalogue_map variants_map; /* used where there is a variants_table */
};

/* --map and --variants-map (NULL: not said) to the maps of the options, whose tables are set. False, with a message. */
MUST_USE bool catalogue_postgres_parse_maps(const char *map, const char *variants_map,
                                            struct catalogue_postgres_options *options);
/* Connects and looks everything up. False, with a message. */
MUST_USE bool catalogue_postgres_open(const struct catalogue_postgres_options *options,
                                      struct catalogue_postgres **ret_catalogue);
const char *catalogue_postgres_name(const struct catalogue_postgres *catalogue);  /* the table that has the SKUs */
int64_t catalogue_postgres_row_count(const struct catalogue_postgres *catalogue); /* what sink->advanced adds up to */
/* As catalogue_read. A row's reason begins with its key; its line is its number in the order of keys. */
MUST_USE bool catalogue_postgres_read(struct catalogue_postgres *catalogue, const char *currency,
                                      const struct catalogue_sink *sink, struct fault *fault);
void catalogue_postgres_close(struct catalogue_postgres *catalogue); /* takes NULL */

#endif
