#include "engine/reader_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

struct task_list {
    struct read_task *first;
    struct read_task *last;
    size_t count;
};

struct pool_thread {
    struct reader_pool *pool;
    struct task_list *waiting; /* what this thread serves: the pool's waiting or urgent */
    struct reader *reader;
    pthread_t thread;
};

struct reader_pool {
    /* Immutable after the start. */
    struct reader_pool_options options;
    struct pool_thread *threads;
    size_t thread_count;

    pthread_mutex_t mutex;
    pthread_cond_t filled;
    pthread_cond_t urgent_filled;
    /* Guarded by mutex. */
    struct task_list waiting;
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

/* The next task, or NULL when the pool stops and nothing waits any more. */
static struct read_task *take_task(struct reader_pool *pool, struct task_list *waiting)
{
    pthread_mutex_lock(&pool->mutex);
    while (waiting->count == 0 && !pool->stopping) {
        pthread_cond_wait(waiting == &pool->urgent ? &pool->urgent_filled : &pool->filled, &pool->mutex);
    }
    struct read_task *task = waiting->count > 0 ? list_pop(waiting) : NULL;
    pthread_mutex_unlock(&pool->mutex);
    return task;
}

static void complete_task(struct reader_pool *pool, struct read_task *task)
{
    pthread_mutex_lock(&pool->mutex);
    bool first = pool->completed.count == 0;
    list_append(&pool->completed, task);
    pthread_mutex_unlock(&pool->mutex);
    if (first) { /* a later one is found by the same wake-up */
        pool->options.completed(pool->options.context);
    }
}

static void *pool_thread_main(void *argument)
{
    struct pool_thread *self = argument;
    (void)pthread_setname_np(pthread_self(), "reader");
    for (struct read_task *task; (task = take_task(self->pool, self->waiting)) != NULL;) {
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
        thread->waiting = i == 0 ? &pool->urgent : &pool->waiting;
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
    memset(&task->fault, 0, sizeof(task->fault));
    pthread_mutex_lock(&pool->mutex);
    bool accepted = !pool->stopping && (task->urgent || pool->waiting.count < pool->options.queue_max);
    if (accepted) {
        list_append(task->urgent ? &pool->urgent : &pool->waiting, task);
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
