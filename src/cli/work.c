#include "cli/commands.h"
#include "cli/database.h"
#include "cli/server.h"
#include "domain/limits.h"

static const struct option OPTIONS[] = {
    DATABASE_OPTION(server_settings),
    MIGRATE_OPTION,
    {.name = "listen",
     .type = OPTION_TEXT,
     .offset = SERVER_OPTION_FIELD(listen),
     .placeholder = "HOST:PORT",
     .help = "answer /healthz, /readyz and /metrics there, without\na key; nowhere if not said. "
             "Another address than that\nof a server beside it"},
    LOG_LEVEL_OPTION,
    CACHE_OPTION,
    NUMBER_OPTION("drain-seconds", drain_seconds, "SECONDS", "10", 0, 3600,
                  "after SIGTERM: how long jobs may take to finish\nbefore they are handed back"),
    JOB_OPTIONS,
};

const struct command_usage WORK_USAGE = {
    .name = "work",
    .about =
        "Runs background jobs and takes no orders: delivers webhooks, prunes what is old, and releases what payment\n"
        "timeouts have left behind. Serve does so, too, unless it is told not to (--no-jobs). Any number may run\n"
        "beside a server, and beside any number of them on PostgreSQL.\n"
        "SIGTERM or SIGINT ends it: jobs that run may finish, the others are handed back. It logs JSON, a line an\n"
        "event, to standard error.",
    .examples = "  holdfast work --database postgresql://shop@db/shop\n"
                "  holdfast work --database postgresql://shop@db/shop --listen 127.0.0.1:9090\n"
                "  curl http://127.0.0.1:9090/metrics",
    .options = OPTIONS,
    .option_count = sizeof(OPTIONS) / sizeof(*OPTIONS),
};

int command_work(int argument_count, char **arguments)
{
    /* Nobody sends it orders, and only probes ask it anything. */
    struct server_settings settings = {
        .max_hold_seconds = HOLD_SECONDS_MAX_DEFAULT,
        .queue_max = 1,
        .batch_max = 1000,
        .connections_max = 100,
        .buffers_mib = 16,
        .idle_timeout_seconds = 75,
        .request_timeout_seconds = 15,
    };
    size_t operand_count;
    int exit_status;
    if (!options_read(&WORK_USAGE, argument_count, arguments, &settings, &operand_count, &exit_status)) {
        return exit_status;
    }
    return server_run(SERVER_WORKER, &settings);
}
