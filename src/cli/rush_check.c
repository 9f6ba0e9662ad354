/* The server's own word: every order that it confirmed is asked for again. */

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "cli/rush.h"
#include "cli/rush_answer.h"

#define CHECKERS_MAX 64
#define HOLD_SECONDS_WAITED_MAX 60
#define EXPIRY_GRACE_MS 250 /* far above the published lateness of an idle server */
#define EXPIRY_ASKS_MAX 20  /* before a hold that should have expired is taken as still held */
#define DISPLAY_MS 100

/* ---- Stock, and errors ---- */

void rush_note_error(struct rush *rush, const char *doing, const struct http_call *call)
{
    if (rush->errors++ > 0) {
        return;
    }
    if (call->status == 0) {
        snprintf(rush->first_problem, sizeof(rush->first_problem), "%s: no answer (%s)", doing, call->error);
        return;
    }
    char problem[RUSH_PROBLEM_LENGTH_MAX + 1];
    rush_answer_problem(&call->answer, problem);
    snprintf(rush->first_problem, sizeof(rush->first_problem), "%s: %d %s", doing, call->status, problem);
}

bool rush_read_stock(struct rush *rush, struct rush_stock *ret_stock)
{
    struct http_call call;
    char path[600];
    snprintf(path, sizeof(path), "/v1/stock/%s", rush->sku_path);
    http_call_init(rush->caller, &call);
    call.path = path;
    http_call_send_and_wait(&call);
    bool ok = call.status == 200 && rush_answer_stock(&call.answer, ret_stock);
    if (!ok) {
        rush_note_error(rush, "reading the stock", &call);
    }
    http_call_done(&call);
    uv_run(rush->loop, UV_RUN_NOWAIT);
    return ok;
}

/* ---- Orders ---- */

struct checking {
    struct rush *rush;
    size_t next; /* order to be asked for */
    size_t checkers_left;
};

struct checker {
    struct checking *checking;
    struct rush_order *order;
    unsigned asked; /* times for this order */
    uv_timer_t pause;
    struct http_call call;
    char path[64];
};

static void ask(struct checker *checker)
{
    snprintf(checker->path, sizeof(checker->path), "/v1/orders/%s", checker->order->id);
    checker->asked++;
    http_call_send(&checker->call);
}

static void ask_for_next(struct checker *checker)
{
    struct checking *checking = checker->checking;
    if (checking->next == checking->rush->placed || checking->rush->errors > 0) {
        checking->checkers_left--;
        return;
    }
    checker->order = &checking->rush->orders[checking->next++];
    checker->asked = 0;
    ask(checker);
}

static void on_pause_over(uv_timer_t *timer)
{
    ask(timer->data);
}

static void on_answer(struct http_call *call)
{
    struct checker *checker = call->context;
    struct rush *rush = checker->checking->rush;
    if (call->status == 200) {
        rush_answer_fate(&call->answer, checker->order);
        bool should_be_over = rush->settings->hold_seconds <= HOLD_SECONDS_WAITED_MAX;
        if (checker->order->fate == RUSH_FATE_HELD && should_be_over && checker->asked < EXPIRY_ASKS_MAX) {
            uv_timer_start(&checker->pause, on_pause_over, EXPIRY_GRACE_MS, 0);
            return;
        }
    } else if (call->status == 404) {
        checker->order->fate = RUSH_FATE_LOST;
    } else {
        rush_note_error(rush, "asking for an order again", call);
    }
    ask_for_next(checker);
}

static void ask_for_all(struct rush *rush)
{
    struct checking checking = {.rush = rush, .checkers_left = CHECKERS_MAX};
    struct checker *checkers = memory_zalloc(CHECKERS_MAX, sizeof(*checkers));
    for (size_t i = 0; i < CHECKERS_MAX; i++) {
        struct checker *checker = &checkers[i];
        checker->checking = &checking;
        uv_timer_init(rush->loop, &checker->pause);
        checker->pause.data = checker;
        http_call_init(rush->caller, &checker->call);
        checker->call.path = checker->path;
        checker->call.done = on_answer;
        checker->call.context = checker;
        ask_for_next(checker);
    }
    while (checking.checkers_left > 0) {
        uv_run(rush->loop, UV_RUN_ONCE);
        progress_bar(&rush->progress, "checking", (int64_t)checking.next, (int64_t)rush->placed);
    }
    for (size_t i = 0; i < CHECKERS_MAX; i++) {
        uv_close((uv_handle_t *)&checkers[i].pause, NULL);
        http_call_done(&checkers[i].call);
    }
    uv_run(rush->loop, UV_RUN_NOWAIT);
    free(checkers);
    progress_hide(&rush->progress);
}

/* ---- Waiting for the holds to run out ---- */

static void keep_awake(uv_timer_t *timer)
{
    (void)timer;
}

/* By this machine's clock, counted from the last answer: the server's may be set differently. */
static void wait_for_expiry(struct rush *rush)
{
    size_t unpaid = rush->placed - rush->paid;
    int64_t until_us = rush->last_answer_us + rush->settings->hold_seconds * 1000000 + EXPIRY_GRACE_MS * 1000;
    uv_timer_t timer;
    if (unpaid == 0 || rush->errors > 0 || rush->settings->hold_seconds > HOLD_SECONDS_WAITED_MAX) {
        return;
    }
    uv_timer_init(rush->loop, &timer);
    uv_timer_start(&timer, keep_awake, DISPLAY_MS, DISPLAY_MS);
    for (int64_t now_us; (now_us = clock_monotonic_us()) < until_us;) {
        progress_line(&rush->progress, "%zu unpaid holds run out in %.1f s", unpaid, (double)(until_us - now_us) / 1e6);
        uv_run(rush->loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(rush->loop, UV_RUN_NOWAIT);
    progress_hide(&rush->progress);
}

void rush_check_orders(struct rush *rush)
{
    wait_for_expiry(rush);
    ask_for_all(rush);
    rush->has_stock_after = rush_read_stock(rush, &rush->stock_after);
}
