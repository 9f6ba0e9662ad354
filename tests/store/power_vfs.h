#ifndef HOLDFAST_TESTS_STORE_POWER_VFS_H
#define HOLDFAST_TESTS_STORE_POWER_VFS_H

/* SQLite's files on a disk in memory (power_disk.h), for several connections of one thread. It promises what SQLite's
 * own VFS for Unix does and nothing more: writes are ordered by syncs alone, and a journal or log that may
 * be new syncs its folder, too, the first time that it is synced. Temporary files are real ones. */

#include <stdbool.h>
#include <stddef.h>

#include "power_disk.h"

/* The calls that change the disk. */
enum power_call { CALL_CREATE, CALL_WRITE, CALL_TRUNCATE, CALL_SYNC, CALL_DELETE, CALL_GROW_INDEX };
#define POWER_CALL_COUNT 6
extern const char *const POWER_CALL_NAMES[POWER_CALL_COUNT];

enum power_answer {
    ANSWER_DO,
    ANSWER_DISK_FULL, /* half of a write is done; some of what was to be synced is lost */
    ANSWER_DISK_FAILS,
    ANSWER_POWER_FAILS /* the call is under way, and every call after it fails */
};

/* Makes it SQLite's default, and SQLite's random numbers the same in each run that begins with it. */
void power_vfs_register(void);
/* What is opened from now on is on this disk. Files that are open stay where they are. */
void power_vfs_mount(struct disk *disk);
/* Is asked before each call what is to become of it; NULL: nobody is. */
typedef enum power_answer power_vfs_asked(void *context, enum power_call call);
void power_vfs_ask(power_vfs_asked *asked, void *context);
/* After ANSWER_POWER_FAILS: what is opened from now on works. */
void power_vfs_power_is_back(void);

#endif
