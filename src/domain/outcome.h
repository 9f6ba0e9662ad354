#ifndef HOLDFAST_DOMAIN_OUTCOME_H
#define HOLDFAST_DOMAIN_OUTCOME_H

/* What became of a command. Refusals are outcomes like any other: data, not errors. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domain/facts.h"

enum outcome_code {
    /* done */
    OUTCOME_ORDER_PLACED,
    OUTCOME_ORDERS_PLACED, /* a batch of orders: see members */
    OUTCOME_ORDER_PAID,
    OUTCOME_ORDER_CANCELLED,
    OUTCOME_ORDER_EXTENDED,
    OUTCOME_ORDER_EXPIRED,
    OUTCOME_STOCK_ADJUSTED,
    OUTCOME_PRODUCT_CREATED,
    OUTCOME_PRODUCT_UPDATED,
    OUTCOME_VARIANT_UPDATED,
    OUTCOME_PRODUCTS_IMPORTED,
    OUTCOME_JOBS_ENQUEUED,     /* jobs */
    OUTCOME_JOBS_CLAIMED,      /* jobs, next_ms, more */
    OUTCOME_JOBS_FINISHED,     /* jobs */
    OUTCOME_JOBS_RENEWED,      /* jobs */
    OUTCOME_JOB_SCHEDULED,     /* job: runs again, or now */
    OUTCOME_JOB_CANCELLED,     /* job */
    OUTCOME_QUEUE_UPDATED,     /* queue */
    OUTCOME_SCHEDULE_KNOWN,    /* next_ms */
    OUTCOME_PRUNED,            /* count, more */
    OUTCOME_PAYMENTS_NOTIFIED, /* count, more, next_ms */
    OUTCOME_ENDPOINT_CREATED,  /* endpoint, queue */
    OUTCOME_ENDPOINT_UPDATED,  /* endpoint, queue */
    OUTCOME_ENDPOINT_DELETED,
    OUTCOME_SECRET_ROTATED,  /* endpoint, queue */
    OUTCOME_DELIVERY_QUEUED, /* job */
    OUTCOME_REPLAYED,        /* an idempotency key came again: see record */
    /* refused */
    OUTCOME_UNKNOWN_SKU, /* lines: which */
    OUTCOME_MIXED_CURRENCIES,
    OUTCOME_TOTAL_TOO_LARGE,
    OUTCOME_PURCHASE_LIMIT,     /* limit */
    OUTCOME_INSUFFICIENT_STOCK, /* lines: which */
    OUTCOME_ORDER_NOT_FOUND,
    OUTCOME_ORDER_NOT_DRAFT,        /* order */
    OUTCOME_HOLD_LIMIT,             /* order */
    OUTCOME_ALREADY_PAID,           /* order, payment: refund_due */
    OUTCOME_PAID_AFTER_EXPIRY,      /* order, payment: refund_due */
    OUTCOME_PAID_AFTER_CANCEL,      /* order, payment: refund_due; code order_cancelled */
    OUTCOME_AMOUNT_MISMATCH,        /* order, payment: refund_due */
    OUTCOME_PAYMENT_REFERENCE_USED, /* other_order_id */
    OUTCOME_ORDER_ALREADY_PAID,     /* order */
    OUTCOME_CANCEL_AFTER_EXPIRY,    /* order; code order_expired */
    OUTCOME_SKU_EXISTS,             /* sku */
    OUTCOME_PRODUCT_NOT_FOUND,
    OUTCOME_VARIANT_NOT_FOUND, /* a path's SKU; code unknown_sku */
    OUTCOME_VERSION_MISMATCH,  /* variant or product, as it is */
    OUTCOME_STOCK_IS_RESERVED, /* variant, as it is */
    OUTCOME_STOCK_CHANGED,     /* variant, as it is */
    OUTCOME_STOCK_TOO_LARGE,   /* variant, as it is */
    OUTCOME_JOB_NOT_FOUND,
    OUTCOME_JOB_STATE,     /* job, as it is */
    OUTCOME_JOB_IS_BOUND,  /* a payment timeout: it goes with its order */
    OUTCOME_JOB_KEY_TAKEN, /* job: the scheduled one that has the key */
    OUTCOME_QUEUE_NOT_FOUND,
    OUTCOME_ENDPOINT_NOT_FOUND, /* code webhook_endpoint_not_found */
    OUTCOME_ENDPOINT_LIMIT,     /* code webhook_endpoint_limit */
    OUTCOME_ENDPOINT_DISABLED,  /* code webhook_endpoint_disabled */
    OUTCOME_IDEMPOTENCY_KEY_REUSED,
    /* not decided */
    OUTCOME_BUSY,              /* the queue was full */
    OUTCOME_STORE_UNAVAILABLE, /* nothing was changed */
    OUTCOME_UNKNOWN,           /* COMMIT was sent, its answer never came; code outcome_unknown */
    OUTCOME_INTERNAL_ERROR,    /* nothing was changed */
    OUTCOME_NEEDS_SWEEP        /* overdue holds must be released first; never leaves the engine */
};
#define OUTCOME_CODE_COUNT (OUTCOME_NEEDS_SWEEP + 1)

struct outcome_line {
    size_t line; /* 1-based */
    struct text sku;
    int64_t requested;
    int64_t available;
};

struct outcome_limit {
    struct text sku;
    int64_t limit;
    int64_t already;
    int64_t requested;
};

/* An import's row that could not be applied. */
struct outcome_row {
    size_t row; /* the command's own numbering */
    struct text reason;
};

enum job_verdict {
    JOB_ACCEPTED, /* done as asked */
    JOB_KEPT,     /* its key is scheduled, and stays as it was */
    JOB_REPLACED, /* the scheduled one under its key is this one now */
    JOB_REFUSED,  /* its key is scheduled */
    JOB_FENCED    /* not the caller's any more */
};

/* One of several jobs. */
struct outcome_job {
    const struct job *job; /* a snapshot; NULL where there is none */
    enum job_verdict verdict;
    bool was_taken_over;
};

struct outcome {
    enum outcome_code code;
    bool changed;  /* something is recorded: the answer of a keyed request is kept even where it is a refusal */
    bool replayed; /* a batch's member whose key came again */
    const struct order *order; /* a snapshot */
    const struct payment *payment;
    const struct product *product; /* a snapshot */
    const struct variant *variant; /* a snapshot */
    const struct movement *movement;
    struct uuid other_order_id;
    struct text sku;
    struct outcome_line *lines;
    size_t line_count;
    struct outcome_limit limit;
    struct outcome *members; /* one an order of a batch */
    size_t member_count;
    const struct idempotency_record *record; /* of OUTCOME_REPLAYED */
    struct outcome_row *rows;                /* of OUTCOME_PRODUCTS_IMPORTED: what was refused */
    size_t row_count;
    size_t created_count; /* of OUTCOME_PRODUCTS_IMPORTED: variants made, changed, and left as they were */
    size_t updated_count;
    size_t unchanged_count;
    const struct job *job;                   /* a snapshot */
    const struct job_queue *queue;           /* a snapshot */
    const struct webhook_endpoint *endpoint; /* a snapshot */
    struct outcome_job *jobs;
    size_t job_count;
    size_t count;
    bool more;
    int64_t next_ms;
};

bool outcome_is_success(enum outcome_code code);
const char *outcome_code_name(enum outcome_code code); /* the stable public code: "insufficient_stock" */

#endif
