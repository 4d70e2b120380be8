/* crc32c.h -- CRC-32C (Castagnoli, RFC 3720 appendix B.4), in hardware where there is some. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of `data` appended to what `crc` is the checksum of; start with 0. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

#endif /* BASE_CRC32C_H */
