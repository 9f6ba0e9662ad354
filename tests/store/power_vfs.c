#include "power_vfs.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define FILES_MAX 16
#define REGIONS_MAX 8

const char *const POWER_CALL_NAMES[POWER_CALL_COUNT] = {
    [CALL_CREATE] = "create", [CALL_WRITE] = "write",   [CALL_TRUNCATE] = "truncate",
    [CALL_SYNC] = "sync",     [CALL_DELETE] = "delete", [CALL_GROW_INDEX] = "grow the log's index",
};

/* What the connections to one file share: its locks, and the log's index, which no loss of power survives. */
struct shared {
    struct disk_file *file; /* NULL: nobody has it open */
    struct disk *disk;
    int openings;
    int readers;
    const struct power_file *reserved;  /* who means to write */
    const struct power_file *exclusive; /* who keeps readers out, or waits for the last to go */
    void *regions[REGIONS_MAX];
    int index_users;
    int index_readers[SQLITE_SHM_NLOCK];
    const struct power_file *index_writer[SQLITE_SHM_NLOCK];
};

struct power_file {
    sqlite3_file base;
    struct shared *shared;
    int lock;
    unsigned index_locks; /* slots that are locked for reading */
    bool uses_index;
    bool syncs_names; /* a journal or log that was not synced since it was opened */
};

static struct {
    sqlite3_vfs *base;
    struct disk *disk;
    struct shared files[FILES_MAX];
    power_vfs_asked *asked;
    void *context;
    bool power_failed;
    uint64_t random;
} vfs;

static enum power_answer ask(enum power_call call)
{
    enum power_answer answer = vfs.asked == NULL ? ANSWER_DO : vfs.asked(vfs.context, call);
    vfs.power_failed = answer == ANSWER_POWER_FAILS;
    return answer;
}

static struct power_file *power_file_of(sqlite3_file *file)
{
    return (struct power_file *)file;
}

/* Content */

