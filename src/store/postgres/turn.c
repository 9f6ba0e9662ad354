/* Servers that want the same rows take turns. One that only waits for its rows' locks has taken its batch already, and
 * goes through with half of what has gathered when it gets them; one that waits first and takes then writes all of it.
 * It costs a round trip, so it is done only while others are met. */

#include <assert.h>

#include "base/clock.h"
#include "store/postgres/postgres_internal.h"

#define TAKE_TURNS_US 1000000
/* What loading takes where nobody is waited for; more than that was a wait. */
#define LOAD_US 2000
#define LOAD_ROW_US 30
#define TURN_US 1000
#define IMPATIENT_US INT64_C(5000000) /* after a lock that was waited for in vain */

static const struct statement TURN = {"turn", "SELECT pg_advisory_xact_lock(1215261797, hashtext(current_schema()))"};

void store_note_load(struct store *store, int64_t load_us, size_t row_count)
{
    if (!store->in_turn && load_us > LOAD_US + LOAD_ROW_US * (int64_t)row_count) {
        store->take_turns_until_us = clock_monotonic_us() + TAKE_TURNS_US;
    }
}

void store_note_fault(struct store *store, enum fault_kind kind)
{
    if (kind == FAULT_CONFLICT) {
        store->take_turns_until_us = clock_monotonic_us() + TAKE_TURNS_US;
    } else if (kind == FAULT_TIMEOUT) {
        store->impatient_until_us = clock_monotonic_us() + IMPATIENT_US;
    }
}

bool store_meets_others(const struct store *store)
{
    return clock_monotonic_us() < store->take_turns_until_us;
}

void postgres_await_turn(struct store *store)
{
    struct fault ignored;
    assert(!store->in_batch && !store->has_begun);
    int64_t begin_us = clock_monotonic_us();
    if (!store_meets_others(store) || store->connection != session_connection_number(store->session) ||
        !session_is_connected(store->session)) {
        return;
    }
    batch_queue_begin(store);
    (void)session_parameters(store->session);
    (void)session_queue(store->session, &TURN);
    store->has_turn = session_exchange(store->session, &ignored);
    int64_t end_us = clock_monotonic_us();
    if (!store->has_turn) { /* somebody's takes too long: go without */
        batch_abandon(store);
        store->take_turns_until_us = 0;
    } else if (end_us - begin_us > TURN_US) {
        store->take_turns_until_us = end_us + TAKE_TURNS_US;
    }
    store->has_begun = false; /* the batch that follows takes it over */
}
