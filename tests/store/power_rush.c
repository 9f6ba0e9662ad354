#include "power_rush.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/batch.h"
#include "harness.h"
#include "store/sqlite/sqlite_internal.h"
#include "store/sqlite/sqlite_store.h"

#define MINUTE_MS INT64_C(60000)
#define HOLD_SECONDS 900
#define MANY_ORDERS 80                       /* more than a deferred index writes out at once */
#define SMALL_CACHE "PRAGMA cache_size = 10" /* pages: large transactions spill into the log before they commit */
#define LARGE_CACHE "PRAGMA cache_size = -16384"
#define LOG_LIMIT "PRAGMA journal_size_limit = 100000" /* so that logs are cut back */

static const struct store_ops *const OPS = &SQLITE_STORE;

static void fill_random(void *context, void *bytes, size_t length)
{
    struct rush *rush = context;
    for (size_t i = 0; i < length; i++) {
        ((uint8_t *)bytes)[i] = (uint8_t)disk_random(&rush->place.random, 256);
    }
}

void rush_init(struct rush *rush, struct disk *disk, const char *location)
{
    memset(rush, 0, sizeof(*rush));
    rush->disk = disk;
    (void)snprintf(rush->location, sizeof(rush->location), "%s", location);
    rush->arena = arena_new((size_t)64 * 1024);
    rush->place.random = 1;
    rush->place.now_ms = HARNESS_START_MS;
    uuid_source_init(&rush->place.ids, fill_random, rush);
    engine_metrics_init(&rush->metrics);
}

static bool close_shop(struct rush *rush)
{
    if (rush->is_reading) {
        read_end(rush->reader);
        rush->is_reading = false;
    }
    OPS->reader_close(rush->reader);
    OPS->close(rush->store);
    rush->reader = NULL;
    rush->store = NULL;
    return true;
}

void rush_done(struct rush *rush)
{
    (void)close_shop(rush);
    arena_free(rush->arena);
}

bool rush_step_play(struct rush *rush, const struct rush_step *step)
{
    const struct rush_place before = rush->place;
    rush->place.now_ms += 1000;
    harness_now_ms = rush->place.now_ms;
    rush->is_batch = false;
    bool ok = step->play(rush);
    if (!ok) {
        rush->place = before;
    }
    return ok;
}

/* Opening */

bool rush_open(struct rush *rush)
{
    const struct store_options options = {.location = rush->location, .create = true, .unix_ms = harness_clock};
    struct migration_report report;
    if (rush->store == NULL && !OPS->open(&options, &rush->store, &rush->fault)) {
        return false;
    }
    rush->store->checkpoint_pages = 1000;
    rush->store->checkpoint_idle_pages = 1;
    rush->store->index_generation = 8;
    return connection_run_script(&rush->store->writer, LOG_LIMIT, &rush->fault) &&
           OPS->migrate(rush->store, &report, &rush->fault) &&
           (rush->reader != NULL || OPS->reader_open(rush->store, &rush->reader, &rush->fault));
}

bool rush_restart(struct rush *rush)
{
    return close_shop(rush) && rush_open(rush);
}

/* Batches */

static bool run_at(struct rush *rush, struct command *commands, size_t count, size_t sweep_max)
{
    struct command *list[4];
    assert(count <= sizeof(list) / sizeof(list[0]));
    for (size_t i = 0; i < count; i++) {
        list[i] = &commands[i];
    }
    arena_clear(rush->arena);
    struct batch_run run = {
        .ops = OPS,
        .store = rush->store,
        .arena = rush->arena,
        .ids = &rush->place.ids,
        .policy = {.hold_seconds_max = 604800},
        .metrics = &rush->metrics,
        .commands = list,
        .command_count = count,
        .sweep_max = sweep_max,
    };
    rush->is_batch = true;
    bool ok = batch_run(&run, &rush->fault);
    rush->swept = ok ? run.due_count : 0;
    return ok;
}

static bool run(struct rush *rush, struct command *commands, size_t count)
{
    return run_at(rush, commands, count, 1000);
}

static bool meant(struct rush *rush, bool is_so, const char *what)
{
    if (!is_so && rush->mistake == NULL) {
        rush->mistake = what;
    }
    return true;
}

