#include <stdlib.h>

#include "base/arena.h"
#include "cli/rush.h"

/* Units taken (+) or given back (-) at a time. */
struct change {
    int64_t at_ms;
    int64_t units;
};

/* At one and the same time the returns come first: a hold that ends at t is free for an order at t. */
static int compare_changes(const void *left, const void *right)
{
    const struct change *a = left;
    const struct change *b = right;
    if (a->at_ms != b->at_ms) {
        return a->at_ms < b->at_ms ? -1 : 1;
    }
    return (a->units > b->units) - (a->units < b->units);
}

static int compare_numbers(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

int64_t rush_tally_peak(const struct rush_order *orders, size_t count, int64_t quantity)
{
    struct change *changes = memory_zalloc(3 * count + 1, sizeof(*changes));
    size_t change_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct rush_order *order = &orders[i];
        changes[change_count++] = (struct change){order->created_ms, quantity};
        if (order->fate == RUSH_FATE_EXPIRED || order->revived_ms != 0) {
            changes[change_count++] = (struct change){order->expires_ms, -quantity};
        }
        if (order->revived_ms != 0) {
            changes[change_count++] = (struct change){order->revived_ms, quantity};
        }
    }
    qsort(changes, change_count, sizeof(*changes), compare_changes);
    int64_t units = 0;
    int64_t peak = 0;
    for (size_t i = 0; i < change_count; i++) {
        units += changes[i].units;
        peak = units > peak ? units : peak;
    }
    free(changes);
    return peak;
}

static int64_t percentile(const int64_t *sorted, size_t count, unsigned percent)
{
    return count == 0 ? 0 : sorted[(count - 1) * percent / 100];
}

static int64_t difference(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

static void tally_orders(const struct rush *rush, struct rush_tally *tally, int64_t *ret_paid_units,
                         int64_t *ret_held_units)
{
    for (size_t i = 0; i < rush->placed; i++) {
        const struct rush_order *order = &rush->orders[i];
        bool is_paid = order->fate == RUSH_FATE_PAID;
        bool is_wrong = is_paid ? !order->is_paid && !order->is_pay_unclear : order->is_paid;
        tally->unchecked += order->fate == RUSH_FATE_UNKNOWN;
        tally->expired += order->fate == RUSH_FATE_EXPIRED;
        tally->held += order->fate == RUSH_FATE_HELD;
        tally->lost += order->fate == RUSH_FATE_LOST || order->fate == RUSH_FATE_OTHER ||
                       (is_wrong && order->fate != RUSH_FATE_UNKNOWN);
        *ret_paid_units += is_paid ? rush->settings->quantity : 0;
        *ret_held_units += order->fate == RUSH_FATE_HELD ? rush->settings->quantity : 0;
    }
}

void rush_tally_make(struct rush *rush, struct rush_tally *ret_tally)
{
    struct rush_tally tally = {0};
    int64_t paid_units = 0;
    int64_t held_units = 0;
    tally_orders(rush, &tally, &paid_units, &held_units);

    int64_t stock = rush->stock_before.stock_quantity;
    int64_t peak = rush_tally_peak(rush->orders, rush->placed, rush->settings->quantity);
    tally.oversold = peak > stock ? peak - stock : 0;
    if (rush->has_stock_after && rush->stock_after.reserved_quantity > rush->stock_after.stock_quantity) {
        tally.oversold += rush->stock_after.reserved_quantity - rush->stock_after.stock_quantity;
    }
    /* Orders whose answer never came may have been placed all the same: then nothing can be said. */
    if (rush->owns_sku && rush->has_stock_after && rush->errors == 0 && tally.unchecked == 0) {
        tally.unexplained = difference(rush->stock_after.stock_quantity, stock - paid_units) +
                            difference(rush->stock_after.reserved_quantity, held_units);
    }

    qsort(rush->latencies_us, rush->latency_count, sizeof(*rush->latencies_us), compare_numbers);
    tally.latency_p50_us = percentile(rush->latencies_us, rush->latency_count, 50);
    tally.latency_p99_us = percentile(rush->latencies_us, rush->latency_count, 99);
    tally.latency_max_us = percentile(rush->latencies_us, rush->latency_count, 100);
    int64_t took_us = rush->last_answer_us - rush->started_us;
    tally.orders_per_second = took_us > 0 ? (double)rush->latency_count * 1e6 / (double)took_us : 0;
    *ret_tally = tally;
}

bool rush_tally_is_good(const struct rush *rush, const struct rush_tally *tally)
{
    return tally->oversold == 0 && tally->lost == 0 && tally->unexplained == 0 && tally->unchecked == 0 &&
           rush->errors == 0;
}
