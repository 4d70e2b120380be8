/* snapshotting.c -- writing snapshots of the state, and cutting the log behind them.
 *
 * A snapshot is due when what the log has grown by since it was last cut outweighs the state:
 * then what a restart has to read at most doubles (where nobody is catching up), and writing it
 * costs no more than the log did. It is the log's size on the disk that counts, not that of the
 * entries: a flush takes a whole block however small it is, and elections write promises without
 * any entry. And one is due when a member needs what cannot be read any more. The log is cut only
 * when the snapshot is durable, and keeps a tail for members that are late. */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "replica/replica_internal.h"

enum {
    WAIT_US_MIN = 1000000, /* After a failure; twice as long after each that follows, ... */
    WAIT_US_MAX = 60000000 /* ... up to this. */
};

struct snapshot_job {
    struct os_work work;
    struct replica *r;
    void *cursor;
    synod_slot slot;
    int error;
    int is_extra; /* Somebody needs it: the log alone would not have made it due. */
    uint64_t began_us;
    atomic_int is_abandoned; /* Nobody waits for it any more. */
    struct report report;
};

static int64_t read_cursor(void *context, void *to, size_t size)
{
    struct snapshot_job *job = context;
    if (atomic_load_explicit(&job->is_abandoned, memory_order_relaxed)) {
        return SYNOD_ERR_STOPPED;
    }
    return job->r->machine.snapshot_read(job->cursor, to, size);
}

static void write_snapshot(struct os_work *work)
{
    struct snapshot_job *job = LIST_ITEM(work, struct snapshot_job, work);
    struct replica *r = job->r;
    const struct snapshot_info info = {
        .cluster = r->table_hash, .slot = job->slot, .view = r->core_options.view};
    job->error = snapshot_write(r->os, r->options.data_dir, &info,
                                (struct snapshot_source){job, read_cursor}, &job->report);
}

/* Everything below the newest snapshot, less a tail, has done its service. Of the tail, too, it is
 * the size on the disk that counts: an old entry holds back all promises behind it. */
static void cut_log(struct replica *r)
{
    const uint64_t tail = wal_tail(r->wal, r->options.tail_bytes);
    const synod_slot slot = giving_keep(r, log_slot_behind(&r->log, r->snapshot, tail));
    const uint64_t lsn = log_lsn_above(&r->log, slot);
    log_trim(&r->log, slot);
    wal_trim(r->wal, lsn == UINT64_MAX ? wal_last(r->wal) + 1 : lsn);
}

void snapshotting_trim(struct replica *r)
{
    cut_log(r);
    r->kept_bytes = wal_bytes(r->wal);
}

void snapshotting_remove_older(const struct replica *r)
{
    (void)snapshot_remove_below(r->os, r->options.data_dir, r->snapshot, NULL);
}

/* One that we have written. Another may have been installed meanwhile. */
static void keep(struct replica *r, synod_slot slot)
{
    assert(slot <= r->applied);
    if (slot < r->snapshot) {
        MARK("snapshotting: what was written is older than what was installed meanwhile");
        (void)snapshot_remove(r->os, r->options.data_dir, slot, NULL);
        return;
    }
    r->snapshot = slot;
    snapshotting_remove_older(r);
    if (r->phase == PHASE_RUNNING) {
        snapshotting_trim(r);
    }
}

/* -- Room --------------------------------------------------------------------------------- */

void backoff_begin(struct backoff *backoff, uint64_t now_us)
{
    const uint64_t twice = 2 * backoff->wait_us;
    backoff->wait_us = twice < WAIT_US_MIN   ? WAIT_US_MIN
                       : twice > WAIT_US_MAX ? WAIT_US_MAX
                                             : twice;
    backoff->until_us = now_us + backoff->wait_us;
}

/* What is being written and received already has its place on the disk. */
static uint64_t reserved_bytes(const struct replica *r)
{
    const uint64_t own = r->snapshot_job == NULL ? 0 : r->machine.state_size(r->machine.context);
    return own + taking_missing(r);
}

