/* history.h -- the versions that superseded others, in the order in which they were written. */
#ifndef KV_HISTORY_H
#define KV_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "kv/item.h"

struct history_block;

/* A queue of borrowed items. All zero is an empty one. */
struct history {
    struct history_block *first; /* Oldest block; NULL: no memory held. */
    struct history_block *last;  /* Newest block. */
    uint32_t first_index;        /* Of the oldest item, in `first`. */
    uint32_t last_index;         /* One past the newest item, in `last`. */
    size_t count;                /* Items queued. */
};

/* Make sure that the next history_append() cannot fail. Returns 0, or -1 without memory. */
int history_reserve(struct history *history);

/* Append an item; history_reserve() was called after the append before. */
void history_append(struct history *history, struct item *item);

/* The oldest item, or NULL when there is none. */
struct item *history_first(const struct history *history);

/* Take the oldest item off; there is one. */
void history_remove_first(struct history *history);

/* Assert that the items stand in the order of their revisions and that each superseded one. */
void history_check(const struct history *history);

/* Forget everything and give the memory back; the items are the caller's. */
void history_deinit(struct history *history);

#endif /* KV_HISTORY_H */
