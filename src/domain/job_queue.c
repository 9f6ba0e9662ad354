#include "domain/job_queue.h"

#include <stdlib.h>

const struct job_queue *job_queue_snapshot(struct arena *arena, const struct job_queue *queue)
{
    struct job_queue *copy = arena_alloc(arena, sizeof(*copy));
    *copy = *queue;
    return copy;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#define CLOCKS_APART_MS 1000 /* two processes' ideas of the time */

/* A clock that was set back does not stop a queue: a period that begins in the future is over. */
static bool period_is_over(const struct job_queue *queue, int64_t now_ms)
{
    return now_ms >= queue->rate_begin_ms + queue->rate_period_ms || now_ms < queue->rate_begin_ms - CLOCKS_APART_MS;
}

static bool is_closed(const struct job_queue *queue, int64_t now_ms)
{
    return queue->is_paused || queue->closed_until_ms > now_ms;
}

int64_t job_queue_room(const struct job_queue *queue, int64_t now_ms)
{
    int64_t room = INT64_MAX;
    if (is_closed(queue, now_ms)) {
        return 0;
    }
    if (queue->concurrency > 0) {
        room = queue->running < queue->concurrency ? queue->concurrency - queue->running : 0;
    }
    if (queue->rate_max > 0) {
        int64_t started = period_is_over(queue, now_ms) ? 0 : queue->rate_count;
        room = smaller(room, started < queue->rate_max ? queue->rate_max - started : 0);
    }
    return room;
}

int64_t job_queue_rate_at(const struct job_queue *queue, int64_t now_ms)
{
    bool is_used_up = queue->rate_max > 0 && !period_is_over(queue, now_ms) && queue->rate_count >= queue->rate_max;
    return is_used_up ? queue->rate_begin_ms + queue->rate_period_ms : now_ms;
}

void job_queue_start(struct job_queue *queue, int64_t now_ms, int64_t count)
{
    queue->running += count;
    if (queue->rate_max == 0) {
        return;
    }
    if (period_is_over(queue, now_ms)) {
        queue->rate_begin_ms = now_ms;
        queue->rate_count = 0;
    }
    queue->rate_count += count;
    job_queue_change(queue);
}

void job_queue_change(struct job_queue *queue)
{
    if (queue->version == queue->loaded_version) {
        queue->version++;
    }
}

static bool may_start(const struct claim_head *head, int64_t now_ms)
{
    return head->run_at_ms <= now_ms && job_queue_room(head->queue, now_ms) > 0;
}

/* When a queue that has no room has some: INT64_MAX where only somebody's doing (a finish, a resume) changes that. */
static int64_t room_at(const struct job_queue *queue, int64_t now_ms)
{
    int64_t rate_at_ms = job_queue_rate_at(queue, now_ms);
    int64_t at_ms = rate_at_ms > queue->closed_until_ms ? rate_at_ms : queue->closed_until_ms;
    return queue->is_paused || at_ms <= now_ms ? INT64_MAX : at_ms;
}

/* When a head that cannot start now can, as far as its own queue goes. */
static int64_t head_at(const struct claim_head *head, int64_t now_ms)
{
    bool is_later = head->run_at_ms > now_ms && !is_closed(head->queue, now_ms);
    return is_later ? head->run_at_ms : room_at(head->queue, now_ms);
}

/* The queue that has waited longest comes first; its heads stay together, in the order of their priorities. */
static int compare_heads(const void *a, const void *b)
{
    const struct claim_head *left = a;
    const struct claim_head *right = b;
    if (left->queue_at_ms != right->queue_at_ms) {
        return left->queue_at_ms < right->queue_at_ms ? -1 : 1;
    }
    int order = text_compare(left->queue->name, right->queue->name);
    return order != 0 ? order : (left->priority > right->priority) - (left->priority < right->priority);
}

/* Since when each queue has something that may start: INT64_MAX where it has not. Returns how many have. */
static size_t note_queues(struct claim_head *heads, size_t count, int64_t now_ms)
{
    size_t ready = 0;
    for (size_t begin = 0, end; begin < count; begin = end) {
        int64_t at_ms = INT64_MAX;
        for (end = begin; end < count && heads[end].queue == heads[begin].queue; end++) {
            at_ms = may_start(&heads[end], now_ms) ? smaller(at_ms, heads[end].run_at_ms) : at_ms;
        }
        for (size_t i = begin; i < end; i++) {
            heads[i].queue_at_ms = at_ms;
        }
        ready += at_ms != INT64_MAX;
    }
    return ready;
}

/* What is left for a queue: of the last ones a queue that runs none may take one. */
static int64_t left_for(const struct job_queue *queue, int64_t left, int64_t reserve)
{
    int64_t unreserved = left > reserve ? left - reserve : 0;
    return unreserved == 0 && !queue->is_held && left > 0 ? 1 : unreserved;
}

int64_t claim_plan(struct claim_head *heads, size_t count, const struct claim_limits *limits, int64_t now_ms,
                   bool *ret_more)
{
    size_t ready = note_queues(heads, count, now_ms);
    int64_t next_ms = ready == 0 ? INT64_MAX : room_at(limits->all, now_ms);
    int64_t left = smaller((int64_t)limits->max, job_queue_room(limits->all, now_ms));
    int64_t share = ready == 0 ? 0 : (left + (int64_t)ready - 1) / (int64_t)ready;
    *ret_more = false;
    if (count > 0) {
        qsort(heads, count, sizeof(*heads), compare_heads);
    }
    for (size_t begin = 0, end; begin < count; begin = end) {
        const struct job_queue *queue = heads[begin].queue;
        int64_t room =
            smaller(smaller(job_queue_room(queue, now_ms), share), left_for(queue, left, (int64_t)limits->reserve));
        for (end = begin; end < count && heads[end].queue == queue; end++) {
            bool starts = may_start(&heads[end], now_ms);
            heads[end].limit = starts ? (size_t)room : 0; /* together they have one portion */
            next_ms = starts ? next_ms : smaller(next_ms, head_at(&heads[end], now_ms));
            *ret_more = *ret_more || (starts && room == 0 && left == 0);
        }
        left -= heads[begin].queue_at_ms == INT64_MAX ? 0 : room;
    }
    return next_ms;
}
