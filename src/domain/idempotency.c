#include "domain/idempotency.h"

#include <string.h>

bool idempotency_decide(struct facts *facts, const struct idempotency *idempotency, struct outcome *ret_outcome)
{
    if (idempotency->key.bytes == NULL) {
        return false;
    }
    const struct idempotency_record *record = facts_idempotency(facts, idempotency->key);
    if (record == NULL) {
        return false;
    }
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    if (memcmp(record->fingerprint, idempotency->fingerprint, FINGERPRINT_BYTES) != 0) {
        ret_outcome->code = OUTCOME_IDEMPOTENCY_KEY_REUSED;
        return true;
    }
    ret_outcome->code = OUTCOME_REPLAYED;
    ret_outcome->record = record;
    ret_outcome->order = record->order == NULL ? NULL : order_as_created(facts->arena, record->order);
    return true;
}

struct idempotency_record *idempotency_keep(struct facts *facts, const struct idempotency *idempotency,
                                            const struct outcome *outcome)
{
    if (idempotency->key.bytes == NULL || (!outcome_is_success(outcome->code) && !outcome->changed)) {
        return NULL;
    }
    struct idempotency_record *record = arena_zalloc(facts->arena, sizeof(*record));
    record->key = arena_text(facts->arena, idempotency->key);
    memcpy(record->fingerprint, idempotency->fingerprint, FINGERPRINT_BYTES);
    record->created_at_ms = facts->now_ms;
    record->is_new = true;
    if (outcome->code == OUTCOME_ORDER_PLACED) {
        record->order = facts_order(facts, &outcome->order->id);
    }
    facts_put_idempotency(facts, record);
    facts->change_count++;
    return record;
}
