/* How many jobs of a queue may start, and how a claim is shared out over queues. */

#include "cmocka_all.h"

#include "domain/job_queue.h"

#define NOW_MS INT64_C(1000000)

static const struct job_queue FREE = {.is_known = false};

static int64_t plan(struct claim_head *heads, size_t count, const struct job_queue *all, size_t max, bool *ret_more)
{
    return claim_plan(heads, count, &(struct claim_limits){.all = all, .max = max}, NOW_MS, ret_more);
}

static struct job_queue queue(const char *name)
{
    return (struct job_queue){.name = text_from_c(name), .is_known = true};
}

static void a_queue_without_limits_has_any_room_and_a_paused_one_none(void **state)
{
    (void)state;
    struct job_queue free_queue = queue("a");
    assert_true(job_queue_room(&free_queue, NOW_MS) == INT64_MAX);
    free_queue.is_paused = true;
    assert_int_equal(job_queue_room(&free_queue, NOW_MS), 0);
}

static void concurrency_counts_what_runs(void **state)
{
    (void)state;
    struct job_queue limited = queue("a");
    limited.concurrency = 3;
    limited.running = 2;
    assert_int_equal(job_queue_room(&limited, NOW_MS), 1);
    job_queue_start(&limited, NOW_MS, 1);
    assert_int_equal(job_queue_room(&limited, NOW_MS), 0);
    limited.running = 7; /* after the limit was lowered */
    assert_int_equal(job_queue_room(&limited, NOW_MS), 0);
}

static void a_rate_is_so_many_starts_a_period(void **state)
{
    (void)state;
    struct job_queue limited = queue("a");
    limited.rate_max = 2;
    limited.rate_period_ms = 100;
    job_queue_start(&limited, NOW_MS, 2);
    assert_int_equal(job_queue_room(&limited, NOW_MS + 99), 0);
    assert_int_equal(job_queue_rate_at(&limited, NOW_MS + 99), NOW_MS + 100);
    assert_int_equal(job_queue_room(&limited, NOW_MS + 100), 2);
    assert_int_equal(job_queue_room(&limited, NOW_MS - 5), 0);    /* another process' clock */
    assert_int_equal(job_queue_room(&limited, NOW_MS - 5000), 2); /* the clock was set back */
    assert_int_equal(limited.version, limited.loaded_version + 1);
}

static void a_claim_leaves_no_queue_with_nothing(void **state)
{
    (void)state;
    struct job_queue busy = queue("busy");
    struct job_queue small = queue("small");
    struct claim_head heads[] = {
        {.queue = &busy, .priority = 0, .run_at_ms = NOW_MS - 50},
        {.queue = &busy, .priority = 5, .run_at_ms = NOW_MS - 100},
        {.queue = &small, .priority = 5, .run_at_ms = NOW_MS},
    };
    bool more;
    assert_true(plan(heads, 3, &FREE, 10, &more) == INT64_MAX);
    assert_false(more);
    assert_ptr_equal(heads[0].queue, &busy); /* it has waited longest */
    assert_int_equal(heads[0].priority, 0);
    assert_int_equal(heads[0].limit, 5);
    assert_int_equal(heads[1].limit, 5); /* the same portion */
    assert_int_equal(heads[2].limit, 5);
}

static void the_last_place_goes_to_whoever_has_waited_longest(void **state)
{
    (void)state;
    struct job_queue first = queue("a");
    struct job_queue second = queue("b");
    struct claim_head heads[] = {
        {.queue = &first, .priority = 5, .run_at_ms = NOW_MS - 1},
        {.queue = &second, .priority = 5, .run_at_ms = NOW_MS - 2},
    };
    bool more;
    (void)plan(heads, 2, &FREE, 1, &more);
    assert_ptr_equal(heads[0].queue, &second);
    assert_int_equal(heads[0].limit, 1);
    assert_int_equal(heads[1].limit, 0);
    assert_true(more);
}