static void note_order(struct rush *rush, const struct outcome *outcome)
{
    (void)meant(rush, outcome->code == OUTCOME_ORDER_PLACED, "an order is placed");
    if (outcome->order != NULL) {
        assert(rush->place.order_count < RUSH_ORDERS_MAX);
        rush->orders[rush->place.order_count++] = outcome->order->id;
    }
}

static void render(const struct command *command, const struct outcome *outcome, struct arena *arena,
                   struct kept_answer *ret_answer)
{
    (void)command;
    (void)arena;
    *ret_answer = (struct kept_answer){.status = outcome_is_success(outcome->code) ? 200 : 409,
                                       .body = TEXT_LITERAL("{\"kept\":true}")};
}

static struct command place_of(const char *customer, const struct place_order_line *lines, size_t count)
{
    return (struct command){
        .kind = COMMAND_PLACE_ORDER,
        .input.place_order = {
            .customer_id = text_from_c(customer), .lines = lines, .line_count = count, .hold_seconds = HOLD_SECONDS}};
}

bool rush_place_one(struct rush *rush, const char *sku, int64_t quantity)
{
    const struct place_order_line line = {text_from_c(sku), quantity};
    struct command command = place_of("c-9", &line, 1);
    if (!run(rush, &command, 1)) {
        return false;
    }
    note_order(rush, &command.outcome);
    return true;
}

static struct command pay_of(const struct uuid *order, const char *reference)
{
    return (struct command){.kind = COMMAND_PAY_ORDER,
                            .input.pay_order = {.order_id = *order, .payment_reference = text_from_c(reference)}};
}

static bool run_for(struct rush *rush, struct command *command, enum outcome_code code)
{
    return run(rush, command, 1) && meant(rush, command->outcome.code == code, outcome_code_name(code));
}

/* The catalogue */

static bool make_catalogue(struct rush *rush)
{
    const struct create_variant variants[] = {{.sku = TEXT_LITERAL("tee-s"),
                                               .title = TEXT_LITERAL("Tee, S"),
                                               .price = {1999, "EUR"},
                                               .stock_quantity = 9,
                                               .max_per_customer = 2,
                                               .low_stock_threshold = 6},
                                              {.sku = TEXT_LITERAL("tee-m"),
                                               .title = TEXT_LITERAL("Tee, M"),
                                               .price = {1999, "EUR"},
                                               .stock_quantity = 50,
                                               .low_stock_threshold = -1}};
    struct command command = {.kind = COMMAND_CREATE_PRODUCT,
                              .input.create_product = {TEXT_LITERAL("Tee"), variants, 2}};
    return run_for(rush, &command, OUTCOME_PRODUCT_CREATED);
}

static bool import(struct rush *rush, const char *sku, int64_t stock)
{
    const struct import_variant variants[] = {{.row = 2,
                                               .variant = {.sku = text_from_c(sku),
                                                           .title = TEXT_LITERAL("As imported"),
                                                           .price = {500, "EUR"},
                                                           .stock_quantity = stock,
                                                           .low_stock_threshold = -1}},
                                              {.row = 3,
                                               .variant = {.sku = TEXT_LITERAL("cup"),
                                                           .title = TEXT_LITERAL("Cup"),
                                                           .price = {700, "EUR"},
                                                           .stock_quantity = 400,
                                                           .low_stock_threshold = -1}}};
    const struct import_product products[] = {{TEXT_LITERAL("Imported"), &variants[0], 1},
                                              {TEXT_LITERAL("Cups"), &variants[1], 1}};
    struct command command = {.kind = COMMAND_IMPORT_PRODUCTS, .input.import_products = {products, 2, false}};
    return run_for(rush, &command, OUTCOME_PRODUCTS_IMPORTED) &&
           meant(rush, command.outcome.row_count == 0, "an import refuses no row");
}

static bool import_tees(struct rush *rush)
{
    return import(rush, "tee-m", 60);
}

