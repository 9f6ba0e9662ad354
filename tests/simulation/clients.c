/* Clients of the shop: each wants one thing at a time, and asks again, of any server, until it knows what became of it. */

#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "domain/limits.h"

#define OLD_REQUESTS 16
#define RETRY_US_MAX 2000000

/* What somebody wants. Lives as long as an attempt or a client has it. */
struct request {
    int references;
    int64_t number;
    struct arena *arena;
    struct command command; /* as each attempt submits it */
    bool may_repeat;        /* asking again cannot do it twice */
    bool is_given;          /* what it points at is somebody else's */
};

struct attempt {
    struct command command; /* first: a command is an attempt */
    struct request *request;
    struct server *server;
    struct model_answer *expected; /* NULL: any */
    int client;                    /* -1: it has given up on this attempt */
    bool is_applied;
};

struct client {
    struct request *request; /* NULL: it wants nothing */
    struct attempt *attempt; /* NULL: none is under way */
    int64_t retry_us;
};

struct known_order {
    struct uuid id;
    int64_t total;
};

static struct client clients[CLIENTS_MAX];
static struct request *old_requests[OLD_REQUESTS];
static GArray *orders;    /* struct known_order: those that an answer told of */
static GArray *endpoints; /* struct uuid */
static int64_t request_count;
static int64_t reference_count;

void clients_init(void)
{
    memset(clients, 0, sizeof(clients));
    memset(old_requests, 0, sizeof(old_requests));
    orders = g_array_new(FALSE, TRUE, sizeof(struct known_order));
    endpoints = g_array_new(FALSE, TRUE, sizeof(struct uuid));
    request_count = 0;
    reference_count = 0;
}

static void request_release(struct request *request)
{
    if (request != NULL && --request->references == 0) {
        arena_free(request->arena);
        free(request);
    }
}

void clients_done(void)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        request_release(clients[i].request);
    }
    for (size_t i = 0; i < OLD_REQUESTS; i++) {
        request_release(old_requests[i]);
    }
    g_array_unref(orders);
    g_array_unref(endpoints);
}

static int64_t below(int64_t limit)
{
    return random_below(&world->random, limit);
}

static bool often(int64_t permille)
{
    return random_permille(&world->random, permille);
}

/* ---- Wishes ---- */

static void render(const struct command *command, const struct outcome *outcome, struct arena *arena,
                   struct kept_answer *ret_answer)
{
    const struct order *order = outcome->order;
    const struct payment *payment = outcome->payment;
    (void)command;
    *ret_answer = (struct kept_answer){
        .status = outcome_is_success(outcome->code) ? 200 : 409,
        .body = arena_printf(
            arena, "%s %s %lld %.*s", outcome_code_name(outcome->code),
            order == NULL ? "-" : order_status_name(order->status), order == NULL ? 0 : (long long)order->version,
            payment == NULL ? 0 : (int)payment->reference.length, payment == NULL ? "" : payment->reference.bytes),
    };
}

static struct text any_customer(struct request *request)
{
    return arena_printf(request->arena, "customer-%d", (int)below(8));
}

static struct text any_sku(struct request *request)
{
    int64_t limit = often(20) ? MODEL_SKUS_MAX + 1 : world->sku_count;
    return arena_printf(request->arena, "sku-%d", (int)below(limit));
}

/* Mostly one of those placed lately; sometimes one that there is not. */
static struct known_order any_order(void)
{
    if (orders->len == 0 || often(10)) {
        struct known_order none = {.total = 100};
        random_fill(&world->random, none.id.bytes, sizeof(none.id.bytes));
        return none;
    }
    int64_t back = random_magnitude(&world->random, orders->len);
    return g_array_index(orders, struct known_order, orders->len - (guint)back);
}

static struct place_order wish_order(struct request *request)
{
    size_t count = often(700) ? 1 : (size_t)random_between(&world->random, 2, 4);
    struct place_order_line *lines = arena_array(request->arena, count, sizeof(*lines));
    for (size_t i = 0; i < count; i++) {
        lines[i] = (struct place_order_line){.sku = any_sku(request), .quantity = random_magnitude(&world->random, 4)};
    }
    return (struct place_order){
        .customer_id = any_customer(request),
        .lines = lines,
        .line_count = count,
        .hold_seconds = often(500) ? random_magnitude(&world->random, 3600) : HOLD_SECONDS_DEFAULT,
        .metadata = often(200) ? arena_printf(request->arena, "{\"basket\":\"%d\"}", (int)below(1000)) : TEXT_ABSENT,
    };
}

