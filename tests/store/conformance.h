#ifndef HOLDFAST_TESTS_STORE_CONFORMANCE_H
#define HOLDFAST_TESTS_STORE_CONFORMANCE_H

/* What every store must do, whatever it is made of. Returns the number of failed tests. */

#include "harness.h"

int conformance_batches(const struct store_under_test *under_test);
int conformance_reads(const struct store_under_test *under_test);

/* As cmocka fixtures: *state is a fresh harness on the store under test. */
extern const struct store_under_test *store_under_test;
int setup_harness(void **state);
int teardown_harness(void **state);
#define ON_FRESH_STORE(test) cmocka_unit_test_setup_teardown(test, setup_harness, teardown_harness)

#endif
