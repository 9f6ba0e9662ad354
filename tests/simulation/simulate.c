/* A whole run: a wild part in which anybody acts at any time and anything goes wrong, and a calm one in which all that
 * was begun has to end well. */

#include "world.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/limits.h"
#include "memory_store.h"
#include "store/sqlite/sqlite_store.h"

#define CLOCK_STEP_S_MAX 7200

static int64_t between(int64_t least, int64_t most)
{
    return random_between(&world->random, least, most);
}

static struct server *any_server(void)
{
    return &world->servers[random_below(&world->random, (int64_t)world->server_count)];
}

/* ---- The wild part ---- */

static int64_t min_int64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t next_us(void)
{
    int64_t at_us = network_next_us();
    for (size_t i = 0; i < world->server_count; i++) {
        if (server_may_act(&world->servers[i])) {
            at_us = min_int64(at_us, server_next_us(&world->servers[i]));
        }
    }
    return at_us;
}

static void let_time_pass(void)
{
    int64_t choice = random_below(&world->random, 100);
    int64_t until_us = next_us();
    if (choice < 40) {
        advance_us(between(1, 2000));
    } else if (choice < 70) {
        advance_us(random_magnitude(&world->random, 1000000));
    } else if (choice < 95 && until_us != INT64_MAX && until_us > world->now_us) {
        advance_us(until_us - world->now_us);
    } else if (choice >= 95) {
        advance_us(random_magnitude(&world->random, INT64_C(600) * 1000000));
    }
}

/* The machine's, or somebody's, doing. */
static void meddle(void)
{
    struct server *server = any_server();
    if (trouble(TROUBLE_OUTAGE)) {
        server->out_until_us = world->now_us + random_magnitude(&world->random, 30000000);
    }
    if (trouble(TROUBLE_STALL_COMMITTER)) {
        server->committer_stalled_until_us = world->now_us + random_magnitude(&world->random, 10000000);
    }
    if (trouble(TROUBLE_STALL_WORKER)) {
        server->runner_stalled_until_us = world->now_us + random_magnitude(&world->random, 300000000);
    }
    if (trouble(TROUBLE_CLOCK_FORWARD)) {
        step_clock(random_magnitude(&world->random, CLOCK_STEP_S_MAX) * 1000000);
    }
    if (trouble(TROUBLE_CLOCK_BACK)) {
        step_clock(-random_magnitude(&world->random, CLOCK_STEP_S_MAX) * 1000000);
    }
}

void act(void)
{
    struct server *server = any_server();
    int64_t choice = random_below(&world->random, 100);
    if (choice < 30) {
        (void)server_committer_turn(server);
    } else if (choice < 45) {
        (void)server_runner_turn(server);
    } else if (choice < 75) {
        client_turn((size_t)random_below(&world->random, (int64_t)world->client_count));
    } else if (choice < 90) {
        if (server_may_act(server)) {
            clients_take_answers(server);
        }
    } else if (choice < 98) {
        let_time_pass();
    } else {
        meddle();
    }
}

void tend_servers(void)
{
    for (size_t i = 0; i < world->server_count; i++) {
        struct server *server = &world->servers[i];
        if (server->is_up && !server->is_cut_off && trouble(TROUBLE_CLEAN_RESTART)) {
            server_stop(server);
            server->down_until_us = world->now_us;
        } else if (server->is_up && server->is_cut_off) {
            server_stop(server);
        } else if (!server->is_up && world->now_us >= server->down_until_us) {
            server_start(server);
        }
    }
}

/* ---- Turn by turn ---- */

void round_of_turns(void)
{
    for (size_t i = 0; i < world->server_count; i++) {
        (void)server_committer_turn(&world->servers[i]);
        (void)server_runner_turn(&world->servers[i]);
        clients_take_answers(&world->servers[i]);
    }
    for (size_t i = 0; i < world->client_count; i++) {
        client_turn(i);
    }
}

/* ---- The beginning ---- */

static void choose_weather(void)
{
    static const int64_t WORST[] = {0, 5, 30};
    int64_t weather = random_below(&world->random, 10);
    int64_t worst = WORST[weather < 2 ? 0 : weather < 6 ? 1 : 2];
    for (int i = 0; i < TROUBLE_COUNT; i++) {
        bool happens = worst > 0 && random_permille(&world->random, 600);
        world->rates[i] = happens ? random_magnitude(&world->random, worst) : 0;
    }
    /* Some have an occasion at each call or step, others seldom. */
    world->rates[TROUBLE_CRASH] = (world->rates[TROUBLE_CRASH] + 9) / 10;
    world->rates[TROUBLE_CLEAN_RESTART] = (world->rates[TROUBLE_CLEAN_RESTART] + 9) / 10;
    world->rates[TROUBLE_OUTAGE] *= 10;
    world->rates[TROUBLE_STALL_COMMITTER] *= 3;
    world->rates[TROUBLE_STALL_WORKER] *= 5;
    world->rates[TROUBLE_CLOCK_FORWARD] *= 3;
    world->rates[TROUBLE_CLOCK_BACK] *= 3;
    world->rates[TROUBLE_READ_FAILS] *= 5;
    world->rates[TROUBLE_RECEIVER_FAILS] *= 10;
    world->rates[TROUBLE_RECEIVER_SILENT] *= 5;
    world->rates[TROUBLE_WATCH_MISSED] *= 10;
}

