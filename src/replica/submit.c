/* submit.c -- commands: into bundles, into entries, and their outcomes back.
 *
 * Commands that clients of this replica submit are numbered and gathered. At the end of a turn
 * the leader makes one entry of its own and of what the others forwarded; a follower forwards its
 * own, in bundles of moderate size. When an entry is applied, here like everywhere, the commands
 * in it that are ours have their outcome. A forwarded bundle travels once: if it is lost, its
 * clients are told that the outcome is unknown, since nothing here can tell. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "replica/replica_internal.h"
#include "synod/error.h"

enum {
    ENTRY_BYTES_MAX = 1 << 20,  /* An entry is closed when it has this much. */
    IN_FLIGHT_MAX = 8,          /* Entries on their way before the next has to wait and grow. */
    PENDING_SPAN_MAX = 1 << 20, /* Commands since the oldest under way: 24 bytes for each. */
    FORWARDED_BYTES_MAX = 64 << 20,
    FORWARD_BYTES_MAX =
        128 << 10, /* A bundle for the leader is closed when it has this much, ... */
    PASSED_ON_QUEUE_MAX = 1 << 20, /* The same for those of others: what is not sent is lost. */
    FORWARD_QUEUE_MAX = 64 << 10,  /* ... and none is sent behind more than that. */
    PROPOSE_QUEUE_MAX = 64 << 10,  /* No entry behind more than that, to a quorum. */
};

/* -- Commands under way ------------------------------------------------------------------- */

static struct pending *pending_at(const struct replica *r, uint64_t sequence)
{
    return &r->pending[sequence & (r->pending_capacity - 1)];
}

static int grow_pending(struct replica *r)
{
    const uint64_t capacity = r->pending_capacity == 0 ? 64 : r->pending_capacity * 2;
    struct pending *pending = calloc(capacity, sizeof *pending);
    if (pending == NULL) {
        return -1;
    }
    for (uint64_t i = r->pending_first; i < r->sequence; i++) {
        pending[i & (capacity - 1)] = *pending_at(r, i);
    }
    free(r->pending);
    r->pending = pending;
    r->pending_capacity = capacity;
    return 0;
}

int replica_submit(struct replica *r, uint32_t kind, struct bytes command,
                   replica_result_callback callback, void *context)
{
    if (r->phase >= PHASE_STOPPING || r->is_stop_wanted) {
        return SYNOD_ERR_STOPPED;
    }
    if (command.size > r->options.command_size_max) {
        return SYNOD_ERR_TOO_BIG;
    }
    const size_t size = wire_command_size(command.size);
    const uint64_t span = r->sequence - r->pending_first;
    if ((MUTANT(142) ? span : r->pending_count) >= r->options.pending_max ||
        span >= PENDING_SPAN_MAX ||
        buffer_size(&r->forming) + size > r->options.pending_bytes_max) {
        return SYNOD_ERR_BUSY;
    }
    if (span == r->pending_capacity && grow_pending(r) != 0) {
        return SYNOD_ERR_MEMORY;
    }
    uint8_t *to = buffer_reserve(&r->forming, size);
    if (to == NULL) {
        return SYNOD_ERR_MEMORY;
    }
    wire_encode_command(kind, command, to);
    buffer_commit(&r->forming, size);
    r->forming_count++;
    r->submitted++;
    r->pending_count++;
    *pending_at(r, r->sequence++) = (struct pending){
        .callback = callback,
        .context = context,
        .deadline_us = os_now_us(r->os) + (uint64_t)r->options.request_timeout_ms * 1000,
    };
    return 0;
}

/* Give a command its outcome, if it has none yet. */
static void end(struct replica *r, uint64_t sequence, int error, const void *result)
{
    struct pending *pending = pending_at(r, sequence);
    const replica_result_callback callback = pending->callback;
    void *context = pending->context;

    assert(sequence >= r->pending_first && sequence < r->sequence);
    pending->callback = NULL;
    while (r->pending_first < r->sequence && pending_at(r, r->pending_first)->callback == NULL) {
        r->pending_first++;
    }
    if (callback != NULL) {
        r->pending_count--;
        r->failed += error != 0;
        callback(context, error, result);
    }
}

