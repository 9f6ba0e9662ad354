#include "cmocka_all.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "engine/reader_pool.h"
#include "support/fake_store.h"

#define TASKS 50

struct fixture {
    struct store *store;
    struct reader_pool *pool;
    pthread_mutex_t gate; /* held: tasks of `wait_at_gate` do not finish */
    size_t readers_to_open;
    _Atomic size_t running;
    _Atomic size_t wake_ups;
};

struct counted_task {
    struct read_task task;
    int runs;
};

static void count_wake_up(void *context)
{
    atomic_fetch_add(&((struct fixture *)context)->wake_ups, 1);
}

static bool refuse_further_readers(void *context, enum fake_call call, const struct facts *facts, struct fault *fault)
{
    (void)facts;
    struct fixture *fixture = context;
    if (call == FAKE_READER_OPEN && fixture->readers_to_open-- == 0) {
        return fault_set(fault, FAULT_UNAVAILABLE, "too many files");
    }
    return true;
}

static bool ping(struct read_task *task, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    ((struct counted_task *)task)->runs++;
    return ops->read_ping(reader, fault);
}

static bool take_too_long(struct read_task *task, const struct store_ops *ops, struct reader *reader,
                          struct fault *fault)
{
    (void)ops;
    (void)reader;
    ((struct counted_task *)task)->runs++;
    return fault_set(fault, FAULT_TIMEOUT, "took too long");
}

static bool wait_at_gate(struct read_task *task, const struct store_ops *ops, struct reader *reader,
                         struct fault *fault)
{
    struct fixture *fixture = task->context;
    atomic_fetch_add(&fixture->running, 1);
    pthread_mutex_lock(&fixture->gate);
    pthread_mutex_unlock(&fixture->gate);
    return ping(task, ops, reader, fault);
}

static bool start(struct fixture *fixture, size_t threads, size_t queue_max, struct fault *fault)
{
    const struct reader_pool_options options = {
        .ops = &FAKE_STORE_OPS,
        .store = fixture->store,
        .threads = threads,
        .queue_max = queue_max,
        .completed = count_wake_up,
        .context = fixture,
    };
    return reader_pool_start(&options, &fixture->pool, fault);
}

static int setup(void **state)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof(fixture));
    pthread_mutex_init(&fixture.gate, NULL);
    fixture.readers_to_open = SIZE_MAX;
    fixture.store = fake_store_new((struct fake_hook){refuse_further_readers, &fixture});
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    reader_pool_free(fixture->pool);
    fake_store_free(fixture->store);
    pthread_mutex_destroy(&fixture->gate);
    return 0;
}

/* Takes tasks back until there were `count`; returns how many of them were good. */
static size_t take_all(struct fixture *fixture, size_t count)
{
    size_t good = 0;
    for (size_t taken = 0; taken < count;) {
        struct read_task *task = reader_pool_take_completed(fixture->pool);
        if (task == NULL) {
            (void)usleep(1000);
        }
        for (; task != NULL; task = task->next) {
            assert_int_equal(((struct counted_task *)task)->runs, 1);
            good += task->ok;
            taken++;
        }
    }
    assert_null(reader_pool_take_completed(fixture->pool));
    return good;
}

static void every_task_runs_once_and_comes_back(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault;
    struct counted_task tasks[TASKS] = {{.runs = 0}};
    assert_true(start(fixture, 3, TASKS, &fault));
    assert_int_equal(fake_store_open_readers(fixture->store), 3 + 1); /* one for urgent tasks */
    for (size_t i = 0; i < TASKS; i++) {
        tasks[i].task.run = i % 2 == 0 ? ping : take_too_long;
        tasks[i].task.is_long = i % 3 == 0;
        assert_true(reader_pool_submit(fixture->pool, &tasks[i].task));
    }
    assert_int_equal(take_all(fixture, TASKS), TASKS / 2);
    assert_int_equal(tasks[1].task.fault.kind, FAULT_TIMEOUT);
    assert_int_equal(tasks[0].task.fault.kind, FAULT_NONE);
    assert_in_range(atomic_load(&fixture->wake_ups), 1, TASKS);
    reader_pool_stop(fixture->pool);
    assert_int_equal(fake_store_open_readers(fixture->store), 0);
}

static void a_full_queue_is_an_answer(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault;
    struct counted_task tasks[4] = {{.runs = 0}};
    assert_true(start(fixture, 1, 2, &fault));
    for (size_t i = 0; i < 4; i++) {
        tasks[i].task = (struct read_task){.run = wait_at_gate, .context = fixture};
    }
    pthread_mutex_lock(&fixture->gate);
    assert_true(reader_pool_submit(fixture->pool, &tasks[0].task));
    while (atomic_load(&fixture->running) == 0) {
        (void)usleep(1000);
    }
    assert_true(reader_pool_submit(fixture->pool, &tasks[1].task));
    assert_true(reader_pool_submit(fixture->pool, &tasks[2].task));
    assert_false(reader_pool_submit(fixture->pool, &tasks[3].task));
    pthread_mutex_unlock(&fixture->gate);
    assert_int_equal(take_all(fixture, 3), 3);
    assert_true(reader_pool_submit(fixture->pool, &tasks[3].task));
    assert_int_equal(take_all(fixture, 1), 1);
    reader_pool_stop(fixture->pool);
}

