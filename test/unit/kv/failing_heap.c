/* failing_heap.c -- an allocator that fails when it is told to. */
#include "failing_heap.h"

#include <stdlib.h>

#include "base/heap.h"

static uint64_t countdown; /* 0: off. */
static int fails_for_ever;
static int has_failed;

void failing_heap_set(uint64_t n, int for_ever)
{
    countdown = n;
    fails_for_ever = for_ever;
    has_failed = 0;
}

void failing_heap_try(uint64_t number)
{
    failing_heap_set((number + 1) / 2, number % 2 == 0);
}

int failing_heap_has_failed(void)
{
    return has_failed;
}

/* Takes the place of the weak one in base/heap.c. */
void *heap_allocate(size_t size)
{
    if (countdown > 1) {
        countdown--;
    } else if (countdown == 1) {
        countdown = fails_for_ever ? 1 : 0;
        has_failed = 1;
        return NULL;
    }
    return malloc(size);
}
