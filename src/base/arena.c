#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Under AddressSanitizer the free part of a chunk is poisoned, so that reading memory of a past request is caught. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#endif

#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

#define ARENA_ALIGNMENT 16u

struct chunk {
    struct chunk *next; /* older */
    size_t size;        /* of memory[] */
    size_t used;
    _Alignas(ARENA_ALIGNMENT) char memory[];
};

struct arena {
    size_t chunk_bytes;
    size_t bytes_held;
    struct chunk *current; /* newest first; the last of the list is the first chunk, which a clear keeps */
};

NORETURN static void die_out_of_memory(size_t bytes)
{
    /* Logging allocates, so this line is written by hand. */
    char line[128];
    int length = snprintf(line, sizeof(line),
                          "{\"level\":\"error\",\"event\":\"out_of_memory\",\"requested_bytes\":%zu}\n", bytes);
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)length);
    (void)ignored;
    abort();
}

void *memory_alloc(size_t bytes)
{
    void *memory = malloc(bytes > 0 ? bytes : 1);
    if (memory == NULL) {
        die_out_of_memory(bytes);
    }
    return memory;
}

void *memory_zalloc(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size > 0 ? size : 1);
    if (memory == NULL) {
        die_out_of_memory(size > 0 && count > SIZE_MAX / size ? SIZE_MAX : count * size);
    }
    return memory;
}

void *memory_grow(void *memory, size_t bytes)
{
    void *grown = realloc(memory, bytes > 0 ? bytes : 1);
    if (grown == NULL) {
        die_out_of_memory(bytes);
    }
    return grown;
}

static void arena_add_chunk(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX - sizeof(struct chunk)) {
        die_out_of_memory(size);
    }
    struct chunk *chunk = memory_alloc(sizeof(*chunk) + size);
    chunk->next = arena->current;
    chunk->size = size;
    chunk->used = 0;
    arena->current = chunk;
    arena->bytes_held += sizeof(*chunk) + size;
    ASAN_POISON_MEMORY_REGION(chunk->memory, chunk->size);
}

struct arena *arena_new(size_t chunk_bytes)
{
    assert(chunk_bytes > 0);
    struct arena *arena = memory_alloc(sizeof(*arena));
    *arena = (struct arena){.chunk_bytes = (chunk_bytes + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1)};
    arena_add_chunk(arena, arena->chunk_bytes);
    return arena;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX - ARENA_ALIGNMENT) {
        die_out_of_memory(bytes);
    }
    size_t needed = (bytes + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
    struct chunk *chunk = arena->current;
    if (needed > chunk->size - chunk->used) {
        arena_add_chunk(arena, needed > arena->chunk_bytes ? needed : arena->chunk_bytes);
        chunk = arena->current;
    }
    char *memory = chunk->memory + chunk->used;
    chunk->used += needed;
    ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
    return memory;
}

void *arena_zalloc(struct arena *arena, size_t bytes)
{
    return memset(arena_alloc(arena, bytes), 0, bytes);
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        die_out_of_memory(SIZE_MAX);
    }
    return arena_zalloc(arena, bytes);
}

struct text arena_text(struct arena *arena, struct text text)
{
    if (text.bytes == NULL) {
        return TEXT_ABSENT;
    }
    char *copy = arena_alloc(arena, text.length + 1);
    memcpy(copy, text.bytes, text.length);
    copy[text.length] = '\0';
    return (struct text){copy, text.length};
}

struct text arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_list again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(length >= 0);
    char *bytes = arena_alloc(arena, (size_t)length + 1);
    (void)vsnprintf(bytes, (size_t)length + 1, format, again);
    va_end(again);
    return (struct text){bytes, (size_t)length};
}

size_t arena_bytes(const struct arena *arena)
{
    return arena->bytes_held;
}

void arena_clear(struct arena *arena)
{
    while (arena->current->next != NULL) {
        struct chunk *chunk = arena->current;
        arena->current = chunk->next;
        arena->bytes_held -= sizeof(*chunk) + chunk->size;
        ASAN_UNPOISON_MEMORY_REGION(chunk->memory, chunk->size);
        free(chunk);
    }
    arena->current->used = 0;
    ASAN_POISON_MEMORY_REGION(arena->current->memory, arena->current->size);
}

void arena_free(struct arena *arena)
{
    if (arena == NULL) {
        return;
    }
    arena_clear(arena);
    ASAN_UNPOISON_MEMORY_REGION(arena->current->memory, arena->current->size);
    free(arena->current);
    free(arena);
}
