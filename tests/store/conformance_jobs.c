/* Jobs: what is enqueued comes back, and is claimed in order, within limits, once. */

#include "conformance.h"

#include <string.h>
#include <unistd.h>

#include "harness_jobs.h"

#define LEASE_MS 30000
#define HOUR_MS (INT64_C(60) * 60 * 1000)

static void assert_claimed(const struct outcome *outcome, const struct uuid *ids, size_t count)
{
    assert_int_equal(outcome->job_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(uuid_equal(outcome->jobs[i].job->id, ids[i]));
    }
}

static struct uuid enqueue_one(struct harness *harness, struct new_job job)
{
    const struct enqueue_jobs command = {&job, 1};
    struct outcome outcome;
    batch_begin(harness);
    enqueue_jobs_want(&command, &harness->wanted);
    batch_load(harness);
    enqueue_jobs_decide(&harness->facts, &command, &outcome);
    assert_int_equal(outcome.jobs[0].verdict, JOB_ACCEPTED);
    batch_commit(harness);
    return outcome.jobs[0].job->id;
}

static struct job *load_job(struct harness *harness, const struct uuid *id)
{
    batch_begin(harness);
    wanted_add_job(&harness->wanted, id);
    batch_load(harness);
    return facts_job(&harness->facts, id);
}

static bool save_and_commit(struct harness *harness)
{
    return harness->ops->batch_save(harness->store, &harness->facts, &harness->fault) &&
           harness->ops->batch_commit(harness->store, &harness->fault);
}

static void pause_queue(struct harness *harness, const char *name, bool is_paused)
{
    set_queue(harness, (struct update_queue){.name = text_from_c(name), .has_paused = true, .is_paused = is_paused});
}

/* ---- Rows ---- */

static void a_job_comes_back_as_it_was_enqueued(void **state)
{
    struct harness *harness = *state;
    struct uuid id = enqueue_one(harness, (struct new_job){.queue = TEXT_LITERAL("mail.out:1"),
                                                           .kind = TEXT_LITERAL("send_mail"),
                                                           .key = TEXT_LITERAL("k'\"; \xC3\xBC, {}\\"),
                                                           .payload = TEXT_LITERAL("{\"to\":\"\xC3\xBC \\\"\\\\\"}"),
                                                           .run_at_ms = HARNESS_START_MS + 60001,
                                                           .priority = JOB_PRIORITY_MAX,
                                                           .max_attempts = JOB_ATTEMPTS_MAX});
    harness_reopen(harness);
    const struct job *job = read_job(harness, id);
    assert_true(text_equal_c(job->queue, "mail.out:1"));
    assert_true(text_equal_c(job->kind, "send_mail"));
    assert_true(text_equal_c(job->key, "k'\"; \xC3\xBC, {}\\"));
    assert_true(text_equal_c(job->payload, "{\"to\":\"\xC3\xBC \\\"\\\\\"}"));
    assert_int_equal(job->event_sequence, 0);
    assert_int_equal(job->state, JOB_SCHEDULED);
    assert_int_equal(job->run_at_ms, HARNESS_START_MS + 60001);
    assert_int_equal(job->priority, JOB_PRIORITY_MAX);
    assert_int_equal(job->attempt, 0);
    assert_int_equal(job->max_attempts, JOB_ATTEMPTS_MAX);
    assert_int_equal(job->claim, 0);
    assert_int_equal(job->lease_until_ms, 0);
    assert_int_equal(job->progress, JOB_PROGRESS_NONE);
    assert_null(job->last_error.bytes);
    assert_null(job->log.bytes);
    assert_int_equal(job->created_at_ms, HARNESS_START_MS);
    assert_int_equal(job->started_at_ms, 0);
    assert_int_equal(job->finished_at_ms, 0);

    struct uuid plain_id = enqueue_at(harness, "q", 0, 0);
    const struct job *plain = read_job(harness, plain_id);
    assert_null(plain->key.bytes);
    assert_int_equal(plain->run_at_ms, HARNESS_START_MS);
    assert_null(read_job(harness, (struct uuid){{1}}));
    assert_audit_clean(harness);
}

