#ifndef HOLDFAST_TESTS_STORE_POSTGRES_SCHEMAS_H
#define HOLDFAST_TESTS_STORE_POSTGRES_SCHEMAS_H

/* Databases for store tests: each is a schema of its own on the server that HOLDFAST_TEST_POSTGRES names (a URI;
 * ./dev test starts one). */

#include <stddef.h>

void postgres_schemas_prepare(char *ret_location, size_t size);
void postgres_schemas_discard(const char *location);
/* Runs SQL on the server, in the schema of `location` (NULL: in none), and fails the test where that fails. Gives the
 * first column of the first row as text, "" where there is none; lasts until the next call. */
const char *postgres_schemas_run(const char *location, const char *sql);

#endif
