/* heap.c -- memory from the system, through one door that a test can shut. */
#include "base/heap.h"

#include <stdlib.h>

__attribute__((weak)) void *heap_allocate(size_t size)
{
    return malloc(size);
}

void heap_release(void *memory)
{
    free(memory);
}
