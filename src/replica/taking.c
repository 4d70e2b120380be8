/* taking.c -- snapshots, taken from others (giving.c) by a member whose log lacks too much.
 *
 * One at a time, of one member, for as long as it comes. It is written under a temporary name, and
 * workers sync it now and then, while more comes, and check the whole: the loop need not wait for
 * that. When it is in the place of our state, then it is a snapshot of ours, and the next life may
 * begin with it. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "replica/replica_internal.h"

enum {
    RETRY_DOUBLINGS = 2, /* A piece is waited for twice as long each time, so often, ... */
    RETRIES_MAX = 6,     /* ... and in the end it gives up: 46 seconds without any. */
    RETRIES_STUCK = 2,   /* From so many on, it takes what another offers. */
};

/* A snapshot that we pull from a member. */
struct receiving {
    struct os_work work;
    struct replica *r;
    uint32_t member;
    synod_slot slot;
    uint64_t total;
    struct snapshot_receive *file;
    uint64_t asked_us;
    uint32_t retries;     /* Since a piece last came. */
    uint32_t is_forgiven; /* We were cut off since, and what was asked in vain does not count. */
    uint32_t has_failed;  /* A piece could not be written. */
    uint32_t is_syncing;  /* A worker does that, or, when all has come, checks it: */
    uint32_t is_checking;
    int error; /* The worker's. */
    struct report report;
};

static void pull(struct replica *r)
{
    struct receiving *receiving = r->receiving;
    const uint64_t request[2] = {receiving->slot, snapshot_receive_offset(receiving->file)};
    receiving->asked_us = os_now_us(r->os);
    frames_send_numbers(r, receiving->member, FRAME_SNAPSHOT_PULL, request, 2);
}

static void free_receiving(struct receiving *receiving)
{
    if (receiving->file != NULL) {
        snapshot_receive_free(receiving->file);
    }
    free(receiving);
}

static int is_with_worker(const struct receiving *receiving)
{
    return receiving->is_syncing || receiving->is_checking;
}

/* What a worker has stays until it is back: file_is_back(). */
static void stop_receiving(struct replica *r)
{
    if (r->receiving != NULL && !is_with_worker(r->receiving)) {
        free_receiving(r->receiving);
        r->receiving = NULL;
    }
}

/* What it had sent when the connection broke is lost: there is no sense in waiting for it. That
 * counts as a question in vain all the same, or a giver that comes and goes would never be given
 * up. */
void taking_on_connected(struct replica *r, uint32_t member)
{
    struct receiving *receiving = r->receiving;
    if (receiving == NULL || receiving->member != member || receiving->is_checking) {
        return;
    }
    if (++receiving->retries > RETRIES_MAX) {
        stop_receiving(r);
    } else {
        MARK("transfer: goes on when its giver is back");
        pull(r);
    }
}

uint64_t taking_missing(const struct replica *r)
{
    const struct receiving *receiving = r->receiving;
    const uint64_t offset = receiving == NULL ? 0 : snapshot_receive_offset(receiving->file);
    return offset == 0 || receiving->total < offset ? 0 : receiving->total - offset;
}

/* What we have begun with is better than what we would have to begin with, as long as it comes.
 * When it does not, what another has will do, though it be no newer: its giver may be gone for
 * good. */
static int is_wanted(const struct replica *r, uint32_t member, synod_slot slot)
{
    const struct receiving *receiving = r->receiving;
    if (slot <= r->applied || (receiving != NULL && is_with_worker(receiving))) {
        return 0;
    }
    if (receiving == NULL || (MUTANT(112) && receiving->slot < slot)) {
        return 1;
    }
    return receiving->retries >= RETRIES_STUCK &&
           (receiving->slot < slot || (receiving->member != member && !MUTANT(126)));
}

const char *taking_on_offer(struct replica *r, uint32_t member, struct bytes body)
{
    if (body.size != 16) {
        return "an offer of a snapshot that is not one";
    }
    const synod_slot slot = get_u64(body.data);
    const uint64_t total = get_u64(body.data + 8);
    const uint64_t freed = r->receiving == NULL ? 0 : r->receiving->total; /* Come or reserved. */
    if (slot > SYNOD_SNAPSHOT_SLOT_MAX) {
        return "an offer of a snapshot of a slot that no log reaches";
    }
    if (!is_wanted(r, member, slot) ||
        !snapshotting_has_room(r, total > freed ? total - freed : 0, &r->taking_backoff,
                               "cannot receive a snapshot")) {
        return NULL;
    }
    stop_receiving(r);
    struct receiving *receiving = calloc(1, sizeof *receiving);
    if (receiving == NULL) {
        return NULL;
    }
    receiving->r = r;
    receiving->member = member;
    receiving->slot = slot;
    receiving->total = total;
    if (snapshot_receive_new(r->os, r->options.data_dir, slot, &receiving->report,
                             &receiving->file) != 0) {
        replica_warn("cannot receive a snapshot", &receiving->report);
        backoff_begin(&r->taking_backoff, os_now_us(r->os));
        free(receiving);
        return NULL;
    }
    log_write(LOG_INFO, "receiving a snapshot",
              (struct log_field[]){log_text("from", r->members[member].name),
                                   log_u64("slot", slot),
                                   log_u64("bytes", receiving->total),
                                   {0}});
    r->receiving = receiving;
    pull(r);
    return NULL;
}

static void sync_file(struct os_work *work)
{
    struct receiving *receiving = LIST_ITEM(work, struct receiving, work);
    receiving->error = snapshot_receive_sync(receiving->file, &receiving->report);
}

