#include "servers.h"

#include <stdlib.h>

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
