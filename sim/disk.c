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
#include "sim/disk_internal.h"

/* -- Calls -------------------------------------------------------------------------------- */

static struct call *note(struct disk *disk, enum call_kind kind, struct disk_file *file)
{
    struct call *call = world_reallocate(NULL, sizeof *call);
    *call = (struct call){.kind = kind, .job = disk->job, .file = file};
    *disk->last = call;
    disk->last = &call->next;
    return call;
}

int disk_is_unsettled(const struct disk *disk, const struct disk_file *file, uint64_t offset,
                      uint64_t size)
{
    for (const struct call *call = disk->calls; call != NULL; call = call->next) {
        const int is_there = call->kind == CALL_TRUNCATE ||
                             (call->kind == CALL_WRITE && call->offset < offset + size &&
                              offset < call->offset + call->size);
        if (call->file == file && is_there) {
            return 1;
        }
    }
    return 0;
}

const uint8_t *disk_written(const struct call *call, uint64_t at)
{
    return call->data != NULL ? call->data + at : image_look(&call->file->seen, call->offset + at);
}

/* Readers will see something else there: a write that is not on the disk yet keeps a copy. Most
 * are before that. */
static void keep_written(const struct disk_file *file, uint64_t from, uint64_t to)
{
    for (struct call *call = file->disk->calls; call != NULL; call = call->next) {
        if (call->file == file && call->kind == CALL_WRITE && call->data == NULL &&
            call->size > 0 && call->offset < to && from < call->offset + call->size) {
            uint8_t *copy = world_reallocate(NULL, call->size);
            image_read(&file->seen, call->offset, copy, call->size);
            call->data = copy;
        }
    }
}

void disk_call_free(struct call *call)
{
    free(call->data);
    free(call->from);
    free(call->to);
    free(call);
}

/* Now and then, remember what a write goes over: a disk may lose a write and say nothing. */
static void remember_stale(struct disk *disk, const struct call *call)
{
    struct disk_file *file = call->file;
    const uint64_t at = call->offset / DISK_SECTOR_SIZE * DISK_SECTOR_SIZE;
    if (at + DISK_SECTOR_SIZE <= file->kept.size && world_chance(disk->world, 1, 8)) {
        file->has_stale = 1;
        file->stale_at = at;
        image_read(&file->kept, at, file->stale, DISK_SECTOR_SIZE);
    }
}

void disk_keep(struct disk *disk, const struct call *call)
{
    switch (call->kind) {
    case CALL_WRITE:
        remember_stale(disk, call);
        if (call->data != NULL) {
            image_write(&call->file->kept, call->offset, call->data, call->size);
        } else {
            image_share(&call->file->kept, &call->file->seen, call->offset, call->size);
        }
        break;
    case CALL_TRUNCATE:
        image_resize(&call->file->kept, call->offset);
        break;
    case CALL_LINK:
        name_put(&disk->kept, call->to, call->file);
        break;
    case CALL_UNLINK:
        name_remove(&disk->kept, call->from);
        break;
    case CALL_RENAME:
        name_remove(&disk->kept, call->from);
        name_put(&disk->kept, call->to, call->file);
        break;
    case CALL_SYNC:
        break;
    }
}

int disk_is_of_names(enum call_kind kind)
{
    return kind == CALL_LINK || kind == CALL_UNLINK || kind == CALL_RENAME;
}

/* Nothing is ever renamed into another directory. */
int disk_is_in(const struct call *call, const char *directory)
{
    return name_is_in(call->to != NULL ? call->to : call->from, directory);
}

/* A sync took effect: what it covers and came before it lasts, and leaves the list. */
static void settle(struct disk *disk, const struct call *sync)
{
    struct call **at = &disk->calls;
    struct disk_file *file = sync->file;
    uint64_t from = UINT64_MAX;
    uint64_t to = 0;
    while (*at != sync) {
        struct call *call = *at;
        const int is_covered = sync->file == NULL
                                   ? disk_is_of_names(call->kind) && disk_is_in(call, sync->to)
                                   : call->file == sync->file && !disk_is_of_names(call->kind) &&
                                         call->kind != CALL_SYNC;
        if (!is_covered) {
            at = &call->next;
            continue;
        }
        if (call->kind == CALL_WRITE) {
            from = call->offset < from ? call->offset : from;
            to = call->offset + call->size > to ? call->offset + call->size : to;
        }
        disk_keep(disk, call);
        *at = call->next;
        disk_call_free(call);
    }
    if (file != NULL && from < to) {
        file->synced_from = from;
        file->synced_to = to;
    }
}

void disk_settle_job(struct disk *disk, uint64_t job)
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
            disk_call_free(call);
        } else {
            call->job = 0;
            at = &call->next;
        }
    }
    disk->last = at;
}

/* A sync reaches what other jobs have done so far, so they have certainly got so far. */
static void settle_jobs_reached(struct disk *disk, const struct disk_file *file,
                                const char *directory)
{
    const struct call *call = disk->calls;
    while (call != NULL) {
        const int is_reached = file == NULL
                                   ? disk_is_of_names(call->kind) && disk_is_in(call, directory)
                                   : call->file == file;
        if (is_reached && call->job != 0 && call->job != disk->job) {
            disk_settle_job(disk, call->job);
            call = disk->calls;
        } else {
            call = call->next;
        }
    }
}

