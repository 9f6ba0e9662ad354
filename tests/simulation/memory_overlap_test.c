/* What only the store in memory does: nothing is waited for, so that what PostgreSQL's locks keep apart overlaps here, and
 * has to be found out at the commit. */

#include "../store/harness_jobs.h"
#include "../store/servers.h"

#include <stdio.h>
#include <string.h>

#include "domain/cancel_order.h"
#include "domain/expire_order.h"
#include "domain/pay_order.h"
#include "memory_store.h"

#define LEASE_MS 30000

static void prepare(char *ret_location, size_t size)
{
    (void)snprintf(ret_location, size, "memory:shared");
}

static const struct store_under_test MEMORY = {&MEMORY_STORE, prepare, memory_database_discard};

static int setup(void **state)
{
    *state = servers_open(&MEMORY);
    return 0;
}

static int teardown(void **state)
{
    servers_close(*state);
    return 0;
}

static void assert_too_late(struct harness *harness)
{
    assert_fault(harness, save_and_commit(harness), FAULT_CONFLICT);
    harness->ops->batch_rollback(harness->store);
    assert_audit_clean(harness);
}

/* ---- Orders ---- */

static void plan_expiry(struct harness *harness, struct uuid *order_id)
{
    batch_begin(harness);
    wanted_add_due(&harness->wanted, order_id);
    batch_load(harness);
    assert_false(facts_is_elsewhere(&harness->facts, order_id));
    assert_true(expire_order_decide(&harness->facts, facts_order(&harness->facts, order_id)));
}

static void of_an_expiry_and_a_payment_one_wins(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 10);
    struct uuid paid = place_id(harness, "c", "a", 1);
    struct uuid expired = place_id(harness, "c", "a", 2);
    harness_now_ms += 900000;

    plan_expiry(harness, &paid);
    change_turns(servers);
    assert_int_equal(pay(harness, paid, "pi_1").code, OUTCOME_ORDER_PAID);
    change_turns(servers);
    assert_too_late(harness);
    assert_int_equal(read_order(harness, paid)->status, ORDER_PAID);

    plan_payment(harness, &expired, "pi_2");
    change_turns(servers);
    assert_int_equal(expire_due(harness, 10), 1); /* which asks for it as for any order */
    change_turns(servers);
    assert_too_late(harness);
    assert_int_equal(read_order(harness, expired)->status, ORDER_EXPIRED);
    assert_int_equal(pay(harness, expired, "pi_2").code, OUTCOME_ORDER_PAID);
    assert_true(read_order(harness, expired)->revived);
    assert_int_equal(read_variant(harness, "a")->stock.stock_quantity, 7);
    assert_audit_clean(harness);
}

static void an_order_that_changed_in_hand_is_planned_again(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 10);
    struct uuid id = place_id(harness, "c", "a", 1);
    plan_payment(harness, &id, "pi_1");
    change_turns(servers);
    assert_int_equal(cancel(harness, id, "changed my mind").code, OUTCOME_ORDER_CANCELLED);
    change_turns(servers);
    assert_too_late(harness);
    assert_int_equal(pay(harness, id, "pi_1").code, OUTCOME_PAID_AFTER_CANCEL);
    assert_audit_clean(harness);
}

/* What a batch found out about an order that it does not change counts, too: PostgreSQL would have kept it locked. */
static void an_order_that_was_only_looked_at_counts(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 10);
    (void)make_variant(harness, "b", 10);
    struct uuid looked_at = place_id(harness, "c", "a", 1);
    struct uuid changed = place_id(harness, "c", "b", 1);
    plan_payment(harness, &changed, "pi_1");
    wanted_add_order(&harness->wanted, &looked_at);
    batch_load(harness);
    change_turns(servers);
    assert_int_equal(cancel(harness, looked_at, "no").code, OUTCOME_ORDER_CANCELLED);
    change_turns(servers);
    assert_too_late(harness);
    assert_int_equal(read_order(harness, changed)->status, ORDER_DRAFT);
}

