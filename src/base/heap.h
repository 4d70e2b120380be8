/* heap.h -- memory from the system, through one door that a test can shut. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stddef.h>

/* `size` bytes aligned for anything, or NULL when there are none. Weak: a test program puts
 * its own in its place to fail the n-th call. Give back with heap_release(). */
void *heap_allocate(size_t size);

/* Give back what heap_allocate() gave; NULL is fine. */
void heap_release(void *memory);

#endif /* BASE_HEAP_H */
