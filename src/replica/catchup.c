/* catchup.c -- old entries and snapshots, for members that were away.
 *
 * A member that misses entries asks for them from some slot on. What is still in memory is sent
 * at once; what is on the disk is read by a worker first; what only a snapshot covers is
 * offered as one. Snapshots are pulled: the receiver asks for each piece, so it sets the pace,
 * and after a broken connection it goes on where it was. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "replica/records.h"
#include "replica/replica_internal.h"

enum {
    SERVE_ENTRIES_MAX = 32,
    SERVE_BYTES_MAX = 1 << 20,
    PIECE_BYTES = 256 << 10,
    RECEIVE_RETRY_US = 1000000,
    RECEIVE_RETRIES_MAX = 10,
};

/* Entries being read from the disk for a member. */
struct serve {
    struct os_work work;
    struct replica *r;
    uint32_t member;
    uint32_t count;
    int error;
    struct report report;
    struct synod_entry entries[SERVE_ENTRIES_MAX];
    uint64_t lsns[SERVE_ENTRIES_MAX];
    struct wal_location locations[SERVE_ENTRIES_MAX];
    uint8_t *bodies[SERVE_ENTRIES_MAX]; /* The records; the values are behind their heads. */
};

/* A snapshot that a member pulls from us. */
struct sending {
    struct os_work work;
    struct replica *r;
    uint32_t member;
    struct snapshot *snapshot;
    synod_slot slot;
    uint64_t offset;
    int64_t size; /* Of the piece read; or an error: */
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
    uint32_t retries;
    uint32_t is_finishing; /* A worker checks and installs it. */
    int error;
    struct report report;
};

/* -- Entries ------------------------------------------------------------------------------ */

static struct synod_entry entry_at(const struct log_slot *at, synod_slot slot)
{
    return (struct synod_entry){.slot = slot,
                                .view = at->view,
                                .size = at->size,
                                .kind = at->kind,
                                .checksum = at->values == NULL ? 0 : at->values->checksum,
                                .handle = value_handle(at->values)};
}

static void send_entries(struct replica *r, uint32_t member, const struct synod_entry *entries,
                         const struct bytes *values, uint32_t count)
{
    const struct synod_message learn = {.type = SYNOD_MESSAGE_LEARN,
                                        .from = r->identity,
                                        .to = r->members[member].id,
                                        .view = r->core_options.view,
                                        .entries = entries,
                                        .entry_count = count,
                                        .chosen = r->applied};
    drive_send(r, member, &learn, values);
}

/* Whoever asked will ask another; the operator has to know. */
static void tell_failure(const char *what, const struct report *report)
{
    log_write(LOG_WARN, what, (struct log_field[]){log_text("error", report->text), {0}});
}

static void free_serve(struct serve *serve)
{
    for (uint32_t i = 0; i < serve->count; i++) {
        free(serve->bodies[i]);
    }
    free(serve);
}

static void read_entries(struct os_work *work)
{
    struct serve *serve = LIST_ITEM(work, struct serve, work);
    for (uint32_t i = 0; i < serve->count && serve->error == 0; i++) {
        if (serve->bodies[i] != NULL) {
            serve->error = wal_read(serve->r->wal, serve->lsns[i], serve->locations[i],
                                    serve->bodies[i], &serve->report);
        }
    }
}

static void entries_were_read(struct os_work *work)
{
    struct serve *serve = LIST_ITEM(work, struct serve, work);
    struct replica *r = serve->r;
    struct bytes values[SERVE_ENTRIES_MAX] = {{0}};

    r->members[serve->member].serve = NULL;
    for (uint32_t i = 0; i < serve->count && serve->error == 0; i++) {
        struct synod_record record;
        if (serve->bodies[i] == NULL) {
            continue;
        }
        const struct wal_record wal_record = {
            .kind = {.type = SYNOD_RECORD_LEARNED},
            .body = bytes_of(serve->bodies[i], serve->locations[i].size)};
        serve->error = records_decode(&wal_record, &record, &values[i]);
        serve->entries[i].checksum = record.entry.checksum;
    }
    if (serve->error < 0) {
        MARK("catchup: cannot read an entry that it should give");
        tell_failure("cannot give an entry", &serve->report);
    }
    if (serve->error == 0 && r->phase == PHASE_RUNNING) {
        MARK("catchup: serves entries from the disk");
        send_entries(r, serve->member, serve->entries, values, serve->count);
    }
    free_serve(serve);
    replica_work_done(r);
}

