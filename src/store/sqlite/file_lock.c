#include "store/sqlite/file_lock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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

static bool wait_for_lock(int file, enum file_lock_byte byte, short type, int64_t wait_ms)
{
    const struct timespec pause = {.tv_nsec = 500000};
    int64_t end_us = clock_monotonic_us() + wait_ms * 1000;
    while (!set_lock(file, byte, type)) {
        if (clock_monotonic_us() >= end_us) {
            return false;
        }
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

bool file_lock_wait(int file, enum file_lock_byte byte, int64_t wait_ms)
{
    return wait_for_lock(file, byte, F_WRLCK, wait_ms);
}

bool file_lock_share(int file, enum file_lock_byte byte, int64_t wait_ms)
{
    return wait_for_lock(file, byte, F_RDLCK, wait_ms);
}

void file_lock_release(int file, enum file_lock_byte byte)
{
    bool released = set_lock(file, byte, F_UNLCK);
    assert(released);
}

void file_lock_set_mark(int file)
{
    (void)!ftruncate(file, 1); /* whoever sees the failure that it tells of remembers it as well */
}

void file_lock_clear_mark(int file)
{
    (void)!ftruncate(file, 0);
}

bool file_lock_has_mark(int file)
{
    struct stat status;
    return fstat(file, &status) == 0 && status.st_size > 0;
}
