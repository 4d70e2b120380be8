/* memory.h -- the four mem* functions, declared without a libc.
 *
 * src/paxos is compiled for targets that have no <string.h> (wasm32 without a libc);
 * the compiler itself demands that these four exist everywhere. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *memory, int byte, size_t size);
int memcmp(const void *left, const void *right, size_t size);

#endif /* BASE_MEMORY_H */
