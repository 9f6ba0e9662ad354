/* Jobs: who holds one, what its results lead to, and what people may do to it. */

#include "cmocka_all.h"

#include <string.h>

#include "domain/claim_jobs.h"
#include "domain/enqueue_jobs.h"
#include "domain/manage_jobs.h"
#include "domain/schedule_jobs.h"
#include "support/shop.h"

#define LEASE_MS 8000

static struct new_job plain(void)
{
    return (struct new_job){.queue = TEXT_LITERAL("q"), .kind = TEXT_LITERAL("k"), .priority = 5, .max_attempts = 3};
}

static struct job *enqueue(struct shop *shop, struct new_job input)
{
    struct outcome_job made = job_enqueue(&shop->facts, &input);
    return facts_job(&shop->facts, &made.job->id);
}

/* As a store would have loaded it. */
static struct outcome claim(struct shop *shop, struct job *job)
{
    struct outcome outcome;
    shop->facts.claim = (struct claim_facts){.jobs = &job, .count = 1, .next_ms = INT64_MAX};
    claim_jobs_decide(&shop->facts, &(struct claim_jobs){.max = 10, .lease_ms = LEASE_MS}, &outcome);
    return outcome;
}

static enum job_verdict finish(struct shop *shop, const struct job *job, int64_t held, enum job_result_kind kind)
{
    const struct job_result result = {.job_id = job->id,
                                      .claim = held,
                                      .kind = kind,
                                      .error = TEXT_LITERAL("it broke"),
                                      .retry_in_ms = 500,
                                      .log = TEXT_LITERAL("{\"message\":\"tried\"}\n")};
    struct outcome outcome;
    finish_jobs_decide(&shop->facts, &(struct finish_jobs){.results = &result, .count = 1}, &outcome);
    assert_int_equal(outcome.job_count, 1);
    return outcome.jobs[0].verdict;
}

static struct outcome manage(struct shop *shop, const struct job *job, enum job_action action)
{
    struct outcome outcome;
    manage_job_decide(&shop->facts, &(struct manage_job){.job_id = job->id, .action = action}, &outcome);
    return outcome;
}

static void a_claim_starts_an_attempt_under_a_lease_and_a_token(void **state)
{
    struct shop *shop = *state;
    struct job *job = enqueue(shop, plain());
    struct outcome outcome = claim(shop, job);
    assert_int_equal(outcome.job_count, 1);
    assert_false(outcome.jobs[0].was_taken_over);
    assert_int_equal(job->state, JOB_RUNNING);
    assert_int_equal(job->attempt, 1);
    assert_int_equal(job->claim, 1);
    assert_int_equal(job->lease_until_ms, SHOP_NOW_MS + LEASE_MS);
}

static void a_job_that_is_not_due_is_left(void **state)
{
    struct shop *shop = *state;
    struct new_job later = plain();
    later.run_at_ms = SHOP_NOW_MS + 1;
    struct job *job = enqueue(shop, later);
    assert_int_equal(claim(shop, job).job_count, 0);
    assert_int_equal(job->state, JOB_SCHEDULED);
    assert_int_equal(shop->facts.jobs_at_ms, SHOP_NOW_MS + 1);
}

static void whoever_lost_the_lease_is_fenced(void **state)
{
    struct shop *shop = *state;
    struct job *job = enqueue(shop, plain());
    (void)claim(shop, job);
    shop->facts.now_ms += LEASE_MS - 1;
    assert_int_equal(claim(shop, job).job_count, 0);
    shop->facts.now_ms += 1;
    struct outcome outcome = claim(shop, job);
    assert_int_equal(outcome.job_count, 1);
    assert_true(outcome.jobs[0].was_taken_over);
    assert_int_equal(job->claim, 2);
    assert_int_equal(finish(shop, job, 1, JOB_RESULT_DONE), JOB_FENCED);
    assert_int_equal(job->state, JOB_RUNNING);
    const struct job_renewal renewal = {.job_id = job->id, .claim = 1, .progress = JOB_PROGRESS_NONE};
    struct outcome renewed;
    renew_jobs_decide(&shop->facts, &(struct renew_jobs){.renewals = &renewal, .count = 1, .lease_ms = LEASE_MS},
                      &renewed);
    assert_int_equal(renewed.jobs[0].verdict, JOB_FENCED);
    assert_int_equal(finish(shop, job, 2, JOB_RESULT_DONE), JOB_ACCEPTED);
    assert_int_equal(job->state, JOB_COMPLETED);
}

