/* failing_heap.h -- an allocator that fails when it is told to. */
#ifndef TEST_KV_FAILING_HEAP_H
#define TEST_KV_FAILING_HEAP_H

#include <stdint.h>

/* The n-th heap_allocate() from now on fails, and if `for_ever` all after it too. 0: none. */
void failing_heap_set(uint64_t n, int for_ever);

/* Of a loop over all allocations, that tries each in both ways, the first, second, third ... try:
 * the first allocation fails once, the first and all after it, the second once, and so on. */
void failing_heap_try(uint64_t number);

/* True if an allocation has failed since failing_heap_set(). */
int failing_heap_has_failed(void);

#endif /* TEST_KV_FAILING_HEAP_H */