static void each_move_of_a_job_comes_back(void **state)
{
    struct harness *harness = *state;
    struct uuid id = enqueue_at(harness, "q", 5, 0);
    job_start(load_job(harness, &id), harness_now_ms, LEASE_MS);
    batch_commit(harness);
    const struct job *job = read_job(harness, id);
    assert_int_equal(job->state, JOB_RUNNING);
    assert_int_equal(job->attempt, 1);
    assert_int_equal(job->claim, 1);
    assert_int_equal(job->lease_until_ms, HARNESS_START_MS + LEASE_MS);
    assert_int_equal(job->started_at_ms, HARNESS_START_MS);

    harness_now_ms += 1000;
    job_reschedule(load_job(harness, &id), harness_now_ms + 500, TEXT_LITERAL("no luck"));
    batch_commit(harness);
    job = read_job(harness, id);
    assert_int_equal(job->state, JOB_SCHEDULED);
    assert_int_equal(job->run_at_ms, HARNESS_START_MS + 1500);
    assert_int_equal(job->lease_until_ms, 0);
    assert_true(text_equal_c(job->last_error, "no luck"));

    job_start(load_job(harness, &id), harness_now_ms, LEASE_MS);
    batch_commit(harness);
    job_die(load_job(harness, &id), harness_now_ms, TEXT_LITERAL("hopeless"));
    batch_commit(harness);
    job = read_job(harness, id);
    assert_int_equal(job->state, JOB_DEAD);
    assert_int_equal(job->claim, 2);
    assert_int_equal(job->finished_at_ms, HARNESS_START_MS + 1000);
    assert_true(text_equal_c(job->last_error, "hopeless"));

    job_run_again(load_job(harness, &id), harness_now_ms);
    batch_commit(harness);
    assert_int_equal(read_job(harness, id)->attempt, 0);
    assert_int_equal(read_job(harness, id)->finished_at_ms, 0);
    job_cancel(load_job(harness, &id), harness_now_ms, TEXT_ABSENT);
    batch_commit(harness);
    assert_int_equal(read_job(harness, id)->state, JOB_CANCELLED);
    assert_audit_clean(harness);
}

static void a_log_and_progress_are_kept_and_lists_leave_the_log_out(void **state)
{
    struct harness *harness = *state;
    struct uuid id = enqueue_at(harness, "q", 5, 0);
    assert_int_equal(claim_soon(harness, 1, LEASE_MS).job_count, 1);
    struct job *held = load_job(harness, &id);
    held->log = job_log_append(harness->arena, held->log, TEXT_LITERAL("{\"n\":1}\n"));
    held->progress = 0;
    job_renew(held, harness_now_ms + 10, LEASE_MS);
    batch_commit(harness);
    assert_int_equal(read_job(harness, id)->progress, 0);
    held = load_job(harness, &id);
    held->log = job_log_append(harness->arena, held->log, TEXT_LITERAL("{\"n\":2}\n"));
    held->progress = 100;
    job_complete(held, harness_now_ms);
    batch_commit(harness);
    const struct job *job = read_job(harness, id);
    assert_true(text_equal_c(job->log, "{\"n\":1}\n{\"n\":2}\n"));
    assert_int_equal(job->progress, 100);
    assert_int_equal(job->state, JOB_COMPLETED);

    struct job **jobs;
    size_t count;
    bool more;
    assert_ok(harness, harness->ops->read_jobs(harness->reader, harness->read_arena, &(struct job_filter){.key = {0}},
                                               &(struct page){.limit = 5}, &jobs, &count, &more, &harness->fault));
    assert_int_equal(count, 1);
    assert_null(jobs[0]->log.bytes);
    assert_int_equal(jobs[0]->progress, 100);
}

