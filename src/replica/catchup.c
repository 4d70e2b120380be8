/* catchup.c -- old entries, for members that were away.
 *
 * A member that misses entries asks for them from some slot on, and again as they come: so it says
 * up to where it has all, and is sent so much more than that, in messages of moderate size and not
 * behind much that has not left yet. However far away it is, there is always something on its way;
 * and however narrow its link, heartbeats get through. What is still in memory is sent at once;
 * what is on the disk is read by a worker first; what only a snapshot covers is offered as one
 * (giving.c). */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "replica/records.h"
#include "replica/replica_internal.h"

enum {
    SERVE_ENTRIES_MAX = 32,     /* Of a message. */
    SERVE_BYTES_MAX = 64 << 10, /* The same; one entry may be larger. */
    QUEUE_MAX = 64 << 10,       /* None is sent behind more than that, ... */
    AHEAD_BYTES = 256 << 10,    /* ... and no more than that may be on its way. */
};

/* Entries being read from the disk for a member. */
struct serve {
    struct os_work work;
    struct replica *r;
    uint32_t member;
    uint32_t count;
    uint32_t is_dropped; /* The connection for which it was is gone. */
    int error;
    struct report report;
    struct synod_entry entries[SERVE_ENTRIES_MAX];
    uint64_t lsns[SERVE_ENTRIES_MAX];
    struct wal_location locations[SERVE_ENTRIES_MAX];
    uint8_t *bodies[SERVE_ENTRIES_MAX]; /* The records; the values are behind their heads. */
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

static void go_on(struct replica *r, uint32_t member);

/* Who lacks an entry that we cannot read asks the others; but there may be nobody else, and the
 * state that came of the entry is still whole. */
static void offer_instead(struct replica *r, const struct serve *serve)
{
    if (r->phase != PHASE_RUNNING || MUTANT(122)) {
        return;
    }
    if (serve->entries[0].slot + serve->count - 1 <= r->snapshot) {
        giving_offer(r, serve->member);
    } else {
        r->is_snapshot_wanted = 1;
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
        replica_warn("cannot give an entry", &serve->report);
        r->members[serve->member].serve_end = 0; /* Until it is asked for again. */
        offer_instead(r, serve);
    }
    struct member *it = &r->members[serve->member];
    const int is_good = serve->error == 0 && !serve->is_dropped && r->phase == PHASE_RUNNING;
    /* It may have got further meanwhile by what others sent. */
    const int is_wanted = it->serve_next == serve->entries[0].slot;
    if (is_good && is_wanted && peers_queued(r->peers, it->peer) <= QUEUE_MAX) {
        MARK("catchup: serves entries from the disk");
        send_entries(r, serve->member, serve->entries, values, serve->count);
        it->serve_next += serve->count;
    }
    if (serve->error == 0 && r->phase == PHASE_RUNNING) {
        go_on(r, serve->member);
    }
    free_serve(serve);
    replica_work_done(r);
}

/* What the member may have now, and we can give: less than this. */
static synod_slot serve_limit(const struct replica *r, uint32_t member)
{
    const synod_slot end = r->members[member].serve_end;
    return end <= r->applied ? end : r->applied + 1;
}

/* Plan what to read for the entries from `slot` on. Returns how many. */
static uint32_t plan_reading(struct replica *r, synod_slot slot, struct serve *serve)
{
    const synod_slot limit = serve_limit(r, serve->member);
    uint64_t bytes = 0;
    for (; slot < limit && serve->count < SERVE_ENTRIES_MAX; slot++) {
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
    const synod_slot limit = serve_limit(r, member);
    uint32_t count = 0;
    uint64_t bytes = 0;

    for (; slot < limit && count < SERVE_ENTRIES_MAX; slot++) {
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

/* Values that were sent, and of which the member has not said that it has them. The kernel and the
 * network hold them as long as they like: on a narrow link heartbeats wait behind them. */
static uint64_t bytes_ahead(const struct replica *r, const struct member *it)
{
    uint64_t bytes = 0;
    for (synod_slot slot = it->serve_asked; slot < it->serve_next; slot++) {
        const struct log_slot *at = log_at(&r->log, slot);
        bytes += at == NULL ? 0 : at->size;
    }
    return bytes;
}

/* Send what the member may have now. */
static void go_on(struct replica *r, uint32_t member)
{
    struct member *it = &r->members[member];
    if (it->serve_next < it->serve_asked) {
        it->serve_next = it->serve_asked;
    }
    while (it->serve == NULL && it->serve_next < serve_limit(r, member)) {
        if (peers_queued(r->peers, it->peer) > QUEUE_MAX || bytes_ahead(r, it) > AHEAD_BYTES) {
            MARK("catchup: sends no entries behind much that has not left");
            return; /* Later. */
        }
        if (it->serve_next < r->log.first || log_at(&r->log, it->serve_next) == NULL) {
            it->serve_end = 0;
            giving_offer(r, member);
            return;
        }
        const uint32_t count = serve_from_memory(r, member, it->serve_next);
        it->serve_next += count;
        if (count == 0) {
            serve_from_disk(r, member, it->serve_next);
            return;
        }
    }
}

/* The member has everything before serve->slot. If it says so twice, or has less than it said, what
 * followed is lost: one message is sent again, and no more before it has come. */
void catchup_serve(struct replica *r, const struct synod_serve *serve)
{
    const int member = replica_member_of(r, serve->to);
    if (member < 0 || (uint32_t)member == r->options.self) {
        return;
    }
    struct member *it = &r->members[member];
    const int is_new = serve->slot > it->serve_asked;
    if (serve->slot >= r->log.first) { /* Else it needs what comes after a snapshot: giving.c. */
        it->needed = serve->slot - 1;
    }
    it->needed_us = os_now_us(r->os);
    it->serve_asked = serve->slot;
    if (it->serve == NULL && !is_new) {
        it->serve_next = serve->slot;
    }
    const uint32_t ahead = r->core_options.window / 2; /* It could not remember much more. */
    const uint32_t message = ahead < SERVE_ENTRIES_MAX ? ahead : SERVE_ENTRIES_MAX;
    it->serve_end = serve->slot + (is_new && !MUTANT(115) ? ahead : message);
    it->serve_end = serve_limit(r, (uint32_t)member); /* What comes later it will hear of. */
    go_on(r, (uint32_t)member);
}

void catchup_tick(struct replica *r)
{
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        go_on(r, i); /* Much had not left when it was asked for. */
    }
}

void catchup_forget(struct replica *r, uint32_t member)
{
    struct member *it = &r->members[member];
    it->serve_asked = 0;
    it->serve_next = 0;
    it->serve_end = 0;
    if (it->serve != NULL) {
        it->serve->is_dropped = 1;
    }
}
