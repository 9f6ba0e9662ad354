#ifndef HOLDFAST_ENGINE_BATCH_H
#define HOLDFAST_ENGINE_BATCH_H

/* One transaction: begin, load the facts, decide each command in the order of arrival, save, commit. It either has
 * committed everything or changed nothing (or says FAULT_OUTCOME_UNKNOWN); what to do about a fault is the
 * committer's business. */

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "engine/command.h"
#include "engine/engine_metrics.h"
#include "store/store.h"

struct batch_run {
    /* In. */
    const struct store_ops *ops;
    struct store *store;
    struct arena *arena;
    struct uuid_source *ids;
    struct policy policy;
    struct engine_metrics *metrics;
    struct command **commands;
    size_t command_count;
    size_t sweep_max;        /* payment timeouts to take along; 0: none */
    int64_t next_due_ms;     /* nothing is due before: spares the look */
    bool skip_locked;        /* do without rows that somebody else keeps locked */
    const struct uuid *skip; /* orders that failed lately: left out of the sweep */
    size_t skip_count;

    /* Out, also where it failed. */
    struct uuid *due; /* in the arena */
    size_t due_count;
    size_t due_known;      /* due, taken or not */
    struct uuid due_first; /* the earliest of them, for a caller whose arena is gone */
    struct uuid stale;     /* one that was due and did not expire: its timeout is not its order's any more */
    bool has_stale;
    size_t elsewhere_count; /* of the due ones: another server has them in hand */
    bool due_unseen;        /* more is due, of which this server did not know */
    bool due_left;          /* more is due than was taken (those skipped not counted) */
    bool changed;           /* something was written */
    size_t event_count;     /* where it changed: events that were appended */
    int64_t jobs_at_ms;     /* where it changed: the earliest job that may start because of it; INT64_MAX: none */
};

MUST_USE bool batch_run(struct batch_run *run, struct fault *fault);

#endif