/* Of the file, or, without one, of the names in the directory. */
static void sync_now(struct disk *disk, struct disk_file *file, const char *directory)
{
    settle_jobs_reached(disk, file, directory);
    struct call *sync = note(disk, CALL_SYNC, file);
    sync->to = file == NULL ? name_copy(directory) : NULL;
    if (disk->job == 0) {
        sync->job = ++disk->job_last;
        disk_settle_job(disk, sync->job);
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
        disk_call_free(call);
    }
    names_clear(&disk->seen);
    names_clear(&disk->kept);
    while (disk->files != NULL) {
        struct disk_file *file = disk->files;
        disk->files = file->next;
        disk_file_free(file);
    }
    page_pool_deinit(&disk->pool);
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
    disk_settle_job(disk, job);
}

int disk_open(struct disk *disk, const char *path, int creates, int is_exclusive,
              struct disk_file **file)
{
    struct name *name = name_find(&disk->seen, path);
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
    (*file)->is_log = strstr(path, "/wal/") != NULL;
    image_init(&(*file)->seen, &disk->pool);
    image_init(&(*file)->kept, &disk->pool);
    (*file)->next = disk->files;
    disk->files = *file;
    name_put(&disk->seen, path, *file);
    note(disk, CALL_LINK, *file)->to = name_copy(path);
    return 0;
}

int disk_directory(struct disk *disk, const char *path)
{
    if (name_find(&disk->seen, path) != NULL) {
        return -EEXIST;
    }
    name_put(&disk->seen, path, NULL);
    note(disk, CALL_LINK, NULL)->to = name_copy(path);
    return 0;
}

int disk_has_directory(const struct disk *disk, const char *path)
{
    const struct name *name = name_find(&disk->seen, path);
    return name == NULL ? -ENOENT : name->file == NULL ? 0 : -ENOTDIR;
}

int disk_has_name(const struct disk *disk, const char *path)
{
    return name_find(&disk->seen, path) != NULL;
}

int disk_rename(struct disk *disk, const char *from, const char *to)
{
    const struct name *name = name_find(&disk->seen, from);
    if (name == NULL) {
        return -ENOENT;
    }
    struct disk_file *file = name->file;
    name_remove(&disk->seen, from);
    name_put(&disk->seen, to, file);
    struct call *call = note(disk, CALL_RENAME, file);
    call->from = name_copy(from);
    call->to = name_copy(to);
    return 0;
}

int disk_remove(struct disk *disk, const char *path)
{
    if (name_find(&disk->seen, path) == NULL) {
        return -ENOENT;
    }
    name_remove(&disk->seen, path);
    note(disk, CALL_UNLINK, NULL)->from = name_copy(path);
    return 0;
}

int disk_sync_names(struct disk *disk, const char *directory)
{
    sync_now(disk, NULL, strcmp(directory, ".") == 0 ? "" : directory);
    return 0;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The names are copied first: whoever visits one may remove it, or lose its power over it, and then
 * all that was seen is what was kept. */
void disk_list(const struct disk *disk, const char *path,
               void (*visit)(void *context, const char *name), void *context)
{
    const size_t length = strlen(path);
    char **found = NULL;
    size_t count = 0;
    for (const struct name *name = name_next(&disk->seen, NULL); name != NULL;
         name = name_next(&disk->seen, name)) {
        if (strncmp(name->path, path, length) == 0 && name->path[length] == '/' &&
            strchr(name->path + length + 1, '/') == NULL) {
            char **grown = realloc(found, (count + 1) * sizeof *found);
            assert(grown != NULL);
            found = grown;
            found[count++] = name_copy(name->path + length + 1);
        }
    }
    if (count > 0) {
        qsort(found, count, sizeof *found, compare_names);
    }
    for (size_t i = 0; i < count; i++) {
        visit(context, found[i]);
        free(found[i]);
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
    image_read(&file->seen, offset, to, size);
    return size;
}

static int is_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

void disk_write(struct disk_file *file, uint64_t offset, const void *from, size_t size)
{
    keep_written(file, offset, offset + size);
    image_write(&file->seen, offset, from, size);
    struct call *call = note(file->disk, CALL_WRITE, file);
    call->offset = offset;
    call->size = size;
    call->log_write = file->is_log && !is_zero(from, size) ? ++file->disk->log_writes : 0;
}

void disk_truncate(struct disk_file *file, uint64_t size)
{
    keep_written(file, size, UINT64_MAX);
    image_resize(&file->seen, size);
    note(file->disk, CALL_TRUNCATE, file)->offset = size;
}

void disk_sync(struct disk_file *file)
{
    sync_now(file->disk, file, NULL);
}

uint64_t disk_log_writes(const struct disk *disk)
{
    return disk->log_writes;
}

uint64_t disk_log_lasting(const struct disk *disk)
{
    for (const struct call *call = disk->calls; call != NULL; call = call->next) {
        if (call->log_write != 0) {
            return call->log_write - 1;
        }
    }
    return disk->log_writes;
}
