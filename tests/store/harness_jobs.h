#ifndef HOLDFAST_TESTS_STORE_HARNESS_JOBS_H
#define HOLDFAST_TESTS_STORE_HARNESS_JOBS_H

/* Jobs on the store under test, each command a batch of its own through the real rules. */

#include "domain/claim_jobs.h"
#include "domain/enqueue_jobs.h"
#include "domain/manage_jobs.h"
#include "harness.h"

/* `count` of them, of the kind "work", due now. */
void enqueue(struct harness *harness, const char *queue, size_t count);
struct uuid enqueue_at(struct harness *harness, const char *queue, int64_t priority, int64_t run_at_ms);
/* One batch that is decided and left open. */
struct outcome plan_keyed(struct harness *harness, const char *key, enum on_scheduled_key on_key);
struct outcome claim(struct harness *harness, size_t max, int64_t lease_ms);
/* A shared store looks from the front only as often as that is cheap: on a busy machine what was not known before is
 * found a little later. */
struct outcome claim_soon(struct harness *harness, size_t max, int64_t lease_ms);
struct outcome plan_claim(struct harness *harness, size_t max, int64_t lease_ms); /* decided and left open */
/* A job as it was claimed gets this end; what the verdict is. */
enum job_verdict finish(struct harness *harness, const struct job *job, enum job_result_kind kind);
/* Of queues that have jobs, or ALL_QUEUES; 0: no limit. */
void set_queue(struct harness *harness, struct update_queue command);
void limit_queue(struct harness *harness, const char *queue, int64_t concurrency);
void rate_queue(struct harness *harness, const char *queue, int64_t max, int64_t period_ms);
struct job *read_job(struct harness *harness, struct uuid id);

#endif
