#include <stdio.h>

#include "base/clock.h"
#include "store/postgres/jobs.h"

#define CHEAP_LOOK_US 10000      /* after a look that took no longer the next one is from the front, too */
#define FULL_LOOK_SHARE 50       /* of dearer ones each may take a fiftieth of the time, ... */
#define FULL_LOOK_US_MAX 2000000 /* and one comes every two seconds at least: queues that are new are found by it */
#define HEAD_SLACK_MS 2000       /* a job's commit may take so long to be seen */

struct known_head *job_heads_get(struct head_memory *memory, struct text queue, int64_t priority)
{
    for (size_t i = 0; i < memory->count; i++) {
        if (memory->items[i].priority == priority && text_equal_c(queue, memory->items[i].queue)) {
            return &memory->items[i];
        }
    }
    if (memory->count == HEADS_MAX) {
        return NULL;
    }
    struct known_head *head = &memory->items[memory->count++];
    *head = (struct known_head){.priority = priority, .from_ms = INT64_MAX};
    (void)snprintf(head->queue, sizeof(head->queue), "%.*s", (int)queue.length, queue.bytes);
    return head;
}

void job_heads_begin(struct head_memory *memory)
{
    for (size_t i = 0; i < memory->count; i++) {
        memory->items[i].is_found = false;
    }
}

void job_heads_note_found(struct head_memory *memory, const struct claim_head *head, int64_t now_ms)
{
    struct known_head *known = job_heads_get(memory, head->queue->name, head->priority);
    if (known != NULL) {
        known->from_ms = (head->run_at_ms < now_ms ? head->run_at_ms : now_ms) - HEAD_SLACK_MS;
        known->is_found = true;
    }
}

void job_heads_end(struct head_memory *memory, bool is_full, int64_t now_ms)
{
    bool forgets = is_full && memory->count == HEADS_MAX;
    size_t kept = 0;
    for (size_t i = 0; i < memory->count; i++) {
        struct known_head *known = &memory->items[i];
        if (!known->is_found) {
            known->from_ms = now_ms - HEAD_SLACK_MS;
        }
        if (is_full) {
            known->free_from_ms = 0;
        }
        if (known->is_found || !forgets) {
            memory->items[kept++] = *known;
        }
    }
    memory->count = kept;
}

void job_heads_note_cost(struct head_memory *memory, int64_t took_us)
{
    int64_t pause_us = took_us * FULL_LOOK_SHARE < FULL_LOOK_US_MAX ? took_us * FULL_LOOK_SHARE : FULL_LOOK_US_MAX;
    int64_t at_us = clock_monotonic_us() + pause_us;
    if (took_us > CHEAP_LOOK_US && at_us > memory->full_look_us) {
        memory->full_look_us = at_us;
    }
}

void job_heads_note_scheduled(struct head_memory *memory, const struct job *job)
{
    struct known_head *known = job_heads_get(memory, job->queue, job->priority);
    if (known != NULL && job->run_at_ms < known->from_ms) {
        known->from_ms = job->run_at_ms;
    }
    if (known != NULL && job->run_at_ms < known->free_from_ms) {
        known->free_from_ms = job->run_at_ms;
    }
}
