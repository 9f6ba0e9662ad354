#include "store/sqlite/posting_tail.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define BUCKET_BITS_MIN 10
#define BUCKET_BITS_MAX 24

void posting_tail_init(struct posting_tail *tail, size_t expected)
{
    memset(tail, 0, sizeof(*tail));
    tail->bucket_bits = BUCKET_BITS_MIN;
    while (tail->bucket_bits < BUCKET_BITS_MAX && ((size_t)1 << tail->bucket_bits) < 2 * expected) {
        tail->bucket_bits++;
    }
    tail->buckets = memory_zalloc((size_t)1 << tail->bucket_bits, sizeof(*tail->buckets));
}

static size_t bucket_of(const struct posting_tail *tail, uint64_t key)
{
    return (size_t)(key >> (64 - tail->bucket_bits));
}

void posting_tail_add(struct posting_tail *tail, uint64_t key, int64_t row)
{
    if (tail->count == tail->capacity) {
        tail->capacity = tail->capacity == 0 ? 1024 : tail->capacity * 2;
        tail->postings = memory_grow(tail->postings, tail->capacity * sizeof(*tail->postings));
    }
    uint32_t *bucket = &tail->buckets[bucket_of(tail, key)];
    tail->postings[tail->count] = (struct posting){.key = key, .row = row, .previous = *bucket};
    tail->count++;
    *bucket = (uint32_t)tail->count;
}

void posting_tail_done(struct posting_tail *tail)
{
    free(tail->postings);
    free(tail->buckets);
    memset(tail, 0, sizeof(*tail));
}

static const struct posting *skip_to(const struct posting_tail *tail, uint32_t at, uint64_t key)
{
    while (at != 0 && tail->postings[at - 1].key != key) {
        at = tail->postings[at - 1].previous;
    }
    return at == 0 ? NULL : &tail->postings[at - 1];
}

const struct posting *posting_tail_first(const struct posting_tail *tail, uint64_t key)
{
    return tail->count == 0 ? NULL : skip_to(tail, tail->buckets[bucket_of(tail, key)], key);
}

const struct posting *posting_tail_next(const struct posting_tail *tail, const struct posting *posting)
{
    return skip_to(tail, posting->previous, posting->key);
}

const struct posting *posting_tail_walk(const struct posting_tail *tail, struct posting_walk *walk)
{
    while (walk->at == 0) {
        if (walk->bucket == (size_t)1 << tail->bucket_bits) {
            return NULL;
        }
        walk->at = tail->buckets[walk->bucket++];
    }
    const struct posting *posting = &tail->postings[walk->at - 1];
    walk->at = posting->previous;
    return posting;
}
