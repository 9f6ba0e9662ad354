#include "api/http_metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/routes.h"
#include "base/log.h"
#include "base/metrics.h"

/* The statuses that there are; anything else would be counted under the last. */
static const int STATUSES[] = {200, 201, 202, 204, 400, 401, 403, 404, 405, 408, 409,
                               412, 413, 414, 415, 417, 422, 431, 501, 503, 505, 500};
#define STATUS_COUNT (sizeof(STATUSES) / sizeof(STATUSES[0]))

static const char *const REFUSAL_REASONS[] = {
    [HTTP_REFUSAL_BAD_REQUEST] = "bad_request",
    [HTTP_REFUSAL_TIMEOUT] = "timeout",
    [HTTP_REFUSAL_BODY_TOO_LARGE] = "body_too_large",
    [HTTP_REFUSAL_URI_TOO_LONG] = "uri_too_long",
    [HTTP_REFUSAL_EXPECTATION_FAILED] = "expectation_failed",
    [HTTP_REFUSAL_HEADERS_TOO_LARGE] = "headers_too_large",
    [HTTP_REFUSAL_NOT_IMPLEMENTED] = "not_implemented",
    [HTTP_REFUSAL_TOO_MANY_CONNECTIONS] = "too_many_connections",
    [HTTP_REFUSAL_OVERLOADED] = "overloaded",
    [HTTP_REFUSAL_VERSION] = "http_version",
};
#define REFUSAL_COUNT (sizeof(REFUSAL_REASONS) / sizeof(REFUSAL_REASONS[0]))

struct route_metrics {
    struct counter requests[STATUS_COUNT];
    struct histogram seconds;
};

struct http_metrics {
    struct counter refusals[REFUSAL_COUNT];
    size_t route_count; /* with one behind the table's for what matches none */
    struct route_metrics routes[];
};

struct http_metrics *http_metrics_new(void)
{
    size_t route_count = ROUTE_COUNT + 1;
    struct http_metrics *metrics = memory_zalloc(1, sizeof(*metrics) + route_count * sizeof(metrics->routes[0]));
    metrics->route_count = route_count;
    for (size_t i = 0; i < route_count; i++) {
        metrics->routes[i].seconds.bounds = LATENCY_SECONDS_BOUNDS;
        metrics->routes[i].seconds.bound_count = LATENCY_SECONDS_BOUND_COUNT;
    }
    return metrics;
}

void http_metrics_count(struct http_metrics *metrics, int route, int status, double seconds)
{
    struct route_metrics *row = &metrics->routes[route == ROUTE_UNMATCHED ? metrics->route_count - 1 : (size_t)route];
    size_t i = 0;
    while (i + 1 < STATUS_COUNT && STATUSES[i] != status) {
        i++;
    }
    counter_add(&row->requests[i], 1);
    if (seconds >= 0) {
        histogram_observe(&row->seconds, seconds);
    }
}

void http_metrics_count_refusal(struct http_metrics *metrics, enum http_refusal refusal)
{
    counter_add(&metrics->refusals[refusal], 1);
}

/* route="/v1/orders",method="POST" */
static void format_labels(size_t route, char *ret_labels, size_t size)
{
    bool matched = route < ROUTE_COUNT;
    (void)snprintf(ret_labels, size, "route=\"%s\",method=\"%s\"", matched ? ROUTES[route].pattern : "unmatched",
                   matched ? routes_method_name(ROUTES[route].method) : "any");
}

static void write_requests(const struct http_metrics *metrics, struct buffer *out)
{
    static const char NAME[] = "holdfast_http_requests_total";
    metrics_write_head(out, NAME, "counter", "Requests answered, by route, method and status.");
    for (size_t route = 0; route < metrics->route_count; route++) {
        for (size_t i = 0; i < STATUS_COUNT; i++) {
            const struct counter *counter = &metrics->routes[route].requests[i];
            if (counter_read(counter) == 0) {
                continue; /* most pairs never occur */
            }
            char where[128];
            char labels[160];
            format_labels(route, where, sizeof(where));
            (void)snprintf(labels, sizeof(labels), "%s,status=\"%d\"", where, STATUSES[i]);
            metrics_write_counter(out, NAME, labels, counter);
        }
    }
}

static void write_durations(const struct http_metrics *metrics, struct buffer *out)
{
    static const char NAME[] = "holdfast_http_request_duration_seconds";
    metrics_write_head(out, NAME, "histogram",
                       "From the last byte of a request to its reply handed to the kernel, by route and method.");
    for (size_t route = 0; route < metrics->route_count; route++) {
        bool seen = false;
        for (size_t i = 0; i < STATUS_COUNT && !seen; i++) {
            seen = counter_read(&metrics->routes[route].requests[i]) > 0;
        }
        if (seen) {
            char labels[128];
            format_labels(route, labels, sizeof(labels));
            metrics_write_histogram(out, NAME, labels, &metrics->routes[route].seconds);
        }
    }
}

static void write_refusals(const struct http_metrics *metrics, struct buffer *out)
{
    static const char NAME[] = "holdfast_http_refusals_total";
    metrics_write_head(out, NAME, "counter", "Requests refused as HTTP, before they had a route, by reason.");
    for (size_t i = 0; i < REFUSAL_COUNT; i++) {
        char labels[64];
        (void)snprintf(labels, sizeof(labels), "reason=\"%s\"", REFUSAL_REASONS[i]);
        metrics_write_counter(out, NAME, labels, &metrics->refusals[i]);
    }
}

static void write_value(struct buffer *out, const char *name, const char *type, const char *help, uint64_t value)
{
    metrics_write_head(out, name, type, help);
    buffer_append_c(out, name);
    buffer_append_char(out, ' ');
    buffer_append_int64(out, (int64_t)value);
    buffer_append_char(out, '\n');
}

void http_metrics_write(const struct http_metrics *metrics, const struct http_server_stats *stats, struct buffer *out)
{
    write_requests(metrics, out);
    write_durations(metrics, out);
    write_refusals(metrics, out);
    write_value(out, "holdfast_http_connections", "gauge", "Connections open.", stats->connections_open);
    write_value(out, "holdfast_http_connections_total", "counter", "Connections accepted.", stats->connections_total);
    write_value(out, "holdfast_http_requests_in_flight", "gauge", "Requests not yet answered.",
                stats->requests_in_flight);
    write_value(out, "holdfast_http_buffered_bytes", "gauge",
                "Memory that holds requests and the answers not yet written.", stats->buffered_bytes);
    write_value(out, "holdfast_log_lines_dropped_total", "counter",
                "Log lines dropped since whoever reads the log took no more.", (uint64_t)log_dropped_lines());
}

void http_metrics_free(struct http_metrics *metrics)
{
    free(metrics);
}
