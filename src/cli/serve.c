#include "cli/commands.h"
#include "cli/database.h"
#include "cli/server.h"
#include "domain/limits.h"

#define FIELD(name) SERVER_OPTION_FIELD(name)

static const struct option OPTIONS[] = {
    {.name = "listen",
     .type = OPTION_TEXT,
     .offset = FIELD(listen),
     .placeholder = "HOST:PORT",
     .default_value = "127.0.0.1:8080",
     .help = "where to listen: 127.0.0.1:8080, [::1]:8080,\nlocalhost:8080, :8080 (every IPv4 address);\n"
             "port 0 lets the system choose: see server_started\nin the log"},
    DATABASE_OPTION(server_settings),
    {.name = "read-database",
     .type = OPTION_TEXT,
     .offset = FIELD(read_database),
     .placeholder = "URI",
     .help = "PostgreSQL: a replica that answers lists; never\nasked for what decides"},
    MIGRATE_OPTION,
    {.name = "insecure",
     .type = OPTION_FLAG,
     .offset = FIELD(insecure),
     .help = "ask nobody for a key, even on a public address"},
    {.name = "max-hold",
     .type = OPTION_NUMBER,
     .offset = FIELD(max_hold_seconds),
     .placeholder = "SECONDS",
     .default_value = "3600",
     .min = 1,
     .max = HOLD_SECONDS_MAX_LIMIT,
     .help = "the longest that an order may hold its stock"},
    {.name = "drain-seconds",
     .type = OPTION_NUMBER,
     .offset = FIELD(drain_seconds),
     .placeholder = "SECONDS",
     .default_value = "10",
     .min = 0,
     .max = 3600,
     .help = "after SIGTERM: how long to wait for requests in\nflight and slow clients"},
    {.name = "drain-delay",
     .type = OPTION_NUMBER,
     .offset = FIELD(drain_delay_seconds),
     .placeholder = "SECONDS",
     .default_value = "0",
     .min = 0,
     .max = 3600,
     .help = "after SIGTERM: how long to serve on while /readyz\nsays 503, so that whoever routes by it sees that"},
    LOG_LEVEL_OPTION,
    {.name = "log-requests",
     .type = OPTION_FLAG,
     .offset = FIELD(log_requests),
     .help = "a log line for every request, not only for answers\n5xx (20 of these a second at most)"},
    {.name = "queue-max",
     .type = OPTION_NUMBER,
     .offset = FIELD(queue_max),
     .placeholder = "ORDERS",
     .default_value = "20000",
     .min = BATCH_ORDERS_MAX,
     .max = 10000000,
     .help = "orders that may wait for the database; past that\nclients are told 503 busy"},
    {.name = "batch-max",
     .type = OPTION_NUMBER,
     .offset = FIELD(batch_max),
     .placeholder = "ORDERS",
     .default_value = "2000",
     .min = 1,
     .max = 100000,
     .help = "orders in one transaction"},
    {.name = "connections-max",
     .type = OPTION_NUMBER,
     .offset = FIELD(connections_max),
     .placeholder = "N",
     .default_value = "10000",
     .min = 1,
     .max = 1000000,
     .help = "open connections"},
    {.name = "buffers-mib",
     .type = OPTION_NUMBER,
     .offset = FIELD(buffers_mib),
     .placeholder = "MIB",
     .default_value = "256",
     .min = 1,
     .max = 1048576,
     .help =
         "memory for requests and answers under way; past that\nbodies over 16 KiB and heads over 4 KiB are refused"},
    {.name = "reader-threads",
     .type = OPTION_NUMBER,
     .offset = FIELD(reader_threads),
     .placeholder = "N",
     .default_value = "2",
     .min = 1,
     .max = 64,
     .help = "threads that answer reads; on PostgreSQL each has a\nconnection"},
    CACHE_OPTION,
    {.name = "idle-timeout",
     .type = OPTION_NUMBER,
     .offset = FIELD(idle_timeout_seconds),
     .placeholder = "SECONDS",
     .default_value = "75",
     .min = 1,
     .max = 86400,
     .help = "a connection without a request is closed after"},
    {.name = "request-timeout",
     .type = OPTION_NUMBER,
     .offset = FIELD(request_timeout_seconds),
     .placeholder = "SECONDS",
     .default_value = "15",
     .min = 1,
     .max = 3600,
     .help = "from the first byte of a request to its last, and for\na client that takes nothing of its answer"},
    {.name = "stream-heartbeat-seconds",
     .type = OPTION_NUMBER,
     .offset = FIELD(stream_heartbeat_seconds),
     .placeholder = "SECONDS",
     .default_value = "15",
     .min = 1,
     .max = 3600,
     .help = "an event stream that was silent for so long sends a\ncomment, so that nobody between takes it for dead"},
    {.name = "no-jobs",
     .type = OPTION_FLAG,
     .offset = FIELD(no_jobs),
     .help = "leave background jobs to `holdfast work`; holds end\non time all the same"},
    JOB_OPTIONS,
};

const struct command_usage SERVE_USAGE = {
    .name = "serve",
    .about = "Takes orders over HTTP, until SIGTERM or SIGINT: then it accepts nothing new, answers what is in flight\n"
             "and exits 0. A second signal exits at once, with 128 + its number; nothing that was answered is lost.\n"
             "It logs JSON, a line an event, to standard error.\n"
             "While no API key exists, a loopback address is open to all, and any other is refused.",
    .examples = "  holdfast serve                                       holdfast.db, http://127.0.0.1:8080\n"
                "  holdfast serve --listen :8080 --database sqlite:/var/lib/holdfast/shop.db\n"
                "  holdfast serve --database postgresql://shop@db/shop  any number of servers share one\n"
                "  HOLDFAST_LISTEN=[::1]:9000 holdfast serve --log-requests\n"
                "  curl http://127.0.0.1:8080/readyz                    is it up?",
    .options = OPTIONS,
    .option_count = sizeof(OPTIONS) / sizeof(*OPTIONS),
};

int command_serve(int argument_count, char **arguments)
{
    struct server_settings settings = {0};
    size_t operand_count;
    int exit_status;
    if (!options_read(&SERVE_USAGE, argument_count, arguments, &settings, &operand_count, &exit_status)) {
        return exit_status;
    }
    return server_run(SERVER_SHOP, &settings);
}
