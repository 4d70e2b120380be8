/* frames.c -- frames from the other members: checked here, believed afterwards. */
#include "base/assert.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "replica/replica_internal.h"

/* Put the values that came with a message into the log, and their handles into its entries.
 * Slots that were applied, or are beyond anything the core could take, keep no value. */
static const char *enter_value(struct replica *r, struct synod_entry *entry, struct bytes bytes)
{
    const synod_slot reach = r->applied + 2 * (synod_slot)r->core_options.window;
    if (entry->kind != SYNOD_ENTRY_VALUE || entry->slot <= r->applied || entry->slot > reach) {
        return NULL;
    }
    if (bytes.size > REPLICA_VALUE_BYTES_MAX && !MUTANT(98)) {
        return "a value that no message could carry on";
    }
    if (value_checksum(bytes) != entry->checksum) {
        return "a value that does not have its checksum";
    }
    if (!wire_bundles_are_valid(bytes)) {
        return "a value that is not made of commands";
    }
    const struct value *value = log_enter(&r->log, entry->slot, entry->checksum, bytes);
    entry->handle = value_handle(value);
    return value == NULL ? "a value for which there is no memory" : NULL;
}

static const char *enter_values(struct replica *r, struct synod_message *m)
{
    const char *wrong = NULL;
    for (uint32_t i = 0; i < m->entry_count && wrong == NULL; i++) {
        wrong = enter_value(r, &r->arrays.entries[i], r->arrays.values[i]);
    }
    for (uint32_t i = 0; i < m->vote_count && wrong == NULL; i++) {
        wrong = enter_value(r, &r->arrays.votes[i].entry, r->arrays.values[i]);
    }
    return wrong;
}

static void prune(struct replica *r, synod_slot slot)
{
    if (slot > r->applied) {
        log_prune(&r->log, slot, r->core);
    }
}

/* The step is done, or none was taken. What the core does not have, and what it has something else
 * in place of, nobody needs any more: a member that sends one value after the other for the same
 * slot must not fill our memory. */
static void prune_values(struct replica *r, const struct synod_message *m)
{
    if (MUTANT(99)) {
        return;
    }
    for (uint32_t i = 0; i < m->entry_count; i++) {
        prune(r, m->entries[i].slot);
    }
    for (uint32_t i = 0; i < m->vote_count; i++) {
        prune(r, m->votes[i].entry.slot);
    }
}

/* The disk is far behind, and this would put more in front of it. The others go on without us as
 * long as they are a quorum; what they sent comes again, or is asked for. A disk that is slower
 * than those of the others would else have all that it cannot keep up with in our memory. */
static int is_too_much(const struct replica *r, const struct synod_message *m)
{
    const int brings_entries = m->type == SYNOD_MESSAGE_ACCEPT || m->type == SYNOD_MESSAGE_LEARN;
    return brings_entries && m->from != r->identity && replica_is_behind(r) && !MUTANT(105);
}

/* A message of the core, from another member or from ourselves. */
const char *frames_on_message(struct replica *r, uint32_t member, struct bytes body)
{
    struct synod_message message;
    const char *wrong = wire_decode(body, &r->arrays, &message);
    if (wrong != NULL) {
        return wrong;
    }
    message.from = r->members[member].id;
    message.to = r->identity;
    if (!synod_message_is_valid(&message, &r->core_options)) {
        return "a message that no member would send";
    }
    if (is_too_much(r, &message)) {
        MARK("frames: takes no entry, since the disk is far behind");
        return NULL;
    }
    if (wire_has_values(message.type)) {
        wrong = enter_values(r, &message);
        if (wrong != NULL) {
            prune_values(r, &message); /* Those before the one that is wrong. */
            return wrong;
        }
    }
    const int outcome =
        drive_step(r, &(struct synod_event){.type = SYNOD_EVENT_MESSAGE, .message = &message});
    if (wire_has_values(message.type) && r->phase == PHASE_RUNNING) {
        prune_values(r, &message);
    }
    if (outcome == SYNOD_ERR_CORRUPT) {
        r->contradictions++;
        return "another value chosen than is known to be";
    }
    return NULL;
}

void frames_send_numbers(struct replica *r, uint32_t member, uint16_t type, const uint64_t *numbers,
                         size_t count)
{
    uint8_t bytes[32];
    assert(count * 8 <= sizeof bytes);
    for (size_t i = 0; i < count; i++) {
        put_u64(bytes + 8 * i, numbers[i]);
    }
    const struct bytes part = bytes_of(bytes, 8 * count);
    (void)peers_send(r->peers, r->members[member].peer, (struct peer_frame){.type = type}, &part,
                     1);
}

const char *frames_on_frame(void *context, uint32_t peer, uint16_t type, uint32_t group,
                            struct bytes body)
{
    struct replica *r = context;
    const uint32_t member = r->member_of_peer[peer];
    assert(member != r->options.self);

    if (group != 0) {
        return "a frame of a group that is not here";
    }
    if (r->phase == PHASE_FOUNDING && type == FRAME_MESSAGE) {
        founding_on_message(r);
        return NULL;
    }
    if (r->phase != PHASE_RUNNING) {
        return NULL; /* Not yet, or no longer: as good as lost. */
    }
    switch (type) {
    case FRAME_MESSAGE:
        return frames_on_message(r, member, body);
    case FRAME_FORWARD:
        return submit_on_forward(r, member, body);
    case FRAME_SNAPSHOT_OFFER:
        return taking_on_offer(r, member, body);
    case FRAME_SNAPSHOT_PULL:
        return giving_on_pull(r, member, body);
    case FRAME_SNAPSHOT_PIECE:
        return taking_on_piece(r, member, body);
    case FRAME_READ:
        return relay_on_read(r, member, body);
    case FRAME_READ_INDEX:
        return relay_on_index(r, body);
    case FRAME_ALIVE:
        return NULL;
    default:
        return "a frame of an unknown type";
    }
}
