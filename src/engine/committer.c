#include "engine/committer.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/batch.h"
#include "engine/commit_queue.h"
#include "engine/completions.h"

#define BATCH_ARENA_CHUNK_BYTES (256 * 1024)
#define FREE_BATCHES_MAX 8
#define REPLANS_MAX 8
#define SKIPPED_MAX 256
#define PARKED_US_MAX 7000000 /* a command waits for the sweep no longer; a stalled server keeps its locks for 5 s */
#define SET_ASIDE_LOG_US 1000000
#define FAILURE_LOG_US 1000000 /* failures are logged once a second; the metrics count each */
#define TRY_WRITE_US 1000000   /* so long after a failure, and as often, it is tried whether the store writes again */
#define SKIP_US 5000000        /* a timeout that failed by itself is tried again after */
#define SWEEP_PAUSE_US 250000  /* the sweep rests after the store failed it */
#define SWEEP_RECHECK_US 20000 /* and where a deadline has passed and nothing could be taken */
#define WAIT_US_MAX 1000000    /* wall clocks step, other processes write: look again each second at least */
#define MAINTAIN_PAUSE_US 1000000

/* The memory behind the outcomes of one transaction: let go with its last command. */
struct batch {
    struct arena *arena;
    _Atomic size_t references;
    struct batch *next_free;
};

struct skipped {
    struct uuid order_ids[SKIPPED_MAX];
    int64_t until_us[SKIPPED_MAX];
    size_t count;
};

struct committer {
    /* Immutable after the start. */
    struct committer_options options;
    struct commit_queue *queue;
    pthread_t thread;

    /* The committer thread's own. */
    struct uuid_source ids;
    struct command *parked; /* wait for overdue holds to be released */
    size_t parked_count;
    struct command **commands;
    size_t commands_capacity;
    int64_t look_at_us; /* when to look for it again, though commands keep coming */
    size_t sweep_limit; /* sweep_max, or less while a timeout that fails is being isolated */
    int64_t sweep_not_before_us;
    int64_t maintain_not_before_us;
    bool more_maintenance;
    int64_t failure_log_us;   /* when a failed batch was last logged */
    int64_t locked_log_us;    /* when locked rows were */
    int64_t failing_since_us; /* where failed_us is set */
    int64_t set_aside_log_us; /* not logged again before */
    struct skipped skipped;

    /* The committer thread's to write, anybody's to read. */
    _Atomic int64_t next_due_ms;
    _Atomic int64_t failed_us; /* when the store last failed to write; 0: it has written since */

    struct completions *completed; /* of commands that do not say where they go */

    pthread_mutex_t mutex;
    /* Guarded by mutex. */
    struct batch *free_batches;
    size_t free_batch_count;
};

/* ---- Batches' memory ---- */

static struct batch *batch_take(struct committer *committer)
{
    pthread_mutex_lock(&committer->mutex);
    struct batch *batch = committer->free_batches;
    if (batch != NULL) {
        committer->free_batches = batch->next_free;
        committer->free_batch_count--;
    }
    pthread_mutex_unlock(&committer->mutex);
    if (batch == NULL) {
        batch = memory_zalloc(1, sizeof(*batch));
        batch->arena = arena_new(BATCH_ARENA_CHUNK_BYTES);
    }
    return batch;
}

static void batch_free(struct batch *batch)
{
    arena_free(batch->arena);
    free(batch);
}

static void batch_give_back(struct committer *committer, struct batch *batch)
{
    arena_clear(batch->arena);
    pthread_mutex_lock(&committer->mutex);
    bool keep = committer->free_batch_count < FREE_BATCHES_MAX;
    if (keep) {
        batch->next_free = committer->free_batches;
        committer->free_batches = batch;
        committer->free_batch_count++;
    }
    pthread_mutex_unlock(&committer->mutex);
    if (!keep) {
        batch_free(batch);
    }
}

/* ---- Answers ---- */

static void count_outcome(struct committer *committer, const struct command *command)
{
    struct engine_metrics *metrics = committer->options.metrics;
    counter_add(&metrics->outcomes[command->kind][command->outcome.code], 1);
    for (size_t i = 0; i < command->outcome.member_count; i++) {
        if (command->input.place_orders.members[i].refused == NULL) {
            counter_add(&metrics->outcomes[COMMAND_PLACE_ORDER][command->outcome.members[i].code], 1);
        }
    }
}

static struct completions *destination(const struct committer *committer, const struct command *command)
{
    return command->completions == NULL ? committer->completed : command->completions;
}

