#include "postgres_servers.h"

#include "postgres_schemas.h"
#include "store/postgres/postgres_store.h"

static const struct store_under_test POSTGRES = {&POSTGRES_STORE, postgres_schemas_prepare, postgres_schemas_discard};

int servers_setup(void **state)
{
    *state = servers_open(&POSTGRES);
    return 0;
}

int servers_teardown(void **state)
{
    servers_close(*state);
    return 0;
}
