/* Background jobs without HTTP: the engine, one or two runners with a kind that does nothing, and a store of their own.
 * Usage: job_bench CASE DATABASE [--jobs N] [--workers N] [--seconds N] [--rate N] [--snapshot]
 * DATABASE is sqlite:PATH, or a URI of PostgreSQL, where it makes a schema of its own, job_bench, anew. The cases:
 * enqueue, due, idle, steady; what each measures is in bench/README.md. Prints one JSON line. */

#include <assert.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/committer.h"
#include "jobs/job_runner.h"
#include "store/postgres/postgres_store.h"
#include "store/sqlite/sqlite_store.h"

#define WORKERS_MAX 2
#define COMMAND_JOBS_MAX 1000
#define IN_FLIGHT_MAX 4
#define CONCURRENCY 500
#define IDLE_GAP_MS 50
#define DELAY_MS 100 /* idle, steady: from enqueued to due */
#define TICK_MS 10   /* steady: a command each */
#define WINDOW_MS 10000
#define PATIENCE_MS 120000

static const char KIND[] = "nothing";
static const char SQLITE_SCHEME[] = "sqlite:";
static const char SCHEMA_OPTION[] = "options=-csearch_path%3Djob_bench";

static struct {
    const struct store_ops *ops;
    const char *database; /* as given, without sqlite: */
    char location[4096];
    size_t jobs; /* 0: the case's own */
    size_t workers;
    size_t seconds;
    size_t rate;
    bool snapshot;
} settings = {.workers = 1, .seconds = 120, .rate = 1000};

struct worker {
    struct store *store;
    struct engine_metrics engine_metrics;
    struct job_metrics job_metrics;
    struct job_runner *runner;
    struct committer *committer;
};

/* A start, as its handler saw it. */
struct start {
    int64_t due_ms;
    int64_t late_us;
};

static struct {
    pthread_mutex_t mutex;
    struct start *starts;
    size_t count;
    size_t capacity;
} seen = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static pthread_mutex_t completed_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t completed_cond = PTHREAD_COND_INITIALIZER;
static struct worker workers[WORKERS_MAX];
static struct fault fault;

static void die(const char *message)
{
    fprintf(stderr, "job_bench: %s\n", message);
    exit(1);
}

static void check(bool ok)
{
    if (!ok) {
        fprintf(stderr, "job_bench: %s: %s\n", fault_kind_name(fault.kind), fault.detail);
        exit(1);
    }
}

static int64_t real_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void sleep_until(int64_t unix_ms)
{
    struct timespec until = {unix_ms / 1000, unix_ms % 1000 * 1000000};
    while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) != 0) {}
}

/* ---- The kind ---- */

static void start_nothing(void *context, struct job_run **runs, size_t count)
{
    (void)context;
    int64_t now_us = real_us();
    pthread_mutex_lock(&seen.mutex);
    for (size_t i = 0; i < count && seen.count < seen.capacity; i++) {
        int64_t due_ms = job_run_job(runs[i])->run_at_ms;
        seen.starts[seen.count++] = (struct start){due_ms, now_us - due_ms * 1000};
    }
    pthread_mutex_unlock(&seen.mutex);
    for (size_t i = 0; i < count; i++) {
        job_run_finish(runs[i], &(struct job_finish){.kind = JOB_RESULT_DONE});
    }
}

static void expect_starts(size_t count)
{
    seen.capacity = count;
    seen.starts = memory_zalloc(count, sizeof(*seen.starts));
}

static size_t count_starts(void)
{
    pthread_mutex_lock(&seen.mutex);
    size_t count = seen.count;
    pthread_mutex_unlock(&seen.mutex);
    return count;
}

static void wait_starts(size_t count)
{
    int64_t patience_ms = clock_unix_ms() + PATIENCE_MS;
    while (count_starts() < count) {
        if (clock_unix_ms() > patience_ms) {
            die("not all jobs were started in time");
        }
        sleep_until(clock_unix_ms() + 5);
    }
}

static int compare_late(const void *a, const void *b)
{
    int64_t first = ((const struct start *)a)->late_us;
    int64_t second = ((const struct start *)b)->late_us;
    return (first > second) - (first < second);
}

/* Of sorted ones. */
static double late_ms(const struct start *starts, size_t count, double share)
{
    size_t place = (size_t)((double)count * share);
    return (double)starts[place < count ? place : count - 1].late_us / 1000;
}

/* ---- The database ---- */

static void run_sql(PGconn *connection, const char *sql)
{
    PGresult *result = PQexec(connection, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK) {
        die(PQerrorMessage(connection));
    }
    PQclear(result);
}

