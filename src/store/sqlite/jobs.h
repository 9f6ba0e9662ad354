#ifndef HOLDFAST_STORE_SQLITE_JOBS_H
#define HOLDFAST_STORE_SQLITE_JOBS_H

/* Jobs, queues, schedules and endpoints: their part of a batch, and their reads. */

#include "store/sqlite/sqlite_internal.h"

/* jobs_load.c */
MUST_USE bool jobs_load(struct store *store, const struct wanted *wanted, struct facts *facts, struct fault *fault);

/* jobs_save.c: after the events, which have their numbers then. The last of them is `last_sequence`. */
MUST_USE bool jobs_save(struct store *store, struct facts *facts, int64_t last_sequence, struct fault *fault);

/* read_jobs.c */
bool sqlite_read_jobs(struct reader *reader, struct arena *arena, const struct job_filter *filter,
                      const struct page *page, struct job ***ret_jobs, size_t *ret_count, bool *ret_more,
                      struct fault *fault);
bool sqlite_read_job(struct reader *reader, struct arena *arena, const struct uuid *id, struct job **ret_job,
                     struct fault *fault);
bool sqlite_read_queues(struct reader *reader, struct arena *arena, enum queue_detail detail, int64_t now_ms,
                        struct queue_row **ret_rows, size_t *ret_count, struct fault *fault);
bool sqlite_read_schedules(struct reader *reader, struct arena *arena, struct job_schedule ***ret_schedules,
                           size_t *ret_count, struct fault *fault);
bool sqlite_read_endpoints(struct reader *reader, struct arena *arena, struct webhook_endpoint ***ret_endpoints,
                           size_t *ret_count, struct fault *fault);

/* watch.c */
bool sqlite_watch_start(struct store *store, void (*changed)(void *context, int64_t job_at_ms), void *context,
                        struct watch **ret_watch, struct fault *fault);
void sqlite_watch_stop(struct watch *watch);

#endif