static void set_key(struct request *request, struct idempotency *idempotency, int number)
{
    const struct request *old = old_requests[below(OLD_REQUESTS)];
    memset(idempotency->fingerprint, 0, sizeof(idempotency->fingerprint));
    memcpy(idempotency->fingerprint, &request->number, sizeof(request->number));
    idempotency->fingerprint[sizeof(request->number)] = (uint8_t)number;
    if (often(10) && old != NULL && old->command.idempotency.key.bytes != NULL) { /* for something else: refused */
        idempotency->key = arena_text(request->arena, old->command.idempotency.key);
        return;
    }
    idempotency->key = arena_printf(request->arena, "key-%lld-%d", (long long)request->number, number);
}

static void wish_orders(struct request *request)
{
    size_t count = (size_t)random_between(&world->random, 1, 8);
    struct place_orders_member *members = arena_array(request->arena, count, sizeof(*members));
    for (size_t i = 0; i < count; i++) {
        members[i].order = wish_order(request);
        set_key(request, &members[i].idempotency, (int)i);
    }
    request->command.kind = COMMAND_PLACE_ORDERS;
    request->command.input.place_orders = (struct place_orders){.members = members, .member_count = count};
    request->may_repeat = true;
}

static void wish_payment(struct request *request)
{
    struct known_order order = any_order();
    bool is_new = reference_count == 0 || often(850);
    int64_t number = is_new ? ++reference_count : 1 + below(reference_count);
    request->command.kind = COMMAND_PAY_ORDER;
    request->command.input.pay_order = (struct pay_order){
        .order_id = order.id,
        .payment_reference = arena_printf(request->arena, "payment-%lld", (long long)number),
        .has_amount = often(500),
        .amount = {.amount = often(80) ? order.total + 1 : order.total, .currency = "EUR"},
    };
    request->may_repeat = true;
}

static void wish_stock(struct request *request)
{
    int64_t delta = often(600) ? random_magnitude(&world->random, 30) : -random_magnitude(&world->random, 10);
    request->command.kind = COMMAND_ADJUST_STOCK;
    request->command.input.adjust_stock = (struct adjust_stock){
        .sku = any_sku(request),
        .is_set = often(200),
        .delta = delta,
        .set_to = random_magnitude(&world->random, 40) - 1,
        .expected = random_magnitude(&world->random, 20) - 1,
        .reason = delta > 0 ? MOVEMENT_RESTOCK : MOVEMENT_CORRECTION,
        .reference =
            often(500) ? arena_printf(request->arena, "delivery-%lld", (long long)request->number) : TEXT_ABSENT,
    };
}

static void wish_patch(struct request *request)
{
    request->command.kind = COMMAND_UPDATE_VARIANT;
    request->command.input.update_variant = (struct update_variant){
        .sku = any_sku(request),
        .has_price = often(500),
        .price = {.amount = random_magnitude(&world->random, 10000), .currency = "EUR"},
        .has_max_per_customer = often(500),
        .max_per_customer = often(500) ? 0 : random_magnitude(&world->random, 20),
    };
    request->may_repeat = true;
}

