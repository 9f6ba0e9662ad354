#ifndef HOLDFAST_ENGINE_READER_POOL_H
#define HOLDFAST_ENGINE_READER_POOL_H

/* Reads on threads of their own, so that no query ever blocks the event loop or the committer. Of several threads one takes
 * no long task, so that however many of those wait, the short ones go on. */

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct reader_pool;

struct read_task {
    /* Set by the submitter. `run` is called on a pool thread with that thread's reader; it leaves its results in the
     * task's own structure. `context` is the submitter's. */
    bool (*run)(struct read_task *task, const struct store_ops *ops, struct reader *reader, struct fault *fault);
    void *context;
    bool is_long; /* may take a while: short ones that come meanwhile go first */
    bool urgent;  /* has a thread of its own, so that no flood of reads delays it; always accepted */

    /* Set by the pool, the submitter's to read once the task was taken back. */
    bool ok;
    struct fault fault;

    struct read_task *next;
};

struct reader_pool_options {
    const struct store_ops *ops;
    struct store *store;
    size_t threads; /* beside the one for urgent tasks */
    size_t queue_max;
    void (*completed)(void *context); /* on a pool thread: finished tasks wait to be taken */
    void *context;
};

MUST_USE bool reader_pool_start(const struct reader_pool_options *options, struct reader_pool **ret_pool,
                                struct fault *fault);
MUST_USE bool reader_pool_submit(struct reader_pool *pool, struct read_task *task); /* false: full or closing */
struct read_task *reader_pool_take_completed(struct reader_pool *pool); /* a list, oldest first; NULL: none */
void reader_pool_stop(struct reader_pool *pool); /* finishes what waits; finished tasks can still be taken */
void reader_pool_free(struct reader_pool *pool);

#endif
