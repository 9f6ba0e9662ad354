#ifndef HOLDFAST_API_HTTP_METRICS_H
#define HOLDFAST_API_HTTP_METRICS_H

/* Requests by route and status, with latencies. The loop's thread. */

#include "base/buffer.h"
#include "http/server.h"

#define ROUTE_UNMATCHED (-1)

struct http_metrics;

struct http_metrics *http_metrics_new(void);
/* seconds below 0: counted, and left out of the latencies. */
void http_metrics_count(struct http_metrics *metrics, int route, int status, double seconds);
void http_metrics_count_refusal(struct http_metrics *metrics, enum http_refusal refusal);
void http_metrics_write(const struct http_metrics *metrics, const struct http_server_stats *stats, struct buffer *out);
void http_metrics_free(struct http_metrics *metrics); /* takes NULL */

#endif
