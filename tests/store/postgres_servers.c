#include "postgres_servers.h"

#include <stdlib.h>

#include "postgres_schemas.h"
#include "store/postgres/postgres_store.h"

static const struct store_under_test POSTGRES = {&POSTGRES_STORE, postgres_schemas_prepare, postgres_schemas_discard};

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

int servers_setup(void **state)
{
    struct servers *servers = memory_zalloc(1, sizeof(*servers));
    struct migration_report report;
    servers->harness = harness_open(&POSTGRES);
    struct harness *harness = servers->harness;
    const struct store_options options = {.location = harness->location, .unix_ms = harness_clock};
    servers->other.arena = arena_new((size_t)64 * 1024);
    assert_ok(harness, harness->ops->open(&options, &servers->other.store, &harness->fault));
    assert_ok(harness, harness->ops->migrate(servers->other.store, &report, &harness->fault));
    assert_int_equal(report.from_version, report.to_version);
    *state = servers;
    return 0;
}

int servers_teardown(void **state)
{
    struct servers *servers = *state;
    POSTGRES_STORE.batch_rollback(servers->other.store);
    POSTGRES_STORE.close(servers->other.store);
    arena_free(servers->other.arena);
    harness_close(servers->harness);
    free(servers);
    return 0;
}
