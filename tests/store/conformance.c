#include "conformance.h"

#include <stdlib.h>
#include <string.h>

#include "servers.h"

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

int conformance_servers_setup(void **state)
{
    *state = servers_open(store_under_test);
    return 0;
}

int conformance_servers_teardown(void **state)
{
    servers_close(*state);
    return 0;
}

/* One group, since a test program speaks one TAP stream. */
int conformance_run(const struct store_under_test *under_test)
{
    const struct {
        const struct CMUnitTest *tests;
        size_t count;
    } parts[] = {
        {CONFORMANCE_BATCH_TESTS, CONFORMANCE_BATCH_TEST_COUNT},
        {CONFORMANCE_READ_TESTS, CONFORMANCE_READ_TEST_COUNT},
        {CONFORMANCE_JOB_TESTS, CONFORMANCE_JOB_TEST_COUNT},
        {CONFORMANCE_WEBHOOK_TESTS, CONFORMANCE_WEBHOOK_TEST_COUNT},
        {CONFORMANCE_SHARED_TESTS, under_test->ops->embedded ? 0 : CONFORMANCE_SHARED_TEST_COUNT},
        {CONFORMANCE_SHARED_JOB_TESTS, under_test->ops->embedded ? 0 : CONFORMANCE_SHARED_JOB_TEST_COUNT},
    };
    size_t part_count = sizeof(parts) / sizeof(parts[0]);
    size_t count = 0;
    for (size_t i = 0; i < part_count; i++) {
        count += parts[i].count;
    }
    struct CMUnitTest *tests = memory_zalloc(count, sizeof(*tests));
    size_t at = 0;
    for (size_t i = 0; i < part_count; i++) {
        memcpy(tests + at, parts[i].tests, parts[i].count * sizeof(*tests));
        at += parts[i].count;
    }
    store_under_test = under_test;
    int failed = _cmocka_run_group_tests(under_test->ops->name, tests, count, NULL, NULL);
    free(tests);
    return failed;
}
