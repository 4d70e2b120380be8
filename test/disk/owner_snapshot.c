/* owner_snapshot.c -- the owner's snapshots: written, received from a peer, and loaded.
 *
 * A snapshot holds bytes that follow from the hash that is the state; how many, the model says. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/list.h"
#include "synod/error.h"
#include "test/disk/owner_internal.h"
#include "wal/snapshot.h"

enum {
    STATE_BYTES_MAX = 4 << 20,
    PIECE_BYTES = 3000 /* Of a snapshot that a peer sends. */
};

static const uint8_t METADATA[] = {'m', 'e', 'm', 'b', 'e', 'r', 's'};

struct snapshot_job {
    struct os_work work;
    struct owner *owner;
    uint64_t slot;
    uint64_t state;
    uint8_t *bytes; /* Of the state; or of the file that the peer has. */
    size_t size;
    size_t given;
    int is_received;
    int error;
    struct report report;
};

static struct snapshot_info info_of(uint64_t slot)
{
    return (struct snapshot_info){.cluster = OWNER_CLUSTER,
                                  .group = OWNER_GROUP,
                                  .slot = slot,
                                  .view = 5,
                                  .metadata = bytes_of(METADATA, sizeof METADATA)};
}

static struct snapshot_job *new_job(struct owner *owner, uint64_t slot)
{
    struct snapshot_job *job = calloc(1, sizeof *job);
    assert(job != NULL);
    job->owner = owner;
    job->slot = slot;
    job->state = owner->model.states[slot];
    job->size = owner->model.snapshot_bytes;
    job->bytes = malloc(job->size);
    assert(job->bytes != NULL);
    owner_fill(job->bytes, job->size, job->state);
    return job;
}

static void free_job(struct snapshot_job *job)
{
    free(job->bytes);
    free(job);
}

static int64_t read_state(void *context, void *to, size_t size)
{
    struct snapshot_job *job = context;
    const size_t left = job->size - job->given;
    const size_t count = size < left ? size : left;
    memcpy(to, job->bytes + job->given, count);
    job->given += count;
    return (int64_t)count;
}

static int write_snapshot(struct snapshot_job *job, struct os *os)
{
    const struct snapshot_info info = info_of(job->slot);
    return snapshot_write(os, OWNER_DIR, &info, (struct snapshot_source){job, read_state},
                          &job->report);
}

static int receive_snapshot(struct snapshot_job *job, struct os *os)
{
    struct snapshot_receive *receive;
    int error = snapshot_receive_new(os, OWNER_DIR, job->slot, &job->report, &receive);
    if (error != 0) {
        return error;
    }
    for (size_t at = 0; at < job->size && error == 0; at += PIECE_BYTES) {
        const size_t left = job->size - at;
        const struct bytes piece =
            bytes_of(job->bytes + at, left < PIECE_BYTES ? left : PIECE_BYTES);
        error = snapshot_receive_write(receive, at, piece, &job->report);
    }
    if (error == 0) {
        error = snapshot_receive_check(receive, OWNER_CLUSTER, OWNER_GROUP, &job->report);
    }
    if (error != 0) {
        snapshot_receive_free(receive);
        return error;
    }
    return snapshot_receive_install(receive, &job->report);
}

static void run_job(struct os_work *work)
{
    struct snapshot_job *job = LIST_ITEM(work, struct snapshot_job, work);
    struct os *os = job->owner->os;
    job->error = job->is_received ? receive_snapshot(job, os) : write_snapshot(job, os);
}

/* The first record that holds something which the snapshot of `slot` does not. */
static uint64_t first_needed(const struct model *model, uint64_t slot)
{
    uint64_t lsn = model->trim == 0 ? 1 : model->trim;
    while (lsn <= model->last &&
           (model->records[lsn].type != OWNER_ENTRY || model->records[lsn].number <= slot)) {
        lsn++;
    }
    return lsn;
}

static void job_done(struct os_work *work)
{
    struct snapshot_job *job = LIST_ITEM(work, struct snapshot_job, work);
    struct owner *owner = job->owner;
    struct model *model = &owner->model;
    owner->job = NULL;
    if (job->error == 0) {
        model->snapshot = job->slot;
        if (job->is_received) {
            model->slot = job->slot;
        }
        (void)snapshot_remove_below(owner->os, OWNER_DIR, job->slot, &job->report);
        if (owner->wal != NULL) {
            const uint64_t needed = first_needed(model, job->slot);
            model->trim = needed > model->trim ? needed : model->trim;
            wal_trim(owner->wal, needed);
        }
    }
    free_job(job);
}

