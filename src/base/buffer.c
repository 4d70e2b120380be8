/* buffer.c -- bytes that grow at the end and are consumed at the front. */
#include "base/buffer.h"

#include <stdlib.h>

#include "base/assert.h"

enum {
    BUFFER_CAPACITY_MIN = 256
};

void buffer_deinit(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t size)
{
    assert(buffer->start <= buffer->end && buffer->end <= buffer->capacity);

    if (buffer->data != NULL && size <= buffer->capacity - buffer->end) {
        return buffer->data + buffer->end;
    }

    /* Sliding the rest to the front is cheaper than growing, as long as it is no more
     * than half of the buffer: then every byte is moved at most twice on average. */
    const size_t held = buffer_size(buffer);
    if (buffer->start > 0 && held <= buffer->capacity / 2 && size <= buffer->capacity - held) {
        memmove(buffer->data, buffer->data + buffer->start, held);
        buffer->start = 0;
        buffer->end = held;
        return buffer->data + buffer->end;
    }

    size_t capacity =
        buffer->capacity < BUFFER_CAPACITY_MIN ? BUFFER_CAPACITY_MIN : buffer->capacity;
    while (capacity - held < size) {
        if (capacity > SIZE_MAX / 2) {
            return NULL;
        }
        capacity *= 2;
    }
    uint8_t *data = malloc(capacity);
    if (data == NULL) {
        return NULL;
    }
    if (held > 0) {
        memcpy(data, buffer->data + buffer->start, held);
    }
    free(buffer->data);
    *buffer = (struct buffer){.data = data, .end = held, .capacity = capacity};
    return buffer->data + buffer->end;
}

void buffer_commit(struct buffer *buffer, size_t size)
{
    assert(size <= buffer->capacity - buffer->end);
    buffer->end += size;
}

int buffer_append(struct buffer *buffer, const void *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    uint8_t *to = buffer_reserve(buffer, size);
    if (to == NULL) {
        return -1;
    }
    memcpy(to, data, size);
    buffer_commit(buffer, size);
    return 0;
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    assert(size <= buffer_size(buffer));
    buffer->start += size;
    if (buffer->start == buffer->end) {
        buffer->start = 0;
        buffer->end = 0;
    }
}

void buffer_clear(struct buffer *buffer, size_t keep)
{
    if (buffer->capacity > keep) {
        buffer_deinit(buffer);
    } else {
        buffer->start = 0;
        buffer->end = 0;
    }
}