/* Plan what to read for the entries from `slot` on. Returns how many. */
static uint32_t plan_reading(struct replica *r, synod_slot slot, struct serve *serve)
{
    uint64_t bytes = 0;
    for (; slot <= r->applied && serve->count < SERVE_ENTRIES_MAX; slot++) {
        const struct log_slot *at = log_at(&r->log, slot);
        const uint32_t i = serve->count;
        if (at == NULL || at->kind == 0 || (i > 0 && bytes + at->size > SERVE_BYTES_MAX)) {
            break;
        }
        bytes += at->size;
        serve->entries[i] = entry_at(at, slot);
        if (at->kind == SYNOD_ENTRY_VALUE) {
            serve->lsns[i] = at->lsn;
            if (wal_locate(r->wal, at->lsn, &serve->locations[i]) != 0) {
                break;
            }
            serve->bodies[i] = malloc(serve->locations[i].size);
            if (serve->bodies[i] == NULL) {
                break;
            }
        }
        serve->count++;
    }
    return serve->count;
}

static void serve_from_disk(struct replica *r, uint32_t member, synod_slot slot)
{
    struct serve *serve = calloc(1, sizeof *serve);
    if (serve == NULL) {
        return;
    }
    serve->work = (struct os_work){.run = read_entries, .done = entries_were_read};
    serve->r = r;
    serve->member = member;
    if (plan_reading(r, slot, serve) == 0) {
        free_serve(serve);
        return;
    }
    r->members[member].serve = serve;
    replica_work(r, &serve->work);
}

/* Send as many entries from `slot` on as are in memory. Returns how many. */
static uint32_t serve_from_memory(struct replica *r, uint32_t member, synod_slot slot)
{
    struct synod_entry entries[SERVE_ENTRIES_MAX];
    struct bytes values[SERVE_ENTRIES_MAX];
    uint32_t count = 0;
    uint64_t bytes = 0;

    for (; slot <= r->applied && count < SERVE_ENTRIES_MAX; slot++) {
        const struct log_slot *at = log_at(&r->log, slot);
        if (at == NULL || at->kind == 0 || (count > 0 && bytes + at->size > SERVE_BYTES_MAX) ||
            (at->kind == SYNOD_ENTRY_VALUE && at->values == NULL)) {
            break;
        }
        bytes += at->size;
        entries[count] = entry_at(at, slot);
        values[count++] =
            at->values == NULL ? (struct bytes){0} : bytes_of(at->values->bytes, at->values->size);
    }
    if (count > 0) {
        MARK("catchup: serves entries from memory");
        send_entries(r, member, entries, values, count);
    }
    return count;
}

/* -- Giving a snapshot -------------------------------------------------------------------- */

static void free_sending(struct sending *sending)
{
    snapshot_close(sending->snapshot);
    free(sending);
}

void catchup_forget(struct replica *r, uint32_t member)
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
        tell_failure("cannot give a snapshot", &report);
        free(sending);
        return NULL;
    }
    sending->r = r;
    sending->member = member;
    sending->slot = r->snapshot;
    r->members[member].sending = sending;
    return sending;
}

static void offer_snapshot(struct replica *r, uint32_t member)
{
    if (r->members[member].sending != NULL && !r->members[member].sending->is_reading &&
        r->members[member].sending->slot != r->snapshot) {
        MARK("catchup: offers a newer snapshot");
        catchup_forget(r, member); /* A newer one is there, and this one is not being read. */
    }
    const struct sending *sending = open_sending(r, member);
    if (sending != NULL && !MUTANT(56)) {
        const uint64_t offer[2] = {sending->slot, snapshot_file_bytes(sending->snapshot)};
        frames_send_numbers(r, member, FRAME_SNAPSHOT_OFFER, offer, 2);
    }
}

