#include "cmocka_all.h"

#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/commit_queue.h"

#define FOREVER INT64_MAX

static struct command order_batch(size_t members)
{
    return (struct command){.kind = COMMAND_PLACE_ORDERS, .input.place_orders.member_count = members};
}

static void commands_come_out_in_the_order_of_arrival(void **state)
{
    (void)state;
    struct commit_queue *queue = commit_queue_new(10);
    struct command commands[3] = {{.kind = COMMAND_PLACE_ORDER}};
    for (size_t i = 0; i < 3; i++) {
        assert_true(commit_queue_put(queue, &commands[i]));
    }
    struct command *taken = commit_queue_take(queue, 10, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(taken, &commands[i]);
        taken = taken->next;
    }
    assert_null(taken);
    assert_null(commit_queue_take(queue, 10, 0));
    assert_true(commit_queue_put(queue, &commands[1]));
    assert_ptr_equal(commit_queue_take(queue, 10, 0), &commands[1]);
    commit_queue_free(queue);
}

static void a_full_queue_refuses_by_weight_until_something_was_taken(void **state)
{
    (void)state;
    struct commit_queue *queue = commit_queue_new(10);
    struct command heavy = order_batch(9);
    struct command light[2] = {{.kind = COMMAND_PAY_ORDER}, {.kind = COMMAND_PAY_ORDER}};
    assert_true(commit_queue_put(queue, &heavy));
    assert_true(commit_queue_put(queue, &light[0]));
    assert_false(commit_queue_put(queue, &light[1]));
    assert_int_equal(commit_queue_weight(queue), 10);
    assert_ptr_equal(commit_queue_take(queue, 9, 0), &heavy);
    assert_int_equal(commit_queue_weight(queue), 1);
    assert_true(commit_queue_put(queue, &light[1]));
    commit_queue_free(queue);
}

static void what_is_heavier_than_the_whole_queue_is_never_taken_in(void **state)
{
    (void)state;
    struct commit_queue *queue = commit_queue_new(10);
    struct command heavy = order_batch(11);
    assert_false(commit_queue_put(queue, &heavy));
    commit_queue_free(queue);
}

static void a_take_stops_at_its_weight_but_gives_at_least_one(void **state)
{
    (void)state;
    struct commit_queue *queue = commit_queue_new(100);
    struct command commands[] = {order_batch(3), order_batch(3), order_batch(50), order_batch(1)};
    for (size_t i = 0; i < 4; i++) {
        assert_true(commit_queue_put(queue, &commands[i]));
    }
    struct command *taken = commit_queue_take(queue, 7, 0);
    assert_ptr_equal(taken, &commands[0]);
    assert_ptr_equal(taken->next, &commands[1]);
    assert_null(taken->next->next);
    taken = commit_queue_take(queue, 7, 0);
    assert_ptr_equal(taken, &commands[2]);
    assert_null(taken->next);
    assert_ptr_equal(commit_queue_take(queue, 7, 0), &commands[3]);
    assert_int_equal(commit_queue_weight(queue), 0);
    commit_queue_free(queue);
}

static void every_command_weighs_something(void **state)
{
    (void)state;
    struct command empty = {.kind = COMMAND_IMPORT_PRODUCTS};
    assert_int_equal(command_weight(&empty), 1);
    empty = order_batch(0);
    assert_int_equal(command_weight(&empty), 1);
    for (int kind = 0; kind < COMMAND_KIND_COUNT; kind++) {
        assert_non_null(command_kind_name((enum command_kind)kind));
    }
}

static void a_closed_queue_refuses_and_can_be_emptied(void **state)
{
    (void)state;
    struct commit_queue *queue = commit_queue_new(10);
    struct command inside = {.kind = COMMAND_PAY_ORDER};
    struct command late = {.kind = COMMAND_PAY_ORDER};
    assert_true(commit_queue_put(queue, &inside));
    assert_false(commit_queue_is_closed(queue));
    commit_queue_close(queue);
    assert_true(commit_queue_is_closed(queue));
    assert_false(commit_queue_put(queue, &late));
    assert_ptr_equal(commit_queue_take(queue, 10, FOREVER), &inside);
    assert_null(commit_queue_take(queue, 10, FOREVER)); /* and a take does not wait for what cannot come */
    commit_queue_free(queue);
}

