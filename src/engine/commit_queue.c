#include "engine/commit_queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"

struct commit_queue {
    size_t weight_max; /* immutable */

    pthread_mutex_t mutex;
    pthread_cond_t filled; /* on the monotonic clock */
    /* Guarded by mutex. */
    struct command *first;
    struct command *last;
    size_t weight;
    bool closed;
    bool waiting; /* the taker sleeps: only then is a wake-up worth a system call */
};

struct commit_queue *commit_queue_new(size_t weight_max)
{
    struct commit_queue *queue = memory_zalloc(1, sizeof(*queue));
    queue->weight_max = weight_max;
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->filled, &attributes);
    pthread_condattr_destroy(&attributes);
    return queue;
}

void commit_queue_free(struct commit_queue *queue)
{
    if (queue == NULL) {
        return;
    }
    pthread_cond_destroy(&queue->filled);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

/* Wakes the taker where it sleeps; the mutex is held. */
static void wake_waiting(struct commit_queue *queue)
{
    if (queue->waiting) {
        queue->waiting = false;
        pthread_cond_signal(&queue->filled);
    }
}

bool commit_queue_put(struct commit_queue *queue, struct command *command)
{
    size_t weight = command_weight(command);
    command->next = NULL;
    pthread_mutex_lock(&queue->mutex);
    bool has_room = command->is_internal || queue->weight + weight <= queue->weight_max;
    bool accepted = !queue->closed && has_room;
    if (accepted) {
        if (queue->last == NULL) {
            queue->first = command;
        } else {
            queue->last->next = command;
        }
        queue->last = command;
        queue->weight += weight;
        wake_waiting(queue);
    }
    pthread_mutex_unlock(&queue->mutex);
    return accepted;
}

static struct timespec deadline_in(int64_t wait_us)
{
    int64_t at_us = clock_monotonic_us() + wait_us;
    return (struct timespec){.tv_sec = at_us / 1000000, .tv_nsec = (at_us % 1000000) * 1000};
}

/* Sleeps until there is something to take, the queue was closed or woken, or the time is up; the mutex is held. */
static void wait_filled(struct commit_queue *queue, int64_t wait_us)
{
    if (wait_us <= 0 || queue->first != NULL || queue->closed) {
        return;
    }
    struct timespec deadline = deadline_in(wait_us < INT64_C(3600000000) ? wait_us : INT64_C(3600000000));
    int error = 0;
    while (error == 0 && queue->first == NULL && !queue->closed) {
        queue->waiting = true;
        error = pthread_cond_timedwait(&queue->filled, &queue->mutex, &deadline);
    }
    queue->waiting = false;
}

bool commit_queue_wait(struct commit_queue *queue, int64_t wait_us)
{
    pthread_mutex_lock(&queue->mutex);
    wait_filled(queue, wait_us);
    bool is_filled = queue->first != NULL;
    pthread_mutex_unlock(&queue->mutex);
    return is_filled;
}

struct command *commit_queue_take(struct commit_queue *queue, size_t weight_max, int64_t wait_us)
{
    pthread_mutex_lock(&queue->mutex);
    wait_filled(queue, wait_us);
    struct command *taken = queue->first;
    struct command *last = NULL;
    size_t weight = 0;
    while (queue->first != NULL) {
        size_t next_weight = command_weight(queue->first);
        if (last != NULL && weight + next_weight > weight_max) {
            break;
        }
        weight += next_weight;
        last = queue->first;
        queue->first = last->next;
    }
    if (last != NULL) {
        last->next = NULL;
    }
    if (queue->first == NULL) {
        queue->last = NULL;
    }
    queue->weight -= weight;
    pthread_mutex_unlock(&queue->mutex);
    return taken;
}

void commit_queue_close(struct commit_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    wake_waiting(queue);
    pthread_mutex_unlock(&queue->mutex);
}

bool commit_queue_is_closed(struct commit_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    bool closed = queue->closed;
    pthread_mutex_unlock(&queue->mutex);
    return closed;
}

size_t commit_queue_weight(struct commit_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    size_t weight = queue->weight;
    pthread_mutex_unlock(&queue->mutex);
    return weight;
}
