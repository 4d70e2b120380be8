/* disk_power.c -- what is left when the power fails, or a process.
 *
 * Names are lost by directory: of what was done in one since it was synced, what came first may be
 * there and what came last not. What is in a directory that is not there is not there either. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/disk_internal.h"

static void keep_some_sectors(struct disk *disk, const struct call *call)
{
    for (uint64_t at = 0; at < call->size;) {
        const uint64_t offset = call->offset + at;
        uint64_t size = DISK_SECTOR_SIZE - offset % DISK_SECTOR_SIZE;
        size = size < call->size - at ? size : call->size - at;
        if (world_chance(disk->world, 1, 2)) {
            image_write(&call->file->kept, offset, disk_written(call, at), size);
        }
        at += size;
    }
}

/* What the sync was for is on the disk in part, and the system thinks that all of it is: that is
 * what Linux does (Rebello et al., "Can Applications Recover from fsync Failures?", 2020). */
void disk_fail_sync(struct disk_file *file)
{
    struct disk *disk = file->disk;
    struct call **at = &disk->calls;
    while (*at != NULL) {
        struct call *call = *at;
        if (call->file == file && call->kind == CALL_WRITE) {
            keep_some_sectors(disk, call);
            *at = call->next;
            disk_call_free(call);
        } else {
            at = &call->next;
        }
    }
    disk->last = at;
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
            disk_call_free(call);
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
        disk_settle_job(disk, call->job);
    }
}

static void reach(const struct names *names)
{
    for (const struct name *name = name_next(names, NULL); name != NULL;
         name = name_next(names, name)) {
        if (name->file != NULL) {
            name->file->is_reached = 1;
        }
    }
}

void disk_file_free(struct disk_file *file)
{
    image_deinit(&file->seen);
    image_deinit(&file->kept);
    free(file);
}

/* Files without a name go with the process that had them open. */
static void free_unreached(struct disk *disk)
{
    reach(&disk->seen);
    reach(&disk->kept);
    for (const struct call *call = disk->calls; call != NULL; call = call->next) {
        if (call->file != NULL) {
            call->file->is_reached = 1;
        }
    }
    struct disk_file **at = &disk->files;
    while (*at != NULL) {
        struct disk_file *file = *at;
        if (file->is_reached) {
            file->is_reached = 0;
            at = &file->next;
        } else {
            *at = file->next;
            disk_file_free(file);
        }
    }
}

void disk_process_died(struct disk *disk)
{
    settle_returned_syncs(disk);
    for (struct call *call = disk->calls; call != NULL; call = call->next) {
        call->job = 0;
    }
    disk->job = 0;
    free_unreached(disk);
}

/* Directories in which something was lost: what was done there later is lost, too. */
struct losses {
    char *directories[8];
    uint32_t count;
};

static int is_lost(struct disk *disk, struct losses *losses, const struct call *call)
{
    for (uint32_t i = 0; i < losses->count; i++) {
        if (disk_is_in(call, losses->directories[i])) {
            return 1;
        }
    }
    if (!world_chance(disk->world, 1, 2)) {
        return 0;
    }
    char *directory = name_copy(call->to != NULL ? call->to : call->from);
    char *slash = strrchr(directory, '/');
    directory[slash == NULL ? 0 : slash - directory] = 0;
    assert(losses->count < sizeof losses->directories / sizeof losses->directories[0]);
    losses->directories[losses->count++] = directory;
    return 1;
}

void disk_power_cycle(struct disk *disk)
{
    struct losses losses = {.count = 0};
    cut_jobs(disk);
    settle_returned_syncs(disk);
    while (disk->calls != NULL) {
        struct call *call = disk->calls;
        disk->calls = call->next;
        if (call->kind == CALL_WRITE) {
            keep_some_sectors(disk, call);
        } else if (disk_is_of_names(call->kind)) {
            if (!is_lost(disk, &losses, call)) {
                disk_keep(disk, call);
            }
        } else if (world_chance(disk->world, 1, 2)) {
            disk_keep(disk, call);
        }
        disk_call_free(call);
    }
    while (losses.count > 0) {
        free(losses.directories[--losses.count]);
    }
    names_drop_orphans(&disk->kept);
    disk->last = &disk->calls;
    disk->job = 0;

    names_clear(&disk->seen);
    for (const struct name *name = name_next(&disk->kept, NULL); name != NULL;
         name = name_next(&disk->kept, name)) {
        name_put(&disk->seen, name->path, name->file);
    }
    free_unreached(disk);
    for (struct disk_file *file = disk->files; file != NULL; file = file->next) {
        image_become(&file->seen, &file->kept);
    }
}

/* For a node without a process: nobody has a file open. */
void disk_wipe(struct disk *disk)
{
    disk_power_cycle(disk);
    names_clear(&disk->seen);
    names_clear(&disk->kept);
}