static void a_result_that_comes_again_changes_nothing(void **state)
{
    struct shop *shop = *state;
    struct job *job = enqueue(shop, plain());
    (void)claim(shop, job);
    assert_int_equal(finish(shop, job, 1, JOB_RESULT_DONE), JOB_ACCEPTED);
    size_t changes = shop->facts.change_count;
    assert_int_equal(finish(shop, job, 1, JOB_RESULT_FAILED), JOB_ACCEPTED);
    assert_int_equal(job->state, JOB_COMPLETED);
    assert_int_equal(shop->facts.change_count, changes);
}

static void a_failure_is_tried_again_until_no_attempt_is_left(void **state)
{
    struct shop *shop = *state;
    struct job *job = enqueue(shop, plain());
    for (int attempt = 1; attempt <= 3; attempt++) {
        assert_int_equal(claim(shop, job).job_count, 1);
        assert_int_equal(finish(shop, job, attempt, JOB_RESULT_FAILED), JOB_ACCEPTED);
        assert_int_equal(job->state, attempt < 3 ? JOB_SCHEDULED : JOB_DEAD);
        assert_true(text_equal_c(job->last_error, "it broke"));
        assert_true(attempt == 3 || job->run_at_ms == shop->facts.now_ms + 500);
        shop->facts.now_ms += 500;
    }
    assert_int_equal(manage(shop, job, JOB_ACTION_RETRY).code, OUTCOME_JOB_SCHEDULED);
    assert_int_equal(job->attempt, 0);
    assert_int_equal(claim(shop, job).job_count, 1);
    assert_int_equal(job->claim, 4); /* the token goes on */
}

static void a_worker_that_dies_in_the_last_attempt_leaves_a_dead_job(void **state)
{
    struct shop *shop = *state;
    struct new_job once = plain();
    once.max_attempts = 1;
    struct job *job = enqueue(shop, once);
    (void)claim(shop, job);
    shop->facts.now_ms += LEASE_MS;
    assert_int_equal(claim(shop, job).job_count, 0);
    assert_int_equal(job->state, JOB_DEAD);
}

static void what_is_handed_back_counts_no_attempt(void **state)
{
    struct shop *shop = *state;
    struct job *job = enqueue(shop, plain());
    (void)claim(shop, job);
    assert_int_equal(finish(shop, job, 1, JOB_RESULT_GIVEN_BACK), JOB_ACCEPTED);
    assert_int_equal(job->state, JOB_SCHEDULED);
    assert_int_equal(job->attempt, 0);
    assert_int_equal(job->claim, 1);
}

static void a_key_is_scheduled_once_and_refused_kept_or_replaced(void **state)
{
    struct shop *shop = *state;
    struct new_job input = plain();
    input.key = TEXT_LITERAL("daily");
    struct job *job = enqueue(shop, input);
    assert_int_equal(job_enqueue(&shop->facts, &input).verdict, JOB_REFUSED);
    input.on_key = JOB_KEY_KEEP;
    assert_int_equal(job_enqueue(&shop->facts, &input).verdict, JOB_KEPT);
    input.on_key = JOB_KEY_REPLACE;
    input.run_at_ms = SHOP_NOW_MS + 60000;
    assert_int_equal(job_enqueue(&shop->facts, &input).verdict, JOB_REPLACED);
    assert_int_equal(job->run_at_ms, SHOP_NOW_MS + 60000);
    assert_int_equal(shop->facts.new_jobs.count, 1);
    /* While it runs, its key is free; a retry finds that another has it, and leaves the work to that one. */
    shop->facts.now_ms += 60000;
    (void)claim(shop, job);
    input.on_key = JOB_KEY_REFUSE;
    assert_int_equal(job_enqueue(&shop->facts, &input).verdict, JOB_ACCEPTED);
    assert_int_equal(finish(shop, job, 1, JOB_RESULT_FAILED), JOB_ACCEPTED);
    assert_int_equal(job->state, JOB_CANCELLED);
}

static void each_state_allows_what_makes_sense(void **state)
{
    struct shop *shop = *state;
    struct new_job later = plain();
    later.run_at_ms = SHOP_NOW_MS + 60000;
    struct job *job = enqueue(shop, later);
    assert_int_equal(manage(shop, job, JOB_ACTION_RETRY).code, OUTCOME_JOB_STATE);
    assert_int_equal(manage(shop, job, JOB_ACTION_PROMOTE).code, OUTCOME_JOB_SCHEDULED);
    assert_int_equal(job->run_at_ms, SHOP_NOW_MS);
    (void)claim(shop, job);
    assert_int_equal(manage(shop, job, JOB_ACTION_CANCEL).code, OUTCOME_JOB_STATE);
    struct job *other = enqueue(shop, later);
    assert_int_equal(manage(shop, other, JOB_ACTION_CANCEL).code, OUTCOME_JOB_CANCELLED);
    assert_int_equal(manage(shop, other, JOB_ACTION_CANCEL).code, OUTCOME_JOB_CANCELLED); /* again */
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 1, ORDER_DRAFT);
    struct outcome outcome;
    manage_job_decide(&shop->facts, &(struct manage_job){.job_id = order->id, .action = JOB_ACTION_CANCEL}, &outcome);
    assert_int_equal(outcome.code, OUTCOME_JOB_IS_BOUND);
}