static void check_file(struct os_work *work)
{
    struct receiving *receiving = LIST_ITEM(work, struct receiving, work);
    receiving->error =
        snapshot_receive_check(receiving->file, receiving->r->table_hash, 0, &receiving->report);
}

/* The file is whole, checked and durable: put it in the place of our state. */
static void install(struct replica *r, struct receiving *receiving)
{
    if (receiving->slot <= r->applied) {
        MARK("transfer: has got there without the snapshot");
        return;
    }
    struct snapshot_receive *file = receiving->file;
    receiving->file = NULL;
    if (snapshotting_take(r, receiving->slot, file, &receiving->report) != 0) {
        /* The old state is gone from memory, but not from the disk: the next life goes on with it,
         * since it does not find what was given to this one. */
        replica_fail(r, &receiving->report);
        return;
    }
    r->taking_backoff.wait_us = 0;
    log_write(LOG_INFO, "installed a snapshot",
              (struct log_field[]){log_u64("slot", receiving->slot), {0}});
    MARK("transfer: installs a snapshot");
    if (!MUTANT(120)) {
        snapshotting_remove_older(r);
    }
    snapshotting_trim(r);
    reading_on_applied(r);
}

static void file_is_back(struct os_work *work);

static void give_away(struct receiving *receiving, void (*run)(struct os_work *work))
{
    receiving->work = (struct os_work){.run = run, .done = file_is_back};
    replica_work(receiving->r, &receiving->work);
}

/* Let a worker sync what has come, if that is due, or check it, if it is all. */
static void tend_file(struct receiving *receiving)
{
    if (is_with_worker(receiving)) {
        return;
    }
    if (snapshot_receive_offset(receiving->file) >= receiving->total) {
        receiving->is_checking = 1;
        give_away(receiving, check_file);
    } else if (snapshot_receive_is_sync_due(receiving->file)) {
        receiving->is_syncing = 1;
        give_away(receiving, sync_file);
    }
}

static void file_is_back(struct os_work *work)
{
    struct receiving *receiving = LIST_ITEM(work, struct receiving, work);
    struct replica *r = receiving->r;
    const int is_checked = receiving->is_checking != 0;

    receiving->is_syncing = 0;
    receiving->is_checking = 0;
    if (!is_checked && receiving->error == 0 && !receiving->has_failed &&
        r->phase == PHASE_RUNNING) {
        tend_file(receiving);
        replica_work_done(r);
        return;
    }
    r->receiving = NULL;
    if (receiving->error != 0) {
        replica_warn(is_checked ? "a received snapshot was refused" : "cannot receive a snapshot",
                     &receiving->report);
        backoff_begin(&r->taking_backoff, os_now_us(r->os));
    } else if (is_checked && r->phase == PHASE_RUNNING) {
        install(r, receiving);
    }
    free_receiving(receiving);
    replica_work_done(r);
}

const char *taking_on_piece(struct replica *r, uint32_t member, struct bytes body)
{
    struct receiving *receiving = r->receiving;
    struct report report;
    if (body.size <= TRANSFER_HEAD_BYTES) {
        return "a piece of a snapshot that is not one";
    }
    const uint64_t offset = get_u64(body.data + 16);
    const struct bytes piece =
        bytes_of(body.data + TRANSFER_HEAD_BYTES, body.size - TRANSFER_HEAD_BYTES);
    if (receiving == NULL || receiving->is_checking || receiving->has_failed ||
        receiving->member != member || receiving->slot != get_u64(body.data) ||
        offset != snapshot_receive_offset(receiving->file)) {
        MARK("transfer: a piece comes twice, or late");
        return NULL;
    }
    if (snapshot_receive_write(receiving->file, offset, piece, &report) != 0) {
        replica_warn("cannot receive a snapshot", &report);
        backoff_begin(&r->taking_backoff, os_now_us(r->os));
        receiving->has_failed = 1;
        stop_receiving(r);
        return NULL;
    }
    receiving->retries = 0;
    receiving->is_forgiven = 0;
    if (receiving->slot <= r->applied) {
        stop_receiving(r); /* What was missing has come in entries. */
        return NULL;
    }
    pull(r); /* The last one tells the sender that we have everything. */
    tend_file(receiving);
    return NULL;
}

static int is_cut_off(const struct replica *r)
{
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        if (i != r->options.self && peers_is_connected(r->peers, r->members[i].peer)) {
            return 0;
        }
    }
    return 1;
}

static void ask_again(struct replica *r)
{
    struct receiving *receiving = r->receiving;
    if (is_cut_off(r) && !MUTANT(128)) { /* That is not its giver's fault, which will go on. */
        receiving->asked_us = os_now_us(r->os);
        receiving->retries = receiving->is_forgiven ? receiving->retries : 0;
        receiving->is_forgiven = 1;
        return;
    }
    const uint32_t doublings =
        receiving->retries < RETRY_DOUBLINGS ? receiving->retries : RETRY_DOUBLINGS;
    const uint64_t patience_us = (uint64_t)TRANSFER_RETRY_US << doublings;
    if (receiving->is_checking || receiving->has_failed ||
        os_now_us(r->os) - receiving->asked_us < patience_us) {
        return;
    }
    if (++receiving->retries > RETRIES_MAX || receiving->slot <= r->applied) {
        stop_receiving(r); /* Somebody else may offer one, or it is not needed any more. */
    } else {
        MARK("transfer: asks again for a piece");
        pull(r);
    }
}

void taking_tick(struct replica *r)
{
    if (r->receiving != NULL) {
        ask_again(r);
    }
}

void taking_stop(struct replica *r)
{
    stop_receiving(r);
}