static void a_job_that_changed_since_it_was_loaded_is_a_conflict(void **state)
{
    struct harness *harness = *state;
    struct uuid id = enqueue_at(harness, "q", 5, 0);
    struct job *job = load_job(harness, &id);
    job->loaded_claim++; /* as if somebody had claimed it, and given it back */
    job_start(job, harness_now_ms, LEASE_MS);
    assert_fault(harness, save_and_commit(harness), FAULT_CONFLICT);
    harness->ops->batch_rollback(harness->store);
    job = load_job(harness, &id);
    job->loaded_state = JOB_RUNNING;
    job_start(job, harness_now_ms, LEASE_MS);
    assert_fault(harness, save_and_commit(harness), FAULT_CONFLICT);
    harness->ops->batch_rollback(harness->store);
    assert_int_equal(read_job(harness, id)->state, JOB_SCHEDULED);
    assert_int_equal(read_job(harness, id)->claim, 0);
}

static void a_batch_of_jobs_that_is_rolled_back_leaves_nothing(void **state)
{
    struct harness *harness = *state;
    struct uuid id = enqueue_at(harness, "q", 5, 0);
    (void)plan_keyed(harness, "k", JOB_KEY_REFUSE);
    assert_ok(harness, harness->ops->batch_save(harness->store, &harness->facts, &harness->fault));
    harness->ops->batch_rollback(harness->store);
    job_start(load_job(harness, &id), harness_now_ms, LEASE_MS);
    assert_ok(harness, harness->ops->batch_save(harness->store, &harness->facts, &harness->fault));
    harness->ops->batch_rollback(harness->store);
    assert_int_equal(read_job(harness, id)->state, JOB_SCHEDULED);
    assert_int_equal(plan_keyed(harness, "k", JOB_KEY_REFUSE).jobs[0].verdict, JOB_ACCEPTED);
    harness->ops->batch_rollback(harness->store);
    struct outcome outcome = claim_soon(harness, 10, LEASE_MS);
    assert_claimed(&outcome, &id, 1);
}

/* ---- Claims ---- */

static void what_is_due_is_claimed_by_priority_then_time_then_age(void **state)
{
    struct harness *harness = *state;
    struct uuid late = enqueue_at(harness, "q", 5, harness_now_ms + 10);
    struct uuid early = enqueue_at(harness, "q", 5, harness_now_ms + 5);
    struct uuid urgent = enqueue_at(harness, "q", 0, harness_now_ms + 20);
    struct uuid younger = enqueue_at(harness, "q", 5, harness_now_ms + 5);
    struct uuid future = enqueue_at(harness, "q", 0, harness_now_ms + 1000);
    assert_int_equal(claim(harness, 10, LEASE_MS).job_count, 0);
    harness_now_ms += 20;
    struct outcome outcome = claim_soon(harness, 3, LEASE_MS);
    assert_claimed(&outcome, (struct uuid[]){urgent, early, younger}, 3);
    assert_true(outcome.more);
    outcome = claim_soon(harness, 10, LEASE_MS);
    assert_claimed(&outcome, &late, 1);
    assert_false(outcome.more);
    assert_int_equal(outcome.next_ms, HARNESS_START_MS + 1000);
    harness_now_ms = HARNESS_START_MS + 1000;
    outcome = claim_soon(harness, 10, LEASE_MS);
    assert_claimed(&outcome, &future, 1);
    assert_audit_clean(harness);
}

static void priorities_of_one_queue_share_one_portion(void **state)
{
    struct harness *harness = *state;
    for (int64_t priority = 0; priority < 4; priority++) {
        (void)enqueue_at(harness, "q", priority, 0);
    }
    (void)enqueue_at(harness, "q", 4, 0);
    (void)enqueue_at(harness, "q", 4, 0);
    struct outcome outcome = plan_claim(harness, 3, LEASE_MS);
    assert_int_equal(harness->facts.claim.count, 3);
    assert_int_equal(outcome.job_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(outcome.jobs[i].job->priority, i);
    }
    harness->ops->batch_rollback(harness->store);
    limit_queue(harness, "q", 4);
    assert_int_equal(claim_soon(harness, 100, LEASE_MS).job_count, 4);
    assert_int_equal(claim(harness, 100, LEASE_MS).job_count, 0);
}

