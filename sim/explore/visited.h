/* visited.h -- which states were seen: their fingerprints, 64 bits each.
 *
 * Two states may have one fingerprint; then the second is not looked at, and what lies behind it
 * may be missed. With n states the odds that this happened at all are about n * n / 2^65: below
 * one in 90,000 at twenty million states, one in 37 at a thousand million. */
#ifndef SIM_EXPLORE_VISITED_H
#define SIM_EXPLORE_VISITED_H

#include <stdatomic.h>
#include <stdint.h>

struct visited {
    uint64_t slot_count; /* A power of two. */
    uint64_t count;      /* As of the last visited_reserve(). */
    _Atomic uint64_t *slots;
};

void visited_init(struct visited *visited);
void visited_deinit(struct visited *visited);

/* See that there is room for `more` fingerprints beyond `count`. While no thread is at work.
 * Returns 0, or -1 where that would take more than `bytes_max`. */
int visited_reserve(struct visited *visited, uint64_t count, uint64_t more, uint64_t bytes_max);

/* 1 if the fingerprint is new; it is not any more. Any number of threads. -1: the table is full. */
int visited_add(struct visited *visited, uint64_t fingerprint);

#endif /* SIM_EXPLORE_VISITED_H */
