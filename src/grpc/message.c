/* message.c -- gRPC's framing: messages with a five-byte prefix, put together from pieces. */
#include "grpc/message.h"

#include "base/assert.h"

/* Room is made at once for messages up to this; longer ones grow as their bytes arrive, so that
 * five bytes from a stranger cannot claim megabytes. */
enum {
    EAGER_SIZE_MAX = 16384
};

static size_t smaller(size_t left, size_t right)
{
    return left < right ? left : right;
}

static void take_prefix(struct message_reader *reader, struct bytes *data)
{
    const size_t size = smaller(data->size, (size_t)MESSAGE_PREFIX_SIZE - reader->prefix_size);
    memcpy(reader->prefix + reader->prefix_size, data->data, size);
    reader->prefix_size = (uint8_t)(reader->prefix_size + size);
    *data = bytes_of(data->data + size, data->size - size);
    if (reader->prefix_size == MESSAGE_PREFIX_SIZE) {
        const uint8_t *prefix = reader->prefix;
        reader->size = (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 |
                       (uint32_t)prefix[3] << 8 | (uint32_t)prefix[4];
    }
}

enum message_state message_reader_feed(struct message_reader *reader, struct bytes *data,
                                       size_t size_max)
{
    assert(!reader->is_whole);

    if (reader->prefix_size < MESSAGE_PREFIX_SIZE) {
        if (data->size == 0) {
            return MESSAGE_WANTS_MORE;
        }
        take_prefix(reader, data);
        if (reader->prefix_size < MESSAGE_PREFIX_SIZE) {
            return MESSAGE_WANTS_MORE;
        }
        if (reader->prefix[0] != 0) {
            return MESSAGE_COMPRESSED;
        }
        if (reader->size > size_max) {
            return MESSAGE_TOO_LARGE;
        }
        if (buffer_reserve(&reader->body, smaller(reader->size, EAGER_SIZE_MAX)) == NULL &&
            reader->size > 0) {
            return MESSAGE_NO_MEMORY;
        }
    }

    const size_t missing = reader->size - buffer_size(&reader->body);
    const size_t size = smaller(missing, data->size);
    if (buffer_append(&reader->body, data->data, size) != 0) {
        return MESSAGE_NO_MEMORY;
    }
    *data = bytes_of(data->data + size, data->size - size);
    if (size < missing) {
        return MESSAGE_WANTS_MORE;
    }
    reader->is_whole = 1;
    return MESSAGE_WHOLE;
}

void message_reader_next(struct message_reader *reader)
{
    assert(reader->is_whole);
    reader->is_whole = 0;
    reader->prefix_size = 0;
    reader->size = 0;
    buffer_clear(&reader->body, EAGER_SIZE_MAX);
}

int message_reader_is_at_rest(const struct message_reader *reader)
{
    return reader->prefix_size == 0;
}

void message_prefix(uint8_t to[MESSAGE_PREFIX_SIZE], uint32_t size)
{
    to[0] = 0;
    to[1] = (uint8_t)(size >> 24);
    to[2] = (uint8_t)(size >> 16);
    to[3] = (uint8_t)(size >> 8);
    to[4] = (uint8_t)size;
}
