#include "api/queue_metrics.h"

#include "base/clock.h"
#include "base/metrics.h"

#define TEXT_BYTES_MAX ((size_t)1024 * 1024)
#define ARENA_CHUNK_BYTES 16384
#define READ_SHARE 20 /* counting takes a twentieth of a reader's time at most */

void queue_metrics_init(struct queue_metrics *metrics)
{
    *metrics = (struct queue_metrics){.is_reading = false};
    buffer_init(&metrics->made, TEXT_BYTES_MAX);
    buffer_init(&metrics->shown, TEXT_BYTES_MAX);
}

/* What `all` has is counted with the queues that it adds up. */
static size_t without_all(struct queue_row *rows, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!text_equal(rows[i].queue.name, ALL_QUEUES)) {
            rows[kept++] = rows[i];
        }
    }
    return kept;
}

/* Names of queues need no escaping. */
static void write_counts(const struct queue_row *rows, size_t count, struct buffer *out)
{
    static const char NAME[] = "holdfast_jobs";
    metrics_write_head(out, NAME, "gauge", "Jobs by queue and state; the queue orders has the payment timeouts.");
    for (size_t i = 0; i < count; i++) {
        for (int state = 0; state < JOB_STATE_COUNT; state++) {
            buffer_append_format(out, "%s{queue=\"%.*s\",state=\"%s\"} %lld\n", NAME, (int)rows[i].queue.name.length,
                                 rows[i].queue.name.bytes, job_state_name((enum job_state)state),
                                 (long long)rows[i].counts[state]);
        }
    }
}

static void write_ages(const struct queue_row *rows, size_t count, int64_t now_ms, struct buffer *out)
{
    static const char NAME[] = "holdfast_job_oldest_due_seconds";
    metrics_write_head(out, NAME, "gauge", "For how long the queue's oldest job that is due has been due; 0: none is.");
    for (size_t i = 0; i < count; i++) {
        int64_t due_ms = rows[i].oldest_due_at_ms;
        double seconds = due_ms == 0 || due_ms > now_ms ? 0 : (double)(now_ms - due_ms) / 1000;
        buffer_append_format(out, "%s{queue=\"%.*s\"} %.3f\n", NAME, (int)rows[i].queue.name.length,
                             rows[i].queue.name.bytes, seconds);
    }
}

static bool run_read(struct read_task *task, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    struct queue_metrics *metrics = task->context;
    struct arena *arena = arena_new(ARENA_CHUNK_BYTES);
    struct queue_row *rows = NULL;
    size_t count = 0;
    bool ok = job_reads_queues(ops, reader, arena, metrics->now_ms, &metrics->timeouts, &rows, &count, fault);
    buffer_clear(&metrics->made);
    if (ok) {
        count = without_all(rows, count);
        write_counts(rows, count, &metrics->made);
        write_ages(rows, count, metrics->now_ms, &metrics->made);
    }
    arena_free(arena);
    return ok;
}

void queue_metrics_read(struct queue_metrics *metrics, struct reader_pool *readers,
                        const struct payment_timeouts *timeouts, int64_t now_ms)
{
    if (metrics->is_reading || clock_monotonic_us() < metrics->read_again_us) {
        return;
    }
    metrics->read_us = clock_monotonic_us();
    metrics->task = (struct read_task){.run = run_read, .context = metrics, .is_long = true};
    metrics->timeouts = *timeouts;
    metrics->now_ms = now_ms;
    metrics->is_reading = reader_pool_submit(readers, &metrics->task);
}

void queue_metrics_completed(struct queue_metrics *metrics)
{
    int64_t now_us = clock_monotonic_us();
    if (metrics->task.ok) { /* else what was there before is shown on, with its age */
        struct buffer before = metrics->shown;
        metrics->shown = metrics->made;
        metrics->made = before;
        metrics->shown_us = metrics->read_us;
    }
    metrics->read_again_us = now_us + READ_SHARE * (now_us - metrics->read_us);
    metrics->is_reading = false;
}

void queue_metrics_write(const struct queue_metrics *metrics, struct buffer *out)
{
    static const char AGE[] = "holdfast_jobs_counted_seconds_ago";
    buffer_append_text(out, buffer_text(&metrics->shown));
    if (metrics->shown_us != 0) {
        metrics_write_head(out, AGE, "gauge", "How old these figures are.");
        buffer_append_format(out, "%s %.3f\n", AGE, (double)(clock_monotonic_us() - metrics->shown_us) / 1e6);
    }
}

void queue_metrics_done(struct queue_metrics *metrics)
{
    buffer_done(&metrics->made);
    buffer_done(&metrics->shown);
}