static void start_job(struct owner *owner, struct snapshot_job *job)
{
    assert(owner->job == NULL);
    owner->job = job;
    owner->model.snapshot_asked = job->slot;
    job->work = (struct os_work){.run = run_job, .done = job_done};
    os_work(owner->os, &job->work);
}

/* One at a time; and none after one that failed, for nobody knows whether that is there. */
static int is_free_to_snapshot(const struct owner *owner)
{
    return owner->job == NULL && owner->model.snapshot_asked == owner->model.snapshot;
}

/* The newest entry that is acknowledged is the newest that may be in a snapshot. */
void owner_snapshot(struct owner *owner)
{
    const struct model *model = &owner->model;
    const uint64_t slot = model->records[model->durable].slot;
    if (is_free_to_snapshot(owner) && slot > model->snapshot) {
        start_job(owner, new_job(owner, slot));
    }
}

/* The file as the peer has it: written there by the same code. */
static void replace_by_file(struct snapshot_job *job)
{
    char path[64];
    size_t size = 0;
    struct os *peer = os_memory_new(1);
    os_dir_create(peer, OWNER_DIR);
    int error = snapshot_start(peer, OWNER_DIR, &job->report);
    if (error == 0) {
        error = write_snapshot(job, peer);
    }
    assert(error == 0);
    snprintf(path, sizeof path, "%s/snap/%016" PRIx64 ".snap", OWNER_DIR, job->slot);
    const uint8_t *file = os_memory_look(peer, path, &size);
    assert(file != NULL);
    uint8_t *bytes = malloc(size);
    assert(bytes != NULL);
    memcpy(bytes, file, size);
    free(job->bytes);
    job->bytes = bytes;
    job->size = size;
    os_memory_free(peer);
}

void owner_receive(struct owner *owner, uint64_t slots)
{
    struct model *model = &owner->model;
    const uint64_t slot = model->slot + slots;
    if (!is_free_to_snapshot(owner)) {
        return;
    }
    assert(slot <= OWNER_SLOTS_MAX && slots > 0);
    model->states[slot] = owner_fold(model->states[model->slot], prng_next(&owner->prng));
    struct snapshot_job *job = new_job(owner, slot);
    replace_by_file(job);
    job->is_received = 1;
    start_job(owner, job);
}

struct loading {
    const uint8_t *expected;
    size_t size;
    size_t at;
    int is_wrong;
};

static int take_piece(void *context, const void *data, size_t size)
{
    struct loading *loading = context;
    if (size > loading->size - loading->at ||
        memcmp(loading->expected + loading->at, data, size) != 0) {
        loading->is_wrong = 1;
        return SYNOD_ERR_MEMORY; /* Whatever it is: nothing more is wanted. */
    }
    loading->at += size;
    return 0;
}

int owner_load_snapshot(struct owner *owner, uint64_t slot)
{
    static uint8_t expected[STATE_BYTES_MAX];
    struct snapshot *snapshot;
    const struct model *model = &owner->model;
    struct loading loading = {.expected = expected, .size = model->snapshot_bytes};
    int error = snapshot_open(owner->os, OWNER_DIR, slot, &owner->report, &snapshot);
    if (error != 0) {
        return error;
    }
    const struct snapshot_info *info = snapshot_info(snapshot);
    error = snapshot_check(snapshot, OWNER_CLUSTER, OWNER_GROUP, &owner->report);
    if (error == 0) {
        owner_fill(expected, loading.size, model->states[slot]);
        error =
            snapshot_load(snapshot, (struct snapshot_sink){&loading, take_piece}, &owner->report);
    }
    if (loading.is_wrong ||
        (error == 0 && (loading.at != loading.size || info->slot != slot || info->view != 5 ||
                        info->metadata.size != sizeof METADATA ||
                        memcmp(info->metadata.data, METADATA, sizeof METADATA) != 0))) {
        owner_complain(owner, "the snapshot of slot %" PRIu64 " is not what was written", slot);
    }
    snapshot_close(snapshot);
    return error;
}
