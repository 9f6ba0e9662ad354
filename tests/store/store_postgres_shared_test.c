/* What only a database that several servers share has to do: a second store on the same schema is the other server. */

#include "conformance.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domain/catalogue.h"
#include "domain/expire_order.h"
#include "domain/idempotency.h"
#include "domain/place_order.h"
#include "postgres_schemas.h"
#include "postgres_servers.h"
#include "store/postgres/postgres_store.h"

/* The number of the row's or the log's bytes that changed meanwhile. */
static long long log_position(const struct harness *harness)
{
    return strtoll(postgres_schemas_run(harness->location, "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"), NULL,
                   10);
}

static const char *terminate_others(const struct harness *harness)
{
    return postgres_schemas_run(harness->location,
                                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                                "WHERE application_name = 'holdfast' AND query NOT LIKE '%pg_stat_activity%' "
                                "AND pid <> pg_backend_pid()");
}

static const char *turns_taken(const struct harness *harness)
{
    return postgres_schemas_run(harness->location, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND "
                                                   "objid = (hashtext(current_schema())::bigint & 4294967295)::oid");
}

static bool takes_turns(struct harness *harness)
{
    harness->ops->await_turn(harness->store);
    bool has_turn = !text_equal_c(TEXT_LITERAL("0"), turns_taken(harness));
    if (has_turn) {
        (void)plan_order(harness, "turn");
        harness->ops->batch_rollback(harness->store); /* the turn ends with the batch, whatever becomes of it */
        assert_string_equal(turns_taken(harness), "0");
    }
    return has_turn;
}

/* On a machine that stands still now and then, a load that took long looks like one that waited for others. */
static void wait_until_alone(struct harness *harness)
{
    for (int i = 0; takes_turns(harness); i++) {
        assert_true(i < 100);
        (void)usleep(100000);
    }
}

/* Its commit took longer than it lasts, and the server that made it died over that. */
static void a_hold_that_comes_after_its_deadline_is_seen_within_a_second(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    int64_t due_ms;
    (void)make_variant(harness, "a", 1);
    harness_now_ms += 901000;
    for (int i = 0; i < 2; i++) {
        assert_ok(harness, harness->ops->next_due(harness->store, &due_ms, &harness->fault));
        assert_true(due_ms == INT64_MAX);
    }
    harness_now_ms -= 901000;
    change_turns(servers);
    (void)place_id(harness, "c", "a", 1); /* for 900 seconds */
    change_turns(servers);
    harness_now_ms += 902000;
    (void)usleep(1100000);
    assert_ok(harness, harness->ops->next_due(harness->store, &due_ms, &harness->fault));
    assert_true(due_ms < harness_now_ms);
}

static void refusals_write_nothing(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 0);
    for (int i = 0; i < 2; i++) { /* the first may still lock */
        batch_begin(harness);
        wanted_add_sku(&harness->wanted, TEXT_LITERAL("a"));
        batch_load(harness);
        harness->ops->batch_rollback(harness->store);
    }
    long long written = -1;
    for (int round = 0; round < 100 && written != 0; round++) { /* the server writes of its own accord, for seconds */
        (void)usleep((useconds_t)round * 2000);
        (void)postgres_schemas_run(harness->location, "CHECKPOINT"); /* nothing of others is left to be written */
        long long before = log_position(harness);
        for (int i = 0; i < 50; i++) {
            batch_begin(harness);
            wanted_add_sku(&harness->wanted, TEXT_LITERAL("a"));
            batch_load(harness);
            harness->ops->batch_rollback(harness->store);
        }
        written = log_position(harness) - before;
    }
    assert_int_equal(written, 0);
}

static void a_lost_connection_between_batches_is_not_noticed(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 10);
    (void)place_id(harness, "c", "a", 1);
    assert_string_not_equal(terminate_others(harness), "0");
    (void)place_id(harness, "c", "a", 1);
    assert_int_equal(read_variant(harness, "a")->stock.reserved_quantity, 2);
    assert_audit_clean(harness);
}

static void a_connection_lost_before_the_commit_is_planned_again(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 10);
    (void)place_id(harness, "c", "a", 1);
    (void)plan_order(harness, "key");
    assert_string_not_equal(terminate_others(harness), "0");
    assert_fault(harness, save_and_commit(harness), FAULT_CONFLICT); /* it asked: the batch is not there */
    harness->ops->batch_rollback(harness->store);
    struct uuid id = plan_order(harness, "key");
    assert_ok(harness, save_and_commit(harness));
    assert_non_null(read_order(harness, id));
    assert_int_equal(read_variant(harness, "a")->stock.reserved_quantity, 2);
    assert_audit_clean(harness);
}

