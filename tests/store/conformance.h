#ifndef HOLDFAST_TESTS_STORE_CONFORMANCE_H
#define HOLDFAST_TESTS_STORE_CONFORMANCE_H

/* What every store must do, whatever it is made of. */

#include "harness.h"

int conformance_run(const struct store_under_test *under_test); /* the number of tests that failed */

/* As cmocka fixtures: *state is a harness on a fresh store of the kind under test. */
int conformance_setup(void **state);
int conformance_teardown(void **state);
#define ON_FRESH_STORE(test) cmocka_unit_test_setup_teardown(test, conformance_setup, conformance_teardown)

/* The same, and it is a struct servers (servers.h). */
int conformance_servers_setup(void **state);
int conformance_servers_teardown(void **state);
#define ON_TWO_SERVERS(test) \
    cmocka_unit_test_setup_teardown(test, conformance_servers_setup, conformance_servers_teardown)

extern const struct CMUnitTest CONFORMANCE_BATCH_TESTS[];
extern const size_t CONFORMANCE_BATCH_TEST_COUNT;
extern const struct CMUnitTest CONFORMANCE_READ_TESTS[];
extern const size_t CONFORMANCE_READ_TEST_COUNT;
extern const struct CMUnitTest CONFORMANCE_JOB_TESTS[];
extern const size_t CONFORMANCE_JOB_TEST_COUNT;
extern const struct CMUnitTest CONFORMANCE_WEBHOOK_TESTS[];
extern const size_t CONFORMANCE_WEBHOOK_TEST_COUNT;
extern const struct CMUnitTest CONFORMANCE_SHARED_TESTS[]; /* of stores that are no server's alone */
extern const size_t CONFORMANCE_SHARED_TEST_COUNT;
extern const struct CMUnitTest CONFORMANCE_SHARED_JOB_TESTS[];
extern const size_t CONFORMANCE_SHARED_JOB_TEST_COUNT;

#endif
