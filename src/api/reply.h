#ifndef HOLDFAST_API_REPLY_H
#define HOLDFAST_API_REPLY_H

/* From what the engine decided to what a client reads: one table of statuses and titles, one place for bodies. Pure;
 * the loop's thread and the committer's. */

#include "base/json_writer.h"
#include "engine/command.h"

/* Above the largest batch or page. */
#define REPLY_BODY_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* The HTTP status of an outcome; OUTCOME_REPLAYED has that of its record. */
int reply_status(enum outcome_code code);
/* A refusal in words: what is wrong, and what to do about it. NULL of a success. */
const char *reply_title(enum outcome_code code);
const char *reply_detail(enum outcome_code code);

/* Writes the body, and sets status, location (in the arena) and version; ret_head->body is left absent. */
void reply_render(const struct command *command, const struct outcome *outcome, struct arena *arena,
                  struct buffer *body, struct kept_answer *ret_head);

/* A command's `render`: the whole answer in the arena. */
void reply_keep(const struct command *command, const struct outcome *outcome, struct arena *arena,
                struct kept_answer *ret_answer);

#endif
