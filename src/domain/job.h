#ifndef HOLDFAST_DOMAIN_JOB_H
#define HOLDFAST_DOMAIN_JOB_H

/* Jobs: work that is done after what caused it has been committed, outside of any transaction, and at least once.
 *
 *                claim                    done
 *   scheduled -----------> running ----------------> completed
 *     |  ^ ^                | | |
 *     |  | +---- failed ----+ | +- failed, no attempt left --> dead
 *     |  +-- given back ------+                                  |
 *     |  +---------------------------- retry --------------------+
 *     +--cancel--> cancelled
 *
 * Whoever claims a job holds it for the length of a lease, under a fencing token: `claim`, one more with each claim. A
 * worker that died, or stalled, lets its lease run out; the next claim takes the job over, and what the former holder
 * still says of it is refused. (Payment timeouts are none of these: they are decided in the transaction that takes
 * them, see expire_order.h, and seen as jobs through their orders.) */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/uuid.h"

enum job_state { JOB_SCHEDULED, JOB_RUNNING, JOB_COMPLETED, JOB_DEAD, JOB_CANCELLED };
#define JOB_STATE_COUNT 5

enum {
    JOB_NAME_BYTES_MAX = 64, /* of a queue or a kind: a-z, 0-9 and _ . : - */
    JOB_KEY_BYTES_MAX = 255,
    JOB_PAYLOAD_BYTES_MAX = 65536,
    JOB_ERROR_BYTES_MAX = 500,
    JOB_LOG_LINES_MAX = 50,
    JOB_LOG_BYTES_MAX = 32768,
    JOB_PRIORITY_MAX = 9, /* the last to run; 0 the first */
    JOB_PRIORITY_DEFAULT = 5,
    JOB_ATTEMPTS_MAX = 100
};
#define JOB_PROGRESS_NONE (-1)

struct event;

struct job {
    struct uuid id;
    struct text queue;
    struct text kind;
    struct text key;     /* absent: none; of one kind at most one is scheduled under it */
    struct text payload; /* a JSON object, compact; absent: none */
    /* Of a webhook delivery: which event. Of a new one the event of this batch, which the store numbers as it saves. */
    const struct event *event;
    int64_t event_sequence; /* 0: none */
    enum job_state state;
    int64_t run_at_ms;
    int64_t priority;
    int64_t attempt; /* which one runs, or ran last; 0 before the first */
    int64_t max_attempts;
    int64_t claim;          /* the fencing token; 0 before the first claim */
    int64_t lease_until_ms; /* while running */
    int64_t progress;       /* percent, or JOB_PROGRESS_NONE */
    struct text last_error; /* absent: none */
    struct text log; /* a JSON object a line, each ended by a newline, oldest first; absent: none. Lists leave it out */
    int64_t created_at_ms;
    int64_t started_at_ms;  /* of the last claim; 0: never */
    int64_t finished_at_ms; /* 0: it has not */

    /* What the store loaded, so that saving knows what changed and what to guard. */
    bool is_new;
    bool is_changed; /* a loaded one: to be saved, guarded by loaded_state and loaded_claim */
    enum job_state loaded_state;
    int64_t loaded_claim;
};

/* A copy that later decisions of the same batch do not change. Texts are shared. */
const struct job *job_snapshot(struct arena *arena, const struct job *job);

const char *job_state_name(enum job_state state);
bool job_state_parse(struct text name, enum job_state *ret_state);
bool job_state_is_finished(enum job_state state);
bool job_may_move(enum job_state from, enum job_state to); /* the diagram above */
/* As the names of queues and kinds are written. */
bool job_name_is_good(struct text name);

/* How a kind's failures are retried. */
struct job_retry {
    int64_t backoff_ms;     /* after the first failure; doubles with each */
    int64_t backoff_ms_max; /* and no more than that */
};
/* When to try again after `attempt` failures: half of it is sure, the other half times `jitter` (0 to 65535 of 65536),
 * so that what failed together does not come back together. */
int64_t job_backoff_ms(const struct job_retry *retry, int64_t attempt, uint32_t jitter);

/* Moves. Each asserts that it is one of the diagram's, and marks the job as changed. */
void job_start(struct job *job, int64_t now_ms, int64_t lease_ms);
void job_renew(struct job *job, int64_t now_ms, int64_t lease_ms); /* the one who holds it says that it lives */
void job_complete(struct job *job, int64_t now_ms);
void job_die(struct job *job, int64_t now_ms, struct text error);
void job_cancel(struct job *job, int64_t now_ms, struct text reason); /* reason absent: last_error stays as it was */
void job_reschedule(struct job *job, int64_t run_at_ms, struct text error);
/* The attempt did not count. */
void job_give_back(struct job *job, int64_t now_ms);
void job_promote(struct job *job, int64_t now_ms);   /* a scheduled one: now at the latest */
void job_run_again(struct job *job, int64_t now_ms); /* a dead one: from its first attempt on */

/* The log with these lines behind it (each a JSON object and a newline), cut at its beginning to what a job may keep. */
struct text job_log_append(struct arena *arena, struct text log, struct text lines);

/* What the payment timeouts are called among jobs and queues. */
#define PAYMENT_TIMEOUT_KIND TEXT_LITERAL("payment_timeout")
#define PAYMENT_TIMEOUT_QUEUE TEXT_LITERAL("orders")
#define WEBHOOK_DELIVERY_KIND TEXT_LITERAL("webhook_delivery")

#endif
