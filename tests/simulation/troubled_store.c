/* The store contract with troubles between: each call may fail, may be interrupted by whatever else there is in the
 * world, and is where a server that was cut off finds out. Beneath it the store under test does its work, and beside it
 * the model is told what is loaded, decided and committed. */

#include "world.h"

#include <string.h>

#include "domain/expire_order.h"

#define DEPTH_MAX 3
#define INTERRUPTED_PERMILLE 350
#define SET_ASIDE_US 10000000
#define BAD_ROW_US_MAX 120000000
#define CONFLICTS_TO_BLAME_A_ROW 8

static const struct store_ops *inner;

/* ---- Who is asked, and whether at all ---- */

static bool is_out(const struct server *server)
{
    return server->is_cut_off || world->now_us < server->out_until_us;
}

/* Others act in the middle of this server's work. */
static void interrupt(void)
{
    if (!world->is_calm && world->depth < DEPTH_MAX && random_permille(&world->random, INTERRUPTED_PERMILLE)) {
        world->depth++;
        for (int64_t left = random_between(&world->random, 1, 3); left > 0; left--) {
            act();
        }
        world->depth--;
    }
}

/* True: the call may be made. Before it the process may die. */
static bool reach_server(struct server *server, enum trouble fails, enum fault_kind kind, struct fault *fault)
{
    interrupt();
    if (trouble(TROUBLE_CRASH)) {
        server_cut_off(server);
    }
    if (is_out(server)) {
        return fault_set(fault, FAULT_UNAVAILABLE, "the store is out of reach");
    }
    return !trouble(fails) || fault_set(fault, kind, "%s", trouble_name(fails));
}

static bool reach(const struct store *store, enum trouble fails, enum fault_kind kind, struct fault *fault)
{
    return reach_server(server_of(store), fails, kind, fault);
}

/* ---- Batches ---- */

static void batch_forget(struct open_batch *batch)
{
    model_batch_free(batch->model);
    batch->model = NULL;
    batch->facts = NULL;
    g_ptr_array_set_size(batch->decided, 0);
}

static bool troubled_begin(struct store *store, int64_t *ret_now_ms, struct fault *fault)
{
    struct server *server = server_of(store);
    world->begun++;
    if (!reach(store, TROUBLE_BEGIN_FAILS, FAULT_UNAVAILABLE, fault) || !inner->batch_begin(store, ret_now_ms, fault)) {
        return false;
    }
    batch_forget(&server->batch);
    server->batch.model = model_batch_new(world->model);
    server->batch.model->may_set_aside = world->now_us < server->set_aside_until_us;
    return true;
}

static bool troubled_due(struct store *store, int64_t now_ms, size_t max, struct uuid *ret_ids, size_t *ret_count,
                         bool *ret_more, struct fault *fault)
{
    return reach(store, TROUBLE_DUE_FAILS, FAULT_UNAVAILABLE, fault) &&
           inner->batch_due(store, now_ms, max, ret_ids, ret_count, ret_more, fault);
}

static bool others_have_a_batch(const struct server *server)
{
    for (size_t i = 0; i < world->server_count; i++) {
        if (&world->servers[i] != server && world->servers[i].batch.model != NULL) {
            return true;
        }
    }
    return false;
}

/* Nothing happens between the load and the decisions: what was loaded is what the model sees. */
static bool troubled_load(struct store *store, const struct wanted *wanted, struct facts *facts, struct fault *fault)
{
    if (trouble(TROUBLE_LOAD_TIMES_OUT)) {
        return fault_set(fault, FAULT_TIMEOUT, "a row stays locked");
    }
    struct server *server = server_of(store);
    struct model_batch *model = server->batch.model;
    server->batch.facts = facts;
    if (!reach(store, TROUBLE_LOAD_FAILS, FAULT_UNAVAILABLE, fault) ||
        !inner->batch_load(store, wanted, facts, fault)) {
        return false;
    }
    model->may_lack_notices = others_have_a_batch(server);
    model->clock_went_back = world->clock_went_back;
    model_sees_facts(model, facts);
    return true;
}

/* A fault that one row may have caused lets the committer look for that row: a timeout may be set aside meanwhile. */
static bool blame_a_row(struct server *server, enum fault_kind kind, enum trouble trouble, struct fault *fault)
{
    server->set_aside_until_us = world->now_us + SET_ASIDE_US;
    return fault_set(fault, kind, "%s", trouble_name(trouble));
}

static const struct order *first_expired(const struct facts *facts)
{
    for (size_t i = 0; i < facts->events.count; i++) {
        if (facts->events.items[i]->type == EVENT_ORDER_EXPIRED) {
            return facts->events.items[i]->order;
        }
    }
    return NULL;
}

