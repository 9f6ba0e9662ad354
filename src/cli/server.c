/* Wires the rooms together on one event loop, and takes them apart in order.
 *
 *   http server --> api --> committer (its own thread) --> store's writing side
 *        (loop thread)  \-> reader pool (its own threads) --> store's readers
 *
 *   job runner (its own thread) --> committer, and out to webhook endpoints
 *
 * A worker that listens nowhere is the job runner and the committer alone. */

#include "cli/server.h"

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
#include "cli/console.h"
#include "cli/database.h"
#include "cli/environment.h"
#include "cli/listen_address.h"
#include "cli/server_check.h"
#include "engine/committer.h"
#include "engine/engine_metrics.h"
#include "engine/reader_pool.h"
#include "http/server.h"
#include "jobs/job_kinds.h"
#include "jobs/job_runner.h"
#include "jobs/webhook_signature.h"

#define RUN_OUT_US_MAX 500000
#define MIB (INT64_C(1024) * 1024)
#define HEADER_BYTES_MAX (16 * 1024)
#define BODY_BYTES_MAX (1024 * 1024)
#define PIPELINE_MAX 64
#define READ_QUEUE_MAX 4096
#define SWEEP_MAX 1000 /* timeouts in one transaction: a few milliseconds, so that a burst does not hold orders up */
#define DRAIN_CHECK_MS 5

/* What each role calls the turns of its life in the log. */
static const struct {
    const char *started;
    const char *draining;
    const char *stopped;
} EVENT_NAMES[] = {
    [SERVER_SHOP] = {"server_started", "server_draining", "server_stopped"},
    [SERVER_WORKER] = {"worker_started", "worker_draining", "worker_stopped"},
};

struct server {
    enum server_role role;
    const struct server_settings *settings;
    struct listen_address address; /* where settings->listen is given */
    struct database database;
    struct migration_report migration;
    struct engine_metrics metrics;
    uv_loop_t loop;
    uv_signal_t terminate;
    uv_signal_t interrupt;
    uv_timer_t drain_check;
    int64_t drain_until_us;
    bool is_drained; /* no connection is left */
    bool is_stuck;   /* the loop could not be run to its end */
    struct committer *committer;
    struct job_metrics job_metrics;
    struct job_runner *runner; /* NULL: it runs no jobs */
    struct job_kinds *kinds;
    /* NULL where it listens nowhere: */
    struct api *api;
    struct reader_pool *readers;
    struct http_server *http;
};

/* ---- Start ---- */

