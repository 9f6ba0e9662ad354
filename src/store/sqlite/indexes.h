#ifndef HOLDFAST_STORE_SQLITE_INDEXES_H
#define HOLDFAST_STORE_SQLITE_INDEXES_H

/* The deferred indexes that there are. */

#include "store/sqlite/deferred_index.h"

enum deferred_index_name {
    ORDERS_BY_CUSTOMER, /* the hash of the customer id -> order_no */
    ORDERS_BY_VARIANT,  /* variant_no, spread -> order_no, once however many lines the order has of it */
    IDEMPOTENCY_BY_KEY  /* the hash of the key -> key_no */
};
#define DEFERRED_INDEX_COUNT 3

/* Opens all, or none. `generation`: GENERATION_POSTINGS, or fewer in tests. */
MUST_USE bool indexes_open(struct connection *connection, size_t generation,
                           struct deferred_index *ret_indexes[DEFERRED_INDEX_COUNT], struct fault *fault);
void indexes_close(struct deferred_index *indexes[DEFERRED_INDEX_COUNT]);
/* Writes out what is due, inside the batch's transaction. */
MUST_USE bool indexes_fold(struct deferred_index *indexes[DEFERRED_INDEX_COUNT], struct connection *connection,
                           struct fault *fault);
void indexes_committed(struct deferred_index *indexes[DEFERRED_INDEX_COUNT]);
void indexes_rolled_back(struct deferred_index *indexes[DEFERRED_INDEX_COUNT]);

#endif