/* Lets a list of commands out: they are their submitters' from here on. */
static void publish(struct committer *committer, struct command *first)
{
    while (first != NULL) {
        struct completions *completions = destination(committer, first);
        struct command *last = first;
        while (last->next != NULL && destination(committer, last->next) == completions) {
            last = last->next;
        }
        struct command *rest = last->next;
        completions_put(completions, first, last);
        first = rest;
    }
}

static void give_up(struct command *command, enum outcome_code code)
{
    memset(&command->outcome, 0, sizeof(command->outcome));
    memset(&command->answer, 0, sizeof(command->answer));
    command->outcome.code = code;
}

/* The batch is durable: parks what waits for the sweep and lets the rest out. What has waited for too long is not judged
 * either: nobody is refused for stock that a hold ties up which is over. */
static void complete(struct committer *committer, struct batch *batch, struct command **commands, size_t count)
{
    int64_t now_us = clock_monotonic_us();
    struct command *first = NULL;
    struct command **next = &first;
    struct command **park = &committer->parked;
    while (*park != NULL) {
        park = &(*park)->next;
    }
    size_t references = 0;
    for (size_t i = 0; i < count; i++) {
        struct command *command = commands[i];
        command->next = NULL;
        bool needs_sweep = command->outcome.code == OUTCOME_NEEDS_SWEEP;
        if (needs_sweep && now_us - command->submitted_us >= PARKED_US_MAX) {
            give_up(command, OUTCOME_STORE_UNAVAILABLE);
        } else if (needs_sweep) {
            *park = command;
            park = &command->next;
            committer->parked_count++;
            continue;
        }
        count_outcome(committer, command);
        command->batch = batch;
        references++;
        *next = command;
        next = &command->next;
    }
    atomic_store(&batch->references, references);
    if (references == 0) {
        batch_give_back(committer, batch);
    }
    publish(committer, first);
}

static enum outcome_code outcome_of_fault(enum fault_kind kind)
{
    switch (kind) {
    case FAULT_UNAVAILABLE:
    case FAULT_CONFLICT: /* versions kept moving: somebody else writes faster than this server plans */
    case FAULT_TIMEOUT:
        return OUTCOME_STORE_UNAVAILABLE;
    case FAULT_OUTCOME_UNKNOWN:
        return OUTCOME_UNKNOWN;
    default:
        return OUTCOME_INTERNAL_ERROR;
    }
}

static void fail(struct committer *committer, struct command **commands, size_t count, enum fault_kind kind)
{
    for (size_t i = 0; i < count; i++) {
        struct command *command = commands[i];
        give_up(command, outcome_of_fault(kind));
        command->batch = NULL;
        command->next = i + 1 < count ? commands[i + 1] : NULL;
        count_outcome(committer, command);
    }
    if (count > 0) {
        publish(committer, commands[0]);
    }
}

/* ---- Timeouts that fail ---- */

static void skipped_prune(struct skipped *skipped, int64_t now_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < skipped->count; i++) {
        if (skipped->until_us[i] > now_us) {
            skipped->order_ids[kept] = skipped->order_ids[i];
            skipped->until_us[kept] = skipped->until_us[i];
            kept++;
        }
    }
    skipped->count = kept;
}

static void skipped_add(struct skipped *skipped, struct uuid order_id, int64_t until_us)
{
    if (skipped->count == SKIPPED_MAX) {
        return; /* nothing is swept until one of them has had its time */
    }
    skipped->order_ids[skipped->count] = order_id;
    skipped->until_us[skipped->count] = until_us;
    skipped->count++;
}

/* Set aside until something else has happened to it, or for good: it must not be taken again without pause. */
static void set_aside(struct committer *committer, struct uuid order_id, enum log_level level, const char *why)
{
    int64_t now_us = clock_monotonic_us();
    skipped_add(&committer->skipped, order_id, now_us + SKIP_US);
    if (now_us < committer->set_aside_log_us) {
        return;
    }
    committer->set_aside_log_us = now_us + SET_ASIDE_LOG_US;
    char id[UUID_TEXT_LENGTH + 1];
    uuid_format(order_id, id);
    log_message(level, "payment_timeout_set_aside", "order %s is not expired for %d s: %s", id, SKIP_US / 1000000, why);
}

/* A sweep failed though the store works: go on one by one, set the culprit aside, and grow again. */
static void isolate_timeout(struct committer *committer, const struct batch_run *run, const struct fault *fault)
{
    if (run->due_count > 1) {
        committer->sweep_limit = 1;
        return;
    }
    if (run->due_count == 1) {
        set_aside(committer, run->due_first, LOG_ERROR, fault->detail);
    }
}

