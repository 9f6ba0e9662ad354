#include "store/sqlite/deferred_index.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite/posting_tail.h"

#define FOLD_AT_LEAST 64
#define FOLD_SLICE 512

struct staged {
    uint64_t key;
    int64_t row;
};

struct deferred_index {
    /* Immutable. */
    const struct deferred_index_definition *definition;
    size_t generation;
    uint64_t seed; /* of the database: a client cannot choose texts that share a key */

    /* The writing thread's own: this transaction's additions and progress. */
    struct staged *staged;
    size_t staged_count;
    size_t staged_capacity;
    struct posting_walk walk;    /* through frozen, as far as it is committed */
    struct posting_walk walking; /* as far as it is written in this transaction */
    bool finished;               /* this transaction wrote out the last of frozen */

    pthread_mutex_t mutex;
    /* Guarded by mutex; changed by the writing thread alone, which may read without it. */
    struct posting_tail active;
    struct posting_tail frozen; /* being written out; empty: nothing is */
    int64_t covered_to;
    int64_t first_segment;
};

static const char COVERED_SQL[] = "SELECT covered_to, seed FROM deferred_indexes WHERE name = ?1";
static const char COVER_SQL[] = "UPDATE deferred_indexes SET covered_to = ?2 WHERE name = ?1";

uint64_t deferred_index_text_key(const struct deferred_index *index, struct text text)
{
    return text_hash(text, index->seed);
}

/* An odd multiplier maps numbers one to one onto keys that are spread over all bits (Knuth's multiplicative hash). */
uint64_t deferred_index_number_key(int64_t number)
{
    return (uint64_t)number * UINT64_C(0x9E3779B97F4A7C15);
}

static bool read_covered(struct deferred_index *index, struct connection *connection, struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row;
    if (!connection_prepare(connection, COVERED_SQL, &statement, fault)) {
        return false;
    }
    bind_c_text(statement, 1, index->definition->name);
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    index->covered_to = row ? column_int64(statement, 0) : 0;
    index->seed = row ? (uint64_t)column_int64(statement, 1) : 0;
    statement_abandon(statement);
    return true;
}

static bool read_tail(struct deferred_index *index, struct connection *connection, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(connection, index->definition->tail_sql, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, index->covered_to);
    for (bool row = true;;) {
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row) {
            return true;
        }
        posting_tail_add(&index->active, index->definition->key_of_column(index, statement, 1),
                         column_int64(statement, 0));
    }
}

bool deferred_index_open(const struct deferred_index_definition *definition, struct connection *connection,
                         size_t generation, struct deferred_index **ret_index, struct fault *fault)
{
    struct deferred_index *index = memory_zalloc(1, sizeof(*index));
    index->definition = definition;
    index->generation = generation;
    pthread_mutex_init(&index->mutex, NULL);
    posting_tail_init(&index->active, index->generation);
    if (!read_covered(index, connection, fault) || !read_tail(index, connection, fault) ||
        !deferred_index_look_first(index, connection, fault)) {
        deferred_index_close(index);
        return false;
    }
    *ret_index = index;
    return true;
}

void deferred_index_close(struct deferred_index *index)
{
    if (index == NULL) {
        return;
    }
    posting_tail_done(&index->active);
    posting_tail_done(&index->frozen);
    pthread_mutex_destroy(&index->mutex);
    free(index->staged);
    free(index);
}

bool deferred_index_look_first(struct deferred_index *index, struct connection *connection, struct fault *fault)
{
    int64_t first_segment;
    if (!connection_read_int64(connection, index->definition->first_sql, 0, &first_segment, fault)) {
        return false;
    }
    pthread_mutex_lock(&index->mutex);
    index->first_segment = first_segment;
    pthread_mutex_unlock(&index->mutex);
    return true;
}

void deferred_index_add(struct deferred_index *index, uint64_t key, int64_t row)
{
    if (index->staged_count == index->staged_capacity) {
        index->staged_capacity = index->staged_capacity == 0 ? 256 : index->staged_capacity * 2;
        index->staged = memory_grow(index->staged, index->staged_capacity * sizeof(*index->staged));
    }
    index->staged[index->staged_count++] = (struct staged){.key = key, .row = row};
}

static void posting_column(const void *rows, size_t row, int column, sqlite3_context *context)
{
    const struct posting *posting = ((const struct posting *const *)rows)[row];
    switch (column) {
    case 0:
        sqlite3_result_int64(context, posting->row >> SEGMENT_ROW_BITS);
        break;
    case 1:
        sqlite3_result_int64(context, (int64_t)posting->key);
        break;
    case 2:
        sqlite3_result_int64(context, posting->row);
        break;
    }
}

static int64_t last_row(const struct posting_tail *tail)
{
    return tail->postings[tail->count - 1].row;
}

static bool write_covered(struct deferred_index *index, struct connection *connection, struct fault *fault)
{
    sqlite3_stmt *statement;
    if (!connection_prepare(connection, COVER_SQL, &statement, fault)) {
        return false;
    }
    bind_c_text(statement, 1, index->definition->name);
    bind_int64(statement, 2, last_row(&index->frozen));
    return statement_run(statement, fault);
}

