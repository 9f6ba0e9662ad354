/* Jobs of servers that share a database: what they claim, what they do once. */

#include "conformance.h"

#include "domain/notify_payments.h"
#include "domain/place_order.h"
#include "domain/prune.h"
#include "domain/schedule_jobs.h"
#include "domain/webhooks.h"
#include "harness_jobs.h"
#include "servers.h"

#define LEASE_MS 30000

static int64_t count_jobs(struct harness *harness, enum job_state state, const char *queue)
{
    struct job **jobs;
    size_t count;
    bool more;
    const struct job_filter filter = {.has_state = true, .state = state, .queue = text_from_c(queue)};
    assert_ok(harness, harness->ops->read_jobs(harness->reader, harness->read_arena, &filter,
                                               &(struct page){.limit = 1000}, &jobs, &count, &more, &harness->fault));
    return (int64_t)count;
}

static size_t count_events(struct harness *harness, enum event_type type)
{
    struct event_row *rows;
    size_t count;
    bool more;
    bool found;
    const struct event_filter filter = {.has_type = true, .type = type};
    assert_ok(harness,
              harness->ops->read_events(harness->reader, harness->read_arena, &filter, &(struct page){.limit = 1000},
                                        &rows, &count, &more, &found, &harness->fault));
    return count;
}

static void what_two_claims_at_once_get_is_no_job_twice(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    enqueue(harness, "q", 10);
    struct outcome first = plan_claim(harness, 4, LEASE_MS);
    assert_int_equal(first.job_count, 4);
    change_turns(servers);
    struct outcome second = claim(harness, 10, LEASE_MS);
    assert_int_equal(second.job_count, 6);
    for (size_t i = 0; i < first.job_count; i++) {
        for (size_t j = 0; j < second.job_count; j++) {
            assert_false(uuid_equal(first.jobs[i].job->id, second.jobs[j].job->id));
        }
    }
    change_turns(servers);
    batch_commit(harness);
    assert_int_equal(count_jobs(harness, JOB_RUNNING, "q"), 10);
    assert_int_equal(claim(harness, 10, LEASE_MS).job_count, 0);
}

static void a_contested_queue_is_looked_at_again_soon(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    enqueue(harness, "narrow", 5);
    enqueue(harness, "wide", 1);
    limit_queue(harness, "narrow", 2);
    assert_int_equal(plan_claim(harness, 1, LEASE_MS).job_count, 1); /* has the narrow queue in hand */
    change_turns(servers);
    struct outcome outcome = claim(harness, 10, LEASE_MS);
    assert_true(outcome.job_count <= 1); /* of the wide one at most */
    assert_false(outcome.more);
    assert_in_range(outcome.next_ms - harness_now_ms, 1, 50);
    change_turns(servers);
    batch_commit(harness);
    change_turns(servers);
    (void)claim(harness, 10, LEASE_MS);
    assert_int_equal(count_jobs(harness, JOB_RUNNING, "narrow"), 2);
}

static void a_queue_that_another_server_set_is_a_conflict(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    const struct update_queue command = {.name = TEXT_LITERAL("q"), .has_paused = true, .is_paused = true};
    struct outcome outcome;
    enqueue(harness, "q", 1);
    limit_queue(harness, "q", 1);
    batch_begin(harness);
    update_queue_want(&command, &harness->wanted);
    batch_load(harness);
    update_queue_decide(&harness->facts, &command, &outcome);
    change_turns(servers);
    limit_queue(harness, "q", 2);
    change_turns(servers);
    assert_fault(harness, save_and_commit(harness), FAULT_CONFLICT);
    harness->ops->batch_rollback(harness->store);
}

static void a_lost_lease_keeps_its_place_until_it_is_taken_over(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    enqueue(harness, "narrow", 3);
    limit_queue(harness, "narrow", 1);
    struct uuid id = claim(harness, 10, 1000).jobs[0].job->id;
    change_turns(servers);
    assert_int_equal(claim(harness, 10, LEASE_MS).job_count, 0);
    harness_now_ms += 1001;
    struct outcome outcome = claim_soon(harness, 10, LEASE_MS);
    assert_int_equal(outcome.job_count, 1);
    assert_true(outcome.jobs[0].was_taken_over);
    assert_true(uuid_equal(outcome.jobs[0].job->id, id));
    assert_int_equal(count_jobs(harness, JOB_RUNNING, "narrow"), 1);
}