static int file_read(sqlite3_file *base, void *bytes, int size, sqlite3_int64 offset)
{
    struct power_file *file = power_file_of(base);
    if (vfs.power_failed) {
        return SQLITE_IOERR_READ;
    }
    size_t there = disk_read(file->shared->file, (size_t)offset, bytes, (size_t)size);
    return there == (size_t)size ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *bytes, int size, sqlite3_int64 offset)
{
    struct power_file *file = power_file_of(base);
    if (vfs.power_failed) {
        return SQLITE_IOERR_WRITE;
    }
    enum power_answer answer = ask(CALL_WRITE);
    bool is_half = answer == ANSWER_DISK_FULL || answer == ANSWER_DISK_FAILS;
    disk_write(file->shared->disk, file->shared->file, (size_t)offset, bytes, (size_t)(is_half ? size / 2 : size));
    return answer == ANSWER_DO ? SQLITE_OK : answer == ANSWER_DISK_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 length)
{
    struct power_file *file = power_file_of(base);
    if (vfs.power_failed) {
        return SQLITE_IOERR_TRUNCATE;
    }
    enum power_answer answer = ask(CALL_TRUNCATE);
    if (answer == ANSWER_DO || answer == ANSWER_POWER_FAILS) {
        disk_truncate(file->shared->disk, file->shared->file, (size_t)length);
    }
    return answer == ANSWER_DO ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

/* SQLITE_SYNC_DATAONLY makes no difference: a file's length is part of what is needed to read it. */
static int file_sync(sqlite3_file *base, int flags)
{
    (void)flags;
    struct power_file *file = power_file_of(base);
    if (vfs.power_failed) {
        return SQLITE_IOERR_FSYNC;
    }
    enum power_answer answer = ask(CALL_SYNC);
    bool is_lost = disk_device_of(file->shared->disk)->powersafe_overwrite; /* see power_disk.h */
    if (is_lost && (answer == ANSWER_DISK_FULL || answer == ANSWER_DISK_FAILS)) {
        disk_fail_sync(file->shared->disk, file->shared->file, disk_random(&vfs.random, UINT64_MAX));
    }
    if (answer != ANSWER_DO) {
        return SQLITE_IOERR_FSYNC;
    }
    disk_sync(file->shared->disk, file->shared->file);
    if (file->syncs_names) {
        disk_sync_names(file->shared->disk);
        file->syncs_names = false;
    }
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
    *ret_size = (sqlite3_int64)disk_length(power_file_of(base)->shared->file);
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int operation, void *argument)
{
    (void)base;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *base)
{
    return (int)disk_device_of(power_file_of(base)->shared->disk)->sector_bytes;
}

static int file_characteristics(sqlite3_file *base)
{
    return disk_device_of(power_file_of(base)->shared->disk)->powersafe_overwrite ? SQLITE_IOCAP_POWERSAFE_OVERWRITE
                                                                                  : 0;
}

/* Locks */

static int file_lock(sqlite3_file *base, int lock)
{
    struct power_file *file = power_file_of(base);
    struct shared *shared = file->shared;
    if (lock <= file->lock) {
        return SQLITE_OK;
    }
    if (shared->exclusive != NULL && shared->exclusive != file) {
        return SQLITE_BUSY;
    }
    if (file->lock == SQLITE_LOCK_NONE) {
        shared->readers++;
    }
    if (lock == SQLITE_LOCK_RESERVED) {
        if (shared->reserved != NULL) {
            return SQLITE_BUSY;
        }
        shared->reserved = file;
    } else if (lock == SQLITE_LOCK_EXCLUSIVE) {
        shared->exclusive = file;
        if (shared->readers > 1) {
            file->lock = SQLITE_LOCK_PENDING;
            return SQLITE_BUSY;
        }
    }
    file->lock = lock;
    return SQLITE_OK;
}

static int file_unlock(sqlite3_file *base, int lock)
{
    struct power_file *file = power_file_of(base);
    struct shared *shared = file->shared;
    if (lock >= file->lock) {
        return SQLITE_OK;
    }
    shared->reserved = shared->reserved == file ? NULL : shared->reserved;
    shared->exclusive = shared->exclusive == file ? NULL : shared->exclusive;
    if (lock == SQLITE_LOCK_NONE) {
        shared->readers--;
    }
    file->lock = lock;
    return SQLITE_OK;
}

static int file_check_reserved(sqlite3_file *base, int *ret_reserved)
{
    *ret_reserved = power_file_of(base)->shared->reserved != NULL;
    return SQLITE_OK;
}

/* The log's index */

static int index_map(sqlite3_file *base, int region, int size, int extend, void volatile **ret_region)
{
    struct power_file *file = power_file_of(base);
    struct shared *shared = file->shared;
    assert(region < REGIONS_MAX);
    if (vfs.power_failed) {
        return SQLITE_IOERR_SHMMAP;
    }
    if (!file->uses_index) {
        file->uses_index = true;
        shared->index_users++;
    }
    if (shared->regions[region] == NULL && extend != 0) {
        if (ask(CALL_GROW_INDEX) != ANSWER_DO) {
            return SQLITE_IOERR_SHMSIZE;
        }
        shared->regions[region] = memory_zalloc(1, (size_t)size);
    }
    *ret_region = shared->regions[region];
    return SQLITE_OK;
}

static bool may_lock_index(const struct power_file *file, int slot, bool exclusive)
{
    const struct shared *shared = file->shared;
    int own = (file->index_locks >> slot & 1) != 0;
    return (shared->index_writer[slot] == NULL || shared->index_writer[slot] == file) &&
           (!exclusive || shared->index_readers[slot] == own);
}

static void lock_index(struct power_file *file, int slot, bool exclusive)
{
    if (exclusive) {
        file->shared->index_writer[slot] = file;
    } else if ((file->index_locks >> slot & 1) == 0) {
        file->index_locks |= 1U << slot;
        file->shared->index_readers[slot]++;
    }
}

static void unlock_index(struct power_file *file, int slot)
{
    if (file->shared->index_writer[slot] == file) {
        file->shared->index_writer[slot] = NULL;
    }
    if ((file->index_locks >> slot & 1) != 0) {
        file->index_locks &= ~(1U << slot);
        file->shared->index_readers[slot]--;
    }
}

static int index_lock(sqlite3_file *base, int first, int count, int flags)
{
    struct power_file *file = power_file_of(base);
    bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    for (int slot = first; (flags & SQLITE_SHM_LOCK) != 0 && slot < first + count; slot++) {
        if (!may_lock_index(file, slot, exclusive)) {
            return SQLITE_BUSY;
        }
    }
    for (int slot = first; slot < first + count; slot++) {
        if ((flags & SQLITE_SHM_LOCK) != 0) {
            lock_index(file, slot, exclusive);
        } else {
            unlock_index(file, slot);
        }
    }
    return SQLITE_OK;
}

static void index_barrier(sqlite3_file *base)
{
    (void)base; /* one thread */
}

static int index_unmap(sqlite3_file *base, int delete)
{
    (void)delete;
    struct power_file *file = power_file_of(base);
    struct shared *shared = file->shared;
    if (!file->uses_index) {
        return SQLITE_OK;
    }
    for (int slot = 0; slot < SQLITE_SHM_NLOCK; slot++) {
        unlock_index(file, slot);
    }
    file->uses_index = false;
    if (--shared->index_users == 0) {
        for (size_t i = 0; i < REGIONS_MAX; i++) {
            free(shared->regions[i]);
            shared->regions[i] = NULL;
        }
    }
    return SQLITE_OK;
}

/* Opening and closing */

static struct shared *share(struct disk *disk, struct disk_file *file)
{
    struct shared *unused = NULL;
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct shared *shared = &vfs.files[i];
        if (shared->file == file) {
            shared->openings++;
            return shared;
        }
        unused = shared->file == NULL ? shared : unused;
    }
    assert(unused != NULL);
    *unused = (struct shared){.file = file, .disk = disk, .openings = 1};
    return unused;
}

