/* disk.c -- a disk that keeps what was synced, and of the rest whatever it likes.
 *
 * Each file has two images: what readers see, and what is on the disk; and the list of calls
 * that made the difference, in order. A sync moves the list's effects to the second image, at
 * once, or, when it was called in a job, when that job has returned. Names have the same. */
#include "sim/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum call_kind {
    CALL_WRITE = 1,
    CALL_TRUNCATE,
    CALL_SYNC,
    CALL_LINK,
    CALL_UNLINK,
    CALL_RENAME
};

struct image {
    uint8_t *data;
    uint64_t size;
    uint64_t capacity;
};

struct disk_file {
    struct disk *disk;
    struct disk_file *next; /* All files that ever were. */
    struct image seen;
    struct image kept;
    uint64_t changed_from; /* Outside of this range both images are alike, ... */
    uint64_t changed_to;
    int is_resized; /* ... if this is 0. */
};

/* Something done and not yet known to be on the disk. */
struct call {
    struct call *next;
    enum call_kind kind;
    uint64_t job; /* 0: it was done outside of any job, and has returned. */
    struct disk_file *file;
    uint64_t offset; /* WRITE: where; TRUNCATE: the size. */
    uint64_t size;
    char *from; /* Names. */
    char *to;
    uint8_t data[];
};

struct name {
    struct name *next;
    char *path;
    struct disk_file *file; /* NULL: a directory. */
};

struct disk {
    struct world *world;
    struct disk_file *files;
    struct name *seen;
    struct name *kept;
    struct call *calls; /* Oldest first. */
    struct call **last;
    uint64_t job; /* The one that calls belong to now; 0: none. */
    uint64_t job_last;
};

static char *copy_text(const char *text)
{
    char *copy = world_allocate(strlen(text) + 1);
    memcpy(copy, text, strlen(text));
    return copy;
}

/* -- Images ------------------------------------------------------------------------------- */

static void image_resize(struct image *image, uint64_t size)
{
    if (size > image->capacity) {
        uint64_t capacity = image->capacity == 0 ? 4096 : image->capacity;
        while (capacity < size) {
            capacity *= 2;
        }
        uint8_t *data = world_allocate(capacity);
        if (image->size > 0) {
            memcpy(data, image->data, image->size);
        }
        free(image->data);
        image->data = data;
        image->capacity = capacity;
    }
    if (size < image->size) {
        memset(image->data + size, 0, image->size - size);
    }
    image->size = size;
}

static void image_write(struct image *image, uint64_t offset, const uint8_t *from, size_t size)
{
    if (offset + size > image->size) {
        image_resize(image, offset + size);
    }
    memcpy(image->data + offset, from, size);
}

/* -- Names -------------------------------------------------------------------------------- */

static struct name **find(struct name **names, const char *path)
{
    while (*names != NULL && strcmp((*names)->path, path) != 0) {
        names = &(*names)->next;
    }
    return names;
}

static void link_name(struct name **names, const char *path, struct disk_file *file)
{
    struct name **at = find(names, path);
    if (*at == NULL) {
        *at = world_allocate(sizeof **at);
        (*at)->path = copy_text(path);
    }
    (*at)->file = file;
}

static void unlink_name(struct name **names, const char *path)
{
    struct name **at = find(names, path);
    struct name *name = *at;
    if (name != NULL) {
        *at = name->next;
        free(name->path);
        free(name);
    }
}

/* -- Calls -------------------------------------------------------------------------------- */

static struct call *note(struct disk *disk, enum call_kind kind, struct disk_file *file,
                         size_t size)
{
    struct call *call = world_allocate(sizeof *call + size);
    call->kind = kind;
    call->job = disk->job;
    call->file = file;
    call->size = size;
    *disk->last = call;
    disk->last = &call->next;
    return call;
}

static void call_free(struct call *call)
{
    free(call->from);
    free(call->to);
    free(call);
}

/* Make the call's effect last. */
static void keep(struct disk *disk, const struct call *call)
{
    switch (call->kind) {
    case CALL_WRITE:
        image_write(&call->file->kept, call->offset, call->data, call->size);
        break;
    case CALL_TRUNCATE:
        image_resize(&call->file->kept, call->offset);
        break;
    case CALL_LINK:
        link_name(&disk->kept, call->to, call->file);
        break;
    case CALL_UNLINK:
        unlink_name(&disk->kept, call->from);
        break;
    case CALL_RENAME:
        unlink_name(&disk->kept, call->from);
        link_name(&disk->kept, call->to, call->file);
        break;
    case CALL_SYNC:
        break;
    }
}

static int is_of_names(enum call_kind kind)
{
    return kind == CALL_LINK || kind == CALL_UNLINK || kind == CALL_RENAME;
}

/* A sync took effect: what it covers and came before it lasts, and leaves the list. */
static void settle(struct disk *disk, const struct call *sync)
{
    struct call **at = &disk->calls;
    while (*at != sync) {
        struct call *call = *at;
        const int is_covered =
            sync->file == NULL
                ? is_of_names(call->kind)
                : call->file == sync->file && !is_of_names(call->kind) && call->kind != CALL_SYNC;
        if (!is_covered) {
            at = &call->next;
            continue;
        }
        keep(disk, call);
        *at = call->next;
        call_free(call);
    }
}

