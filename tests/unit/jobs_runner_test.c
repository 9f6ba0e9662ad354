#include "cmocka_all.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/workshop.h"

#define SHORT_LEASE_MS 300

static const struct job_finish DONE = {.kind = JOB_RESULT_DONE};

static int setup(void **state)
{
    *state = workshop_open();
    return 0;
}

static int teardown(void **state)
{
    workshop_free(*state);
    return 0;
}

static void assert_state(const struct job *job, enum job_state state)
{
    assert_string_equal(job_state_name(job->state), job_state_name(state));
}

static bool log_has(const struct job *job, const char *words)
{
    return job->log.bytes != NULL && memmem(job->log.bytes, job->log.length, words, strlen(words)) != NULL;
}

static const struct kind_metrics *work_metrics(const struct workshop *workshop)
{
    assert_string_equal(workshop->metrics.kinds[0].name, "work");
    return &workshop->metrics.kinds[0];
}

/* ---- Handlers ---- */

static void a_handler_gets_as_many_due_jobs_at_a_time_as_it_takes(void **state)
{
    struct workshop *workshop = *state;
    size_t largest = 0;
    workshop->kind.batch_max = 50;
    workshop->options.concurrency_max = 200;
    workshop->finish = &DONE;
    workshop_start(workshop);
    (void)enqueue(workshop, "work", 120, 1);
    wait_until(count_in(workshop, JOB_COMPLETED) == 120);
    workshop_stop(workshop);
    for (size_t i = 0; i < workshop->call_count; i++) {
        largest = workshop->calls[i] > largest ? workshop->calls[i] : largest;
    }
    assert_int_equal(largest, 50);
    assert_in_range(workshop->call_count, 3, 6); /* however many claims it took */
    assert_int_equal(counter_read(&work_metrics(workshop)->results[JOB_RESULT_DONE]), 120);
    assert_int_equal(gauge_read(&work_metrics(workshop)->running), 0);
}

static void no_more_jobs_run_at_once_than_are_allowed(void **state)
{
    struct workshop *workshop = *state;
    workshop->options.concurrency_max = 2;
    workshop_start(workshop);
    (void)enqueue(workshop, "work", 5, 1);
    for (size_t done = 0; done < 5; done++) {
        size_t left = 5 - done;
        assert_int_equal(wait_held(workshop, left < 2 ? left : 2), left < 2 ? left : 2);
        finish_held(workshop, &DONE);
    }
    wait_until(count_in(workshop, JOB_COMPLETED) == 5);
}

static void what_a_handler_says_becomes_of_the_job(void **state)
{
    const struct {
        struct job_finish finish;
        enum job_state state;
        int64_t attempt;
    } ends[] = {
        {{.kind = JOB_RESULT_DONE, .message = TEXT_LITERAL("all well")}, JOB_COMPLETED, 1},
        {{.kind = JOB_RESULT_FAILED, .error = TEXT_LITERAL("out of paper")}, JOB_SCHEDULED, 1},
        {{.kind = JOB_RESULT_HOPELESS, .error = TEXT_LITERAL("out of hope")}, JOB_DEAD, 1},
        {{.kind = JOB_RESULT_DROPPED, .error = TEXT_LITERAL("it is gone")}, JOB_CANCELLED, 1},
        {{.kind = JOB_RESULT_GIVEN_BACK, .retry_in_ms = 3600000}, JOB_SCHEDULED, 0},
    };
    struct workshop *workshop = *state;
    workshop_start(workshop);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct uuid id = enqueue(workshop, "work", 1, 3);
        (void)wait_held(workshop, 1);
        assert_state(wait_state(workshop, &id, JOB_RUNNING), JOB_RUNNING);
        finish_held(workshop, &ends[i].finish);
        const struct job *job = wait_state(workshop, &id, ends[i].state);
        assert_int_equal(job->attempt, ends[i].attempt);
        if (ends[i].finish.error.bytes != NULL) {
            assert_true(text_equal(job->last_error, ends[i].finish.error));
        }
        assert_int_equal(log_has(job, "all well"), i == 0);
        assert_true(job->state != JOB_SCHEDULED || job->run_at_ms > job->started_at_ms + 100000);
    }
}

