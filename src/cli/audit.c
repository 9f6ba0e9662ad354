#include <inttypes.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/database.h"
#include "cli/options.h"
#include "cli/progress.h"

struct audit_settings {
    const char *database;
    int64_t max_late_seconds; /* -1: however late */
};

static const struct option OPTIONS[] = {
    DATABASE_OPTION(audit_settings),
    {.name = "max-late",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct audit_settings, max_late_seconds),
     .placeholder = "SECONDS",
     .min = 0,
     .max = INT64_C(1000000000),
     .help = "also fail where a hold is overdue by more than this;\nwithout it overdue holds are only a notice"},
};

const struct command_usage AUDIT_USAGE = {
    .name = "audit",
    .about =
        "Checks the invariants I1 to I11 over a whole database, in one snapshot: no level oversold, quantities that\n"
        "add up, orders that agree with their holds, payments, timeouts and events. It prints what it counted and\n"
        "names the rows that break an invariant, up to a hundred a check, and counts those behind them. It changes\n"
        "nothing and may run beside a live server.\n"
        "Exit status 1: something is broken, or could not be checked.",
    .examples = "  holdfast audit                                 holdfast.db in this folder\n"
                "  holdfast audit --database sqlite:/backup/shop.db\n"
                "  holdfast audit --database postgresql://shop@db/shop\n"
                "  holdfast audit --max-late 5                    beside a server: are timeouts on time?",
    .options = OPTIONS,
    .option_count = sizeof(OPTIONS) / sizeof(*OPTIONS),
};

struct audit {
    struct progress progress;
    int64_t violations;
    int64_t overdue;
    int64_t overdue_most_ms;
};

static void show_progress(void *context, const char *check, int number, int total)
{
    struct audit *audit = context;
    progress_line(&audit->progress, "%d of %d: %s", number, total, check);
}

static void show_count(void *context, const char *what, int64_t count)
{
    struct audit *audit = context;
    progress_hide(&audit->progress);
    printf("%12" PRId64 "  %s\n", count, what);
}

static void show_violation(void *context, const char *invariant, const char *row, int64_t rows)
{
    struct audit *audit = context;
    progress_hide(&audit->progress);
    printf("VIOLATED %s: %s\n", invariant, row);
    audit->violations += rows;
}

static void note_overdue(void *context, int64_t drafts, int64_t late_ms)
{
    struct audit *audit = context;
    audit->overdue = drafts;
    audit->overdue_most_ms = late_ms;
}

static bool audit_database(struct database *database, int64_t late_ms_max, struct audit *audit, struct fault *fault)
{
    const struct audit_sink sink = {
        .context = audit,
        .progress = show_progress,
        .count = show_count,
        .violation = show_violation,
        .overdue = note_overdue,
        .late_ms_max = late_ms_max,
    };
    struct reader *reader;
    if (!database->ops->schema_check(database->store, fault) ||
        !database->ops->reader_open(database->store, &reader, fault)) {
        return false;
    }
    bool ok = database->ops->audit(reader, &sink, fault);
    database->ops->reader_close(reader);
    progress_hide(&audit->progress);
    return ok;
}

static int report(const struct audit *audit)
{
    if (audit->overdue > 0) {
        printf("%" PRId64 " hold%s overdue (oldest by %.1f s); a running server releases them\n", audit->overdue,
               audit->overdue == 1 ? " is" : "s are", (double)audit->overdue_most_ms / 1000);
    }
    if (audit->violations > 0) {
        printf("FAILED: %" PRId64 " violation%s\n", audit->violations, audit->violations == 1 ? "" : "s");
    } else {
        printf("every invariant holds (I1 to I11)\n");
    }
    return console_flush() && audit->violations == 0 ? EXIT_DONE : EXIT_FAILED;
}

int command_audit(int argument_count, char **arguments)
{
    struct audit_settings settings = {.max_late_seconds = -1};
    size_t operand_count;
    int exit_status;
    struct database database;
    if (!options_read(&AUDIT_USAGE, argument_count, arguments, &settings, &operand_count, &exit_status)) {
        return exit_status;
    }
    if (!database_resolve(settings.database, &database)) {
        return EXIT_WRONG_USAGE;
    }
    struct fault fault = {0};
    if (!database_open(&database, &(struct store_options){0}, &fault)) {
        return console_fault(&fault);
    }
    struct audit audit = {0};
    progress_init(&audit.progress);
    int64_t late_ms_max = settings.max_late_seconds < 0 ? -1 : settings.max_late_seconds * 1000;
    bool ok = audit_database(&database, late_ms_max, &audit, &fault);
    database_close(&database);
    return ok ? report(&audit) : console_fault(&fault);
}
