#ifndef HOLDFAST_TESTS_UNIT_SUPPORT_TEST_ARENA_H
#define HOLDFAST_TESTS_UNIT_SUPPORT_TEST_ARENA_H

/* An arena for each test: make_arena and free_arena are cmocka's setup and teardown. */

#include "base/arena.h"

extern struct arena *arena;

int make_arena(void **state);
int free_arena(void **state);

#endif
