#ifndef HOLDFAST_TESTS_STORE_SQLITE_FILES_H
#define HOLDFAST_TESTS_STORE_SQLITE_FILES_H

/* A folder of its own for each database of a test. */

#include <stddef.h>

void sqlite_files_prepare(char *ret_location, size_t size);
void sqlite_files_discard(const char *location);

#endif