static bool has_bad_row(const struct facts *facts)
{
    for (size_t i = 0; i < facts->events.count && world->now_us < world->bad_until_us && !world->is_calm; i++) {
        const struct event *event = facts->events.items[i];
        if (event->type == EVENT_ORDER_EXPIRED && uuid_equal(event->order->id, world->bad_order_id)) {
            return true;
        }
    }
    return false;
}

/* A row is refused once; or, where it is that of a timeout, for a while, whoever tries. */
static bool is_refused(const struct facts *facts)
{
    if (has_bad_row(facts)) {
        return true;
    }
    if (!trouble(TROUBLE_SAVE_REFUSED)) {
        return false;
    }
    const struct order *order = first_expired(facts);
    if (order != NULL) {
        world->bad_order_id = order->id;
        world->bad_until_us = world->now_us + random_magnitude(&world->random, BAD_ROW_US_MAX);
    }
    return true;
}

/* A store looks at what was decided as it saves, or as it commits. */
static bool expect_no_refusal(bool ok, const struct fault *fault)
{
    if (!ok && (fault->kind == FAULT_CONSTRAINT || fault->kind == FAULT_INTERNAL)) {
        sim_violation("save", "the store refused what was decided: %s", fault->detail);
    }
    return ok;
}

static bool troubled_save(struct store *store, struct facts *facts, struct fault *fault)
{
    struct server *server = server_of(store);
    model_expects_facts(server->batch.model, facts);
    if (!reach(store, TROUBLE_SAVE_FAILS, FAULT_UNAVAILABLE, fault)) {
        return false;
    }
    if (is_refused(facts)) {
        return blame_a_row(server, FAULT_CONSTRAINT, TROUBLE_SAVE_REFUSED, fault);
    }
    if (trouble(TROUBLE_SAVE_CONFLICTS)) {
        return blame_a_row(server, FAULT_CONFLICT, TROUBLE_SAVE_CONFLICTS, fault);
    }
    return expect_no_refusal(inner->batch_save(store, facts, fault), fault);
}

static void note_committed(struct server *server)
{
    struct open_batch *batch = &server->batch;
    struct facts *facts = batch->facts;
    world->stats.batches++;
    model_apply(world->model, batch->model);
    for (guint i = 0; i < batch->decided->len; i++) {
        clients_note_applied(g_ptr_array_index(batch->decided, i));
    }
    network_note_committed(facts);
    ending_note_committed(facts);
    world_trace((uint64_t)facts->events.count);
    for (size_t i = 0; i < facts->events.count; i++) {
        const struct event *event = facts->events.items[i];
        const struct model_order *order = event->order == NULL ? NULL : model_order(world->model, &event->order->id);
        world->stats.events[event->type]++;
        world_trace((uint64_t)event->type);
        history("server %d: %s order %" G_GINT64_FORMAT, server->number, event_type_name(event->type),
                order == NULL ? 0 : order->number);
    }
    for (size_t i = 0; i < world->server_count && facts->jobs_at_ms != INT64_MAX; i++) {
        struct server *other = &world->servers[i];
        if (other != server && other->runner != NULL && !other->is_cut_off && !trouble(TROUBLE_WATCH_MISSED)) {
            job_runner_notify(other->runner, facts->jobs_at_ms);
        }
    }
}

static bool lose_commit(struct server *server, bool is_applied, struct fault *fault)
{
    struct fault unheard;
    if (is_applied && expect_no_refusal(inner->batch_commit(server->store, &unheard), &unheard)) {
        note_committed(server);
    }
    return fault_set(fault, FAULT_OUTCOME_UNKNOWN, "the answer to COMMIT never came");
}

static bool troubled_commit(struct store *store, struct fault *fault)
{
    struct server *server = server_of(store);
    if (!reach(store, TROUBLE_COMMIT_FAILS, FAULT_UNAVAILABLE, fault)) {
        return false;
    }
    if (trouble(TROUBLE_CRASH_IN_COMMIT)) {
        server_cut_off(server);
        return lose_commit(server, random_permille(&world->random, 500), fault);
    }
    bool is_applied = trouble(TROUBLE_COMMIT_LOST_APPLIED);
    if (is_applied || trouble(TROUBLE_COMMIT_LOST_DROPPED)) {
        return lose_commit(server, is_applied, fault);
    }
    if (!expect_no_refusal(inner->batch_commit(store, fault), fault)) {
        history("server %d: %s: %s", server->number, fault_kind_name(fault->kind), fault->detail);
        if (++server->conflicts >= CONFLICTS_TO_BLAME_A_ROW) {
            server->set_aside_until_us = world->now_us + SET_ASIDE_US;
        }
        return false;
    }
    server->conflicts = 0;
    note_committed(server);
    audit_commit(server);
    batch_forget(&server->batch);
    interrupt(); /* it has happened, and nobody knows it yet */
    return true;
}

