#ifndef HOLDFAST_DOMAIN_IDEMPOTENCY_H
#define HOLDFAST_DOMAIN_IDEMPOTENCY_H

/* One key, one request, one effect (I8). */

#include "domain/outcome.h"
#include "domain/place_order.h"

/* True where the key was seen before; the outcome is then OUTCOME_REPLAYED (record), or
 * OUTCOME_IDEMPOTENCY_KEY_REUSED where it stood for another request. */
bool idempotency_decide(struct facts *facts, const struct idempotency *idempotency, struct outcome *ret_outcome);

/* Keeps the outcome under the key: the record to fill in further (status, body), or NULL where there is no key or
 * nothing to keep (a refusal that changed nothing). A placed order needs no further filling. */
struct idempotency_record *idempotency_keep(struct facts *facts, const struct idempotency *idempotency,
                                            const struct outcome *outcome);

#endif
