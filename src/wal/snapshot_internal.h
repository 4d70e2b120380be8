/* snapshot_internal.h -- what the files of the snapshots share: names, and files that are open. */
#ifndef WAL_SNAPSHOT_INTERNAL_H
#define WAL_SNAPSHOT_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "os/os.h"
#include "wal/report.h"
#include "wal/snapshot.h"

enum {
    SNAPSHOT_PATH_BYTES = 1024,
    /* Synced every so often while it is written, so that the last sync is not a flood of
     * gigabytes that the log's flushes have to swim through. */
    SNAPSHOT_SYNC_BYTES = 8 << 20,
};

/* A file of the directory that is open. */
struct snapshot_file {
    struct os *os;
    struct os_file *file; /* NULL: it is not. */
    char path[SNAPSHOT_PATH_BYTES];
    char directory[SNAPSHOT_PATH_BYTES]; /* DIR/snap. */
};

/* -- snapshot_file.c --------------------------------------------------------------------- */

/* Write DIR/snap to `path`. */
int snapshot_name_directory(char path[SNAPSHOT_PATH_BYTES], const char *dir, struct report *report);

/* Write the path of the snapshot of `slot` to `path`; `suffix` is "" or that of one that is not
 * complete. */
void snapshot_name_file(char path[SNAPSHOT_PATH_BYTES], const char *directory, uint64_t slot,
                        const char *suffix);

/* Open file->path. */
int snapshot_open_file(struct snapshot_file *file, unsigned flags, struct report *report);

/* Close it if it is open. */
void snapshot_close_file(struct snapshot_file *file);

/* Sync it; `offset` is how far it has been written, for the report. */
int snapshot_sync_file(const struct snapshot_file *file, uint64_t offset, struct report *report);

/* Give the file, which is synced, the name of the snapshot of `slot`, durably. */
int snapshot_install(const struct snapshot_file *file, uint64_t slot, struct report *report);

int snapshot_fail_memory(const char *path, struct report *report);

/* -- snapshot.c -------------------------------------------------------------------------- */

/* Like snapshot_open(), for a file of any name. */
int snapshot_open_path(struct os *os, const char *path, uint64_t slot, struct report *report,
                       struct snapshot **snapshot);

#endif /* WAL_SNAPSHOT_INTERNAL_H */
