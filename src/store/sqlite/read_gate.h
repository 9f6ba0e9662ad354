#ifndef HOLDFAST_STORE_SQLITE_READ_GATE_H
#define HOLDFAST_STORE_SQLITE_READ_GATE_H

/* What every read passes. SQLite starts its log again from the beginning only at a moment when no reader uses it; under
 * steady reading that moment may never come and the log grows without end. Closing the gate makes it come: reads that
 * are inside finish, new ones wait (but not for long, whatever becomes of whoever closed it), and the writer never waits
 * for either. */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct read_gate {
    pthread_mutex_t mutex;
    pthread_cond_t opened;
    size_t inside;
    int64_t closed_until_us; /* on the monotonic clock; in the past: open */
};

void read_gate_init(struct read_gate *gate);
void read_gate_done(struct read_gate *gate);
void read_gate_enter(struct read_gate *gate); /* waits while it is closed */
void read_gate_leave(struct read_gate *gate);
void read_gate_close(struct read_gate *gate, int64_t until_us); /* it opens then by itself */
void read_gate_open(struct read_gate *gate);
bool read_gate_is_empty(struct read_gate *gate);

#endif
