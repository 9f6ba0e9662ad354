#ifndef HOLDFAST_STORE_SCHEMA_MIGRATIONS_H
#define HOLDFAST_STORE_SCHEMA_MIGRATIONS_H

#include <stddef.h>

/* The files of schema/<dialect>/, embedded by the build: 0001_orders.sql is {1, "orders", "CREATE TABLE ..."}.
 * Numbers ascend from 1 without a gap. */
struct schema_migration {
    int number;
    const char *name;
    const char *sql;
};

extern const struct schema_migration SQLITE_MIGRATIONS[];
extern const size_t SQLITE_MIGRATION_COUNT;
extern const struct schema_migration POSTGRES_MIGRATIONS[];
extern const size_t POSTGRES_MIGRATION_COUNT;

#endif
