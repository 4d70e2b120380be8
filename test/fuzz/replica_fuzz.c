/* replica_fuzz.c -- a whole replica among members that say anything.
 *
 * Stroke: u8, the kind in the low four bits, which of the two others in the next; and what the kind
 * asks for: messages of message_script.h with real values, forwarded bundles, snapshots offered
 * and given away, raw frames, wishes of clients, time. Whatever it was told, a replica that was
 * killed can read what it wrote. */
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "kv/kv.h"
#include "message_script.h"
#include "replica/replica_internal.h"
#include "replica_rig.h"

enum {
    STROKES_MAX = 100,
    VALUE_MAX = 128,
    HEAD_MAX = WIRE_FIXED_SIZE + MESSAGE_SCRIPT_ENTRIES_MAX * WIRE_VOTE_SIZE
};

/* The bytes of a value: one bundle with one command, which follows from `number`. Odd ones are put
 * into the mouth of the replica itself. */
static struct bytes make_value(const struct replica_rig *rig, uint8_t number, uint8_t to[VALUE_MAX])
{
    const uint8_t put[] = {0x0a, 1, 'k', 0x12, 1, number}; /* A PutRequest. */
    const struct bytes command = bytes_of(put, sizeof put);
    wire_encode_command(1u + number % 5, command, to + WIRE_BUNDLE_SIZE);
    const struct wire_bundle bundle = {
        .origin = number % 2 == 0 ? rig->others[0].id : rig->hello.member,
        .incarnation = number % 2 == 0 ? 1 : rig->hello.incarnation,
        .sequence = number / 4u + 1,
        .count = number % 16 == 15 ? 2 : 1,
        .commands = bytes_of(NULL, wire_command_size(command.size)),
    };
    wire_encode_bundle(&bundle, to);
    return bytes_of(to, WIRE_BUNDLE_SIZE + bundle.commands.size);
}

/* Give an entry the value that its number stands for; one that makes no sense gets any bytes. */
static struct bytes value_of(const struct replica_rig *rig, struct synod_entry *entry,
                             uint8_t room[VALUE_MAX])
{
    memset(room, 0, VALUE_MAX);
    if (entry->handle >= MESSAGE_SCRIPT_VALUES) {
        entry->size %= VALUE_MAX;
        const struct bytes any = bytes_of(room, entry->size);
        entry->checksum = entry->checksum % 2 == 0 ? value_checksum(any) : entry->checksum;
        return any;
    }
    if (entry->kind != SYNOD_ENTRY_VALUE) {
        return bytes_of(room, 0);
    }
    const struct bytes value = make_value(rig, (uint8_t)entry->handle, room);
    entry->size = (uint32_t)value.size;
    entry->checksum = value_checksum(value);
    return value;
}

static void say_message(struct replica_rig *rig, struct replica_other *other, struct feed *feed)
{
    static uint8_t rooms[MESSAGE_SCRIPT_ENTRIES_MAX][VALUE_MAX];
    uint8_t head[HEAD_MAX];
    struct bytes parts[MESSAGE_SCRIPT_ENTRIES_MAX + 1];
    struct synod_options options = {.view = 1, .window = 8, .entries_max = 8};
    struct replica_status status;
    replica_status(rig->replica, &status);
    options.members = (struct synod_members){
        .count = 3, .ids = {rig->hello.member, rig->others[0].id, rig->others[1].id}};
    struct message_script script = {.options = &options,
                                    .applied = status.applied,
                                    .asked = rig->asked,
                                    .ballot = rig->ballot,
                                    .promised = rig->promised};
    message_script_make(&script, feed);
    struct synod_message *m = &script.message;
    if (m->ballot.member == m->from) {
        m->ballot.member = other->id; /* Whoever it was to be, it is sent by this one. */
    }
    for (uint32_t i = 0; i < m->entry_count; i++) {
        parts[i + 1] = value_of(rig, &script.entries[i], rooms[i]);
    }
    for (uint32_t i = 0; i < m->vote_count; i++) {
        parts[i + 1] = value_of(rig, &script.votes[i].entry, rooms[i]);
    }
    wire_encode_head(m, head);
    parts[0] = bytes_of(head, wire_head_size(m));
    replica_rig_send(other, FRAME_MESSAGE, parts,
                     wire_has_values(m->type) ? 1u + m->entry_count + m->vote_count : 1u);
}

