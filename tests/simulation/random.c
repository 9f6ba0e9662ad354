#include "random.h"

#include <string.h>

void random_init(struct random *random, uint64_t seed)
{
    random->state = seed * UINT64_C(0x9e3779b97f4a7c15) + UINT64_C(0xd1b54a32d192ed03);
}

/* splitmix64 */
uint64_t random_next(struct random *random)
{
    uint64_t value = random->state += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

int64_t random_below(struct random *random, int64_t limit)
{
    return (int64_t)(random_next(random) % (uint64_t)limit);
}

int64_t random_between(struct random *random, int64_t least, int64_t most)
{
    return least + random_below(random, most - least + 1);
}

bool random_permille(struct random *random, int64_t permille)
{
    return random_below(random, 1000) < permille;
}

int64_t random_magnitude(struct random *random, int64_t most)
{
    int bits = 1;
    while ((INT64_C(1) << bits) <= most) {
        bits++;
    }
    int64_t limit = INT64_C(1) << random_between(random, 1, bits);
    return 1 + random_below(random, limit - 1 < most ? limit - 1 : most);
}

void random_fill(void *context, void *bytes, size_t length)
{
    char *at = bytes;
    while (length > 0) {
        uint64_t value = random_next(context);
        size_t taken = length < sizeof(value) ? length : sizeof(value);
        memcpy(at, &value, taken);
        at += taken;
        length -= taken;
    }
}
