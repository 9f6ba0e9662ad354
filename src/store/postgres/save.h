#ifndef HOLDFAST_STORE_POSTGRES_SAVE_H
#define HOLDFAST_STORE_POSTGRES_SAVE_H

/* How a batch's changed rows become one statement a table. */

#include "store/postgres/postgres_internal.h"

/* Each row of an update is looked up by itself (LIMIT), so that no plan can turn the join round and read the table
 * for each row once it has grown; f.place is where the row (t) is. */
#define AT_PLACE(table, key) \
    ", LATERAL (SELECT k.ctid AS place FROM " table " k WHERE " key " LIMIT 1) f WHERE t.ctid = f.place"
/* The end of an update that carries the loaded versions. */
#define GUARDED(table)                        \
    " AND t.version = n.loaded RETURNING 1) " \
    "SELECT require_rows((SELECT count(*) FROM changed), cardinality($1), '" table "')"

#define COLUMN_COUNT(types) (sizeof(types) / sizeof((types)[0]))
#define COLUMNS(types) (types), COLUMN_COUNT(types)

struct parameters *begin_rows(struct store *store, const enum value_type *types, size_t count);
/* A statement without rows is left out. */
void queue_rows(struct store *store, const struct parameters *rows, const struct statement *statement);
/* The values of a table of the working set, sorted. */
void *sort_values(struct facts *facts, const struct table *table, int (*compare)(const void *, const void *));

#endif
