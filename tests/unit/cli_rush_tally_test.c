#include "cli/rush.h"
#include "cmocka_all.h"

static struct rush_order held(int64_t created_ms, int64_t expires_ms)
{
    return (struct rush_order){.created_ms = created_ms, .expires_ms = expires_ms, .fate = RUSH_FATE_HELD};
}

static struct rush_order expired(int64_t created_ms, int64_t expires_ms)
{
    return (struct rush_order){.created_ms = created_ms, .expires_ms = expires_ms, .fate = RUSH_FATE_EXPIRED};
}

static struct rush_order paid(int64_t created_ms)
{
    return (struct rush_order){
        .created_ms = created_ms, .expires_ms = created_ms + 100, .fate = RUSH_FATE_PAID, .is_paid = true};
}

static struct rush rush_of(const struct rush_settings *settings, struct rush_order *orders, size_t count, int64_t stock)
{
    static int64_t no_latencies[1];
    return (struct rush){
        .settings = settings,
        .orders = orders,
        .placed = count,
        .stock_before = {stock, 0},
        .latencies_us = no_latencies,
    };
}

static void units_that_came_back_can_be_sold_again(void **state)
{
    (void)state;
    const struct rush_order orders[] = {expired(0, 100), paid(100), held(150, 250)};
    assert_int_equal(rush_tally_peak(orders, 3, 2), 4);
}

static void units_sold_twice_at_one_time_are_oversold_even_if_one_expired_later(void **state)
{
    (void)state;
    const struct rush_settings settings = {.quantity = 1};
    struct rush_order orders[] = {expired(0, 100), paid(99)};
    struct rush rush = rush_of(&settings, orders, 2, 1);
    struct rush_tally tally;
    rush_tally_make(&rush, &tally);
    assert_int_equal(tally.oversold, 1);
    assert_false(rush_tally_is_good(&rush, &tally));
}

static void a_revived_order_takes_its_units_again_when_it_is_paid(void **state)
{
    (void)state;
    struct rush_order revived = paid(0);
    revived.revived_ms = 300;
    const struct rush_order apart[] = {revived, expired(100, 300)};
    const struct rush_order together[] = {revived, expired(100, 301)};
    assert_int_equal(rush_tally_peak(apart, 2, 1), 1);
    assert_int_equal(rush_tally_peak(together, 2, 1), 2);
}

static void a_confirmed_order_that_is_gone_or_unpaid_is_lost(void **state)
{
    (void)state;
    const struct rush_settings settings = {.quantity = 1};
    struct rush_order gone = held(0, 100);
    gone.fate = RUSH_FATE_LOST;
    struct rush_order unpaid = paid(0);
    unpaid.fate = RUSH_FATE_EXPIRED;
    struct rush_order paid_by_nobody = paid(0);
    paid_by_nobody.is_paid = false;
    struct rush_order orders[] = {gone, unpaid, paid_by_nobody, paid(0), held(0, 100)};
    struct rush rush = rush_of(&settings, orders, 5, 100);
    struct rush_tally tally;
    rush_tally_make(&rush, &tally);
    assert_int_equal(tally.lost, 3);
    assert_int_equal(tally.held, 1);
    assert_false(rush_tally_is_good(&rush, &tally));
}

static void a_payment_without_a_clear_answer_may_have_worked_or_not(void **state)
{
    (void)state;
    const struct rush_settings settings = {.quantity = 1};
    struct rush_order worked = paid(0);
    worked.is_paid = false;
    worked.is_pay_unclear = true;
    struct rush_order did_not = expired(0, 100);
    did_not.is_pay_unclear = true;
    struct rush_order orders[] = {worked, did_not};
    struct rush rush = rush_of(&settings, orders, 2, 2);
    struct rush_tally tally;
    rush_tally_make(&rush, &tally);
    assert_int_equal(tally.lost, 0);
}

static void an_own_products_stock_must_be_explained_by_its_orders(void **state)
{
    (void)state;
    const struct rush_settings settings = {.quantity = 2};
    struct rush_order orders[] = {paid(0), held(0, 100)};
    struct rush rush = rush_of(&settings, orders, 2, 10);
    struct rush_tally tally;
    rush.owns_sku = true;
    rush.has_stock_after = true;
    rush.stock_after = (struct rush_stock){8, 2};
    rush_tally_make(&rush, &tally);
    assert_int_equal(tally.unexplained, 0);
    assert_true(rush_tally_is_good(&rush, &tally));
    rush.stock_after = (struct rush_stock){8, 4};
    rush_tally_make(&rush, &tally);
    assert_int_equal(tally.unexplained, 2);
    assert_false(rush_tally_is_good(&rush, &tally));
}

static void percentiles_are_of_all_answers(void **state)
{
    (void)state;
    const struct rush_settings settings = {.quantity = 1};
    int64_t latencies[200];
    for (size_t i = 0; i < 200; i++) {
        latencies[i] = (int64_t)(200 - i);
    }
    struct rush rush = rush_of(&settings, NULL, 0, 0);
    rush.latencies_us = latencies;
    rush.latency_count = 200;
    rush.last_answer_us = 1000000;
    struct rush_tally tally;
    rush_tally_make(&rush, &tally);
    assert_int_equal(tally.latency_p50_us, 100);
    assert_int_equal(tally.latency_p99_us, 198);
    assert_int_equal(tally.latency_max_us, 200);
    assert_true(tally.orders_per_second == 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_that_came_back_can_be_sold_again),
        cmocka_unit_test(units_sold_twice_at_one_time_are_oversold_even_if_one_expired_later),
        cmocka_unit_test(a_revived_order_takes_its_units_again_when_it_is_paid),
        cmocka_unit_test(a_confirmed_order_that_is_gone_or_unpaid_is_lost),
        cmocka_unit_test(a_payment_without_a_clear_answer_may_have_worked_or_not),
        cmocka_unit_test(an_own_products_stock_must_be_explained_by_its_orders),
        cmocka_unit_test(percentiles_are_of_all_answers),
    };
    return cmocka_run_group_tests_name("cli_rush_tally", tests, NULL, NULL);
}
