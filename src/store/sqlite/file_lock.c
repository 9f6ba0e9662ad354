#include "store/sqlite/file_lock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* Open-file-description locks: they belong to this opening of the file, so that two stores in one process exclude each
 * other, and closing some other descriptor does not drop them. */
static bool set_lock(int file, enum file_lock_byte byte, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};
    int result;
    do {
        result = fcntl(file, F_OFD_SETLK, &lock);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

bool file_lock_open(const char *database_path, int *ret_file, struct fault *fault)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s-lock", database_path);
    if (length < 0 || (size_t)length >= sizeof(path)) {
        return fault_set(fault, FAULT_UNAVAILABLE, "the path is too long: %s", database_path);
    }
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) {
        return fault_set(fault, FAULT_UNAVAILABLE, "cannot open the lock file %s: %s", path, strerror(errno));
    }
    *ret_file = file;
    return true;
}

void file_lock_close(int file)
{
    (void)close(file);
}

bool file_lock_try(int file, enum file_lock_byte byte)
{
    return set_lock(file, byte, F_WRLCK);
}

bool file_lock_wait(int file, enum file_lock_byte byte, int64_t wait_ms)
{
    const struct timespec pause = {.tv_nsec = 500000};
    int64_t end_us = clock_monotonic_us() + wait_ms * 1000;
    while (!file_lock_try(file, byte)) {
        if (clock_monotonic_us() >= end_us) {
            return false;
        }
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

void file_lock_release(int file, enum file_lock_byte byte)
{
    bool released = set_lock(file, byte, F_UNLCK);
    assert(released);
}
