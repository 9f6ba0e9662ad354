#include "power_disk.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define NAMES_MAX 8

struct content {
    uint8_t *bytes;
    size_t length;
    size_t capacity;
};

struct disk_file {
    struct content cached;
    struct content platter;
    struct disk_file *next; /* of the disk's */
};

enum change_kind { CHANGE_WRITE, CHANGE_LENGTH, CHANGE_NAME };

struct change {
    enum change_kind kind;
    struct disk_file *file; /* of CHANGE_NAME: what it stands for from now on; NULL: nothing */
    size_t offset;          /* of CHANGE_LENGTH: the new length */
    size_t size;
    uint8_t *bytes; /* of CHANGE_WRITE */
    size_t name;    /* of CHANGE_NAME: its place in names */
};

struct disk {
    const struct disk_device *device;
    struct disk_file *files;
    char *names[NAMES_MAX]; /* that there are or were */
    size_t name_count;
    struct disk_file *cached_files[NAMES_MAX]; /* what each name stands for; NULL: nothing */
    struct disk_file *platter_files[NAMES_MAX];
    struct change *changes; /* not synced, oldest first */
    size_t change_count;
    size_t change_capacity;
    uint64_t platter_version;
};

const char *const DISK_LOSS_NAMES[DISK_LOSS_COUNT] = {
    [LOSS_OF_ALL] = "everything that was not synced is lost",
    [LOSS_OF_NONE] = "nothing is lost",
    [LOSS_TORN_LAST] = "the last write is torn",
    [LOSS_OF_END] = "the last changes are lost",
    [LOSS_TORN] = "the last changes are lost and one is torn",
    [LOSS_OF_SOME] = "some changes are lost",
    [LOSS_OF_SECTORS] = "some sectors are lost",
};

uint64_t disk_random(uint64_t *state, uint64_t below)
{
    uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15); /* SplitMix64 */
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (mixed ^ (mixed >> 31)) % below;
}

/* Contents */

static void content_set_length(struct content *content, size_t length)
{
    if (length > content->capacity) {
        content->capacity = length * 2;
        content->bytes = memory_grow(content->bytes, content->capacity);
    }
    if (length > content->length) {
        memset(content->bytes + content->length, 0, length - content->length);
    }
    content->length = length;
}

static void content_write(struct content *content, size_t offset, const uint8_t *bytes, size_t size)
{
    if (offset + size > content->length) {
        content_set_length(content, offset + size);
    }
    memcpy(content->bytes + offset, bytes, size);
}

static void content_copy(struct content *content, const struct content *from)
{
    if (from->length > 0) {
        content_write(content, 0, from->bytes, from->length);
    }
}

static void content_apply(struct content *content, const struct change *change)
{
    if (change->kind == CHANGE_WRITE) {
        content_write(content, change->offset, change->bytes, change->size);
    } else {
        content_set_length(content, change->offset);
    }
}

/* The disk */

struct disk *disk_new(const struct disk_device *device)
{
    struct disk *disk = memory_zalloc(1, sizeof(*disk));
    disk->device = device;
    return disk;
}

const struct disk_device *disk_device_of(const struct disk *disk)
{
    return disk->device;
}

void disk_free(struct disk *disk)
{
    if (disk == NULL) {
        return;
    }
    while (disk->files != NULL) {
        struct disk_file *file = disk->files;
        disk->files = file->next;
        free(file->cached.bytes);
        free(file->platter.bytes);
        free(file);
    }
    for (size_t i = 0; i < disk->change_count; i++) {
        free(disk->changes[i].bytes);
    }
    for (size_t i = 0; i < disk->name_count; i++) {
        free(disk->names[i]);
    }
    free(disk->changes);
    free(disk);
}

static struct disk_file *add_file(struct disk *disk)
{
    struct disk_file *file = memory_zalloc(1, sizeof(*file));
    file->next = disk->files;
    disk->files = file;
    return file;
}

static struct change *add_change(struct disk *disk, struct change change)
{
    if (disk->change_count == disk->change_capacity) {
        disk->change_capacity = disk->change_capacity == 0 ? 64 : disk->change_capacity * 2;
        disk->changes = memory_grow(disk->changes, disk->change_capacity * sizeof(struct change));
    }
    disk->changes[disk->change_count] = change;
    return &disk->changes[disk->change_count++];
}

/* Its place in the names; one more where it is new. */
static size_t place_of(struct disk *disk, const char *name)
{
    for (size_t i = 0; i < disk->name_count; i++) {
        if (strcmp(disk->names[i], name) == 0) {
            return i;
        }
    }
    assert(disk->name_count < NAMES_MAX);
    disk->names[disk->name_count] = strdup(name);
    return disk->name_count++;
}

static void set_name(struct disk *disk, const char *name, struct disk_file *file)
{
    size_t place = place_of(disk, name);
    disk->cached_files[place] = file;
    (void)add_change(disk, (struct change){.kind = CHANGE_NAME, .file = file, .name = place});
}