/* Drop the first command that was not sent yet. */
static void drop_unsent(struct replica *r)
{
    struct bytes rest = buffer_bytes(&r->forming);
    struct bytes command;
    uint32_t kind;
    const int more = wire_next_command(&rest, &kind, &command);
    assert(more == 1 && r->forming_count > 0);
    buffer_consume(&r->forming, wire_command_size(command.size));
    r->forming_count--;
    r->unsent++;
}

/* Deadlines rise with the sequence, so the oldest is the only one to look at. */
void submit_expire(struct replica *r)
{
    const uint64_t now = os_now_us(r->os);
    while (r->pending_first < r->sequence && pending_at(r, r->pending_first)->deadline_us <= now) {
        const int was_sent = r->pending_first < r->unsent;
        if (was_sent) {
            MARK("submit: does not know what became of a command");
        } else {
            MARK("submit: a command was never sent");
            drop_unsent(r);
        }
        end(r, r->pending_first, was_sent ? SYNOD_ERR_UNKNOWN : SYNOD_ERR_NO_LEADER, NULL);
    }
}

void submit_fail_all(struct replica *r, int error)
{
    while (r->pending_first < r->sequence) {
        if (r->pending_first >= r->unsent) {
            drop_unsent(r);
        }
        end(r, r->pending_first, error, NULL);
    }
}

/* -- Entries ------------------------------------------------------------------------------ */

/* So many of the gathered commands, and at least one: their bytes and number. */
static size_t take_own(const struct replica *r, size_t bytes_max, uint32_t *count)
{
    struct bytes rest = buffer_bytes(&r->forming);
    const size_t total = rest.size;
    size_t taken = 0;
    struct bytes command;
    uint32_t kind;

    *count = 0;
    if (total <= bytes_max) {
        *count = r->forming_count;
        return total;
    }
    while (wire_next_command(&rest, &kind, &command) == 1) {
        if (*count > 0 && total - rest.size > bytes_max) {
            break;
        }
        taken = total - rest.size;
        (*count)++;
    }
    return taken;
}

/* As many of the forwarded bundles as fit beside `own` bytes into one entry; at least one, if there
 * are no others. */
static size_t take_forwarded(const struct replica *r, size_t own)
{
    struct bytes rest = buffer_bytes(&r->forwarded);
    const size_t total = rest.size;
    size_t taken = 0;
    struct wire_bundle bundle;

    while (wire_next_bundle(&rest, &bundle) == 1) {
        if (taken + own > 0 && own + total - rest.size > ENTRY_BYTES_MAX && !MUTANT(91)) {
            break;
        }
        taken = total - rest.size;
    }
    return taken;
}

static void encode_own(const struct replica *r, size_t size, uint32_t count,
                       uint8_t to[WIRE_BUNDLE_SIZE])
{
    wire_encode_bundle(&(struct wire_bundle){.origin = r->identity,
                                             .incarnation = replica_life(r),
                                             .sequence = r->unsent,
                                             .low = r->pending_first,
                                             .count = count,
                                             .commands = {.size = size}},
                       to);
}

static void sent_own(struct replica *r, size_t size, uint32_t count)
{
    buffer_consume(&r->forming, size);
    r->forming_count -= count;
    r->unsent += count;
    if (buffer_size(&r->forming) == 0) {
        buffer_clear(&r->forming, ENTRY_BYTES_MAX);
    }
}

/* One value of what was gathered and what was forwarded; NULL if there is nothing, or no
 * memory for it now. What was forwarded and does not fit goes first the next time. */
static struct value *make_value(struct replica *r)
{
    uint32_t count = 0;
    const size_t own = r->is_forwarded_due ? 0 : take_own(r, ENTRY_BYTES_MAX, &count);
    const size_t head = count > 0 ? WIRE_BUNDLE_SIZE : 0;
    const size_t other = take_forwarded(r, own);
    if (head + other == 0) {
        return NULL;
    }
    r->is_forwarded_due = other == 0 && buffer_size(&r->forwarded) > 0;
    struct value *value = value_new(head + own + other);
    if (value == NULL) {
        return NULL;
    }
    uint8_t *to = value->bytes;
    if (count > 0) {
        encode_own(r, own, count, to);
        memcpy(to + head, buffer_bytes(&r->forming).data, own);
        sent_own(r, own, count);
    }
    if (other > 0) {
        memcpy(to + head + own, buffer_bytes(&r->forwarded).data, other);
        buffer_consume(&r->forwarded, other);
    }
    r->ready_has_others = other > 0;
    value_seal(value);
    return value;
}

