#include "store/sqlite/read_gate.h"

#include <assert.h>
#include <time.h>

void read_gate_init(struct read_gate *gate)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&gate->opened, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&gate->mutex, NULL);
    gate->inside = 0;
    gate->closed = false;
}

void read_gate_done(struct read_gate *gate)
{
    assert(gate->inside == 0);
    (void)pthread_cond_destroy(&gate->opened);
    (void)pthread_mutex_destroy(&gate->mutex);
}

bool read_gate_enter(struct read_gate *gate, int64_t wait_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }

    (void)pthread_mutex_lock(&gate->mutex);
    int waited = 0;
    while (gate->closed && waited == 0) {
        waited = pthread_cond_timedwait(&gate->opened, &gate->mutex, &until);
    }
    bool entered = !gate->closed;
    if (entered) {
        gate->inside++;
    }
    (void)pthread_mutex_unlock(&gate->mutex);
    return entered;
}

void read_gate_leave(struct read_gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);
    assert(gate->inside > 0);
    gate->inside--;
    (void)pthread_mutex_unlock(&gate->mutex);
}

void read_gate_close(struct read_gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);
    gate->closed = true;
    (void)pthread_mutex_unlock(&gate->mutex);
}

void read_gate_open(struct read_gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);
    gate->closed = false;
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