static void what_a_queue_left_of_its_share_is_worth_asking_again(void **state)
{
    struct harness *harness = *state;
    enqueue(harness, "long", 100);
    enqueue(harness, "short", 1);
    struct outcome outcome = claim_soon(harness, 10, LEASE_MS);
    assert_in_range(outcome.job_count, 2, 10);
    assert_true(outcome.more);
    limit_queue(harness, "long", 5);
    while (claim(harness, 10, LEASE_MS).job_count > 0) {}
    assert_false(claim(harness, 10, LEASE_MS).more); /* it is the limit that keeps it */
}

static void a_paused_queue_starts_nothing_until_it_goes_on(void **state)
{
    struct harness *harness = *state;
    struct uuid paused = enqueue_at(harness, "paused", 0, 0);
    struct uuid open = enqueue_at(harness, "open", 9, 0);
    pause_queue(harness, "paused", true);
    struct outcome outcome = claim_soon(harness, 10, LEASE_MS);
    assert_claimed(&outcome, &open, 1);
    assert_false(outcome.more);
    pause_queue(harness, "paused", false);
    outcome = claim_soon(harness, 10, LEASE_MS);
    assert_claimed(&outcome, &paused, 1);
}

static void a_queue_runs_as_many_as_its_limit(void **state)
{
    struct harness *harness = *state;
    enqueue(harness, "narrow", 5);
    limit_queue(harness, "narrow", 2);
    struct outcome outcome = claim_soon(harness, 10, LEASE_MS);
    assert_int_equal(outcome.job_count, 2);
    const struct job first = *outcome.jobs[0].job;
    assert_int_equal(claim(harness, 10, LEASE_MS).job_count, 0);
    assert_int_equal(finish(harness, &first, JOB_RESULT_DONE), JOB_ACCEPTED);
    assert_int_equal(claim_soon(harness, 10, LEASE_MS).job_count, 1);
    limit_queue(harness, "narrow", 0);
    assert_int_equal(claim_soon(harness, 10, LEASE_MS).job_count, 2);
}

static void all_queues_together_run_as_many_as_their_limit(void **state)
{
    struct harness *harness = *state;
    enqueue(harness, "a", 5);
    enqueue(harness, "b", 5);
    limit_queue(harness, "all", 3);
    struct outcome outcome = claim_soon(harness, 10, LEASE_MS);
    assert_int_equal(outcome.job_count, 3);
    assert_false(outcome.more);
    const struct job first = *outcome.jobs[0].job;
    harness_reopen(harness); /* it is the database's limit, not a process's */
    assert_int_equal(claim(harness, 10, LEASE_MS).job_count, 0);
    assert_int_equal(finish(harness, &first, JOB_RESULT_DONE), JOB_ACCEPTED);
    assert_int_equal(claim_soon(harness, 10, LEASE_MS).job_count, 1);
    limit_queue(harness, "a", 1); /* the narrower of the two holds */
    limit_queue(harness, "all", 5);
    outcome = claim_soon(harness, 10, LEASE_MS);
    assert_int_equal(outcome.job_count, 2);
    assert_true(text_equal_c(outcome.jobs[0].job->queue, "b"));
    pause_queue(harness, "all", true);
    limit_queue(harness, "all", 0);
    assert_int_equal(claim(harness, 10, LEASE_MS).job_count, 0);
    pause_queue(harness, "all", false);
    assert_true(claim_soon(harness, 10, LEASE_MS).job_count > 0);
}

