/* The end of a run: nothing fails any more, and all that was begun has to end well, in the time that the program says
 * it takes. Nothing here knows how; only by when. */

#include "world.h"

#define LATENESS_MS 1100  /* of a deadline: a second is what is published, and a turn */
#define SET_ASIDE_MS 5000 /* a timeout that had failed by itself may rest for so long more */
#define ANSWER_MS 10000   /* a client hears of what it asked: it may have been parked for seven seconds */
#define HOLD_MS_MAX 60000 /* an endpoint that has failed twice is left alone for a minute at most */
#define LOOK_MS 1000      /* a worker looks at least so often */
#define UNSETTLED_MS (SILENT_MS + HOLD_MS_MAX + LEASE_MS) /* one may still be waited for that is going to fail */
#define STEP_US_MAX 15000000                              /* of a long wait */

/* How the deliveries to one endpoint come on. */
struct progress {
    struct uuid endpoint_id;
    bool is_due;
    int64_t since_ms; /* since when something is due, and nothing was delivered */
};

static GArray *progress;
static int64_t settled_ms; /* from then on nothing is felt of what went wrong before */

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- Drafts ---- */

static void check_lateness(const struct model_order *order, int64_t expires_at_ms)
{
    bool was_due = expires_at_ms <= world->ending_since_ms;
    int64_t late_ms = sim_unix_ms() - later(expires_at_ms, world->ending_since_ms);
    if (late_ms > LATENESS_MS + (was_due ? SET_ASIDE_MS : 0)) {
        sim_violation("I10", "order %" G_GINT64_FORMAT " is %" G_GINT64_FORMAT " ms late though all is well",
                      order->number, late_ms);
    }
}

/* INT64_MAX: there is none. */
static int64_t next_deadline_ms(void)
{
    GHashTableIter iterator;
    gpointer value;
    int64_t next_ms = INT64_MAX;
    g_hash_table_iter_init(&iterator, world->model->orders);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        const struct model_order *order = value;
        if (order->status == ORDER_DRAFT) {
            check_lateness(order, order->expires_at_ms);
            next_ms = earlier(next_ms, order->expires_at_ms);
        }
    }
    return next_ms;
}

/* ---- Deliveries ---- */

static struct progress *progress_of(const struct uuid *endpoint_id)
{
    for (guint i = 0; i < progress->len; i++) {
        struct progress *one = &g_array_index(progress, struct progress, i);
        if (uuid_equal(one->endpoint_id, *endpoint_id)) {
            return one;
        }
    }
    struct progress one = {.endpoint_id = *endpoint_id};
    g_array_append_val(progress, one);
    return &g_array_index(progress, struct progress, progress->len - 1);
}

/* What was put off by a clock that was ahead waits until it is as late again, where no process saw the step. */
static bool is_behind(void)
{
    return world->clock_furthest_us > world->clock_us;
}

/* The next delivery at the latest when somebody has looked and the receiver has answered. At first it may be left alone,
 * for the last time, or whoever had the one before has yet to be known for dead. */
static int64_t patience_ms(void)
{
    return LOOK_MS + RECEIVER_MS_MAX + LOOK_MS + (sim_unix_ms() < settled_ms ? UNSETTLED_MS : 0);
}

/* Each endpoint that is enabled and has something due takes one delivery after the other. Returns when something is due
 * next; INT64_MAX: nothing is left. */
static int64_t check_endpoint(const struct model_endpoint *endpoint)
{
    struct progress *one = progress_of(&endpoint->id);
    int64_t next_ms = INT64_MAX;
    guint left = 0;
    GHashTableIter iterator;
    gpointer value;
    g_hash_table_iter_init(&iterator, world->model->open_deliveries);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        const struct model_job *job = value;
        if (uuid_equal(job->endpoint_id, endpoint->id)) {
            left++;
            next_ms = earlier(next_ms, job->state == JOB_RUNNING ? sim_unix_ms() : job->run_at_ms);
        }
    }
    if (is_behind()) {
        settled_ms = sim_unix_ms() + UNSETTLED_MS;
    }
    if (!one->is_due || is_behind()) {
        one->since_ms = sim_unix_ms();
    }
    one->is_due = next_ms <= sim_unix_ms();
    int64_t waited_ms = sim_unix_ms() - one->since_ms;
    if (waited_ms > patience_ms()) {
        sim_violation("liveness", "%u deliveries wait for an endpoint, the last was %" G_GINT64_FORMAT " ms ago", left,
                      waited_ms);
    }
    return next_ms;
}