static void a_schedule_fires_once_whoever_asks(void **state)
{
    struct shop *shop = *state;
    struct outcome outcome;
    const struct job_schedule schedule = {.name = TEXT_LITERAL("s"),
                                          .queue = TEXT_LITERAL("q"),
                                          .kind = TEXT_LITERAL("k"),
                                          .cron = TEXT_LITERAL("* * * * *"),
                                          .time_zone = TEXT_LITERAL("UTC"),
                                          .next_run_at_ms = SHOP_NOW_MS};
    declare_schedule_decide(&shop->facts, &(struct declare_schedule){.schedule = &schedule}, &outcome);
    assert_int_equal(outcome.next_ms, SHOP_NOW_MS);
    const struct fire_schedule fire = {.name = schedule.name, .due_ms = SHOP_NOW_MS, .next_ms = SHOP_NOW_MS + 60000};
    for (int server = 0; server < 2; server++) {
        fire_schedule_decide(&shop->facts, &fire, &outcome);
        assert_int_equal(outcome.next_ms, SHOP_NOW_MS + 60000);
    }
    assert_int_equal(shop->facts.new_jobs.count, 1);
}

static void a_schedule_that_a_clock_ahead_has_moved_on_comes_back(void **state)
{
    struct shop *shop = *state;
    struct outcome outcome;
    struct job_schedule schedule = {.name = TEXT_LITERAL("s"),
                                    .queue = TEXT_LITERAL("q"),
                                    .kind = TEXT_LITERAL("k"),
                                    .cron = TEXT_LITERAL("* * * * *"),
                                    .time_zone = TEXT_LITERAL("UTC")};
    static const int64_t declared_ms[] = {3600000, 3660000, 0, 60000};
    static const int64_t next_ms[] = {3600000, 3600000, 3600000 /* due is no next time */, 60000};
    for (int i = 0; i < 4; i++) {
        schedule.next_run_at_ms = SHOP_NOW_MS + declared_ms[i];
        declare_schedule_decide(&shop->facts, &(struct declare_schedule){.schedule = &schedule}, &outcome);
        assert_int_equal(outcome.next_ms, SHOP_NOW_MS + next_ms[i]);
    }
}

static void backoff_doubles_up_to_its_limit_and_half_of_it_is_jitter(void **state)
{
    (void)state;
    const struct job_retry retry = {.backoff_ms = 1000, .backoff_ms_max = 10000};
    assert_int_equal(job_backoff_ms(&retry, 1, 0), 500);
    assert_int_equal(job_backoff_ms(&retry, 1, 65535), 999);
    assert_int_equal(job_backoff_ms(&retry, 4, 0), 4000);
    assert_int_equal(job_backoff_ms(&retry, 5, 0), 5000);
    assert_int_equal(job_backoff_ms(&retry, 100, 0), 5000);
}

static void a_log_keeps_its_newest_lines(void **state)
{
    struct shop *shop = *state;
    struct text log = TEXT_ABSENT;
    for (int i = 0; i < JOB_LOG_LINES_MAX + 7; i++) {
        log = job_log_append(shop->arena, log, arena_printf(shop->arena, "{\"n\":%d}\n", i));
    }
    assert_memory_equal(log.bytes, "{\"n\":7}\n", 8);
    size_t lines = 0;
    for (size_t i = 0; i < log.length; i++) {
        lines += log.bytes[i] == '\n';
    }
    assert_int_equal(lines, JOB_LOG_LINES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(a_claim_starts_an_attempt_under_a_lease_and_a_token),
        IN_SHOP(a_job_that_is_not_due_is_left),
        IN_SHOP(whoever_lost_the_lease_is_fenced),
        IN_SHOP(a_result_that_comes_again_changes_nothing),
        IN_SHOP(a_failure_is_tried_again_until_no_attempt_is_left),
        IN_SHOP(a_worker_that_dies_in_the_last_attempt_leaves_a_dead_job),
        IN_SHOP(what_is_handed_back_counts_no_attempt),
        IN_SHOP(a_key_is_scheduled_once_and_refused_kept_or_replaced),
        IN_SHOP(each_state_allows_what_makes_sense),
        IN_SHOP(a_schedule_fires_once_whoever_asks),
        IN_SHOP(a_schedule_that_a_clock_ahead_has_moved_on_comes_back),
        IN_SHOP(backoff_doubles_up_to_its_limit_and_half_of_it_is_jitter),
        IN_SHOP(a_log_keeps_its_newest_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