/* Let every sync of `job` take effect; what is left of the job has returned. */
static void settle_job(struct disk *disk, uint64_t job)
{
    struct call **at = &disk->calls;
    while (*at != NULL) {
        struct call *call = *at;
        if (call->job != job) {
            at = &call->next;
        } else if (call->kind == CALL_SYNC) {
            settle(disk, call);
            at = &disk->calls;
            while (*at != call) {
                at = &(*at)->next;
            }
            *at = call->next;
            call_free(call);
        } else {
            call->job = 0;
            at = &call->next;
        }
    }
    disk->last = at;
}

/* A sync reaches what other jobs have done so far, so they have certainly got so far. */
static void settle_jobs_reached(struct disk *disk, const struct disk_file *file)
{
    const struct call *call = disk->calls;
    while (call != NULL) {
        const int is_reached = file == NULL ? is_of_names(call->kind) : call->file == file;
        if (is_reached && call->job != 0 && call->job != disk->job) {
            settle_job(disk, call->job);
            call = disk->calls;
        } else {
            call = call->next;
        }
    }
}

static void sync_now(struct disk *disk, struct disk_file *file)
{
    settle_jobs_reached(disk, file);
    struct call *sync = note(disk, CALL_SYNC, file, 0);
    if (disk->job == 0) {
        sync->job = ++disk->job_last;
        settle_job(disk, sync->job);
    }
}

/* -- The power ---------------------------------------------------------------------------- */

static void keep_some_sectors(struct disk *disk, const struct call *call)
{
    for (uint64_t at = 0; at < call->size;) {
        const uint64_t offset = call->offset + at;
        uint64_t size = DISK_SECTOR_SIZE - offset % DISK_SECTOR_SIZE;
        size = size < call->size - at ? size : call->size - at;
        if (world_chance(disk->world, 1, 2)) {
            image_write(&call->file->kept, offset, call->data + at, size);
        }
        at += size;
    }
}

/* Of each job that has not returned, a random number of calls were made. */
static void cut_jobs(struct disk *disk)
{
    struct call **at = &disk->calls;
    uint64_t cut_job = 0;
    uint64_t made = 0;
    while (*at != NULL) {
        struct call *call = *at;
        if (call->job != 0 && call->job != cut_job) {
            cut_job = call->job;
            uint64_t total = 0;
            for (const struct call *other = call; other != NULL; other = other->next) {
                total += other->job == cut_job;
            }
            made = world_below(disk->world, total + 1);
        }
        if (call->job != 0 && made == 0) {
            *at = call->next;
            call_free(call);
            continue;
        }
        made -= call->job != 0;
        at = &call->next;
    }
    disk->last = at;
}

static void settle_returned_syncs(struct disk *disk)
{
    for (;;) {
        const struct call *call = disk->calls;
        while (call != NULL && call->kind != CALL_SYNC) {
            call = call->next;
        }
        if (call == NULL) {
            return;
        }
        settle_job(disk, call->job);
    }
}

static void see_what_is_kept(struct disk_file *file)
{
    if (file->is_resized) {
        file->changed_from = 0;
        file->changed_to = UINT64_MAX;
        image_resize(&file->seen, file->kept.size);
    }
    const uint64_t from = file->changed_from;
    const uint64_t to = file->changed_to < file->kept.size ? file->changed_to : file->kept.size;
    if (from < to) {
        memcpy(file->seen.data + from, file->kept.data + from, to - from);
    }
    file->changed_from = UINT64_MAX;
    file->changed_to = 0;
    file->is_resized = 0;
}

void disk_power_cycle(struct disk *disk)
{
    int are_names_lost = 0;
    cut_jobs(disk);
    settle_returned_syncs(disk);
    while (disk->calls != NULL) {
        struct call *call = disk->calls;
        disk->calls = call->next;
        if (call->kind == CALL_WRITE) {
            keep_some_sectors(disk, call);
        } else if (is_of_names(call->kind)) {
            are_names_lost = are_names_lost || world_chance(disk->world, 1, 2);
            if (!are_names_lost) {
                keep(disk, call);
            }
        } else if (world_chance(disk->world, 1, 2)) {
            keep(disk, call);
        }
        call_free(call);
    }
    disk->last = &disk->calls;
    disk->job = 0;

    while (disk->seen != NULL) {
        unlink_name(&disk->seen, disk->seen->path);
    }
    for (const struct name *name = disk->kept; name != NULL; name = name->next) {
        link_name(&disk->seen, name->path, name->file);
    }
    for (struct disk_file *file = disk->files; file != NULL; file = file->next) {
        see_what_is_kept(file);
    }
}

/* -- The interface ------------------------------------------------------------------------ */

struct disk *disk_new(struct world *world)
{
    struct disk *disk = world_allocate(sizeof *disk);
    disk->world = world;
    disk->last = &disk->calls;
    return disk;
}