struct disk_file *disk_find(const struct disk *disk, const char *name)
{
    for (size_t i = 0; i < disk->name_count; i++) {
        if (strcmp(disk->names[i], name) == 0) {
            return disk->cached_files[i];
        }
    }
    return NULL;
}

struct disk_file *disk_create(struct disk *disk, const char *name)
{
    struct disk_file *file = add_file(disk);
    set_name(disk, name, file);
    return file;
}

void disk_delete(struct disk *disk, const char *name)
{
    set_name(disk, name, NULL);
}

size_t disk_length(const struct disk_file *file)
{
    return file->cached.length;
}

size_t disk_read(const struct disk_file *file, size_t offset, void *ret_bytes, size_t size)
{
    size_t there = offset < file->cached.length ? file->cached.length - offset : 0;
    there = there < size ? there : size;
    if (there > 0) {
        memcpy(ret_bytes, file->cached.bytes + offset, there);
    }
    memset((uint8_t *)ret_bytes + there, 0, size - there);
    return there;
}

void disk_write(struct disk *disk, struct disk_file *file, size_t offset, const void *bytes, size_t size)
{
    struct change *change =
        add_change(disk, (struct change){.kind = CHANGE_WRITE, .file = file, .offset = offset, .size = size});
    change->bytes = memory_alloc(size);
    memcpy(change->bytes, bytes, size);
    content_apply(&file->cached, change);
}

void disk_truncate(struct disk *disk, struct disk_file *file, size_t length)
{
    content_apply(&file->cached,
                  add_change(disk, (struct change){.kind = CHANGE_LENGTH, .file = file, .offset = length}));
}

/* Takes the changes of one file, or those of names (NULL), off the list. Of four of them so many come to the platter. */
static void write_back(struct disk *disk, const struct disk_file *file, uint64_t kept_of_4, uint64_t *random)
{
    size_t left = 0;
    for (size_t i = 0; i < disk->change_count; i++) {
        struct change *change = &disk->changes[i];
        if (file == NULL ? change->kind != CHANGE_NAME : change->kind == CHANGE_NAME || change->file != file) {
            disk->changes[left++] = *change;
            continue;
        }
        bool is_kept = kept_of_4 == 4 || disk_random(random, 4) < kept_of_4;
        if (is_kept && change->kind == CHANGE_NAME) {
            disk->platter_files[change->name] = change->file;
        } else if (is_kept) {
            content_apply(&change->file->platter, change);
        }
        free(change->bytes);
        disk->platter_version++;
    }
    disk->change_count = left;
}

void disk_sync(struct disk *disk, struct disk_file *file)
{
    write_back(disk, file, 4, NULL);
}

void disk_sync_names(struct disk *disk)
{
    write_back(disk, NULL, 4, NULL);
}

void disk_sync_all(struct disk *disk)
{
    for (struct disk_file *file = disk->files; file != NULL; file = file->next) {
        write_back(disk, file, 4, NULL);
    }
    disk_sync_names(disk);
}

void disk_fail_sync(struct disk *disk, struct disk_file *file, uint64_t seed)
{
    static const uint64_t KEPT_OF_4[] = {0, 2, 4}; /* all of them: only the answer went wrong */
    write_back(disk, file, KEPT_OF_4[disk_random(&seed, 3)], &seed);
}

uint64_t disk_platter_version(const struct disk *disk)
{
    return disk->platter_version;
}

/* Losing power */

struct loss {
    const struct disk_device *device;
    enum disk_loss kind;
    uint64_t random;
    size_t end;  /* of LOSS_OF_END and LOSS_TORN: the first change that is lost */
    size_t torn; /* the change that was under way; SIZE_MAX: none */
};

struct range {
    size_t from;
    size_t to;
};

/* The part of a write that lies in one sector. */
static struct range part_in(const struct change *change, size_t sector, size_t sector_bytes)
{
    size_t end = change->offset + change->size;
    struct range part = {sector * sector_bytes, (sector + 1) * sector_bytes};
    part.from = part.from < change->offset ? change->offset : part.from;
    part.to = part.to > end ? end : part.to;
    return part;
}

static void write_part(struct content *content, const struct change *change, struct range part)
{
    content_write(content, part.from, change->bytes + (part.from - change->offset), part.to - part.from);
}

static void spoil(struct content *content, struct range range, struct loss *loss)
{
    bool is_zero = disk_random(&loss->random, 4) == 0;
    for (size_t at = range.from; at < range.to && at < content->length; at++) {
        content->bytes[at] = is_zero ? 0 : (uint8_t)disk_random(&loss->random, 256);
    }
}

static void spoil_sector(struct content *content, const struct change *change, size_t sector, struct loss *loss)
{
    size_t sector_bytes = loss->device->sector_bytes;
    struct range whole = {sector * sector_bytes, (sector + 1) * sector_bytes};
    spoil(content, loss->device->powersafe_overwrite ? part_in(change, sector, sector_bytes) : whole, loss);
}

