#ifndef HOLDFAST_TESTS_SIMULATION_MEMORY_INDEX_H
#define HOLDFAST_TESTS_SIMULATION_MEMORY_INDEX_H

/* An index: rows in the order of their keys, which are bytes. One kind of container is enough for all tables: what a
 * database would order by several columns has their values one behind the other in its key. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/uuid.h"

struct index_entry {
    struct text key;
    void *row;
};

struct index {
    struct index_entry **entries; /* ascending */
    size_t count;
    size_t capacity;
};

void *index_find(const struct index *index, struct text key);  /* NULL where there is none */
size_t index_seek(const struct index *index, struct text key); /* the place of the first that is not before */
void *index_row(const struct index *index, size_t place);
/* The key, which is not there yet, is copied into the arena. */
void index_add(struct index *index, struct arena *arena, struct text key, void *row);
bool index_remove(struct index *index, struct text key); /* false: it was not there */
void index_remove_places(struct index *index, size_t first, size_t count);
void index_done(struct index *index);

/* A key of several parts, in the order in which they are added. No text has a NUL. */
#define KEY_BYTES_MAX 1024
struct key {
    size_t length;
    char bytes[KEY_BYTES_MAX];
};

void key_clear(struct key *key);
void key_add_text(struct key *key, struct text text); /* ended: shorter ones come first */
void key_add_last(struct key *key, struct text text); /* not ended */
void key_add_number(struct key *key, int64_t number);
void key_add_id(struct key *key, const struct uuid *id);
struct text key_text(const struct key *key);
struct text key_of_number(struct key *key, int64_t number);
struct text key_of_time(struct key *key, int64_t time, const struct uuid *id);
bool key_begins_with(struct text key, const struct key *beginning);
int64_t key_first_number(struct text key); /* of one that begins with it */

#endif
