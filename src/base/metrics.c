#include "base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define LATENESS_ONLY 3 /* the last bounds: what is late may be so for an hour, no request takes as long */

const double LATENCY_SECONDS_BOUNDS[] = {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05,
                                         0.1,     0.25,   0.5,     1,      2.5,   5,      10,    60,   300,  3600};
const size_t LATENESS_SECONDS_BOUND_COUNT = sizeof(LATENCY_SECONDS_BOUNDS) / sizeof(LATENCY_SECONDS_BOUNDS[0]);
const size_t LATENCY_SECONDS_BOUND_COUNT =
    sizeof(LATENCY_SECONDS_BOUNDS) / sizeof(LATENCY_SECONDS_BOUNDS[0]) - LATENESS_ONLY;

void counter_add(struct counter *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(&counter->value, amount, memory_order_relaxed);
}

uint64_t counter_read(const struct counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

void gauge_set(struct gauge *gauge, int64_t value)
{
    atomic_store_explicit(&gauge->value, value, memory_order_relaxed);
}

void gauge_add(struct gauge *gauge, int64_t amount)
{
    atomic_fetch_add_explicit(&gauge->value, amount, memory_order_relaxed);
}

int64_t gauge_read(const struct gauge *gauge)
{
    return atomic_load_explicit(&gauge->value, memory_order_relaxed);
}

void histogram_observe(struct histogram *histogram, double value)
{
    assert(histogram->bound_count <= HISTOGRAM_BUCKETS_MAX);
    size_t bucket = 0;
    while (bucket < histogram->bound_count && value > histogram->bounds[bucket]) {
        bucket++;
    }
    atomic_fetch_add_explicit(&histogram->buckets[bucket], 1, memory_order_relaxed);
    /* A clock that stepped back can make a duration negative; a sum must never fall. */
    uint64_t micro = value > 0 ? (uint64_t)(value * 1e6 + 0.5) : 0;
    atomic_fetch_add_explicit(&histogram->sum_micro, micro, memory_order_relaxed);
}

void metrics_write_head(struct buffer *out, const char *name, const char *type, const char *help)
{
    buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* name{labels} and a space; `suffix` and `bound` are for histograms. */
static void write_series(struct buffer *out, const char *name, const char *suffix, const char *labels,
                         const char *bound)
{
    buffer_append_c(out, name);
    buffer_append_c(out, suffix);
    if (labels != NULL || bound != NULL) {
        buffer_append_char(out, '{');
        buffer_append_c(out, labels != NULL ? labels : "");
        if (bound != NULL) {
            buffer_append_format(out, "%sle=\"%s\"", labels != NULL ? "," : "", bound);
        }
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, ' ');
}

static void write_sample(struct buffer *out, const char *name, const char *suffix, const char *labels, uint64_t value)
{
    write_series(out, name, suffix, labels, NULL);
    buffer_append_format(out, "%" PRIu64 "\n", value);
}

void metrics_write_counter(struct buffer *out, const char *name, const char *labels, const struct counter *counter)
{
    write_sample(out, name, "", labels, counter_read(counter));
}

void metrics_write_gauge(struct buffer *out, const char *name, const char *labels, const struct gauge *gauge)
{
    write_series(out, name, "", labels, NULL);
    buffer_append_int64(out, gauge_read(gauge));
    buffer_append_char(out, '\n');
}

void metrics_write_histogram(struct buffer *out, const char *name, const char *labels,
                             const struct histogram *histogram)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= histogram->bound_count; i++) {
        count += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        char bound[32] = "+Inf";
        if (i < histogram->bound_count) {
            (void)snprintf(bound, sizeof(bound), "%.9g", histogram->bounds[i]);
        }
        write_series(out, name, "_bucket", labels, bound);
        buffer_append_format(out, "%" PRIu64 "\n", count);
    }
    uint64_t sum_micro = atomic_load_explicit(&histogram->sum_micro, memory_order_relaxed);
    write_series(out, name, "_sum", labels, NULL);
    buffer_append_format(out, "%" PRIu64 ".%06" PRIu64 "\n", sum_micro / 1000000, sum_micro % 1000000);
    write_sample(out, name, "_count", labels, count);
}