static void a_used_up_rate_says_when_the_next_may_start(void **state)
{
    struct harness *harness = *state;
    enqueue(harness, "q", 5);
    rate_queue(harness, "all", 2, 500);
    struct outcome outcome = claim_soon(harness, 10, LEASE_MS);
    assert_int_equal(outcome.job_count, 2);
    assert_false(outcome.more);
    assert_int_equal(outcome.next_ms, harness_now_ms + 500);
    assert_int_equal(claim(harness, 10, LEASE_MS).next_ms, harness_now_ms + 500);
    harness_now_ms += 500;
    assert_int_equal(claim_soon(harness, 10, LEASE_MS).job_count, 2);
    rate_queue(harness, "all", 0, 0);
    rate_queue(harness, "q", 1, 1000);
    assert_int_equal(claim_soon(harness, 10, LEASE_MS).next_ms, harness_now_ms + 1000);
}

static void a_lease_that_ran_out_is_taken_over_and_its_holder_fenced(void **state)
{
    struct harness *harness = *state;
    struct uuid id = enqueue_at(harness, "q", 5, 0);
    struct outcome outcome = claim_soon(harness, 1, LEASE_MS);
    assert_claimed(&outcome, &id, 1);
    const struct job stalled = *outcome.jobs[0].job;
    outcome = claim(harness, 10, LEASE_MS);
    assert_int_equal(outcome.job_count, 0);
    harness_now_ms += LEASE_MS - 1;
    assert_int_equal(claim(harness, 10, LEASE_MS).job_count, 0);
    harness_now_ms += 1;
    outcome = claim_soon(harness, 10, LEASE_MS);
    assert_claimed(&outcome, &id, 1);
    assert_true(outcome.jobs[0].was_taken_over);
    const struct job holder = *outcome.jobs[0].job;
    assert_int_equal(finish(harness, &stalled, JOB_RESULT_DONE), JOB_FENCED);
    assert_int_equal(read_job(harness, id)->state, JOB_RUNNING);
    assert_int_equal(read_job(harness, id)->claim, 2);
    assert_int_equal(finish(harness, &holder, JOB_RESULT_DONE), JOB_ACCEPTED);
    assert_int_equal(read_job(harness, id)->state, JOB_COMPLETED);
}

static void what_a_clock_that_was_ahead_put_off_does_not_wait_for_it(void **state)
{
    struct harness *harness = *state;
    harness_now_ms += HOUR_MS;
    struct uuid failed = enqueue_at(harness, "failed", 5, 0);
    struct outcome outcome = claim_soon(harness, 1, LEASE_MS);
    const struct job tried = *outcome.jobs[0].job;
    assert_int_equal(finish(harness, &tried, JOB_RESULT_FAILED), JOB_ACCEPTED);
    struct uuid lost = enqueue_at(harness, "lost", 5, 0);
    outcome = claim_soon(harness, 1, LEASE_MS);
    assert_claimed(&outcome, &lost, 1);
    struct uuid waiting = enqueue_at(harness, "waiting", 5, 0);
    int64_t later_ms = harness_now_ms + 1;
    struct uuid later = enqueue_at(harness, "later", 5, later_ms);

    harness_set_clock_back(harness, HOUR_MS);
    assert_int_equal(read_job(harness, failed)->run_at_ms, harness_now_ms);
    assert_int_equal(read_job(harness, waiting)->run_at_ms, harness_now_ms);
    assert_int_equal(read_job(harness, later)->run_at_ms, later_ms); /* as it was asked for */
    assert_int_equal(read_job(harness, lost)->lease_until_ms, harness_now_ms + LEASE_MS);
    assert_int_equal(claim_soon(harness, 10, LEASE_MS).job_count, 2);
    harness_now_ms += LEASE_MS;
    outcome = claim_soon(harness, 1, LEASE_MS);
    assert_true(outcome.jobs[0].was_taken_over);
}

static void a_claim_says_when_a_lease_runs_out(void **state)
{
    struct harness *harness = *state;
    (void)enqueue_at(harness, "q", 5, 0);
    (void)enqueue_at(harness, "q", 5, harness_now_ms + 2 * LEASE_MS);
    (void)claim_soon(harness, 10, LEASE_MS);
    int64_t next_ms = INT64_MAX;
    for (int i = 0; next_ms != HARNESS_START_MS + LEASE_MS && i < 300; i++) {
        (void)usleep(i == 0 ? 0 : 20000);
        next_ms = claim(harness, 10, LEASE_MS).next_ms;
    }
    assert_int_equal(next_ms, HARNESS_START_MS + LEASE_MS);
}