static int in_flight(const struct replica *r)
{
    return r->proposed > r->applied && r->proposed - r->applied >= IN_FLIGHT_MAX;
}

/* Others may be a quorum without us, and choose faster than our disk can write. */
static int is_disk_behind(const struct replica *r)
{
    if (!replica_is_behind(r) || MUTANT(107)) {
        return 0;
    }
    MARK("submit: proposes nothing, since the disk is far behind");
    return 1;
}

/* What is proposed behind much that has not left is not chosen the sooner for it; but heartbeats
 * wait behind it, and who is not heard leads no more. */
static int are_ways_full(const struct replica *r)
{
    uint32_t free_ways = 1; /* Our own. */
    for (uint32_t i = 0; i < r->options.member_count; i++) {
        free_ways += i != r->options.self && peers_is_connected(r->peers, r->members[i].peer) &&
                     peers_queued(r->peers, r->members[i].peer) <= PROPOSE_QUEUE_MAX;
    }
    if (free_ways >= r->core_options.members.phase2 || MUTANT(133)) {
        return 0;
    }
    MARK("submit: proposes nothing behind much that has not left");
    return 1;
}

static void propose(struct replica *r)
{
    while (!in_flight(r) && !is_disk_behind(r) && !are_ways_full(r) && r->phase == PHASE_RUNNING) {
        if (r->ready == NULL) {
            r->ready = make_value(r);
        }
        if (r->ready == NULL) {
            return;
        }
        struct value *value = r->ready;
        const struct synod_entry entry = {.kind = SYNOD_ENTRY_VALUE,
                                          .checksum = value->checksum,
                                          .size = value->size,
                                          .handle = value_handle(value)};
        const int outcome =
            drive_step(r, &(struct synod_event){.type = SYNOD_EVENT_PROPOSE,
                                                .entry = &entry,
                                                .wants_notice = r->ready_has_others});
        if (outcome != 0) {
            return; /* Busy with what an earlier leader left: when that is done. */
        }
        r->ready = NULL;
        r->proposed = r->effects->proposed != 0 ? r->effects->proposed : r->proposed;
    }
}

/* What is forwarded goes the way that votes and questions go, and those must not wait behind more
 * than a link carries in a moment. What has not been sent may wait here, and its clients be told
 * the truth if nothing comes of it. */
static int is_way_free(const struct replica *r, int way)
{
    if (peers_queued(r->peers, r->members[way].peer) <= FORWARD_QUEUE_MAX || MUTANT(121)) {
        return 1;
    }
    MARK("submit: forwards nothing behind much that has not left");
    return 0;
}

/* Send what was gathered to the leader, once. */
static void forward(struct replica *r)
{
    const int way = r->forming_count > 0 ? relay_way(r) : -1;
    if (way < 0) {
        return;
    }
    while (r->forming_count > 0 && is_way_free(r, way)) {
        uint8_t head[WIRE_BUNDLE_SIZE];
        uint32_t count;
        const size_t size = take_own(r, FORWARD_BYTES_MAX, &count);
        encode_own(r, size, count, head);
        const struct bytes parts[2] = {bytes_of(head, sizeof head),
                                       bytes_of(buffer_bytes(&r->forming).data, size)};
        if (peers_send(r->peers, r->members[way].peer, (struct peer_frame){.type = FRAME_FORWARD},
                       parts, 2) != 0) {
            return; /* Not connected, or too much is waiting: it was not sent. */
        }
        sent_own(r, size, count);
    }
}

void submit_turn_end(struct replica *r)
{
    const int leader = replica_member_of(r, r->leader.member);
    if (leader < 0) {
        return;
    }
    if ((uint32_t)leader == r->options.self) {
        propose(r);
        return;
    }
    if (r->ready != NULL) {
        /* Made while we led, and never proposed. Its own commands count as sent, and their
         * clients will be told that the outcome is unknown. */
        free(r->ready);
        r->ready = NULL;
    }
    buffer_clear(&r->forwarded, 0);
    r->is_forwarded_due = 0;
    forward(r);
}

/* It is for the leader, and who has sent it does not hear that one. Returns whether it is on its
 * way. */
