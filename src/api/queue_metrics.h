#ifndef HOLDFAST_API_QUEUE_METRICS_H
#define HOLDFAST_API_QUEUE_METRICS_H

/* How many jobs wait in each queue, and for how long: read now and then rather than by each scrape, on every process that
 * has metrics, so that a backlog shows also where nobody works on it. The loop's thread, but for the read itself. */

#include "api/job_reads.h"
#include "base/buffer.h"
#include "engine/reader_pool.h"

struct queue_metrics {
    struct read_task task;
    bool is_reading;
    struct payment_timeouts timeouts; /* the read's input */
    int64_t now_ms;
    struct buffer made;    /* by the read, to take the place of `shown` */
    struct buffer shown;   /* by the last one that went well */
    int64_t read_us;       /* when the last read began, ... */
    int64_t shown_us;      /* and the one that is shown; 0: none yet */
    int64_t read_again_us; /* not before */
};

void queue_metrics_init(struct queue_metrics *metrics);
/* Begins a read, unless one is under way or the readers have no time for it. */
void queue_metrics_read(struct queue_metrics *metrics, struct reader_pool *readers,
                        const struct payment_timeouts *timeouts, int64_t now_ms);
void queue_metrics_completed(struct queue_metrics *metrics); /* metrics->task was taken back */
void queue_metrics_write(const struct queue_metrics *metrics, struct buffer *out);
void queue_metrics_done(struct queue_metrics *metrics);

#endif
