#include "jobs/job_metrics.h"

#include <assert.h>
#include <stdio.h>

static const char *const RESULT_NAMES[JOB_RESULT_KIND_COUNT] = {
    [JOB_RESULT_DONE] = "done",       [JOB_RESULT_FAILED] = "failed",         [JOB_RESULT_HOPELESS] = "hopeless",
    [JOB_RESULT_DROPPED] = "dropped", [JOB_RESULT_GIVEN_BACK] = "given_back",
};

static void init_latency(struct histogram *histogram)
{
    histogram->bounds = LATENCY_SECONDS_BOUNDS;
    histogram->bound_count = LATENCY_SECONDS_BOUND_COUNT;
}

struct kind_metrics *job_metrics_add_kind(struct job_metrics *metrics, const char *name)
{
    assert(metrics->kind_count < JOB_METRIC_KINDS_MAX);
    struct kind_metrics *kind = &metrics->kinds[metrics->kind_count++];
    kind->name = name;
    init_latency(&kind->lateness_seconds);
    kind->lateness_seconds.bound_count = LATENESS_SECONDS_BOUND_COUNT;
    init_latency(&kind->run_seconds);
    return kind;
}

struct endpoint_metrics *job_metrics_endpoint(struct job_metrics *metrics, struct uuid endpoint_id)
{
    size_t count = atomic_load_explicit(&metrics->endpoint_count, memory_order_relaxed);
    for (size_t i = 0; i < count; i++) {
        if (uuid_equal(metrics->endpoints[i].endpoint_id, endpoint_id)) {
            return &metrics->endpoints[i];
        }
    }
    if (count == JOB_METRIC_ENDPOINTS_MAX) {
        return NULL;
    }
    struct endpoint_metrics *endpoint = &metrics->endpoints[count];
    endpoint->endpoint_id = endpoint_id;
    init_latency(&endpoint->delivery_seconds);
    atomic_store_explicit(&metrics->endpoint_count, count + 1, memory_order_release);
    return endpoint;
}

static void write_kind_histograms(const struct job_metrics *metrics, struct buffer *out, const char *name,
                                  const char *help, size_t offset)
{
    metrics_write_head(out, name, "histogram", help);
    for (size_t i = 0; i < metrics->kind_count; i++) {
        char labels[128];
        const char *kind = (const char *)&metrics->kinds[i];
        (void)snprintf(labels, sizeof(labels), "kind=\"%s\"", metrics->kinds[i].name);
        metrics_write_histogram(out, name, labels, (const struct histogram *)(const void *)(kind + offset));
    }
}

static void write_kind_counters(const struct job_metrics *metrics, struct buffer *out, const char *name,
                                const char *help, size_t offset)
{
    metrics_write_head(out, name, "counter", help);
    for (size_t i = 0; i < metrics->kind_count; i++) {
        char labels[128];
        const char *kind = (const char *)&metrics->kinds[i];
        (void)snprintf(labels, sizeof(labels), "kind=\"%s\"", metrics->kinds[i].name);
        metrics_write_counter(out, name, labels, (const struct counter *)(const void *)(kind + offset));
    }
}

static void write_results(const struct job_metrics *metrics, struct buffer *out)
{
    metrics_write_head(out, "holdfast_job_attempts_total", "counter", "Attempts at jobs by what became of them.");
    for (size_t i = 0; i < metrics->kind_count; i++) {
        for (int result = 0; result < JOB_RESULT_KIND_COUNT; result++) {
            char labels[160];
            (void)snprintf(labels, sizeof(labels), "kind=\"%s\",result=\"%s\"", metrics->kinds[i].name,
                           RESULT_NAMES[result]);
            metrics_write_counter(out, "holdfast_job_attempts_total", labels, &metrics->kinds[i].results[result]);
        }
    }
}

static void write_running(const struct job_metrics *metrics, struct buffer *out)
{
    metrics_write_head(out, "holdfast_jobs_in_hand", "gauge", "Jobs that this process runs now.");
    for (size_t i = 0; i < metrics->kind_count; i++) {
        char labels[128];
        (void)snprintf(labels, sizeof(labels), "kind=\"%s\"", metrics->kinds[i].name);
        metrics_write_gauge(out, "holdfast_jobs_in_hand", labels, &metrics->kinds[i].running);
    }
}

static void write_endpoints(const struct job_metrics *metrics, struct buffer *out)
{
    size_t count = atomic_load_explicit(&metrics->endpoint_count, memory_order_acquire);
    metrics_write_head(out, "holdfast_webhook_delivery_duration_seconds", "histogram",
                       "How long endpoints took to answer a delivery.");
    for (size_t i = 0; i < count; i++) {
        const struct endpoint_metrics *endpoint = &metrics->endpoints[i];
        char labels[128] = "endpoint=\"";
        size_t length = sizeof("endpoint=\"") - 1;
        uuid_format(endpoint->endpoint_id, labels + length);
        labels[length + UUID_TEXT_LENGTH] = '"';
        labels[length + UUID_TEXT_LENGTH + 1] = '\0';
        metrics_write_histogram(out, "holdfast_webhook_delivery_duration_seconds", labels, &endpoint->delivery_seconds);
    }
    metrics_write_head(out, "holdfast_webhook_deliveries_total", "counter",
                       "Attempts at deliveries by endpoint and result.");
    for (size_t i = 0; i < count; i++) {
        const struct endpoint_metrics *endpoint = &metrics->endpoints[i];
        char id[UUID_TEXT_LENGTH + 1];
        char labels[128];
        uuid_format(endpoint->endpoint_id, id);
        (void)snprintf(labels, sizeof(labels), "endpoint=\"%s\",result=\"delivered\"", id);
        metrics_write_counter(out, "holdfast_webhook_deliveries_total", labels, &endpoint->delivered);
        (void)snprintf(labels, sizeof(labels), "endpoint=\"%s\",result=\"failed\"", id);
        metrics_write_counter(out, "holdfast_webhook_deliveries_total", labels, &endpoint->failed);
    }
}

void job_metrics_write(const struct job_metrics *metrics, struct buffer *out)
{
    write_kind_histograms(metrics, out, "holdfast_job_lateness_seconds",
                          "From when a job was due until it was started.",
                          offsetof(struct kind_metrics, lateness_seconds));
    write_kind_histograms(metrics, out, "holdfast_job_duration_seconds", "How long jobs ran.",
                          offsetof(struct kind_metrics, run_seconds));
    write_results(metrics, out);
    write_kind_counters(metrics, out, "holdfast_job_lease_takeovers_total",
                        "Jobs taken over from a worker that let its lease run out.",
                        offsetof(struct kind_metrics, takeovers));
    write_kind_counters(metrics, out, "holdfast_job_fenced_total",
                        "Jobs of this process that another had taken over before it was done.",
                        offsetof(struct kind_metrics, fenced));
    write_running(metrics, out);
    write_endpoints(metrics, out);
}
