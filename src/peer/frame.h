/* frame.h -- what goes over a connection between members, as bytes. Pure. */
#ifndef PEER_FRAME_H
#define PEER_FRAME_H

#include "base/bytes.h"
#include "peer/peer.h"

enum {
    FRAME_HEADER_SIZE = 16,
    FRAME_HELLO_SIZE_MAX = 1024,  /* Of a HELLO's body; room for what later versions add. */
    FRAME_REFUSED_SIZE_MAX = 256, /* Of a REFUSED's body. */
};

/* Types below PEER_FRAME_TYPE_MIN. Their bodies never change, so that members of all versions
 * can tell each other why they do not talk. */
enum frame_type {
    FRAME_HELLO = 1,   /* Who I am: the first frame each way. */
    FRAME_REFUSED = 2, /* Why I close this connection, in words. */
};

/* Versions of the protocol above the handshake that this program speaks. */
enum {
    FRAME_VERSION_MIN = 1,
    FRAME_VERSION_MAX = 1
};

struct frame_header {
    uint32_t body_size;
    uint32_t checksum; /* Of the other three fields and of the body. */
    uint16_t type;
    uint16_t version; /* The agreed one; 1 in HELLO and REFUSED. */
    uint32_t group;
};

/* A HELLO taken apart. */
struct frame_hello {
    uint16_t version_min;
    uint16_t version_max;
    uint32_t flags;
    uint64_t cluster_key;
    synod_member_id member;
    uint64_t incarnation;
    uint64_t table_hash;
    char name[PEER_NAME_SIZE_MAX + 1];
    char address[PEER_ADDRESS_SIZE_MAX + 1];
};

/* Write the header of a frame whose body is the parts one after the other. `header->checksum`
 * is not looked at; it is computed. */
void frame_encode_header(uint8_t to[FRAME_HEADER_SIZE], const struct frame_header *header,
                         const struct bytes *parts, size_t part_count);

/* Read a header. Any 16 bytes are one; whether it makes sense is for the reader to say. */
struct frame_header frame_decode_header(const uint8_t from[FRAME_HEADER_SIZE]);

/* True if the checksum of a whole frame, header and body, is right. */
int frame_is_intact(struct bytes frame);

/* Write the body of a HELLO, and return its size. Name and address fit. */
size_t frame_encode_hello(uint8_t to[FRAME_HELLO_SIZE_MAX], const struct frame_hello *hello);

/* Read one. Returns NULL, or what is wrong with it. */
const char *frame_decode_hello(struct bytes body, struct frame_hello *hello);

/* True if a name can stand in a HELLO and in a log: not longer than size_max bytes, without
 * control characters. */
int frame_is_printable(struct bytes text, size_t size_max);

#endif /* PEER_FRAME_H */
