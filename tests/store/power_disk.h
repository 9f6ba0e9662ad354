#ifndef HOLDFAST_TESTS_STORE_POWER_DISK_H
#define HOLDFAST_TESTS_STORE_POWER_DISK_H

/* A disk in memory that can lose power. Of each file it knows what programs read (the system's cache) and what is on the
 * platter; the changes between the two wait in the order in which they were made, until they are synced. Names are such
 * changes, too: a file that was made or deleted may come back as it was before until its folder is synced. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk;
struct disk_file; /* lives as long as its disk, whatever names it has */

struct disk_device {
    const char *name;
    size_t sector_bytes; /* written as a whole, in any order */
    /* A sector that was being written when the power failed keeps the bytes around those that were written. */
    bool powersafe_overwrite;
};

struct disk *disk_new(const struct disk_device *device);
void disk_free(struct disk *disk); /* takes NULL */
const struct disk_device *disk_device_of(const struct disk *disk);

struct disk_file *disk_find(const struct disk *disk, const char *name); /* NULL where there is none */
struct disk_file *disk_create(struct disk *disk, const char *name);
void disk_delete(struct disk *disk, const char *name);
size_t disk_length(const struct disk_file *file);
/* Fills with zeros what lies behind the end; how many bytes there were. */
size_t disk_read(const struct disk_file *file, size_t offset, void *ret_bytes, size_t size);
void disk_write(struct disk *disk, struct disk_file *file, size_t offset, const void *bytes, size_t size);
void disk_truncate(struct disk *disk, struct disk_file *file, size_t length);
void disk_sync(struct disk *disk, struct disk_file *file);
void disk_sync_names(struct disk *disk);
void disk_sync_all(struct disk *disk);
/* A sync that fails: none, some or all of the file's changes are on the platter and the others will never be, though
 * programs still read them; a later sync that succeeds does not know of them. (Where overwriting is not powersafe SQLite
 * pads commits, and relies on a later sync to write the padding's end. Its VFS for Unix says that overwriting is
 * powersafe.) */
void disk_fail_sync(struct disk *disk, struct disk_file *file, uint64_t seed);
/* Moves whenever the platter changes. */
uint64_t disk_platter_version(const struct disk *disk);

/* What becomes of the changes that were not synced. */
enum disk_loss {
    LOSS_OF_ALL,
    LOSS_OF_NONE,
    LOSS_TORN_LAST, /* of none, but the last write was under way */
    LOSS_OF_END,    /* the first ones are there */
    LOSS_TORN,      /* likewise, and the last of them was under way */
    LOSS_OF_SOME,   /* each is there or not: the disk wrote them in any order */
    LOSS_OF_SECTORS /* each sector of each is there or not, and one may be garbage */
};
#define DISK_LOSS_COUNT 7
extern const char *const DISK_LOSS_NAMES[DISK_LOSS_COUNT];

/* The disk as it is found when the power is back. A write that was under way left some of its sectors, or garbage in
 * one, or half of one. The same seed loses the same. */
struct disk *disk_lose_power(const struct disk *disk, enum disk_loss kind, uint64_t seed);

uint64_t disk_random(uint64_t *state, uint64_t below);

#endif
