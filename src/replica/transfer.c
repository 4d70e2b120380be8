/* transfer.c -- snapshots, given to members whose log lacks too much, and taken from others.
 *
 * Snapshots are pulled. The receiver says up to where it has everything, and the giver may be so
 * much ahead of that: so the receiver sets the pace, however far away it is, and after a broken
 * connection it goes on where it was. The giver sends no piece behind much that has not left yet:
 * heartbeats have to get through, and what is asked for again must not wait behind its own copy.
 *
 * A transfer that gets on is finished. That there is a newer snapshot meanwhile, here or at another
 * member, is no reason to begin anew: where a snapshot takes longer than it takes until the next,
 * none would ever arrive. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "replica/replica_internal.h"

enum {
    PIECE_BYTES = 64 << 10,
    AHEAD_BYTES = 4 * PIECE_BYTES, /* What may be on its way beyond what the receiver has. */
    QUEUE_MAX = 64 << 10,          /* No piece is sent behind more than that. */
    RETRY_US = 2000000,            /* The receiver waits so long for a piece, ... */
    RETRY_DOUBLINGS = 2,           /* ... then twice as long, so often, ... */
    RETRIES_MAX = 6,               /* ... and in the end gives up: 46 seconds without any. */
    RETRIES_STUCK = 2,             /* From so many on, it takes what another offers. */
    IDLE_US = 10 * RETRY_US,       /* Who has not asked for so long may be offered a newer one, */
    FORGOTTEN_US = 30 * RETRY_US,  /* and after this it is closed. */
    HEAD_BYTES = 24,               /* Of a piece: slot, bytes of the file, offset. */
    KEPT_SHARE = 4,                /* So many times what makes a snapshot due is kept for others. */
};

/* A snapshot that a member pulls from us. */
struct sending {
    struct os_work work;
    struct replica *r;
    uint32_t member;
    struct snapshot *snapshot;
    synod_slot slot;
    uint64_t asked;     /* The member has everything before, as it said last. */
    uint64_t next;      /* Where the next piece begins. */
    uint64_t end;       /* As far as it may go now. */
    uint64_t pulled_us; /* When the member last asked. */
    int64_t size;       /* Of the piece read; or an error: */
    struct report report;
    uint32_t is_reading; /* A worker has it. */
    uint32_t is_dropped; /* Free it when the worker is done. */
    uint8_t piece[PIECE_BYTES];
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
    uint32_t retries; /* Since a piece last came. */
    uint32_t is_away; /* A worker has the file, and syncs it or checks it. */
    int error;
    struct report report;
};

/* -- Giving ------------------------------------------------------------------------------- */

static void free_sending(struct sending *sending)
{
    snapshot_close(sending->snapshot);
    free(sending);
}

static void forget(struct replica *r, uint32_t member)
{
    struct sending *sending = r->members[member].sending;
    r->members[member].sending = NULL;
    if (sending == NULL) {
        return;
    }
    if (sending->is_reading) {
        sending->is_dropped = 1;
    } else {
        free_sending(sending);
    }
}

/* Keep the newest snapshot open for the member: it stays readable when it is superseded. */
static struct sending *open_sending(struct replica *r, uint32_t member)
{
    struct sending *sending = r->members[member].sending;
    if (sending != NULL) {
        return sending;
    }
    if (r->snapshot == 0) {
        return NULL;
    }
    sending = calloc(1, sizeof *sending);
    if (sending == NULL) {
        return NULL;
    }
    struct report report;
    if (snapshot_open(r->os, r->options.data_dir, r->snapshot, &report, &sending->snapshot) != 0) {
        replica_warn("cannot give a snapshot", &report);
        r->is_snapshot_wanted = 1;
        free(sending);
        return NULL;
    }
    sending->r = r;
    sending->member = member;
    sending->slot = r->snapshot;
    sending->pulled_us = os_now_us(r->os);
    r->members[member].sending = sending;
    r->members[member].needed = sending->slot;
    return sending;
}

