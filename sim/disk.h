/* disk.h -- a disk that keeps what was synced, and of the rest whatever it likes.
 *
 * The model: a write is in the file for whoever reads it at once, and on the disk when a sync
 * of that file has returned. When the power fails, of each write that no returned sync covers
 * any subset of its sectors may be on the disk, in any order among the writes. Creating,
 * renaming and removing are on the disk when the directory was synced; before that, when the
 * power fails, those done so far in it may be there up to some point and no further, and in
 * another directory up to another. A job on a
 * worker is somewhere in the middle when the power fails: some of its calls have happened, the
 * others not. */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include <stddef.h>
#include <stdint.h>

#include "sim/world.h"

struct disk;
struct disk_file;

enum {
    DISK_SECTOR_SIZE = 512
};

struct disk *disk_new(struct world *world);
void disk_free(struct disk *disk);

/* From begin to end, calls belong to a job that has not returned: they are undone from some
 * point on if the power fails before disk_job_returned(). */
uint64_t disk_job_begin(struct disk *disk);
void disk_job_end(struct disk *disk);
void disk_job_returned(struct disk *disk, uint64_t job);

/* The power fails, and comes back. Every open file is closed. */
void disk_power_cycle(struct disk *disk);

/* The process that used it is gone, and the machine is not: nothing is lost, and the calls of its
 * jobs were all made. */
void disk_process_died(struct disk *disk);

/* Paths are names as they are; a directory is a name too. Errors are negative errno values. */
int disk_open(struct disk *disk, const char *path, int creates, int is_exclusive,
              struct disk_file **file);
int disk_directory(struct disk *disk, const char *path);
int disk_has_directory(const struct disk *disk, const char *path);
int disk_has_name(const struct disk *disk, const char *path);
int disk_rename(struct disk *disk, const char *from, const char *to);
int disk_remove(struct disk *disk, const char *path);
int disk_sync_names(struct disk *disk, const char *directory); /* ".": of the topmost. */
void disk_list(const struct disk *disk, const char *path,
               void (*visit)(void *context, const char *name), void *context);

uint64_t disk_size(const struct disk_file *file);
size_t disk_read(const struct disk_file *file, uint64_t offset, void *to, size_t size);
void disk_write(struct disk_file *file, uint64_t offset, const void *from, size_t size);
void disk_truncate(struct disk_file *file, uint64_t size);
void disk_sync(struct disk_file *file);

/* A sync that fails: what was written since the last one is on the disk in part; readers go on
 * seeing it, and no later sync brings the rest. */
void disk_fail_sync(struct disk_file *file);

/* Writes into files of a log (in a folder "wal") that are not of zeroes, counted from 1: how many
 * were made, and up to which one all will be there whatever becomes of the power. */
uint64_t disk_log_writes(const struct disk *disk);
uint64_t disk_log_lasting(const struct disk *disk);

/* What a disk does to data that was durable. */
enum disk_damage {
    DISK_ROT = 1,   /* A bit is turned round. */
    DISK_STALE,     /* A sector is as it was before it was last written. */
    DISK_MISPLACED, /* A sector is where another belongs, of the same file or of another. */
    DISK_WIPED,     /* There is nothing on it any more. */
};

/* From now on all of a snapshot may be damaged. Most are synced once, so that as a rule nothing of
 * them is. */
void disk_set_frail_snapshots(struct disk *disk);

/* Damage something. The last thing that a sync made durable in each file is left alone, with all
 * that was not synced: a log cannot tell damage there from a write that the power cut short
 * (src/wal/segment.c says what a seal cannot save). Returns 0 if nothing fit was found. */
int disk_damage(struct disk *disk, enum disk_damage damage);

#endif /* SIM_DISK_H */