static int64_t store_now_ms(const struct committer *committer)
{
    return committer->options.ops->now(committer->options.store);
}

/* When the next timeout is due: after every transaction that may have moved it. */
static void look_next_due(struct committer *committer)
{
    struct fault fault;
    int64_t next_due_ms = 0; /* unknown: look into the next batch */
    committer->look_at_us = clock_monotonic_us() + WAIT_US_MAX;
    if (!committer->options.ops->next_due(committer->options.store, &next_due_ms, &fault)) {
        committer->sweep_not_before_us = clock_monotonic_us() + SWEEP_PAUSE_US;
    }
    committer->next_due_ms = next_due_ms;
}

static void note_sweep_success(struct committer *committer, const struct batch_run *run)
{
    if (run->due_unseen) {
        committer->next_due_ms = 0; /* look, and into the next batch with them */
        return;
    }
    if (run->has_stale) {
        set_aside(committer, run->stale, LOG_WARN, "its timeout is due and its state is not (see holdfast audit)");
    }
    if (run->due_count > 0 && committer->sweep_limit < committer->options.sweep_max) {
        committer->sweep_limit = committer->sweep_limit * 2 < committer->options.sweep_max
                                     ? committer->sweep_limit * 2
                                     : committer->options.sweep_max;
    }
    bool none_to_take = run->due_count == 0 && !run->due_left && committer->next_due_ms <= store_now_ms(committer);
    if (none_to_take || (run->due_count > 0 && run->due_count == run->elsewhere_count)) {
        /* Only set-aside ones are due, or another server is at them, or the deadline was not known. */
        committer->sweep_not_before_us = clock_monotonic_us() + SWEEP_RECHECK_US;
        look_next_due(committer);
    }
}

/* ---- The door ---- */

static void tell_others(struct committer *committer, const struct batch_run *run)
{
    const struct committer_options *options = &committer->options;
    if (run->event_count > 0 && options->appended != NULL) {
        options->appended(options->context);
    }
    if (run->jobs_at_ms != INT64_MAX && options->jobs_changed != NULL) {
        options->jobs_changed(options->jobs_context, run->jobs_at_ms);
    }
}

static void note_success(struct committer *committer)
{
    if (atomic_exchange(&committer->failed_us, 0) != 0) {
        log_message(LOG_INFO, "store_recovered", "it takes writes again, after %" PRId64 " s",
                    (clock_monotonic_us() - committer->failing_since_us) / 1000000);
    }
}

static void log_locked_rows(struct committer *committer, const struct fault *fault)
{
    int64_t now_us = clock_monotonic_us();
    if (now_us - committer->locked_log_us >= FAILURE_LOG_US) {
        committer->locked_log_us = now_us;
        log_message(LOG_WARN, "rows_locked", "the batch is planned again without them: %s", fault->detail);
    }
}

/* One transaction over these commands, planned again as long as versions move under it. */
static bool run_once(struct committer *committer, struct batch_run *run, struct fault *fault)
{
    for (int replans = 0;; replans++) {
        struct batch *batch = batch_take(committer);
        run->arena = batch->arena;
        if (batch_run(run, fault)) {
            if (run->changed) {
                note_success(committer);
                look_next_due(committer);
                tell_others(committer, run);
            }
            complete(committer, batch, run->commands, run->command_count);
            return true;
        }
        batch_give_back(committer, batch);
        counter_add(&committer->options.metrics->store_errors[fault->kind], 1);
        bool may_skip = fault->kind == FAULT_TIMEOUT && !run->skip_locked; /* somebody keeps a row: do without it */
        if (replans == REPLANS_MAX || (fault->kind != FAULT_CONFLICT && !may_skip)) {
            return false;
        }
        if (may_skip) {
            run->skip_locked = true;
            log_locked_rows(committer, fault);
        }
        counter_add(&committer->options.metrics->batches_replanned, 1);
    }
}

/* A fault that one command's or one timeout's rows may have caused; the others are the store's. */
static bool may_be_one_row(enum fault_kind kind)
{
    return kind == FAULT_CONSTRAINT || kind == FAULT_CONFLICT || kind == FAULT_INTERNAL;
}

static void note_failure(struct committer *committer, size_t commands, size_t timeouts, const struct fault *fault)
{
    int64_t now_us = clock_monotonic_us();
    if (now_us - committer->failure_log_us >= FAILURE_LOG_US) {
        committer->failure_log_us = now_us;
        log_message(LOG_ERROR, "batch_failed", "%zu commands, %zu timeouts: %s: %s", commands, timeouts,
                    fault_kind_name(fault->kind), fault->detail);
    }
    if (!may_be_one_row(fault->kind)) {
        committer->sweep_not_before_us = now_us + SWEEP_PAUSE_US;
        if (atomic_exchange(&committer->failed_us, now_us) == 0) {
            committer->failing_since_us = now_us;
        }
    }
}

