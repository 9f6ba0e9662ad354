#include "servers.h"

#include <stdlib.h>

#include "domain/idempotency.h"
#include "domain/pay_order.h"
#include "domain/place_order.h"

void change_turns(struct servers *servers)
{
    struct harness *harness = servers->harness;
    struct server_side turn = {harness->store, harness->arena, harness->wanted, harness->facts};
    harness->store = servers->other.store;
    harness->arena = servers->other.arena;
    harness->wanted = servers->other.wanted;
    harness->facts = servers->other.facts;
    servers->other = turn;
}

bool save_and_commit(struct harness *harness)
{
    return harness->ops->batch_save(harness->store, &harness->facts, &harness->fault) &&
           harness->ops->batch_commit(harness->store, &harness->fault);
}

struct servers *servers_open(const struct store_under_test *under_test)
{
    struct servers *servers = memory_zalloc(1, sizeof(*servers));
    struct migration_report report;
    servers->harness = harness_open(under_test);
    struct harness *harness = servers->harness;
    const struct store_options options = {.location = harness->location, .unix_ms = harness_clock};
    servers->other.arena = arena_new((size_t)64 * 1024);
    assert_ok(harness, harness->ops->open(&options, &servers->other.store, &harness->fault));
    assert_ok(harness, harness->ops->migrate(servers->other.store, &report, &harness->fault));
    assert_int_equal(report.from_version, report.to_version);
    return servers;
}

void servers_close(struct servers *servers)
{
    const struct store_ops *ops = servers->harness->ops;
    ops->batch_rollback(servers->other.store);
    ops->close(servers->other.store);
    arena_free(servers->other.arena);
    harness_close(servers->harness);
    free(servers);
}

struct uuid plan_order_of(struct harness *harness, const char *key, const char *sku)
{
    struct place_order_line line = {text_from_c(sku), 1};
    struct place_order command = {
        .customer_id = TEXT_LITERAL("c"), .lines = &line, .line_count = 1, .hold_seconds = 60};
    struct idempotency idempotency = {.key = text_from_c(key)};
    struct outcome outcome;
    batch_begin(harness);
    place_order_want(&command, &harness->wanted);
    wanted_add_idempotency_key(&harness->wanted, idempotency.key);
    batch_load(harness);
    assert_null(facts_idempotency(&harness->facts, idempotency.key));
    place_order_decide(&harness->facts, &command, &outcome);
    assert_int_equal(outcome.code, OUTCOME_ORDER_PLACED);
    (void)idempotency_keep(&harness->facts, &idempotency, &outcome);
    event_stock_thresholds(&harness->facts);
    return outcome.order->id;
}

struct uuid plan_order(struct harness *harness, const char *key)
{
    return plan_order_of(harness, key, "a");
}

void plan_payment(struct harness *harness, const struct uuid *order_id, const char *reference)
{
    const struct pay_order command = {.order_id = *order_id, .payment_reference = text_from_c(reference)};
    struct outcome outcome;
    batch_begin(harness);
    wanted_add_order(&harness->wanted, order_id);
    wanted_add_payment_reference(&harness->wanted, command.payment_reference);
    batch_load(harness);
    pay_order_decide(&harness->facts, &command, &outcome);
    assert_int_equal(outcome.code, OUTCOME_ORDER_PAID);
}
