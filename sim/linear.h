/* linear.h -- what clients did and saw, and whether one order of events can explain it.
 *
 * The store gives every write a revision of its own and every answer the revision it was given
 * at. So the order is not searched for, it is read off: a history is linearizable exactly if
 *
 *   1. no two acknowledged writes have the same revision;
 *   2. every read shows the last write of its key at or below the read's revision, and every
 *      conditional write was decided by the state just before its own;
 *   3. whatever began after something else had ended has a revision that is no smaller, and a
 *      greater one if it is a write.
 *
 * A write whose outcome its client never learned may have happened or not; if anybody saw its
 * value, it happened, at the revision where it was seen. */
#ifndef SIM_LINEAR_H
#define SIM_LINEAR_H

#include <stddef.h>
#include <stdint.h>

enum operation_kind {
    OPERATION_PUT = 1,
    OPERATION_DELETE,
    OPERATION_GET,
    OPERATION_SWAP, /* If the key was last written at `expected`, put; else get. */
};

enum operation_outcome {
    OUTCOME_PENDING = 0, /* Never came: unknown. */
    OUTCOME_DONE,
    OUTCOME_UNKNOWN,
    OUTCOME_NOT_DONE, /* Surely did not happen. */
};

struct operation {
    enum operation_kind kind;
    enum operation_outcome outcome;
    uint32_t client;
    uint32_t key;
    uint64_t value;   /* What it writes: unique in the history; 0: nothing. */
    int64_t expected; /* SWAP: the revision compared with; 0: absent. */
    uint64_t begin_us;
    uint64_t end_us;  /* Of DONE. */
    int64_t revision; /* Of DONE: of the write, or of the state that was read. */
    int has_written;  /* DONE: a DELETE found something, a SWAP succeeded. */
    int64_t seen_mod; /* GET, failed SWAP: the revision of the value seen; 0: none. */
    uint64_t seen;    /* ... and the value. */
};

struct linear {
    struct operation *operations;
    size_t count;
    size_t capacity;
    uint32_t keys;
};

void linear_init(struct linear *history, uint32_t keys);
void linear_deinit(struct linear *history);

/* A new operation; the index stays good, the pointer until the next call. */
size_t linear_begin(struct linear *history, const struct operation *operation);

/* NULL if the history can be explained; else what is wrong, in `text`. */
const char *linear_check(const struct linear *history, char *text, size_t size);

#endif /* SIM_LINEAR_H */