static bool adjust_cups(struct rush *rush)
{
    struct command command = {.kind = COMMAND_ADJUST_STOCK,
                              .input.adjust_stock = {.sku = TEXT_LITERAL("cup"),
                                                     .delta = -7,
                                                     .reason = MOVEMENT_DAMAGE,
                                                     .reference = TEXT_LITERAL("broken")},
                              .idempotency = {.key = TEXT_LITERAL("adjust-1"), .fingerprint = {7}},
                              .render = render};
    return run_for(rush, &command, OUTCOME_STOCK_ADJUSTED);
}

/* Orders */

static bool place_under_key(struct rush *rush)
{
    const struct place_order_line lines[] = {{TEXT_LITERAL("tee-s"), 1}, {TEXT_LITERAL("cup"), 2}};
    struct command command = place_of("c-1", lines, 2);
    command.idempotency = (struct idempotency){.key = TEXT_LITERAL("k-1"), .fingerprint = {1}};
    if (!run(rush, &command, 1)) {
        return false;
    }
    note_order(rush, &command.outcome);
    return true;
}

static bool place_without_key(struct rush *rush)
{
    return rush_place_one(rush, "cup", 3);
}

/* The last one is refused: there are not so many. */
static bool place_several(struct rush *rush)
{
    const struct place_order_line lines[] = {
        {TEXT_LITERAL("tee-s"), 2}, {TEXT_LITERAL("tee-m"), 1}, {TEXT_LITERAL("cup"), 1}, {TEXT_LITERAL("tee-s"), 99}};
    static const char *const keys[] = {"m-1", "m-2", "m-3", "m-4"};
    struct place_orders_member members[4] = {0};
    for (size_t i = 0; i < 4; i++) {
        members[i].order = place_of(i % 2 == 0 ? "c-2" : "c-3", &lines[i], 1).input.place_order;
        members[i].idempotency.key = text_from_c(keys[i]);
    }
    struct command command = {.kind = COMMAND_PLACE_ORDERS, .input.place_orders = {members, 4}};
    if (!run(rush, &command, 1)) {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        note_order(rush, &command.outcome.members[i]);
    }
    return meant(rush, !outcome_is_success(command.outcome.members[3].code), "too large an order is refused");
}

/* A key that came before, and stock that is not there: nothing is written. */
static bool refuse(struct rush *rush)
{
    const struct place_order_line lines[] = {{TEXT_LITERAL("tee-s"), 1}, {TEXT_LITERAL("cup"), 2}};
    const struct place_order_line dear = {TEXT_LITERAL("tee-m"), 999};
    struct command commands[] = {place_of("c-1", lines, 2), place_of("c-4", &dear, 1)};
    commands[0].idempotency = (struct idempotency){.key = TEXT_LITERAL("k-1"), .fingerprint = {1}};
    return run(rush, commands, 2) && meant(rush, commands[0].outcome.code == OUTCOME_REPLAYED, "a key comes again") &&
           meant(rush, commands[1].outcome.code == OUTCOME_INSUFFICIENT_STOCK, "stock is short");
}

static bool pay_first(struct rush *rush)
{
    struct command command = pay_of(&rush->orders[0], "pi-1");
    command.idempotency = (struct idempotency){.key = TEXT_LITERAL("pay-1"), .fingerprint = {3}};
    command.render = render;
    return run_for(rush, &command, OUTCOME_ORDER_PAID);
}

static bool pay_too_little(struct rush *rush)
{
    struct command command = pay_of(&rush->orders[1], "pi-2");
    command.input.pay_order.has_amount = true;
    command.input.pay_order.amount = (struct money){1, "EUR"};
    return run(rush, &command, 1) && meant(rush, command.outcome.payment != NULL, "too little is recorded");
}