static void two_thousand_jobs_are_claimed_in_slices_once_each(void **state)
{
    struct harness *harness = *state;
    size_t claimed = 0;
    for (int i = 0; i < 4; i++) {
        enqueue(harness, i % 2 == 0 ? "even" : "odd", 500);
    }
    for (;;) {
        struct outcome outcome = claim(harness, 64, LEASE_MS);
        assert_true(outcome.job_count <= 64);
        assert_int_equal(outcome.more, claimed + outcome.job_count < 2000);
        for (size_t i = 0; i < outcome.job_count; i++) {
            assert_int_equal(outcome.jobs[i].job->claim, 1);
        }
        claimed += outcome.job_count;
        if (!outcome.more) {
            break;
        }
    }
    assert_int_equal(claimed, 2000);
    assert_int_equal(claim(harness, 64, LEASE_MS).job_count, 0);
    assert_audit_clean(harness);
}

/* ---- Keys ---- */

static void a_key_is_scheduled_once_and_free_again_when_its_job_runs(void **state)
{
    struct harness *harness = *state;
    struct uuid first = plan_keyed(harness, "k", JOB_KEY_REFUSE).jobs[0].job->id;
    batch_commit(harness);
    struct outcome outcome = plan_keyed(harness, "k", JOB_KEY_REFUSE);
    assert_int_equal(outcome.jobs[0].verdict, JOB_REFUSED);
    assert_true(uuid_equal(outcome.jobs[0].job->id, first));
    harness->ops->batch_rollback(harness->store);
    assert_int_equal(plan_keyed(harness, "K", JOB_KEY_REFUSE).jobs[0].verdict, JOB_ACCEPTED); /* another key */
    harness->ops->batch_rollback(harness->store);

    assert_int_equal(claim_soon(harness, 1, LEASE_MS).job_count, 1);
    struct uuid second = plan_keyed(harness, "k", JOB_KEY_REFUSE).jobs[0].job->id;
    assert_false(uuid_equal(second, first));
    batch_commit(harness);
    (void)load_job(harness, &first);
    const struct job *scheduled = facts_scheduled_job(&harness->facts, TEXT_LITERAL("work"), TEXT_LITERAL("k"));
    assert_true(uuid_equal(scheduled->id, second)); /* a job brings along who has its key */
    harness->ops->batch_rollback(harness->store);
    assert_audit_clean(harness);
}

static void a_job_under_its_key_is_replaced_in_place(void **state)
{
    struct harness *harness = *state;
    struct uuid id = plan_keyed(harness, "k", JOB_KEY_REFUSE).jobs[0].job->id;
    batch_commit(harness);
    const struct new_job other = {.queue = TEXT_LITERAL("elsewhere"),
                                  .kind = TEXT_LITERAL("work"),
                                  .key = TEXT_LITERAL("k"),
                                  .on_key = JOB_KEY_REPLACE,
                                  .payload = TEXT_LITERAL("{\"n\":2}"),
                                  .run_at_ms = harness_now_ms + 5000,
                                  .priority = 1,
                                  .max_attempts = 7};
    const struct enqueue_jobs command = {&other, 1};
    struct outcome outcome;
    batch_begin(harness);
    enqueue_jobs_want(&command, &harness->wanted);
    batch_load(harness);
    enqueue_jobs_decide(&harness->facts, &command, &outcome);
    assert_int_equal(outcome.jobs[0].verdict, JOB_REPLACED);
    batch_commit(harness);
    const struct job *job = read_job(harness, id);
    assert_true(text_equal_c(job->queue, "elsewhere"));
    assert_true(text_equal_c(job->payload, "{\"n\":2}"));
    assert_int_equal(job->run_at_ms, HARNESS_START_MS + 5000);
    assert_int_equal(job->priority, 1);
    assert_int_equal(job->max_attempts, 7);
    assert_int_equal(claim(harness, 10, LEASE_MS).job_count, 0);
}