static int64_t next_delivery_ms(void)
{
    GHashTableIter iterator;
    gpointer value;
    int64_t next_ms = INT64_MAX;
    g_hash_table_iter_init(&iterator, world->model->endpoints);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        const struct model_endpoint *endpoint = value;
        if (endpoint->disabled_reason == NULL && !endpoint->is_deleted) {
            next_ms = earlier(next_ms, check_endpoint(endpoint));
        }
    }
    return next_ms;
}

/* ---- What happens meanwhile ---- */

static void note_finished(const struct job *real)
{
    const struct model_job *job = g_hash_table_lookup(world->model->jobs, &real->id);
    if (real->is_changed && job->is_delivery && job_state_is_finished(job->state)) {
        progress_of(&job->endpoint_id)->since_ms = sim_unix_ms();
    }
}

void ending_note_committed(const struct facts *facts)
{
    for (size_t i = 0; world->is_ending && i < facts->events.count; i++) {
        const struct event *event = facts->events.items[i];
        if (event->type == EVENT_ORDER_EXPIRED) {
            check_lateness(model_order(world->model, &event->order->id), event->order->expires_at_ms);
        }
    }
    for (size_t i = 0; world->is_ending && i < facts->jobs.count; i++) {
        note_finished(facts->jobs.entries[i].value);
    }
}

/* ---- Time ---- */

static int64_t monotonic_us(int64_t unix_ms)
{
    return unix_ms == INT64_MAX ? INT64_MAX : world->now_us + unix_ms * 1000 - world->clock_us;
}

/* To when somebody wants a turn: nobody is woken for what is due. Of a long wait until then, to somewhere on its way. */
static void pass(int64_t due_ms)
{
    int64_t due_us = earlier(monotonic_us(due_ms), network_next_us());
    int64_t until_us = later(next_us(), world->now_us + 1000);
    bool is_long = due_us - world->now_us > 2 * STEP_US_MAX;
    advance_us((is_long ? world->now_us + STEP_US_MAX : until_us) - world->now_us);
}

/* Whoever is given something to do is woken at once: turns, until nobody has given anybody anything. */
static void turns(void)
{
    for (int idle = 0; idle < 2;) {
        int64_t begun = world->begun;
        round_of_turns();
        advance_us(100);
        idle = world->begun == begun ? idle + 1 : 0;
    }
}

static void wake_everybody(void)
{
    world->is_calm = true;
    for (size_t i = 0; i < world->server_count; i++) {
        world->servers[i].out_until_us = 0;
        world->servers[i].committer_stalled_until_us = 0;
        world->servers[i].runner_stalled_until_us = 0;
        world->servers[i].down_until_us = 0;
    }
    tend_servers();
    tend_servers(); /* those that were cut off come again */
    world->is_ending = true;
    world->ending_since_ms = sim_unix_ms();
    history("from here on nothing goes wrong");
}

static void hear_all_answers(void)
{
    int64_t since_us = world->now_us;
    while (clients_are_waiting()) {
        if (world->now_us - since_us > INT64_C(1000) * ANSWER_MS) {
            sim_violation("liveness", "a client has no answer after %d ms", ANSWER_MS);
        }
        (void)next_deadline_ms();
        round_of_turns();
        advance_us(1000);
    }
}

void end_well(void)
{
    struct command resume = {.kind = COMMAND_UPDATE_QUEUE,
                             .input.update_queue = {.name = TEXT_LITERAL("all"), .has_paused = true}};
    progress = g_array_new(FALSE, TRUE, sizeof(struct progress));
    wake_everybody();
    hear_all_answers();
    clients_give(&resume);
    hear_all_answers();
    settled_ms = sim_unix_ms() + UNSETTLED_MS;
    for (int64_t due_ms = 0; due_ms != INT64_MAX;) {
        turns();
        due_ms = earlier(next_deadline_ms(), next_delivery_ms());
        pass(due_ms);
    }
    g_array_unref(progress);
}
