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
};

static const struct command_usage USAGE = {
    .name = "work",
    .about = "Runs jobs and takes no orders: releases what payment timeouts have left behind, as serve does, too.\n"
             "On PostgreSQL any number may run beside any number of servers, so that holds end on time even while no\n"
             "server is up. A SQLite database has one process that serves it: there, serve alone is enough.\n"
             "SIGTERM or SIGINT ends it; it logs JSON, a line an event, to standard error.",
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
        .drain_seconds = 10,
        .queue_max = 1,
        .batch_max = 1,
        .connections_max = 100,
        .idle_timeout_seconds = 75,
        .request_timeout_seconds = 15,
    };
    size_t operand_count;
    int exit_status;
    if (!options_read(&USAGE, argument_count, arguments, &settings, &operand_count, &exit_status)) {
        return exit_status;
    }
    return server_run(SERVER_WORKER, &settings);
}
