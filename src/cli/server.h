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
    int64_t drain_delay_seconds;
    const char *log_level;
    bool log_requests;
    int64_t queue_max;
    int64_t batch_max;
    int64_t connections_max;
    int64_t buffers_mib;
    int64_t reader_threads;
    int64_t cache_mib;
    int64_t idle_timeout_seconds;
    int64_t request_timeout_seconds;
    int64_t stream_heartbeat_seconds;
    /* Jobs. */
    bool no_jobs;
    int64_t job_concurrency;
    int64_t job_lease_seconds;
    int64_t payment_due_soon_seconds; /* 0: never */
    int64_t job_keep_hours;
    int64_t job_keep_max;
    int64_t dead_job_keep_days;
    int64_t event_keep_days; /* 0: for ever */
    const char *prune_schedule;
    const char *time_zone;
    bool webhook_allow_private;
    int64_t webhook_timeout_seconds;
    int64_t webhook_attempts;
    int64_t webhook_backoff_ms;
    int64_t webhook_disable_hours;
    const char *webhook_ca_file; /* NULL: the system's authorities */
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

#define NUMBER_OPTION(option_name, field, what, otherwise, least, most, text)                                      \
    {                                                                                                              \
        .name = (option_name), .type = OPTION_NUMBER, .offset = SERVER_OPTION_FIELD(field), .placeholder = (what), \
        .default_value = (otherwise), .min = (least), .max = (most), .help = (text),                               \
    }
#define TEXT_OPTION(option_name, field, what, otherwise, text)                                                   \
    {                                                                                                            \
        .name = (option_name), .type = OPTION_TEXT, .offset = SERVER_OPTION_FIELD(field), .placeholder = (what), \
        .default_value = (otherwise), .help = (text),                                                            \
    }

#define JOB_OPTIONS                                                                                                    \
    NUMBER_OPTION("job-concurrency", job_concurrency, "N", "200", 1, 10000, "jobs that this process runs at once"),    \
        NUMBER_OPTION("job-lease-seconds", job_lease_seconds, "SECONDS", "8", 1, 3600,                                 \
                      "a worker that is silent for so long loses its jobs\nto others"),                                \
        NUMBER_OPTION(                                                                                                 \
            "payment-due-soon-seconds", payment_due_soon_seconds, "SECONDS", "300", 0, 604800,                         \
            "how long before its deadline an unpaid order gets\nthe event order.payment_due_soon; 0: never"),          \
        NUMBER_OPTION("job-keep-hours", job_keep_hours, "HOURS", "24", 1, 87600,                                       \
                      "how long finished jobs can be looked at"),                                                      \
        NUMBER_OPTION("job-keep-max", job_keep_max, "N", "100000", 1, 100000000, "and how many of them, at most"),     \
        NUMBER_OPTION("dead-job-keep-days", dead_job_keep_days, "DAYS", "30", 1, 3650,                                 \
                      "how long dead jobs wait for somebody to retry them"),                                           \
        NUMBER_OPTION(                                                                                                 \
            "event-keep-days", event_keep_days, "DAYS", "0", 0, 36500,                                                 \
            "how long events are kept; 0: for ever. Longer than\ndeliveries may wait: without its event one is dead"), \
        TEXT_OPTION("prune-schedule", prune_schedule, "CRON", "*/5 * * * *", "when what is older goes"),               \
        TEXT_OPTION("time-zone", time_zone, "ZONE", "UTC", "of that schedule: Europe/Berlin"),                         \
        {                                                                                                              \
            .name = "webhook-allow-private",                                                                           \
            .type = OPTION_FLAG,                                                                                       \
            .offset = SERVER_OPTION_FIELD(webhook_allow_private),                                                      \
            .help = "deliver to private addresses, too, and over http:\nfor development",                              \
        },                                                                                                             \
        NUMBER_OPTION("webhook-timeout-seconds", webhook_timeout_seconds, "SECONDS", "15", 1, 300,                     \
                      "how long an endpoint may take to answer"),                                                      \
        NUMBER_OPTION("webhook-attempts", webhook_attempts, "N", "18", 1, 100,                                         \
                      "tries at a delivery before it is dead"),                                                        \
        NUMBER_OPTION("webhook-backoff-ms", webhook_backoff_ms, "MS", "5000", 1, 3600000,                              \
                      "pause after the first failure; doubles with each,\nup to 12 hours"),                            \
        NUMBER_OPTION("webhook-disable-hours", webhook_disable_hours, "HOURS", "120", 1, 8760,                         \
                      "an endpoint that fails for so long is disabled"),                                               \
        TEXT_OPTION("webhook-ca-file", webhook_ca_file, "FILE", NULL,                                                  \
                    "PEM file of authorities to trust instead of the\nsystem's")

enum server_role {
    SERVER_SHOP,  /* takes orders, and runs jobs */
    SERVER_WORKER /* runs jobs only; where it listens, it answers for its health and metrics */
};

/* Checks the settings, runs until a signal ends it, and returns the exit status. */
MUST_USE int server_run(enum server_role role, const struct server_settings *settings);

#endif
