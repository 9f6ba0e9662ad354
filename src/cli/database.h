#ifndef HOLDFAST_CLI_DATABASE_H
#define HOLDFAST_CLI_DATABASE_H

/* From --database to a store: the only place in the program that knows which stores there are. */

#include "base/attributes.h"
#include "cli/database_uri.h"
#include "cli/options.h"
#include "store/store.h"

struct database {
    const struct store_ops *ops;
    const char *location;                    /* what the store is given: of an embedded one a path, else the URI */
    char name[DATABASE_URI_SHOWN_BYTES_MAX]; /* as it may be shown: the URI without its password */
    struct store *store;
};

/* The row for a command's option table; `settings` has a field `database`. */
#define DATABASE_OPTION(settings)                                                                                     \
    {                                                                                                                 \
        .name = "database", .type = OPTION_TEXT, .offset = offsetof(struct settings, database), .placeholder = "URI", \
        .default_value = "sqlite:holdfast.db",                                                                        \
        .help = "the database: sqlite:PATH is one file,\npostgresql://USER@HOST/NAME a PostgreSQL database\n"         \
                "(15 or later; libpq's URIs)",                                                                        \
    }

/* Which store the URI names; nothing is opened yet. False, with a message: it names none that this build has. */
MUST_USE bool database_resolve(const char *uri, struct database *ret_database);
/* options->location is filled in here. */
MUST_USE bool database_open(struct database *database, const struct store_options *options, struct fault *fault);
/* The same for a command that writes. An embedded database is brought up to date; any other, which servers may be using
 * at this moment, only where `migrate` says so: else a schema that is not this program's is FAULT_SCHEMA, with the
 * command to run. *ret_report: all zero where nothing was to be migrated. */
MUST_USE bool database_open_migrated(struct database *database, const struct store_options *options, bool migrate,
                                     struct migration_report *ret_report, struct fault *fault);
void database_close(struct database *database);

#endif
