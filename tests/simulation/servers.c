/* Servers: the engine and the job runner as the program wires them, without threads and HTTP. */

#include "world.h"

#include <stdlib.h>

#define PRUNE_CRON "17 * * * *"

/* Whose committers run, outermost first. */
static struct server *deciding[SERVERS_MAX];
static size_t deciding_count;

struct server *server_of(const struct store *store)
{
    for (size_t i = 0; i < world->server_count; i++) {
        if (world->servers[i].store == store) {
            return &world->servers[i];
        }
    }
    return NULL;
}

struct server *server_deciding(void)
{
    return deciding[deciding_count - 1];
}

static void must(bool ok, const struct fault *fault)
{
    if (!ok) {
        sim_violation("start", "%s: %s", fault_kind_name(fault->kind), fault->detail);
    }
}

static void note_nothing(void *context)
{
    (void)context; /* answers are looked for */
}

static void start_committer(struct server *server)
{
    struct fault fault;
    const struct committer_options options = {
        .ops = &world->ops,
        .store = server->store,
        .policy = {.hold_seconds_max = 3600, .webhook_disable_after_ms = world->patience_ms},
        .queue_weight_max = world->queue_weight_max,
        .batch_weight_max = world->batch_weight_max,
        .sweep_max = world->sweep_max,
        .metrics = server->engine_metrics,
        .completed = note_nothing,
        .jobs_changed = job_runner_notify,
        .jobs_context = server->runner,
        .random = random_fill,
        .random_context = &world->random,
        .is_stepped = true,
    };
    must(committer_start(&options, &server->committer, &fault), &fault);
}

static void start_jobs(struct server *server)
{
    struct fault fault;
    const struct job_kinds_options options = {
        .ops = &world->ops,
        .store = server->store,
        .runner = server->runner,
        .metrics = server->job_metrics,
        .webhook_retry = {.backoff_ms = MODEL_BACKOFF_MS, .backoff_ms_max = MODEL_BACKOFF_MS_MAX},
        .finished_keep_ms = INT64_C(3600) * 1000,
        .finished_keep = 50,
        .dead_keep_ms = INT64_C(24) * 3600 * 1000,
        .prune_cron = PRUNE_CRON,
        .time_zone = "UTC",
    };
    must(job_kinds_new(&options, &server->kinds, &fault), &fault);
    must(job_kinds_start(server->kinds, server->committer, &fault), &fault);
}

/* A store that fails at this moment would refuse the start, as it should: the world holds its breath. */
void server_start(struct server *server)
{
    struct fault fault;
    struct migration_report report;
    bool was_calm = world->is_calm;
    world->is_calm = true;
    history("server %d starts", server->number);
    const struct store_options options = {
        .location = world->location, .create = true, .serve = true, .unix_ms = sim_unix_ms};
    server->is_cut_off = false;
    server->out_until_us = 0;
    must(world->inner->open(&options, &server->store, &fault), &fault);
    must(world->inner->migrate(server->store, &report, &fault), &fault);
    must(world->inner->reader_open(server->store, &server->auditor, &fault), &fault);
    server->engine_metrics = memory_zalloc(1, sizeof(*server->engine_metrics));
    server->job_metrics = memory_zalloc(1, sizeof(*server->job_metrics));
    engine_metrics_init(server->engine_metrics);
    const struct job_runner_options runner_options = {
        .ops = &world->ops,
        .store = server->store,
        .concurrency_max = 20,
        .lease_ms = LEASE_MS,
        .notice_lead_ms = 120000,
        .http = {.concurrency_max = 20},
        .metrics = server->job_metrics,
        .is_stepped = true,
    };
    must(job_runner_new(&runner_options, &server->runner, &fault), &fault);
    start_committer(server);
    start_jobs(server);
    server->is_up = true;
    server->runner_next_us = world->now_us;
    world->is_calm = was_calm;
}

void server_cut_off(struct server *server)
{
    if (server->is_up && !server->is_cut_off) {
        history("server %d is cut off", server->number);
        server->is_cut_off = true;
        server->down_until_us = world->now_us + random_magnitude(&world->random, 20000000);
    }
}

/* The order in which the program takes itself apart. One that was cut off does the same, and nothing of it counts. */
void server_stop(struct server *server)
{
    history("server %d ends", server->number);
    server->is_in_runner = true; /* others may act meanwhile, and it does not */
    server->is_in_committer = true;
    job_runner_stop(server->runner);
    deciding[deciding_count++] = server;
    committer_stop(server->committer);
    deciding_count--;
    clients_take_answers(server);
    job_runner_free(server->runner);
    job_kinds_free(server->kinds);
    committer_free(server->committer);
    world->inner->reader_close(server->auditor);
    world->inner->close(server->store);
    free(server->engine_metrics);
    free(server->job_metrics);
    server->store = NULL;
    server->runner = NULL;
    server->committer = NULL;
    server->is_up = false;
    server->is_in_runner = false;
    server->is_in_committer = false;
}

bool server_may_act(const struct server *server)
{
    return server->is_up && !server->is_cut_off;
}

bool server_committer_turn(struct server *server)
{
    if (!server_may_act(server) || server->is_in_committer || world->now_us < server->committer_stalled_until_us) {
        return false;
    }
    server->is_in_committer = true;
    deciding[deciding_count++] = server;
    (void)committer_turn(server->committer, 0);
    deciding_count--;
    server->is_in_committer = false;
    return true;
}

bool server_runner_turn(struct server *server)
{
    if (!server_may_act(server) || server->is_in_runner || world->now_us < server->runner_stalled_until_us) {
        return false;
    }
    server->is_in_runner = true;
    server->runner_next_us = job_runner_turn(server->runner, 0);
    server->is_in_runner = false;
    return true;
}

bool server_submit(struct server *server, struct command *command)
{
    return server_may_act(server) && !trouble(TROUBLE_QUEUE_FULL) && committer_submit(server->committer, command);
}

int64_t server_next_us(const struct server *server)
{
    int64_t next_us = world->now_us + committer_pause_us(server->committer);
    return server->runner_next_us < next_us ? server->runner_next_us : next_us;
}
