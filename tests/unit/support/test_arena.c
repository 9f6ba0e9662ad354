#include "support/test_arena.h"

struct arena *arena;

int make_arena(void **state)
{
    (void)state;
    arena = arena_new(4096);
    return 0;
}

int free_arena(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}
