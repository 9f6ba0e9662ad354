#include <stdio.h>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/database.h"
#include "cli/options.h"

struct migrate_settings {
    const char *database;
};

static const struct option OPTIONS[] = {
    DATABASE_OPTION(migrate_settings),
};

static const struct command_usage USAGE = {
    .name = "migrate",
    .about =
        "Brings a database to this program's schema, and makes it where there is none. serve, work, import and keys\n"
        "do so by themselves on SQLite; on PostgreSQL they refuse a schema that is not up to date. Several may run\n"
        "at once: one migrates, the others wait. A database that is newer than the program is refused and left\n"
        "as it is. On PostgreSQL a shop is a schema, chosen by the connection's search_path.",
    .examples = "  holdfast migrate                                      holdfast.db in this folder\n"
                "  holdfast migrate --database sqlite:/var/lib/holdfast/shop.db\n"
                "  holdfast migrate --database postgresql://shop@db/shop\n"
                "  holdfast migrate --database 'postgresql://shop@db/shop?options=-csearch_path%3Dholdfast'",
    .options = OPTIONS,
    .option_count = sizeof(OPTIONS) / sizeof(*OPTIONS),
};

int command_migrate(int argument_count, char **arguments)
{
    struct migrate_settings settings = {0};
    size_t operand_count;
    int exit_status;
    if (!options_read(&USAGE, argument_count, arguments, &settings, &operand_count, &exit_status)) {
        return exit_status;
    }
    struct database database;
    if (!database_resolve(settings.database, &database)) {
        return EXIT_WRONG_USAGE;
    }
    struct migration_report report;
    struct fault fault = {0};
    if (!database_open_migrated(&database, &(struct store_options){.create = true, .write = true}, true, &report,
                                &fault)) {
        return console_fault(&fault);
    }
    database_close(&database);
    if (report.from_version == report.to_version) {
        printf("%s: at version %d already, nothing to do\n", database.name, report.to_version);
    } else {
        printf("%s: migrated from version %d to %d\n", database.name, report.from_version, report.to_version);
    }
    return console_flush() ? EXIT_DONE : EXIT_FAILED;
}
