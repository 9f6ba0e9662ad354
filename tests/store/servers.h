#ifndef HOLDFAST_TESTS_STORE_SERVERS_H
#define HOLDFAST_TESTS_STORE_SERVERS_H

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

struct servers *servers_open(const struct store_under_test *under_test);
void servers_close(struct servers *servers);
void change_turns(struct servers *servers);
bool save_and_commit(struct harness *harness) MUST_USE; /* the batch that is decided */

/* Each decided and left open. An order of one unit, under a key; of "a" where no SKU is named. */
struct uuid plan_order(struct harness *harness, const char *key);
struct uuid plan_order_of(struct harness *harness, const char *key, const char *sku);
void plan_payment(struct harness *harness, const struct uuid *order_id,
                  const char *reference); /* order_id outlives the batch */

#endif