static void an_urgent_task_waits_for_no_other(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault;
    struct counted_task slow = {.task = {.run = wait_at_gate, .context = fixture}};
    struct counted_task urgent = {.task = {.run = ping, .urgent = true}};
    assert_true(start(fixture, 1, 1, &fault));
    pthread_mutex_lock(&fixture->gate);
    assert_true(reader_pool_submit(fixture->pool, &slow.task));
    while (atomic_load(&fixture->running) == 0) {
        (void)usleep(1000);
    }
    assert_true(reader_pool_submit(fixture->pool, &urgent.task));
    struct read_task *first = NULL;
    while (first == NULL) {
        first = reader_pool_take_completed(fixture->pool);
    }
    assert_ptr_equal(first, &urgent.task);
    assert_null(first->next);
    pthread_mutex_unlock(&fixture->gate);
    assert_int_equal(take_all(fixture, 1), 1);
    reader_pool_stop(fixture->pool);
}

static void wait_until_running(struct fixture *fixture, size_t count)
{
    while (atomic_load(&fixture->running) < count) {
        (void)usleep(1000);
    }
}

static void submit(struct fixture *fixture, struct counted_task *task, bool is_long, bool at_gate)
{
    task->task = (struct read_task){.run = at_gate ? wait_at_gate : ping, .context = fixture, .is_long = is_long};
    assert_true(reader_pool_submit(fixture->pool, &task->task));
}

/* However many long ones there are, one thread is left to short ones, which come back while all the long ones stand. */
static void long_tasks_leave_a_thread_to_short_ones(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault;
    struct counted_task longs[TASKS] = {{.runs = 0}};
    struct counted_task shorts[TASKS] = {{.runs = 0}};
    assert_true(start(fixture, 3, 2 * TASKS, &fault));
    pthread_mutex_lock(&fixture->gate);
    for (size_t i = 0; i < TASKS; i++) {
        submit(fixture, &longs[i], true, true);
    }
    wait_until_running(fixture, 2);
    for (size_t i = 0; i < TASKS; i++) {
        submit(fixture, &shorts[i], false, false);
    }
    assert_int_equal(take_all(fixture, TASKS), TASKS);
    assert_int_equal(atomic_load(&fixture->running), 2);
    pthread_mutex_unlock(&fixture->gate);
    assert_int_equal(take_all(fixture, TASKS), TASKS);
    assert_int_equal(atomic_load(&fixture->running), TASKS);
    reader_pool_stop(fixture->pool);
}

/* With one thread, too, short tasks go before long ones that came earlier; a long one waits for sixteen at most. */
static void short_tasks_go_first_and_not_for_ever(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault;
    struct counted_task first = {.runs = 0};
    struct counted_task longs[2] = {{.runs = 0}};
    struct counted_task shorts[18] = {{.runs = 0}};
    const struct read_task *in_order[1 + 2 + 18];
    size_t count = 0;
    assert_true(start(fixture, 1, TASKS, &fault));
    pthread_mutex_lock(&fixture->gate);
    submit(fixture, &first, false, true);
    wait_until_running(fixture, 1);
    submit(fixture, &longs[0], true, false);
    submit(fixture, &longs[1], true, false);
    for (size_t i = 0; i < 18; i++) {
        submit(fixture, &shorts[i], false, false);
    }
    pthread_mutex_unlock(&fixture->gate);
    reader_pool_stop(fixture->pool); /* and finishes what waits */
    for (const struct read_task *task = reader_pool_take_completed(fixture->pool); task != NULL; task = task->next) {
        assert_in_range(count, 0, 20);
        in_order[count++] = task;
    }
    assert_int_equal(count, 21);
    assert_ptr_equal(in_order[0], &first.task);
    assert_ptr_equal(in_order[1], &shorts[0].task);
    assert_ptr_equal(in_order[16], &shorts[15].task);
    assert_ptr_equal(in_order[17], &longs[0].task);
    assert_ptr_equal(in_order[18], &shorts[16].task);
    assert_ptr_equal(in_order[20], &longs[1].task);
}

static void stopping_finishes_what_waits_and_refuses_more(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault;
    struct counted_task tasks[TASKS] = {{.runs = 0}};
    assert_true(start(fixture, 2, TASKS, &fault));
    for (size_t i = 0; i < TASKS; i++) {
        tasks[i].task.run = ping;
        tasks[i].task.is_long = i % 3 == 0;
        assert_true(reader_pool_submit(fixture->pool, &tasks[i].task));
    }
    reader_pool_stop(fixture->pool);
    assert_int_equal(take_all(fixture, TASKS), TASKS);
    assert_false(reader_pool_submit(fixture->pool, &tasks[0].task));
}

static void a_reader_that_cannot_be_opened_stops_the_start(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = {.kind = FAULT_NONE};
    fixture->readers_to_open = 2;
    assert_false(start(fixture, 3, 10, &fault));
    assert_int_equal(fault.kind, FAULT_UNAVAILABLE);
    assert_int_equal(fake_store_open_readers(fixture->store), 0);
    assert_null(fixture->pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_task_runs_once_and_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_queue_is_an_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(an_urgent_task_waits_for_no_other, setup, teardown),
        cmocka_unit_test_setup_teardown(long_tasks_leave_a_thread_to_short_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(short_tasks_go_first_and_not_for_ever, setup, teardown),
        cmocka_unit_test_setup_teardown(stopping_finishes_what_waits_and_refuses_more, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_cannot_be_opened_stops_the_start, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