static void a_stalled_twin_cannot_finish_what_was_taken_over(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    enqueue(harness, "q", 1);
    struct job stalled = *claim(harness, 1, 1000).jobs[0].job;
    change_turns(servers);
    struct outcome early = claim(harness, 1, LEASE_MS);
    assert_int_equal(early.job_count, 0);
    assert_int_equal(early.next_ms, harness_now_ms + 1000);
    harness_now_ms += 1000;
    struct job taken = *claim_soon(harness, 1, LEASE_MS).jobs[0].job;
    assert_int_equal(taken.claim, 2);
    assert_int_equal(taken.attempt, 2);
    change_turns(servers);
    assert_int_equal(finish(harness, &stalled, JOB_RESULT_DONE), JOB_FENCED);
    change_turns(servers);
    assert_int_equal(finish(harness, &taken, JOB_RESULT_DONE), JOB_ACCEPTED);
    change_turns(servers);
    assert_int_equal(finish(harness, &stalled, JOB_RESULT_FAILED), JOB_FENCED);
    assert_int_equal(read_job(harness, taken.id)->state, JOB_COMPLETED);
}

static void a_key_that_another_server_scheduled_is_a_conflict(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    assert_int_equal(plan_keyed(harness, "k", JOB_KEY_KEEP).jobs[0].verdict, JOB_ACCEPTED);
    change_turns(servers);
    assert_int_equal(plan_keyed(harness, "k", JOB_KEY_KEEP).jobs[0].verdict, JOB_ACCEPTED);
    batch_commit(harness);
    change_turns(servers);
    assert_fault(harness, save_and_commit(harness), FAULT_CONFLICT);
    harness->ops->batch_rollback(harness->store);
    assert_int_equal(plan_keyed(harness, "k", JOB_KEY_KEEP).jobs[0].verdict, JOB_KEPT);
    harness->ops->batch_rollback(harness->store);
    assert_int_equal(count_jobs(harness, JOB_SCHEDULED, "keyed"), 1);
}

static void declare(struct harness *harness, int64_t next_ms)
{
    const struct job_schedule schedule = {.name = TEXT_LITERAL("nightly"),
                                          .queue = TEXT_LITERAL("maintenance"),
                                          .kind = TEXT_LITERAL("prune"),
                                          .cron = TEXT_LITERAL("0 3 * * *"),
                                          .time_zone = TEXT_LITERAL("Europe/Berlin"),
                                          .next_run_at_ms = next_ms};
    const struct declare_schedule command = {&schedule};
    struct outcome outcome;
    batch_begin(harness);
    declare_schedule_want(&command, &harness->wanted);
    batch_load(harness);
    declare_schedule_decide(&harness->facts, &command, &outcome);
    if (outcome.changed) {
        batch_commit(harness);
    } else {
        harness->ops->batch_rollback(harness->store);
    }
    assert_int_equal(outcome.next_ms, next_ms);
}

static bool plan_fire(struct harness *harness, int64_t due_ms)
{
    const struct fire_schedule command = {TEXT_LITERAL("nightly"), due_ms, INT64_MAX};
    struct outcome outcome;
    batch_begin(harness);
    fire_schedule_want(&command, &harness->wanted);
    batch_load(harness);
    fire_schedule_decide(&harness->facts, &command, &outcome);
    return outcome.changed;
}

static void a_schedule_is_fired_once(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    int64_t due_ms = harness_now_ms + 1000;
    declare(harness, due_ms);
    change_turns(servers);
    declare(harness, due_ms);
    harness_now_ms = due_ms;
    assert_true(plan_fire(harness, due_ms));
    change_turns(servers);
    assert_true(plan_fire(harness, due_ms));
    batch_commit(harness);
    change_turns(servers);
    assert_fault(harness, save_and_commit(harness), FAULT_CONFLICT);
    harness->ops->batch_rollback(harness->store);
    assert_false(plan_fire(harness, due_ms));
    harness->ops->batch_rollback(harness->store);
    assert_int_equal(count_jobs(harness, JOB_SCHEDULED, "maintenance"), 1);
}