static int pass_on(struct replica *r, uint32_t member, const struct wire_bundle *bundle,
                   struct bytes body)
{
    const int leader = replica_member_of(r, r->leader.member);
    if (bundle->origin != r->members[member].id || leader == (int)member || !relay_is_open(r)) {
        return 0; /* Not from its origin; or that leads itself by now. */
    }
    if (peers_queued(r->peers, r->members[leader].peer) > PASSED_ON_QUEUE_MAX) {
        return 0;
    }
    MARK("submit: passes on what is for the leader");
    return peers_send(r->peers, r->members[leader].peer, (struct peer_frame){.type = FRAME_FORWARD},
                      &body, 1) == 0;
}

/* Returns whether it will be proposed, as long as we lead. */
static int take(struct replica *r, struct bytes body)
{
    return buffer_size(&r->forwarded) + body.size <= FORWARDED_BYTES_MAX &&
           buffer_append(&r->forwarded, body.data, body.size) == 0;
}

/* Bundles of a member are taken in rising order alone, whichever way they come, and none of a life
 * of it before the last that was heard of: one that came twice must not go into the log twice. */
static int is_late(const struct member *origin, const struct wire_bundle *bundle)
{
    return bundle->incarnation == origin->forward_life
               ? bundle->sequence < origin->forward_next
               : bundle->incarnation >> 32 < origin->forward_life >> 32 && !MUTANT(156);
}

/* A follower forwards commands of its clients, or of those of another that does not hear the
 * leader. Whoever has once done something about a bundle does nothing about it again: a repeat may
 * come when somebody else leads, to whom it would be new. */
const char *submit_on_forward(struct replica *r, uint32_t member, struct bytes body)
{
    struct wire_bundle bundle = {0};
    struct bytes rest = body;
    const int is_one =
        wire_bundles_are_valid(body) && wire_next_bundle(&rest, &bundle) == 1 && rest.size == 0;
    const int position = is_one ? replica_member_of(r, bundle.origin) : -1;
    if (position < 0 || (uint32_t)position == r->options.self) {
        return "a forwarded bundle that is not one of another member";
    }
    if (body.size > REPLICA_VALUE_BYTES_MAX && !MUTANT(98)) {
        return "a forwarded bundle that no message could carry on";
    }
    struct member *origin = &r->members[position];
    const int leads = r->leader.member == r->identity;
    if (is_late(origin, &bundle) && !MUTANT(41) && (leads || !MUTANT(97))) {
        return NULL;
    }
    const int is_done = leads ? take(r, body) : pass_on(r, member, &bundle, body);
    if (is_done) { /* Else its origin will learn that nothing came of it. */
        origin->forward_life = bundle.incarnation;
        origin->forward_next = bundle.sequence + bundle.count;
    }
    return NULL;
}

/* -- Applying ----------------------------------------------------------------------------- */

static void apply_bundle(struct replica *r, synod_slot slot, const struct wire_bundle *bundle)
{
    const int is_ours =
        bundle->origin == r->identity && (bundle->incarnation == replica_life(r) || MUTANT(157));
    struct bytes rest = bundle->commands;
    struct bytes data;
    uint32_t kind;

    for (uint64_t sequence = bundle->sequence; wire_next_command(&rest, &kind, &data) == 1;
         sequence++) {
        const int is_pending = is_ours && sequence >= r->pending_first && sequence < r->sequence &&
                               pending_at(r, sequence)->callback != NULL;
        const struct synod_command command = {.slot = slot,
                                              .term = r->term,
                                              .data = data.data,
                                              .size = data.size,
                                              .kind = kind,
                                              .wants_result = (uint32_t)is_pending};
        const void *result = r->machine.apply(r->machine.context, &command);
        r->applied_commands++;
        if (is_pending) {
            end(r, sequence, 0, result);
        }
    }
}

/* Apply one entry: the next, and every entry once. */
void submit_apply(struct replica *r, const struct synod_entry *entry)
{
    assert(entry->slot == r->applied + 1);
    r->applied = entry->slot;
    if (entry->kind == SYNOD_ENTRY_VALUE) {
        const struct value *value = value_of_handle(entry->handle);
        assert(value != NULL && value->size == entry->size);
        struct bytes rest = bytes_of(value->bytes, value->size);
        struct wire_bundle bundle;
        while (wire_next_bundle(&rest, &bundle) == 1) {
            apply_bundle(r, entry->slot, &bundle);
        }
    }
    log_applied(&r->log, entry);
}