static void a_failed_job_is_tried_again_until_its_attempts_are_used_up(void **state)
{
    static const struct job_finish failed = {.kind = JOB_RESULT_FAILED, .error = {"no luck", 7}};
    struct workshop *workshop = *state;
    workshop->kind.retry = (struct job_retry){1, 1};
    workshop->finish = &failed;
    workshop_start(workshop);
    struct uuid id = enqueue(workshop, "work", 1, 3);
    const struct job *job = wait_state(workshop, &id, JOB_DEAD);
    assert_int_equal(job->attempt, 3);
    assert_true(text_equal_c(job->last_error, "no luck"));
    workshop_stop(workshop);
    assert_int_equal(workshop->call_count, 3);
}

static void a_job_of_an_unknown_kind_fails_and_waits_for_a_version_that_knows_it(void **state)
{
    struct workshop *workshop = *state;
    workshop_start(workshop);
    struct uuid id = enqueue(workshop, "origami", 1, 3);
    wait_until(read_job(workshop, &id)->last_error.bytes != NULL);
    const struct job *job = read_job(workshop, &id);
    assert_state(job, JOB_SCHEDULED);
    assert_int_equal(job->attempt, 1);
    assert_true(text_equal_c(job->last_error, "this version does not know the job's kind"));
    assert_true(job->run_at_ms >= job->started_at_ms + 30000);
}

/* ---- Leases ---- */

static void show_progress(struct job_run *run)
{
    job_run_progress(run, 40);
    job_run_log(run, "%d of %d sheets", 2, 5);
}

static void show_more_progress(struct job_run *run)
{
    job_run_progress(run, 120); /* of a hundred */
    job_run_log(run, "the last sheet");
}

static void progress_and_log_are_shown_at_the_next_renewal(void **state)
{
    struct workshop *workshop = *state;
    workshop->options.lease_ms = SHORT_LEASE_MS;
    workshop->options.concurrency_max = 1; /* a lease that ran out on a slow machine is not taken over */
    workshop_start(workshop);
    struct uuid id = enqueue(workshop, "work", 1, 1);
    (void)wait_held(workshop, 1);
    on_jobs_thread(workshop, show_progress);
    wait_until(read_job(workshop, &id)->progress == 40);
    assert_true(log_has(read_job(workshop, &id), "2 of 5 sheets"));
    int64_t lease_until_ms = read_job(workshop, &id)->lease_until_ms;
    on_jobs_thread(workshop, show_more_progress);
    wait_until(read_job(workshop, &id)->progress == 100);
    const struct job *job = read_job(workshop, &id);
    assert_state(job, JOB_RUNNING);
    assert_true(job->lease_until_ms > lease_until_ms);
    assert_true(log_has(job, "2 of 5 sheets") && log_has(job, "the last sheet"));
    finish_held(workshop, &DONE);
    assert_int_equal(wait_state(workshop, &id, JOB_COMPLETED)->attempt, 1);
}

static void what_a_failed_renewal_was_to_show_is_shown_by_a_later_one(void **state)
{
    struct workshop *workshop = *state;
    workshop->options.lease_ms = SHORT_LEASE_MS;
    workshop->options.concurrency_max = 1;
    workshop_start(workshop);
    struct uuid id = enqueue(workshop, "work", 1, 1);
    (void)wait_held(workshop, 1);
    store_away(true);
    unsigned before = store_failed_batches();
    on_jobs_thread(workshop, show_progress);
    wait_until(store_failed_batches() >= before + 3); /* the errand's, and two of renewals at the least */
    store_away(false);
    wait_until(log_has(read_job(workshop, &id), "2 of 5 sheets"));
    wait_until(read_job(workshop, &id)->progress == 40);
}

static void a_run_whose_lease_went_to_another_is_stopped(void **state)
{
    struct workshop *workshop = *state;
    workshop->options.lease_ms = SHORT_LEASE_MS;
    workshop->options.concurrency_max = 1;
    workshop_start(workshop);
    struct uuid id = enqueue(workshop, "work", 1, 3);
    (void)wait_held(workshop, 1);
    struct job taken = take_as_another(workshop, &id);
    assert_int_equal(taken.claim, 2);
    wait_until(counter_read(&work_metrics(workshop)->fenced) == 1);
    workshop_stop(workshop);
    assert_int_equal(workshop->stop_count, 1);
    assert_int_equal(workshop->held_count, 0);
    const struct job *job = read_job(workshop, &id);
    assert_state(job, JOB_RUNNING);
    assert_int_equal(job->claim, taken.claim);
}

