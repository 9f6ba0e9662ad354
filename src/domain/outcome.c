#include "domain/outcome.h"

/* The public code of each outcome: part of the contract, never renamed. */
static const char *const OUTCOME_NAMES[OUTCOME_CODE_COUNT] = {
    [OUTCOME_ORDER_PLACED] = "order_placed",
    [OUTCOME_ORDERS_PLACED] = "orders_placed",
    [OUTCOME_ORDER_PAID] = "order_paid",
    [OUTCOME_ORDER_CANCELLED] = "order_cancelled",
    [OUTCOME_ORDER_EXTENDED] = "order_extended",
    [OUTCOME_ORDER_EXPIRED] = "order_expired",
    [OUTCOME_STOCK_ADJUSTED] = "stock_adjusted",
    [OUTCOME_PRODUCT_CREATED] = "product_created",
    [OUTCOME_PRODUCT_UPDATED] = "product_updated",
    [OUTCOME_VARIANT_UPDATED] = "variant_updated",
    [OUTCOME_PRODUCTS_IMPORTED] = "products_imported",
    [OUTCOME_JOBS_ENQUEUED] = "jobs_enqueued",
    [OUTCOME_JOBS_CLAIMED] = "jobs_claimed",
    [OUTCOME_JOBS_FINISHED] = "jobs_finished",
    [OUTCOME_JOBS_RENEWED] = "jobs_renewed",
    [OUTCOME_JOB_SCHEDULED] = "job_scheduled",
    [OUTCOME_JOB_CANCELLED] = "job_cancelled",
    [OUTCOME_QUEUE_UPDATED] = "queue_updated",
    [OUTCOME_SCHEDULE_KNOWN] = "schedule_known",
    [OUTCOME_PRUNED] = "pruned",
    [OUTCOME_PAYMENTS_NOTIFIED] = "payments_notified",
    [OUTCOME_ENDPOINT_CREATED] = "webhook_endpoint_created",
    [OUTCOME_ENDPOINT_UPDATED] = "webhook_endpoint_updated",
    [OUTCOME_ENDPOINT_DELETED] = "webhook_endpoint_deleted",
    [OUTCOME_SECRET_ROTATED] = "webhook_secret_rotated",
    [OUTCOME_DELIVERY_QUEUED] = "webhook_delivery_queued",
    [OUTCOME_REPLAYED] = "replayed",
    [OUTCOME_UNKNOWN_SKU] = "unknown_sku",
    [OUTCOME_MIXED_CURRENCIES] = "mixed_currencies",
    [OUTCOME_TOTAL_TOO_LARGE] = "total_too_large",
    [OUTCOME_PURCHASE_LIMIT] = "purchase_limit",
    [OUTCOME_INSUFFICIENT_STOCK] = "insufficient_stock",
    [OUTCOME_ORDER_NOT_FOUND] = "order_not_found",
    [OUTCOME_ORDER_NOT_DRAFT] = "order_not_draft",
    [OUTCOME_HOLD_LIMIT] = "hold_limit",
    [OUTCOME_ALREADY_PAID] = "already_paid",
    [OUTCOME_PAID_AFTER_EXPIRY] = "paid_after_expiry",
    [OUTCOME_PAID_AFTER_CANCEL] = "order_cancelled",
    [OUTCOME_AMOUNT_MISMATCH] = "amount_mismatch",
    [OUTCOME_PAYMENT_REFERENCE_USED] = "payment_reference_used",
    [OUTCOME_ORDER_ALREADY_PAID] = "order_already_paid",
    [OUTCOME_CANCEL_AFTER_EXPIRY] = "order_expired",
    [OUTCOME_SKU_EXISTS] = "sku_exists",
    [OUTCOME_PRODUCT_NOT_FOUND] = "product_not_found",
    [OUTCOME_VARIANT_NOT_FOUND] = "unknown_sku",
    [OUTCOME_VERSION_MISMATCH] = "version_mismatch",
    [OUTCOME_STOCK_IS_RESERVED] = "stock_is_reserved",
    [OUTCOME_STOCK_CHANGED] = "stock_changed",
    [OUTCOME_STOCK_TOO_LARGE] = "stock_too_large",
    [OUTCOME_JOB_NOT_FOUND] = "job_not_found",
    [OUTCOME_JOB_STATE] = "job_state",
    [OUTCOME_JOB_IS_BOUND] = "job_is_bound",
    [OUTCOME_JOB_KEY_TAKEN] = "job_key_taken",
    [OUTCOME_QUEUE_NOT_FOUND] = "queue_not_found",
    [OUTCOME_ENDPOINT_NOT_FOUND] = "webhook_endpoint_not_found",
    [OUTCOME_ENDPOINT_LIMIT] = "webhook_endpoint_limit",
    [OUTCOME_ENDPOINT_DISABLED] = "webhook_endpoint_disabled",
    [OUTCOME_IDEMPOTENCY_KEY_REUSED] = "idempotency_key_reused",
    [OUTCOME_BUSY] = "busy",
    [OUTCOME_STORE_UNAVAILABLE] = "store_unavailable",
    [OUTCOME_UNKNOWN] = "outcome_unknown",
    [OUTCOME_INTERNAL_ERROR] = "internal_error",
    [OUTCOME_NEEDS_SWEEP] = "needs_sweep",
};

bool outcome_is_success(enum outcome_code code)
{
    return code <= OUTCOME_REPLAYED;
}

const char *outcome_code_name(enum outcome_code code)
{
    return OUTCOME_NAMES[code];
}
