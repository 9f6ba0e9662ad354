#ifndef HOLDFAST_STORE_SQLITE_POSTING_TAIL_H
#define HOLDFAST_STORE_SQLITE_POSTING_TAIL_H

/* A multimap in memory from 64-bit keys to ascending row numbers: the part of an index that is not on disk yet. Keys
 * must be well spread over all 64 bits (hashes). 24 bytes a posting. Not thread-safe. */

#include <stddef.h>
#include <stdint.h>

struct posting {
    uint64_t key;
    int64_t row;
    uint32_t previous; /* the posting before it in its bucket: index + 1, 0 none */
};

struct posting_tail {
    struct posting *postings; /* in order of arrival */
    size_t count;
    size_t capacity;
    uint32_t *buckets; /* the newest posting of each: index + 1, 0 none */
    unsigned bucket_bits;
};

void posting_tail_init(struct posting_tail *tail, size_t expected);
void posting_tail_add(struct posting_tail *tail, uint64_t key, int64_t row);
void posting_tail_done(struct posting_tail *tail);

/* Newest first: begin with posting_tail_first, go on with posting_tail_next; NULL at the end. */
const struct posting *posting_tail_first(const struct posting_tail *tail, uint64_t key);
const struct posting *posting_tail_next(const struct posting_tail *tail, const struct posting *posting);

/* All postings in ascending order of the top bits of their keys, so that writing them out touches each page of a sorted
 * index once. A zeroed walk starts at the beginning; NULL at the end. The tail must not grow meanwhile. */
struct posting_walk {
    size_t bucket;
    uint32_t at; /* the next posting in this bucket: index + 1, 0: go to the next bucket */
};
const struct posting *posting_tail_walk(const struct posting_tail *tail, struct posting_walk *walk);

#endif
