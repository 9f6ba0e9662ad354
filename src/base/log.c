#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_BYTES_MAX ((size_t)8 * 1024)
#define MESSAGE_BYTES_MAX 4096
#define TAIL_BYTES_MAX 32 /* what closes a line: room kept free for it */

static const char *const LEVEL_NAMES[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

static _Atomic int log_level_least = LOG_INFO;

/* A pipe takes at most 4 KiB in one piece; longer lines of two threads must not mix. */
static pthread_mutex_t log_output = PTHREAD_MUTEX_INITIALIZER;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_level_least, (int)level, memory_order_relaxed);
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    for (size_t i = 0; i < sizeof(LEVEL_NAMES) / sizeof(LEVEL_NAMES[0]); i++) {
        if (text_equal_c(text_from_c(name), LEVEL_NAMES[i])) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&log_level_least, memory_order_relaxed);
}

void log_begin(struct log_line *line, enum log_level level, const char *event)
{
    *line = (struct log_line){.enabled = log_enabled(level)};
    /* A line that is not enabled gets a buffer that holds nothing, so its fields cost no allocation. */
    buffer_init(&line->buffer, line->enabled ? LINE_BYTES_MAX - TAIL_BYTES_MAX : 0);
    json_writer_init(&line->writer, &line->buffer);
    if (!line->enabled) {
        return;
    }
    json_object_begin(&line->writer);
    json_time_field(&line->writer, "time", clock_unix_ms());
    json_c_field(&line->writer, "level", LEVEL_NAMES[level]);
    json_c_field(&line->writer, "event", event);
    line->head_length = line->buffer.length;
}

static void log_write(struct text line)
{
    (void)pthread_mutex_lock(&log_output);
    while (line.length > 0) {
        ssize_t written = write(STDERR_FILENO, line.bytes, line.length);
        if (written < 0 && errno != EINTR) {
            break; /* nowhere is left to say so */
        }
        if (written > 0) {
            line.bytes += written;
            line.length -= (size_t)written;
        }
    }
    (void)pthread_mutex_unlock(&log_output);
}

void log_end(struct log_line *line)
{
    if (line->enabled) {
        struct buffer *buffer = &line->buffer;
        bool truncated = buffer->overflowed;
        buffer->max = LINE_BYTES_MAX;
        if (truncated) {
            /* Where it broke is unknown: what is certainly whole is the head. */
            buffer->overflowed = false;
            buffer->length = line->head_length;
            json_bool_field(&line->writer, "truncated", true);
        }
        json_object_end(&line->writer);
        buffer_append_char(buffer, '\n');
        log_write(buffer_text(buffer));
    }
    buffer_done(&line->buffer);
}

void log_message(enum log_level level, const char *event, const char *format, ...)
{
    if (!log_enabled(level)) {
        return;
    }
    char message[MESSAGE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    struct text text = text_from_c(message);
    if (!text_is_utf8(text)) { /* foreign bytes, or cut within a character */
        for (size_t i = 0; i < text.length; i++) {
            message[i] = (unsigned char)message[i] < 0x80 ? message[i] : '?';
        }
    }
    struct log_line line;
    log_begin(&line, level, event);
    json_string_field(&line.writer, "message", text);
    log_end(&line);
}
