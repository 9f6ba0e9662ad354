#ifndef HOLDFAST_STORE_SQLITE_IDEMPOTENCY_ROWS_H
#define HOLDFAST_STORE_SQLITE_IDEMPOTENCY_ROWS_H

/* Where idempotency keys are kept. Clients choose them at random, which makes this the costliest index there is, so how
 * it is kept is known to this file alone. */

#include "domain/facts.h"
#include "store/sqlite/connection.h"

/* *ret_record NULL where the key is unknown. *ret_order_row: the order whose creation it stands for, 0 otherwise; the
 * caller fills record->order. */
MUST_USE bool idempotency_find(struct connection *connection, struct arena *arena, struct text key,
                               struct idempotency_record **ret_record, int64_t *ret_order_row, struct fault *fault);
MUST_USE bool idempotency_insert(struct connection *connection, const struct idempotency_record *record,
                                 struct fault *fault);
/* Forgets keys made before `before_ms` among the next few hundred behind `after` (NULL: from the first). `ret_after`
 * is where to go on, malloced; NULL at the end. Inside a write transaction. */
MUST_USE bool idempotency_prune(struct connection *connection, const char *after, int64_t before_ms, char **ret_after,
                                struct fault *fault);

#endif
