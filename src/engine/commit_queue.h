#ifndef HOLDFAST_ENGINE_COMMIT_QUEUE_H
#define HOLDFAST_ENGINE_COMMIT_QUEUE_H

/* The bounded queue in front of the committer: many threads put, one takes. Full is an answer. */

#include <stdbool.h>
#include <stdint.h>

#include "engine/command.h"

struct commit_queue;

struct commit_queue *commit_queue_new(size_t weight_max);
void commit_queue_free(struct commit_queue *queue);
/* False where it is full (though not for an internal command) or closed; the command is then still the caller's. */
bool commit_queue_put(struct commit_queue *queue, struct command *command);
/* Waits up to wait_us while empty and open; true where there is something to take. */
bool commit_queue_wait(struct commit_queue *queue, int64_t wait_us);
/* Takes from the front commands of at most weight_max together (at least one, if there is any), as a list in order of
 * arrival. Waits up to wait_us (0: not at all, INT64_MAX: until there is one) while empty and open; NULL where there
 * is none. */
struct command *commit_queue_take(struct commit_queue *queue, size_t weight_max, int64_t wait_us);
void commit_queue_close(struct commit_queue *queue); /* what is inside can still be taken */
bool commit_queue_is_closed(struct commit_queue *queue);
size_t commit_queue_weight(struct commit_queue *queue);

#endif
