#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_BYTES_MAX ((size_t)8 * 1024)
#define MESSAGE_BYTES_MAX 4096
#define TAIL_BYTES_MAX 32              /* what closes a line: room kept free for it */
#define PIECE_BYTES_MAX ((size_t)4096) /* a pipe that is said to take something takes as much */
#define STALLED_AFTER_MS 20

static const char *const LEVEL_NAMES[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

static _Atomic int log_level_least = LOG_INFO;

/* A pipe takes at most 4 KiB in one piece; longer lines of two threads must not mix. */
static pthread_mutex_t log_output = PTHREAD_MUTEX_INITIALIZER;
static bool drops;      /* rather than wait */
static bool is_stalled; /* the last line was dropped */
static bool is_torn;    /* after its beginning was written */
static _Atomic int64_t dropped_lines;
static int64_t dropped_lines_told;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_level_least, (int)level, memory_order_relaxed);
}

void log_drop_when_stalled(void)
{
    (void)pthread_mutex_lock(&log_output);
    drops = true;
    (void)pthread_mutex_unlock(&log_output);
}

int64_t log_dropped_lines(void)
{
    return atomic_load_explicit(&dropped_lines, memory_order_relaxed);
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

/* Whether a piece can be written without waiting for a reader that may never come. */
static bool has_room(void)
{
    struct pollfd output = {.fd = STDERR_FILENO, .events = POLLOUT};
    return !drops || poll(&output, 1, is_stalled ? 0 : STALLED_AFTER_MS) != 0;
}

/* False: not all of it was. */
static bool write_out(struct text line)
{
    size_t left = line.length;
    while (left > 0) {
        is_stalled = !has_room();
        if (is_stalled) {
            is_torn = is_torn || left < line.length;
            return false;
        }
        size_t piece = drops && left > PIECE_BYTES_MAX ? PIECE_BYTES_MAX : left;
        ssize_t written = write(STDERR_FILENO, line.bytes + (line.length - left), piece);
        if (written < 0 && errno != EINTR) {
            return true; /* nowhere is left to say so */
        }
        left -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

static bool tell_dropped(int64_t dropped)
{
    char line[160];
    char time[TIME_TEXT_LENGTH + 1];
    time_format(clock_unix_ms(), time);
    int length =
        snprintf(line, sizeof(line),
                 "%s{\"time\":\"%s\",\"level\":\"warn\",\"event\":\"log_lines_dropped\",\"count\":%" PRId64 "}\n",
                 is_torn ? "\n" : "", time, dropped - dropped_lines_told);
    if (!write_out((struct text){line, (size_t)length})) {
        return false;
    }
    dropped_lines_told = dropped;
    is_torn = false;
    return true;
}

static void log_write(struct text line)
{
    (void)pthread_mutex_lock(&log_output);
    int64_t dropped = atomic_load_explicit(&dropped_lines, memory_order_relaxed);
    if ((dropped > dropped_lines_told && !tell_dropped(dropped)) || !write_out(line)) {
        atomic_store_explicit(&dropped_lines, dropped + 1, memory_order_relaxed);
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