static void a_take_waits_no_longer_than_it_was_told(void **state)
{
    (void)state;
    struct commit_queue *queue = commit_queue_new(10);
    int64_t begin_us = clock_monotonic_us();
    assert_null(commit_queue_take(queue, 10, 20000));
    assert_true(clock_monotonic_us() - begin_us >= 20000);
    commit_queue_free(queue);
}

struct sleeper {
    struct commit_queue *queue;
    struct command *taken;
};

static void *take_forever(void *argument)
{
    struct sleeper *sleeper = argument;
    sleeper->taken = commit_queue_take(sleeper->queue, 10, FOREVER);
    return NULL;
}

static pthread_t start_sleeper(struct sleeper *sleeper)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, take_forever, sleeper), 0);
    (void)usleep(10000); /* most likely asleep by now; the outcome is the same if not */
    return thread;
}

static void a_sleeping_take_is_woken_by_a_put_and_a_close(void **state)
{
    (void)state;
    struct sleeper sleeper = {.queue = commit_queue_new(10)};
    struct command command = {.kind = COMMAND_PAY_ORDER};
    pthread_t thread = start_sleeper(&sleeper);
    assert_true(commit_queue_put(sleeper.queue, &command));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ptr_equal(sleeper.taken, &command);
    thread = start_sleeper(&sleeper);
    commit_queue_close(sleeper.queue);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_null(sleeper.taken);
    commit_queue_free(sleeper.queue);
}

/* ---- Many put, one takes ---- */

#define PUTTERS 4
#define PUTS 500

struct putter {
    struct commit_queue *queue;
    struct command commands[PUTS];
};

static void *put_all(void *argument)
{
    struct putter *putter = argument;
    for (size_t i = 0; i < PUTS; i++) {
        putter->commands[i].submitted_us = (int64_t)i;
        while (!commit_queue_put(putter->queue, &putter->commands[i])) {
            (void)usleep(100);
        }
    }
    return NULL;
}

static void nothing_is_lost_between_many_putters_and_one_taker(void **state)
{
    (void)state;
    static struct putter putters[PUTTERS];
    struct commit_queue *queue = commit_queue_new(64);
    pthread_t threads[PUTTERS];
    int64_t next[PUTTERS] = {0};
    for (size_t i = 0; i < PUTTERS; i++) {
        putters[i].queue = queue;
        for (size_t j = 0; j < PUTS; j++) {
            putters[i].commands[j] = (struct command){.kind = COMMAND_PAY_ORDER, .context = &next[i]};
        }
        assert_int_equal(pthread_create(&threads[i], NULL, put_all, &putters[i]), 0);
    }
    for (size_t taken = 0; taken < (size_t)PUTTERS * PUTS;) {
        struct command *command = commit_queue_take(queue, 16, FOREVER);
        for (; command != NULL; command = command->next) {
            int64_t *expected = command->context;
            assert_int_equal(command->submitted_us, *expected); /* each putter's in its order */
            (*expected)++;
            taken++;
        }
    }
    for (size_t i = 0; i < PUTTERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(next[i], PUTS);
    }
    commit_queue_free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_come_out_in_the_order_of_arrival),
        cmocka_unit_test(a_full_queue_refuses_by_weight_until_something_was_taken),
        cmocka_unit_test(what_is_heavier_than_the_whole_queue_is_never_taken_in),
        cmocka_unit_test(a_take_stops_at_its_weight_but_gives_at_least_one),
        cmocka_unit_test(every_command_weighs_something),
        cmocka_unit_test(a_closed_queue_refuses_and_can_be_emptied),
        cmocka_unit_test(a_take_waits_no_longer_than_it_was_told),
        cmocka_unit_test(a_sleeping_take_is_woken_by_a_put_and_a_close),
        cmocka_unit_test(nothing_is_lost_between_many_putters_and_one_taker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
