#ifndef HOLDFAST_STORE_SQLITE_IDEMPOTENCY_ROWS_H
#define HOLDFAST_STORE_SQLITE_IDEMPOTENCY_ROWS_H

/* Where idempotency keys are kept: rows in the order of their coming, found through a deferred index. */

#include "domain/facts.h"
#include "store/sqlite/deferred_index.h"

/* *ret_record NULL where the key is unknown. *ret_order_row: the order whose creation it stands for, 0 otherwise; the
 * caller fills record->order. */
MUST_USE bool idempotency_find(struct connection *connection, struct deferred_index *by_key, struct arena *arena,
                               struct text key, struct idempotency_record **ret_record, int64_t *ret_order_row,
                               struct fault *fault);
MUST_USE bool idempotency_insert(struct connection *connection, struct deferred_index *by_key,
                                 struct idempotency_record *const *records, size_t count, struct fault *fault);
/* Forgets some of the keys made before `before_ms`, or after `after_ms` (by a clock that was wrong), the first first. *ret_more: there may be others. Inside a write
 * transaction. */
MUST_USE bool idempotency_prune(struct connection *connection, int64_t before_ms, int64_t after_ms, bool *ret_more,
                                struct fault *fault);

#endif
