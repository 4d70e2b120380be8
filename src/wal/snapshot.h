/* snapshot.h -- snapshots of the state as files: written whole, checked whole, installed whole.
 *
 * They lie in DIR/snap as <slot, 16 hex digits>.snap; the format is at the top of snapshot.c.
 * A file under that name is complete and durable: it was written under a temporary name,
 * synced, renamed, and the directory synced. Only then may the log below it be trimmed.
 *
 * Threads   Every function blocks. Each may be called on any thread; one struct by one thread
 *           at a time. Long ones (write, load, check, sync) belong into os_work.run.
 * Errors    0 or a negative enum synod_error, with `report` (may be NULL) filled in:
 *             SYNOD_ERR_CORRUPT  the file is damaged, cut short, or not the one it claims to be
 *             SYNOD_ERR_FOREIGN  a snapshot of another cluster or group, or a newer format
 *             SYNOD_ERR_ACCESS   it is not there or must not be read
 *             SYNOD_ERR_STORAGE  the disk refused a read, a write, a sync or a rename
 *             SYNOD_ERR_MEMORY   out of memory
 */
#ifndef WAL_SNAPSHOT_H
#define WAL_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "os/os.h"
#include "wal/report.h"

enum {
    SNAPSHOT_CHUNK_BYTES = 128 << 10,   /* State bytes under one checksum. */
    SNAPSHOT_METADATA_BYTES = 64 << 10, /* At most. */
};

/* What a snapshot is of. The same on every member: it travels with the file. */
struct snapshot_info {
    uint64_t cluster;      /* Not 0. */
    uint32_t group;        /* Of the groups that share the directory. */
    uint64_t slot;         /* The last slot whose entry is in the state. */
    uint64_t view;         /* The view of that slot. */
    struct bytes metadata; /* The owner's, opaque (members, windows ...); may be empty. */
};

/* -- The directory ----------------------------------------------------------------------- */

/* Make `dir`/snap if it is not there, make the names of the snapshots in it durable, and remove
 * what an interrupted write or receive left. Call once at start, before anything else of this
 * file. */
int snapshot_start(struct os *os, const char *dir, struct report *report);

/* The slots of the snapshots there, newest first, at most `capacity` of them, into `slots`.
 * Returns how many there are (may be more than `capacity`), or a negative error. Only names are
 * looked at. */
int64_t snapshot_list(struct os *os, const char *dir, uint64_t *slots, size_t capacity,
                      struct report *report);

/* Remove the snapshot of this slot, and make that durable. */
int snapshot_remove(struct os *os, const char *dir, uint64_t slot, struct report *report);

/* Remove every snapshot of a slot below `slot`, oldest first. One that is open stays readable
 * until it is closed. */
int snapshot_remove_below(struct os *os, const char *dir, uint64_t slot, struct report *report);

/* -- Writing ----------------------------------------------------------------------------- */

/* Where the bytes of the state come from: copies at most `size` to `to` and returns how many,
 * 0 at the end, or a negative enum synod_error (the shape of synod_machine.snapshot_read). */
struct snapshot_source {
    void *context;
    int64_t (*read)(void *context, void *to, size_t size);
};

/* Write and install the snapshot `info` describes, replacing one of the same slot. On error
 * (also one that the source returned, which is passed on) the temporary file is removed as far
 * as the disk allows, and whether the snapshot is there after a crash is not known. */
int snapshot_write(struct os *os, const char *dir, const struct snapshot_info *info,
                   struct snapshot_source source, struct report *report);

/* -- Reading ----------------------------------------------------------------------------- */

struct snapshot;

/* Open the snapshot of `slot` and check its header, its length and its trailer. */
int snapshot_open(struct os *os, const char *dir, uint64_t slot, struct report *report,
                  struct snapshot **snapshot);

/* Same for `cluster` and `group`: refuse with SYNOD_ERR_FOREIGN what is not of them. */
int snapshot_check(const struct snapshot *snapshot, uint64_t cluster, uint32_t group,
                   struct report *report);

/* Borrowed until snapshot_close(). */
const struct snapshot_info *snapshot_info(const struct snapshot *snapshot);

/* Bytes of the file, and bytes of the state in it. */
uint64_t snapshot_file_bytes(const struct snapshot *snapshot);
uint64_t snapshot_state_bytes(const struct snapshot *snapshot);

/* Where the bytes of the state go to, in pieces of at most SNAPSHOT_CHUNK_BYTES, each checked
 * before it is handed out. Returns 0 or a negative enum synod_error that ends the loading. */
struct snapshot_sink {
    void *context;
    int (*piece)(void *context, const void *data, size_t size);
};

/* Hand the whole state to the sink. An error may come after pieces were handed out: the state
 * counts only if this returned 0. */
int snapshot_load(struct snapshot *snapshot, struct snapshot_sink sink, struct report *report);

/* Copy bytes of the file itself, from `offset` on, for sending it to a peer. Returns how many:
 * less than `size` only at the end, 0 past it; or a negative error. Not checked: the receiver
 * checks the whole. */
int64_t snapshot_read_raw(struct snapshot *snapshot, uint64_t offset, void *to, size_t size,
                          struct report *report);

void snapshot_close(struct snapshot *snapshot);

/* -- Receiving ---------------------------------------------------------------------------- */

/* A snapshot that comes from a peer, byte for byte the file that it has. */
struct snapshot_receive;

/* Begin. Anything received before for the same slot and not finished is thrown away. */
int snapshot_receive_new(struct os *os, const char *dir, uint64_t slot, struct report *report,
                         struct snapshot_receive **receive);

/* The next bytes of the file, in order. `offset` must be snapshot_receive_offset(): a piece
 * that is a repeat or comes too early is the caller's to drop. Does not wait for the disk. */
int snapshot_receive_write(struct snapshot_receive *receive, uint64_t offset, struct bytes piece,
                           struct report *report);

/* True once each so many bytes: now is a good time for a sync, or the last one would be a flood of
 * gigabytes that the log's flushes have to swim through. The sync may run on another thread while
 * more is written here. */
int snapshot_receive_is_sync_due(struct snapshot_receive *receive);
int snapshot_receive_sync(const struct snapshot_receive *receive, struct report *report);

/* How many bytes have arrived: where the sender has to go on. */
uint64_t snapshot_receive_offset(const struct snapshot_receive *receive);

/* All bytes are here: sync the file and check it, the whole of it, and that it is of `cluster`,
 * `group` and of the slot it was announced for. */
int snapshot_receive_check(const struct snapshot_receive *receive, uint64_t cluster, uint32_t group,
                           struct report *report);

/* Open what was checked, to load it; to be closed before it is installed. */
int snapshot_receive_open(const struct snapshot_receive *receive, struct report *report,
                          struct snapshot **snapshot);

/* Give what was checked the name of a snapshot, durably, replacing one of the same slot: from now
 * on a life may begin with it. `receive` is freed, whatever comes of it; on error whether the
 * snapshot is there after a crash is not known. */
int snapshot_receive_install(struct snapshot_receive *receive, struct report *report);

/* Give up: the temporary file is removed. */
void snapshot_receive_free(struct snapshot_receive *receive);

#endif /* WAL_SNAPSHOT_H */
