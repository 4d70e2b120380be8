/* drive.c -- events into the core, effects out of it, in the one legal order.
 *
 * After each step: first the records are appended to the log, then the messages are sent or
 * held, then what was chosen is applied. A message that names a record is held until the disk
 * has it. Messages to this replica itself are held like the others and come back as if from a
 * peer, so the leader's own vote counts when, and only when, it is durable.
 *
 * Group commit happens without anybody arranging it: records appended while the disk is busy
 * gather in the log's buffer and go with the next flush, which the turn's end, or the end of
 * the flush before, begins. The busier the disk, the more a flush carries. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "replica/records.h"
#include "replica/replica_internal.h"

enum {
    HELD_SPARE_MAX = 1024,     /* So many are kept for that. */
    HELD_SMALL = 1024,         /* Bodies up to this size are allocated at this size, and reused. */
    LARGE = 32 << 10,          /* Values of a message that it takes some time to send. */
    QUEUE_MAX = 64 << 10,      /* Values are not sent with more than this in front of them; ... */
    QUEUE_MAX_FIRST = 8 << 20, /* ... for the first time, with more than this. */
};

/* -- Records ------------------------------------------------------------------------------ */

static int remember_pair(struct replica *r, synod_lsn core, uint64_t wal)
{
    if (r->pair_count == r->pair_capacity) {
        const uint32_t capacity = r->pair_capacity == 0 ? 64 : r->pair_capacity * 2;
        struct record_pair *pairs = malloc(capacity * sizeof *pairs);
        if (pairs == NULL) {
            return -1;
        }
        for (uint32_t i = 0; i < r->pair_count; i++) {
            pairs[i] = r->pairs[(r->pair_first + i) % r->pair_capacity];
        }
        free(r->pairs);
        r->pairs = pairs;
        r->pair_first = 0;
        r->pair_capacity = capacity;
    }
    r->pairs[(r->pair_first + r->pair_count++) % r->pair_capacity] =
        (struct record_pair){.core = core, .wal = wal};
    return 0;
}

/* Append a step's records. A flush never parts them: the last one's number stands for all. */
static void append_records(struct replica *r)
{
    const struct synod_effects *effects = r->effects;
    uint64_t lsn = 0;
    for (uint32_t i = 0; i < effects->record_count; i++) {
        const struct synod_record *record = &effects->records[i];
        lsn = records_append(r->wal, record);
        if (record->type == SYNOD_RECORD_CHOSEN) {
            r->recorded_chosen = record->chosen;
        }
        const int has_entry =
            record->type == SYNOD_RECORD_VOTE || record->type == SYNOD_RECORD_LEARNED;
        if (has_entry && log_recorded(&r->log, &record->entry, lsn) != 0) {
            replica_fail_memory(r, "an entry");
            return;
        }
    }
    if (effects->record_count > 0 &&
        remember_pair(r, effects->records[effects->record_count - 1].lsn, lsn) != 0) {
        replica_fail_memory(r, "a record");
    }
}

/* The core's number of the last record that is durable when the log's `lsn` is. */
static synod_lsn forget_pairs(struct replica *r, uint64_t lsn)
{
    synod_lsn durable = r->durable;
    while (r->pair_count > 0 && r->pairs[r->pair_first].wal <= lsn + MUTANT(119)) {
        durable = r->pairs[r->pair_first].core;
        r->pair_first = (r->pair_first + 1) % r->pair_capacity;
        r->pair_count--;
    }
    return durable;
}

/* -- Messages ----------------------------------------------------------------------------- */

static struct bytes value_bytes(const struct synod_entry *entry)
{
    const struct value *value = value_of_handle(entry->handle);
    if (entry->kind != SYNOD_ENTRY_VALUE) {
        return (struct bytes){0};
    }
    assert(value != NULL && value->size == entry->size);
    return bytes_of(value->bytes, value->size);
}

static uint32_t gather_values(const struct synod_message *m, struct bytes *values)
{
    uint32_t count = 0;
    if (wire_has_values(m->type)) {
        for (uint32_t i = 0; i < m->entry_count; i++) {
            values[count++] = value_bytes(&m->entries[i]);
        }
        for (uint32_t i = 0; i < m->vote_count; i++) {
            values[count++] = value_bytes(&m->votes[i].entry);
        }
    }
    return count;
}

/* Values have to wait behind what has not left yet. Messages are repeated each heartbeat: if a link
 * is slow, the next copy would come before the first has gone, and the next behind that one, until
 * the link carries nothing else, and heartbeats come too late. Whoever does not get them asks for
 * them, as fast as it can take them (catchup.c). */
