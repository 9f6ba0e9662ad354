#include "jobs/job_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "jobs/job_runner_state.h"

#define RUN_ARENA_CHUNK_BYTES 1024
#define MESSAGE_BYTES_MAX 500
#define LINE_BYTES_MAX 4096 /* a message of controls alone, escaped */

static const struct runner_kind *find_kind(struct job_runner *runner, struct text name)
{
    for (size_t i = 0; i < runner->kind_count; i++) {
        if (text_equal_c(name, runner->kinds[i].kind.name)) {
            return &runner->kinds[i];
        }
    }
    return &runner->unknown_kind;
}

static struct text copy(struct arena *arena, struct text text)
{
    return text.bytes == NULL ? TEXT_ABSENT : arena_text(arena, text);
}

struct job_run *job_run_new(struct job_runner *runner, const struct job *job)
{
    struct arena *arena = arena_new(RUN_ARENA_CHUNK_BYTES);
    struct job_run *run = arena_zalloc(arena, sizeof(*run));
    run->runner = runner;
    run->arena = arena;
    run->job = *job;
    run->job.queue = copy(arena, job->queue);
    run->job.kind = copy(arena, job->kind);
    run->job.key = copy(arena, job->key);
    run->job.payload = copy(arena, job->payload);
    run->job.last_error = copy(arena, job->last_error);
    run->job.log = TEXT_ABSENT;
    run->job.event = NULL;
    run->kind = find_kind(runner, run->job.kind);
    run->started_us = clock_monotonic_us();
    run->progress = JOB_PROGRESS_NONE;
    return run;
}

void job_run_free(struct job_run *run)
{
    arena_free(run->arena);
}

void job_run_stop(struct job_run *run)
{
    if (run->kind->kind.stop != NULL) {
        run->kind->kind.stop(run->kind->kind.context, run);
    }
}

const struct job *job_run_job(const struct job_run *run)
{
    return &run->job;
}

struct arena *job_run_arena(struct job_run *run)
{
    return run->arena;
}

void job_run_set_state(struct job_run *run, void *state)
{
    run->state = state;
}

void *job_run_state(const struct job_run *run)
{
    return run->state;
}

/* ---- The log ---- */

/* At most that many bytes, and no half of a character. */
static struct text shorten(struct text text, size_t max)
{
    size_t length = text.length < max ? text.length : max;
    while (length > 0 && length < text.length && ((unsigned char)text.bytes[length] & 0xc0) == 0x80) {
        length--;
    }
    return (struct text){text.bytes, length};
}

static struct text make_line(struct job_run *run, struct text message, const struct job_finish *finish)
{
    struct buffer buffer;
    struct json_writer json;
    buffer_init(&buffer, LINE_BYTES_MAX);
    json_writer_init(&json, &buffer);
    json_object_begin(&json);
    json_time_field(&json, "at", run->runner->options.ops->now(run->runner->options.store));
    json_int64_field(&json, "attempt", run->job.attempt);
    json_string_field(&json, "message", shorten(message, MESSAGE_BYTES_MAX));
    if (finish != NULL && finish->is_answered) {
        if (finish->status == 0) {
            json_null_field(&json, "status");
        } else {
            json_int64_field(&json, "status", finish->status);
        }
        json_int64_field(&json, "latency_ms", finish->duration_ms);
    }
    json_object_end(&json);
    buffer_append_char(&buffer, '\n');
    struct text line = buffer.overflowed ? TEXT_ABSENT : arena_text(run->arena, buffer_text(&buffer));
    buffer_done(&buffer);
    return line;
}

static void add_note(struct job_run *run, struct text line)
{
    run->notes = job_log_append(run->arena, run->notes, line);
}

void job_run_progress(struct job_run *run, int percent)
{
    run->progress = percent < 0 ? 0 : percent > 100 ? 100 : percent;
}

void job_run_log(struct job_run *run, const char *format, ...)
{
    char message[MESSAGE_BYTES_MAX + 1];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    add_note(run, make_line(run, text_from_c(message), NULL));
}

/* ---- The end ---- */

static void log_failure(struct job_run *run, const struct job_finish *finish)
{
    bool is_failure = finish->kind == JOB_RESULT_FAILED || finish->kind == JOB_RESULT_HOPELESS;
    if (!is_failure || !runner_may_log(run->runner)) {
        return;
    }
    bool is_last = finish->kind == JOB_RESULT_HOPELESS || run->job.attempt >= run->job.max_attempts;
    struct log_line line;
    char id[UUID_TEXT_LENGTH + 1];
    uuid_format(run->job.id, id);
    log_begin(&line, is_last ? LOG_WARN : LOG_INFO, is_last ? "job_dead" : "job_failed");
    json_c_field(&line.writer, "job_id", id);
    json_string_field(&line.writer, "kind", run->job.kind);
    json_string_field(&line.writer, "queue", run->job.queue);
    json_int64_field(&line.writer, "attempt", run->job.attempt);
    json_string_field(&line.writer, "error", finish->logged_error.bytes == NULL ? finish->error : finish->logged_error);
    log_end(&line);
}

static int64_t retry_in_ms(struct job_run *run, const struct job_finish *finish)
{
    int64_t backoff_ms = job_backoff_ms(&run->kind->kind.retry, run->job.attempt, runner_jitter(run->runner));
    bool is_longer = finish->retry_in_ms > backoff_ms || finish->kind == JOB_RESULT_GIVEN_BACK;
    return is_longer ? finish->retry_in_ms : backoff_ms;
}

void job_run_finish(struct job_run *run, const struct job_finish *finish)
{
    struct job_runner *runner = run->runner;
    log_failure(run, finish);
    if (finish->message.bytes != NULL) {
        add_note(run, make_line(run, finish->message, finish));
    }
    run->result = (struct job_result){
        .job_id = run->job.id,
        .claim = run->job.claim,
        .kind = finish->kind,
        .error = finish->error.bytes == NULL ? TEXT_LITERAL("")
                                             : arena_text(run->arena, shorten(finish->error, JOB_ERROR_BYTES_MAX)),
        .retry_in_ms = retry_in_ms(run, finish),
        .health = finish->health,
        .hold_ms = finish->hold_ms,
        .endpoint_id = finish->endpoint_id,
    };
    struct kind_metrics *metrics = run->kind->metrics;
    histogram_observe(&metrics->run_seconds, (double)(clock_monotonic_us() - run->started_us) / 1e6);
    counter_add(&metrics->results[finish->kind], 1);
    gauge_add(&metrics->running, -1);
    TAILQ_REMOVE(&runner->running, run, link);
    runner->running_count--;
    TAILQ_INSERT_TAIL(&runner->finished, run, link);
    runner->finished_count++;
}