static void whoever_skips_leaves_out_what_is_in_hand(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 10);
    struct uuid kept = place_id(harness, "c", "a", 1);
    struct uuid free = place_id(harness, "c", "a", 1);
    struct uuid job = enqueue_at(harness, "q", 5, 0);
    assert_int_equal(plan_claim(harness, 1, LEASE_MS).job_count, 1);
    wanted_add_order(&harness->wanted, &kept);
    batch_load(harness);
    change_turns(servers);
    batch_begin(harness);
    harness->wanted.skip_locked = true;
    wanted_add_order(&harness->wanted, &kept);
    wanted_add_order(&harness->wanted, &free);
    wanted_add_job(&harness->wanted, &job);
    batch_load(harness);
    assert_non_null(facts_order(&harness->facts, &free));
    assert_null(facts_order(&harness->facts, &kept));
    assert_null(facts_job(&harness->facts, &job));
    assert_int_equal(harness->facts.locked_orders.count, 1);
    assert_int_equal(harness->facts.locked_jobs.count, 1);
    assert_true(facts_lack_locked(&harness->facts, &harness->wanted));
    harness->ops->batch_rollback(harness->store);
}

/* ---- Jobs ---- */

/* Its holder says that it lives, after somebody has begun to take its job over: one of the two is told otherwise. */
static void a_renewal_and_a_takeover_are_not_both_accepted(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    enqueue(harness, "q", 1);
    const struct job held = *claim(harness, 1, 1000).jobs[0].job;
    harness_now_ms += 1000;
    struct outcome taken = plan_claim(harness, 1, LEASE_MS);
    assert_int_equal(taken.job_count, 1);
    assert_true(taken.jobs[0].was_taken_over);
    change_turns(servers);
    const struct job_renewal renewal = {.job_id = held.id, .claim = held.claim, .progress = 50};
    const struct renew_jobs renew = {&renewal, 1, LEASE_MS};
    struct outcome renewed;
    batch_begin(harness);
    renew_jobs_want(&renew, &harness->wanted);
    batch_load(harness);
    renew_jobs_decide(&harness->facts, &renew, &renewed);
    assert_int_equal(renewed.jobs[0].verdict, JOB_ACCEPTED);
    assert_ok(harness, save_and_commit(harness));
    change_turns(servers);
    assert_too_late(harness);
    assert_int_equal(claim(harness, 1, LEASE_MS).job_count, 0);
    assert_int_equal(read_job(harness, held.id)->claim, 1);
    assert_int_equal(read_job(harness, held.id)->progress, 50);
}

static void a_claim_does_not_outrun_a_limit_that_is_lowered(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    enqueue(harness, "narrow", 5);
    limit_queue(harness, "narrow", 4);
    assert_int_equal(plan_claim(harness, 10, LEASE_MS).job_count, 4);
    change_turns(servers);
    limit_queue(harness, "narrow", 1);
    change_turns(servers);
    assert_too_late(harness);
    assert_int_equal(claim(harness, 10, LEASE_MS).job_count, 1);
}

struct calls {
    size_t count;
    int64_t job_at_ms;
};

static void note_call(void *context, int64_t job_at_ms)
{
    struct calls *calls = context;
    calls->count++;
    calls->job_at_ms = job_at_ms;
}

static void a_watch_is_told_before_the_commit_is_over(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    struct calls calls = {0};
    struct watch *watch;
    assert_ok(harness, harness->ops->watch_start(harness->store, note_call, &calls, &watch, &harness->fault));
    enqueue(harness, "q", 1);
    assert_int_equal(calls.count, 0); /* that was ours */
    change_turns(servers);
    (void)enqueue_at(harness, "q", 5, harness_now_ms + 5000);
    assert_int_equal(calls.count, 1);
    assert_int_equal(calls.job_at_ms, harness_now_ms + 5000);
    harness->ops->watch_stop(watch);
    enqueue(harness, "q", 1);
    assert_int_equal(calls.count, 1);
    change_turns(servers);
}

/* ---- The database ---- */