static void open_shop(void)
{
    struct create_variant variants[MODEL_SKUS_MAX];
    world->sku_count = between(1, MODEL_SKUS_MAX);
    for (int i = 0; i < world->sku_count; i++) {
        variants[i] = (struct create_variant){
            .sku = text_from_c(world->model->skus[i].name),
            .title = TEXT_LITERAL("Thing"),
            .price = {.amount = random_magnitude(&world->random, 10000), .currency = "EUR"},
            .stock_quantity = random_magnitude(&world->random, 60),
            .max_per_customer = random_permille(&world->random, 300) ? random_magnitude(&world->random, 20) : 0,
            .low_stock_threshold = between(-1, 5),
        };
    }
    struct command create = {.kind = COMMAND_CREATE_PRODUCT,
                             .input.create_product = {.title = TEXT_LITERAL("Things"),
                                                      .variants = variants,
                                                      .variant_count = (size_t)world->sku_count}};
    clients_give(&create);
    while (clients_are_waiting()) {
        round_of_turns();
        advance_us(1000);
    }
}

static void world_init(const struct sim_options *options)
{
    world->options = *options;
    random_init(&world->random, options->seed);
    world->now_us = INT64_C(1000000);
    world->clock_us = START_UNIX_MS * 1000;
    world->is_calm = true;
    world->model = model_new();
    world->inner = options->is_sqlite ? &SQLITE_STORE : &MEMORY_STORE;
    troubled_store_init(&world->ops, world->inner);
    if (options->is_sqlite) {
        (void)snprintf(world->location, sizeof(world->location), "%s/simulation.db", options->folder);
    } else {
        (void)snprintf(world->location, sizeof(world->location), "memory:simulation");
    }
    int64_t servers = between(1, SERVERS_MAX);
    int64_t customers = between(2, CLIENTS_MAX);
    world->server_count = (size_t)(options->is_sqlite ? 1 : options->servers > 0 ? options->servers : servers);
    world->client_count = (size_t)(options->clients > 0 ? options->clients : customers);
    world->queue_weight_max = (size_t)between(10, 100);
    world->batch_weight_max = (size_t)random_magnitude(&world->random, 50);
    world->sweep_max = (size_t)random_magnitude(&world->random, 50);
    world->patience_ms = random_magnitude(&world->random, INT64_C(120) * 60000);
    choose_weather();
    for (size_t i = 0; i < world->server_count; i++) {
        world->servers[i].number = (int)i + 1;
        world->servers[i].batch.decided = g_ptr_array_new();
    }
}

static void world_done(void)
{
    for (size_t i = 0; i < world->server_count; i++) {
        if (world->servers[i].is_up) {
            server_stop(&world->servers[i]);
        }
        g_ptr_array_unref(world->servers[i].batch.decided);
    }
    clients_done();
    network_done();
    model_free(world->model);
}

static void discard_database(void)
{
    static const char *const ENDINGS[] = {"", "-wal", "-shm", "-lock"};
    char path[300];
    memory_database_discard(world->location);
    for (size_t i = 0; world->options.is_sqlite && i < sizeof(ENDINGS) / sizeof(*ENDINGS); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", world->location, ENDINGS[i]);
        (void)remove(path);
    }
}

void sim_stats_add(struct sim_stats *sum, const struct sim_stats *stats)
{
    sum->seeds += stats->seeds;
    sum->batches += stats->batches;
    sum->answers += stats->answers;
    sum->orders += stats->orders;
    sum->payments += stats->payments;
    sum->deliveries += stats->deliveries;
    sum->audits += stats->audits;
    sum->read_back += stats->read_back;
    sum->simulated_ms += stats->simulated_ms;
    sum->trace ^= stats->trace;
    for (int i = 0; i < TROUBLE_COUNT; i++) {
        sum->troubles[i] += stats->troubles[i];
    }
    for (int i = 0; i < EVENT_TYPE_COUNT; i++) {
        sum->events[i] += stats->events[i];
    }
}

void simulate(const struct sim_options *options, struct sim_stats *stats)
{
    static struct world the_world;
    memset(&the_world, 0, sizeof(the_world));
    world = &the_world;
    world_init(options);
    clients_init();
    network_init();
    discard_database();
    tend_servers();
    open_shop();
    world->is_calm = false;
    for (int64_t step = 0; step < options->steps; step++) {
        atomic_store(options->step, step);
        tend_servers();
        act();
    }
    atomic_store(options->step, options->steps);
    end_well();
    audit_end(&world->servers[0]);
    world_trace(random_next(&world->random)); /* whatever chance decided */
    world->stats.seeds = 1;
    world->stats.orders = world->model->order_count;
    world->stats.payments = world->model->payment_count;
    sim_stats_add(stats, &world->stats);
    world_done();
    discard_database();
}
