#ifndef HOLDFAST_ENGINE_COMMITTER_H
#define HOLDFAST_ENGINE_COMMITTER_H

/* The one door: a thread that takes what waits, decides it in one transaction, commits once, and only then lets the
 * answers out. Payment timeouts that are due ride in the same batches. */

#include <stdbool.h>
#include <stdint.h>

#include "engine/command.h"
#include "engine/engine_metrics.h"
#include "store/store.h"

struct committer;

struct committer_options {
    const struct store_ops *ops;
    struct store *store; /* its writing side is the committer's alone until committer_free */
    struct policy policy;
    size_t queue_weight_max; /* orders that may wait; beyond: busy */
    size_t batch_weight_max; /* orders in one transaction */
    size_t sweep_max;        /* payment timeouts in one transaction */
    struct engine_metrics *metrics;
    /* Called on the committer's thread, once per batch, when completed commands wait to be taken. */
    void (*completed)(void *context);
    void *context;
    /* Called on the committer's thread, with the same context, after a transaction that appended events. NULL: nobody
     * wants to know. */
    void (*appended)(void *context);
    /* Called on the committer's thread after a transaction that lets a job start at that time. NULL: nobody wants to
     * know. */
    void (*jobs_changed)(void *context, int64_t job_at_ms);
    void *jobs_context;
    /* Of new ids; NULL: the kernel's. */
    void (*random)(void *context, void *bytes, size_t length);
    void *random_context;
    /* There is no thread: whoever started it gives it its turns, and everything happens on theirs. */
    bool is_stepped;
};

/* Starts the thread. The overdue holds that it finds are released from its first batch on. */
MUST_USE bool committer_start(const struct committer_options *options, struct committer **ret_committer,
                              struct fault *fault);
/* False: the queue is full or closing, and the command still the caller's (OUTCOME_BUSY). Any thread. */
MUST_USE bool committer_submit(struct committer *committer, struct command *command);
/* All commands completed since the last call, as a list (command->next), oldest first; NULL where there are none. */
struct command *committer_take_completed(struct committer *committer);
/* After the answer was made from the outcome: lets go of the batch's memory. The command stays the submitter's. */
void committer_release(struct committer *committer, struct command *command);
/* The store failed to write, and has written nothing since. Any thread. */
bool committer_is_failing(const struct committer *committer);
/* The earliest deadline of a payment, as it was last looked up; INT64_MAX: none; 0: not known. Any thread. */
int64_t committer_next_due_ms(const struct committer *committer);
/* Where it is stepped. One turn: waits up to patience_us for commands, then takes, decides and commits one batch, or
 * keeps house. False: it was stopped, and nothing is left to do. */
bool committer_turn(struct committer *committer, int64_t patience_us);
/* For how long a turn would find nothing to do, unless a command comes. */
int64_t committer_pause_us(const struct committer *committer);
/* Refuse new commands, finish those that wait, end the thread. Completed ones can still be taken. */
void committer_stop(struct committer *committer);
void committer_free(struct committer *committer);

#endif
