#include "domain/job.h"

#include <assert.h>
#include <string.h>

static const char *const STATE_NAMES[JOB_STATE_COUNT] = {
    [JOB_SCHEDULED] = "scheduled", [JOB_RUNNING] = "running",     [JOB_COMPLETED] = "completed",
    [JOB_DEAD] = "dead",           [JOB_CANCELLED] = "cancelled",
};

static const bool MOVES[JOB_STATE_COUNT][JOB_STATE_COUNT] = {
    [JOB_SCHEDULED] = {[JOB_SCHEDULED] = true, [JOB_RUNNING] = true, [JOB_CANCELLED] = true},
    [JOB_RUNNING] = {[JOB_SCHEDULED] = true,
                     [JOB_RUNNING] = true,
                     [JOB_COMPLETED] = true,
                     [JOB_DEAD] = true,
                     [JOB_CANCELLED] = true},
    [JOB_DEAD] = {[JOB_SCHEDULED] = true},
};

const char *job_state_name(enum job_state state)
{
    return STATE_NAMES[state];
}

bool job_state_parse(struct text name, enum job_state *ret_state)
{
    for (int i = 0; i < JOB_STATE_COUNT; i++) {
        if (text_equal_c(name, STATE_NAMES[i])) {
            *ret_state = (enum job_state)i;
            return true;
        }
    }
    return false;
}

bool job_state_is_finished(enum job_state state)
{
    return state == JOB_COMPLETED || state == JOB_DEAD || state == JOB_CANCELLED;
}

bool job_may_move(enum job_state from, enum job_state to)
{
    return MOVES[from][to];
}

bool job_name_is_good(struct text name)
{
    if (name.length == 0 || name.length > JOB_NAME_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.length; i++) {
        char c = name.bytes[i];
        bool is_good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c != '\0' && strchr("_.:-", c) != NULL);
        if (!is_good) {
            return false;
        }
    }
    return true;
}

int64_t job_backoff_ms(const struct job_retry *retry, int64_t attempt, uint32_t jitter)
{
    int64_t delay_ms = retry->backoff_ms;
    for (int64_t i = 1; i < attempt && delay_ms < retry->backoff_ms_max; i++) {
        delay_ms *= 2;
    }
    if (delay_ms > retry->backoff_ms_max) {
        delay_ms = retry->backoff_ms_max;
    }
    int64_t half_ms = delay_ms / 2;
    return delay_ms - half_ms + half_ms * (int64_t)(jitter & 0xffff) / 65536;
}

static void move(struct job *job, enum job_state to)
{
    assert(job_may_move(job->state, to));
    job->state = to;
    job->is_changed = true;
}

const struct job *job_snapshot(struct arena *arena, const struct job *job)
{
    struct job *copy = arena_alloc(arena, sizeof(*copy));
    *copy = *job;
    return copy;
}

void job_start(struct job *job, int64_t now_ms, int64_t lease_ms)
{
    move(job, JOB_RUNNING);
    job->attempt++;
    job->claim++;
    job->lease_until_ms = now_ms + lease_ms;
    job->started_at_ms = now_ms;
    job->progress = JOB_PROGRESS_NONE;
}

void job_renew(struct job *job, int64_t now_ms, int64_t lease_ms)
{
    move(job, JOB_RUNNING);
    job->lease_until_ms = now_ms + lease_ms;
}

static void finish(struct job *job, enum job_state to, int64_t now_ms)
{
    move(job, to);
    job->lease_until_ms = 0;
    job->finished_at_ms = now_ms;
}

void job_complete(struct job *job, int64_t now_ms)
{
    finish(job, JOB_COMPLETED, now_ms);
}

void job_die(struct job *job, int64_t now_ms, struct text error)
{
    finish(job, JOB_DEAD, now_ms);
    job->last_error = error;
}

void job_cancel(struct job *job, int64_t now_ms, struct text reason)
{
    finish(job, JOB_CANCELLED, now_ms);
    job->last_error = reason.bytes == NULL ? job->last_error : reason;
}

static void schedule(struct job *job, int64_t run_at_ms)
{
    move(job, JOB_SCHEDULED);
    job->lease_until_ms = 0;
    job->finished_at_ms = 0;
    job->run_at_ms = run_at_ms;
}

void job_reschedule(struct job *job, int64_t run_at_ms, struct text error)
{
    schedule(job, run_at_ms);
    job->last_error = error;
}

void job_give_back(struct job *job, int64_t now_ms)
{
    job_promote(job, now_ms); /* it keeps its place */
    job->attempt--;
}

void job_promote(struct job *job, int64_t now_ms)
{
    schedule(job, job->run_at_ms < now_ms ? job->run_at_ms : now_ms);
}

void job_run_again(struct job *job, int64_t now_ms)
{
    schedule(job, now_ms);
    job->attempt = 0;
}

static size_t count_lines(struct text text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.length; i++) {
        count += text.bytes[i] == '\n';
    }
    return count;
}

struct text job_log_append(struct arena *arena, struct text log, struct text lines)
{
    if (lines.length == 0) {
        return log;
    }
    struct text all = arena_printf(arena, "%.*s%.*s", (int)log.length, log.bytes == NULL ? "" : log.bytes,
                                   (int)lines.length, lines.bytes);
    for (size_t count = count_lines(all); count > JOB_LOG_LINES_MAX || all.length > JOB_LOG_BYTES_MAX; count--) {
        const char *end = memchr(all.bytes, '\n', all.length);
        if (end == NULL || count <= 1) {
            break;
        }
        size_t first = (size_t)(end - all.bytes) + 1;
        all = (struct text){all.bytes + first, all.length - first};
    }
    return all;
}
