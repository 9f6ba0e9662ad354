#include "cmocka_all.h"

#include "domain/limits.h"
#include "domain/stock.h"

static void assert_level(const struct stock_level *level, int64_t stock, int64_t reserved, int64_t version)
{
    assert_int_equal(level->stock_quantity, stock);
    assert_int_equal(level->reserved_quantity, reserved);
    assert_int_equal(level->version, version);
}

static void reserve_release_and_convert_move_what_the_picture_says(void **state)
{
    (void)state;
    struct stock_level level = {.stock_quantity = 10, .version = 1};
    stock_reserve(&level, 10);
    assert_level(&level, 10, 10, 2);
    assert_int_equal(stock_available(&level), 0);
    stock_release(&level, 4);
    assert_level(&level, 10, 6, 3);
    stock_convert(&level, 6);
    assert_level(&level, 4, 0, 4);
    assert_int_equal(stock_available(&level), 4);
}

static void adjusting_stops_at_what_is_reserved_and_changes_nothing_below(void **state)
{
    (void)state;
    struct stock_level level = {.stock_quantity = 10, .reserved_quantity = 6, .version = 1};
    assert_false(stock_adjust(&level, -5));
    assert_level(&level, 10, 6, 1);
    assert_true(stock_adjust(&level, -4));
    assert_level(&level, 6, 6, 2);
    assert_false(stock_adjust(&level, -1));
    assert_false(stock_adjust(&level, INT64_MIN));
    assert_level(&level, 6, 6, 2);
}

static void adjusting_stops_at_the_largest_stock(void **state)
{
    (void)state;
    struct stock_level level = {.stock_quantity = 1, .version = 1};
    assert_false(stock_adjust(&level, INT64_MAX));
    assert_false(stock_adjust(&level, STOCK_QUANTITY_MAX));
    assert_level(&level, 1, 0, 1);
    assert_true(stock_adjust(&level, STOCK_QUANTITY_MAX - 1));
    assert_level(&level, STOCK_QUANTITY_MAX, 0, 2);
}

static void clients_give_no_reason_that_is_the_engines_own(void **state)
{
    (void)state;
    assert_false(movement_reason_is_for_clients(MOVEMENT_INITIAL));
    assert_false(movement_reason_is_for_clients(MOVEMENT_SALE));
    assert_true(movement_reason_is_for_clients(MOVEMENT_RESTOCK));
    assert_true(movement_reason_is_for_clients(MOVEMENT_CORRECTION));
    assert_true(movement_reason_is_for_clients(MOVEMENT_RETURN));
    assert_true(movement_reason_is_for_clients(MOVEMENT_DAMAGE));
    assert_true(movement_reason_is_for_clients(MOVEMENT_OTHER));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reserve_release_and_convert_move_what_the_picture_says),
        cmocka_unit_test(adjusting_stops_at_what_is_reserved_and_changes_nothing_below),
        cmocka_unit_test(adjusting_stops_at_the_largest_stock),
        cmocka_unit_test(clients_give_no_reason_that_is_the_engines_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
