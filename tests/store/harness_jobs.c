#include "harness_jobs.h"

#include <stdlib.h>
#include <unistd.h>

#include "domain/manage_jobs.h"

#define RETRY_MS 1000

static struct new_job work_in(const char *queue)
{
    return (struct new_job){.queue = text_from_c(queue),
                            .kind = TEXT_LITERAL("work"),
                            .payload = TEXT_LITERAL("{\"n\":1}"),
                            .priority = JOB_PRIORITY_DEFAULT,
                            .max_attempts = 3};
}

static struct outcome plan_jobs(struct harness *harness, const struct new_job *jobs, size_t count)
{
    const struct enqueue_jobs command = {jobs, count};
    struct outcome outcome;
    batch_begin(harness);
    enqueue_jobs_want(&command, &harness->wanted);
    batch_load(harness);
    enqueue_jobs_decide(&harness->facts, &command, &outcome);
    return outcome;
}

void enqueue(struct harness *harness, const char *queue, size_t count)
{
    struct new_job *jobs = memory_zalloc(count, sizeof(*jobs));
    for (size_t i = 0; i < count; i++) {
        jobs[i] = work_in(queue);
    }
    (void)plan_jobs(harness, jobs, count);
    batch_commit(harness);
    free(jobs);
}

struct uuid enqueue_at(struct harness *harness, const char *queue, int64_t priority, int64_t run_at_ms)
{
    struct new_job job = work_in(queue);
    job.priority = priority;
    job.run_at_ms = run_at_ms;
    struct outcome outcome = plan_jobs(harness, &job, 1);
    batch_commit(harness);
    return outcome.jobs[0].job->id;
}

struct outcome plan_keyed(struct harness *harness, const char *key, enum on_scheduled_key on_key)
{
    struct new_job job = work_in("keyed");
    job.key = text_from_c(key);
    job.on_key = on_key;
    return plan_jobs(harness, &job, 1);
}

struct outcome plan_claim(struct harness *harness, size_t max, int64_t lease_ms)
{
    const struct claim_jobs command = {.max = max, .lease_ms = lease_ms};
    struct outcome outcome;
    batch_begin(harness);
    claim_jobs_want(&command, &harness->wanted);
    batch_load(harness);
    claim_jobs_decide(&harness->facts, &command, &outcome);
    return outcome;
}

struct outcome claim(struct harness *harness, size_t max, int64_t lease_ms)
{
    struct outcome outcome = plan_claim(harness, max, lease_ms);
    batch_commit(harness);
    return outcome;
}

struct outcome claim_soon(struct harness *harness, size_t max, int64_t lease_ms)
{
    struct outcome outcome = claim(harness, max, lease_ms);
    for (int i = 0; outcome.job_count == 0 && i < 600; i++) {
        (void)usleep(20000);
        outcome = claim(harness, max, lease_ms);
    }
    return outcome;
}

enum job_verdict finish(struct harness *harness, const struct job *job, enum job_result_kind kind)
{
    const struct job_result result = {.job_id = job->id,
                                      .claim = job->claim,
                                      .kind = kind,
                                      .error = kind == JOB_RESULT_DONE ? TEXT_ABSENT : TEXT_LITERAL("no luck"),
                                      .retry_in_ms = kind == JOB_RESULT_GIVEN_BACK ? 0 : RETRY_MS};
    const struct finish_jobs command = {&result, 1};
    struct outcome outcome;
    batch_begin(harness);
    finish_jobs_want(&command, &harness->wanted);
    batch_load(harness);
    finish_jobs_decide(&harness->facts, &command, &outcome);
    batch_commit(harness);
    return outcome.jobs[0].verdict;
}

void set_queue(struct harness *harness, struct update_queue command)
{
    struct outcome outcome;
    batch_begin(harness);
    update_queue_want(&command, &harness->wanted);
    batch_load(harness);
    update_queue_decide(&harness->facts, &command, &outcome);
    assert_int_equal(outcome.code, OUTCOME_QUEUE_UPDATED);
    batch_commit(harness);
}

void limit_queue(struct harness *harness, const char *queue, int64_t concurrency)
{
    set_queue(harness,
              (struct update_queue){.name = text_from_c(queue), .has_concurrency = true, .concurrency = concurrency});
}

void rate_queue(struct harness *harness, const char *queue, int64_t max, int64_t period_ms)
{
    set_queue(harness, (struct update_queue){
                           .name = text_from_c(queue), .has_rate = true, .rate_max = max, .rate_period_ms = period_ms});
}

struct job *read_job(struct harness *harness, struct uuid id)
{
    struct job *job;
    assert_ok(harness, harness->ops->read_job(harness->reader, harness->read_arena, &id, &job, &harness->fault));
    return job;
}
