#ifndef HOLDFAST_BASE_ARENA_H
#define HOLDFAST_BASE_ARENA_H

#include <stddef.h>

#include "base/attributes.h"
#include "base/text.h"

/* Memory that belongs to a lifetime (a request, a batch): allocate freely, free all at once. Not thread-safe.
 * Allocation never returns NULL: out of memory ends the process with a log line (callers bound their input first). */
struct arena;

struct arena *arena_new(size_t chunk_bytes);           /* chunk_bytes: size of the first and of further chunks */
void *arena_alloc(struct arena *arena, size_t bytes);  /* aligned to 16, not zeroed */
void *arena_zalloc(struct arena *arena, size_t bytes); /* zeroed */
/* Zeroed array; ends the process where count * size overflows. */
void *arena_array(struct arena *arena, size_t count, size_t size);
struct text arena_text(struct arena *arena, struct text text); /* a copy, NUL-terminated behind its length */
struct text arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
size_t arena_bytes(const struct arena *arena); /* held from the system now */
void arena_clear(struct arena *arena);         /* forget everything; keeps the first chunk */
void arena_free(struct arena *arena);          /* takes NULL */

/* malloc, calloc, realloc that end the process instead of returning NULL. */
void *memory_alloc(size_t bytes);
void *memory_zalloc(size_t count, size_t size);
void *memory_grow(void *memory, size_t bytes);

#endif
