#ifndef HOLDFAST_TESTS_UNIT_SUPPORT_FAKE_STORE_H
#define HOLDFAST_TESTS_UNIT_SUPPORT_FAKE_STORE_H

/* A store in memory for tests of the engine: variants, orders and idempotency keys, on the system's clock. A hook sees
 * every call before it is done, so that a test can hold it up or make it fail. Purchase limits, products and lists are
 * not its business. */

#include "store/store.h"

enum fake_call {
    FAKE_BEGIN,
    FAKE_DUE,
    FAKE_LOAD,
    FAKE_SAVE,
    FAKE_COMMIT,
    FAKE_NEXT_DUE,
    FAKE_TRY_WRITE,
    FAKE_READER_OPEN
};
#define FAKE_CALL_COUNT 8

struct fake_hook {
    /* On the committer's thread; facts only with FAKE_SAVE. False: the call fails with *fault. */
    bool (*before)(void *context, enum fake_call call, const struct facts *facts, struct fault *fault);
    void *context;
};

extern const struct store_ops FAKE_STORE_OPS; /* without open, migrate and what else no test calls */

struct store *fake_store_new(struct fake_hook hook); /* hook.before may be NULL */
void fake_store_free(struct store *store);

/* Before the store is in use. */
void fake_store_add_variant(struct store *store, const char *sku, int64_t stock_quantity);
/* A draft of `quantity` units of a variant that is there. */
struct uuid fake_store_add_draft(struct store *store, const char *sku, int64_t quantity, int64_t expires_at_ms);

/* Any thread, at any time. */
void fake_store_set_elsewhere(struct store *store, struct uuid order_id); /* another server sweeps it */
void fake_store_lock_sku(struct store *store,
                         const char *sku);             /* somebody keeps its stock level locked; NULL: nobody */
void fake_store_forget_elsewhere(struct store *store); /* and gives it up */
struct stock_level fake_store_stock(struct store *store, const char *sku);
enum order_status fake_store_order_status(struct store *store, struct uuid order_id);
size_t fake_store_calls(struct store *store, enum fake_call call);
size_t fake_store_rollbacks(struct store *store);
size_t fake_store_open_readers(struct store *store);

#endif
