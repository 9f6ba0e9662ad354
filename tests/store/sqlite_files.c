#include "sqlite_files.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void sqlite_files_prepare(char *ret_location, size_t size)
{
    char folder[] = "/tmp/holdfast-test-XXXXXX";
    const char *made = mkdtemp(folder);
    assert(made != NULL);
    (void)snprintf(ret_location, size, "%s/shop.db", made);
}

void sqlite_files_discard(const char *location)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-lock"};
    char path[600];
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", location, ends[i]);
        (void)unlink(path);
    }
    (void)snprintf(path, sizeof(path), "%s", location);
    *strrchr(path, '/') = '\0';
    (void)rmdir(path);
}
