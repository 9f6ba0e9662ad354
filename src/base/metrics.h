#ifndef HOLDFAST_BASE_METRICS_H
#define HOLDFAST_BASE_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* Counters, gauges and histograms that any thread may move (relaxed atomics), rendered in Prometheus text format
 * 0.0.4. The names and help texts live in each room's own table; this is only the mechanism. */
#define HISTOGRAM_BUCKETS_MAX 24

struct counter {
    _Atomic uint64_t value;
};
struct gauge {
    _Atomic int64_t value;
};
struct histogram {
    const double *bounds;                                /* ascending upper bounds, in the metric's unit; immutable */
    size_t bound_count;                                  /* at most HISTOGRAM_BUCKETS_MAX */
    _Atomic uint64_t buckets[HISTOGRAM_BUCKETS_MAX + 1]; /* not cumulative; the last is +Inf */
    _Atomic uint64_t sum_micro;                          /* sum in millionths of the unit */
};

void counter_add(struct counter *counter, uint64_t amount);
uint64_t counter_read(const struct counter *counter);
void gauge_set(struct gauge *gauge, int64_t value);
void gauge_add(struct gauge *gauge, int64_t amount);
int64_t gauge_read(const struct gauge *gauge);
void histogram_observe(struct histogram *histogram, double value);

/* `labels` is what stands between the braces, already escaped ("status=\"201\""), or NULL. */
void metrics_write_head(struct buffer *out, const char *name, const char *type, const char *help);
void metrics_write_counter(struct buffer *out, const char *name, const char *labels, const struct counter *counter);
void metrics_write_gauge(struct buffer *out, const char *name, const char *labels, const struct gauge *gauge);
void metrics_write_histogram(struct buffer *out, const char *name, const char *labels,
                             const struct histogram *histogram);

/* Bounds in seconds that suit request and commit latencies: 50 us to 10 s. */
extern const double LATENCY_SECONDS_BOUNDS[];
extern const size_t LATENCY_SECONDS_BOUND_COUNT;
/* The same up to an hour: how late something is that had to wait for a server to come back. */
extern const size_t LATENESS_SECONDS_BOUND_COUNT;

#endif
