/* What a database does that several servers share: whoever is slower finds out, and what somebody has in hand is left to
 * it. Here stock and orders. */

#include "conformance.h"

#include "domain/expire_order.h"
#include "domain/idempotency.h"
#include "domain/pay_order.h"
#include "domain/place_order.h"
#include "harness_jobs.h"
#include "servers.h"

#define LEASE_MS 30000

static void a_guard_meets_the_faster_server(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 10);
    (void)plan_order(harness, "first"); /* nothing was written before: nothing is locked */
    harness->ops->batch_rollback(harness->store);
    (void)plan_order(harness, "second");
    change_turns(servers);
    (void)place_id(harness, "c", "a", 3);
    change_turns(servers);
    assert_fault(harness, save_and_commit(harness), FAULT_CONFLICT);
    harness->ops->batch_rollback(harness->store);
    assert_int_equal(read_variant(harness, "a")->stock.reserved_quantity, 3);

    (void)plan_order(harness, "second"); /* planned again, this time behind a lock */
    assert_ok(harness, save_and_commit(harness));
    assert_int_equal(read_variant(harness, "a")->stock.reserved_quantity, 4);
    assert_audit_clean(harness);
}

static void what_another_server_sweeps_is_left_to_it(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    struct uuid due[4];
    size_t count;
    bool more;
    (void)make_variant(harness, "a", 10);
    (void)make_variant(harness, "b", 10);
    struct uuid first = place_id(harness, "c", "a", 1);
    struct uuid second = place_id(harness, "c", "b", 1);
    harness_now_ms += 900000;
    batch_begin(harness); /* has the first in hand */
    assert_ok(harness, harness->ops->batch_due(harness->store, harness_now_ms, 4, due, &count, &more, &harness->fault));
    assert_int_equal(count, 2);
    wanted_add_due(&harness->wanted, &first);
    harness->wanted.due_known = 1;
    batch_load(harness);
    assert_true(harness->facts.overdue_left); /* the second */

    change_turns(servers);
    batch_begin(harness);
    assert_ok(harness, harness->ops->batch_due(harness->store, harness_now_ms, 4, due, &count, &more, &harness->fault));
    assert_int_equal(count, 2);
    wanted_add_due(&harness->wanted, &due[0]);
    wanted_add_due(&harness->wanted, &due[1]);
    harness->wanted.due_known = 2;
    batch_load(harness); /* does not wait */
    assert_true(facts_is_elsewhere(&harness->facts, &first));
    assert_false(facts_is_elsewhere(&harness->facts, &second));
    assert_false(harness->facts.overdue_left);
    assert_true(expire_order_decide(&harness->facts, facts_order(&harness->facts, &second)));
    batch_commit(harness);

    change_turns(servers);
    assert_true(expire_order_decide(&harness->facts, facts_order(&harness->facts, &first)));
    batch_commit(harness);
    assert_int_equal(count_from_audit(harness, "orders expired"), 2);

    change_turns(servers); /* whose list still has it */
    batch_begin(harness);
    wanted_add_due(&harness->wanted, &first);
    batch_load(harness);
    assert_true(facts_is_elsewhere(&harness->facts, &first));
    harness->ops->batch_rollback(harness->store);
    assert_audit_clean(harness);
}

static void timeouts_that_another_server_made_are_seen(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    struct uuid due[4];
    size_t count;
    bool more;
    int64_t due_ms;
    (void)make_variant(harness, "a", 1);
    assert_ok(harness, harness->ops->next_due(harness->store, &due_ms, &harness->fault));
    assert_true(due_ms == INT64_MAX);
    change_turns(servers);
    (void)place_id(harness, "c", "a", 1);
    change_turns(servers);
    harness_now_ms += 900000;
    batch_begin(harness);
    wanted_add_sku(&harness->wanted, TEXT_LITERAL("a"));
    batch_load(harness);
    assert_true(harness->facts.overdue_left); /* so no order is refused for its stock */
    harness->ops->batch_rollback(harness->store);
    batch_begin(harness);
    assert_ok(harness, harness->ops->batch_due(harness->store, harness_now_ms, 4, due, &count, &more, &harness->fault));
    assert_int_equal(count, 1);
    harness->ops->batch_rollback(harness->store);
}