/* ---- Lists ---- */

static size_t list_jobs(struct harness *harness, struct job_filter filter, struct page page, struct job ***ret_jobs,
                        bool *ret_more)
{
    size_t count;
    assert_ok(harness, harness->ops->read_jobs(harness->reader, harness->read_arena, &filter, &page, ret_jobs, &count,
                                               ret_more, &harness->fault));
    return count;
}

static void jobs_are_listed_by_state_kind_queue_and_key(void **state)
{
    struct harness *harness = *state;
    struct job **jobs;
    bool more;
    const struct page page = {.limit = 10};
    struct uuid keyed = plan_keyed(harness, "k", JOB_KEY_REFUSE).jobs[0].job->id;
    batch_commit(harness);
    struct uuid dead = enqueue_at(harness, "q", 5, 0);
    struct job *job = load_job(harness, &dead);
    job_start(job, harness_now_ms, LEASE_MS);
    job_die(job, harness_now_ms, TEXT_LITERAL("no"));
    batch_commit(harness);
    (void)enqueue_one(
        harness,
        (struct new_job){.queue = TEXT_LITERAL("q"), .kind = TEXT_LITERAL("other"), .priority = 5, .max_attempts = 1});
    assert_int_equal(list_jobs(harness, (struct job_filter){0}, page, &jobs, &more), 3);
    assert_true(uuid_equal(jobs[2]->id, keyed)); /* the newest first */
    struct job_filter filter = {.has_state = true, .state = JOB_DEAD};
    assert_int_equal(list_jobs(harness, filter, page, &jobs, &more), 1);
    assert_true(uuid_equal(jobs[0]->id, dead));
    filter = (struct job_filter){.has_state = true, .state = JOB_SCHEDULED};
    assert_int_equal(list_jobs(harness, filter, page, &jobs, &more), 2);
    filter.queue = TEXT_LITERAL("q");
    assert_int_equal(list_jobs(harness, filter, page, &jobs, &more), 1);
    assert_true(text_equal_c(jobs[0]->kind, "other"));
    assert_int_equal(list_jobs(harness, (struct job_filter){.kind = TEXT_LITERAL("work")}, page, &jobs, &more), 2);
    assert_int_equal(list_jobs(harness, (struct job_filter){.key = TEXT_LITERAL("k")}, page, &jobs, &more), 1);
    assert_true(uuid_equal(jobs[0]->id, keyed));
    filter = (struct job_filter){.key = TEXT_LITERAL("k"), .queue = TEXT_LITERAL("q")};
    assert_int_equal(list_jobs(harness, filter, page, &jobs, &more), 0);
    assert_false(more);
}

static void pages_of_jobs_leave_none_out(void **state)
{
    struct harness *harness = *state;
    struct page page = {.limit = 3};
    size_t seen = 0;
    bool more = true;
    enqueue(harness, "q", 7);
    while (more) {
        struct job **jobs;
        size_t count = list_jobs(harness, (struct job_filter){.queue = TEXT_LITERAL("q")}, page, &jobs, &more);
        assert_int_equal(count, more ? 3 : 1);
        for (size_t i = 0; i < count; i++) {
            assert_true(!page.has_after || memcmp(jobs[i]->id.bytes, page.after_id.bytes, 16) < 0);
            page.has_after = true;
            page.after_id = jobs[i]->id;
        }
        seen += count;
    }
    assert_int_equal(seen, 7);
}