static int is_choked(const struct replica *r, uint32_t member, const struct bytes *values,
                     uint32_t count, size_t queue_max)
{
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        size += values[i].size;
    }
    if (size == 0 || (size > LARGE && MUTANT(101)) || (size <= LARGE && MUTANT(116)) ||
        peers_queued(r->peers, r->members[member].peer) <= queue_max) {
        return 0;
    }
    MARK("drive: does not send values behind much that has not left");
    return 1;
}

static void send_now(struct replica *r, uint32_t member, const struct synod_message *m,
                     const struct bytes *values, size_t queue_max)
{
    enum {
        HEAD_MAX = WIRE_FIXED_SIZE + 64 * WIRE_VOTE_SIZE,
        PARTS_MAX = 65
    };
    uint8_t head[HEAD_MAX];
    struct bytes parts[PARTS_MAX];
    size_t count = 1;
    const uint32_t value_count = wire_has_values(m->type) ? m->entry_count + m->vote_count : 0;

    assert(member != r->options.self);
    assert(wire_head_size(m) <= sizeof head && value_count < PARTS_MAX);
    if (is_choked(r, member, values, value_count, queue_max)) {
        return;
    }
    wire_encode_head(m, head);
    parts[0] = bytes_of(head, wire_head_size(m));
    for (uint32_t i = 0; i < value_count; i++) {
        if (values[i].size > 0) {
            parts[count++] = values[i];
        }
    }
    /* What cannot be sent is lost; the protocol repeats what matters. */
    (void)peers_send(r->peers, r->members[member].peer, (struct peer_frame){.type = FRAME_MESSAGE},
                     parts, count);
}

/* Send a message now, if there is room. Values are those of its entries and votes, in order. */
void drive_send(struct replica *r, uint32_t member, const struct synod_message *m,
                const struct bytes *values)
{
    send_now(r, member, m, values, QUEUE_MAX);
}

static struct held *held_new(struct replica *r, size_t size)
{
    struct held *held;
    if (size <= HELD_SMALL && !list_is_empty(&r->held_spare)) {
        held = LIST_ITEM(r->held_spare.next, struct held, link);
        list_remove(&held->link);
        r->held_spare_count--;
    } else {
        const size_t room = size <= HELD_SMALL ? HELD_SMALL : size;
        held = malloc(sizeof *held + room);
        if (held != NULL) {
            held->room = room;
        }
    }
    if (held != NULL) {
        r->held_bytes += sizeof *held + held->room;
        list_init(&held->link);
        held->body = bytes_of(held->bytes, size);
    }
    return held;
}

static void held_free(struct replica *r, struct held *held)
{
    list_remove(&held->link);
    assert(r->held_bytes >= sizeof *held + held->room);
    r->held_bytes -= sizeof *held + held->room;
    if (held->body.size <= HELD_SMALL && r->held_spare_count < HELD_SPARE_MAX) {
        list_append(&r->held_spare, &held->link);
        r->held_spare_count++;
    } else {
        free(held);
    }
}

/* A candidate asks again each heartbeat until our disk has the promise, and its votes may be large;
 * we ask for entries again and again: the newest says all that those before it say. */
static void forget_earlier(struct replica *r, uint32_t member, enum synod_message_type type)
{
    for (struct list *link = r->held.next; link != &r->held; link = link->next) {
        struct held *held = LIST_ITEM(link, struct held, link);
        if (held->member == member && held->type == (uint32_t)type) {
            held_free(r, held);
            return; /* There is one at most. */
        }
    }
}

/* Encode a message, to be sent when its record is durable. Without memory it is lost, like any
 * message to others may be. */
static void hold(struct replica *r, uint32_t member, const struct synod_message *m,
                 const struct bytes *values, uint32_t value_count)
{
    size_t size = wire_head_size(m);
    for (uint32_t i = 0; i < value_count; i++) {
        size += values[i].size;
    }
    if ((m->type == SYNOD_MESSAGE_PROMISE && !MUTANT(108)) || m->type == SYNOD_MESSAGE_FETCH) {
        forget_earlier(r, member, m->type);
    }
    struct held *held = held_new(r, size);
    if (held == NULL) {
        if (member == r->options.self && !MUTANT(90)) {
            replica_fail_memory(r, "a message to itself"); /* Nobody would send it again. */
        }
        return;
    }
    held->after = m->after_lsn;
    held->member = member;
    held->type = (uint32_t)m->type;
    wire_encode_head(m, held->bytes);
    uint8_t *to = held->bytes + wire_head_size(m);
    for (uint32_t i = 0; i < value_count; i++) {
        if (values[i].size > 0) {
            memcpy(to, values[i].data, values[i].size);
            to += values[i].size;
        }
    }
    const int is_ready = held->after <= r->durable;
    list_append(is_ready && member == r->options.self ? &r->to_self : &r->held, &held->link);
}

