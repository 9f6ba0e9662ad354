/* The log, its index and the locks of a database lie beside it and go by its name. Under a second name it would have
 * others: two servers would write to one file, and know nothing of each other. */

#include <fcntl.h>
#include <sys/stat.h>

#include "store/sqlite/sqlite_internal.h"

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
