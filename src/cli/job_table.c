#include "cli/job_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define ERROR_SHOWN_BYTES_MAX 60
#define NAMES_WIDTH_MIN 5 /* "QUEUE" */

static int wider(int width, struct text text)
{
    return (int)text.length > width ? (int)text.length : width;
}

/* "-" where there is none. */
static void format_time(int64_t unix_ms, char ret_text[TIME_TEXT_LENGTH + 1])
{
    if (unix_ms == 0) {
        (void)snprintf(ret_text, TIME_TEXT_LENGTH + 1, "-");
    } else {
        time_format(unix_ms, ret_text);
    }
}

static void print_text(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        bool is_c1 = byte == 0xc2 && i + 1 < text.length && (unsigned char)text.bytes[i + 1] < 0xa0;
        i += is_c1 ? 1 : 0;
        (void)putchar(is_c1 || byte < 0x20 || byte == 0x7f ? ' ' : byte);
    }
}

/* No character is cut in two. */
static struct text cut(struct text text, size_t bytes_max)
{
    if (text.length > bytes_max) {
        text.length = bytes_max;
        while (text.length > 0 && ((unsigned char)text.bytes[text.length] & 0xc0) == 0x80) {
            text.length--;
        }
    }
    return text;
}

/* ---- Lists ---- */

static void print_error_cut(struct text error)
{
    if (error.bytes == NULL) {
        (void)putchar('-');
    } else if (error.length <= ERROR_SHOWN_BYTES_MAX) {
        print_text(error);
    } else {
        print_text(cut(error, ERROR_SHOWN_BYTES_MAX - strlen("...")));
        (void)fputs("...", stdout);
    }
}

static void print_row(const struct job *job, int queue_width, int kind_width)
{
    char id[UUID_TEXT_LENGTH + 1];
    char run_at[TIME_TEXT_LENGTH + 1];
    char attempt[48];
    uuid_format(job->id, id);
    format_time(job->run_at_ms, run_at);
    (void)snprintf(attempt, sizeof(attempt), "%" PRId64 "/%" PRId64, job->attempt, job->max_attempts);
    printf("%-36s  %-*.*s  %-*.*s  %-9s  %-7s  %-24s  ", id, queue_width, (int)job->queue.length, job->queue.bytes,
           kind_width, (int)job->kind.length, job->kind.bytes, job_state_name(job->state), attempt, run_at);
    print_error_cut(job->last_error);
    (void)putchar('\n');
}

void job_table_print(struct job *const *jobs, size_t count)
{
    int queue_width = NAMES_WIDTH_MIN;
    int kind_width = NAMES_WIDTH_MIN;
    for (size_t i = 0; i < count; i++) {
        queue_width = wider(queue_width, jobs[i]->queue);
        kind_width = wider(kind_width, jobs[i]->kind);
    }
    printf("%-36s  %-*s  %-*s  %-9s  %-7s  %-24s  %s\n", "JOB_ID", queue_width, "QUEUE", kind_width, "KIND", "STATE",
           "ATTEMPT", "RUN_AT", "LAST_ERROR");
    for (size_t i = 0; i < count; i++) {
        print_row(jobs[i], queue_width, kind_width);
    }
}

void job_table_print_queues(const struct queue_row *rows, size_t count)
{
    int width = NAMES_WIDTH_MIN;
    for (size_t i = 0; i < count; i++) {
        width = wider(width, rows[i].queue.name);
    }
    printf("%-*s  %-6s  %11s  %9s  %9s  %9s  %s\n", width, "QUEUE", "PAUSED", "CONCURRENCY", "SCHEDULED", "RUNNING",
           "DEAD", "OLDEST_DUE");
    for (size_t i = 0; i < count; i++) {
        const struct job_queue *queue = &rows[i].queue;
        char concurrency[24] = "-";
        char oldest[TIME_TEXT_LENGTH + 1];
        if (queue->concurrency != 0) {
            (void)snprintf(concurrency, sizeof(concurrency), "%" PRId64, queue->concurrency);
        }
        format_time(rows[i].oldest_due_at_ms, oldest);
        printf("%-*.*s  %-6s  %11s  %9" PRId64 "  %9" PRId64 "  %9" PRId64 "  %s\n", width, (int)queue->name.length,
               queue->name.bytes, queue->is_paused ? "yes" : "no", concurrency, rows[i].counts[JOB_SCHEDULED],
               rows[i].counts[JOB_RUNNING], rows[i].counts[JOB_DEAD], oldest);
    }
}

/* ---- One job ---- */

static void print_field(const char *name, struct text value)
{
    printf("%-15s ", name);
    print_text(value.bytes == NULL ? TEXT_LITERAL("-") : value);
    (void)putchar('\n');
}

static void print_number(const char *name, bool is_there, int64_t number)
{
    char value[24];
    (void)snprintf(value, sizeof(value), "%" PRId64, number);
    print_field(name, is_there ? text_from_c(value) : TEXT_ABSENT);
}

static void print_time(const char *name, int64_t unix_ms)
{
    char value[TIME_TEXT_LENGTH + 1];
    format_time(unix_ms, value);
    print_field(name, text_from_c(value));
}

static void print_log(struct text log)
{
    const char *end = log.bytes + log.length;
    for (const char *line = log.bytes; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *line_end = newline == NULL ? end : newline;
        (void)fputs("  ", stdout);
        print_text((struct text){line, (size_t)(line_end - line)});
        (void)putchar('\n');
        line = line_end + 1;
    }
}

void job_table_print_one(const struct job *job)
{
    char id[UUID_TEXT_LENGTH + 1];
    uuid_format(job->id, id);
    print_field("job_id", text_from_c(id));
    print_field("queue", job->queue);
    print_field("kind", job->kind);
    print_field("key", job->key);
    print_field("state", text_from_c(job_state_name(job->state)));
    print_time("run_at", job->run_at_ms);
    print_number("priority", true, job->priority);
    print_number("attempt", true, job->attempt);
    print_number("max_attempts", true, job->max_attempts);
    print_number("progress", job->progress != JOB_PROGRESS_NONE, job->progress);
    print_field("last_error", job->last_error);
    print_field("payload", job->payload);
    print_number("event_sequence", job->event_sequence != 0, job->event_sequence);
    print_number("claim", true, job->claim);
    print_time("lease_until", job->state == JOB_RUNNING ? job->lease_until_ms : 0);
    print_time("created_at", job->created_at_ms);
    print_time("started_at", job->started_at_ms);
    print_time("finished_at", job->finished_at_ms);
    print_field("log", job->log.length == 0 ? TEXT_ABSENT : TEXT_LITERAL(""));
    if (job->log.length > 0) {
        print_log(job->log);
    }
}
