#ifndef HOLDFAST_CLI_SERVER_H
#define HOLDFAST_CLI_SERVER_H

/* The process behind `serve` and `work`: the rooms wired together on one event loop, until SIGTERM or SIGINT. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "cli/options.h"

/* What the options of both commands fill in. */
struct server_settings {
    const char *listen; /* NULL: nowhere */
    const char *database;
    const char *read_database; /* NULL: there is no replica */
    bool migrate;
    bool insecure;
    int64_t max_hold_seconds;
    int64_t drain_seconds;
    const char *log_level;
    bool log_requests;
    int64_t queue_max;
    int64_t batch_max;
    int64_t connections_max;
    int64_t reader_threads;
    int64_t cache_mib;
    int64_t idle_timeout_seconds;
    int64_t request_timeout_seconds;
};

/* Rows for the option tables that both have. */
#define SERVER_OPTION_FIELD(name) offsetof(struct server_settings, name)
#define MIGRATE_OPTION                                                                          \
    {                                                                                           \
        .name = "migrate", .type = OPTION_FLAG, .offset = SERVER_OPTION_FIELD(migrate),         \
        .help = "bring the schema up to date first; a SQLite\ndatabase is without being asked", \
    }
#define LOG_LEVEL_OPTION                                                                                            \
    {                                                                                                               \
        .name = "log-level", .type = OPTION_TEXT, .offset = SERVER_OPTION_FIELD(log_level), .placeholder = "LEVEL", \
        .default_value = "info", .help = "debug, info, warn or error",                                              \
    }
#define CACHE_OPTION                                                                                                \
    {                                                                                                               \
        .name = "cache-mib", .type = OPTION_NUMBER, .offset = SERVER_OPTION_FIELD(cache_mib), .placeholder = "MIB", \
        .default_value = "16", .min = 1, .max = 65536, .help = "SQLite: page cache of the writing side",            \
    }

enum server_role {
    SERVER_SHOP,  /* takes orders, and runs jobs */
    SERVER_WORKER /* runs jobs only; where it listens, it answers for its health and metrics */
};

/* Checks the settings, runs until a signal ends it, and returns the exit status. */
MUST_USE int server_run(enum server_role role, const struct server_settings *settings);

#endif
