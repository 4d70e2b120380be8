/* crc32c.c -- CRC-32C: the SSE4.2 instruction where the machine has it, a table elsewhere. */
#include "base/crc32c.h"

#include <string.h>

/* The reflected polynomial 0x1edc6f41. One table of 256 entries, a nibble at a time would be
 * smaller, but machines without the instruction are the exception, and still want speed. */
enum {
    TABLE_SIZE = 256
};
static const uint32_t POLYNOMIAL = 0x82f63b78u;

static uint32_t table_entry(uint32_t byte)
{
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) {
        crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
    }
    return crc;
}

static uint32_t crc32c_table(uint32_t crc, const uint8_t *data, size_t size)
{
    static uint32_t table[TABLE_SIZE];
    static int is_ready;
    if (!__atomic_load_n(&is_ready, __ATOMIC_ACQUIRE)) {
        for (uint32_t i = 0; i < TABLE_SIZE; i++) {
            __atomic_store_n(&table[i], table_entry(i), __ATOMIC_RELAXED);
        }
        __atomic_store_n(&is_ready, 1, __ATOMIC_RELEASE);
    }
    for (size_t i = 0; i < size; i++) {
        crc = (crc >> 8) ^ table[(crc ^ data[i]) & 0xff];
    }
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const uint8_t *data,
                                                               size_t size)
{
    uint64_t wide = crc;
    while (size >= sizeof wide) {
        uint64_t word;
        memcpy(&word, data, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
        data += sizeof word;
        size -= sizeof word;
    }
    crc = (uint32_t)wide;
    while (size-- > 0) {
        crc = __builtin_ia32_crc32qi(crc, *data++);
    }
    return crc;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    crc = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) {
        return ~crc32c_sse42(crc, data, size);
    }
#endif
    return ~crc32c_table(crc, data, size);
}