static bool open_store(struct server *server, struct fault *fault)
{
    const struct store_options options = {
        .read_location = server->settings->read_database,
        .create = server->role == SERVER_SHOP,
        .serve = server->role == SERVER_SHOP,
        .write = true,
        .cache_bytes = (size_t)(server->settings->cache_mib * MIB),
    };
    if (!database_open_migrated(&server->database, &options, server->settings->migrate, &server->migration, fault)) {
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

static void write_job_metrics(void *context, struct buffer *out)
{
    const struct server *server = context;
    job_metrics_write(&server->job_metrics, out);
}

static struct text make_webhook_secret(struct arena *arena)
{
    char secret[WEBHOOK_SECRET_LENGTH + 1];
    webhook_secret_make(secret);
    return arena_text(arena, text_from_c(secret));
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
        .operations_only = server->role == SERVER_WORKER,
        .webhook_allow_private = server->settings->webhook_allow_private,
        .make_webhook_secret = make_webhook_secret,
        .answer_timeout_ms = server->settings->request_timeout_seconds * 1000,
        .heartbeat_ms = server->settings->stream_heartbeat_seconds * 1000,
        .log_requests = server->settings->log_requests,
        .write_metrics = server->runner == NULL ? NULL : write_job_metrics,
        .metrics_context = server,
    };
    server->api = api_new(&options);
    return load_keys(server, fault);
}

static bool start_readers(struct server *server, struct fault *fault)
{
    const struct reader_pool_options options = {
        .ops = server->database.ops,
        .store = server->database.store,
        .threads = (size_t)server->settings->reader_threads,
        .queue_max = READ_QUEUE_MAX,
        .completed = api_notify,
        .context = server->api,
    };
    return reader_pool_start(&options, &server->readers, fault);
}

/* The committer's `completed`, where nobody gives it commands. */
static void ignore_completed(void *context)
{
    (void)context;
}

#define WEBHOOK_ANSWER_BYTES_MAX (64 * 1024)
#define WEBHOOK_EXCERPT_BYTES 300
#define WEBHOOK_CONNECT_MS_MAX 5000
#define WEBHOOK_BACKOFF_MS_MAX (INT64_C(12) * 60 * 60 * 1000)
#define HOUR_MS (INT64_C(60) * 60 * 1000)

static bool make_runner(struct server *server, struct fault *fault)
{
    const struct server_settings *settings = server->settings;
    int64_t timeout_ms = settings->webhook_timeout_seconds * 1000;
    const struct job_runner_options options = {
        .ops = server->database.ops,
        .store = server->database.store,
        .concurrency_max = (size_t)settings->job_concurrency,
        .lease_ms = settings->job_lease_seconds * 1000,
        .notice_lead_ms = settings->payment_due_soon_seconds * 1000,
        .http = {.allow_private = settings->webhook_allow_private,
                 .allow_http = settings->webhook_allow_private,
                 .connect_timeout_ms = timeout_ms < WEBHOOK_CONNECT_MS_MAX ? timeout_ms : WEBHOOK_CONNECT_MS_MAX,
                 .total_timeout_ms = timeout_ms,
                 .response_bytes_max = WEBHOOK_ANSWER_BYTES_MAX,
                 .excerpt_bytes_max = WEBHOOK_EXCERPT_BYTES,
                 .concurrency_max = (size_t)settings->job_concurrency,
                 .user_agent = "Holdfast",
                 .ca_bundle_path = settings->webhook_ca_file},
        .metrics = &server->job_metrics,
    };
    return settings->no_jobs || job_runner_new(&options, &server->runner, fault);
}

static bool start_runner(struct server *server, struct fault *fault)
{
    const struct server_settings *settings = server->settings;
    const struct job_kinds_options options = {
        .ops = server->database.ops,
        .store = server->database.store,
        .runner = server->runner,
        .metrics = &server->job_metrics,
        .webhook_retry = {.backoff_ms = settings->webhook_backoff_ms, .backoff_ms_max = WEBHOOK_BACKOFF_MS_MAX},
        .finished_keep_ms = settings->job_keep_hours * HOUR_MS,
        .finished_keep = (size_t)settings->job_keep_max,
        .dead_keep_ms = settings->dead_job_keep_days * 24 * HOUR_MS,
        .event_keep_ms = settings->event_keep_days * 24 * HOUR_MS,
        .prune_cron = settings->prune_schedule,
        .time_zone = settings->time_zone,
    };
    return server->runner == NULL ||
           (job_kinds_new(&options, &server->kinds, fault) && job_kinds_start(server->kinds, server->committer, fault));
}

static bool start_committer(struct server *server, struct fault *fault)
{
    const struct committer_options options = {
        .ops = server->database.ops,
        .store = server->database.store,
        .policy = {.hold_seconds_max = server->settings->max_hold_seconds,
                   .webhook_attempts_max = server->settings->webhook_attempts,
                   .webhook_disable_after_ms = server->settings->webhook_disable_hours * HOUR_MS},
        .queue_weight_max = (size_t)server->settings->queue_max,
        .batch_weight_max = (size_t)server->settings->batch_max,
        .sweep_max = SWEEP_MAX,
        .metrics = &server->metrics,
        .completed = server->api == NULL ? ignore_completed : api_notify,
        .context = server->api,
        .appended = server->api == NULL ? NULL : api_notify_appended,
        .jobs_changed = server->runner == NULL ? NULL : job_runner_notify,
        .jobs_context = server->runner,
    };
    return committer_start(&options, &server->committer, fault);
}

static bool start_http(struct server *server, struct fault *fault)
{
    const struct http_server_options options = {
        .host = server->address.host,
        .port = server->address.port,
        .connections_max = (size_t)server->settings->connections_max,
        .header_bytes_max = HEADER_BYTES_MAX,
        .body_bytes_max = BODY_BYTES_MAX,
        .buffered_bytes_max = (size_t)(server->settings->buffers_mib * MIB),
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

/* False, with a fault: something could not be started; what was is for stop_server to take apart. */
static bool start_everything(struct server *server, struct fault *fault)
{
    if (!open_store(server, fault) || !make_runner(server, fault)) {
        return false;
    }
    if (server->settings->listen == NULL) {
        return start_committer(server, fault) && start_runner(server, fault);
    }
    if (!start_api(server, fault) || !start_readers(server, fault) || !start_committer(server, fault) ||
        !start_runner(server, fault) || !start_http(server, fault)) {
        return false;
    }
    api_attach(server->api, server->committer, server->readers, server->http);
    return true;
}

static void log_started(const struct server *server)
{
    struct log_line line;
    log_begin(&line, LOG_INFO, EVENT_NAMES[server->role].started);
    if (server->http != NULL) {
        char listen[LISTEN_TEXT_LENGTH_MAX + 1];
        listen_address_format(&server->address, http_server_port(server->http), listen);
        json_c_field(&line.writer, "listen", listen);
    }
    json_c_field(&line.writer, "database", server->database.name);
    if (server->settings->read_database != NULL) {
        char name[DATABASE_URI_SHOWN_BYTES_MAX];
        database_uri_show(server->settings->read_database, name);
        json_c_field(&line.writer, "read_database", name);
    }
    if (server->migration.to_version > 0) {
        json_int64_field(&line.writer, "schema_version", server->migration.to_version);
    }
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
    bool is_done = server->is_drained && (server->api == NULL || api_is_idle(server->api)) &&
                   (server->runner == NULL || job_runner_is_idle(server->runner));
    if (!is_done && clock_monotonic_us() >= server->drain_until_us) {
        struct http_server_stats http = {0};
        if (server->http != NULL) {
            http = http_server_stats(server->http);
        }
        log_message(LOG_WARN, "drain_timed_out", "%zu connections and %zu requests are cut off", http.connections_open,
                    http.requests_in_flight);
        is_done = true;
    }
    if (is_done) {
        uv_timer_stop(timer);
        uv_stop(&server->loop);
    }
}

/* Whoever routes by /readyz has had its time. */
static void drain(uv_timer_t *timer)
{
    struct server *server = timer->data;
    server->drain_until_us = clock_monotonic_us() + server->settings->drain_seconds * 1000000;
    if (server->runner != NULL) { /* a little earlier, so that what is handed back is written */
        job_runner_drain(server->runner, server->drain_until_us - server->settings->drain_seconds * 1000000 / 5);
    }
    if (server->http == NULL) {
        server->is_drained = true;
    } else {
        api_set_draining(server->api);
        http_server_drain(server->http, on_drained, server);
    }
    uv_timer_start(timer, check_drain, 0, DRAIN_CHECK_MS);
}

static void begin_drain(uv_signal_t *handle, int signal_number)
{
    struct server *server = handle->data;
    log_message(LOG_INFO, EVENT_NAMES[server->role].draining, "%s; a second signal exits at once",
                strsignal(signal_number));
    /* The second signal must work even while the loop no longer runs: a plain handler instead of the loop's. */
    uv_signal_stop(&server->terminate);
    uv_signal_stop(&server->interrupt);
    const struct sigaction at_once = {.sa_handler = exit_at_once};
    sigaction(SIGTERM, &at_once, NULL);
    sigaction(SIGINT, &at_once, NULL);

    if (server->api != NULL) {
        api_set_unready(server->api);
    }
    uint64_t delay_ms = server->http == NULL ? 0 : (uint64_t)server->settings->drain_delay_seconds * 1000;
    uv_timer_start(&server->drain_check, drain, delay_ms, 0);
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

/* False: one of libuv's threads still asks a name server that does not answer, which nothing can stop. */
static bool run_out(uv_loop_t *loop)
{
    int64_t until_us = clock_monotonic_us() + RUN_OUT_US_MAX;
    while (uv_run(loop, UV_RUN_NOWAIT) != 0) {
        if (clock_monotonic_us() >= until_us) {
            return false;
        }
        uv_sleep(1);
    }
    return true;
}

/* From whatever point the start had reached. Commands still queued are finished, so that they are not left undecided;
 * their answers, where anybody still waits, go out in the one turn of the loop. */
static void stop_server(struct server *server)
{
    if (server->runner != NULL) {
        job_runner_stop(server->runner);
    }
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
    server->is_stuck = !run_out(&server->loop);
    job_runner_free(server->runner);
    job_kinds_free(server->kinds);
    if (server->committer != NULL) {
        committer_free(server->committer);
    }
    if (server->readers != NULL) {
        reader_pool_free(server->readers);
    }
    int status = server->is_stuck ? 0 : uv_loop_close(&server->loop);
    assert(status == 0);
    if (server->database.store != NULL) {
        database_close(&server->database);
    }
}

/* ---- The process ---- */

static int run(struct server *server)
{
    struct fault fault = {0};
    engine_metrics_init(&server->metrics);
    start_loop(server);
    bool ok = start_everything(server, &fault);
    if (ok) {
        listen_to_signals(server);
        log_started(server);
        uv_run(&server->loop, UV_RUN_DEFAULT);
    } else {
        log_message(LOG_ERROR, "start_failed", "%s", fault.detail);
    }
    stop_server(server);
    if (ok) {
        log_message(LOG_INFO, EVENT_NAMES[server->role].stopped, "the database is closed");
    }
    if (server->is_stuck) {
        _exit(ok ? EXIT_DONE : EXIT_FAILED); /* where exit would wait for it */
    }
    return ok ? EXIT_DONE : EXIT_FAILED;
}

int server_run(enum server_role role, const struct server_settings *settings)
{
    struct server server = {.role = role, .settings = settings};
    enum log_level level;
    const char *reason;
    if (!database_resolve(settings->database, &server.database) || !server_check_settings(settings, &server.database)) {
        return EXIT_WRONG_USAGE;
    }
    if (!log_level_parse(settings->log_level, &level)) {
        console_error("--log-level is debug, info, warn or error, not '%s'", settings->log_level);
        return EXIT_WRONG_USAGE;
    }
    if (settings->listen != NULL && !listen_address_parse(settings->listen, &server.address)) {
        console_error("--listen is written HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080, not '%s'",
                      settings->listen);
        return EXIT_WRONG_USAGE;
    }
    if (settings->listen != NULL && !listen_address_resolve(&server.address, &reason)) {
        console_error("cannot listen on %s: %s", settings->listen, reason);
        return EXIT_FAILED;
    }
    log_set_level(level);
    log_drop_when_stalled();
    environment_warn();
    return run(&server);
}