void disk_free(struct disk *disk)
{
    while (disk->calls != NULL) {
        struct call *call = disk->calls;
        disk->calls = call->next;
        call_free(call);
    }
    while (disk->seen != NULL) {
        unlink_name(&disk->seen, disk->seen->path);
    }
    while (disk->kept != NULL) {
        unlink_name(&disk->kept, disk->kept->path);
    }
    while (disk->files != NULL) {
        struct disk_file *file = disk->files;
        disk->files = file->next;
        free(file->seen.data);
        free(file->kept.data);
        free(file);
    }
    free(disk);
}

uint64_t disk_job_begin(struct disk *disk)
{
    assert(disk->job == 0);
    disk->job = ++disk->job_last;
    return disk->job;
}

void disk_job_end(struct disk *disk)
{
    assert(disk->job != 0);
    disk->job = 0;
}

void disk_job_returned(struct disk *disk, uint64_t job)
{
    settle_job(disk, job);
}

int disk_open(struct disk *disk, const char *path, int creates, int is_exclusive,
              struct disk_file **file)
{
    struct name *name = *find(&disk->seen, path);
    if (name != NULL && name->file == NULL) {
        return -EISDIR;
    }
    if (name != NULL) {
        *file = name->file;
        return is_exclusive ? -EEXIST : 0;
    }
    if (!creates) {
        return -ENOENT;
    }
    *file = world_allocate(sizeof **file);
    (*file)->disk = disk;
    (*file)->changed_from = UINT64_MAX;
    (*file)->next = disk->files;
    disk->files = *file;
    link_name(&disk->seen, path, *file);
    note(disk, CALL_LINK, *file, 0)->to = copy_text(path);
    return 0;
}

int disk_directory(struct disk *disk, const char *path)
{
    if (*find(&disk->seen, path) != NULL) {
        return -EEXIST;
    }
    link_name(&disk->seen, path, NULL);
    note(disk, CALL_LINK, NULL, 0)->to = copy_text(path);
    return 0;
}

int disk_has_directory(const struct disk *disk, const char *path)
{
    struct name *names = disk->seen;
    const struct name *name = *find(&names, path);
    return name == NULL ? -ENOENT : name->file == NULL ? 0 : -ENOTDIR;
}

int disk_rename(struct disk *disk, const char *from, const char *to)
{
    const struct name *name = *find(&disk->seen, from);
    if (name == NULL) {
        return -ENOENT;
    }
    struct disk_file *file = name->file;
    unlink_name(&disk->seen, from);
    link_name(&disk->seen, to, file);
    struct call *call = note(disk, CALL_RENAME, file, 0);
    call->from = copy_text(from);
    call->to = copy_text(to);
    return 0;
}

int disk_remove(struct disk *disk, const char *path)
{
    if (*find(&disk->seen, path) == NULL) {
        return -ENOENT;
    }
    unlink_name(&disk->seen, path);
    note(disk, CALL_UNLINK, NULL, 0)->from = copy_text(path);
    return 0;
}

int disk_sync_names(struct disk *disk)
{
    sync_now(disk, NULL);
    return 0;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

void disk_list(const struct disk *disk, const char *path,
               void (*visit)(void *context, const char *name), void *context)
{
    const size_t length = strlen(path);
    const char **found = NULL;
    size_t count = 0;
    for (const struct name *name = disk->seen; name != NULL; name = name->next) {
        if (strncmp(name->path, path, length) == 0 && name->path[length] == '/' &&
            strchr(name->path + length + 1, '/') == NULL) {
            const char **grown = realloc(found, (count + 1) * sizeof *found);
            assert(grown != NULL);
            found = grown;
            found[count++] = name->path + length + 1;
        }
    }
    if (count > 0) {
        qsort(found, count, sizeof *found, compare_names);
    }
    for (size_t i = 0; i < count; i++) {
        visit(context, found[i]);
    }
    free(found);
}

uint64_t disk_size(const struct disk_file *file)
{
    return file->seen.size;
}

size_t disk_read(const struct disk_file *file, uint64_t offset, void *to, size_t size)
{
    if (offset >= file->seen.size) {
        return 0;
    }
    size = size < file->seen.size - offset ? size : file->seen.size - offset;
    memcpy(to, file->seen.data + offset, size);
    return size;
}

void disk_write(struct disk_file *file, uint64_t offset, const void *from, size_t size)
{
    file->is_resized = file->is_resized || offset + size > file->seen.size;
    file->changed_from = offset < file->changed_from ? offset : file->changed_from;
    file->changed_to = offset + size > file->changed_to ? offset + size : file->changed_to;
    image_write(&file->seen, offset, from, size);
    struct call *call = note(file->disk, CALL_WRITE, file, size);
    call->offset = offset;
    memcpy(call->data, from, size);
}

void disk_truncate(struct disk_file *file, uint64_t size)
{
    file->is_resized = 1;
    image_resize(&file->seen, size);
    note(file->disk, CALL_TRUNCATE, file, 0)->offset = size;
}

void disk_sync(struct disk_file *file)
{
    sync_now(file->disk, file);
}