/* Decides and commits these commands, whatever it takes: when the database refuses a row, the batch is split until the
 * command that made it stands alone, and only that one fails. */
static void run_commands(struct committer *committer, struct command **commands, size_t count, size_t sweep_max)
{
    struct batch_run run = {
        .ops = committer->options.ops,
        .store = committer->options.store,
        .ids = &committer->ids,
        .policy = committer->options.policy,
        .metrics = committer->options.metrics,
        .commands = commands,
        .command_count = count,
        .sweep_max = sweep_max,
        .next_due_ms = committer->next_due_ms,
        .skip = committer->skipped.order_ids,
        .skip_count = committer->skipped.count,
    };
    struct fault fault = {.kind = FAULT_NONE};
    if (run_once(committer, &run, &fault)) {
        note_sweep_success(committer, &run);
        return;
    }
    if (may_be_one_row(fault.kind) && run.due_count > 0 && count > 0) { /* whose row was it? each side alone */
        run_commands(committer, commands, 0, sweep_max);
        run_commands(committer, commands, count, 0);
        return;
    }
    if (may_be_one_row(fault.kind) && run.due_count > 0) {
        isolate_timeout(committer, &run, &fault);
        return;
    }
    if (may_be_one_row(fault.kind) && count > 1) {
        counter_add(&committer->options.metrics->batches_split, 1);
        run_commands(committer, commands, count / 2, 0);
        run_commands(committer, commands + count / 2, count - count / 2, 0);
        return;
    }
    note_failure(committer, count, run.due_count, &fault);
    fail(committer, commands, count, fault.kind);
}

/* Parked commands first, then the new ones, as an array. */
static size_t gather(struct committer *committer, struct command *taken)
{
    struct command *lists[] = {committer->parked, taken};
    size_t count = 0;
    committer->parked = NULL;
    committer->parked_count = 0;
    for (size_t i = 0; i < 2; i++) {
        for (struct command *command = lists[i]; command != NULL; command = command->next) {
            if (count == committer->commands_capacity) {
                committer->commands_capacity = count == 0 ? 1024 : count * 2;
                committer->commands =
                    memory_grow(committer->commands, committer->commands_capacity * sizeof(struct command *));
            }
            committer->commands[count++] = command;
        }
    }
    return count;
}

static int64_t min_int64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Until the next timeout is due, 0 where it is. */
static int64_t wait_us(const struct committer *committer)
{
    int64_t until_due_ms = committer->next_due_ms - store_now_ms(committer);
    if (until_due_ms > 0) {
        return min_int64(until_due_ms, WAIT_US_MAX / 1000) * 1000;
    }
    int64_t until_sweep_us = committer->sweep_not_before_us - clock_monotonic_us();
    if (committer->skipped.count == SKIPPED_MAX) {
        return WAIT_US_MAX;
    }
    return until_sweep_us > 0 ? min_int64(until_sweep_us, WAIT_US_MAX) : 0;
}

/* Until there may be something new for the committer to do, unless a command comes. */
int64_t committer_pause_us(const struct committer *committer)
{
    if (committer->more_maintenance) {
        return 0;
    }
    if (committer->parked != NULL) { /* they wait for a sweep: not longer, and not without pause */
        int64_t until_sweep_us = committer->sweep_not_before_us - clock_monotonic_us();
        return until_sweep_us > 0 ? min_int64(until_sweep_us, WAIT_US_MAX) : 0;
    }
    return wait_us(committer);
}

/* True: there is more to do soon. */
static bool maintain(struct committer *committer, bool idle)
{
    bool more = false;
    struct fault fault;
    if (clock_monotonic_us() < committer->maintain_not_before_us) {
        return false;
    }
    if (!committer->options.ops->maintain(committer->options.store, idle, &more, &fault)) {
        log_message(LOG_WARN, "store_maintenance_failed", "%s: %s", fault_kind_name(fault.kind), fault.detail);
        committer->maintain_not_before_us = clock_monotonic_us() + MAINTAIN_PAUSE_US;
        return false;
    }
    return more;
}

