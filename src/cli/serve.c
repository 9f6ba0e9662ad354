/* Wires the rooms together on one event loop, and takes them apart in order.
 *
 *   http server --> api --> committer (its own thread) --> store's writing side
 *        (loop thread)  \-> reader pool (its own threads) --> store's readers
 */

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/database.h"
#include "cli/listen_address.h"
#include "cli/options.h"
#include "domain/limits.h"
#include "engine/committer.h"
#include "engine/engine_metrics.h"
#include "engine/reader_pool.h"
#include "http/server.h"

#define MIB (INT64_C(1024) * 1024)
#define HEADER_BYTES_MAX (16 * 1024)
#define BODY_BYTES_MAX (1024 * 1024)
#define PIPELINE_MAX 64
#define READ_QUEUE_MAX 4096
#define SWEEP_MAX 1000 /* timeouts in one transaction: a few milliseconds, so that a burst does not hold orders up */
#define DRAIN_CHECK_MS 5

struct serve_settings {
    const char *listen;
    const char *database;
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

#define FIELD(name) offsetof(struct serve_settings, name)

static const struct option OPTIONS[] = {
    {.name = "listen",
     .type = OPTION_TEXT,
     .offset = FIELD(listen),
     .placeholder = "HOST:PORT",
     .default_value = "127.0.0.1:8080",
     .help = "where to listen: 127.0.0.1:8080, [::1]:8080,\nlocalhost:8080, :8080 (every IPv4 address);\n"
             "port 0 lets the system choose: see server_started\nin the log"},
    DATABASE_OPTION(serve_settings),
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
    {.name = "log-level",
     .type = OPTION_TEXT,
     .offset = FIELD(log_level),
     .placeholder = "LEVEL",
     .default_value = "info",
     .help = "debug, info, warn or error"},
    {.name = "log-requests",
     .type = OPTION_FLAG,
     .offset = FIELD(log_requests),
     .help = "a log line for every request, not only for failures"},
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
    {.name = "reader-threads",
     .type = OPTION_NUMBER,
     .offset = FIELD(reader_threads),
     .placeholder = "N",
     .default_value = "2",
     .min = 1,
     .max = 64,
     .help = "threads that answer reads"},
    {.name = "cache-mib",
     .type = OPTION_NUMBER,
     .offset = FIELD(cache_mib),
     .placeholder = "MIB",
     .default_value = "16",
     .min = 1,
     .max = 65536,
     .help = "page cache of the writing side"},
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
     .help = "from the first byte of a request to its last, and for\na client to take its answer"},
};

static const struct command_usage USAGE = {
    .name = "serve",
    .about = "Takes orders over HTTP, until SIGTERM or SIGINT: then it accepts nothing new, answers what is in flight\n"
             "and exits 0. A second signal exits at once, with 128 + its number; nothing that was answered is lost.\n"
             "It logs JSON, a line an event, to standard error.\n"
             "While no API key exists, a loopback address is open to all, and any other is refused.",
    .examples = "  holdfast serve                                       holdfast.db, http://127.0.0.1:8080\n"
                "  holdfast serve --listen :80 --database sqlite:/var/lib/holdfast/shop.db\n"
                "  HOLDFAST_LISTEN=[::1]:9000 holdfast serve --log-requests\n"
                "  curl http://127.0.0.1:8080/readyz                    is it up?",
    .options = OPTIONS,
    .option_count = sizeof(OPTIONS) / sizeof(*OPTIONS),
};

struct server {
    const struct serve_settings *settings;
    struct listen_address address;
    struct database database;
    struct migration_report migration;
    struct engine_metrics metrics;
    uv_loop_t loop;
    uv_signal_t terminate;
    uv_signal_t interrupt;
    uv_timer_t drain_check;
    int64_t drain_until_us;
    bool is_drained; /* no connection is left */
    struct api *api;
    struct committer *committer;
    struct reader_pool *readers;
    struct http_server *http;
};

/* ---- Start ---- */

static bool open_store(struct server *server, struct fault *fault)
{
    const struct store_options options = {
        .create = true,
        .serve = true,
        .cache_bytes = (size_t)(server->settings->cache_mib * MIB),
    };
    if (!database_open_migrated(&server->database, &options, &server->migration, fault)) {
        return false;
    }
    if (server->migration.from_version != server->migration.to_version) {
        log_message(LOG_INFO, "database_migrated", "from version %d to %d", server->migration.from_version,
                    server->migration.to_version);
    }
    return true;
}

