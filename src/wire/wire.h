/* wire.h -- the messages of the protocol as bytes, and back.
 *
 * A message becomes one frame of src/peer: its head, made here, and then the values of its
 * entries, which go as they are. */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include "base/bytes.h"
#include "synod/message.h"

enum {
    WIRE_FORMAT = 1,       /* Of the bodies below; told in every frame's header. */
    WIRE_FIXED_SIZE = 152, /* Of the part that every message has. */
    WIRE_ENTRY_SIZE = 32,  /* Of what an entry adds to the head. */
    WIRE_VOTE_SIZE = 64,   /* Of what a vote adds to the head. */
};

/* Bytes that the head of the message takes. */
size_t wire_head_size(const struct synod_message *message);

/* Write the head to `to`, wire_head_size() bytes. The body of the frame is the head and, if
 * wire_has_values(), the values of the entries or votes in their order. */
void wire_encode_head(const struct synod_message *message, uint8_t *to);

/* True if messages of this type carry the values of their entries or votes. ACCEPTED names
 * what was accepted, and the other side has it. */
int wire_has_values(enum synod_message_type type);

/* Where wire_decode() puts what a message points to. Placed by the caller. */
struct wire_arrays {
    struct synod_entry *entries; /* Room for entry_max. */
    struct synod_vote *votes;    /* Room for vote_max. */
    struct bytes *values;        /* Room for the greater of the two: the value of each. */
    uint32_t entry_max;
    uint32_t vote_max;
};

/* Read a body. `message` gets everything but from and to, which the connection knows, and the
 * handles, which are 0; it points into `arrays`, and arrays->values into `body`. Returns NULL,
 * or a phrase that says what is wrong with the bytes. Any bytes may come: nothing is read
 * beyond them, and no size in them is believed before it was compared with what is there. */
const char *wire_decode(struct bytes body, const struct wire_arrays *arrays,
                        struct synod_message *message);

/* -- Commands within the value of an entry ------------------------------------------------ */

/* The value of an entry is a run of bundles, one per member whose commands are in it: what a
 * follower forwards to the leader goes into the log as it came. A bundle is
 *
 *     0  u64 origin       the member whose clients these are
 *     8  u64 incarnation  of that member's life
 *    16  u64 sequence     the first command's number in that life; the others follow it
 *    24  u64 low          the lowest number that the origin still waits for
 *    32  u32 count        commands
 *    36  u32 size         bytes of the commands, a multiple of 8
 *    40      commands, each: u32 size, u32 kind, the bytes, zeroes up to a multiple of 8 */
enum {
    WIRE_BUNDLE_SIZE = 40,
    WIRE_COMMAND_SIZE = 8
};

struct wire_bundle {
    synod_member_id origin;
    uint64_t incarnation;
    uint64_t sequence;
    uint64_t low;
    uint32_t count;
    struct bytes commands; /* Borrowed from the value. */
};

/* Bytes that a command of `size` bytes takes within a bundle. */
static inline size_t wire_command_size(size_t size)
{
    return (WIRE_COMMAND_SIZE + size + 7u) & ~(size_t)7u;
}

/* Write a command to `to`, wire_command_size() bytes. */
void wire_encode_command(uint32_t kind, struct bytes command, uint8_t *to);

/* Write a bundle's head to `to`; only commands.size of the commands counts. */
void wire_encode_bundle(const struct wire_bundle *bundle, uint8_t to[WIRE_BUNDLE_SIZE]);

/* Take the next bundle, or the next command, off the front of `rest`. Returns 1, 0 where rest
 * is empty, or -1 where the bytes are not what they should be. */
int wire_next_bundle(struct bytes *rest, struct wire_bundle *bundle);
int wire_next_command(struct bytes *rest, uint32_t *kind, struct bytes *command);

/* True if the bytes are whole bundles of whole commands, at least one. */
int wire_bundles_are_valid(struct bytes value);

#endif /* WIRE_WIRE_H */
