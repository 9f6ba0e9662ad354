#ifndef HOLDFAST_BASE_LOG_H
#define HOLDFAST_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/json_writer.h"

/* Structured log: one JSON object a line on standard error, written with one write(2), thread-safe.
 * {"time":"...","level":"info","event":"server_started","listen":"127.0.0.1:8080"} */
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level level);
/* From here on nobody waits for whoever reads the log: where standard error takes nothing more, lines are dropped and
 * counted, and the count is logged when it does again. A server must not stop because its log's reader has. */
void log_drop_when_stalled(void);
int64_t log_dropped_lines(void);
MUST_USE bool log_level_parse(const char *name, enum log_level *ret_level);
bool log_enabled(enum log_level level);

/* A line is begun, given fields through the writer, and ended (which writes it). Lines are bounded at 8 KiB. */
struct log_line {
    struct buffer buffer;
    struct json_writer writer;
    size_t head_length; /* time, level and event: what a line too long is cut back to */
    bool enabled;
};
void log_begin(struct log_line *line, enum log_level level, const char *event);
void log_end(struct log_line *line);

/* The common case: an event and one human sentence. */
void log_message(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