/* One batch of several: they stand or fall together. */
static bool do_several(struct rush *rush)
{
    const struct place_order_line line = {TEXT_LITERAL("tee-m"), 2};
    struct command commands[] = {
        pay_of(&rush->orders[2], "pi-3"),
        {.kind = COMMAND_CANCEL_ORDER, .input.cancel_order = {rush->orders[3], TEXT_LITERAL("changed my mind")}},
        {.kind = COMMAND_EXTEND_HOLD, .input.extend_hold = {rush->orders[4], 600}},
        place_of("c-5", &line, 1),
    };
    if (!run(rush, commands, 4)) {
        return false;
    }
    note_order(rush, &commands[3].outcome);
    return meant(rush, commands[0].outcome.code == OUTCOME_ORDER_PAID, "one of several is paid") &&
           meant(rush, commands[1].outcome.code == OUTCOME_ORDER_CANCELLED, "one of several is cancelled") &&
           meant(rush, commands[2].outcome.code == OUTCOME_ORDER_EXTENDED, "one of several is extended");
}

/* More than the page cache takes, so that the log has pages of it before it commits; and more than the deferred indexes
 * write out with the next batch. */
static bool place_many(struct rush *rush)
{
    const struct place_order_line line = {TEXT_LITERAL("cup"), 1};
    struct place_orders_member *members = memory_zalloc(MANY_ORDERS, sizeof(*members));
    char(*names)[16] = memory_zalloc(MANY_ORDERS, sizeof(*names));
    for (size_t i = 0; i < MANY_ORDERS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "many-%zu", i);
        members[i].order = place_of(names[i], &line, 1).input.place_order;
        members[i].idempotency.key = text_from_c(names[i]);
    }
    struct command command = {.kind = COMMAND_PLACE_ORDERS, .input.place_orders = {members, MANY_ORDERS}};
    bool ok = connection_run_script(&rush->store->writer, SMALL_CACHE, &rush->fault) && run(rush, &command, 1);
    for (size_t i = 0; ok && i < MANY_ORDERS; i++) {
        note_order(rush, &command.outcome.members[i]);
    }
    free(members);
    free(names);
    return ok && connection_run_script(&rush->store->writer, LARGE_CACHE, &rush->fault);
}

/* What was not paid in time ends, and in the same batch somebody buys what it gives back. */
static bool expire(struct rush *rush)
{
    rush->place.now_ms += 16 * MINUTE_MS;
    harness_now_ms = rush->place.now_ms;
    const struct place_order_line line = {TEXT_LITERAL("tee-m"), 60};
    struct command command = place_of("c-6", &line, 1);
    if (!run_at(rush, &command, 1, 20)) {
        return false;
    }
    if (outcome_is_success(command.outcome.code)) {
        note_order(rush, &command.outcome);
    }
    return meant(rush, rush->swept == 20, "twenty holds end");
}

static bool expire_others(struct rush *rush)
{
    return run(rush, NULL, 0) && meant(rush, rush->swept > 20, "the other holds end");
}

static bool pay_late(struct rush *rush)
{
    struct command command = pay_of(&rush->orders[1], "pi-late");
    return run_for(rush, &command, OUTCOME_ORDER_PAID) &&
           meant(rush, command.outcome.order->revived, "an order that is paid late lives again");
}

static bool pay_last(struct rush *rush)
{
    struct command command = pay_of(&rush->orders[rush->place.order_count - 1], "pi-last");
    return run_for(rush, &command, OUTCOME_ORDER_PAID);
}

/* Jobs, endpoints, keys */

static bool add_endpoint(struct rush *rush)
{
    struct command command = {
        .kind = COMMAND_CREATE_ENDPOINT,
        .input.create_endpoint = {.url = TEXT_LITERAL("https://shop.example/hooks"),
                                  .concurrency = 5,
                                  .secret = TEXT_LITERAL("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")}};
    return run_for(rush, &command, OUTCOME_ENDPOINT_CREATED);
}

static bool enqueue_work(struct rush *rush)
{
    const struct new_job jobs[] = {
        {.queue = TEXT_LITERAL("work"),
         .kind = TEXT_LITERAL("work"),
         .key = TEXT_LITERAL("one"),
         .payload = TEXT_LITERAL("{\"n\":1}"),
         .priority = 1,
         .max_attempts = 1},
        {.queue = TEXT_LITERAL("work"), .kind = TEXT_LITERAL("work"), .priority = 0, .max_attempts = 3}};
    struct command command = {.kind = COMMAND_ENQUEUE_JOBS, .input.enqueue_jobs = {jobs, 2}};
    return run_for(rush, &command, OUTCOME_JOBS_ENQUEUED);
}

