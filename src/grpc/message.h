/* message.h -- gRPC's framing: messages with a five-byte prefix, put together from pieces.
 *
 *     offset  size
 *          0     1   0: plain, 1: compressed (which we do not take)
 *          1     4   size of the message, big-endian
 *          5     n   the message
 */
#ifndef GRPC_MESSAGE_H
#define GRPC_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum {
    MESSAGE_PREFIX_SIZE = 5
};

/* Puts messages together from the pieces in which they arrive. All zero is a fresh one. */
struct message_reader {
    uint8_t prefix[MESSAGE_PREFIX_SIZE];
    uint8_t prefix_size; /* Bytes of the prefix that are there. */
    uint8_t is_whole;    /* 1: `body` is a complete message. */
    uint32_t size;       /* What the prefix said, once it is there. */
    struct buffer body;
};

enum message_state {
    MESSAGE_WANTS_MORE = 1, /* All bytes were taken; the message is not whole. */
    MESSAGE_WHOLE,          /* reader->body is a message; call message_reader_next(). */
    MESSAGE_COMPRESSED,     /* The prefix has a flag that we do not know. */
    MESSAGE_TOO_LARGE,      /* reader->size is above the limit; nothing was allocated. */
    MESSAGE_NO_MEMORY,
};

/* Take bytes from the front of `data` until a message is whole or all are used. After the
 * three failures the reader must not be fed any more. */
enum message_state message_reader_feed(struct message_reader *reader, struct bytes *data,
                                       size_t size_max);

/* Forget the message that is whole and be ready for the next. */
void message_reader_next(struct message_reader *reader);

/* True between messages: nothing of one has arrived that is not whole. */
int message_reader_is_at_rest(const struct message_reader *reader);

/* Write the prefix of a plain message of `size` bytes. */
void message_prefix(uint8_t to[MESSAGE_PREFIX_SIZE], uint32_t size);

#endif /* GRPC_MESSAGE_H */