static void apply_torn(struct content *content, const struct change *change, struct loss *loss)
{
    size_t sector_bytes = loss->device->sector_bytes;
    size_t first = change->offset / sector_bytes;
    size_t last = (change->offset + change->size - 1) / sector_bytes;
    size_t at = first + disk_random(&loss->random, last - first + 1);
    uint64_t way = disk_random(&loss->random, 4);
    for (size_t sector = first; sector <= last; sector++) {
        struct range part = part_in(change, sector, sector_bytes);
        if (sector == at && way == 3) { /* half new, half old */
            part.to = part.from + disk_random(&loss->random, part.to - part.from + 1);
        }
        if ((way == 0 && sector >= at) || (way == 1 && sector < at) || part.from == part.to) {
            continue; /* before it, or from it on */
        }
        write_part(content, change, part);
    }
    if (way == 2) {
        spoil_sector(content, change, at, loss);
    }
}

static void apply_sectors(struct content *content, const struct change *change, struct loss *loss)
{
    size_t sector_bytes = loss->device->sector_bytes;
    size_t last = (change->offset + change->size - 1) / sector_bytes;
    for (size_t sector = change->offset / sector_bytes; sector <= last; sector++) {
        if (disk_random(&loss->random, 2) == 0) {
            write_part(content, change, part_in(change, sector, sector_bytes));
        }
    }
}

static bool is_kept(struct loss *loss, size_t index)
{
    switch (loss->kind) {
    case LOSS_OF_ALL:
        return false;
    case LOSS_OF_END:
    case LOSS_TORN:
        return index < loss->end;
    case LOSS_OF_SOME:
        return disk_random(&loss->random, 2) == 0;
    default:
        return true;
    }
}

static void apply(struct content *content, const struct change *change, size_t index, struct loss *loss)
{
    if (change->kind == CHANGE_LENGTH) {
        if (loss->kind != LOSS_OF_SECTORS || disk_random(&loss->random, 2) == 0) {
            content_apply(content, change);
        }
    } else if (loss->kind == LOSS_OF_SECTORS) {
        apply_sectors(content, change, loss);
        if (index == loss->torn) {
            size_t count = 1 + (change->size - 1) / loss->device->sector_bytes;
            spoil_sector(content, change,
                         change->offset / loss->device->sector_bytes + disk_random(&loss->random, count), loss);
        }
    } else if (index == loss->torn) {
        apply_torn(content, change, loss);
    } else {
        content_apply(content, change);
    }
}

static void plan(const struct disk *disk, struct loss *loss)
{
    size_t count = disk->change_count;
    loss->end = (size_t)disk_random(&loss->random, count + 1);
    loss->torn = SIZE_MAX;
    size_t last = SIZE_MAX;
    if (loss->kind == LOSS_TORN) {
        last = loss->end - 1; /* wraps to none */
    } else if (loss->kind == LOSS_TORN_LAST) {
        last = count - 1;
    } else if (loss->kind == LOSS_OF_SECTORS && count > 0 && disk_random(&loss->random, 2) == 0) {
        last = (size_t)disk_random(&loss->random, count);
    }
    while (last != SIZE_MAX && disk->changes[last].kind != CHANGE_WRITE) {
        last--;
    }
    loss->torn = last;
}

/* The copy of a file: copies are made in the order of the originals. */
static struct disk_file *twin_of(const struct disk *disk, const struct disk *copy, const struct disk_file *file)
{
    struct disk_file *twin = copy->files;
    for (const struct disk_file *each = disk->files; each != file && each != NULL; each = each->next) {
        twin = twin->next;
    }
    return twin;
}

static struct disk *copy_platter(const struct disk *disk)
{
    struct disk *copy = disk_new(disk->device);
    struct disk_file **end = &copy->files;
    for (const struct disk_file *file = disk->files; file != NULL; file = file->next) {
        *end = memory_zalloc(1, sizeof(**end));
        content_copy(&(*end)->platter, &file->platter);
        end = &(*end)->next;
    }
    copy->name_count = disk->name_count;
    for (size_t i = 0; i < disk->name_count; i++) {
        copy->names[i] = strdup(disk->names[i]);
        copy->platter_files[i] = twin_of(disk, copy, disk->platter_files[i]);
    }
    return copy;
}

struct disk *disk_lose_power(const struct disk *disk, enum disk_loss kind, uint64_t seed)
{
    struct loss loss = {.device = disk->device, .kind = kind, .random = seed};
    struct disk *copy = copy_platter(disk);
    plan(disk, &loss);
    for (size_t i = 0; i < disk->change_count; i++) {
        const struct change *change = &disk->changes[i];
        if (!is_kept(&loss, i)) {
            continue;
        }
        struct disk_file *twin = twin_of(disk, copy, change->file);
        if (change->kind != CHANGE_NAME) {
            apply(&twin->platter, change, i, &loss);
        } else if (kind != LOSS_OF_SECTORS || disk_random(&loss.random, 2) == 0) {
            copy->platter_files[change->name] = twin;
        }
    }
    for (size_t i = 0; i < copy->name_count; i++) {
        copy->cached_files[i] = copy->platter_files[i];
    }
    for (struct disk_file *file = copy->files; file != NULL; file = file->next) {
        content_copy(&file->cached, &file->platter);
    }
    return copy;
}