/* Refuses a public address that nobody guards, before anything listens. */
static bool load_keys(struct server *server, struct fault *fault)
{
    struct reader *reader;
    if (!server->database.ops->reader_open(server->database.store, &reader, fault)) {
        return false;
    }
    bool ok = api_load_keys(server->api, reader, fault);
    server->database.ops->reader_close(reader);
    return ok;
}

static bool start_api(struct server *server, struct fault *fault)
{
    const struct api_options options = {
        .loop = &server->loop,
        .ops = server->database.ops,
        .store = server->database.store,
        .engine_metrics = &server->metrics,
        .hold_seconds_max = server->settings->max_hold_seconds,
        .listener_is_loopback = server->address.is_loopback,
        .insecure = server->settings->insecure,
        .log_requests = server->settings->log_requests,
    };
    server->api = api_new(&options);
    return load_keys(server, fault);
}

static bool start_engine(struct server *server, struct fault *fault)
{
    const struct committer_options committer_options = {
        .ops = server->database.ops,
        .store = server->database.store,
        .policy = {.hold_seconds_max = server->settings->max_hold_seconds},
        .queue_weight_max = (size_t)server->settings->queue_max,
        .batch_weight_max = (size_t)server->settings->batch_max,
        .sweep_max = SWEEP_MAX,
        .metrics = &server->metrics,
        .completed = api_notify,
        .context = server->api,
    };
    const struct reader_pool_options reader_options = {
        .ops = server->database.ops,
        .store = server->database.store,
        .threads = (size_t)server->settings->reader_threads,
        .queue_max = READ_QUEUE_MAX,
        .completed = api_notify,
        .context = server->api,
    };
    return reader_pool_start(&reader_options, &server->readers, fault) &&
           committer_start(&committer_options, &server->committer, fault);
}

static bool start_http(struct server *server, struct fault *fault)
{
    const struct http_server_options options = {
        .host = server->address.host,
        .port = server->address.port,
        .connections_max = (size_t)server->settings->connections_max,
        .header_bytes_max = HEADER_BYTES_MAX,
        .body_bytes_max = BODY_BYTES_MAX,
        .pipeline_max = PIPELINE_MAX,
        .idle_timeout_ms = server->settings->idle_timeout_seconds * 1000,
        .request_timeout_ms = server->settings->request_timeout_seconds * 1000,
        .write_timeout_ms = server->settings->request_timeout_seconds * 1000,
        .handle = api_handle,
        .refuse = api_refuse,
        .answered = api_answered,
        .context = server->api,
    };
    return http_server_start(&server->loop, &options, &server->http, fault);
}

static void log_started(const struct server *server)
{
    char listen[LISTEN_TEXT_LENGTH_MAX + 1];
    listen_address_format(&server->address, http_server_port(server->http), listen);
    struct log_line line;
    log_begin(&line, LOG_INFO, "server_started");
    json_c_field(&line.writer, "listen", listen);
    json_c_field(&line.writer, "database", server->database.uri);
    json_int64_field(&line.writer, "schema_version", server->migration.to_version);
    json_c_field(&line.writer, "version", HOLDFAST_VERSION);
    json_int64_field(&line.writer, "pid", getpid());
    log_end(&line);
}

/* ---- Drain and stop ---- */

static void exit_at_once(int signal_number)
{
    _exit(128 + signal_number);
}

static void on_drained(void *context)
{
    struct server *server = context;
    server->is_drained = true;
}

static void check_drain(uv_timer_t *timer)
{
    struct server *server = timer->data;
    bool is_done = server->is_drained && api_is_idle(server->api);
    if (!is_done && clock_monotonic_us() >= server->drain_until_us) {
        log_message(LOG_WARN, "drain_timed_out", "%zu connections and %zu requests are cut off",
                    http_server_stats(server->http).connections_open,
                    http_server_stats(server->http).requests_in_flight);
        is_done = true;
    }
    if (is_done) {
        uv_timer_stop(timer);
        uv_stop(&server->loop);
    }
}