static void the_next_time_is_that_of_what_may_run(void **state)
{
    (void)state;
    struct job_queue paused = queue("a");
    struct job_queue limited = queue("b");
    struct job_queue open = queue("c");
    paused.is_paused = true;
    limited.rate_max = 1;
    limited.rate_period_ms = 500;
    job_queue_start(&limited, NOW_MS, 1);
    struct claim_head heads[] = {
        {.queue = &paused, .priority = 5, .run_at_ms = NOW_MS - 1},
        {.queue = &limited, .priority = 5, .run_at_ms = NOW_MS - 1},
        {.queue = &open, .priority = 5, .run_at_ms = NOW_MS + 900},
    };
    bool more;
    assert_int_equal(plan(heads, 3, &FREE, 10, &more), NOW_MS + 500);
    assert_false(more);
    assert_true(plan(heads, 0, &FREE, 10, &more) == INT64_MAX);
}

static void all_queues_together_have_no_more_than_their_limit(void **state)
{
    (void)state;
    struct job_queue all = FREE;
    struct job_queue first = queue("a");
    struct job_queue second = queue("b");
    struct claim_head heads[] = {
        {.queue = &first, .priority = 5, .run_at_ms = NOW_MS - 2},
        {.queue = &second, .priority = 5, .run_at_ms = NOW_MS - 1},
    };
    bool more;
    all.concurrency = 8;
    all.running = 5;
    assert_true(plan(heads, 2, &all, 10, &more) == INT64_MAX);
    assert_int_equal(heads[0].limit, 2);
    assert_int_equal(heads[1].limit, 1);

    all.running = 0;
    all.rate_max = 3;
    all.rate_period_ms = 700;
    all.rate_begin_ms = NOW_MS - 100;
    all.rate_count = 3;
    assert_int_equal(plan(heads, 2, &all, 10, &more), NOW_MS + 600);
    assert_int_equal(heads[0].limit + heads[1].limit, 0);

    all.is_paused = true;
    assert_true(plan(heads, 2, &all, 10, &more) == INT64_MAX);
}

static void queues_whose_jobs_run_on_leave_the_reserve_to_others(void **state)
{
    (void)state;
    struct job_queue slow = queue("a");
    struct job_queue quick = queue("b");
    struct claim_head heads[] = {
        {.queue = &slow, .priority = 5, .run_at_ms = NOW_MS - 2},
        {.queue = &quick, .priority = 5, .run_at_ms = NOW_MS - 1},
    };
    bool more;
    slow.is_held = true;
    assert_true(claim_plan(heads, 2, &(struct claim_limits){&FREE, 3, 3}, NOW_MS, &more) == INT64_MAX);
    assert_int_equal(heads[0].limit, 0);
    assert_int_equal(heads[1].limit, 1);
    assert_false(more); /* as long as nothing ends */
    (void)claim_plan(heads, 2, &(struct claim_limits){&FREE, 10, 3}, NOW_MS, &more);
    assert_int_equal(heads[0].limit, 5);
    assert_int_equal(heads[1].limit, 2);
}

static void a_closed_queue_starts_nothing_until_its_time(void **state)
{
    (void)state;
    struct job_queue closed = queue("a");
    struct claim_head heads[] = {{.queue = &closed, .priority = 5, .run_at_ms = NOW_MS - 2}};
    bool more;
    closed.closed_until_ms = NOW_MS + 300;
    assert_int_equal(plan(heads, 1, &FREE, 10, &more), NOW_MS + 300);
    assert_int_equal(heads[0].limit, 0);
    closed.closed_until_ms = INT64_MAX;
    assert_true(plan(heads, 1, &FREE, 10, &more) == INT64_MAX);
    closed.closed_until_ms = NOW_MS;
    (void)plan(heads, 1, &FREE, 10, &more);
    assert_int_equal(heads[0].limit, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_without_limits_has_any_room_and_a_paused_one_none),
        cmocka_unit_test(concurrency_counts_what_runs),
        cmocka_unit_test(a_rate_is_so_many_starts_a_period),
        cmocka_unit_test(a_claim_leaves_no_queue_with_nothing),
        cmocka_unit_test(the_last_place_goes_to_whoever_has_waited_longest),
        cmocka_unit_test(the_next_time_is_that_of_what_may_run),
        cmocka_unit_test(all_queues_together_have_no_more_than_their_limit),
        cmocka_unit_test(queues_whose_jobs_run_on_leave_the_reserve_to_others),
        cmocka_unit_test(a_closed_queue_starts_nothing_until_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