/* Where nobody sends orders to a server that is not ready, no order will show that it is again. */
static void try_write(struct committer *committer)
{
    struct fault ignored;
    int64_t failed_us = atomic_load(&committer->failed_us);
    if (failed_us != 0 && clock_monotonic_us() - failed_us >= TRY_WRITE_US) {
        bool ok = committer->options.ops->try_write(committer->options.store, &ignored);
        if (ok) {
            note_success(committer);
        } else {
            atomic_store(&committer->failed_us, clock_monotonic_us());
        }
    }
}

static struct command *take_commands(struct committer *committer, int64_t patience_us)
{
    const struct store_ops *ops = committer->options.ops;
    if (commit_queue_wait(committer->queue, patience_us) && ops->await_turn != NULL) {
        ops->await_turn(committer->options.store);
    }
    return commit_queue_take(committer->queue, committer->options.batch_weight_max, 0);
}

bool committer_turn(struct committer *committer, int64_t patience_us)
{
    bool closed = commit_queue_is_closed(committer->queue); /* before the last take, which then has all */
    struct command *taken = NULL;
    if (committer->parked_count < committer->options.batch_weight_max) { /* else the queue fills: an answer */
        taken = take_commands(committer, patience_us);
    }
    gauge_set(&committer->options.metrics->queue_depth, (int64_t)commit_queue_weight(committer->queue));
    if (taken == NULL && committer->parked == NULL && closed) {
        return false;
    }
    skipped_prune(&committer->skipped, clock_monotonic_us());
    if (taken != NULL && clock_monotonic_us() >= committer->look_at_us) { /* refusals write nothing, nor look */
        look_next_due(committer);
    }
    bool may_sweep = committer->skipped.count < SKIPPED_MAX;
    bool has_work = taken != NULL || committer->parked != NULL || (may_sweep && wait_us(committer) == 0);
    if (has_work) {
        size_t count = gather(committer, taken);
        run_commands(committer, committer->commands, count, may_sweep ? committer->sweep_limit : 0);
    } else {
        look_next_due(committer);
    }
    try_write(committer);
    committer->more_maintenance = maintain(committer, !has_work);
    return true;
}

static void *committer_main(void *argument)
{
    struct committer *committer = argument;
    (void)pthread_setname_np(pthread_self(), "committer");
    while (committer_turn(committer, committer_pause_us(committer))) {}
    return NULL;
}

bool committer_start(const struct committer_options *options, struct committer **ret_committer, struct fault *fault)
{
    int64_t next_due_ms;
    if (!options->ops->next_due(options->store, &next_due_ms, fault)) {
        return false;
    }
    struct committer *committer = memory_zalloc(1, sizeof(*committer));
    committer->options = *options;
    committer->queue = commit_queue_new(options->queue_weight_max);
    committer->completed = completions_new(options->completed, options->context);
    committer->next_due_ms = next_due_ms;
    committer->sweep_limit = options->sweep_max;
    uuid_source_init(&committer->ids, options->random, options->random_context);
    pthread_mutex_init(&committer->mutex, NULL);
    if (!options->is_stepped && pthread_create(&committer->thread, NULL, committer_main, committer) != 0) {
        committer_free(committer);
        return fault_set(fault, FAULT_INTERNAL, "cannot start the committer's thread");
    }
    *ret_committer = committer;
    return true;
}

bool committer_submit(struct committer *committer, struct command *command)
{
    command->submitted_us = clock_monotonic_us();
    return commit_queue_put(committer->queue, command);
}

struct command *committer_take_completed(struct committer *committer)
{
    return completions_take(committer->completed);
}

void committer_release(struct committer *committer, struct command *command)
{
    struct batch *batch = command->batch;
    command->batch = NULL;
    if (batch != NULL && atomic_fetch_sub(&batch->references, 1) == 1) {
        batch_give_back(committer, batch);
    }
}

bool committer_is_failing(const struct committer *committer)
{
    return atomic_load(&committer->failed_us) != 0;
}

int64_t committer_next_due_ms(const struct committer *committer)
{
    return committer->next_due_ms;
}

void committer_stop(struct committer *committer)
{
    commit_queue_close(committer->queue);
    if (committer->options.is_stepped) {
        while (committer_turn(committer, 0)) {}
    } else {
        pthread_join(committer->thread, NULL);
    }
}

void committer_free(struct committer *committer)
{
    if (committer == NULL) {
        return;
    }
    while (committer->free_batches != NULL) {
        struct batch *batch = committer->free_batches;
        committer->free_batches = batch->next_free;
        batch_free(batch);
    }
    commit_queue_free(committer->queue);
    completions_free(committer->completed);
    pthread_mutex_destroy(&committer->mutex);
    free(committer->commands);
    free(committer);
}
