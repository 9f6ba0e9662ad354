#include "store/sqlite/indexes.h"

#include <string.h>

static uint64_t key_of_text(const struct deferred_index *index, sqlite3_stmt *statement, int column)
{
    return deferred_index_text_key(index, column_view(statement, column));
}

static uint64_t key_of_number(const struct deferred_index *index, sqlite3_stmt *statement, int column)
{
    (void)index;
    return deferred_index_number_key(column_int64(statement, column));
}

/* One row an index; the tables have the same shape under names that say what they hold. */
#define INDEX_SQL(table, key, row)                                                                                \
    .name = (table),                                                                                              \
    .insert_sql = "INSERT INTO " table " (segment, " key ", " row ") SELECT c0, c1, c2 FROM new_rows WHERE true " \
                  "ON CONFLICT DO NOTHING",                                                                       \
    .first_sql = "SELECT min(segment) FROM " table,                                                               \
    .find_sql = "SELECT " row " FROM " table " WHERE segment = ?1 AND " key " = ?2 AND " row " < ?3 "             \
                "ORDER BY " row " DESC"

static const struct deferred_index_definition DEFINITIONS[DEFERRED_INDEX_COUNT] = {
    [ORDERS_BY_CUSTOMER] =
        {
            INDEX_SQL("orders_by_customer", "customer_hash", "order_no"),
            .tail_sql = "SELECT order_no, customer_id FROM orders WHERE order_no > ?1 ORDER BY order_no",
            .key_of_column = key_of_text,
        },
    [ORDERS_BY_VARIANT] =
        {
            INDEX_SQL("orders_by_variant", "variant_hash", "order_no"),
            .tail_sql = "SELECT order_no, variant_no FROM order_items i WHERE order_no > ?1 AND NOT EXISTS "
                        "(SELECT 1 FROM order_items e WHERE e.order_no = i.order_no AND e.line < i.line AND "
                        "e.variant_no = i.variant_no) ORDER BY order_no",
            .key_of_column = key_of_number,
        },
    [IDEMPOTENCY_BY_KEY] =
        {
            INDEX_SQL("idempotency_by_key", "key_hash", "key_no"),
            .tail_sql = "SELECT key_no, key FROM idempotency_keys WHERE key_no > ?1 ORDER BY key_no",
            .key_of_column = key_of_text,
        },
};

bool indexes_open(struct connection *connection, size_t generation,
                  struct deferred_index *ret_indexes[DEFERRED_INDEX_COUNT], struct fault *fault)
{
    struct deferred_index *indexes[DEFERRED_INDEX_COUNT] = {NULL};
    for (size_t i = 0; i < DEFERRED_INDEX_COUNT; i++) {
        if (!deferred_index_open(&DEFINITIONS[i], connection, generation, &indexes[i], fault)) {
            indexes_close(indexes);
            return false;
        }
    }
    memcpy(ret_indexes, indexes, sizeof(indexes));
    return true;
}

void indexes_close(struct deferred_index *indexes[DEFERRED_INDEX_COUNT])
{
    for (size_t i = 0; i < DEFERRED_INDEX_COUNT; i++) {
        deferred_index_close(indexes[i]);
        indexes[i] = NULL;
    }
}

bool indexes_fold(struct deferred_index *indexes[DEFERRED_INDEX_COUNT], struct connection *connection,
                  struct fault *fault)
{
    for (size_t i = 0; i < DEFERRED_INDEX_COUNT; i++) {
        if (!deferred_index_fold(indexes[i], connection, fault)) {
            return false;
        }
    }
    return true;
}

void indexes_committed(struct deferred_index *indexes[DEFERRED_INDEX_COUNT])
{
    for (size_t i = 0; i < DEFERRED_INDEX_COUNT; i++) {
        deferred_index_committed(indexes[i]);
    }
}

void indexes_rolled_back(struct deferred_index *indexes[DEFERRED_INDEX_COUNT])
{
    for (size_t i = 0; i < DEFERRED_INDEX_COUNT; i++) {
        deferred_index_rolled_back(indexes[i]);
    }
}