static bool claim_jobs(struct rush *rush)
{
    struct command command = {.kind = COMMAND_CLAIM_JOBS, .input.claim_jobs = {.max = 4, .lease_ms = 8000}};
    if (!run_for(rush, &command, OUTCOME_JOBS_CLAIMED)) {
        return false;
    }
    for (size_t i = 0; i < command.outcome.job_count && i < 4; i++) {
        rush->job_ids[i] = command.outcome.jobs[i].job->id;
        rush->job_claims[i] = command.outcome.jobs[i].job->claim;
    }
    return meant(rush, command.outcome.job_count == 4, "four jobs are claimed");
}

static bool finish_jobs(struct rush *rush)
{
    const struct job_result results[] = {
        {.job_id = rush->job_ids[0], .claim = rush->job_claims[0], .kind = JOB_RESULT_DONE},
        {.job_id = rush->job_ids[1],
         .claim = rush->job_claims[1],
         .kind = JOB_RESULT_HOPELESS,
         .error = TEXT_LITERAL("no luck")},
        {.job_id = rush->job_ids[2],
         .claim = rush->job_claims[2],
         .kind = JOB_RESULT_FAILED,
         .error = TEXT_LITERAL("later"),
         .retry_in_ms = 1000}};
    const struct job_renewal renewal = {rush->job_ids[3], rush->job_claims[3], 50, TEXT_LITERAL("{\"half\":1}\n")};
    struct command commands[] = {
        {.kind = COMMAND_FINISH_JOBS, .input.finish_jobs = {results, 3}},
        {.kind = COMMAND_RENEW_JOBS, .input.renew_jobs = {&renewal, 1, 8000}},
        {.kind = COMMAND_UPDATE_QUEUE,
         .input.update_queue = {.name = TEXT_LITERAL("work"), .has_concurrency = true, .concurrency = 3}},
    };
    return run(rush, commands, 3) &&
           meant(rush, commands[0].outcome.jobs[0].verdict == JOB_ACCEPTED, "a result is taken") &&
           meant(rush, commands[1].outcome.jobs[0].verdict == JOB_ACCEPTED, "a lease is renewed");
}

static bool schedule(struct rush *rush)
{
    const struct job_schedule wish = {.name = TEXT_LITERAL("prune"),
                                      .queue = TEXT_LITERAL("maintenance"),
                                      .kind = TEXT_LITERAL("prune"),
                                      .cron = TEXT_LITERAL("*/5 * * * *"),
                                      .time_zone = TEXT_LITERAL("UTC"),
                                      .next_run_at_ms = HARNESS_START_MS};
    struct command commands[] = {
        {.kind = COMMAND_DECLARE_SCHEDULE, .input.declare_schedule = {&wish}},
        {.kind = COMMAND_FIRE_SCHEDULE,
         .input.fire_schedule = {wish.name, HARNESS_START_MS, HARNESS_START_MS + 5 * MINUTE_MS}},
        {.kind = COMMAND_NOTIFY_PAYMENTS, .input.notify_payments = {{.max = 10, .lead_ms = 14 * MINUTE_MS}}},
    };
    return run(rush, commands, 3) && meant(rush, commands[2].outcome.count > 0, "payments are due soon");
}

static bool create_key(struct rush *rush)
{
    const struct key_row key = {.id = uuid_source_next(&rush->place.ids, rush->place.now_ms),
                                .name = TEXT_LITERAL("till"),
                                .scope = KEY_SCOPE_WRITE,
                                .hash = {42},
                                .hint = TEXT_LITERAL("hf_"),
                                .created_at_ms = rush->place.now_ms};
    return OPS->key_create(rush->store, &key, &rush->fault);
}

static bool revoke_key(struct rush *rush)
{
    bool found;
    return OPS->key_revoke(rush->store, TEXT_LITERAL("till"), rush->place.now_ms, &found, &rush->fault) &&
           meant(rush, found, "the key is there");
}

/* Housekeeping */

bool rush_asks_for_restart(const struct rush *rush)
{
    return rush->store != NULL && rush->store->keeps_log;
}