/* What was on its way to the member is lost. It may come back and go on. */
void transfer_on_lost(struct replica *r, uint32_t member)
{
    struct sending *sending = r->members[member].sending;
    if (sending != NULL) {
        sending->end = 0;
    }
}

/* So long has the member not asked for more of it. */
static int is_idle(const struct sending *sending, uint64_t duration_us)
{
    return !sending->is_reading && os_now_us(sending->r->os) - sending->pulled_us >= duration_us;
}

void transfer_offer(struct replica *r, uint32_t member)
{
    const struct sending *present = r->members[member].sending;
    if (present != NULL && present->slot != r->snapshot &&
        (present->slot < r->members[member].serve_asked || /* It has that. */
         is_idle(present, MUTANT(112) ? 0 : IDLE_US))) {
        MARK("transfer: offers a newer snapshot");
        forget(r, member);
    }
    const struct sending *sending = open_sending(r, member);
    if (sending != NULL && !MUTANT(56)) {
        const uint64_t offer[2] = {sending->slot, snapshot_file_bytes(sending->snapshot)};
        frames_send_numbers(r, member, FRAME_SNAPSHOT_OFFER, offer, 2);
    }
}

static void read_piece(struct os_work *work)
{
    struct sending *sending = LIST_ITEM(work, struct sending, work);
    sending->size = snapshot_read_raw(sending->snapshot, sending->next, sending->piece,
                                      sizeof sending->piece, &sending->report);
}

static void send_piece(struct sending *sending)
{
    struct replica *r = sending->r;
    uint8_t head[HEAD_BYTES];
    put_u64(head, sending->slot);
    put_u64(head + 8, snapshot_file_bytes(sending->snapshot));
    put_u64(head + 16, sending->next);
    const struct bytes parts[2] = {bytes_of(head, sizeof head),
                                   bytes_of(sending->piece, (size_t)sending->size)};
    (void)peers_send(r->peers, r->members[sending->member].peer,
                     (struct peer_frame){.type = FRAME_SNAPSHOT_PIECE}, parts, 2);
    peers_flush(r->peers);
    sending->next += (uint64_t)sending->size;
}

static void piece_was_read(struct os_work *work);

/* Begin with the next piece, if the member may have it now. */
static void go_on(struct sending *sending)
{
    struct replica *r = sending->r;
    const size_t queued = peers_queued(r->peers, r->members[sending->member].peer);
    if (sending->is_reading || sending->next >= sending->end || r->phase != PHASE_RUNNING) {
        return;
    }
    if (queued > QUEUE_MAX && !MUTANT(111)) {
        MARK("transfer: sends no piece behind much that has not left");
        return; /* Later. */
    }
    sending->is_reading = 1;
    sending->work = (struct os_work){.run = read_piece, .done = piece_was_read};
    replica_work(r, &sending->work);
}

static void piece_was_read(struct os_work *work)
{
    struct sending *sending = LIST_ITEM(work, struct sending, work);
    struct replica *r = sending->r;

    sending->is_reading = 0;
    if (sending->size < 0) {
        replica_warn("cannot give a snapshot", &sending->report);
        if (sending->slot == r->snapshot && !sending->is_dropped) {
            r->is_snapshot_wanted = 1; /* The state is still whole: the next one may be read. */
        }
    }
    if (sending->is_dropped) {
        free_sending(sending);
    } else if (sending->size < 0) {
        forget(r, sending->member);
    } else if (sending->size > 0 && r->phase == PHASE_RUNNING) {
        send_piece(sending);
        go_on(sending);
    }
    replica_work_done(r);
}

/* The member has everything before `offset`. If it says so twice, or has less than it said, what
 * followed is lost: one piece is sent again, and no more before it has come. */