static void a_result_of_a_job_that_another_has_is_refused(void **state)
{
    struct workshop *workshop = *state;
    workshop->options.concurrency_max = 1;
    workshop_start(workshop);
    struct uuid id = enqueue(workshop, "work", 1, 3);
    (void)wait_held(workshop, 1);
    struct job taken = take_as_another(workshop, &id);
    finish_held(workshop, &(struct job_finish){.kind = JOB_RESULT_DONE, .message = TEXT_LITERAL("too late")});
    wait_until(counter_read(&work_metrics(workshop)->fenced) == 1);
    const struct job *job = read_job(workshop, &id);
    assert_state(job, JOB_RUNNING);
    assert_int_equal(job->claim, taken.claim);
    assert_false(log_has(job, "too late"));
}

/* ---- The store fails ---- */

static void a_result_that_the_store_was_away_for_is_written_later(void **state)
{
    struct workshop *workshop = *state;
    workshop_start(workshop);
    struct uuid id = enqueue(workshop, "work", 1, 1);
    (void)wait_held(workshop, 1);
    store_away(true);
    finish_held(workshop, &(struct job_finish){.kind = JOB_RESULT_DONE, .message = TEXT_LITERAL("all well")});
    unsigned before = store_failed_batches();
    wait_until(store_failed_batches() >= before + 2);
    assert_state(read_job(workshop, &id), JOB_RUNNING);
    store_away(false);
    const struct job *job = wait_state(workshop, &id, JOB_COMPLETED);
    assert_int_equal(job->attempt, 1);
    assert_true(log_has(job, "all well"));
}

static void a_result_that_the_database_refuses_keeps_no_other_back(void **state)
{
    struct workshop *workshop = *state;
    workshop->kind.batch_max = 20;
    workshop_start(workshop);
    struct uuid id = enqueue(workshop, "work", 20, 3);
    (void)wait_held(workshop, 20);
    store_poison(&id);
    for (size_t i = 0; i < 20; i++) {
        finish_held(workshop, &DONE);
    }
    wait_until(count_in(workshop, JOB_COMPLETED) == 19);
    assert_state(read_job(workshop, &id), JOB_RUNNING); /* until its lease ends */
}

static void jobs_are_claimed_again_once_the_store_is_back(void **state)
{
    struct workshop *workshop = *state;
    workshop->finish = &DONE;
    workshop_start(workshop);
    struct uuid first = enqueue(workshop, "work", 1, 1);
    (void)wait_state(workshop, &first, JOB_COMPLETED);
    store_away(true);
    unsigned before = store_failed_batches();
    wait_until(store_failed_batches() >= before + 2);
    store_away(false);
    struct uuid second = enqueue(workshop, "work", 1, 1);
    (void)wait_state(workshop, &second, JOB_COMPLETED);
}

/* ---- The end ---- */

static void what_still_runs_at_the_end_is_given_back_and_nothing_more_begins(void **state)
{
    struct workshop *workshop = *state;
    workshop_start(workshop);
    struct uuid running = enqueue(workshop, "work", 1, 3);
    (void)wait_held(workshop, 1);
    (void)wait_state(workshop, &running, JOB_RUNNING);
    job_runner_drain(workshop->runner, clock_monotonic_us() + 100000);
    struct uuid late = enqueue(workshop, "work", 1, 3);
    wait_until(job_runner_is_idle(workshop->runner));
    workshop_stop(workshop);
    assert_int_equal(workshop->stop_count, 1);
    const struct job *job = read_job(workshop, &running);
    assert_state(job, JOB_SCHEDULED);
    assert_int_equal(job->attempt, 0);
    assert_true(job->run_at_ms <= clock_unix_ms()); /* for another worker, at once */
    assert_state(read_job(workshop, &late), JOB_SCHEDULED);
    assert_int_equal(workshop->call_count, 1);
}

static void what_ends_before_the_deadline_of_the_end_counts(void **state)
{
    struct workshop *workshop = *state;
    workshop_start(workshop);
    struct uuid id = enqueue(workshop, "work", 1, 3);
    (void)wait_held(workshop, 1);
    job_runner_drain(workshop->runner, clock_monotonic_us() + PATIENCE_MS * INT64_C(1000));
    assert_false(job_runner_is_idle(workshop->runner));
    finish_held(workshop, &DONE);
    wait_until(job_runner_is_idle(workshop->runner));
    assert_state(read_job(workshop, &id), JOB_COMPLETED); /* written, before it is called idle */
    workshop_stop(workshop);
    assert_int_equal(workshop->stop_count, 0);
}