static void queues_count_their_jobs_and_say_how_late_the_oldest_is(void **state)
{
    struct harness *harness = *state;
    struct queue_row *rows;
    size_t count;
    enqueue(harness, "b", 3);
    (void)enqueue_at(harness, "a", 5, harness_now_ms + 100);
    limit_queue(harness, "b", 1);
    struct outcome outcome = claim_soon(harness, 10, LEASE_MS);
    const struct job running = *outcome.jobs[0].job;
    assert_int_equal(finish(harness, &running, JOB_RESULT_HOPELESS), JOB_ACCEPTED);
    assert_int_equal(claim_soon(harness, 10, LEASE_MS).job_count, 1);
    assert_ok(harness, harness->ops->read_queues(harness->reader, harness->read_arena, QUEUE_COUNTS,
                                                 harness_now_ms + 50, &rows, &count, &harness->fault));
    assert_int_equal(count, 3);
    assert_true(text_equal_c(rows[2].queue.name, "maintenance")); /* it is there from the beginning */
    assert_int_equal(rows[2].counts[JOB_SCHEDULED], 0);
    assert_true(text_equal_c(rows[0].queue.name, "a"));
    assert_int_equal(rows[0].counts[JOB_SCHEDULED], 1);
    assert_int_equal(rows[0].oldest_due_at_ms, 0);
    assert_int_equal(rows[0].queue.concurrency, 0);
    assert_true(text_equal_c(rows[1].queue.name, "b"));
    assert_int_equal(rows[1].counts[JOB_SCHEDULED], 1);
    assert_int_equal(rows[1].counts[JOB_RUNNING], 1);
    assert_int_equal(rows[1].counts[JOB_DEAD], 1);
    assert_int_equal(rows[1].counts[JOB_COMPLETED], 0);
    assert_int_equal(rows[1].oldest_due_at_ms, HARNESS_START_MS);
    assert_int_equal(rows[1].queue.concurrency, 1);
    assert_false(rows[1].queue.is_paused);
}

const struct CMUnitTest CONFORMANCE_JOB_TESTS[] = {
    ON_FRESH_STORE(a_job_comes_back_as_it_was_enqueued),
    ON_FRESH_STORE(each_move_of_a_job_comes_back),
    ON_FRESH_STORE(a_log_and_progress_are_kept_and_lists_leave_the_log_out),
    ON_FRESH_STORE(a_job_that_changed_since_it_was_loaded_is_a_conflict),
    ON_FRESH_STORE(a_batch_of_jobs_that_is_rolled_back_leaves_nothing),
    ON_FRESH_STORE(what_is_due_is_claimed_by_priority_then_time_then_age),
    ON_FRESH_STORE(priorities_of_one_queue_share_one_portion),
    ON_FRESH_STORE(what_a_queue_left_of_its_share_is_worth_asking_again),
    ON_FRESH_STORE(a_paused_queue_starts_nothing_until_it_goes_on),
    ON_FRESH_STORE(a_queue_runs_as_many_as_its_limit),
    ON_FRESH_STORE(all_queues_together_run_as_many_as_their_limit),
    ON_FRESH_STORE(a_used_up_rate_says_when_the_next_may_start),
    ON_FRESH_STORE(a_lease_that_ran_out_is_taken_over_and_its_holder_fenced),
    ON_FRESH_STORE(what_a_clock_that_was_ahead_put_off_does_not_wait_for_it),
    ON_FRESH_STORE(a_claim_says_when_a_lease_runs_out),
    ON_FRESH_STORE(two_thousand_jobs_are_claimed_in_slices_once_each),
    ON_FRESH_STORE(a_key_is_scheduled_once_and_free_again_when_its_job_runs),
    ON_FRESH_STORE(a_job_under_its_key_is_replaced_in_place),
    ON_FRESH_STORE(jobs_are_listed_by_state_kind_queue_and_key),
    ON_FRESH_STORE(pages_of_jobs_leave_none_out),
    ON_FRESH_STORE(queues_count_their_jobs_and_say_how_late_the_oldest_is),
};
const size_t CONFORMANCE_JOB_TEST_COUNT = sizeof(CONFORMANCE_JOB_TESTS) / sizeof(CONFORMANCE_JOB_TESTS[0]);