/* Where a snapshot fills the disk, the log has no room left, and that ends this life and, since the
 * snapshot is still due, the next. Without it there is time for somebody to make room. Beside a
 * small one the log needs less: cutting it gives back more than the snapshot takes. */
int snapshotting_has_room(struct replica *r, uint64_t bytes, struct backoff *backoff,
                          const char *what)
{
    const uint64_t segment =
        r->options.segment_bytes != 0 ? r->options.segment_bytes : WAL_SEGMENT_BYTES;
    const uint64_t now = os_now_us(r->os);
    if (now < backoff->until_us) {
        return 0;
    }
    const int64_t room = os_dir_free_bytes(r->os, r->options.data_dir);
    const uint64_t log = bytes < segment ? bytes : segment;
    const uint64_t beside = reserved_bytes(r) + (MUTANT(139) ? 0 : log);
    if (room < 0 || (bytes <= (uint64_t)room && beside <= (uint64_t)room - bytes) || MUTANT(113)) {
        return 1; /* Or nobody knows. */
    }
    MARK("snapshotting: there is no room for a snapshot");
    backoff_begin(backoff, now);
    log_write(LOG_WARN, what,
              (struct log_field[]){log_text("error", "too little room on the disk"),
                                   log_u64("bytes", bytes),
                                   log_u64("beside", beside),
                                   log_u64("free", (uint64_t)room),
                                   log_text("do", "make room: until then the log grows"),
                                   {0}});
    return 0;
}

/* -- Writing ------------------------------------------------------------------------------ */

static void snapshot_was_written(struct os_work *work)
{
    struct snapshot_job *job = LIST_ITEM(work, struct snapshot_job, work);
    struct replica *r = job->r;

    r->snapshot_job = NULL;
    r->machine.snapshot_close(r->machine.context, job->cursor);
    if (job->error != 0 && job->error != SYNOD_ERR_STOPPED) {
        /* The log still has everything: say so, and try again later. */
        backoff_begin(&r->writing_backoff, os_now_us(r->os));
        replica_warn("cannot write a snapshot", &job->report);
    } else if (job->error == 0) {
        if (!job->is_extra) {
            r->writing_backoff.wait_us = 0;
        }
        log_write(
            LOG_INFO, "wrote a snapshot",
            (struct log_field[]){log_u64("slot", job->slot),
                                 log_u64("took_ms", (os_now_us(r->os) - job->began_us) / 1000),
                                 {0}});
        keep(r, job->slot);
    }
    free(job);
    replica_work_done(r);
}

/* Segments go by and by after a trim, so what was kept is the least that there was since. */
static int is_due(struct replica *r)
{
    const uint64_t bytes = wal_bytes(r->wal);
    r->kept_bytes = bytes < r->kept_bytes ? bytes : r->kept_bytes;
    const uint64_t grown = bytes - r->kept_bytes;
    return r->is_snapshot_wanted || (grown >= r->options.snapshot_bytes &&
                                     grown >= r->machine.state_size(r->machine.context));
}

void snapshotting_consider(struct replica *r)
{
    if (r->snapshot_job != NULL || r->phase != PHASE_RUNNING || !is_due(r)) {
        return;
    }
    if (os_now_us(r->os) < r->writing_backoff.until_us) {
        return; /* It was in vain not long ago, and this is asked after every step. */
    }
    if (r->applied > SYNOD_SNAPSHOT_SLOT_MAX) {
        return; /* No start would take it. The log stays whole, and is enough. */
    }
    if (r->applied == r->snapshot && !r->is_snapshot_wanted) {
        snapshotting_trim(r); /* Nothing but promises: the snapshot that is there will do. */
        return;
    }
    if (!snapshotting_has_room(r, r->machine.state_size(r->machine.context), &r->writing_backoff,
                               "cannot write a snapshot")) {
        cut_log(r); /* What was kept for others need not be kept any more. */
        return;
    }
    struct snapshot_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        return;
    }
    job->cursor = r->machine.snapshot_open(r->machine.context);
    if (job->cursor == NULL) {
        free(job);
        return;
    }
    job->work = (struct os_work){.run = write_snapshot, .done = snapshot_was_written};
    job->r = r;
    job->slot = r->applied - MUTANT(23);
    job->began_us = os_now_us(r->os);
    job->is_extra = (int)r->is_snapshot_wanted;
    if (job->is_extra) {
        backoff_begin(&r->writing_backoff, job->began_us); /* It may not be read, either. */
    }
    r->snapshot_job = job;
    r->is_snapshot_wanted = 0;
    replica_work(r, &job->work);
}

