/* The log, its index and the locks of a database lie beside it and go by its name. Under a second name it would have
 * others: two servers would write to one file, and know nothing of each other. And once its name means another file,
 * what is written to it is found by nobody. */

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "store/sqlite/sqlite_internal.h"

#define LOOK_PAUSE_US INT64_C(1000000)

/* False also where the kernel (before 5.8) does not say. */
static bool is_mounted_by_itself(const char *path)
{
    struct statx status;
    return statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &status) == 0 &&
           (status.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0 &&
           (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

bool store_check_name(struct store *store, struct fault *fault)
{
    struct stat status;
    if (stat(store->path, &status) == 0 && status.st_nlink > 1) {
        return fault_set(fault, FAULT_UNAVAILABLE,
                         "%s has %ju names (hard links), and its log lies beside one of them only: remove the others, "
                         "or copy it",
                         store->path, (uintmax_t)status.st_nlink);
    }
    if (is_mounted_by_itself(store->path)) {
        return fault_set(fault, FAULT_UNAVAILABLE,
                         "%s is mounted by itself: mount its folder instead: its log lies beside it", store->path);
    }
    return true;
}

void store_look_at_place(struct store *store)
{
    int has_moved = 0;
    struct stat status;
    (void)sqlite3_file_control(store->writer.database, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved);
    /* SQLite says so as well where it cannot look, for a moment perhaps. */
    bool is_known = stat(store->path, &status) == 0 || errno == ENOENT || errno == ENOTDIR;
    if (has_moved != 0 && is_known) {
        atomic_store_explicit(&store->displaced, true, memory_order_relaxed);
    }
}

bool store_known_in_place(const struct store *store, struct fault *fault)
{
    return !atomic_load_explicit(&store->displaced, memory_order_relaxed) ||
           fault_set(fault, FAULT_UNAVAILABLE,
                     "the file at %s is not the database any more that was opened: it was moved, deleted or replaced; "
                     "stop this process before you put it right",
                     store->path);
}

bool store_check_place(struct store *store, struct fault *fault)
{
    int64_t now_us = clock_monotonic_us();
    if (now_us >= store->place_look_us) {
        store->place_look_us = now_us + LOOK_PAUSE_US;
        store_look_at_place(store);
    }
    return store_known_in_place(store, fault);
}
