/* frame.c -- what goes over a connection between members, as bytes.
 *
 * Everything is little-endian. A connection carries frames and nothing between them:
 *
 *     offset  size  field
 *     0       4     size of the body; at most frame_size_max of the receiver
 *     4       4     CRC32C over bytes 0-3, bytes 8-15 and the body
 *     8       2     type: 1 HELLO, 2 REFUSED, 16 and above are the protocol's
 *     10      2     version of the protocol, as the HELLOs agreed; 1 in HELLO and REFUSED
 *     12      4     group; 0 in HELLO and REFUSED
 *     16      ..    body
 *
 * The body of a HELLO:
 *
 *     0       8     magic, "SYNODPEE"
 *     8       2     lowest and
 *     10      2     highest version of the protocol that the sender speaks
 *     12      4     flags
 *     16      8     cluster key: hash of the token and of the initial members
 *     24      8     member: identity of the data directory, 0 while there is none
 *     32      8     incarnation
 *     40      8     hash of the founding table, 0 while there is none
 *     48      2     n, size of the name, at most 255
 *     50      2     m, size of the address, 1 to 263
 *     52      n     name
 *     52+n    m     address: "host:port", by which the table of members knows the sender
 *
 * Bytes after the address are a later version's, and skipped. The body of a REFUSED is text.
 *
 * The conversation:
 *
 *     dialler                         listener
 *     HELLO ------------------------>           Checks cluster, address, version, identity.
 *           <------------------------ HELLO     Or REFUSED, and the end. A stranger gets no
 *     checks the same, or REFUSED ->            answer at all before his HELLO is right.
 *     frames <----------------------> frames
 *
 * A receiver closes the connection and says why in its log at the first frame that is too
 * long (seen from the header, before any memory is taken for it), whose checksum is wrong,
 * whose type or version is not what must come, or that comes before the HELLO. */
#include "peer/frame.h"

#include "base/assert.h"
#include "base/crc32c.h"

enum {
    HELLO_FIXED_SIZE = 52
};

static const uint64_t HELLO_MAGIC = 0x454550444f4e5953u; /* "SYNODPEE" */

/* Over everything in the header but the checksum itself. */
static uint32_t sum_header(const uint8_t header[FRAME_HEADER_SIZE])
{
    const uint32_t sum = crc32c(0, header, 4);
    return crc32c(sum, header + 8, 8);
}

void frame_encode_header(uint8_t to[FRAME_HEADER_SIZE], const struct frame_header *header,
                         const struct bytes *parts, size_t part_count)
{
    put_u32(to, header->body_size);
    put_u16(to + 8, header->type);
    put_u16(to + 10, header->version);
    put_u32(to + 12, header->group);

    uint32_t sum = sum_header(to);
    size_t size = 0;
    for (size_t i = 0; i < part_count; i++) {
        sum = crc32c(sum, parts[i].data, parts[i].size);
        size += parts[i].size;
    }
    assert(size == header->body_size);
    put_u32(to + 4, sum);
}

struct frame_header frame_decode_header(const uint8_t from[FRAME_HEADER_SIZE])
{
    return (struct frame_header){
        .body_size = get_u32(from),
        .checksum = get_u32(from + 4),
        .type = get_u16(from + 8),
        .version = get_u16(from + 10),
        .group = get_u32(from + 12),
    };
}

int frame_is_intact(struct bytes frame)
{
    assert(frame.size >= FRAME_HEADER_SIZE);
    const uint32_t sum = crc32c(sum_header(frame.data), frame.data + FRAME_HEADER_SIZE,
                                frame.size - FRAME_HEADER_SIZE);
    return sum == get_u32(frame.data + 4);
}

int frame_is_printable(struct bytes text, size_t size_max)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < 0x20 || text.data[i] == 0x7f) {
            return 0;
        }
    }
    return text.size <= size_max;
}

size_t frame_encode_hello(uint8_t to[FRAME_HELLO_SIZE_MAX], const struct frame_hello *hello)
{
    const size_t name_size = strlen(hello->name);
    const size_t address_size = strlen(hello->address);
    assert(name_size <= PEER_NAME_SIZE_MAX);
    assert(address_size > 0 && address_size <= PEER_ADDRESS_SIZE_MAX);

    put_u64(to, HELLO_MAGIC);
    put_u16(to + 8, hello->version_min);
    put_u16(to + 10, hello->version_max);
    put_u32(to + 12, hello->flags);
    put_u64(to + 16, hello->cluster_key);
    put_u64(to + 24, hello->member);
    put_u64(to + 32, hello->incarnation);
    put_u64(to + 40, hello->table_hash);
    put_u16(to + 48, (uint16_t)name_size);
    put_u16(to + 50, (uint16_t)address_size);
    memcpy(to + HELLO_FIXED_SIZE, hello->name, name_size);
    memcpy(to + HELLO_FIXED_SIZE + name_size, hello->address, address_size);
    return HELLO_FIXED_SIZE + name_size + address_size;
}

const char *frame_decode_hello(struct bytes body, struct frame_hello *hello)
{
    if (body.size < HELLO_FIXED_SIZE || get_u64(body.data) != HELLO_MAGIC) {
        return "not a hello";
    }
    const struct bytes name = bytes_of(body.data + HELLO_FIXED_SIZE, get_u16(body.data + 48));
    const struct bytes address = bytes_of(name.data + name.size, get_u16(body.data + 50));
    if (name.size + address.size > body.size - HELLO_FIXED_SIZE) {
        return "a hello that is cut short";
    }
    if (!frame_is_printable(name, PEER_NAME_SIZE_MAX) ||
        !frame_is_printable(address, PEER_ADDRESS_SIZE_MAX) || address.size == 0) {
        return "a hello with a bad name or address";
    }
    *hello = (struct frame_hello){
        .version_min = get_u16(body.data + 8),
        .version_max = get_u16(body.data + 10),
        .flags = get_u32(body.data + 12),
        .cluster_key = get_u64(body.data + 16),
        .member = get_u64(body.data + 24),
        .incarnation = get_u64(body.data + 32),
        .table_hash = get_u64(body.data + 40),
    };
    memcpy(hello->name, name.data, name.size);
    memcpy(hello->address, address.data, address.size);
    return NULL;
}