static struct outcome plan_notices(struct harness *harness)
{
    const struct notify_payments command = {{.max = 2, .lead_ms = 300000}};
    struct outcome outcome;
    batch_begin(harness);
    notify_payments_want(&command, &harness->wanted);
    batch_load(harness);
    notify_payments_decide(&harness->facts, &command, &outcome);
    return outcome;
}

static void an_order_is_told_of_once(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 10);
    for (int i = 0; i < 3; i++) {
        (void)place_id(harness, "c", "a", 1); /* for 900 seconds */
    }
    assert_int_equal(plan_notices(harness).count, 0);
    harness->ops->batch_rollback(harness->store);
    harness_now_ms += 600000;
    struct outcome outcome = plan_notices(harness);
    assert_int_equal(outcome.count, 2);
    assert_true(outcome.more);
    change_turns(servers);
    assert_int_equal(plan_notices(harness).count, 0); /* the other has them in hand */
    harness->ops->batch_rollback(harness->store);
    change_turns(servers);
    batch_commit(harness);
    change_turns(servers);
    outcome = plan_notices(harness);
    assert_int_equal(outcome.count, 1);
    assert_false(outcome.more);
    batch_commit(harness);
    change_turns(servers);
    assert_int_equal(plan_notices(harness).count, 0);
    harness->ops->batch_rollback(harness->store);
    assert_int_equal(count_events(harness, EVENT_ORDER_PAYMENT_DUE_SOON), 3);
    assert_audit_clean(harness);
}

/* ---- Old rows ---- */

static struct outcome run_prune(struct harness *harness, const struct prune_wanted *wanted)
{
    const struct prune command = {*wanted};
    struct outcome outcome;
    batch_begin(harness);
    prune_want(&command, &harness->wanted);
    batch_load(harness);
    prune_decide(&harness->facts, &command, &outcome);
    if (outcome.changed) {
        batch_commit(harness);
    } else {
        harness->ops->batch_rollback(harness->store);
    }
    return outcome;
}

static void old_rows_go_in_slices_and_leave_no_gap(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 100);
    for (int i = 0; i < 20; i++) {
        (void)place_id(harness, "c", "a", 1);
    }
    enqueue(harness, "q", 20);
    struct outcome outcome = claim(harness, 20, LEASE_MS);
    struct job jobs[20];
    for (size_t i = 0; i < 20; i++) {
        jobs[i] = *outcome.jobs[i].job;
    }
    for (size_t i = 0; i < 20; i++) {
        harness_now_ms++;
        assert_int_equal(finish(harness, &jobs[i], i < 4 ? JOB_RESULT_HOPELESS : JOB_RESULT_DONE), JOB_ACCEPTED);
    }
    const struct prune_wanted wanted = {.max = 5,
                                        .finished_before_ms = INT64_MIN,
                                        .finished_keep = 3,
                                        .dead_before_ms = harness_now_ms,
                                        .events_before_ms = harness_now_ms + 1};
    int slices = 0;
    while (run_prune(harness, &wanted).more) {
        change_turns(servers);
        slices++;
    }
    assert_true(slices >= 3);
    assert_int_equal(count_jobs(harness, JOB_COMPLETED, "q"), 3);
    assert_int_equal(count_jobs(harness, JOB_DEAD, "q"), 0);
    assert_int_equal(count_from_audit(harness, "events"), 1); /* the last one stays */
    assert_audit_clean(harness);
}