static void a_runner_that_is_stopped_without_warning_lets_its_handlers_go(void **state)
{
    struct workshop *workshop = *state;
    workshop_start(workshop);
    (void)enqueue(workshop, "work", 3, 3);
    (void)wait_held(workshop, 3);
    workshop_stop(workshop);
    job_runner_free(workshop->runner);
    workshop->runner = NULL;
    assert_int_equal(workshop->stop_count, 3);
    committer_free(workshop->committer);
    workshop->committer = NULL;
}

/* ---- Periodic jobs ---- */

#define MINUTE_MS 60000

static void a_periodic_job_fires_once_each_time_and_makes_up_for_missed_ones_by_one(void **state)
{
    static const struct periodic_job minutely = {"sweep", "default", "work", "* * * * *", "UTC"};
    struct workshop *workshop = *state;
    workshop->periodic = &minutely;
    workshop->periodic_count = 1;
    workshop->finish = &DONE;
    clock_forward(MINUTE_MS - clock_unix_ms() % MINUTE_MS); /* no minute begins by itself while the test runs */
    workshop_start(workshop);
    for (size_t fired = 1; fired <= 3; fired++) {
        struct job_schedule **schedules;
        size_t count = 0;
        struct fault fault;
        wait_until(workshop->ops.read_schedules(workshop->reader, workshop->arena, &schedules, &count, &fault) &&
                   count == 1 && schedules[0]->next_run_at_ms > workshop->ops.now(workshop->store));
        assert_int_equal(count_in(workshop, JOB_COMPLETED), fired - 1);
        clock_forward(fired == 2 ? 10 * MINUTE_MS : MINUTE_MS);
        wait_until(count_in(workshop, JOB_COMPLETED) >= fired);
    }
    workshop_stop(workshop);
    assert_int_equal(count_in(workshop, JOB_COMPLETED), 3);
    assert_int_equal(count_in(workshop, JOB_SCHEDULED), 0);
}

static void a_wrong_cron_expression_is_a_fault_at_the_start(void **state)
{
    static const struct periodic_job wrong = {"sweep", "default", "work", "75 * * * *", "UTC"};
    static const struct periodic_job elsewhere = {"sweep", "default", "work", "@daily", "Mars/Olympus"};
    static const struct periodic_job *const jobs[] = {&wrong, &elsewhere};
    static const char *const words[] = {"75 * * * *", "Mars/Olympus"};
    struct workshop *workshop = *state;
    for (size_t i = 0; i < 2; i++) {
        struct job_metrics metrics = {.kind_count = 0};
        struct job_runner_options options = workshop->options;
        struct job_runner *runner;
        struct fault fault;
        options.metrics = &metrics;
        assert_true(job_runner_new(&options, &runner, &fault));
        assert_false(job_runner_start(runner, NULL, &workshop->kind, 1, jobs[i], 1, &fault));
        assert_non_null(strstr(fault.detail, words[i]));
        job_runner_free(runner);
    }
}

int main(void)
{
#define runner_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        runner_test(a_handler_gets_as_many_due_jobs_at_a_time_as_it_takes),
        runner_test(no_more_jobs_run_at_once_than_are_allowed),
        runner_test(what_a_handler_says_becomes_of_the_job),
        runner_test(a_failed_job_is_tried_again_until_its_attempts_are_used_up),
        runner_test(a_job_of_an_unknown_kind_fails_and_waits_for_a_version_that_knows_it),
        runner_test(progress_and_log_are_shown_at_the_next_renewal),
        runner_test(what_a_failed_renewal_was_to_show_is_shown_by_a_later_one),
        runner_test(a_run_whose_lease_went_to_another_is_stopped),
        runner_test(a_result_of_a_job_that_another_has_is_refused),
        runner_test(a_result_that_the_store_was_away_for_is_written_later),
        runner_test(a_result_that_the_database_refuses_keeps_no_other_back),
        runner_test(jobs_are_claimed_again_once_the_store_is_back),
        runner_test(what_still_runs_at_the_end_is_given_back_and_nothing_more_begins),
        runner_test(what_ends_before_the_deadline_of_the_end_counts),
        runner_test(a_runner_that_is_stopped_without_warning_lets_its_handlers_go),
        runner_test(a_periodic_job_fires_once_each_time_and_makes_up_for_missed_ones_by_one),
        runner_test(a_wrong_cron_expression_is_a_fault_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
