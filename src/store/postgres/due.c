#include "base/clock.h"
#include "store/postgres/postgres_internal.h"
#include "store/postgres/rows.h"
#include "store/postgres/values.h"

#define FULL_LOOK_US INT64_C(30000000)
#define WIDE_LOOK_US INT64_C(1000000) /* in between, further back than from_ms */
#define WIDE_LOOK_MS 15000            /* by so much: as long as an exchange may take */
#define HORIZON_MS 100                /* deadlines so close are asked for with those that have passed */

/* All deadlines up to $1, and the one behind them, however far. $3: there is none before. Without that bound every look
 * would walk over all timeouts that have ended since the oldest snapshot of the database was taken (a backup, an
 * audit). */
#define EARLIEST(condition, limit) \
    "(SELECT order_id, run_at FROM payment_timeouts WHERE " condition " ORDER BY run_at, order_id LIMIT " limit ")"
static const struct statement SELECT_DUE = {
    "select_due", EARLIEST("run_at BETWEEN $3::timestamptz AND $1::timestamptz", "$2::bigint") " UNION ALL " EARLIEST(
                      "run_at > greatest($3, $1)", "1") " ORDER BY run_at, order_id"};
static const struct statement SELECT_CLOCK = {"select_clock", "SELECT clock_timestamp(), live_holds FROM counters"};

int64_t postgres_now(const struct store *store)
{
    if (store->unix_ms != NULL) {
        return store->unix_ms();
    }
    return (clock_monotonic_us() + atomic_load_explicit(&store->clock_offset_us, memory_order_relaxed)) / 1000;
}

void store_set_clock(struct store *store, int64_t database_unix_us)
{
    atomic_store_explicit(&store->clock_offset_us, database_unix_us - clock_monotonic_us(), memory_order_relaxed);
}

int64_t store_advance(struct store *store)
{
    clock_advance(postgres_now(store), &store->now_ms, &store->clock_ahead_ms);
    return store->now_ms;
}

static size_t queue_due_until(struct store *store, int64_t until_ms)
{
    struct parameters *parameters = session_parameters(store->session);
    int64_t now_us = clock_monotonic_us();
    store->due.asked_until_ms = until_ms;
    if (now_us >= store->due.full_look_us) {
        store->due.full_look_us = now_us + FULL_LOOK_US;
        store->due.from_ms = 0;
    } else if (now_us >= store->due.wide_look_us) {
        store->due.wide_look_us = now_us + WIDE_LOOK_US;
        store->due.from_ms -= WIDE_LOOK_MS;
    }
    parameter_time(parameters, until_ms);
    parameter_int64(parameters, DUE_MAX + 1);
    parameter_time(parameters, store->due.from_ms);
    return session_queue(store->session, &SELECT_DUE);
}

size_t store_queue_due(struct store *store)
{
    return queue_due_until(store, postgres_now(store) + HORIZON_MS);
}

void store_take_due(struct store *store, const PGresult *result)
{
    struct due_list *due = &store->due;
    size_t count = (size_t)PQntuples(result);
    due->is_cut = count > DUE_MAX;
    due->count = due->is_cut ? DUE_MAX : count;
    for (size_t i = 0; i < due->count; i++) {
        due->ids[i] = value_uuid(result, (int)i, 0);
        due->run_at_ms[i] = value_unix_ms(result, (int)i, 1);
    }
    /* New holds end in the future. One whose commit took longer than it lasts may end before; the next wide look has
     * it. */
    int64_t now_ms = postgres_now(store);
    due->from_ms = due->count > 0 && due->run_at_ms[0] < now_ms ? due->run_at_ms[0] : now_ms;
    due->until_ms = due->is_cut ? due->run_at_ms[DUE_MAX - 1] : due->asked_until_ms;
    due->is_known = true;
    due->is_fresh = true;
}

static bool look_until(struct store *store, int64_t until_ms, struct fault *fault)
{
    size_t looked = queue_due_until(store, until_ms);
    (void)session_parameters(store->session);
    size_t timed = session_queue(store->session, &SELECT_CLOCK);
    if (!session_exchange(store->session, fault)) {
        store->due.is_known = false;
        return false;
    }
    const PGresult *clock = session_result(store->session, timed);
    store_set_clock(store, time_to_unix_us(value_int64(clock, 0, 0)));
    atomic_store_explicit(&store->live_holds, value_int64(clock, 0, 1), memory_order_relaxed);
    store_take_due(store, session_result(store->session, looked));
    return true;
}

bool store_look(struct store *store, struct fault *fault)
{
    return look_until(store, postgres_now(store) + HORIZON_MS, fault);
}

/* After a commit it is known already; else it is asked for, which also keeps an idle session alive and finds what other
 * servers have added. */
bool postgres_next_due(struct store *store, int64_t *ret_due_ms, struct fault *fault)
{
    if (!postgres_get_ready(store, fault) || !store_connect(store, fault)) {
        return false;
    }
    if (!(store->due.is_known && store->due.is_fresh) && !store_look(store, fault)) {
        return false;
    }
    store->due.is_fresh = false;
    *ret_due_ms = store->due.count == 0 ? INT64_MAX : store->due.run_at_ms[0];
    return true;
}

bool postgres_batch_due(struct store *store, int64_t now_ms, size_t max, struct uuid *ret_ids, size_t *ret_count,
                        bool *ret_more, struct fault *fault)
{
    struct due_list *due = &store->due;
    size_t count = 0;
    bool is_enough = due->is_known && (due->until_ms >= now_ms || (due->is_cut && due->count >= max));
    if (!is_enough && !look_until(store, now_ms + HORIZON_MS, fault)) {
        /* A connection that was lost while nobody used it is nobody's news; connecting looks, too. */
        bool may_repeat = !session_is_connected(store->session) && !store->has_begun;
        if (!may_repeat || !store_connect(store, fault)) {
            return false;
        }
    }
    while (count < due->count && count < max && due->run_at_ms[count] <= now_ms) {
        ret_ids[count] = due->ids[count];
        count++;
    }
    *ret_count = count;
    *ret_more = count < due->count ? due->run_at_ms[count] <= now_ms : due->is_cut;
    return true;
}
