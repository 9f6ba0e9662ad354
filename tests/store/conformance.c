#include "conformance.h"

#include <stdlib.h>
#include <string.h>

static const struct store_under_test *store_under_test;

int conformance_setup(void **state)
{
    *state = harness_open(store_under_test);
    return 0;
}

int conformance_teardown(void **state)
{
    harness_close(*state);
    return 0;
}

/* One group, since a test program speaks one TAP stream. */
int conformance_run(const struct store_under_test *under_test)
{
    size_t count = CONFORMANCE_BATCH_TEST_COUNT + CONFORMANCE_READ_TEST_COUNT;
    struct CMUnitTest *tests = memory_zalloc(count, sizeof(*tests));
    memcpy(tests, CONFORMANCE_BATCH_TESTS, CONFORMANCE_BATCH_TEST_COUNT * sizeof(*tests));
    memcpy(tests + CONFORMANCE_BATCH_TEST_COUNT, CONFORMANCE_READ_TESTS, CONFORMANCE_READ_TEST_COUNT * sizeof(*tests));
    store_under_test = under_test;
    int failed = _cmocka_run_group_tests(under_test->ops->name, tests, count, NULL, NULL);
    free(tests);
    return failed;
}
