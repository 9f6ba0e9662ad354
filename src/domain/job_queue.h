#ifndef HOLDFAST_DOMAIN_JOB_QUEUE_H
#define HOLDFAST_DOMAIN_JOB_QUEUE_H

/* Queues: where jobs wait, and how many of them may start. A queue of which nothing was ever set has no row, and no
 * limits. The one called `all` holds no jobs: what it is set to holds for those of all queues together. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

#define ALL_QUEUES TEXT_LITERAL("all")

struct job_queue {
    struct text name;
    bool is_known; /* it has a row, or a job */
    bool is_paused;
    int64_t concurrency;     /* jobs at once, over all processes; 0: no limit */
    int64_t rate_max;        /* starts in each period; 0: no limit */
    int64_t rate_period_ms;  /* 0 where there is no limit */
    int64_t rate_begin_ms;   /* when the present period began */
    int64_t rate_count;      /* starts in it */
    int64_t running;         /* jobs with a lease, as a claim found them */
    int64_t closed_until_ms; /* of a claim: nothing starts before; 0: it is open, INT64_MAX: until somebody opens it */
    bool is_held;            /* of a claim: the worker that asks runs some of its jobs */

    int64_t version;
    int64_t loaded_version; /* 0: it has no row yet */
    bool is_deleted;
};

enum { JOB_QUEUE_CONCURRENCY_MAX = 10000, JOB_QUEUE_RATE_MAX = 1000000, JOB_QUEUE_RATE_PERIOD_MS_MAX = 86400000 };

/* A copy that later decisions of the same batch do not change. The name is shared. */
const struct job_queue *job_queue_snapshot(struct arena *arena, const struct job_queue *queue);
/* How many of its jobs may start now; INT64_MAX: any number. */
int64_t job_queue_room(const struct job_queue *queue, int64_t now_ms);
/* When the rate allows the next start; at or before now_ms: at once. */
int64_t job_queue_rate_at(const struct job_queue *queue, int64_t now_ms);
/* `count` of its jobs start. */
void job_queue_start(struct job_queue *queue, int64_t now_ms, int64_t count);
/* To be saved: a new row where there is none. */
void job_queue_change(struct job_queue *queue);

/* The earliest scheduled job of a queue at one priority, and how many of those behind it a claim should look at. */
struct claim_head {
    struct job_queue *queue;
    int64_t priority;
    int64_t run_at_ms;
    /* Set by claim_plan: */
    int64_t queue_at_ms; /* since when the queue has something that may start; INT64_MAX: it has not */
    size_t limit;
};

struct claim_limits {
    const struct job_queue *all;
    size_t max;     /* jobs that the worker may start */
    size_t reserve; /* of them left for queues of which it runs none */
};

/* Shares `max` starts out among the heads that are due, or as many as `all` has room for: no queue more than it has
 * room for itself, and none so many that another with something due gets nothing while there is any; the one that has
 * waited longest comes first. A queue of which the worker runs something leaves the reserve to others, however long that
 * runs. Heads of one queue come together, by priority; they share one portion, in that order, and stay so, while queues
 * are sorted. Returns when the earliest job that may run and is not due yet is: INT64_MAX where there is none.
 * *ret_more: something may start that was given no share. */
int64_t claim_plan(struct claim_head *heads, size_t count, const struct claim_limits *limits, int64_t now_ms,
                   bool *ret_more);

#endif