static void a_key_that_another_server_took_is_a_conflict(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 10);
    (void)make_variant(harness, "b", 10);
    (void)plan_order_of(harness, "key", "a");
    change_turns(servers);
    struct uuid id = plan_order_of(harness, "key", "b");
    assert_ok(harness, save_and_commit(harness));
    change_turns(servers);
    assert_fault(harness, save_and_commit(harness), FAULT_CONFLICT);
    harness->ops->batch_rollback(harness->store);
    assert_int_equal(read_variant(harness, "a")->stock.reserved_quantity, 0);

    struct uuid other = place_id(harness, "c", "a", 1);
    plan_payment(harness, &id, "pi_1");
    change_turns(servers);
    plan_payment(harness, &other, "pi_1");
    assert_ok(harness, save_and_commit(harness));
    change_turns(servers);
    assert_fault(harness, save_and_commit(harness), FAULT_CONFLICT);
    harness->ops->batch_rollback(harness->store);
    assert_int_equal(pay(harness, id, "pi_1").code, OUTCOME_PAYMENT_REFERENCE_USED);
    assert_audit_clean(harness);
}

static void what_is_committed_meanwhile_does_not_show_in_what_was_loaded(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 10);
    (void)plan_order(harness, "key");
    const struct variant *loaded = facts_variant(&harness->facts, TEXT_LITERAL("a"));
    assert_int_equal(loaded->loaded_stock.reserved_quantity, 0);
    change_turns(servers);
    (void)place_id(harness, "c", "a", 3);
    (void)adjust(harness, "a", 5);
    change_turns(servers);
    assert_int_equal(loaded->loaded_stock.reserved_quantity, 0);
    assert_int_equal(loaded->stock.stock_quantity, 10);
    harness->ops->batch_rollback(harness->store);
    assert_int_equal(read_variant(harness, "a")->stock.reserved_quantity, 3);
    assert_audit_clean(harness);
}

static void what_is_rolled_back_lets_go(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 10);
    struct uuid id = place_id(harness, "c", "a", 1);
    enqueue(harness, "q", 2);
    harness_now_ms += 900000;
    assert_int_equal(plan_claim(harness, 2, LEASE_MS).job_count, 2);
    wanted_add_order(&harness->wanted, &id);
    batch_load(harness);
    assert_true(expire_order_decide(&harness->facts, facts_order(&harness->facts, &id)));
    assert_ok(harness, harness->ops->batch_save(harness->store, &harness->facts, &harness->fault));
    harness->ops->batch_rollback(harness->store);
    assert_int_equal(read_order(harness, id)->status, ORDER_DRAFT);
    change_turns(servers);
    assert_int_equal(expire_due(harness, 10), 1);
    assert_int_equal(claim_soon(harness, 10, LEASE_MS).job_count, 2);
    assert_audit_clean(harness);
}

/* The payment has the order in hand: the sweep leaves it to it, and so it is paid, and not expired and revived. */
static void a_payment_in_hand_is_not_swept(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 10);
    struct uuid id = place_id(harness, "c", "a", 1);
    harness_now_ms += 899999;
    plan_payment(harness, &id, "pi_1");
    change_turns(servers);
    harness_now_ms += 1;
    batch_begin(harness);
    wanted_add_due(&harness->wanted, &id);
    batch_load(harness);
    assert_true(facts_is_elsewhere(&harness->facts, &id));
    harness->ops->batch_rollback(harness->store);
    change_turns(servers);
    batch_commit(harness);
    change_turns(servers);
    assert_int_equal(expire_due(harness, 10), 0);
    assert_int_equal(read_order(harness, id)->status, ORDER_PAID);
    assert_false(read_order(harness, id)->revived);
    assert_audit_clean(harness);
}

const struct CMUnitTest CONFORMANCE_SHARED_TESTS[] = {
    ON_TWO_SERVERS(a_guard_meets_the_faster_server),
    ON_TWO_SERVERS(a_key_that_another_server_took_is_a_conflict),
    ON_TWO_SERVERS(what_is_committed_meanwhile_does_not_show_in_what_was_loaded),
    ON_TWO_SERVERS(what_is_rolled_back_lets_go),
    ON_TWO_SERVERS(a_payment_in_hand_is_not_swept),
    ON_TWO_SERVERS(what_another_server_sweeps_is_left_to_it),
    ON_TWO_SERVERS(timeouts_that_another_server_made_are_seen),
};
const size_t CONFORMANCE_SHARED_TEST_COUNT = sizeof(CONFORMANCE_SHARED_TESTS) / sizeof(CONFORMANCE_SHARED_TESTS[0]);