static void wish_endpoint(struct request *request)
{
    struct command *command = &request->command;
    if (endpoints->len < ENDPOINTS_MAX && often(500)) {
        command->kind = COMMAND_CREATE_ENDPOINT;
        command->input.create_endpoint = (struct create_endpoint){
            .url = arena_printf(request->arena, "https://receiver-%lld.example/", (long long)request->number),
            .types = often(500) ? 0 : UINT32_C(1) << EVENT_ORDER_PAID,
            .concurrency = random_between(&world->random, 1, 3),
            .secret = TEXT_LITERAL("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        };
        return;
    }
    if (endpoints->len == 0) {
        return;
    }
    struct uuid id = g_array_index(endpoints, struct uuid, below(endpoints->len));
    switch (below(4)) {
    case 0:
        command->kind = COMMAND_UPDATE_ENDPOINT;
        command->input.update_endpoint = (struct update_endpoint){
            .endpoint_id = id, .has_status = true, .status = often(300) ? WEBHOOK_DISABLED : WEBHOOK_ENABLED};
        break;
    case 1:
        command->kind = COMMAND_ROTATE_SECRET;
        command->input.rotate_secret =
            (struct rotate_secret){.endpoint_id = id, .secret = TEXT_LITERAL("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")};
        break;
    case 2:
        if (often(100)) {
            command->kind = COMMAND_DELETE_ENDPOINT;
            command->input.delete_endpoint = (struct delete_endpoint){.endpoint_id = id};
        } else {
            command->kind = COMMAND_TEST_ENDPOINT;
            command->input.test_endpoint = (struct test_endpoint){.endpoint_id = id};
        }
        break;
    default:
        command->kind = COMMAND_UPDATE_QUEUE;
        command->input.update_queue =
            (struct update_queue){.name = TEXT_LITERAL("all"), .has_paused = true, .is_paused = often(300)};
        break;
    }
    request->may_repeat = true;
}

/* A job that was claimed before. */
static void wish_job(struct request *request)
{
    GHashTableIter iterator;
    gpointer value = NULL;
    guint count = g_hash_table_size(world->model->jobs);
    g_hash_table_iter_init(&iterator, world->model->jobs);
    for (int64_t left = count == 0 ? -1 : below(count); left >= 0; left--) {
        (void)g_hash_table_iter_next(&iterator, NULL, &value);
    }
    if (value == NULL) {
        return;
    }
    const struct model_job *job = value;
    if (job->claim == 0) {
        return;
    }
    if (often(500)) {
        request->command.kind = COMMAND_REDELIVER;
        request->command.input.redeliver = (struct redeliver){.job_id = job->id};
    } else {
        request->command.kind = COMMAND_MANAGE_JOB;
        request->command.input.manage_job =
            (struct manage_job){.job_id = job->id, .action = often(500) ? JOB_ACTION_RETRY : JOB_ACTION_PROMOTE};
    }
}

static void wish_change(struct request *request)
{
    struct known_order order = any_order();
    if (often(500)) {
        request->command.kind = COMMAND_CANCEL_ORDER;
        request->command.input.cancel_order = (struct cancel_order){
            .order_id = order.id,
            .reason = often(500) ? TEXT_LITERAL("changed my mind") : TEXT_LITERAL("found it elsewhere")};
        request->may_repeat = true;
    } else {
        request->command.kind = COMMAND_EXTEND_HOLD;
        request->command.input.extend_hold =
            (struct extend_hold){.order_id = order.id, .seconds = random_magnitude(&world->random, 1800)};
    }
}

static struct request *request_new(void)
{
    struct request *request = memory_zalloc(1, sizeof(*request));
    request->references = 1;
    request->number = ++request_count;
    request->arena = arena_new(1024);
    request->command.render = render;
    return request;
}

static struct request *request_make(void)
{
    struct request *request = request_new();
    struct command *command = &request->command;
    int64_t choice = below(1000);
    command->kind = COMMAND_PLACE_ORDER;
    if (choice >= 950) {
        wish_endpoint(request);
    } else if (choice >= 930) {
        wish_job(request);
    } else if (choice >= 910) {
        wish_patch(request);
    } else if (choice >= 850) {
        wish_stock(request);
    } else if (choice >= 760) {
        wish_change(request);
    } else if (choice >= 500) {
        wish_payment(request);
    } else if (choice >= 450) {
        wish_orders(request);
    }
    if (command->kind == COMMAND_PLACE_ORDER) {
        command->input.place_order = wish_order(request);
    }
    if (command->kind != COMMAND_PLACE_ORDERS && often(700)) {
        set_key(request, &command->idempotency, 0);
        request->may_repeat = true;
    }
    return request;
}

/* ---- Asking ---- */

static void request_keep(struct request *request)
{
    struct request **slot = &old_requests[below(OLD_REQUESTS)];
    request_release(*slot);
    *slot = request;
}

static void client_end_request(struct client *client)
{
    struct request *request = client->request;
    client->request = NULL;
    client->attempt = NULL;
    if (request->may_repeat && !request->is_given) {
        request_keep(request); /* it may be asked again, long after */
    } else {
        request_release(request);
    }
}

static void client_try_later(struct client *client)
{
    client->attempt = NULL;
    client->retry_us = world->now_us + random_magnitude(&world->random, RETRY_US_MAX);
    if (!client->request->may_repeat) {
        client_end_request(client); /* it will never know */
    }
}

static void client_submit(struct client *client)
{
    struct server *server = &world->servers[below((int64_t)world->server_count)];
    struct attempt *attempt = memory_zalloc(1, sizeof(*attempt));
    attempt->command = client->request->command;
    attempt->request = client->request;
    attempt->server = server;
    attempt->client = (int)(client - clients);
    if (!server_submit(server, &attempt->command)) {
        free(attempt);
        client_try_later(client);
        return;
    }
    attempt->request->references++;
    client->attempt = attempt;
    history("client %d asks server %d: request %lld, %s", attempt->client, server->number,
            (long long)attempt->request->number, command_kind_name(attempt->command.kind));
}

static void client_begin_request(struct client *client)
{
    struct request *old = old_requests[below(OLD_REQUESTS)];
    if (old != NULL && often(50)) {
        old->references++;
        client->request = old;
    } else {
        client->request = request_make();
    }
    client_submit(client);
}

void client_turn(size_t number)
{
    struct client *client = &clients[number];
    if (client->attempt != NULL) {
        if (trouble(TROUBLE_ANSWER_LOST)) {
            client->attempt->client = -1;
            client_try_later(client);
        }
    } else if (client->request != NULL) {
        if (world->now_us >= client->retry_us) {
            client_submit(client);
        }
    } else if (!world->is_calm) {
        client_begin_request(client);
    }
}

void clients_give(struct command *command)
{
    struct request *request = request_new();
    request->command = *command;
    request->may_repeat = true;
    request->is_given = true;
    clients[0].request = request;
    client_submit(&clients[0]);
}

bool clients_are_waiting(void)
{
    for (size_t i = 0; i < world->client_count; i++) {
        if (clients[i].request != NULL) {
            return true;
        }
    }
    return false;
}

/* ---- Answers ---- */

void clients_expect(struct command *command, struct model_answer *answer)
{
    struct attempt *attempt = (struct attempt *)command;
    model_answer_free(attempt->expected);
    attempt->expected = answer;
}

void clients_note_applied(struct command *command)
{
    ((struct attempt *)command)->is_applied = command->outcome.changed;
}

static bool is_undecided(enum outcome_code code)
{
    return code == OUTCOME_BUSY || code == OUTCOME_STORE_UNAVAILABLE || code == OUTCOME_UNKNOWN ||
           code == OUTCOME_INTERNAL_ERROR;
}

/* I9: what was answered with success has happened, what was refused has not. */
static void check_truth(const struct attempt *attempt)
{
    const struct outcome *outcome = &attempt->command.outcome;
    const char *kind = command_kind_name(attempt->command.kind);
    const char *code = outcome_code_name(outcome->code);
    if (outcome->code == OUTCOME_NEEDS_SWEEP) {
        sim_violation("answer", "%s is answered before the sweep it waits for", kind);
    }
    bool may_say_what_was_so = attempt->command.kind == COMMAND_UPDATE_ENDPOINT; /* then nothing is written */
    if (!is_undecided(outcome->code) && outcome->changed && !attempt->is_applied && !may_say_what_was_so) {
        sim_violation("I9", "%s was answered %s, and that was never committed", kind, code);
    }
    if (is_undecided(outcome->code) && outcome->code != OUTCOME_UNKNOWN && attempt->is_applied) {
        sim_violation("I9", "%s was answered %s, and was committed", kind, code);
    }
}

static void learn_order(const struct outcome *outcome)
{
    if (outcome->order != NULL && (outcome->code == OUTCOME_ORDER_PLACED || outcome->code == OUTCOME_REPLAYED)) {
        struct known_order known = {.id = outcome->order->id, .total = outcome->order->total.amount};
        const struct model_order *order = model_order(world->model, &known.id);
        if (order == NULL) {
            sim_violation("I9", "an order was answered that is not there");
        }
        g_array_append_val(orders, known);
    }
}

static void learn(const struct outcome *outcome)
{
    learn_order(outcome);
    for (size_t i = 0; i < outcome->member_count; i++) {
        learn_order(&outcome->members[i]);
    }
    if (outcome->code == OUTCOME_ENDPOINT_CREATED) {
        g_array_append_val(endpoints, outcome->endpoint->id);
    }
}

static void take_answer(struct server *server, struct attempt *attempt)
{
    const struct outcome *outcome = &attempt->command.outcome;
    struct client *client = attempt->client < 0 ? NULL : &clients[attempt->client];
    bool is_heard = client != NULL && !server->is_cut_off;
    world_trace((uint64_t)outcome->code);
    history("server %d answers request %lld%s: %s", server->number, (long long)attempt->request->number,
            is_heard ? "" : ", whom nobody hears", outcome_code_name(outcome->code));
    if (is_heard) {
        world->stats.answers++;
        check_truth(attempt);
        if (!is_undecided(outcome->code) && attempt->expected != NULL) {
            model_answer_check(world->model, attempt->expected, outcome);
        }
        learn(outcome);
    }
    if (client != NULL && (!is_heard || is_undecided(outcome->code))) {
        client_try_later(client);
    } else if (client != NULL) {
        client_end_request(client);
    }
}

void clients_take_answers(struct server *server)
{
    struct command *command = committer_take_completed(server->committer);
    while (command != NULL) {
        struct attempt *attempt = (struct attempt *)command;
        command = command->next;
        take_answer(server, attempt);
        committer_release(server->committer, &attempt->command);
        model_answer_free(attempt->expected);
        request_release(attempt->request);
        free(attempt);
    }
}
