#ifndef HOLDFAST_STORE_SQLITE_DEFERRED_INDEX_H
#define HOLDFAST_STORE_SQLITE_DEFERRED_INDEX_H

/* An index that is written late and in order. An ordinary index on a random key (a customer, an idempotency key) dirties
 * one page for nearly every row, which costs more than everything else about an order together. Here the newest rows'
 * postings stay in memory; once there are enough of them they are written out in the order of their keys, so that a
 * page takes many at once. What is in memory is not lost in a crash: it is made again from the rows themselves, which
 * is why an index table only ever covers rows up to `covered_to`.
 *
 *    rows          1 ............ covered_to ............ frozen ............ newest
 *    found in      the table      the table and memory    memory
 *
 * The table is cut into segments of 2^20 rows, so that its pages stay few however many rows there are, and so that old
 * segments can be dropped whole. A look-up asks memory, then each segment, newest first.
 *
 * The store's writing thread owns an index; a search begun by a reader looks into its memory under a mutex. */

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/fault.h"
#include "store/sqlite/connection.h"

#define SEGMENT_ROW_BITS 20

struct deferred_index;

struct deferred_index_definition {
    const char *name;       /* its row in deferred_indexes */
    const char *tail_sql;   /* rows above ?1, ascending: (row, key source) */
    const char *insert_sql; /* (c0 segment, c1 key, c2 row) from new_rows, ignoring what is there already */
    const char *first_sql;  /* the first segment that the table has */
    const char *find_sql;   /* rows below ?3 of segment ?1 and key ?2, newest first */
    uint64_t (*key_of_column)(const struct deferred_index *index, sqlite3_stmt *statement, int column);
};

/* So many postings make a generation. With segments of 2^20 rows (about 5,000 pages) a page takes a dozen of them when
 * the generation is written out. */
#define GENERATION_POSTINGS 65536

/* Reads what the table does not cover into memory. `generation`: GENERATION_POSTINGS, or fewer in tests. */
MUST_USE bool deferred_index_open(const struct deferred_index_definition *definition, struct connection *connection,
                                  size_t generation, struct deferred_index **ret_index, struct fault *fault);
void deferred_index_close(struct deferred_index *index); /* takes NULL */

uint64_t deferred_index_text_key(const struct deferred_index *index, struct text text);
uint64_t deferred_index_number_key(int64_t number);

/* ---- The writing thread, inside a transaction ---- */

/* Adds a row; rows ascend. Seen by look-ups after deferred_index_committed. */
void deferred_index_add(struct deferred_index *index, uint64_t key, int64_t row);
/* Writes out some of what is due, about twice as much as was added since the last commit. */
MUST_USE bool deferred_index_fold(struct deferred_index *index, struct connection *connection, struct fault *fault);
/* After the transaction has ended. */
void deferred_index_committed(struct deferred_index *index);
void deferred_index_rolled_back(struct deferred_index *index);

/* Outside a transaction, after segments were dropped: they are not searched any more. */
MUST_USE bool deferred_index_look_first(struct deferred_index *index, struct connection *connection,
                                        struct fault *fault);

/* ---- Looking up ---- */

/* A look-up on its way. The writing thread begins one at any time; a reader before its transaction, so that what moves
 * from memory to the table meanwhile is seen in one of them. */
struct posting_search {
    const struct deferred_index_definition *definition;
    uint64_t key;
    int64_t below;   /* the table is asked for rows below this one */
    int64_t *recent; /* from memory, newest first; in the arena */
    size_t recent_count;
    size_t recent_at;
    int64_t segment; /* the table's segment to ask next; below first_segment: done */
    int64_t first_segment;
    sqlite3_stmt *statement;
};
void posting_search_begin(struct deferred_index *index, uint64_t key, struct arena *arena,
                          struct posting_search *ret_search);
/* Skips rows at and above `below`; before the first is taken. */
void posting_search_limit(struct posting_search *search, int64_t below);
/* The next row, newest first; 0 where there is none. Keys are hashes: the caller checks the row itself. */
MUST_USE bool posting_search_next(struct posting_search *search, struct connection *connection, int64_t *ret_row,
                                  struct fault *fault);
void posting_search_end(struct posting_search *search); /* before its last row; harmless after */

#endif
