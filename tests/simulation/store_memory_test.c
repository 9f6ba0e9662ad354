#include "../store/conformance.h"

#include <stdio.h>

#include "memory_store.h"

static void prepare(char *ret_location, size_t size)
{
    (void)snprintf(ret_location, size, "memory:conformance");
}

int main(void)
{
    static const struct store_under_test memory = {&MEMORY_STORE, prepare, memory_database_discard};
    return conformance_run(&memory);
}
