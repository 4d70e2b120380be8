/* bytes.h -- a borrowed run of bytes, and little-endian numbers in it. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed, never owned: whoever hands one out says for how long it holds. */
struct bytes {
    const uint8_t *data; /* May be NULL only where size is 0. */
    size_t size;
};

static inline struct bytes bytes_of(const void *data, size_t size)
{
    return (struct bytes){.data = data, .size = size};
}

/* The bytes of a C string, without its terminator. */
static inline struct bytes bytes_of_text(const char *text)
{
    return bytes_of(text, strlen(text));
}

static inline int bytes_equal(struct bytes left, struct bytes right)
{
    return left.size == right.size &&
           (left.size == 0 || memcmp(left.data, right.data, left.size) == 0);
}

/* Like memcmp on the common length, then the shorter first: the order of etcd's keys. */
static inline int bytes_compare(struct bytes left, struct bytes right)
{
    const size_t common = left.size < right.size ? left.size : right.size;
    const int order = common == 0 ? 0 : memcmp(left.data, right.data, common);
    if (order != 0) {
        return order;
    }
    return (left.size > right.size) - (left.size < right.size);
}

/* Everything that Synod writes to a disk or a wire is little-endian. The memcpy below
 * compiles to one move; big-endian machines would need a swap here and nowhere else. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "only little-endian machines are supported: swap in put_* and get_* for others"
#endif

static inline void put_u16(uint8_t *to, uint16_t value)
{
    memcpy(to, &value, sizeof value);
}

static inline void put_u32(uint8_t *to, uint32_t value)
{
    memcpy(to, &value, sizeof value);
}

static inline void put_u64(uint8_t *to, uint64_t value)
{
    memcpy(to, &value, sizeof value);
}

static inline uint16_t get_u16(const uint8_t *from)
{
    uint16_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline uint32_t get_u32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline uint64_t get_u64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

#endif /* BASE_BYTES_H */
