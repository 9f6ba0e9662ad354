#include "engine/reader_pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define PASSED_OVER_MAX 16 /* short tasks that go before a long one: a flood of them must not keep it for ever */

struct task_list {
    struct read_task *first;
    struct read_task *last;
    size_t count;
};

struct pool_thread {
    struct reader_pool *pool;
    bool is_urgent; /* it serves urgent tasks alone */
    struct reader *reader;
    pthread_t thread;
};

struct reader_pool {
    /* Immutable after the start. */
    struct reader_pool_options options;
    struct pool_thread *threads;
    size_t thread_count;
    size_t long_max; /* long tasks that may run at once */

    pthread_mutex_t mutex;
    pthread_cond_t filled;
    pthread_cond_t urgent_filled;
    /* Guarded by mutex. */
    struct task_list waiting;
    struct task_list waiting_long;
    size_t long_running;
    size_t passed_over; /* short tasks that went before the first long one which might have run */
    struct task_list urgent;
    struct task_list completed;
    bool stopping;
};

static void list_append(struct task_list *list, struct read_task *task)
{
    task->next = NULL;
    if (list->last == NULL) {
        list->first = task;
    } else {
        list->last->next = task;
    }
    list->last = task;
    list->count++;
}

static struct read_task *list_pop(struct task_list *list)
{
    struct read_task *task = list->first;
    list->first = task->next;
    if (list->first == NULL) {
        list->last = NULL;
    }
    list->count--;
    return task;
}

static bool may_run_long(const struct reader_pool *pool)
{
    return pool->waiting_long.count > 0 && pool->long_running < pool->long_max;
}

/* NULL: nothing that this thread may run. */
static struct task_list *choose_list(struct reader_pool *pool, bool is_urgent)
{
    if (is_urgent) {
        return pool->urgent.count > 0 ? &pool->urgent : NULL;
    }
    if (may_run_long(pool) && (pool->waiting.count == 0 || pool->passed_over >= PASSED_OVER_MAX)) {
        return &pool->waiting_long;
    }
    return pool->waiting.count > 0 ? &pool->waiting : NULL;
}

static struct read_task *take_from(struct reader_pool *pool, struct task_list *list)
{
    if (list == &pool->waiting_long) {
        pool->long_running++;
        pool->passed_over = 0;
    } else if (list == &pool->waiting && may_run_long(pool)) {
        pool->passed_over++;
    }
    return list_pop(list);
}

/* The next task, or NULL when the pool stops and nothing waits any more, but for long ones that a thread which runs one
 * will take. A long one that may run once another is done needs no signal: the thread that did that one looks next, and
 * takes nothing else but what another was woken for, which then looks. */
static struct read_task *take_task(struct pool_thread *self)
{
    struct reader_pool *pool = self->pool;
    struct task_list *list;
    pthread_mutex_lock(&pool->mutex);
    while ((list = choose_list(pool, self->is_urgent)) == NULL && !pool->stopping) {
        pthread_cond_wait(self->is_urgent ? &pool->urgent_filled : &pool->filled, &pool->mutex);
    }
    struct read_task *task = list == NULL ? NULL : take_from(pool, list);
    pthread_mutex_unlock(&pool->mutex);
    return task;
}

static void complete_task(struct reader_pool *pool, struct read_task *task)
{
    pthread_mutex_lock(&pool->mutex);
    bool first = pool->completed.count == 0;
    list_append(&pool->completed, task);
    pool->long_running -= task->is_long;
    pthread_mutex_unlock(&pool->mutex);
    if (first) { /* a later one is found by the same wake-up */
        pool->options.completed(pool->options.context);
    }
}

static void *pool_thread_main(void *argument)
{
    struct pool_thread *self = argument;
    (void)pthread_setname_np(pthread_self(), "reader");
    for (struct read_task *task; (task = take_task(self)) != NULL;) {
        task->ok = task->run(task, self->pool->options.ops, self->reader, &task->fault);
        complete_task(self->pool, task);
    }
    return NULL;
}

/* Opens the readers first, so that a store that cannot be read stops the start; then the threads. */
static bool start_threads(struct reader_pool *pool, struct fault *fault)
{
    const struct reader_pool_options *options = &pool->options;
    for (size_t i = 0; i <= options->threads; i++) {
        struct pool_thread *thread = &pool->threads[i];
        thread->pool = pool;
        thread->is_urgent = i == 0;
        if (!options->ops->reader_open(options->store, &thread->reader, fault)) {
            return false;
        }
        if (pthread_create(&thread->thread, NULL, pool_thread_main, thread) != 0) {
            options->ops->reader_close(thread->reader);
            return fault_set(fault, FAULT_INTERNAL, "cannot start a reader thread");
        }
        pool->thread_count++;
    }
    return true;
}

bool reader_pool_start(const struct reader_pool_options *options, struct reader_pool **ret_pool, struct fault *fault)
{
    struct reader_pool *pool = memory_zalloc(1, sizeof(*pool));
    pool->options = *options;
    pool->long_max = options->threads > 1 ? options->threads - 1 : 1;
    pool->threads = memory_zalloc(options->threads + 1, sizeof(*pool->threads));
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->filled, NULL);
    pthread_cond_init(&pool->urgent_filled, NULL);
    if (!start_threads(pool, fault)) {
        reader_pool_stop(pool);
        reader_pool_free(pool);
        return false;
    }
    *ret_pool = pool;
    return true;
}

bool reader_pool_submit(struct reader_pool *pool, struct read_task *task)
{
    assert(!task->urgent || !task->is_long);
    memset(&task->fault, 0, sizeof(task->fault));
    pthread_mutex_lock(&pool->mutex);
    bool has_room = task->urgent || pool->waiting.count + pool->waiting_long.count < pool->options.queue_max;
    bool accepted = !pool->stopping && has_room;
    if (accepted) {
        list_append(task->urgent ? &pool->urgent : task->is_long ? &pool->waiting_long : &pool->waiting, task);
        pthread_cond_signal(task->urgent ? &pool->urgent_filled : &pool->filled);
    }
    pthread_mutex_unlock(&pool->mutex);
    return accepted;
}

struct read_task *reader_pool_take_completed(struct reader_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    struct read_task *first = pool->completed.first;
    memset(&pool->completed, 0, sizeof(pool->completed));
    pthread_mutex_unlock(&pool->mutex);
    return first;
}

void reader_pool_stop(struct reader_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->filled);
    pthread_cond_broadcast(&pool->urgent_filled);
    pthread_mutex_unlock(&pool->mutex);
    for (size_t i = 0; i < pool->thread_count; i++) {
        pthread_join(pool->threads[i].thread, NULL);
        pool->options.ops->reader_close(pool->threads[i].reader);
    }
    pool->thread_count = 0;
}

void reader_pool_free(struct reader_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pthread_cond_destroy(&pool->filled);
    pthread_cond_destroy(&pool->urgent_filled);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->threads);
    free(pool);
}