void catchup_serve(struct replica *r, const struct synod_serve *serve)
{
    const int member = replica_member_of(r, serve->to);
    if (member < 0 || (uint32_t)member == r->options.self || r->members[member].serve != NULL) {
        return;
    }
    if (serve->slot < r->log.first || log_at(&r->log, serve->slot) == NULL) {
        offer_snapshot(r, (uint32_t)member);
    } else if (serve_from_memory(r, (uint32_t)member, serve->slot) == 0) {
        serve_from_disk(r, (uint32_t)member, serve->slot);
    }
}

static void read_piece(struct os_work *work)
{
    struct sending *sending = LIST_ITEM(work, struct sending, work);
    sending->size = snapshot_read_raw(sending->snapshot, sending->offset, sending->piece,
                                      sizeof sending->piece, &sending->report);
}

static void piece_was_read(struct os_work *work)
{
    struct sending *sending = LIST_ITEM(work, struct sending, work);
    struct replica *r = sending->r;
    uint8_t head[24];

    sending->is_reading = 0;
    if (sending->size < 0) {
        tell_failure("cannot give a snapshot", &sending->report);
    }
    if (!sending->is_dropped && sending->size > 0 && r->phase == PHASE_RUNNING) {
        put_u64(head, sending->slot);
        put_u64(head + 8, snapshot_file_bytes(sending->snapshot));
        put_u64(head + 16, sending->offset);
        const struct bytes parts[2] = {bytes_of(head, sizeof head),
                                       bytes_of(sending->piece, (size_t)sending->size)};
        (void)peers_send(r->peers, r->members[sending->member].peer,
                         (struct peer_frame){.type = FRAME_SNAPSHOT_PIECE}, parts, 2);
        peers_flush(r->peers);
    }
    if (sending->is_dropped) {
        free_sending(sending);
    }
    replica_work_done(r);
}

static const char *on_pull(struct replica *r, uint32_t member, struct bytes body)
{
    if (body.size != 16) {
        return "a request for a piece of a snapshot that is not one";
    }
    const synod_slot slot = get_u64(body.data);
    const uint64_t offset = get_u64(body.data + 8);
    struct sending *sending = r->members[member].sending;
    if (sending == NULL || sending->slot != slot) {
        MARK("catchup: is asked for a snapshot that it does not give any more");
        offer_snapshot(r, member);
        return NULL;
    }
    if (sending->is_reading) {
        return NULL;
    }
    if (offset >= snapshot_file_bytes(sending->snapshot)) {
        catchup_forget(r, member); /* It has everything. */
        return NULL;
    }
    sending->offset = offset;
    sending->is_reading = 1;
    sending->work = (struct os_work){.run = read_piece, .done = piece_was_read};
    replica_work(r, &sending->work);
    return NULL;
}

/* -- Taking a snapshot -------------------------------------------------------------------- */

static void pull(struct replica *r)
{
    struct receiving *receiving = r->receiving;
    const uint64_t request[2] = {receiving->slot, snapshot_receive_offset(receiving->file)};
    receiving->asked_us = os_now_us(r->os);
    frames_send_numbers(r, receiving->member, FRAME_SNAPSHOT_PULL, request, 2);
}

static void stop_receiving(struct replica *r)
{
    if (r->receiving != NULL && !r->receiving->is_finishing) {
        snapshot_receive_free(r->receiving->file);
        free(r->receiving);
        r->receiving = NULL;
    }
}

