/* deadlines.c -- a binary heap in which everything knows its own place. */
#include "etcd/deadlines.h"

#include <string.h>

#include "base/assert.h"
#include "base/heap.h"

enum {
    CAPACITY_MIN = 64
};

void deadlines_deinit(struct deadlines *deadlines)
{
    heap_release(deadlines->heap);
    *deadlines = (struct deadlines){0};
}

static int grow(struct deadlines *deadlines)
{
    const size_t capacity = deadlines->capacity == 0 ? CAPACITY_MIN : deadlines->capacity * 2;
    struct deadline **heap = heap_allocate(capacity * sizeof *heap);
    if (heap == NULL) {
        return -1;
    }
    if (deadlines->count > 0) {
        memcpy(heap, deadlines->heap, deadlines->count * sizeof *heap);
    }
    heap_release(deadlines->heap);
    deadlines->heap = heap;
    deadlines->capacity = capacity;
    return 0;
}

static void put(struct deadlines *deadlines, size_t place, struct deadline *deadline)
{
    deadlines->heap[place - 1] = deadline;
    deadline->place = place;
}

static void rise(struct deadlines *deadlines, struct deadline *deadline, size_t place)
{
    while (place > 1 && deadlines->heap[place / 2 - 1]->due_us > deadline->due_us) {
        put(deadlines, place, deadlines->heap[place / 2 - 1]);
        place /= 2;
    }
    put(deadlines, place, deadline);
}

static void sink(struct deadlines *deadlines, struct deadline *deadline, size_t place)
{
    for (;;) {
        size_t child = place * 2;
        if (child > deadlines->count) {
            break;
        }
        if (child < deadlines->count &&
            deadlines->heap[child]->due_us < deadlines->heap[child - 1]->due_us) {
            child++;
        }
        if (deadlines->heap[child - 1]->due_us >= deadline->due_us) {
            break;
        }
        put(deadlines, place, deadlines->heap[child - 1]);
        place = child;
    }
    put(deadlines, place, deadline);
}

int deadlines_add(struct deadlines *deadlines, struct deadline *deadline)
{
    assert(deadline->place == 0);
    if (deadlines->count == deadlines->capacity && grow(deadlines) != 0) {
        return -1;
    }
    deadlines->count++;
    rise(deadlines, deadline, deadlines->count);
    return 0;
}

void deadlines_remove(struct deadlines *deadlines, struct deadline *deadline)
{
    const size_t place = deadline->place;
    if (place == 0) {
        return;
    }
    assert(place <= deadlines->count);
    assert(deadlines->heap[place - 1] == deadline);
    struct deadline *last = deadlines->heap[deadlines->count - 1];
    deadlines->count--;
    deadline->place = 0;
    if (last != deadline) {
        sink(deadlines, last, place);
        rise(deadlines, last, last->place);
    }
}

struct deadline *deadlines_first(const struct deadlines *deadlines)
{
    return deadlines->count == 0 ? NULL : deadlines->heap[0];
}
