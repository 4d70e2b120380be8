/* buffer.h -- bytes that grow at the end and are consumed at the front. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "base/bytes.h"

/* All zero is an empty buffer. The bytes are data[start .. end). */
struct buffer {
    uint8_t *data;   /* Owned; NULL while nothing was ever put in. */
    size_t start;    /* First byte not yet consumed; <= end. */
    size_t end;      /* One past the last byte; <= capacity. */
    size_t capacity; /* Bytes allocated. */
};

/* Free the memory; the buffer is empty again and may be used again. */
void buffer_deinit(struct buffer *buffer);

/* Make room for `size` more bytes and return where they go, or NULL when there is no
 * memory (the buffer is then unchanged). The pointer holds until the next call; the bytes
 * count only after buffer_commit(). */
uint8_t *buffer_reserve(struct buffer *buffer, size_t size);

/* `size` bytes were written where buffer_reserve() said. */
void buffer_commit(struct buffer *buffer, size_t size);

/* Append a copy. Returns 0, or -1 when there is no memory (nothing was appended). */
int buffer_append(struct buffer *buffer, const void *data, size_t size);

/* Forget the first `size` bytes (at most buffer_size()). */
void buffer_consume(struct buffer *buffer, size_t size);

/* Forget all bytes. Memory above `keep` bytes is given back. */
void buffer_clear(struct buffer *buffer, size_t keep);

static inline size_t buffer_size(const struct buffer *buffer)
{
    return buffer->end - buffer->start;
}

/* The bytes held; borrowed until the buffer is changed. */
static inline struct bytes buffer_bytes(const struct buffer *buffer)
{
    const size_t size = buffer_size(buffer);
    return bytes_of(size == 0 ? NULL : buffer->data + buffer->start, size);
}

#endif /* BASE_BUFFER_H */