/* A large state takes its time, and the log has everything. */
void snapshotting_stop(struct replica *r)
{
    if (r->snapshot_job != NULL) {
        atomic_store_explicit(&r->snapshot_job->is_abandoned, 1, memory_order_relaxed);
    }
}

/* What the machine said to the beginning or the end of a restore, in words, for it has none. */
static int check_machine(const struct replica *r, int error, struct report *report)
{
    if (error == 0) {
        return 0;
    }
    return report_fill(report, error, (struct report_place){r->options.data_dir, REPORT_WHOLE},
                       "the state machine cannot restore a snapshot: %s", synod_strerror(error));
}

static int load_piece(void *context, const void *data, size_t size)
{
    const struct replica *r = context;
    return r->machine.restore_piece(r->machine.context, data, size);
}

/* Replace the state by what is in the snapshot. On error the state is gone. */
static int restore(struct replica *r, struct snapshot *snapshot, struct report *report)
{
    int error = snapshot_check(snapshot, r->table_hash, 0, report);
    if (error == 0) {
        error = check_machine(r, r->machine.restore_begin(r->machine.context), report);
    }
    if (error == 0) {
        error = snapshot_load(snapshot, (struct snapshot_sink){r, load_piece}, report);
    }
    if (error == 0) {
        error = check_machine(r, r->machine.restore_end(r->machine.context), report);
    }
    return error;
}

/* The state is that of `slot` now, and so it is on the disk. */
static void adopt(struct replica *r, synod_slot slot)
{
    r->snapshot = slot;
    slot += MUTANT(26);
    r->applied = slot;
    log_trim(&r->log, slot);
    const struct synod_event event = {
        .type = SYNOD_EVENT_SNAPSHOT, .now_ms = replica_now_ms(r), .slot = slot};
    if (r->phase == PHASE_RUNNING) {
        (void)drive_step(r, &event);
    } else {
        (void)replica_step_core(r, &event);
    }
}

int snapshotting_load(struct replica *r, synod_slot slot, struct report *report)
{
    struct snapshot *snapshot;
    if (slot > SYNOD_SNAPSHOT_SLOT_MAX) {
        return report_fill(report, SYNOD_ERR_CORRUPT,
                           (struct report_place){r->options.data_dir, REPORT_WHOLE},
                           "a snapshot of a slot that no log reaches");
    }
    int error = snapshot_open(r->os, r->options.data_dir, slot, report, &snapshot);
    if (error != 0) {
        return error;
    }
    error = restore(r, snapshot, report);
    snapshot_close(snapshot);
    if (error == 0) {
        adopt(r, slot);
    }
    return error;
}

int snapshotting_take(struct replica *r, synod_slot slot, struct snapshot_receive *file,
                      struct report *report)
{
    struct snapshot *snapshot;
    int error = snapshot_receive_open(file, report, &snapshot);
    if (error == 0) {
        error = restore(r, snapshot, report);
        snapshot_close(snapshot);
    }
    if (error != 0 && !MUTANT(88)) {
        snapshot_receive_free(file);
        return error;
    }
    const int failure = snapshot_receive_install(file, error == 0 ? report : NULL);
    error = error == 0 ? failure : error;
    if (error == 0) {
        adopt(r, slot);
    }
    return error;
}
