#include "cli/database.h"

#include <stdio.h>
#include <string.h>

#include "cli/console.h"
#include "store/postgres/postgres_store.h"
#include "store/sqlite/sqlite_store.h"

static const char SQLITE_SCHEME[] = "sqlite:";

static bool resolve_sqlite(const char *path, struct database *database)
{
    if (*path == '\0' || strncmp(path, ":memory:", strlen(":memory:")) == 0) {
        console_error("--database sqlite: wants the path of a file behind it, such as sqlite:holdfast.db");
        return false;
    }
    if (strstr(path, "://") != NULL) { /* would be shown, with what is secret in it */
        console_error("--database sqlite: wants the path of a file behind it, not another URI");
        return false;
    }
    database->ops = &SQLITE_STORE;
    database->location = path;
    return true;
}

bool database_resolve(const char *uri, struct database *ret_database)
{
    struct database database = {0};
    database_uri_show(uri, database.name);
    if (strncmp(uri, SQLITE_SCHEME, strlen(SQLITE_SCHEME)) == 0) {
        (void)snprintf(database.name, sizeof(database.name), "%s", uri); /* whatever is in a path is no password */
        if (!resolve_sqlite(uri + strlen(SQLITE_SCHEME), &database)) {
            return false;
        }
    } else if (database_uri_is_postgres(uri)) {
        if (!database_uri_check("--database", uri)) {
            return false;
        }
        database.ops = &POSTGRES_STORE;
        database.location = uri;
    } else { /* not shown: what it is meant to be is unknown, and so is what in it is a password */
        console_error("--database is written sqlite:PATH, such as sqlite:holdfast.db, or postgresql://USER@HOST/NAME");
        return false;
    }
    *ret_database = database;
    return true;
}

bool database_open(struct database *database, const struct store_options *options, struct fault *fault)
{
    struct store_options located = *options;
    located.location = database->location;
    return database->ops->open(&located, &database->store, fault);
}

bool database_open_migrated(struct database *database, const struct store_options *options, bool migrate,
                            struct migration_report *ret_report, struct fault *fault)
{
    struct migration_report report = {0};
    if (!database_open(database, options, fault)) {
        return false;
    }
    bool ok = migrate || database->ops->embedded ? database->ops->migrate(database->store, &report, fault)
                                                 : database->ops->schema_check(database->store, fault);
    if (!ok) {
        database_close(database);
        return false;
    }
    *ret_report = report;
    return true;
}

void database_close(struct database *database)
{
    database->ops->close(database->store);
    database->store = NULL;
}