static void a_server_that_is_killed_leaves_the_database_and_holds_nothing(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    const struct store_options options = {.location = harness->location, .unix_ms = harness_clock};
    (void)make_variant(harness, "a", 10);
    struct uuid id = place_id(harness, "c", "a", 1);
    enqueue(harness, "q", 1);
    change_turns(servers);
    harness_now_ms += 900000;
    assert_int_equal(plan_claim(harness, 1, LEASE_MS).job_count, 1);
    wanted_add_order(&harness->wanted, &id);
    batch_load(harness);
    assert_ok(harness, harness->ops->batch_save(harness->store, &harness->facts, &harness->fault));
    harness->ops->close(harness->store); /* in the middle of it */
    change_turns(servers);
    assert_int_equal(expire_due(harness, 10), 1);
    assert_int_equal(claim(harness, 1, LEASE_MS).job_count, 1);
    assert_audit_clean(harness);

    harness_reopen(harness); /* nobody has it open meanwhile */
    assert_int_equal(read_order(harness, id)->status, ORDER_EXPIRED);
    assert_ok(harness, harness->ops->open(&options, &servers->other.store, &harness->fault));
}

static void a_database_is_made_migrated_and_discarded(void **state)
{
    const struct store_ops *ops = &MEMORY_STORE;
    struct store_options options = {.location = "memory:other", .unix_ms = harness_clock};
    struct store *store;
    struct fault fault;
    struct migration_report report;
    int64_t now_ms;
    (void)state;
    assert_false(ops->open(&options, &store, &fault));
    assert_int_equal(fault.kind, FAULT_UNAVAILABLE);
    options.create = true;
    for (int i = 0; i < 2; i++) {
        assert_true(ops->open(&options, &store, &fault));
        assert_false(ops->schema_check(store, &fault));
        assert_int_equal(fault.kind, FAULT_SCHEMA);
        assert_false(ops->batch_begin(store, &now_ms, &fault));
        assert_int_equal(fault.kind, FAULT_SCHEMA);
        assert_true(ops->migrate(store, &report, &fault));
        assert_true(report.from_version < report.to_version);
        assert_true(ops->batch_begin(store, &now_ms, &fault));
        ops->batch_rollback(store);
        ops->close(store);
        memory_database_discard(options.location); /* and all of it begins anew */
    }
    memory_database_discard(options.location);
}

/* All events of a day, each with its number, id, time and data. */
static struct text log_of_a_day(struct arena *arena)
{
    struct harness *harness = harness_open(&(struct store_under_test){&MEMORY_STORE, prepare, memory_database_discard});
    const struct event_filter any = {.has_type = false};
    struct event_row *rows;
    size_t count;
    bool more;
    bool found;
    struct buffer log;
    buffer_init(&log, (size_t)16 * 1024 * 1024);
    random_day(harness, 600);
    assert_ok(harness,
              harness->ops->read_events(harness->reader, harness->read_arena, &any, &(struct page){.limit = 5000},
                                        &rows, &count, &more, &found, &harness->fault));
    assert_true(count > 200);
    for (size_t i = 0; i < count; i++) {
        char id[UUID_TEXT_LENGTH + 1];
        uuid_format(rows[i].id, id);
        buffer_append_format(&log, "%lld %s %lld %.*s\n", (long long)rows[i].sequence, id,
                             (long long)rows[i].created_at_ms, (int)rows[i].data.length, rows[i].data.bytes);
    }
    struct text text = arena_text(arena, buffer_text(&log));
    buffer_done(&log);
    harness_close(harness);
    return text;
}

static void the_same_day_has_the_same_log(void **state)
{
    struct arena *arena = arena_new((size_t)1024 * 1024);
    (void)state;
    struct text first = log_of_a_day(arena);
    assert_true(text_equal(first, log_of_a_day(arena)));
    arena_free(arena);
}

#define WITH_TWO_SERVERS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TWO_SERVERS(of_an_expiry_and_a_payment_one_wins),
        WITH_TWO_SERVERS(an_order_that_changed_in_hand_is_planned_again),
        WITH_TWO_SERVERS(an_order_that_was_only_looked_at_counts),
        WITH_TWO_SERVERS(whoever_skips_leaves_out_what_is_in_hand),
        WITH_TWO_SERVERS(a_renewal_and_a_takeover_are_not_both_accepted),
        WITH_TWO_SERVERS(a_claim_does_not_outrun_a_limit_that_is_lowered),
        WITH_TWO_SERVERS(a_watch_is_told_before_the_commit_is_over),
        WITH_TWO_SERVERS(a_server_that_is_killed_leaves_the_database_and_holds_nothing),
        cmocka_unit_test(a_database_is_made_migrated_and_discarded),
        cmocka_unit_test(the_same_day_has_the_same_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
