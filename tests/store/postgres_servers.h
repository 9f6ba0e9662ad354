#ifndef HOLDFAST_TESTS_STORE_POSTGRES_SERVERS_H
#define HOLDFAST_TESTS_STORE_POSTGRES_SERVERS_H

#include "servers.h"

/* As cmocka fixtures: *state is a struct servers. */
int servers_setup(void **state);
int servers_teardown(void **state);
#define WITH_TWO_SERVERS(test) cmocka_unit_test_setup_teardown(test, servers_setup, servers_teardown)

#endif