static void give_from(struct sending *sending, uint64_t offset)
{
    const uint64_t size = snapshot_file_bytes(sending->snapshot);
    const int is_first = sending->end == 0;
    const int is_new = offset > sending->asked || is_first;
    struct member *member = &sending->r->members[sending->member];
    sending->pulled_us = os_now_us(sending->r->os);
    member->needed = sending->slot;
    member->needed_us = sending->pulled_us;
    sending->asked = offset;
    if (!sending->is_reading && (is_first || !is_new || sending->next < offset)) {
        sending->next = offset;
    }
    sending->end = offset + (is_new ? AHEAD_BYTES : PIECE_BYTES);
    sending->end = sending->end < size ? sending->end : size;
    go_on(sending);
}

static const char *on_pull(struct replica *r, uint32_t member, struct bytes body)
{
    if (body.size != 16) {
        return "a request for a piece of a snapshot that is not one";
    }
    const synod_slot slot = get_u64(body.data);
    const uint64_t offset = get_u64(body.data + 8);
    struct sending *sending = open_sending(r, member);
    if (sending == NULL || sending->slot != slot) {
        MARK("transfer: is asked for a snapshot that it does not give any more");
        transfer_offer(r, member);
    } else if (offset >= snapshot_file_bytes(sending->snapshot)) {
        forget(r, member); /* It has everything. */
    } else {
        give_from(sending, offset);
    }
    return NULL;
}

/* Were the log cut behind each new snapshot, whoever takes longer for one, or for the entries
 * behind it, than it takes until the next, would need that one too, and so on for ever. */
synod_slot transfer_keep(const struct replica *r, synod_slot slot)
{
    const uint64_t due = r->options.snapshot_bytes + r->machine.state_size(r->machine.context);
    const uint64_t now = os_now_us(r->os);
    if (wal_bytes(r->wal) > KEPT_SHARE * due || MUTANT(114)) {
        return slot;
    }
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        const struct member *member = &r->members[i];
        const int is_catching_up = member->needed_us != 0 && now - member->needed_us < IDLE_US;
        if (is_catching_up && member->needed < slot && member->needed + 1 >= r->log.first) {
            MARK("transfer: keeps the log for a member that is catching up");
            slot = member->needed;
        }
    }
    return slot;
}

/* -- Taking ------------------------------------------------------------------------------- */

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

static void stop_receiving(struct replica *r)
{
    if (r->receiving != NULL && !r->receiving->is_away) {
        free_receiving(r->receiving);
        r->receiving = NULL;
    }
}

/* What it had sent when the connection broke is lost: there is no sense in waiting for it. That
 * counts as a question in vain all the same, or a giver that comes and goes would never be given
 * up. */
void transfer_on_connected(struct replica *r, uint32_t member)
{
    struct receiving *receiving = r->receiving;
    if (receiving == NULL || receiving->member != member || receiving->is_away) {
        return;
    }
    if (++receiving->retries > RETRIES_MAX) {
        stop_receiving(r);
    } else {
        MARK("transfer: goes on when its giver is back");
        pull(r);
    }
}

uint64_t transfer_missing(const struct replica *r)
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
    if (slot <= r->applied || (receiving != NULL && receiving->is_away)) {
        return 0;
    }
    if (receiving == NULL || (MUTANT(112) && receiving->slot < slot)) {
        return 1;
    }
    return receiving->retries >= RETRIES_STUCK &&
           (receiving->slot < slot || (receiving->member != member && !MUTANT(126)));
}