static void begin_drain(uv_signal_t *handle, int signal_number)
{
    struct server *server = handle->data;
    log_message(LOG_INFO, "server_draining", "%s; a second signal exits at once", strsignal(signal_number));
    /* The second signal must work even while the loop no longer runs: a plain handler instead of the loop's. */
    uv_signal_stop(&server->terminate);
    uv_signal_stop(&server->interrupt);
    const struct sigaction at_once = {.sa_handler = exit_at_once};
    sigaction(SIGTERM, &at_once, NULL);
    sigaction(SIGINT, &at_once, NULL);

    server->drain_until_us = clock_monotonic_us() + server->settings->drain_seconds * 1000000;
    api_set_draining(server->api);
    http_server_drain(server->http, on_drained, server);
    uv_timer_start(&server->drain_check, check_drain, 0, DRAIN_CHECK_MS);
}

static void start_loop(struct server *server)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGHUP, &ignore, NULL);
    int status = uv_loop_init(&server->loop);
    assert(status == 0);
    uv_signal_init(&server->loop, &server->terminate);
    uv_signal_init(&server->loop, &server->interrupt);
    uv_timer_init(&server->loop, &server->drain_check);
    server->terminate.data = server;
    server->interrupt.data = server;
    server->drain_check.data = server;
}

static void listen_to_signals(struct server *server)
{
    uv_signal_start(&server->terminate, begin_drain, SIGTERM);
    uv_signal_start(&server->interrupt, begin_drain, SIGINT);
}

/* From whatever point the start had reached. Commands still queued are finished, so that they are not left undecided;
 * their answers, where anybody still waits, go out in the one turn of the loop. */
static void stop_server(struct server *server)
{
    if (server->committer != NULL) {
        committer_stop(server->committer);
    }
    if (server->readers != NULL) {
        reader_pool_stop(server->readers);
    }
    uv_run(&server->loop, UV_RUN_NOWAIT);
    if (server->http != NULL) {
        http_server_free(server->http);
    }
    if (server->api != NULL) {
        api_free(server->api);
    }
    uv_close((uv_handle_t *)&server->terminate, NULL);
    uv_close((uv_handle_t *)&server->interrupt, NULL);
    uv_close((uv_handle_t *)&server->drain_check, NULL);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    if (server->committer != NULL) {
        committer_free(server->committer);
    }
    if (server->readers != NULL) {
        reader_pool_free(server->readers);
    }
    int status = uv_loop_close(&server->loop);
    assert(status == 0);
    if (server->database.store != NULL) {
        database_close(&server->database);
    }
}

/* ---- The command ---- */

static int run_server(struct server *server)
{
    struct fault fault = {0};
    engine_metrics_init(&server->metrics);
    start_loop(server);
    bool ok = open_store(server, &fault) && start_api(server, &fault) && start_engine(server, &fault) &&
              start_http(server, &fault);
    if (ok) {
        api_attach(server->api, server->committer, server->readers, server->http);
        listen_to_signals(server);
        log_started(server);
        uv_run(&server->loop, UV_RUN_DEFAULT);
    } else {
        log_message(LOG_ERROR, "start_failed", "%s", fault.detail);
    }
    stop_server(server);
    if (ok) {
        log_message(LOG_INFO, "server_stopped", "the database is closed");
    }
    return ok ? EXIT_DONE : EXIT_FAILED;
}

int command_serve(int argument_count, char **arguments)
{
    struct serve_settings settings = {0};
    struct server server = {.settings = &settings};
    size_t operand_count;
    int exit_status;
    enum log_level level;
    const char *reason;
    if (!options_read(&USAGE, argument_count, arguments, &settings, &operand_count, &exit_status)) {
        return exit_status;
    }
    if (!database_resolve(settings.database, &server.database)) {
        return EXIT_WRONG_USAGE;
    }
    if (!log_level_parse(settings.log_level, &level)) {
        console_error("--log-level is debug, info, warn or error, not '%s'", settings.log_level);
        return EXIT_WRONG_USAGE;
    }
    if (!listen_address_parse(settings.listen, &server.address)) {
        console_error("--listen is written HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080, not '%s'", settings.listen);
        return EXIT_WRONG_USAGE;
    }
    if (!listen_address_resolve(&server.address, &reason)) {
        console_error("cannot listen on %s: %s", settings.listen, reason);
        return EXIT_FAILED;
    }
    log_set_level(level);
    return run_server(&server);
}
