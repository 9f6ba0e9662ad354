#ifndef HOLDFAST_JOBS_JOB_METRICS_H
#define HOLDFAST_JOBS_JOB_METRICS_H

/* Moved by the jobs thread, read by whoever answers /metrics. */

#include "base/metrics.h"
#include "base/uuid.h"
#include "domain/claim_jobs.h"

#define JOB_METRIC_KINDS_MAX 16
#define JOB_METRIC_ENDPOINTS_MAX 200
#define JOB_RESULT_KIND_COUNT (JOB_RESULT_GIVEN_BACK + 1)

struct kind_metrics {
    const char *name;
    struct histogram lateness_seconds; /* from due to started */
    struct histogram run_seconds;
    struct counter results[JOB_RESULT_KIND_COUNT];
    struct counter takeovers;
    struct counter fenced;
    struct gauge running;
};

struct endpoint_metrics {
    struct uuid endpoint_id;
    struct histogram delivery_seconds; /* of answered attempts */
    struct counter delivered;
    struct counter failed;
};

struct job_metrics {
    struct kind_metrics kinds[JOB_METRIC_KINDS_MAX];
    size_t kind_count; /* fixed before the thread starts */
    struct endpoint_metrics endpoints[JOB_METRIC_ENDPOINTS_MAX];
    _Atomic size_t endpoint_count; /* only ever grows, by the jobs thread */
};

/* The structure is zero from its maker. `name` outlives it. */
struct kind_metrics *job_metrics_add_kind(struct job_metrics *metrics, const char *name);
/* NULL: there have been more endpoints than are counted. */
struct endpoint_metrics *job_metrics_endpoint(struct job_metrics *metrics, struct uuid endpoint_id);
void job_metrics_write(const struct job_metrics *metrics, struct buffer *out);

#endif