static int file_close(sqlite3_file *base)
{
    struct power_file *file = power_file_of(base);
    (void)file_unlock(base, SQLITE_LOCK_NONE);
    (void)index_unmap(base, 0);
    if (--file->shared->openings == 0) {
        file->shared->file = NULL;
    }
    return SQLITE_OK;
}

static const sqlite3_io_methods METHODS = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = index_map,
    .xShmLock = index_lock,
    .xShmBarrier = index_barrier,
    .xShmUnmap = index_unmap,
};

/* The disk has one folder, wherever that is. */
static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static int vfs_open(sqlite3_vfs *self, const char *path, sqlite3_file *base, int flags, int *ret_flags)
{
    (void)self;
    struct power_file *file = power_file_of(base);
    if (path == NULL || (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) == 0) {
        return vfs.base->xOpen(vfs.base, path, base, flags, ret_flags);
    }
    memset(file, 0, sizeof(*file));
    struct disk_file *content = disk_find(vfs.disk, name_of(path));
    if (vfs.power_failed || (content == NULL && (flags & SQLITE_OPEN_CREATE) == 0)) {
        return SQLITE_CANTOPEN;
    }
    if (content == NULL) {
        enum power_answer answer = ask(CALL_CREATE);
        if (answer == ANSWER_DO || answer == ANSWER_POWER_FAILS) {
            content = disk_create(vfs.disk, name_of(path));
        }
        if (answer != ANSWER_DO) {
            return SQLITE_CANTOPEN;
        }
    }
    file->syncs_names = (flags & SQLITE_OPEN_MAIN_DB) == 0 && (flags & SQLITE_OPEN_CREATE) != 0;
    file->base.pMethods = &METHODS;
    file->shared = share(vfs.disk, content);
    if (ret_flags != NULL) {
        *ret_flags = flags;
    }
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *self, const char *path, int sync_names)
{
    (void)self;
    if (disk_find(vfs.disk, name_of(path)) == NULL) {
        return SQLITE_IOERR_DELETE_NOENT;
    }
    if (vfs.power_failed) {
        return SQLITE_IOERR_DELETE;
    }
    enum power_answer answer = ask(CALL_DELETE);
    if (answer == ANSWER_DO || answer == ANSWER_POWER_FAILS) {
        disk_delete(vfs.disk, name_of(path));
    }
    if (answer != ANSWER_DO) {
        return SQLITE_IOERR_DELETE;
    }
    if (sync_names != 0) {
        disk_sync_names(vfs.disk);
    }
    return SQLITE_OK;
}

/* As on Unix an empty file does not count. */
static int vfs_access(sqlite3_vfs *self, const char *path, int flags, int *ret_result)
{
    (void)self;
    (void)flags;
    const struct disk_file *file = disk_find(vfs.disk, name_of(path));
    *ret_result = file != NULL && disk_length(file) > 0;
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *self, const char *path, int size, char *ret_path)
{
    (void)self;
    return vfs.base->xFullPathname(vfs.base, path, size, ret_path);
}

static int vfs_randomness(sqlite3_vfs *self, int size, char *ret_bytes)
{
    (void)self;
    for (int i = 0; i < size; i++) {
        ret_bytes[i] = (char)disk_random(&vfs.random, 256);
    }
    return size;
}

static int vfs_sleep(sqlite3_vfs *self, int microseconds)
{
    (void)self;
    return microseconds; /* nobody else runs meanwhile */
}

static int vfs_time(sqlite3_vfs *self, double *ret_days)
{
    (void)self;
    return vfs.base->xCurrentTime(vfs.base, ret_days);
}

void power_vfs_register(void)
{
    static sqlite3_vfs own = {
        .iVersion = 1,
        .szOsFile = (int)sizeof(struct power_file),
        .zName = "power",
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
    };
    if (vfs.base == NULL) {
        vfs.base = sqlite3_vfs_find(NULL);
        own.mxPathname = vfs.base->mxPathname;
        own.szOsFile = vfs.base->szOsFile > own.szOsFile ? vfs.base->szOsFile : own.szOsFile;
        int code = sqlite3_vfs_register(&own, 1);
        assert(code == SQLITE_OK);
    }
    vfs.random = 1;
    sqlite3_randomness(0, NULL); /* the next one is seeded from here */
}

void power_vfs_mount(struct disk *disk)
{
    vfs.disk = disk;
}

void power_vfs_ask(power_vfs_asked *asked, void *context)
{
    vfs.asked = asked;
    vfs.context = context;
}

void power_vfs_power_is_back(void)
{
    vfs.power_failed = false;
}