/* What it would bring now would not be taken (frames.c): it leaves when the disk has caught up. */
static void hold_fetch(struct replica *r, uint32_t member, const struct synod_message *m)
{
    struct synod_message fetch = *m;
    assert(m->type == SYNOD_MESSAGE_FETCH && replica_is_behind(r));
    if (r->pair_count > 0 && !MUTANT(127)) {
        fetch.after_lsn = r->pairs[(r->pair_first + r->pair_count - 1) % r->pair_capacity].core;
        hold(r, member, &fetch, NULL, 0);
    }
}

static void send_messages(struct replica *r, const struct synod_event *event)
{
    const struct synod_effects *effects = r->effects;
    const size_t queue_max = event->type == SYNOD_EVENT_PROPOSE ? QUEUE_MAX_FIRST : QUEUE_MAX;
    for (uint32_t i = 0; i < effects->message_count; i++) {
        const struct synod_message *m = &effects->messages[i];
        const int member = replica_member_of(r, m->to);
        assert(member >= 0);
        if (m->type == SYNOD_MESSAGE_FETCH && replica_is_behind(r)) {
            hold_fetch(r, (uint32_t)member, m);
            continue;
        }
        const uint32_t value_count = gather_values(m, r->arrays.values);
        if ((uint32_t)member == r->options.self || m->after_lsn > r->durable) {
            hold(r, (uint32_t)member, m, r->arrays.values, value_count);
        } else {
            send_now(r, (uint32_t)member, m, r->arrays.values, queue_max);
        }
    }
}

/* Records up to r->durable are on the disk: let go what waited for them. */
static void release_held(struct replica *r)
{
    while (!list_is_empty(&r->held)) {
        struct held *held = LIST_ITEM(r->held.next, struct held, link);
        if (held->after > r->durable) {
            break;
        }
        if (held->member == r->options.self) {
            list_remove(&held->link);
            list_append(&r->to_self, &held->link);
        } else {
            (void)peers_send(r->peers, r->members[held->member].peer,
                             (struct peer_frame){.type = FRAME_MESSAGE}, &held->body, 1);
            held_free(r, held);
        }
    }
}

static void handle_own_messages(struct replica *r)
{
    while (!list_is_empty(&r->to_self) && r->phase == PHASE_RUNNING) {
        struct held *held = LIST_ITEM(r->to_self.next, struct held, link);
        list_remove(&held->link);
        if (frames_on_message(r, r->options.self, held->body) != NULL) {
            replica_fail_memory(r, "a message to itself"); /* Nothing else is wrong with it. */
        }
        held_free(r, held);
    }
}

/* -- The step ----------------------------------------------------------------------------- */

static void note_leader(struct replica *r)
{
    struct synod_status status;
    synod_core_status(r->core, &status);
    r->leader = status.leader;
    r->why = status.why;
    r->proposed = 0;
    if (!synod_ballot_is_none(status.leader)) {
        r->leader_changes++;
        r->term = status.leader.round > r->term ? status.leader.round : r->term;
    }
    const int member = replica_member_of(r, status.leader.member);
    log_write(
        LOG_INFO, member < 0 ? "no leader" : "leader changed",
        (struct log_field[]){log_text("leader", member < 0 ? "none" : r->members[member].name),
                             log_text("why", synod_why_text(status.why)),
                             log_u64("round", status.leader.round),
                             log_u64("chosen", status.chosen),
                             {0}});
    reading_on_leader(r);
    r->events->on_leader(r->context);
}

static void apply_chosen(struct replica *r)
{
    for (uint32_t i = 0; i < r->effects->chosen_count; i++) {
        submit_apply(r, &r->effects->chosen[i]);
    }
    if (r->effects->chosen_count > 0) {
        reading_on_applied(r);
        snapshotting_consider(r);
    }
}

/* A step for which there is no memory fails the replica, and the core is then ahead of the log:
 * whoever has more steps to take in the same turn need not look, for none is taken any more. */