static const char *on_offer(struct replica *r, uint32_t member, struct bytes body)
{
    if (body.size != 16) {
        return "an offer of a snapshot that is not one";
    }
    const synod_slot slot = get_u64(body.data);
    if (slot > SYNOD_SNAPSHOT_SLOT_MAX) {
        return "an offer of a snapshot of a slot that no log reaches";
    }
    if (slot <= r->applied ||
        (r->receiving != NULL && (r->receiving->is_finishing || r->receiving->slot >= slot))) {
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
    receiving->total = get_u64(body.data + 8);
    if (snapshot_receive_new(r->os, r->options.data_dir, slot, &receiving->report,
                             &receiving->file) != 0) {
        log_write(LOG_WARN, "cannot receive a snapshot",
                  (struct log_field[]){log_text("error", receiving->report.text), {0}});
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

static void finish_file(struct os_work *work)
{
    struct receiving *receiving = LIST_ITEM(work, struct receiving, work);
    receiving->error =
        snapshot_receive_finish(receiving->file, receiving->r->table_hash, 0, &receiving->report);
}

/* The file is whole, checked and durable: put it in the place of our state. */
static void install(struct replica *r, struct receiving *receiving)
{
    if (receiving->slot <= r->applied) {
        MARK("catchup: has got there without the snapshot");
        return;
    }
    if (snapshotting_load(r, receiving->slot, &receiving->report) != 0) {
        /* The old state is gone from memory, but not from the disk: the next life goes on with it,
         * if it does not find what was given to this one. */
        (void)(MUTANT(88) ? 0 : snapshot_remove(r->os, r->options.data_dir, receiving->slot, NULL));
        replica_fail(r, &receiving->report);
        return;
    }
    log_write(LOG_INFO, "installed a snapshot",
              (struct log_field[]){log_u64("slot", receiving->slot), {0}});
    MARK("catchup: installs a snapshot");
    snapshotting_trim(r);
    reading_on_applied(r);
}

static void file_was_finished(struct os_work *work)
{
    struct receiving *receiving = LIST_ITEM(work, struct receiving, work);
    struct replica *r = receiving->r;

    r->receiving = NULL;
    if (receiving->error != 0) {
        log_write(LOG_WARN, "a received snapshot was refused",
                  (struct log_field[]){log_text("error", receiving->report.text), {0}});
    } else if (r->phase == PHASE_RUNNING) {
        install(r, receiving);
    }
    free(receiving);
    replica_work_done(r);
}

static const char *on_piece(struct replica *r, uint32_t member, struct bytes body)
{
    struct receiving *receiving = r->receiving;
    if (body.size < 24) {
        return "a piece of a snapshot that is not one";
    }
    const uint64_t offset = get_u64(body.data + 16);
    const struct bytes piece = bytes_of(body.data + 24, body.size - 24);
    if (receiving == NULL || receiving->is_finishing || receiving->member != member ||
        receiving->slot != get_u64(body.data) ||
        offset != snapshot_receive_offset(receiving->file)) {
        MARK("catchup: a piece comes twice, or late");
        return NULL;
    }
    if (snapshot_receive_write(receiving->file, offset, piece, &receiving->report) != 0) {
        log_write(LOG_WARN, "cannot receive a snapshot",
                  (struct log_field[]){log_text("error", receiving->report.text), {0}});
        stop_receiving(r);
        return NULL;
    }
    receiving->retries = 0;
    pull(r); /* The last one tells the sender that we have everything. */
    if (snapshot_receive_offset(receiving->file) >= receiving->total) {
        receiving->is_finishing = 1;
        receiving->work = (struct os_work){.run = finish_file, .done = file_was_finished};
        replica_work(r, &receiving->work);
    }
    return NULL;
}

const char *catchup_on_frame(struct replica *r, uint32_t member, uint16_t type, struct bytes body)
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

void catchup_tick(struct replica *r)
{
    struct receiving *receiving = r->receiving;
    if (receiving == NULL || receiving->is_finishing ||
        os_now_us(r->os) - receiving->asked_us < RECEIVE_RETRY_US) {
        return;
    }
    if (++receiving->retries > RECEIVE_RETRIES_MAX) {
        stop_receiving(r); /* Somebody else may offer one. */
    } else {
        MARK("catchup: asks again for a piece");
        pull(r);
    }
}

void catchup_stop(struct replica *r)
{
    stop_receiving(r);
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        catchup_forget(r, i);
    }
}
