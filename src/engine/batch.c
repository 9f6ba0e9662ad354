#include "engine/batch.h"

#include "base/clock.h"
#include "domain/expire_order.h"
#include "domain/webhooks.h"

static bool is_skipped(const struct batch_run *run, const struct uuid *id)
{
    for (size_t i = 0; i < run->skip_count; i++) {
        if (uuid_equal(run->skip[i], *id)) {
            return true;
        }
    }
    return false;
}

/* Which timeouts ride along. Skipped ones are asked for on top, so that they cannot crowd out the others. */
static bool take_due(struct batch_run *run, int64_t now_ms, struct fault *fault)
{
    run->due_count = 0;
    run->due_left = false;
    run->has_stale = false;
    run->elsewhere_count = 0;
    run->due_known = 0;
    run->due_unseen = false;
    if (run->next_due_ms > now_ms) {
        return true;
    }
    if (run->sweep_max == 0) {
        run->due_left = true;
        return true;
    }
    size_t ask = run->sweep_max + run->skip_count;
    size_t count = 0;
    run->due = arena_array(run->arena, ask, sizeof(*run->due));
    if (!run->ops->batch_due(run->store, now_ms, ask, run->due, &count, &run->due_left, fault)) {
        return false;
    }
    run->due_known = count;
    for (size_t i = 0; i < count; i++) {
        if (is_skipped(run, &run->due[i])) {
            continue;
        }
        if (run->due_count == run->sweep_max) {
            run->due_left = true;
        } else {
            run->due[run->due_count++] = run->due[i];
            run->due_first = run->due[0];
        }
    }
    return true;
}

static bool load(struct batch_run *run, struct facts *facts, struct fault *fault)
{
    struct wanted wanted;
    wanted_init(&wanted, run->arena);
    wanted.due_known = run->due_known;
    wanted.skip_locked = run->skip_locked;
    for (size_t i = 0; i < run->due_count; i++) {
        wanted_add_due(&wanted, &run->due[i]);
    }
    for (size_t i = 0; i < run->command_count; i++) {
        command_want(run->commands[i], &wanted);
    }
    return run->ops->batch_load(run->store, &wanted, facts, fault);
}

/* Timeouts come first: what they give back is there for the commands behind them. */
static void decide(struct batch_run *run, struct facts *facts)
{
    for (size_t i = 0; i < run->due_count; i++) {
        struct order *order = facts_order(facts, &run->due[i]);
        if (facts_is_elsewhere(facts, &run->due[i])) {
            run->elsewhere_count++;
        } else if (order == NULL || !expire_order_decide(facts, order)) {
            run->stale = run->due[i];
            run->has_stale = true;
        }
    }
    for (size_t i = 0; i < run->command_count; i++) {
        command_decide(run->commands[i], facts);
    }
    event_stock_thresholds(facts);
    webhooks_enqueue(facts);
}

static void count_committed(const struct batch_run *run, const struct facts *facts)
{
    for (size_t i = 0; i < facts->events.count; i++) {
        const struct event *event = facts->events.items[i];
        counter_add(&run->metrics->events[event->type], 1);
        if (event->type == EVENT_ORDER_EXPIRED) {
            histogram_observe(&run->metrics->timeout_lateness_seconds,
                              (double)(facts->now_ms - event->order->expires_at_ms) / 1000.0);
        }
    }
}

static bool write_changes(struct batch_run *run, struct facts *facts, struct fault *fault)
{
    if (!run->ops->batch_save(run->store, facts, fault)) {
        run->ops->batch_rollback(run->store);
        return false;
    }
    int64_t commit_us = clock_monotonic_us();
    if (!run->ops->batch_commit(run->store, fault)) {
        run->ops->batch_rollback(run->store);
        return false;
    }
    histogram_observe(&run->metrics->commit_seconds, (double)(clock_monotonic_us() - commit_us) / 1e6);
    run->changed = true;
    run->event_count = facts->events.count;
    run->jobs_at_ms = facts->jobs_at_ms;
    count_committed(run, facts);
    return true;
}

bool batch_run(struct batch_run *run, struct fault *fault)
{
    int64_t begin_us = clock_monotonic_us();
    int64_t now_ms;
    run->changed = false;
    if (!run->ops->batch_begin(run->store, &now_ms, fault)) {
        return false;
    }
    struct facts facts;
    facts_init(&facts, run->arena, now_ms, run->ids, run->policy);
    if (!take_due(run, now_ms, fault) || !load(run, &facts, fault)) {
        run->ops->batch_rollback(run->store);
        return false;
    }
    run->due_unseen = facts.overdue_left;
    facts.sweep_pending = run->due_left || facts.overdue_left || facts.elsewhere.count > 0;
    decide(run, &facts);
    if (facts.change_count == 0) {
        run->ops->batch_rollback(run->store); /* refusals write nothing */
    } else if (!write_changes(run, &facts, fault)) {
        return false;
    }
    histogram_observe(&run->metrics->batch_size, (double)(run->command_count + run->due_count));
    histogram_observe(&run->metrics->batch_seconds, (double)(clock_monotonic_us() - begin_us) / 1e6);
    return true;
}
