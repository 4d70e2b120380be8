/* wire.c -- the messages of the protocol as bytes, and back.
 *
 * A body, all numbers little-endian:
 *
 *     0  u32 type             enum synod_message_type
 *     4  u32 entry count
 *     8  u32 vote count
 *    12  u32 status flags
 *    16  u64 view
 *    24      ballot           u64 round, u64 member, u64 incarnation
 *    48      promised         a ballot
 *    72      status.leader    a ballot
 *    96  u64 status.last
 *   104  u64 slot
 *   112  u64 until
 *   120  u64 chosen
 *   128  u64 id
 *   136  u64 bytes of values  of all entries and votes together
 *   144  u64 zero
 *   152      entries          32 bytes each: u64 slot, u64 view, u64 checksum, u32 size, u32 kind
 *            votes            64 bytes each: a ballot, u32 is_chosen, u32 zero, an entry
 *            values           of the entries, then of the votes, where the type carries them
 *
 * Every message has every field, used or not: at 152 bytes that costs less than it would to
 * understand a dozen layouts, and a packet on loopback costs the same up to a page.
 *
 * A body is valid if its type is known, its counts fit the receiver's arrays, its length is
 * exactly what counts and sizes say, and what must be zero is. Whether the protocol would say
 * such a thing is synod_message_is_valid()'s business. */
#include "wire/wire.h"

#include "base/assert.h"
#include "base/mutant.h"

static void put_ballot(uint8_t *to, struct synod_ballot ballot)
{
    put_u64(to, ballot.round);
    put_u64(to + 8, ballot.member);
    put_u64(to + 16, ballot.incarnation);
}

static struct synod_ballot get_ballot(const uint8_t *from)
{
    return (struct synod_ballot){
        .round = get_u64(from), .member = get_u64(from + 8), .incarnation = get_u64(from + 16)};
}

static void put_entry(uint8_t *to, const struct synod_entry *entry)
{
    put_u64(to, entry->slot);
    put_u64(to + 8, entry->view);
    put_u64(to + 16, entry->checksum);
    put_u32(to + 24, entry->size);
    put_u32(to + 28, entry->kind);
}

static struct synod_entry get_entry(const uint8_t *from)
{
    return (struct synod_entry){
        .slot = get_u64(from),
        .view = get_u64(from + 8),
        .checksum = get_u64(from + 16),
        .size = get_u32(from + 24),
        .kind = get_u32(from + 28),
    };
}

int wire_has_values(enum synod_message_type type)
{
    return type == SYNOD_MESSAGE_ACCEPT || type == SYNOD_MESSAGE_LEARN ||
           type == SYNOD_MESSAGE_PROMISE;
}

size_t wire_head_size(const struct synod_message *message)
{
    return WIRE_FIXED_SIZE + (size_t)message->entry_count * WIRE_ENTRY_SIZE +
           (size_t)message->vote_count * WIRE_VOTE_SIZE;
}

static uint64_t value_bytes(const struct synod_message *m)
{
    uint64_t total = 0;
    if (wire_has_values(m->type)) {
        for (uint32_t i = 0; i < m->entry_count; i++) {
            total += m->entries[i].size;
        }
        for (uint32_t i = 0; i < m->vote_count; i++) {
            total += m->votes[i].entry.size;
        }
    }
    return total;
}

void wire_encode_head(const struct synod_message *m, uint8_t *to)
{
    put_u32(to, (uint32_t)m->type);
    put_u32(to + 4, m->entry_count);
    put_u32(to + 8, m->vote_count);
    put_u32(to + 12, m->status.flags);
    put_u64(to + 16, m->view);
    put_ballot(to + 24, m->ballot);
    put_ballot(to + 48, m->promised);
    put_ballot(to + 72, m->status.leader);
    put_u64(to + 96, m->status.last);
    put_u64(to + 104, m->slot);
    put_u64(to + 112, m->until);
    put_u64(to + 120, m->chosen);
    put_u64(to + 128, m->id);
    put_u64(to + 136, value_bytes(m));
    put_u64(to + 144, 0);
    to += WIRE_FIXED_SIZE;
    for (uint32_t i = 0; i < m->entry_count; i++, to += WIRE_ENTRY_SIZE) {
        put_entry(to, &m->entries[i]);
    }
    for (uint32_t i = 0; i < m->vote_count; i++, to += WIRE_VOTE_SIZE) {
        put_ballot(to, m->votes[i].ballot);
        put_u32(to + 24, m->votes[i].is_chosen);
        put_u32(to + 28, 0);
        put_entry(to + 32, &m->votes[i].entry);
    }
}

static void decode_fixed(const uint8_t *from, struct synod_message *m)
{
    m->type = (enum synod_message_type)get_u32(from);
    m->entry_count = get_u32(from + 4);
    m->vote_count = get_u32(from + 8);
    m->status.flags = get_u32(from + 12);
    m->view = get_u64(from + 16);
    m->ballot = get_ballot(from + 24);
    m->promised = get_ballot(from + 48);
    m->status.leader = get_ballot(from + 72);
    m->status.last = get_u64(from + 96);
    m->slot = get_u64(from + 104);
    m->until = get_u64(from + 112);
    m->chosen = get_u64(from + 120);
    m->id = get_u64(from + 128);
}

