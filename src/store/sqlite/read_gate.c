#include "store/sqlite/read_gate.h"

#include <assert.h>
#include <time.h>

#include "base/clock.h"

void read_gate_init(struct read_gate *gate)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&gate->opened, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&gate->mutex, NULL);
    gate->inside = 0;
    gate->closed_until_us = 0;
}

void read_gate_done(struct read_gate *gate)
{
    assert(gate->inside == 0);
    (void)pthread_cond_destroy(&gate->opened);
    (void)pthread_mutex_destroy(&gate->mutex);
}

void read_gate_enter(struct read_gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);
    while (clock_monotonic_us() < gate->closed_until_us) {
        struct timespec until = {.tv_sec = gate->closed_until_us / 1000000,
                                 .tv_nsec = gate->closed_until_us % 1000000 * 1000};
        (void)pthread_cond_timedwait(&gate->opened, &gate->mutex, &until);
    }
    gate->inside++;
    (void)pthread_mutex_unlock(&gate->mutex);
}

void read_gate_leave(struct read_gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);
    assert(gate->inside > 0);
    gate->inside--;
    (void)pthread_mutex_unlock(&gate->mutex);
}

void read_gate_close(struct read_gate *gate, int64_t until_us)
{
    (void)pthread_mutex_lock(&gate->mutex);
    gate->closed_until_us = until_us;
    (void)pthread_mutex_unlock(&gate->mutex);
}

void read_gate_open(struct read_gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);
    gate->closed_until_us = 0;
    (void)pthread_cond_broadcast(&gate->opened);
    (void)pthread_mutex_unlock(&gate->mutex);
}

bool read_gate_is_empty(struct read_gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);
    bool empty = gate->inside == 0;
    (void)pthread_mutex_unlock(&gate->mutex);
    return empty;
}
