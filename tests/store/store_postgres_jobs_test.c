/* Workers that share a database: what they claim, what they tell each other, what they do once. */

#include "conformance.h"

#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "domain/webhooks.h"
#include "harness_jobs.h"
#include "postgres_schemas.h"
#include "postgres_servers.h"
#include "store/postgres/postgres_store.h"

#define LEASE_MS 30000

static long long count_of(const struct harness *harness, const char *what)
{
    char sql[512];
    (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", what);
    return strtoll(postgres_schemas_run(harness->location, sql), NULL, 10);
}

/* ---- Workers side by side ---- */

struct worker {
    struct store *store;
    struct arena *arena;
    struct uuid_source ids;
    bool finishes;
    atomic_int *running; /* of both */
    atomic_int *peak;
    size_t claimed;
    struct fault fault;
    bool ok;
    pthread_t thread;
};

static void begin_facts(struct worker *worker, struct wanted *wanted, struct facts *facts, int64_t now_ms)
{
    arena_clear(worker->arena);
    wanted_init(wanted, worker->arena);
    facts_init(facts, worker->arena, now_ms, &worker->ids, (struct policy){.hold_seconds_max = 3600});
}

/* What another worker was faster with is planned again. */
static bool run_claim(struct worker *worker, struct outcome *ret_outcome)
{
    const struct claim_jobs command = {.max = 7, .lease_ms = LEASE_MS};
    for (int i = 0; i < 20; i++) {
        struct wanted wanted;
        struct facts facts;
        int64_t now_ms;
        if (!POSTGRES_STORE.batch_begin(worker->store, &now_ms, &worker->fault)) {
            return false;
        }
        begin_facts(worker, &wanted, &facts, now_ms);
        claim_jobs_want(&command, &wanted);
        if (POSTGRES_STORE.batch_load(worker->store, &wanted, &facts, &worker->fault)) {
            claim_jobs_decide(&facts, &command, ret_outcome);
            if (POSTGRES_STORE.batch_save(worker->store, &facts, &worker->fault) &&
                POSTGRES_STORE.batch_commit(worker->store, &worker->fault)) {
                return true;
            }
        }
        POSTGRES_STORE.batch_rollback(worker->store);
        if (worker->fault.kind != FAULT_CONFLICT) {
            return false;
        }
    }
    return false;
}

static bool run_finish(struct worker *worker, const struct outcome *claimed)
{
    struct wanted wanted;
    struct facts facts;
    int64_t now_ms;
    struct outcome outcome;
    struct job_result results[7];
    for (size_t i = 0; i < claimed->job_count; i++) {
        results[i] = (struct job_result){
            .job_id = claimed->jobs[i].job->id, .claim = claimed->jobs[i].job->claim, .kind = JOB_RESULT_DONE};
    }
    const struct finish_jobs command = {results, claimed->job_count};
    if (!POSTGRES_STORE.batch_begin(worker->store, &now_ms, &worker->fault)) {
        return false;
    }
    begin_facts(worker, &wanted, &facts, now_ms);
    finish_jobs_want(&command, &wanted);
    if (!POSTGRES_STORE.batch_load(worker->store, &wanted, &facts, &worker->fault)) {
        return false;
    }
    finish_jobs_decide(&facts, &command, &outcome);
    for (size_t i = 0; i < outcome.job_count; i++) {
        if (outcome.jobs[i].verdict != JOB_ACCEPTED) {
            return fault_set(&worker->fault, FAULT_INTERNAL, "a job was somebody else's, too");
        }
    }
    return POSTGRES_STORE.batch_save(worker->store, &facts, &worker->fault) &&
           POSTGRES_STORE.batch_commit(worker->store, &worker->fault);
}

static void note_peak(struct worker *worker, int running)
{
    int peak = atomic_load(worker->peak);
    while (running > peak && !atomic_compare_exchange_weak(worker->peak, &peak, running)) {}
}

/* Until nothing was there for it twenty times. */
static void *work(void *argument)
{
    struct worker *worker = argument;
    struct outcome outcome;
    for (int idle = 0; idle < 20;) {
        if (!run_claim(worker, &outcome)) {
            return NULL;
        }
        idle = outcome.job_count == 0 ? idle + 1 : 0;
        if (outcome.job_count == 0) {
            (void)usleep(5000);
            continue;
        }
        worker->claimed += outcome.job_count;
        note_peak(worker, atomic_fetch_add(worker->running, (int)outcome.job_count) + (int)outcome.job_count);
        if (worker->finishes) {
            (void)atomic_fetch_sub(worker->running, (int)outcome.job_count);
            if (!run_finish(worker, &outcome)) {
                return NULL;
            }
        }
    }
    worker->ok = true;
    return NULL;
}

/* Returns how many were claimed, and the most that ran at once. */
static size_t work_together(struct servers *servers, bool finishes, int *ret_peak)
{
    struct worker workers[2] = {{.store = servers->harness->store}, {.store = servers->other.store}};
    atomic_int running = 0;
    atomic_int peak = 0;
    size_t claimed = 0;
    for (int i = 0; i < 2; i++) {
        workers[i].arena = arena_new((size_t)64 * 1024);
        workers[i].finishes = finishes;
        workers[i].running = &running;
        workers[i].peak = &peak;
        uuid_source_init(&workers[i].ids, NULL, NULL);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        if (!workers[i].ok) {
            fail_msg("%s: %s", fault_kind_name(workers[i].fault.kind), workers[i].fault.detail);
        }
        claimed += workers[i].claimed;
        arena_free(workers[i].arena);
    }
    *ret_peak = atomic_load(&peak);
    return claimed;
}

static void what_two_workers_claim_is_claimed_once(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    int peak;
    for (int i = 0; i < 5; i++) {
        enqueue(harness, i % 2 == 0 ? "even" : "odd", 1000);
    }
    assert_int_equal(work_together(servers, false, &peak), 5000);
    assert_int_equal(peak, 5000);
    assert_int_equal(count_of(harness, "jobs WHERE state = 'running' AND claim = 1 AND attempt = 1"), 5000);
    assert_audit_clean(harness);
}

static void a_limited_queue_never_runs_more_than_its_limit(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    int peak;
    enqueue(harness, "narrow", 400);
    limit_queue(harness, "narrow", 3);
    assert_int_equal(work_together(servers, true, &peak), 400);
    assert_in_range(peak, 1, 3);
    assert_int_equal(count_of(harness, "jobs WHERE state = 'completed' AND claim = 1"), 400);
}

/* ---- What is in somebody's hand ---- */

static void what_a_share_left_is_more(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    enqueue(harness, "long", 100);
    enqueue(harness, "short", 1);
    struct outcome outcome = claim(harness, 10, LEASE_MS);
    assert_in_range(outcome.job_count, 5, 9);
    assert_true(outcome.more);
    limit_queue(harness, "long", (int64_t)outcome.job_count);
    (void)claim(harness, 10, LEASE_MS);
    assert_false(claim(harness, 10, LEASE_MS).more); /* it is the limit that keeps it */
}

static PGconn *lock_somewhere_else(const struct harness *harness, const char *sql)
{
    PGconn *somebody = PQconnectdb(harness->location);
    /* A test that fails does not keep it for ever. */
    PQclear(PQexec(somebody, "SET idle_in_transaction_session_timeout = '20s'; BEGIN"));
    PGresult *locked = PQexec(somebody, sql);
    assert_int_equal(PQresultStatus(locked), PGRES_TUPLES_OK);
    PQclear(locked);
    return somebody;
}

static void a_claim_does_not_wait_for_a_job_that_stays_locked(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    enqueue(harness, "q", 5);
    PGconn *somebody = lock_somewhere_else(
        harness, "SELECT FROM jobs WHERE job_id = (SELECT min(job_id::text)::uuid FROM jobs) FOR UPDATE");
    int64_t begin_us = clock_monotonic_us();
    assert_int_equal(claim(harness, 10, LEASE_MS).job_count, 4);
    assert_true(clock_monotonic_us() - begin_us < 1000000);
    PQfinish(somebody);
    assert_int_equal(claim_soon(harness, 10, LEASE_MS).job_count, 1);
}

static void whoever_wants_a_job_that_stays_locked_is_told(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    enqueue(harness, "q", 1);
    struct job job = *claim(harness, 1, LEASE_MS).jobs[0].job;
    (void)plan_keyed(harness, "k", JOB_KEY_REFUSE);
    batch_commit(harness);
    PGconn *somebody = lock_somewhere_else(harness, "SELECT FROM jobs FOR UPDATE");
    batch_begin(harness);
    harness->wanted.skip_locked = true;
    struct uuid unknown = {{1}};
    wanted_add_job(&harness->wanted, &job.id);
    wanted_add_job(&harness->wanted, &unknown);
    wanted_add_job_key(&harness->wanted, TEXT_LITERAL("work"), TEXT_LITERAL("k"));
    batch_load(harness);
    struct wanted asked;
    wanted_init(&asked, harness->arena);
    wanted_add_job(&asked, &unknown);
    wanted_add_job_key(&asked, TEXT_LITERAL("work"), TEXT_LITERAL("other"));
    assert_false(facts_lack_locked(&harness->facts, &asked));
    wanted_add_job_key(&asked, TEXT_LITERAL("work"), TEXT_LITERAL("k"));
    assert_true(facts_lack_locked(&harness->facts, &asked));
    wanted_init(&asked, harness->arena);
    wanted_add_job(&asked, &job.id);
    assert_true(facts_lack_locked(&harness->facts, &asked));
    harness->ops->batch_rollback(harness->store);
    PQfinish(somebody);
    assert_int_equal(finish(harness, &job, JOB_RESULT_DONE), JOB_ACCEPTED);
}

/* ---- Old snapshots ---- */

/* Jobs that came and went while somebody keeps a snapshot: so many that a look from the front is dear. */
static PGconn *leave_dead_entries(const struct harness *harness)
{
    PGconn *somebody = PQconnectdb(harness->location);
    PQclear(PQexec(
        somebody,
        "SET idle_in_transaction_session_timeout = '60s'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM jobs"));
    for (int i = 0; i < 4; i++) {
        (void)postgres_schemas_run(
            harness->location,
            "INSERT INTO jobs (job_id, queue, kind, state, run_at, priority, attempt, max_attempts, claim, created_at) "
            "SELECT gen_random_uuid(), 'q', 'work', 'scheduled', '2026-11-22 09:40Z'::timestamptz + i * interval '1 ms', "
            "5, 0, 3, 0, '2026-11-22 09:40Z' FROM generate_series(1, 20000) i");
        (void)postgres_schemas_run(harness->location, "UPDATE jobs SET state = 'completed', finished_at = run_at "
                                                      "WHERE state = 'scheduled'");
    }
    return somebody;
}

static void an_old_snapshot_hides_no_job(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    enqueue(harness, "q", 1);
    assert_int_equal(claim(harness, 10, LEASE_MS).job_count, 1);
    PGconn *somebody = leave_dead_entries(harness);
    assert_int_equal(claim(harness, 10, LEASE_MS).job_count, 0); /* a dear look: the next ones do without */
    for (int i = 0; i < 20; i++) {
        harness_now_ms += 10;
        enqueue(harness, "q", 2);
        (void)enqueue_at(harness, "new", i % 10, 0);
        change_turns(servers);
        enqueue(harness, "q", 1); /* by another server, of which this one knows nothing */
        change_turns(servers);
        struct outcome outcome = claim(harness, 10, LEASE_MS);
        assert_int_equal(outcome.job_count, 4);
        struct job job = *outcome.jobs[i % 4].job;
        assert_int_equal(finish(harness, &job, JOB_RESULT_GIVEN_BACK), JOB_ACCEPTED); /* to its old place */
        assert_int_equal(claim(harness, 10, LEASE_MS).job_count, 1);
    }
    PQfinish(somebody);
}

/* ---- Many at once ---- */

static void a_batch_changes_all_endpoints_and_queues_that_there_are(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    struct uuid ids[WEBHOOK_ENDPOINTS_MAX];
    struct outcome outcome;
    batch_begin(harness);
    batch_load(harness);
    for (int i = 0; i < WEBHOOK_ENDPOINTS_MAX; i++) {
        const struct create_endpoint command = {
            .url = TEXT_LITERAL("https://example.com/"), .concurrency = 2, .secret = TEXT_LITERAL("whsec_x")};
        create_endpoint_decide(&harness->facts, &command, &outcome);
        assert_int_equal(outcome.code, OUTCOME_ENDPOINT_CREATED);
        ids[i] = outcome.endpoint->id;
    }
    batch_commit(harness);
    batch_begin(harness);
    for (int i = 0; i < WEBHOOK_ENDPOINTS_MAX; i++) {
        update_endpoint_want(&(struct update_endpoint){.endpoint_id = ids[i]}, &harness->wanted);
    }
    batch_load(harness);
    for (int i = 0; i < WEBHOOK_ENDPOINTS_MAX; i++) {
        const struct update_endpoint command = {
            .endpoint_id = ids[i], .has_status = true, .status = WEBHOOK_DISABLED, .concurrency = 3};
        update_endpoint_decide(&harness->facts, &command, &outcome);
        assert_int_equal(outcome.code, OUTCOME_ENDPOINT_UPDATED);
    }
    batch_commit(harness);
    assert_int_equal(count_of(harness, "webhook_endpoints WHERE status = 'disabled' AND version = 2"), 100);
    assert_int_equal(count_of(harness, "job_queues WHERE concurrency = 3"), 100);
    batch_begin(harness);
    delete_endpoint_want(&(struct delete_endpoint){ids[0]}, &harness->wanted);
    batch_load(harness);
    delete_endpoint_decide(&harness->facts, &(struct delete_endpoint){ids[0]}, &outcome);
    batch_commit(harness);
    assert_int_equal(count_of(harness, "webhook_endpoints"), 99);
    assert_int_equal(count_of(harness, "job_queues WHERE name LIKE 'webhook:%'"), 99);
}

/* ---- Watches ---- */

struct calls {
    int pipe[2];
};

static void note_call(void *context, int64_t job_at_ms)
{
    const struct calls *calls = context;
    assert_int_equal(write(calls->pipe[1], &job_at_ms, sizeof(job_at_ms)), sizeof(job_at_ms));
}

/* INT64_MIN: there was no call in time. */
static int64_t next_call(const struct calls *calls, int wait_ms)
{
    struct pollfd descriptor = {.fd = calls->pipe[0], .events = POLLIN};
    int64_t job_at_ms;
    if (poll(&descriptor, 1, wait_ms) <= 0) {
        return INT64_MIN;
    }
    assert_int_equal(read(calls->pipe[0], &job_at_ms, sizeof(job_at_ms)), sizeof(job_at_ms));
    return job_at_ms;
}

static void a_watch_is_told_what_another_server_made(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    struct calls calls;
    struct watch *watch;
    assert_int_equal(pipe(calls.pipe), 0);
    assert_ok(harness, harness->ops->watch_start(harness->store, note_call, &calls, &watch, &harness->fault));
    assert_int_equal(next_call(&calls, 5000), 0); /* it listens: look */
    enqueue(harness, "q", 1);
    assert_int_equal(next_call(&calls, 200), INT64_MIN); /* that was ours */
    change_turns(servers);
    int64_t run_at_ms = harness_now_ms + 5000;
    (void)enqueue_at(harness, "q", 5, run_at_ms);
    assert_int_equal(next_call(&calls, 100), run_at_ms);
    assert_string_not_equal(postgres_schemas_run(harness->location,
                                                 "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                                                 "WHERE query LIKE '%LISTEN%' AND pid <> pg_backend_pid()"),
                            "0");
    assert_int_equal(next_call(&calls, 5000), 0); /* it listens again */
    (void)enqueue_at(harness, "q", 5, run_at_ms + 1);
    assert_int_equal(next_call(&calls, 100), run_at_ms + 1);
    int64_t begin_us = clock_monotonic_us();
    harness->ops->watch_stop(watch);
    assert_true(clock_monotonic_us() - begin_us < 500000);
    enqueue(harness, "q", 1);
    assert_int_equal(next_call(&calls, 50), INT64_MIN);
    (void)close(calls.pipe[0]);
    (void)close(calls.pipe[1]);
    change_turns(servers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TWO_SERVERS(what_two_workers_claim_is_claimed_once),
        WITH_TWO_SERVERS(a_limited_queue_never_runs_more_than_its_limit),
        WITH_TWO_SERVERS(what_a_share_left_is_more),
        WITH_TWO_SERVERS(a_claim_does_not_wait_for_a_job_that_stays_locked),
        WITH_TWO_SERVERS(whoever_wants_a_job_that_stays_locked_is_told),
        WITH_TWO_SERVERS(an_old_snapshot_hides_no_job),
        WITH_TWO_SERVERS(a_batch_changes_all_endpoints_and_queues_that_there_are),
        WITH_TWO_SERVERS(a_watch_is_told_what_another_server_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
