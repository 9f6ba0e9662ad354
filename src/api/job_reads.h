#ifndef HOLDFAST_API_JOB_READS_H
#define HOLDFAST_API_JOB_READS_H

/* Jobs and queues as they are shown, to the API's clients and on the command line: payment timeouts, which are no rows of
 * the table of jobs, stand among them. A draft is seen as a scheduled job that has its order's id. */

#include "store/store.h"

/* What is known of the payment timeouts without looking. */
struct payment_timeouts {
    int64_t count;
    int64_t next_due_ms; /* the earliest deadline; INT64_MAX: none, 0: not known */
};

/* Newest first, as ops->read_jobs. */
MUST_USE bool job_reads_page(const struct store_ops *ops, struct reader *reader, struct arena *arena,
                             const struct job_filter *filter, const struct page *page, struct job ***ret_jobs,
                             size_t *ret_count, bool *ret_more, struct fault *fault);
/* With its log; NULL where there is none. */
MUST_USE bool job_reads_one(const struct store_ops *ops, struct reader *reader, struct arena *arena,
                            const struct uuid *id, struct job **ret_job, struct fault *fault);
/* Where ALL_QUEUES, which holds no jobs, is among the rows, it shows those of the others. */
void job_reads_add_up(struct queue_row *rows, size_t count);
/* By name, as ops->read_queues; added up. */
MUST_USE bool job_reads_queues(const struct store_ops *ops, struct reader *reader, struct arena *arena, int64_t now_ms,
                               const struct payment_timeouts *timeouts, struct queue_row **ret_rows, size_t *ret_count,
                               struct fault *fault);

#endif
