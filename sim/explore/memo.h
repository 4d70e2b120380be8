/* memo.h -- what was computed once: two numbers in, three numbers out. */
#ifndef SIM_EXPLORE_MEMO_H
#define SIM_EXPLORE_MEMO_H

#include <stdint.h>

struct memo_entry {
    uint64_t key; /* Not 0. */
    uint32_t argument;
    uint32_t values[3];
};

struct memo {
    struct memo_entry *entries;
    uint64_t slot_count; /* A power of two. */
    uint64_t count;
};

void memo_init(struct memo *memo);
void memo_deinit(struct memo *memo);

/* The values for a key and an argument, or NULL. They hold until the next memo_keep(). */
const uint32_t *memo_find(const struct memo *memo, uint64_t key, uint32_t argument);

/* Keep values for what has none yet. */
void memo_keep(struct memo *memo, const struct memo_entry *entry);

#endif /* SIM_EXPLORE_MEMO_H */