static void make_database(void)
{
    char file[4096 + 8];
    static const char *const ends[] = {"", "-wal", "-shm", "-lock"};
    const char *database = settings.database;
    assert(database != NULL); /* as the options were read */
    if (settings.ops == &POSTGRES_STORE) {
        PGconn *connection = PQconnectdb(database);
        run_sql(connection, "SET client_min_messages = warning; DROP SCHEMA IF EXISTS job_bench CASCADE; "
                            "CREATE SCHEMA job_bench; CHECKPOINT");
        PQfinish(connection);
        (void)snprintf(settings.location, sizeof(settings.location), "%s%c%s", database,
                       strchr(database, '?') == NULL ? '?' : '&', SCHEMA_OPTION);
        return;
    }
    (void)snprintf(settings.location, sizeof(settings.location), "%s", database);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        (void)snprintf(file, sizeof(file), "%s%s", settings.location, ends[i]);
        (void)unlink(file);
    }
}

/* With its indexes; of SQLite the whole file, and only while no store is open: closing wrote the log into it. */
static int64_t jobs_bytes(void)
{
    if (settings.ops == &SQLITE_STORE) {
        struct stat file;
        return stat(settings.location, &file) == 0 ? file.st_size : 0;
    }
    PGconn *connection = PQconnectdb(settings.location);
    PGresult *result = PQexec(connection, "SELECT pg_total_relation_size('jobs')");
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        die(PQerrorMessage(connection));
    }
    int64_t bytes = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    PQfinish(connection);
    return bytes;
}