static void a_row_that_stays_locked_is_left_out(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "kept", 10);
    (void)make_variant(harness, "a", 10);
    struct uuid kept = place_id(harness, "c", "kept", 1);
    struct uuid free = place_id(harness, "c", "a", 1);
    PGconn *somebody = PQconnectdb(harness->location);
    PQclear(PQexec(somebody, "BEGIN; SELECT FROM stock_levels WHERE variant_id = (SELECT variant_id FROM "
                             "product_variants WHERE sku = 'kept') FOR UPDATE"));
    wait_until_alone(harness);
    (void)plan_order_of(harness, "key", "kept"); /* to read it is no matter */
    assert_fault(harness, save_and_commit(harness), FAULT_TIMEOUT);
    harness->ops->batch_rollback(harness->store);

    batch_begin(harness);
    wanted_add_order(&harness->wanted, &free);
    wanted_add_order(&harness->wanted, &kept);
    wanted_add_sku(&harness->wanted, TEXT_LITERAL("a"));
    wanted_add_sku(&harness->wanted, TEXT_LITERAL("kept"));
    wanted_add_sku(&harness->wanted, TEXT_LITERAL("none"));
    harness->wanted.skip_locked = true;
    batch_load(harness);
    assert_non_null(facts_variant(&harness->facts, TEXT_LITERAL("a")));
    assert_non_null(facts_order(&harness->facts, &free));
    assert_int_equal(harness->facts.locked_skus.count, 1);
    assert_int_equal(harness->facts.locked_orders.count, 1);
    struct wanted of_kept;
    wanted_init(&of_kept, harness->arena);
    wanted_add_order(&of_kept, &kept);
    assert_true(facts_lack_locked(&harness->facts, &of_kept));
    wanted_init(&of_kept, harness->arena);
    wanted_add_sku(&of_kept, TEXT_LITERAL("none"));
    wanted_add_order(&of_kept, &free);
    assert_false(facts_lack_locked(&harness->facts, &of_kept));
    harness->ops->batch_rollback(harness->store);
    PQfinish(somebody);
    assert_int_equal(pay(harness, kept, "pi_1").code, OUTCOME_ORDER_PAID);
    assert_audit_clean(harness);
}

/* Ours is planned, and theirs is done first. */
static void be_too_late(struct servers *servers)
{
    struct harness *harness = servers->harness;
    wait_until_alone(harness);
    (void)plan_order(harness, "key");
    change_turns(servers);
    (void)place_id(harness, "c", "a", 1);
    change_turns(servers);
    assert_fault(harness, save_and_commit(harness), FAULT_CONFLICT);
    harness->ops->batch_rollback(harness->store);
}

static void whoever_met_others_takes_turns(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 10);
    be_too_late(servers);
    assert_true(takes_turns(harness));
    wait_until_alone(harness); /* in a while */

    be_too_late(servers);
    harness->ops->await_turn(harness->store);
    assert_string_equal(turns_taken(harness), "1");
    (void)plan_order(harness, "key");
    assert_ok(harness, save_and_commit(harness)); /* a batch in its turn is a transaction like any other */
    assert_string_equal(turns_taken(harness), "0");
    assert_int_equal(read_variant(harness, "a")->stock.reserved_quantity, 3);
    (void)postgres_schemas_run(harness->location, "DELETE FROM idempotency_keys");

    be_too_late(servers);
    harness->ops->await_turn(harness->store);
    assert_string_not_equal(terminate_others(harness), "0"); /* a turn that was lost with its connection is no turn */
    (void)place_id(harness, "c", "a", 1);
    assert_audit_clean(harness);
}

/* Somebody holds the order's row for a moment. */
static void pay_and_wait(struct harness *harness, struct uuid id)
{
    PGconn *somebody = PQconnectdb(harness->location);
    PQclear(PQexec(somebody, "BEGIN; SELECT FROM orders FOR UPDATE"));
    assert_true(PQsendQuery(somebody, "SELECT pg_sleep(0.3); COMMIT"));
    assert_int_equal(pay(harness, id, "pi_1").code, OUTCOME_ORDER_PAID);
    for (PGresult *result = PQgetResult(somebody); result != NULL; result = PQgetResult(somebody)) {
        assert_true(PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK);
        PQclear(result);
    }
    PQfinish(somebody);
}

static void whoever_waited_for_others_takes_turns(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 10);
    struct uuid id = place_id(harness, "c", "a", 1);
    wait_until_alone(harness);
    pay_and_wait(harness, id);
    assert_true(takes_turns(harness));
}

static bool locks_stock(struct harness *harness)
{
    (void)plan_order(harness, "key");
    bool locks = !text_equal_c(TEXT_LITERAL("1"),
                               postgres_schemas_run(harness->location, "SELECT count(*) FROM (SELECT FROM stock_levels "
                                                                       "FOR UPDATE SKIP LOCKED) AS free"));
    harness->ops->batch_rollback(harness->store);
    return locks;
}