static void what_is_in_hand_is_not_pruned(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    const struct prune_wanted wanted = {
        .max = 5, .finished_before_ms = harness_now_ms + 1, .dead_before_ms = INT64_MIN, .events_before_ms = INT64_MIN};
    enqueue(harness, "q", 2);
    struct outcome outcome = claim(harness, 2, LEASE_MS);
    const struct job jobs[] = {*outcome.jobs[0].job, *outcome.jobs[1].job};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(finish(harness, &jobs[i], JOB_RESULT_DONE), JOB_ACCEPTED);
    }
    batch_begin(harness);
    wanted_add_job(&harness->wanted, &jobs[0].id);
    batch_load(harness);
    change_turns(servers);
    (void)run_prune(harness, &wanted);
    assert_non_null(read_job(harness, jobs[0].id));
    assert_null(read_job(harness, jobs[1].id));
    change_turns(servers);
    harness->ops->batch_rollback(harness->store);
    (void)run_prune(harness, &wanted);
    assert_null(read_job(harness, jobs[0].id));
}

static void connect_endpoint(struct harness *harness)
{
    struct outcome outcome;
    batch_begin(harness);
    batch_load(harness);
    create_endpoint_decide(&harness->facts,
                           &(struct create_endpoint){.url = TEXT_LITERAL("https://example.com/"),
                                                     .concurrency = 1,
                                                     .secret = TEXT_LITERAL("whsec_x")},
                           &outcome);
    batch_commit(harness);
}

/* With its deliveries. */
static void place_told(struct harness *harness, const char *sku, int64_t quantity)
{
    struct outcome outcome;
    struct place_order_line line = {text_from_c(sku), quantity};
    struct place_order order = {.customer_id = TEXT_LITERAL("c"), .lines = &line, .line_count = 1, .hold_seconds = 60};
    batch_begin(harness);
    place_order_want(&order, &harness->wanted);
    batch_load(harness);
    place_order_decide(&harness->facts, &order, &outcome);
    event_stock_thresholds(&harness->facts);
    webhooks_enqueue(&harness->facts);
    assert_ok(harness, save_and_commit(harness));
}

/* Though the one that comes second has a clock that is behind. */
static void deliveries_of_two_servers_start_in_the_order_of_their_events(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 1000);
    connect_endpoint(harness);
    for (int i = 0; i < 20; i++) {
        place_told(harness, "a", 1);
        change_turns(servers);
        harness_now_ms += i % 2 == 0 ? -1 : 2;
    }
    harness_now_ms += 1000;
    int64_t last = 0;
    for (int i = 0; i < 20; i++) {
        const struct outcome outcome = claim_soon(harness, 10, LEASE_MS);
        assert_int_equal(outcome.job_count, 1); /* one at a time */
        const struct job job = *outcome.jobs[0].job;
        assert_true(job.event_sequence > last);
        last = job.event_sequence;
        assert_int_equal(finish(harness, &job, JOB_RESULT_DONE), JOB_ACCEPTED);
    }
}

const struct CMUnitTest CONFORMANCE_SHARED_JOB_TESTS[] = {
    ON_TWO_SERVERS(what_two_claims_at_once_get_is_no_job_twice),
    ON_TWO_SERVERS(a_contested_queue_is_looked_at_again_soon),
    ON_TWO_SERVERS(a_queue_that_another_server_set_is_a_conflict),
    ON_TWO_SERVERS(a_lost_lease_keeps_its_place_until_it_is_taken_over),
    ON_TWO_SERVERS(a_stalled_twin_cannot_finish_what_was_taken_over),
    ON_TWO_SERVERS(a_key_that_another_server_scheduled_is_a_conflict),
    ON_TWO_SERVERS(a_schedule_is_fired_once),
    ON_TWO_SERVERS(an_order_is_told_of_once),
    ON_TWO_SERVERS(old_rows_go_in_slices_and_leave_no_gap),
    ON_TWO_SERVERS(what_is_in_hand_is_not_pruned),
    ON_TWO_SERVERS(deliveries_of_two_servers_start_in_the_order_of_their_events),
};
const size_t CONFORMANCE_SHARED_JOB_TEST_COUNT =
    sizeof(CONFORMANCE_SHARED_JOB_TESTS) / sizeof(CONFORMANCE_SHARED_JOB_TESTS[0]);