/* Cut the values off the body, one after the other. Their sizes add up to what is left. */
static void decode_values(const uint8_t *from, const struct synod_message *m, struct bytes *values)
{
    for (uint32_t i = 0; i < m->entry_count; i++) {
        values[i] = bytes_of(from, m->entries[i].size);
        from += m->entries[i].size;
    }
    for (uint32_t i = 0; i < m->vote_count; i++) {
        values[i] = bytes_of(from, m->votes[i].entry.size);
        from += m->votes[i].entry.size;
    }
}

const char *wire_decode(struct bytes body, const struct wire_arrays *arrays,
                        struct synod_message *m)
{
    *m = (struct synod_message){0};
    if (body.size < WIRE_FIXED_SIZE) {
        return "a message shorter than its fixed part";
    }
    decode_fixed(body.data, m);
    if (m->type < SYNOD_MESSAGE_PREPARE || m->type >= SYNOD_MESSAGE_TYPE_END) {
        return "a message of an unknown type";
    }
    if (m->entry_count > arrays->entry_max || m->vote_count > arrays->vote_max ||
        (m->entry_count > 0 && m->vote_count > 0)) {
        return "a message with too many entries or votes";
    }
    if (wire_head_size(m) > body.size) {
        return "a message shorter than its entries";
    }
    const uint8_t *at = body.data + WIRE_FIXED_SIZE;
    for (uint32_t i = 0; i < m->entry_count; i++, at += WIRE_ENTRY_SIZE) {
        arrays->entries[i] = get_entry(at);
    }
    for (uint32_t i = 0; i < m->vote_count; i++, at += WIRE_VOTE_SIZE) {
        arrays->votes[i].ballot = get_ballot(at);
        arrays->votes[i].is_chosen = get_u32(at + 24);
        arrays->votes[i].entry = get_entry(at + 32);
        if (get_u32(at + 28) != 0 || arrays->votes[i].is_chosen > 1) {
            return "a vote with bits that mean nothing";
        }
    }
    m->entries = arrays->entries;
    m->votes = arrays->votes;
    const uint64_t total = value_bytes(m);
    if ((total != body.size - wire_head_size(m) && !MUTANT(58)) ||
        total != get_u64(body.data + 136) || get_u64(body.data + 144) != 0) {
        return "a message whose length is not what its entries add up to";
    }
    if (wire_has_values(m->type)) {
        decode_values(at, m, arrays->values);
    }
    return NULL;
}

/* -- Commands within the value of an entry ------------------------------------------------ */

void wire_encode_command(uint32_t kind, struct bytes command, uint8_t *to)
{
    assert(command.size <= UINT32_MAX);
    const size_t padded = wire_command_size(command.size);
    put_u32(to, (uint32_t)command.size);
    put_u32(to + 4, kind);
    if (command.size > 0) {
        memcpy(to + WIRE_COMMAND_SIZE, command.data, command.size);
    }
    memset(to + WIRE_COMMAND_SIZE + command.size, 0, padded - WIRE_COMMAND_SIZE - command.size);
}

void wire_encode_bundle(const struct wire_bundle *bundle, uint8_t to[WIRE_BUNDLE_SIZE])
{
    assert(bundle->commands.size <= UINT32_MAX && bundle->commands.size % 8 == 0);
    put_u64(to, bundle->origin);
    put_u64(to + 8, bundle->incarnation);
    put_u64(to + 16, bundle->sequence);
    put_u64(to + 24, bundle->low);
    put_u32(to + 32, bundle->count);
    put_u32(to + 36, (uint32_t)bundle->commands.size);
}

static void skip(struct bytes *rest, size_t size)
{
    rest->data += size;
    rest->size -= size;
}

int wire_next_bundle(struct bytes *rest, struct wire_bundle *bundle)
{
    if (rest->size == 0) {
        return 0;
    }
    if (rest->size < WIRE_BUNDLE_SIZE) {
        return -1;
    }
    const uint8_t *from = rest->data;
    const uint32_t size = get_u32(from + 36);
    *bundle = (struct wire_bundle){
        .origin = get_u64(from),
        .incarnation = get_u64(from + 8),
        .sequence = get_u64(from + 16),
        .low = get_u64(from + 24),
        .count = get_u32(from + 32),
        .commands = bytes_of(from + WIRE_BUNDLE_SIZE, size),
    };
    if (size % 8 != 0 || size > rest->size - WIRE_BUNDLE_SIZE || bundle->count == 0) {
        return -1;
    }
    skip(rest, WIRE_BUNDLE_SIZE + (size_t)size);
    return 1;
}

int wire_next_command(struct bytes *rest, uint32_t *kind, struct bytes *command)
{
    if (rest->size == 0) {
        return 0;
    }
    if (rest->size < WIRE_COMMAND_SIZE) {
        return -1;
    }
    const uint32_t size = get_u32(rest->data);
    const size_t padded = wire_command_size(size);
    if (padded > rest->size) {
        return -1;
    }
    *kind = get_u32(rest->data + 4);
    *command = bytes_of(rest->data + WIRE_COMMAND_SIZE, size);
    skip(rest, padded);
    return 1;
}

int wire_bundles_are_valid(struct bytes value)
{
    struct wire_bundle bundle;
    uint32_t bundle_count = 0;
    int more;

    while ((more = wire_next_bundle(&value, &bundle)) > 0) {
        uint32_t command_count = 0;
        uint32_t kind;
        struct bytes command;
        while ((more = wire_next_command(&bundle.commands, &kind, &command)) > 0) {
            command_count++;
        }
        if (more < 0 || command_count != bundle.count) {
            return 0;
        }
        bundle_count++;
    }
    return more == 0 && bundle_count > 0;
}
