#ifndef HOLDFAST_ENGINE_COMPLETIONS_H
#define HOLDFAST_ENGINE_COMPLETIONS_H

/* Where completed commands wait for whoever submitted them. The committer puts, one thread takes. */

#include "engine/command.h"

struct completions;

/* `notify` is called on the committer's thread when commands wait to be taken: once a batch at the least. */
struct completions *completions_new(void (*notify)(void *context), void *context);
/* What is inside is the submitters'. */
void completions_free(struct completions *completions); /* takes NULL */
/* A list, first to last, behind what is there already. Notifies. */
void completions_put(struct completions *completions, struct command *first, struct command *last);
/* All that have come since the last call, as a list (command->next), oldest first; NULL: none. */
struct command *completions_take(struct completions *completions);

#endif
