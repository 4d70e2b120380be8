/* snapshot_receive.c -- a snapshot that comes from a peer: gathered, checked, installed.
 *
 * It arrives as the bytes of the file that the peer has, under a temporary name, and keeps that
 * until its owner, who has checked the whole and tried the state in it, installs it as one written
 * here is. */
#include <stdlib.h>

#include "base/assert.h"
#include "synod/error.h"
#include "wal/snapshot_internal.h"

struct snapshot_receive {
    struct snapshot_file file;
    uint64_t slot;
    uint64_t offset;
    uint64_t unsynced;
};

int snapshot_receive_new(struct os *os, const char *dir, uint64_t slot, struct report *report,
                         struct snapshot_receive **receive)
{
    assert(receive != NULL);
    assert(dir != NULL);
    struct snapshot_receive *made = calloc(1, sizeof *made);
    *receive = NULL;
    if (made == NULL) {
        return snapshot_fail_memory(dir, report);
    }
    made->file.os = os;
    made->slot = slot;
    int error = snapshot_name_directory(made->file.directory, dir, report);
    if (error == 0) {
        snapshot_name_file(made->file.path, made->file.directory, slot, ".receive");
        os_remove(os, made->file.path);
        error = snapshot_open_file(&made->file, OS_FILE_WRITE | OS_FILE_CREATE | OS_FILE_EXCLUSIVE,
                                   report);
    }
    if (error != 0) {
        free(made);
        return error;
    }
    *receive = made;
    return 0;
}

int snapshot_receive_write(struct snapshot_receive *receive, uint64_t offset, struct bytes piece,
                           struct report *report)
{
    assert(receive->file.file != NULL);
    assert(offset == receive->offset);
    const int error =
        os_file_write(receive->file.os, receive->file.file, offset, piece.data, piece.size);
    if (error != 0) {
        return report_system(report, (struct report_place){receive->file.path, offset}, "write",
                             error);
    }
    receive->offset += piece.size;
    receive->unsynced += piece.size;
    return 0;
}

int snapshot_receive_is_sync_due(struct snapshot_receive *receive)
{
    assert(receive->file.file != NULL);
    if (receive->unsynced < SNAPSHOT_SYNC_BYTES) {
        return 0;
    }
    receive->unsynced = 0;
    return 1;
}

int snapshot_receive_sync(const struct snapshot_receive *receive, struct report *report)
{
    assert(receive->file.file != NULL);
    return snapshot_sync_file(&receive->file, 0, report);
}

uint64_t snapshot_receive_offset(const struct snapshot_receive *receive)
{
    assert(receive->unsynced <= receive->offset);
    return receive->offset;
}

int snapshot_receive_open(const struct snapshot_receive *receive, struct report *report,
                          struct snapshot **snapshot)
{
    assert(receive->file.file != NULL);
    assert(snapshot != NULL);
    return snapshot_open_path(receive->file.os, receive->file.path, receive->slot, report,
                              snapshot);
}

/* What the peer sent is input like any other: nothing of it counts before all was checked. */
int snapshot_receive_check(const struct snapshot_receive *receive, uint64_t cluster, uint32_t group,
                           struct report *report)
{
    struct snapshot *snapshot;
    assert(cluster != 0);
    int error = snapshot_receive_sync(receive, report);
    if (error == 0) {
        error = snapshot_receive_open(receive, report, &snapshot);
    }
    if (error != 0) {
        return error;
    }
    error = snapshot_check(snapshot, cluster, group, report);
    if (error == 0) {
        error = snapshot_load(snapshot, (struct snapshot_sink){0}, report);
    }
    snapshot_close(snapshot);
    return error;
}

int snapshot_receive_install(struct snapshot_receive *receive, struct report *report)
{
    assert(receive->file.file != NULL);
    assert(receive->offset > 0);
    const int error = snapshot_install(&receive->file, receive->slot, report);
    if (error != 0) {
        snapshot_receive_free(receive);
        return error;
    }
    snapshot_close_file(&receive->file);
    free(receive);
    return 0;
}

void snapshot_receive_free(struct snapshot_receive *receive)
{
    assert(receive != NULL);
    assert(receive->file.os != NULL);
    snapshot_close_file(&receive->file);
    os_remove(receive->file.os, receive->file.path); /* Or the next start does it. */
    free(receive);
}
