#include "conformance.h"

#include "sqlite_files.h"
#include "store/sqlite/sqlite_store.h"

int main(void)
{
    static const struct store_under_test sqlite = {&SQLITE_STORE, sqlite_files_prepare, sqlite_files_discard};
    return conformance_run(&sqlite);
}
