/* giving.c -- snapshots, given to members whose log lacks too much.
 *
 * Snapshots are pulled. The receiver (taking.c) says up to where it has everything, and the giver
 * may be so much ahead of that: so the receiver sets the pace, however far away it is, and after a
 * broken connection it goes on where it was. The giver sends no piece behind much that has not left
 * yet: heartbeats have to get through, and what is asked for again must not wait behind its own
 * copy.
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
    AHEAD_BYTES = 4 * PIECE_BYTES,         /* May be on its way beyond what the receiver has. */
    QUEUE_MAX = 64 << 10,                  /* No piece is sent behind more than that. */
    IDLE_US = 10 * TRANSFER_RETRY_US,      /* Who has not asked for so long may be offered another
                                            * that is newer, ... */
    FORGOTTEN_US = 30 * TRANSFER_RETRY_US, /* ... and after this it is closed. */
    GIVEN_MAX = 2,                         /* So often a member may need the same one. */
    KEPT_SHARE = 4, /* So many times what makes a snapshot due is kept for others. */
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
void giving_on_lost(struct replica *r, uint32_t member)
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

/* Who asks again for what it was given twice, and whole, could not take it: the file may be damaged
 * where only its checksums tell. The state that it was made of is still whole. */
static void write_another(struct replica *r, uint32_t member)
{
    struct member *it = &r->members[member];
    if (it->given_count >= GIVEN_MAX && it->given == r->snapshot && !MUTANT(134)) {
        MARK("transfer: writes another snapshot for one that cannot take this one");
        it->given_count = 0;
        r->is_snapshot_wanted = 1;
    }
}

void giving_offer(struct replica *r, uint32_t member)
{
    const struct sending *present = r->members[member].sending;
    if (present != NULL && present->slot != r->snapshot &&
        (present->slot < r->members[member].serve_asked || /* It has that. */
         is_idle(present, MUTANT(112) ? 0 : IDLE_US))) {
        MARK("transfer: offers a newer snapshot");
        forget(r, member);
    }
    write_another(r, member);
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
    uint8_t head[TRANSFER_HEAD_BYTES];
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
    if (sending->size < 0 && MUTANT(136)) {
        replica_fail(r, &sending->report);
    }
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
    if (!sending->is_reading && (is_first || (!is_new && !MUTANT(155)) || sending->next < offset)) {
        sending->next = offset;
    }
    sending->end = offset + (is_new ? AHEAD_BYTES : PIECE_BYTES);
    sending->end = sending->end < size ? sending->end : size;
    go_on(sending);
}

static void note_given(struct member *member, synod_slot slot)
{
    member->given_count = member->given == slot ? member->given_count + 1 : 1;
    member->given = slot;
}

const char *giving_on_pull(struct replica *r, uint32_t member, struct bytes body)
{
    if (body.size != 16) {
        return "a request for a piece of a snapshot that is not one";
    }
    const synod_slot slot = get_u64(body.data);
    const uint64_t offset = get_u64(body.data + 8);
    struct sending *sending = open_sending(r, member);
    if (sending == NULL || sending->slot != slot) {
        MARK("transfer: is asked for a snapshot that it does not give any more");
        giving_offer(r, member);
    } else if (offset >= snapshot_file_bytes(sending->snapshot)) {
        note_given(&r->members[member], slot);
        forget(r, member); /* It has everything. */
    } else {
        give_from(sending, offset);
    }
    return NULL;
}

/* Were the log cut behind each new snapshot, whoever takes longer for one, or for the entries
 * behind it, than it takes until the next, would need that one too, and so on for ever. */
synod_slot giving_keep(const struct replica *r, synod_slot slot)
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

void giving_tick(struct replica *r)
{
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        struct sending *sending = r->members[i].sending;
        if (sending != NULL && is_idle(sending, FORGOTTEN_US)) {
            MARK("transfer: closes a snapshot that nobody asks for");
            forget(r, i);
        } else if (sending != NULL) {
            go_on(sending); /* Much had not left when it was asked for. */
        }
    }
}

void giving_stop(struct replica *r)
{
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        forget(r, i);
    }
}
