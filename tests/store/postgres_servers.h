#ifndef HOLDFAST_TESTS_STORE_POSTGRES_SERVERS_H
#define HOLDFAST_TESTS_STORE_POSTGRES_SERVERS_H

/* Two servers on one database: the harness is of the one whose turn it is. */

#include "harness.h"

/* What the harness has of a server whose turn it is not. */
struct server_side {
    struct store *store;
    struct arena *arena;
    struct wanted wanted;
    struct facts facts;
};

struct servers {
    struct harness *harness;
    struct server_side other;
};

void change_turns(struct servers *servers);
bool save_and_commit(struct harness *harness) MUST_USE; /* the batch that is decided */

/* As cmocka fixtures: *state is a struct servers. */
int servers_setup(void **state);
int servers_teardown(void **state);
#define WITH_TWO_SERVERS(test) cmocka_unit_test_setup_teardown(test, servers_setup, servers_teardown)

#endif