static void forward(struct replica_rig *rig, struct replica_other *other, uint8_t number)
{
    uint8_t room[VALUE_MAX] = {0};
    struct bytes value = make_value(rig, number, room);
    put_u64(room, number < 240 ? other->id : rig->hello.member);
    replica_rig_send(other, FRAME_FORWARD, &value, 1);
}

/* Numbers of a frame about snapshots, which may mean something or not. */
static void say_numbers(const struct replica_rig *rig, struct replica_other *other,
                        struct feed *feed)
{
    uint8_t body[40] = {0};
    struct replica_status status;
    replica_status(rig->replica, &status);
    const uint8_t how = feed_u8(feed);
    put_u64(body, how < 128 ? rig->snapshot_slot : status.applied + feed_number(feed));
    put_u64(body + 8, how % 16 < 8 ? buffer_size(&rig->snapshot) : feed_number(feed));
    put_u64(body + 16, how % 2 == 0 ? 0 : feed_number(feed));
    const struct bytes part = bytes_of(body, how % 4 == 0 ? 16 : 24u + how % 16);
    const uint16_t types[] = {FRAME_SNAPSHOT_OFFER, FRAME_SNAPSHOT_PULL, FRAME_SNAPSHOT_PIECE,
                              FRAME_ALIVE};
    replica_rig_send(other, types[how / 16 % 4], &part, 1);
}

static void wish(struct replica_rig *rig, uint8_t number)
{
    const uint8_t put[] = {0x0a, 1, number, 0x12, 1, 'v'};
    if (number % 4 == 3) {
        replica_rig_read(rig);
    } else {
        replica_rig_submit(rig, KV_COMMAND_PUT, bytes_of(put, sizeof put));
    }
}

static void strike(struct replica_rig *rig, struct feed *feed)
{
    const uint8_t stroke = feed_u8(feed);
    struct replica_other *other = &rig->others[stroke / 16 % REPLICA_RIG_OTHERS];
    switch (stroke % 16) {
    case 0:
        machine_os_advance(&rig->machine, feed_u8(feed) * UINT64_C(10000));
        break;
    case 1:
        other->is_honest ^= 1;
        break;
    case 2:
        wish(rig, feed_u8(feed));
        break;
    case 3:
        forward(rig, other, feed_u8(feed));
        break;
    case 4: {
        const uint64_t ahead = feed_number(feed);
        struct replica_status status;
        replica_status(rig->replica, &status);
        replica_rig_offer(other, status.applied + ahead);
        break;
    }
    case 5:
        say_numbers(rig, other, feed);
        break;
    case 6: {
        const uint16_t type = (uint16_t)(PEER_FRAME_TYPE_MIN + feed_u8(feed) % 8);
        const struct bytes body = feed_take(feed, feed_u8(feed));
        replica_rig_send(other, type, &body, 1);
        break;
    }
    case 7:
        if (stroke >= 192) {
            replica_rig_restart(rig);
        }
        break;
    case 8:
        if (buffer_size(&rig->snapshot) > 0) { /* Another byte in what is given away. */
            rig->snapshot.data[feed_u16(feed) % buffer_size(&rig->snapshot)] ^= feed_u8(feed);
        }
        break;
    default:
        say_message(rig, other, feed);
    }
    machine_os_settle(&rig->machine);
}

FUZZ(replica)
{
    struct feed feed = {input};
    struct replica_rig *rig = replica_rig_new(REPLICA_RIG_OTHERS);
    for (uint32_t i = 0; i < STROKES_MAX && !feed_is_empty(&feed) && !rig->is_failed; i++) {
        strike(rig, &feed);
    }
    if (!rig->is_failed) {
        kv_check(machine_kv(rig->store));
    }
    replica_rig_restart(rig); /* A life that ended has left its disk as it was. */
    replica_rig_stop(rig);
    replica_rig_free(rig);
}