static const char *on_offer(struct replica *r, uint32_t member, struct bytes body)
{
    if (body.size != 16) {
        return "an offer of a snapshot that is not one";
    }
    const synod_slot slot = get_u64(body.data);
    const uint64_t total = get_u64(body.data + 8);
    if (slot > SYNOD_SNAPSHOT_SLOT_MAX) {
        return "an offer of a snapshot of a slot that no log reaches";
    }
    if (!is_wanted(r, member, slot) ||
        !snapshotting_has_room(r, total, &r->taking_backoff, "cannot receive a snapshot")) {
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

static void file_is_back(struct os_work *work)
{
    struct receiving *receiving = LIST_ITEM(work, struct receiving, work);
    struct replica *r = receiving->r;
    const int is_whole = snapshot_receive_offset(receiving->file) >= receiving->total;

    receiving->is_away = 0;
    if (receiving->error == 0 && !is_whole && r->phase == PHASE_RUNNING) {
        pull(r);
        replica_work_done(r);
        return;
    }
    r->receiving = NULL;
    if (receiving->error != 0) {
        replica_warn(is_whole ? "a received snapshot was refused" : "cannot receive a snapshot",
                     &receiving->report);
        backoff_begin(&r->taking_backoff, os_now_us(r->os));
    } else if (r->phase == PHASE_RUNNING) {
        install(r, receiving);
    }
    free_receiving(receiving);
    replica_work_done(r);
}

/* The loop does not wait for the disk. What comes meanwhile is dropped, and asked for again. */
static void give_away(struct receiving *receiving, void (*run)(struct os_work *work))
{
    receiving->is_away = 1;
    receiving->work = (struct os_work){.run = run, .done = file_is_back};
    replica_work(receiving->r, &receiving->work);
}

static const char *on_piece(struct replica *r, uint32_t member, struct bytes body)
{
    struct receiving *receiving = r->receiving;
    if (body.size <= HEAD_BYTES) {
        return "a piece of a snapshot that is not one";
    }
    const uint64_t offset = get_u64(body.data + 16);
    const struct bytes piece = bytes_of(body.data + HEAD_BYTES, body.size - HEAD_BYTES);
    if (receiving == NULL || receiving->is_away || receiving->member != member ||
        receiving->slot != get_u64(body.data) ||
        offset != snapshot_receive_offset(receiving->file)) {
        MARK("transfer: a piece comes twice, or late");
        return NULL;
    }
    if (snapshot_receive_write(receiving->file, offset, piece, &receiving->report) != 0) {
        replica_warn("cannot receive a snapshot", &receiving->report);
        backoff_begin(&r->taking_backoff, os_now_us(r->os));
        stop_receiving(r);
        return NULL;
    }
    receiving->retries = 0;
    if (receiving->slot <= r->applied) {
        stop_receiving(r); /* What was missing has come in entries. */
        return NULL;
    }
    if (snapshot_receive_offset(receiving->file) >= receiving->total) {
        pull(r); /* That tells the sender that we have everything. */
        give_away(receiving, check_file);
    } else if (snapshot_receive_wants_sync(receiving->file)) {
        give_away(receiving, sync_file);
    } else {
        pull(r);
    }
    return NULL;
}

const char *transfer_on_frame(struct replica *r, uint32_t member, uint16_t type, struct bytes body)
{
    switch (type) {
    case FRAME_SNAPSHOT_OFFER:
        return on_offer(r, member, body);
    case FRAME_SNAPSHOT_PULL:
        return on_pull(r, member, body);
    default:
        assert(type == FRAME_SNAPSHOT_PIECE);
        return on_piece(r, member, body);
    }
}

/* -- What time brings --------------------------------------------------------------------- */

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
        receiving->retries = 0;
        return;
    }
    const uint32_t doublings =
        receiving->retries < RETRY_DOUBLINGS ? receiving->retries : RETRY_DOUBLINGS;
    const uint64_t patience_us = (uint64_t)RETRY_US << doublings;
    if (receiving->is_away || os_now_us(r->os) - receiving->asked_us < patience_us) {
        return;
    }
    if (++receiving->retries > RETRIES_MAX || receiving->slot <= r->applied) {
        stop_receiving(r); /* Somebody else may offer one, or it is not needed any more. */
    } else {
        MARK("transfer: asks again for a piece");
        pull(r);
    }
}

void transfer_tick(struct replica *r)
{
    if (r->receiving != NULL) {
        ask_again(r);
    }
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        struct sending *sending = r->members[i].sending;
        if (sending != NULL && is_idle(sending, FORGOTTEN_US)) {
            MARK("transfer: closes a snapshot that nobody asks for");
            forget(r, i);
        } else if (sending != NULL && !MUTANT(132)) {
            go_on(sending); /* Much had not left when it was asked for. */
        }
    }
}

void transfer_stop(struct replica *r)
{
    stop_receiving(r);
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        forget(r, i);
    }
}