static void stock_is_locked_only_where_others_are_met(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    (void)make_variant(harness, "a", 10);
    wait_until_alone(harness);
    (void)place_id(harness, "c", "a", 1);
    assert_false(locks_stock(harness)); /* the guards will do */
    be_too_late(servers);
    assert_true(locks_stock(harness));
    assert_false(locks_stock(harness)); /* what was just rolled back wrote nothing */
}

/* An order of the product and a change of its title, planned and left open. */
static void plan_order_and_title(struct harness *harness, const struct uuid *product_id, const char *title)
{
    struct place_order_line line = {TEXT_LITERAL("a"), 1};
    struct place_order order = {.customer_id = TEXT_LITERAL("c"), .lines = &line, .line_count = 1, .hold_seconds = 60};
    struct update_product change = {.product_id = *product_id, .title = text_from_c(title)};
    struct outcome outcome;
    batch_begin(harness);
    place_order_want(&order, &harness->wanted);
    update_product_want(&change, &harness->wanted);
    batch_load(harness);
    place_order_decide(&harness->facts, &order, &outcome);
    assert_int_equal(outcome.code, OUTCOME_ORDER_PLACED);
    update_product_decide(&harness->facts, &change, &outcome);
    assert_true(outcome.changed);
}

/* The batch that is planned already, on a thread of its own. */
struct committing {
    struct server_side *side;
    struct fault fault;
    bool ok;
};

static void *commit_side(void *argument)
{
    struct committing *committing = argument;
    struct server_side *side = committing->side;
    committing->ok = POSTGRES_STORE.batch_save(side->store, &side->facts, &committing->fault) &&
                     POSTGRES_STORE.batch_commit(side->store, &committing->fault);
    return NULL;
}

static void one_that_locks_and_one_that_does_not_wait_in_no_circle(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    struct committing guarded = {.side = &servers->other};
    pthread_t thread;
    struct uuid product_id = make_variant(harness, "a", 10);
    be_too_late(servers);
    plan_order_and_title(harness, &product_id, "ours"); /* has locked the stock */
    change_turns(servers);
    plan_order_and_title(harness, &product_id, "theirs"); /* has met nobody */
    change_turns(servers);
    assert_int_equal(pthread_create(&thread, NULL, commit_side, &guarded), 0);
    (void)usleep(200000); /* it waits for the stock, and must not hold the product meanwhile */
    bool ok = save_and_commit(harness);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ok(harness, ok);
    assert_false(guarded.ok);
    assert_int_equal(guarded.fault.kind, FAULT_CONFLICT);
    assert_null(strstr(guarded.fault.detail, "deadlock"));
    POSTGRES_STORE.batch_rollback(servers->other.store);
}

static void a_schema_of_another_program_is_refused(void **state)
{
    struct servers *servers = *state;
    struct harness *harness = servers->harness;
    char location[512];
    struct store *store;
    struct migration_report report;
    postgres_schemas_prepare(location, sizeof(location));
    (void)postgres_schemas_run(location, "CREATE TABLE orders (id serial)");
    const struct store_options options = {.location = location};
    assert_ok(harness, harness->ops->open(&options, &store, &harness->fault));
    assert_fault(harness, harness->ops->schema_check(store, &harness->fault), FAULT_SCHEMA);
    assert_fault(harness, harness->ops->migrate(store, &report, &harness->fault), FAULT_SCHEMA);
    harness->ops->close(store);
    assert_string_equal(postgres_schemas_run(location, "SELECT count(*) FROM pg_class "
                                                       "WHERE relnamespace = current_schema()::regnamespace "
                                                       "AND relkind = 'r'"),
                        "1");
    postgres_schemas_discard(location);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TWO_SERVERS(a_hold_that_comes_after_its_deadline_is_seen_within_a_second),
        WITH_TWO_SERVERS(refusals_write_nothing),
        WITH_TWO_SERVERS(a_lost_connection_between_batches_is_not_noticed),
        WITH_TWO_SERVERS(a_connection_lost_before_the_commit_is_planned_again),
        WITH_TWO_SERVERS(a_row_that_stays_locked_is_left_out),
        WITH_TWO_SERVERS(whoever_met_others_takes_turns),
        WITH_TWO_SERVERS(whoever_waited_for_others_takes_turns),
        WITH_TWO_SERVERS(stock_is_locked_only_where_others_are_met),
        WITH_TWO_SERVERS(one_that_locks_and_one_that_does_not_wait_in_no_circle),
        WITH_TWO_SERVERS(a_schema_of_another_program_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