static void troubled_rollback(struct store *store)
{
    inner->batch_rollback(store);
    batch_forget(&server_of(store)->batch);
}

static bool troubled_next_due(struct store *store, int64_t *ret_due_ms, struct fault *fault)
{
    return reach(store, TROUBLE_DUE_FAILS, FAULT_UNAVAILABLE, fault) && inner->next_due(store, ret_due_ms, fault);
}

static bool troubled_maintain(struct store *store, bool idle, bool *ret_more, struct fault *fault)
{
    return reach(store, TROUBLE_HOUSEKEEPING_FAILS, FAULT_UNAVAILABLE, fault) &&
           inner->maintain(store, idle, ret_more, fault);
}

static bool troubled_try_write(struct store *store, struct fault *fault)
{
    return reach(store, TROUBLE_HOUSEKEEPING_FAILS, FAULT_UNAVAILABLE, fault) && inner->try_write(store, fault);
}

/* ---- Reads of the job runner ---- */

static struct server *server_of_reader(const struct reader *reader)
{
    size_t i = 0;
    while (world->servers[i].reader != reader) {
        i++;
    }
    return &world->servers[i];
}

static bool troubled_reader_open(struct store *store, struct reader **ret_reader, struct fault *fault)
{
    struct server *server = server_of(store);
    bool ok = inner->reader_open(store, &server->reader, fault); /* at the start, when nothing fails */
    *ret_reader = server->reader;
    return ok;
}

static bool reach_for_reading(const struct reader *reader, struct fault *fault)
{
    return reach_server(server_of_reader(reader), TROUBLE_READ_FAILS, FAULT_UNAVAILABLE, fault);
}

static bool troubled_read_events(struct reader *reader, struct arena *arena, const struct event_filter *filter,
                                 const struct page *page, struct event_row **ret_rows, size_t *ret_count,
                                 bool *ret_more, bool *ret_found, struct fault *fault)
{
    return reach_for_reading(reader, fault) &&
           inner->read_events(reader, arena, filter, page, ret_rows, ret_count, ret_more, ret_found, fault);
}

static bool troubled_read_endpoints(struct reader *reader, struct arena *arena,
                                    struct webhook_endpoint ***ret_endpoints, size_t *ret_count, struct fault *fault)
{
    return reach_for_reading(reader, fault) && inner->read_endpoints(reader, arena, ret_endpoints, ret_count, fault);
}

/* Notices reach the runner out of note_committed. */
static bool no_watch_start(struct store *store, void (*changed)(void *context, int64_t job_at_ms), void *context,
                           struct watch **ret_watch, struct fault *fault)
{
    (void)store;
    (void)changed;
    (void)context;
    (void)fault;
    *ret_watch = NULL;
    return true;
}

static void no_watch_stop(struct watch *watch)
{
    (void)watch;
}

void troubled_store_init(struct store_ops *ops, const struct store_ops *under_test)
{
    inner = under_test;
    *ops = *under_test;
    ops->await_turn = NULL;
    ops->batch_begin = troubled_begin;
    ops->batch_due = troubled_due;
    ops->batch_load = troubled_load;
    ops->batch_save = troubled_save;
    ops->batch_commit = troubled_commit;
    ops->batch_rollback = troubled_rollback;
    ops->next_due = troubled_next_due;
    ops->maintain = troubled_maintain;
    ops->reader_open = troubled_reader_open;
    ops->try_write = troubled_try_write;
    ops->read_events = troubled_read_events;
    ops->read_endpoints = troubled_read_endpoints;
    ops->watch_start = no_watch_start;
    ops->watch_stop = no_watch_stop;
}

/* ---- Decisions: linked around the real ones ---- */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c): the linker's names */
void __real_command_decide(struct command *command, struct facts *facts);
void __wrap_command_decide(struct command *command, struct facts *facts);
bool __real_expire_order_decide(struct facts *facts, struct order *order);
bool __wrap_expire_order_decide(struct facts *facts, struct order *order);

static bool is_in_command;

void __wrap_command_decide(struct command *command, struct facts *facts)
{
    struct open_batch *batch = &server_deciding()->batch;
    is_in_command = true;
    __real_command_decide(command, facts);
    is_in_command = false;
    struct model_answer *answer = model_expects_outcome(batch->model, facts, command);
    if (command->completions == NULL) {
        g_ptr_array_add(batch->decided, command);
        clients_expect(command, answer);
    } else {
        model_answer_free(answer);
    }
}

bool __wrap_expire_order_decide(struct facts *facts, struct order *order)
{
    bool has_expired = __real_expire_order_decide(facts, order);
    if (!is_in_command) { /* else a late payment's */
        model_expects_expiry(server_deciding()->batch.model, facts, &order->id, has_expired);
    }
    return has_expired;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c) */
