/* os_sim_file.c -- the files of one node: a simulated disk, and what it refuses. */
#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "sim/os_sim_internal.h"

struct os_file {
    struct os_sim *sim;
    struct disk_file *file;
    int has_lock;
    uint64_t life;
};

static int has_bad_luck(struct os_sim *sim, uint32_t ppm)
{
    return ppm != 0 && world_chance(sim->world, ppm, 1000000);
}

/* -- Files -------------------------------------------------------------------------------- */

int os_sim_file_open(struct os *os, const char *path, unsigned flags, struct os_file **file)
{
    struct os_sim *sim = os_sim_of(os);
    struct disk_file *found;
    if (os_sim_is_gone(sim)) {
        return -EIO;
    }
    const int creates = (flags & OS_FILE_CREATE) != 0;
    if (creates && sim->trouble.is_full && !disk_has_name(sim->disk, path)) {
        return -ENOSPC;
    }
    const int error = disk_open(sim->disk, path, creates, (flags & OS_FILE_EXCLUSIVE) != 0, &found);
    if (error != 0) {
        return error;
    }
    if ((flags & OS_FILE_LOCK) != 0) {
        if (sim->is_locked) {
            return -EWOULDBLOCK;
        }
        sim->is_locked = 1;
    }
    *file = world_allocate(sizeof **file);
    **file = (struct os_file){
        .sim = sim, .file = found, .has_lock = (flags & OS_FILE_LOCK) != 0, .life = sim->life};
    return 0;
}

void os_sim_file_close(struct os_file *file)
{
    if (file->has_lock && file->life == file->sim->life) {
        file->sim->is_locked = 0;
    }
    free(file);
}

/* After a sync that failed readers go on seeing what the disk does not have (disk.h): these files
 * are in the page cache. */
int os_sim_file_is_direct(const struct os_file *file)
{
    (void)file;
    return 0;
}

int64_t os_sim_file_size(struct os_file *file)
{
    return os_sim_is_gone(file->sim) ? -EIO : (int64_t)disk_size(file->file);
}

int64_t os_sim_file_read(struct os_file *file, uint64_t offset, void *to, size_t size)
{
    if (os_sim_is_gone(file->sim) || has_bad_luck(file->sim, file->sim->trouble.read_ppm)) {
        return -EIO;
    }
    return (int64_t)disk_read(file->file, offset, to, size);
}

int os_sim_file_write(struct os_file *file, uint64_t offset, const void *from, size_t size)
{
    struct os_sim *sim = file->sim;
    if (os_sim_is_gone(sim)) {
        return -EIO;
    }
    if (sim->trouble.is_full && offset + size > disk_size(file->file)) {
        return -ENOSPC;
    }
    if (has_bad_luck(sim, sim->trouble.write_ppm)) {
        /* It has written so much, and no more. */
        disk_write(file->file, offset, from, world_below(sim->world, size + 1));
        return -EIO;
    }
    disk_write(file->file, offset, from, size);
    return 0;
}

int os_sim_file_sync(struct os_file *file)
{
    if (os_sim_is_gone(file->sim)) {
        return -EIO;
    }
    if (has_bad_luck(file->sim, file->sim->trouble.write_ppm)) {
        disk_fail_sync(file->file);
        return -EIO;
    }
    disk_sync(file->file);
    return 0;
}

int os_sim_file_truncate(struct os_file *file, uint64_t size)
{
    if (os_sim_is_gone(file->sim)) {
        return -EIO;
    }
    if (file->sim->trouble.is_full && size > disk_size(file->file)) {
        return -ENOSPC;
    }
    disk_truncate(file->file, size);
    return 0;
}

int os_sim_dir_create(struct os *os, const char *path)
{
    return os_sim_is_gone(os_sim_of(os)) ? -EIO : disk_directory(os_sim_of(os)->disk, path);
}

int os_sim_dir_check(struct os *os, const char *path)
{
    return os_sim_is_gone(os_sim_of(os)) ? -EIO : disk_has_directory(os_sim_of(os)->disk, path);
}

int os_sim_dir_sync(struct os *os, const char *path)
{
    return os_sim_is_gone(os_sim_of(os)) ? -EIO : disk_sync_names(os_sim_of(os)->disk, path);
}

int os_sim_dir_list(struct os *os, const char *path, void (*visit)(void *context, const char *name),
                    void *context)
{
    if (os_sim_is_gone(os_sim_of(os))) {
        return -EIO;
    }
    disk_list(os_sim_of(os)->disk, path, visit, context);
    return 0;
}

int64_t os_sim_dir_free_bytes(struct os *os, const char *path)
{
    const struct os_sim_trouble *trouble = &os_sim_of(os)->trouble;
    (void)path;
    return trouble->is_full || trouble->is_tight ? 0 : INT64_MAX;
}

int os_sim_rename(struct os *os, const char *from, const char *to)
{
    return os_sim_is_gone(os_sim_of(os)) ? -EIO : disk_rename(os_sim_of(os)->disk, from, to);
}

int os_sim_remove(struct os *os, const char *path)
{
    return os_sim_is_gone(os_sim_of(os)) ? -EIO : disk_remove(os_sim_of(os)->disk, path);
}
