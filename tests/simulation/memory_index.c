#include "memory_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 64

size_t index_seek(const struct index *index, struct text key)
{
    size_t low = 0;
    size_t high = index->count;
    if (high > 0 && text_compare(index->entries[high - 1]->key, key) < 0) {
        return high; /* most keys are of times, or begin with one */
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (text_compare(index->entries[middle]->key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void *index_find(const struct index *index, struct text key)
{
    size_t place = index_seek(index, key);
    return place < index->count && text_equal(index->entries[place]->key, key) ? index->entries[place]->row : NULL;
}

void *index_row(const struct index *index, size_t place)
{
    assert(place < index->count);
    return index->entries[place]->row;
}

void index_add(struct index *index, struct arena *arena, struct text key, void *row)
{
    size_t place = index_seek(index, key);
    assert(place == index->count || !text_equal(index->entries[place]->key, key));
    if (index->count == index->capacity) {
        index->capacity = index->capacity == 0 ? CAPACITY_MIN : index->capacity * 2;
        index->entries = memory_grow(index->entries, index->capacity * sizeof(struct index_entry *));
    }
    struct index_entry *entry = arena_alloc(arena, sizeof(*entry));
    *entry = (struct index_entry){arena_text(arena, key), row};
    memmove(index->entries + place + 1, index->entries + place, (index->count - place) * sizeof(struct index_entry *));
    index->entries[place] = entry;
    index->count++;
}

void index_remove_places(struct index *index, size_t first, size_t count)
{
    assert(first + count <= index->count);
    if (count > 0) {
        memmove(index->entries + first, index->entries + first + count,
                (index->count - first - count) * sizeof(struct index_entry *));
        index->count -= count;
    }
}

bool index_remove(struct index *index, struct text key)
{
    size_t place = index_seek(index, key);
    if (place == index->count || !text_equal(index->entries[place]->key, key)) {
        return false;
    }
    index_remove_places(index, place, 1);
    return true;
}

void index_done(struct index *index)
{
    free(index->entries);
    *index = (struct index){NULL, 0, 0};
}

void key_clear(struct key *key)
{
    key->length = 0;
}

void key_add_last(struct key *key, struct text text)
{
    assert(key->length + text.length <= sizeof(key->bytes));
    if (text.length > 0) {
        memcpy(key->bytes + key->length, text.bytes, text.length);
        key->length += text.length;
    }
}

void key_add_text(struct key *key, struct text text)
{
    key_add_last(key, text);
    key_add_last(key, TEXT_LITERAL("\0"));
}

/* The highest byte first, negative ones before the others. */
void key_add_number(struct key *key, int64_t number)
{
    char bytes[sizeof(number)];
    uint64_t shifted = (uint64_t)number ^ (UINT64_C(1) << 63);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)(shifted >> (8 * (sizeof(bytes) - 1 - i)));
    }
    key_add_last(key, (struct text){bytes, sizeof(bytes)});
}

void key_add_id(struct key *key, const struct uuid *id)
{
    key_add_last(key, (struct text){(const char *)id->bytes, sizeof(id->bytes)});
}

struct text key_text(const struct key *key)
{
    return (struct text){key->bytes, key->length};
}

struct text key_of_number(struct key *key, int64_t number)
{
    key_clear(key);
    key_add_number(key, number);
    return key_text(key);
}

struct text key_of_time(struct key *key, int64_t time, const struct uuid *id)
{
    key_clear(key);
    key_add_number(key, time);
    key_add_id(key, id);
    return key_text(key);
}

bool key_begins_with(struct text key, const struct key *beginning)
{
    return key.length >= beginning->length && memcmp(key.bytes, beginning->bytes, beginning->length) == 0;
}

int64_t key_first_number(struct text key)
{
    uint64_t shifted = 0;
    assert(key.length >= sizeof(shifted));
    for (size_t i = 0; i < sizeof(shifted); i++) {
        shifted = shifted << 8 | (uint8_t)key.bytes[i];
    }
    return (int64_t)(shifted ^ (UINT64_C(1) << 63));
}