int drive_step(struct replica *r, const struct synod_event *event)
{
    struct synod_event timed = *event;
    timed.now_ms = replica_now_ms(r);
    assert(r->core != NULL);
    if (r->phase == PHASE_FAILED) {
        return SYNOD_ERR_STORAGE;
    }

    const int outcome = replica_step_core(r, &timed);
    if (outcome == 0 && r->effects->proposed != 0) {
        struct value *value = value_of_handle(event->entry->handle);
        if (log_attach(&r->log, r->effects->proposed, value) != 0) {
            replica_fail_memory(r, "an entry");
            return SYNOD_ERR_MEMORY;
        }
        /* It is the log's now, whatever becomes of this step. */
        r->ready = MUTANT(92) ? r->ready : NULL;
    }
    append_records(r);
    if (r->phase != PHASE_FAILED) {
        send_messages(r, event);
    }
    if (r->phase == PHASE_FAILED) {
        return SYNOD_ERR_STORAGE;
    }
    apply_chosen(r);
    for (uint32_t i = 0; i < r->effects->read_count; i++) {
        relay_on_own_index(r, r->effects->reads[i].id, r->effects->reads[i].index);
        reading_on_index(r, r->effects->reads[i].id, r->effects->reads[i].index);
    }
    for (uint32_t i = 0; i < r->effects->serve_count; i++) {
        catchup_serve(r, &r->effects->serves[i]);
    }
    r->wake_ms = r->effects->wake_at_ms;
    if (r->effects->leader_changed) {
        note_leader(r);
    }
    return outcome;
}

/* Write what was appended, unless the disk is busy: then it goes with the next flush. */
static void flush(struct replica *r)
{
    if (r->phase == PHASE_FAILED || wal_last(r->wal) == wal_durable(r->wal)) {
        return;
    }
    if (r->flush_began_us == 0) {
        r->flush_began_us = os_now_us(r->os);
    }
    wal_flush(r->wal);
}

/* -- What the disk says ------------------------------------------------------------------- */

void drive_on_durable(void *context, uint64_t lsn)
{
    struct replica *r = context;
    if (r->phase == PHASE_FAILED || r->phase == PHASE_STOPPED) {
        return;
    }
    if (r->flush_began_us != 0) {
        r->flush_us_total += os_now_us(r->os) - r->flush_began_us;
        r->flush_count++;
        r->flush_began_us = 0;
    }
    const synod_lsn durable = forget_pairs(r, lsn);
    if (durable > r->durable && r->phase == PHASE_RUNNING) {
        r->durable = durable;
        (void)drive_step(r, &(struct synod_event){.type = SYNOD_EVENT_DURABLE, .lsn = durable});
        release_held(r);
        handle_own_messages(r);
    }
    founding_advance(r);
    flush(r);
}

void drive_on_wal_failure(void *context, const struct report *report)
{
    replica_fail(context, report);
}

/* -- Turns and time ----------------------------------------------------------------------- */

/* What is due by the time alone, once a heartbeat, however busy the loop is. */
static void tick(struct replica *r)
{
    const uint64_t now = replica_now_ms(r);
    if (now < r->tick_ms) {
        r->tick_ms = MUTANT(83) ? now + r->options.heartbeat_ms : r->tick_ms;
        return;
    }
    r->tick_ms = now + r->options.heartbeat_ms;
    submit_expire(r);
    reading_tick(r);
    if (r->phase == PHASE_RUNNING) {
        catchup_tick(r);
        giving_tick(r);
        taking_tick(r);
        snapshotting_consider(r);
    } else if (r->phase == PHASE_FOUNDING) {
        founding_tick(r);
    }
}

/* The timer is there to make a turn happen; what is due is done at the turn's end. */
static void start_timer(struct replica *r)
{
    const uint64_t now = replica_now_ms(r);
    /* Before it lives, the core has no wish: it must not be taken for one to wake at once. */
    const int is_early = r->phase == PHASE_RUNNING && r->wake_ms < r->tick_ms;
    const uint64_t wake = is_early ? r->wake_ms : r->tick_ms;
    os_timer_start(r->os, r->timer, wake > now ? (wake - now) * 1000 : 0);
}

void drive_on_timer(__attribute__((unused)) void *context)
{
}

/* The end of a turn of the loop: everything that the turn gathered leaves as one. */
void drive_on_turn_end(void *context)
{
    struct replica *r = context;
    if (r->phase >= PHASE_STOPPING) {
        return; /* The log is closing, and takes care of itself. */
    }
    if (r->is_stop_wanted) {
        replica_leave(r);
        return; /* It may be gone. */
    }
    tick(r);
    if (r->phase == PHASE_RUNNING) {
        handle_own_messages(r);
        submit_turn_end(r);
        reading_turn_end(r);
        if (r->wake_ms <= replica_now_ms(r)) {
            (void)drive_step(r, &(struct synod_event){.type = SYNOD_EVENT_TICK});
        }
        handle_own_messages(r);
    }
    if (r->phase == PHASE_FAILED) {
        return;
    }
    flush(r);
    if (r->peers != NULL) {
        peers_flush(r->peers);
    }
    start_timer(r);
}
