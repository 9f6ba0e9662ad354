#ifndef HOLDFAST_CLI_DATABASE_H
#define HOLDFAST_CLI_DATABASE_H

/* From --database to a store: the only place in the program that knows which stores there are. */

#include "base/attributes.h"
#include "cli/options.h"
#include "store/store.h"

struct database {
    const struct store_ops *ops;
    const char *uri;
    const char *location; /* what the store is given: a path into `uri` */
    struct store *store;
};

/* The row for a command's option table; `settings` has a field `database`. */
#define DATABASE_OPTION(settings)                                                               \
    {                                                                                           \
        .name = "database", .type = OPTION_TEXT, .offset = offsetof(struct settings, database), \
        .placeholder = "sqlite:PATH", .default_value = "sqlite:holdfast.db",                    \
        .help = "the database; sqlite:PATH is one file",                                        \
    }

/* Which store the URI names; nothing is opened yet. False, with a message: it names none that this build has. */
MUST_USE bool database_resolve(const char *uri, struct database *ret_database);
/* options->location is filled in here. */
MUST_USE bool database_open(struct database *database, const struct store_options *options, struct fault *fault);
/* The same, and brings the schema up to date: what every command that writes does. */
MUST_USE bool database_open_migrated(struct database *database, const struct store_options *options,
                                     struct migration_report *ret_report, struct fault *fault);
void database_close(struct database *database);

#endif