static bool write_slice(struct deferred_index *index, struct connection *connection, size_t size, struct fault *fault)
{
    const struct posting *slice[FOLD_SLICE];
    size_t count = 0;
    while (count < size && !index->finished) {
        slice[count] = posting_tail_walk(&index->frozen, &index->walking);
        index->finished = slice[count] == NULL;
        count += !index->finished;
    }
    const struct row_source rows = {.rows = slice, .count = count, .column = posting_column};
    return connection_write_rows(connection, index->definition->insert_sql, rows, fault);
}

bool deferred_index_fold(struct deferred_index *index, struct connection *connection, struct fault *fault)
{
    if (index->frozen.count == 0) {
        return true;
    }
    size_t wish = index->staged_count * 2 + FOLD_AT_LEAST;
    while (wish > 0 && !index->finished) {
        size_t size = wish < FOLD_SLICE ? wish : FOLD_SLICE;
        if (!write_slice(index, connection, size, fault)) {
            return false;
        }
        wish -= size;
    }
    return !index->finished || write_covered(index, connection, fault);
}

void deferred_index_committed(struct deferred_index *index)
{
    if (index->staged_count == 0 && index->frozen.count == 0) {
        return;
    }
    pthread_mutex_lock(&index->mutex);
    index->walk = index->walking;
    if (index->finished) {
        index->covered_to = last_row(&index->frozen);
        posting_tail_done(&index->frozen);
        index->finished = false;
    }
    for (size_t i = 0; i < index->staged_count; i++) {
        posting_tail_add(&index->active, index->staged[i].key, index->staged[i].row);
    }
    index->staged_count = 0;
    if (index->frozen.count == 0 && index->active.count >= index->generation) {
        index->frozen = index->active;
        posting_tail_init(&index->active, index->generation);
        memset(&index->walk, 0, sizeof(index->walk));
        index->walking = index->walk;
    }
    pthread_mutex_unlock(&index->mutex);
}

void deferred_index_rolled_back(struct deferred_index *index)
{
    index->staged_count = 0;
    index->walking = index->walk;
    index->finished = false;
}

/* ---- Looking up ---- */

static size_t count_in(const struct posting_tail *tail, uint64_t key)
{
    size_t count = 0;
    for (const struct posting *at = posting_tail_first(tail, key); at != NULL; at = posting_tail_next(tail, at)) {
        count++;
    }
    return count;
}

static void copy_from(const struct posting_tail *tail, struct posting_search *search)
{
    const struct posting *at = posting_tail_first(tail, search->key);
    for (; at != NULL; at = posting_tail_next(tail, at)) {
        search->recent[search->recent_count++] = at->row;
    }
}

static void table_below(struct posting_search *search, int64_t below)
{
    search->below = below;
    search->segment = (below - 1) >> SEGMENT_ROW_BITS; /* -1 where below is 0 */
}

void posting_search_begin(struct deferred_index *index, uint64_t key, struct arena *arena,
                          struct posting_search *ret_search)
{
    *ret_search = (struct posting_search){.definition = index->definition, .key = key};
    pthread_mutex_lock(&index->mutex);
    size_t count = count_in(&index->active, key) + count_in(&index->frozen, key);
    if (count > 0) {
        ret_search->recent = arena_array(arena, count, sizeof(*ret_search->recent));
        copy_from(&index->active, ret_search);
        copy_from(&index->frozen, ret_search);
    }
    /* Memory has every row above: what the table has of a generation half-written is not asked for again. */
    ret_search->first_segment = index->first_segment;
    table_below(ret_search, index->covered_to + 1);
    pthread_mutex_unlock(&index->mutex);
}

void posting_search_limit(struct posting_search *search, int64_t below)
{
    while (search->recent_at < search->recent_count && search->recent[search->recent_at] >= below) {
        search->recent_at++;
    }
    if (below < search->below) {
        table_below(search, below);
    }
}

bool posting_search_next(struct posting_search *search, struct connection *connection, int64_t *ret_row,
                         struct fault *fault)
{
    if (search->recent_at < search->recent_count) {
        *ret_row = search->recent[search->recent_at++];
        return true;
    }
    for (; search->segment >= search->first_segment; search->segment--) {
        if (search->statement == NULL) {
            if (!connection_prepare(connection, search->definition->find_sql, &search->statement, fault)) {
                return false;
            }
            bind_int64(search->statement, 1, search->segment);
            bind_int64(search->statement, 2, (int64_t)search->key);
            bind_int64(search->statement, 3, search->below);
        }
        bool row;
        if (!statement_next(search->statement, &row, fault)) {
            search->statement = NULL;
            return false;
        }
        if (row) {
            *ret_row = column_int64(search->statement, 0);
            return true;
        }
        search->statement = NULL; /* reset by its end */
    }
    *ret_row = 0;
    return true;
}

void posting_search_end(struct posting_search *search)
{
    if (search->statement != NULL) {
        statement_abandon(search->statement);
        search->statement = NULL;
    }
    search->segment = -1;
}