static bool maintain(struct rush *rush)
{
    bool more;
    return OPS->maintain(rush->store, true, &more, &rush->fault) ||
           (rush_asks_for_restart(rush) && strstr(rush->fault.detail, "start again") != NULL);
}

static bool begin_reading(struct rush *rush)
{
    int64_t count;
    if (!read_begin(rush->reader, &rush->fault)) {
        return false;
    }
    rush->is_reading = true;
    return connection_read_int64(&rush->reader->connection, "SELECT count(*) FROM orders", 0, &count, &rush->fault);
}

static bool end_reading(struct rush *rush)
{
    read_end(rush->reader);
    rush->is_reading = false;
    return true;
}

static bool next_day(struct rush *rush)
{
    rush->place.now_ms += 25 * 60 * MINUTE_MS;
    harness_now_ms = rush->place.now_ms;
    rush->store->prune_round_at_ms = 0; /* a round that failed would begin again an hour later */
    return maintain(rush);
}

static bool prune_rows(struct rush *rush)
{
    struct command command = {.kind = COMMAND_PRUNE,
                              .input.prune = {{.max = 500,
                                               .finished_before_ms = rush->place.now_ms - 60 * MINUTE_MS,
                                               .finished_keep = 1000,
                                               .dead_before_ms = rush->place.now_ms - 60 * MINUTE_MS,
                                               .events_before_ms = rush->place.now_ms - 60 * MINUTE_MS}}};
    return run_for(rush, &command, OUTCOME_PRUNED) && meant(rush, command.outcome.count > 0, "old rows go");
}

const struct rush_step RUSH_FIRST_DAY[] = {
    {"open a new database", rush_open},
    {"import", import_tees},
    {"place an order without a key", place_without_key},
    {"pay it", pay_first},
    {"stop and start", rush_restart},
    {"place another order", place_without_key},
    {"stop", close_shop},
};
const size_t RUSH_FIRST_DAY_COUNT = sizeof(RUSH_FIRST_DAY) / sizeof(RUSH_FIRST_DAY[0]);

const struct rush_step RUSH_LONG_DAY[] = {
    {"open and migrate an old database", rush_open},
    {"make a product", make_catalogue},
    {"import", import_tees},
    {"add an endpoint", add_endpoint},
    {"create a key", create_key},
    {"place an order under a key", place_under_key},
    {"place an order without a key", place_without_key},
    {"place several orders", place_several},
    {"refuse", refuse},
    {"pay", pay_first},
    {"pay too little", pay_too_little},
    {"maintain", maintain},
    {"do several things", do_several},
    {"enqueue jobs", enqueue_work},
    {"claim jobs", claim_jobs},
    {"finish jobs", finish_jobs},
    {"schedule and notify", schedule},
    {"begin to read", begin_reading},
    {"adjust stock while somebody reads", adjust_cups},
    {"maintain while somebody reads", maintain},
    {"end reading", end_reading},
    {"place many orders", place_many},
    {"place another order", place_without_key},
    {"maintain again", maintain},
    {"expire holds", expire},
    {"expire the other holds", expire_others},
    {"pay late", pay_late},
    {"stop and start", rush_restart},
    {"place a third order", place_without_key},
    {"pay it", pay_last},
    {"keep house on the next day", next_day},
    {"prune", prune_rows},
    {"revoke the key", revoke_key},
    {"maintain at the end", maintain},
    {"stop", close_shop},
};
const size_t RUSH_LONG_DAY_COUNT = sizeof(RUSH_LONG_DAY) / sizeof(RUSH_LONG_DAY[0]);

/* For any shop */

bool rush_place_any(struct rush *rush)
{
    return import(rush, "spare", 10) && rush_place_one(rush, "spare", 1);
}

bool rush_expire_all(struct rush *rush)
{
    rush->place.now_ms += 60 * MINUTE_MS;
    harness_now_ms = rush->place.now_ms;
    int64_t next_due_ms = 0;
    while (next_due_ms != INT64_MAX) {
        if (!run(rush, NULL, 0) || !OPS->next_due(rush->store, &next_due_ms, &rush->fault)) {
            return false;
        }
    }
    return true;
}
