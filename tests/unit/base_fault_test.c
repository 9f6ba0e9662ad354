#include <string.h>

#include "cmocka_all.h"

#include "base/fault.h"

static void setting_a_fault_returns_false_and_fills_it(void **state)
{
    (void)state;
    struct fault fault = {0};
    assert_false(fault_set(&fault, FAULT_UNAVAILABLE, "disk %s: %d", "full", 28));
    assert_int_equal(fault.kind, FAULT_UNAVAILABLE);
    assert_string_equal(fault.detail, "disk full: 28");
}

static void a_fault_may_be_wrapped_in_its_own_words(void **state)
{
    (void)state;
    struct fault fault = {0};
    (void)fault_set(&fault, FAULT_TIMEOUT, "too slow");
    (void)fault_set(&fault, fault.kind, "reading orders: %s", fault.detail);
    assert_int_equal(fault.kind, FAULT_TIMEOUT);
    assert_string_equal(fault.detail, "reading orders: too slow");
}

static void a_long_detail_is_cut(void **state)
{
    (void)state;
    struct fault fault = {0};
    (void)fault_set(&fault, FAULT_INTERNAL, "%01000d", 1);
    assert_int_equal(strlen(fault.detail), sizeof(fault.detail) - 1);
}

static void every_kind_has_a_name(void **state)
{
    (void)state;
    for (int kind = FAULT_NONE; kind <= FAULT_INTERNAL; kind++) {
        assert_non_null(fault_kind_name((enum fault_kind)kind));
    }
    assert_string_equal(fault_kind_name(FAULT_OUTCOME_UNKNOWN), "outcome_unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_a_fault_returns_false_and_fills_it),
        cmocka_unit_test(a_fault_may_be_wrapped_in_its_own_words),
        cmocka_unit_test(a_long_detail_is_cut),
        cmocka_unit_test(every_kind_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
