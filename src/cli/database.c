#include "cli/database.h"

#include <string.h>

#include "cli/console.h"
#include "store/sqlite/sqlite_store.h"

static const char SQLITE_SCHEME[] = "sqlite:";

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool database_resolve(const char *uri, struct database *ret_database)
{
    if (starts_with(uri, "postgres:") || starts_with(uri, "postgresql:")) {
        console_error("this build has no PostgreSQL store yet; use --database sqlite:PATH");
        return false;
    }
    if (!starts_with(uri, SQLITE_SCHEME)) {
        console_error("--database is written sqlite:PATH, such as sqlite:holdfast.db, not '%s'", uri);
        return false;
    }
    const char *path = uri + strlen(SQLITE_SCHEME);
    if (*path == '\0' || starts_with(path, ":memory:")) {
        console_error("--database sqlite: wants the path of a file behind it, such as sqlite:holdfast.db");
        return false;
    }
    *ret_database = (struct database){.ops = &SQLITE_STORE, .uri = uri, .location = path};
    return true;
}

bool database_open(struct database *database, const struct store_options *options, struct fault *fault)
{
    struct store_options located = *options;
    located.location = database->location;
    return database->ops->open(&located, &database->store, fault);
}

bool database_open_migrated(struct database *database, const struct store_options *options,
                            struct migration_report *ret_report, struct fault *fault)
{
    if (!database_open(database, options, fault)) {
        return false;
    }
    if (!database->ops->migrate(database->store, ret_report, fault)) {
        database_close(database);
        return false;
    }
    return true;
}

void database_close(struct database *database)
{
    database->ops->close(database->store);
    database->store = NULL;
}
