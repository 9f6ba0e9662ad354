#ifndef HOLDFAST_TESTS_SIMULATION_RANDOM_H
#define HOLDFAST_TESTS_SIMULATION_RANDOM_H

/* All chance in a simulation comes from one seed. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

void random_init(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
int64_t random_below(struct random *random, int64_t limit);                 /* 0 .. limit - 1 */
int64_t random_between(struct random *random, int64_t least, int64_t most); /* both may come */
bool random_permille(struct random *random, int64_t permille);
/* As many small as large magnitudes: 1 .. most. */
int64_t random_magnitude(struct random *random, int64_t most);
/* For a uuid_source; the context is the generator. */
void random_fill(void *context, void *bytes, size_t length);

#endif
