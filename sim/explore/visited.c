/* visited.c -- one array of fingerprints, entered with a compare-and-swap. */
#include "sim/explore/visited.h"

#include <stddef.h>
#include <sys/mman.h>

#include "base/assert.h"

enum {
    SLOTS_MIN = 1 << 20,
    PROBES_MAX = 1 << 12, /* More in a row: the table is as good as full. */
};

/* Straight from the system: pages that were never touched cost nothing. */
static _Atomic uint64_t *map(uint64_t slot_count)
{
    void *memory = mmap(NULL, slot_count * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert(memory != MAP_FAILED);
    (void)madvise(memory, slot_count * sizeof(uint64_t), MADV_HUGEPAGE);
    return memory;
}

void visited_init(struct visited *visited)
{
    *visited = (struct visited){.slot_count = SLOTS_MIN, .slots = map(SLOTS_MIN)};
}

void visited_deinit(struct visited *visited)
{
    (void)munmap(visited->slots, visited->slot_count * sizeof(uint64_t));
}

int visited_reserve(struct visited *visited, uint64_t count, uint64_t more, uint64_t bytes_max)
{
    uint64_t wanted = visited->slot_count;
    while (wanted / 4 * 3 < count + more) {
        wanted *= 2;
    }
    visited->count = count;
    if (wanted == visited->slot_count) {
        return 0;
    }
    if (wanted * sizeof(uint64_t) > bytes_max) {
        return -1;
    }
    struct visited larger = {.slot_count = wanted, .count = count, .slots = map(wanted)};
    for (uint64_t i = 0; i < visited->slot_count; i++) {
        const uint64_t fingerprint = atomic_load_explicit(&visited->slots[i], memory_order_relaxed);
        if (fingerprint != 0) {
            (void)visited_add(&larger, fingerprint);
        }
    }
    visited_deinit(visited);
    *visited = larger;
    return 0;
}

int visited_add(struct visited *visited, uint64_t fingerprint)
{
    const uint64_t wanted = fingerprint == 0 ? 1 : fingerprint; /* 0 is a free place. */
    for (uint64_t probe = 0; probe < PROBES_MAX; probe++) {
        _Atomic uint64_t *slot = &visited->slots[(wanted + probe) & (visited->slot_count - 1)];
        uint64_t found = atomic_load_explicit(slot, memory_order_relaxed);
        if (found == 0 && atomic_compare_exchange_strong_explicit(
                              slot, &found, wanted, memory_order_relaxed, memory_order_relaxed)) {
            return 1;
        }
        if (found == wanted) {
            return 0;
        }
    }
    return -1;
}
