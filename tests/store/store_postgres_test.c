#include "conformance.h"

#include "postgres_schemas.h"
#include "store/postgres/postgres_store.h"

int main(void)
{
    static const struct store_under_test postgres = {&POSTGRES_STORE, postgres_schemas_prepare,
                                                     postgres_schemas_discard};
    return conformance_run(&postgres);
}
