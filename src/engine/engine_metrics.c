#include "engine/engine_metrics.h"

#include <stdio.h>

static const double BATCH_SIZE_BOUNDS[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000};
#define BATCH_SIZE_BOUND_COUNT (sizeof(BATCH_SIZE_BOUNDS) / sizeof(BATCH_SIZE_BOUNDS[0]))

static void init_latency(struct histogram *histogram)
{
    histogram->bounds = LATENCY_SECONDS_BOUNDS;
    histogram->bound_count = LATENCY_SECONDS_BOUND_COUNT;
}

/* The rest of the structure is zero from its maker. */
void engine_metrics_init(struct engine_metrics *metrics)
{
    metrics->batch_size.bounds = BATCH_SIZE_BOUNDS;
    metrics->batch_size.bound_count = BATCH_SIZE_BOUND_COUNT;
    init_latency(&metrics->commit_seconds);
    init_latency(&metrics->batch_seconds);
    init_latency(&metrics->timeout_lateness_seconds);
    metrics->timeout_lateness_seconds.bound_count = LATENESS_SECONDS_BOUND_COUNT;
}

static void write_plain_counter(struct buffer *out, const char *name, const char *help, const struct counter *counter)
{
    metrics_write_head(out, name, "counter", help);
    metrics_write_counter(out, name, NULL, counter);
}

static void write_plain_histogram(struct buffer *out, const char *name, const char *help,
                                  const struct histogram *histogram)
{
    metrics_write_head(out, name, "histogram", help);
    metrics_write_histogram(out, name, NULL, histogram);
}

static void write_outcomes(const struct engine_metrics *metrics, struct buffer *out)
{
    metrics_write_head(out, "holdfast_commands_total", "counter",
                       "Commands by kind and outcome; a batch of orders counts each of its orders as place_order.");
    for (int kind = 0; kind < COMMAND_KIND_COUNT; kind++) {
        for (int code = 0; code < OUTCOME_CODE_COUNT; code++) {
            const struct counter *counter = &metrics->outcomes[kind][code];
            if (counter_read(counter) == 0) {
                continue; /* most pairs cannot occur */
            }
            char labels[128];
            (void)snprintf(labels, sizeof(labels), "kind=\"%s\",outcome=\"%s\"",
                           command_kind_name((enum command_kind)kind), outcome_code_name((enum outcome_code)code));
            metrics_write_counter(out, "holdfast_commands_total", labels, counter);
        }
    }
}

/* What operators ask first, with every series there from the start. */
static void write_orders(const struct engine_metrics *metrics, struct buffer *out)
{
    const struct {
        const char *outcome;
        const struct counter *counter;
    } rows[] = {
        {"placed", &metrics->events[EVENT_ORDER_CREATED]},
        {"refused_stock", &metrics->outcomes[COMMAND_PLACE_ORDER][OUTCOME_INSUFFICIENT_STOCK]},
        {"paid", &metrics->events[EVENT_ORDER_PAID]},
        {"cancelled", &metrics->events[EVENT_ORDER_CANCELLED]},
        {"expired", &metrics->events[EVENT_ORDER_EXPIRED]},
    };
    metrics_write_head(out, "holdfast_orders_total", "counter", "Orders by what became of them since the start.");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char labels[64];
        (void)snprintf(labels, sizeof(labels), "outcome=\"%s\"", rows[i].outcome);
        metrics_write_counter(out, "holdfast_orders_total", labels, rows[i].counter);
    }
}

static void write_store_errors(const struct engine_metrics *metrics, struct buffer *out)
{
    metrics_write_head(out, "holdfast_store_errors_total", "counter",
                       "Batches that the store failed, by kind of fault.");
    for (int kind = FAULT_NONE + 1; kind < FAULT_KIND_COUNT; kind++) {
        char labels[64];
        (void)snprintf(labels, sizeof(labels), "kind=\"%s\"", fault_kind_name((enum fault_kind)kind));
        metrics_write_counter(out, "holdfast_store_errors_total", labels, &metrics->store_errors[kind]);
    }
}

void engine_metrics_write(const struct engine_metrics *metrics, struct buffer *out)
{
    metrics_write_head(out, "holdfast_queue_depth", "gauge", "Orders that wait for the committer.");
    metrics_write_gauge(out, "holdfast_queue_depth", NULL, &metrics->queue_depth);
    write_plain_histogram(out, "holdfast_batch_size", "Commands and payment timeouts in one transaction.",
                          &metrics->batch_size);
    write_plain_histogram(out, "holdfast_commit_duration_seconds", "Time of COMMIT, the disk's sync included.",
                          &metrics->commit_seconds);
    write_plain_histogram(out, "holdfast_batch_duration_seconds", "Time of a whole transaction, begin to commit.",
                          &metrics->batch_seconds);
    write_plain_histogram(out, "holdfast_timeout_lateness_seconds",
                          "How long after its deadline an unpaid order was released.",
                          &metrics->timeout_lateness_seconds);
    write_orders(metrics, out);
    write_outcomes(metrics, out);
    write_plain_counter(out, "holdfast_stock_outs_total", "Times that a SKU's last available unit was taken.",
                        &metrics->events[EVENT_STOCK_SOLD_OUT]);
    write_plain_counter(out, "holdfast_refunds_due_total", "Payments that were recorded and have to be given back.",
                        &metrics->events[EVENT_PAYMENT_REFUND_DUE]);
    write_store_errors(metrics, out);
    write_plain_counter(out, "holdfast_batches_replanned_total",
                        "Batches planned again because a version had moved under them.", &metrics->batches_replanned);
    write_plain_counter(out, "holdfast_batches_split_total",
                        "Batches split to find the command that the database refused.", &metrics->batches_split);
}