static PGconn *hold_snapshot(void)
{
    PGconn *connection = PQconnectdb(settings.location);
    run_sql(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    run_sql(connection, "SELECT 1");
    return connection;
}

/* ---- The workers ---- */

static void note_completed(void *context)
{
    (void)context;
    pthread_mutex_lock(&completed_mutex);
    pthread_cond_broadcast(&completed_cond);
    pthread_mutex_unlock(&completed_mutex);
}

static void open_store(struct worker *worker)
{
    struct store_options options = {
        .location = settings.location, .create = true, .serve = worker == &workers[0]}; /* others as `work` does */
    struct migration_report report;
    assert(settings.ops != NULL); /* as the options were read */
    check(settings.ops->open(&options, &worker->store, &fault));
    check(settings.ops->migrate(worker->store, &report, &fault));
}

static void start_worker(struct worker *worker)
{
    open_store(worker);
    engine_metrics_init(&worker->engine_metrics);
    const struct job_runner_options runner_options = {
        .ops = settings.ops,
        .store = worker->store,
        .concurrency_max = CONCURRENCY,
        .lease_ms = 30000,
        .http = {.connect_timeout_ms = 1000,
                 .total_timeout_ms = 1000,
                 .response_bytes_max = 1024,
                 .excerpt_bytes_max = 100,
                 .concurrency_max = 1,
                 .user_agent = "job_bench"},
        .metrics = &worker->job_metrics,
    };
    check(job_runner_new(&runner_options, &worker->runner, &fault));
    const struct committer_options committer_options = {
        .ops = settings.ops,
        .store = worker->store,
        .policy = {.hold_seconds_max = 3600},
        .queue_weight_max = 20000,
        .batch_weight_max = 1000,
        .sweep_max = 1000,
        .metrics = &worker->engine_metrics,
        .completed = note_completed,
        .jobs_changed = job_runner_notify,
        .jobs_context = worker->runner,
    };
    check(committer_start(&committer_options, &worker->committer, &fault));
    const struct job_kind kind = {
        .name = KIND, .batch_max = CONCURRENCY, .retry = {1000, 1000}, .start = start_nothing};
    check(job_runner_start(worker->runner, worker->committer, &kind, 1, NULL, 0, &fault));
}

static void stop_worker(struct worker *worker)
{
    job_runner_drain(worker->runner, clock_monotonic_us() + 5000000);
    while (!job_runner_is_idle(worker->runner)) {
        sleep_until(clock_unix_ms() + 5);
    }
    job_runner_stop(worker->runner);
    committer_stop(worker->committer);
    job_runner_free(worker->runner);
    committer_free(worker->committer);
    settings.ops->close(worker->store);
}

/* ---- Enqueuing, all by the first worker's committer ---- */

/* The jobs' due times: `due_ms`, and each `step_us` after the one before it. */
static struct command *make_command(size_t count, int64_t due_ms, size_t first, int64_t step_us)
{
    struct command *command = memory_zalloc(1, sizeof(*command));
    struct new_job *jobs = memory_zalloc(count, sizeof(*jobs));
    for (size_t i = 0; i < count; i++) {
        jobs[i] = (struct new_job){
            .queue = TEXT_LITERAL("default"),
            .kind = text_from_c(KIND),
            .payload = TEXT_LITERAL("{\"order\":\"01890a5d-ac96-774b-bcce-b302099a8057\"}"),
            .run_at_ms = due_ms + (int64_t)(first + i) * step_us / 1000,
            .priority = JOB_PRIORITY_DEFAULT,
            .max_attempts = 3,
        };
    }
    command->kind = COMMAND_ENQUEUE_JOBS;
    command->input.enqueue_jobs = (struct enqueue_jobs){jobs, count};
    return command;
}

static void submit(struct command *command)
{
    if (!committer_submit(workers[0].committer, command)) {
        die("the queue is full");
    }
}

/* Waits for at least one answer where `wait`; how many came. */
static size_t take_answers(bool wait)
{
    size_t count = 0;
    pthread_mutex_lock(&completed_mutex);
    struct command *command = committer_take_completed(workers[0].committer);
    while (wait && command == NULL) {
        pthread_cond_wait(&completed_cond, &completed_mutex);
        command = committer_take_completed(workers[0].committer);
    }
    pthread_mutex_unlock(&completed_mutex);
    while (command != NULL) {
        struct command *next = command->next;
        if (command->outcome.code != OUTCOME_JOBS_ENQUEUED) {
            die("jobs were not taken");
        }
        committer_release(workers[0].committer, command);
        free((void *)(uintptr_t)command->input.enqueue_jobs.jobs);
        free(command);
        command = next;
        count++;
    }
    return count;
}

/* How long it took, in seconds. */
static double enqueue_all(size_t jobs, int64_t due_ms, int64_t step_us)
{
    size_t in_flight = 0;
    int64_t started_us = clock_monotonic_us();
    for (size_t first = 0; first < jobs; first += COMMAND_JOBS_MAX) {
        size_t count = jobs - first < COMMAND_JOBS_MAX ? jobs - first : COMMAND_JOBS_MAX;
        while (in_flight == IN_FLIGHT_MAX) {
            in_flight -= take_answers(true);
        }
        submit(make_command(count, due_ms, first, step_us));
        in_flight++;
    }
    while (in_flight > 0) {
        in_flight -= take_answers(true);
    }
    return (double)(clock_monotonic_us() - started_us) / 1000000;
}

/* ---- The cases ---- */

static void start_workers(void)
{
    for (size_t i = 0; i < settings.workers; i++) {
        start_worker(&workers[i]);
    }
}

static void stop_workers(void)
{
    for (size_t i = settings.workers; i > 0; i--) {
        stop_worker(&workers[i - 1]);
    }
}

static void print_head(const char *name)
{
    printf("{\"case\":\"%s\",\"system\":\"holdfast\",\"store\":\"%s\",\"workers\":%zu", name, settings.ops->name,
           settings.workers);
}

static void print_lateness(void)
{
    qsort(seen.starts, seen.count, sizeof(*seen.starts), compare_late);
    printf(",\"jobs\":%zu,\"p50_ms\":%.1f,\"p99_ms\":%.1f,\"last_ms\":%.1f}\n", seen.count,
           late_ms(seen.starts, seen.count, 0.5), late_ms(seen.starts, seen.count, 0.99),
           late_ms(seen.starts, seen.count, 1));
}

static void case_enqueue(void)
{
    size_t jobs = settings.jobs > 0 ? settings.jobs : 100000;
    open_store(&workers[0]);
    settings.ops->close(workers[0].store);
    int64_t empty = jobs_bytes();
    start_workers();
    double seconds = enqueue_all(jobs, clock_unix_ms() + 3600000, 1000);
    stop_workers();
    print_head("enqueue");
    printf(",\"jobs\":%zu,\"per_second\":%.0f,\"bytes\":%.0f}\n", jobs, (double)jobs / seconds,
           (double)(jobs_bytes() - empty) / (double)jobs);
}

static void case_due(void)
{
    size_t jobs = settings.jobs > 0 ? settings.jobs : 10000;
    expect_starts(jobs);
    start_workers();
    int64_t due_ms = clock_unix_ms() + 2000 + (int64_t)jobs / 10;
    (void)enqueue_all(jobs, due_ms, 0);
    if (clock_unix_ms() + 500 > due_ms) {
        die("enqueuing took too long: the jobs are due already");
    }
    wait_starts(jobs);
    stop_workers();
    print_head("due");
    print_lateness();
}

static void case_idle(void)
{
    size_t jobs = settings.jobs > 0 ? settings.jobs : 200;
    expect_starts(jobs);
    start_workers();
    int64_t begin_ms = clock_unix_ms() + 500;
    for (size_t i = 0; i < jobs; i++) {
        sleep_until(begin_ms + (int64_t)i * IDLE_GAP_MS);
        submit(make_command(1, clock_unix_ms() + DELAY_MS, 0, 0));
        (void)take_answers(true);
    }
    wait_starts(jobs);
    stop_workers();
    print_head("idle");
    print_lateness();
}

/* The starts of the jobs that fell due in a window, sorted, in `ret_starts`. */
static size_t starts_in(int64_t from_ms, struct start *ret_starts)
{
    size_t count = 0;
    for (size_t i = 0; i < seen.count; i++) {
        if (seen.starts[i].due_ms >= from_ms && seen.starts[i].due_ms < from_ms + WINDOW_MS) {
            ret_starts[count++] = seen.starts[i];
        }
    }
    qsort(ret_starts, count, sizeof(*ret_starts), compare_late);
    return count;
}

static void print_windows(int64_t begin_ms)
{
    struct start *starts = memory_zalloc(seen.count, sizeof(*starts));
    printf(",\"p99_ms\":[");
    for (size_t i = 0; i < settings.seconds * 1000 / WINDOW_MS; i++) {
        size_t count = starts_in(begin_ms + (int64_t)i * WINDOW_MS, starts);
        printf("%s%.1f", i == 0 ? "" : ",", count == 0 ? -1.0 : late_ms(starts, count, 0.99));
    }
    printf("]");
    free(starts);
}

static void case_steady(void)
{
    size_t a_tick = settings.rate * TICK_MS / 1000;
    size_t ticks = settings.seconds * 1000 / TICK_MS;
    expect_starts(a_tick * ticks);
    start_workers();
    PGconn *snapshot = settings.snapshot ? hold_snapshot() : NULL;
    int64_t begin_ms = clock_unix_ms() + 500;
    for (size_t i = 0; i < ticks; i++) {
        int64_t tick_ms = begin_ms + (int64_t)i * TICK_MS;
        sleep_until(tick_ms);
        submit(make_command(a_tick, tick_ms + DELAY_MS, 0, 0));
        (void)take_answers(false);
    }
    sleep_until(begin_ms + (int64_t)ticks * TICK_MS + DELAY_MS);
    size_t backlog = a_tick * ticks - count_starts();
    wait_starts(a_tick * ticks);
    (void)take_answers(false);
    PQfinish(snapshot);
    print_head("steady");
    printf(",\"snapshot\":%s,\"rate\":%zu,\"backlog\":%zu", settings.snapshot ? "true" : "false", settings.rate,
           backlog);
    print_windows(begin_ms + DELAY_MS);
    printf("}\n");
    stop_workers();
}

static void read_options(int count, char **arguments)
{
    static const struct {
        const char *name;
        size_t *value;
    } numbers[] = {{"--jobs", &settings.jobs},
                   {"--workers", &settings.workers},
                   {"--seconds", &settings.seconds},
                   {"--rate", &settings.rate}};
    for (int i = 0; i < count; i++) {
        bool known = strcmp(arguments[i], "--snapshot") == 0;
        settings.snapshot = settings.snapshot || known;
        for (size_t j = 0; !known && j < sizeof(numbers) / sizeof(numbers[0]); j++) {
            if (i + 1 < count && strcmp(arguments[i], numbers[j].name) == 0) {
                *numbers[j].value = strtoul(arguments[++i], NULL, 10);
                known = true;
            }
        }
        if (!known) {
            die("the options are --jobs, --workers, --seconds, --rate and --snapshot");
        }
    }
}

int main(int argument_count, char **arguments)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"enqueue", case_enqueue}, {"due", case_due}, {"idle", case_idle}, {"steady", case_steady}};
    if (argument_count < 3) {
        die("usage: job_bench enqueue|due|idle|steady DATABASE [options]");
    }
    bool is_sqlite = strncmp(arguments[2], SQLITE_SCHEME, strlen(SQLITE_SCHEME)) == 0;
    settings.ops = is_sqlite ? &SQLITE_STORE : &POSTGRES_STORE;
    settings.database = arguments[2] + (is_sqlite ? strlen(SQLITE_SCHEME) : 0);
    read_options(argument_count - 3, arguments + 3);
    if (settings.workers < 1 || settings.workers > WORKERS_MAX || (is_sqlite && settings.snapshot)) {
        die("one worker, or two; a snapshot on PostgreSQL only");
    }
    make_database();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (strcmp(arguments[1], cases[i].name) == 0) {
            cases[i].run();
            return 0;
        }
    }
    die("there is no such case");
}
