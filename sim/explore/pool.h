/* pool.h -- runs of bytes, each kept once and named by a number.
 *
 * A state of the cluster is made of parts that come back again and again: a core, a list of
 * records, a message. Each part is kept once, so a state is a few numbers, and two states are
 * equal exactly if their numbers are.
 *
 * Threads  Any number. What a thread got from pool_enter(), or found in a state that was made
 *          before all threads met, it may look up without a lock. */
#ifndef SIM_EXPLORE_POOL_H
#define SIM_EXPLORE_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    POOL_BLOCK_ITEMS = 1 << 14, /* Items are kept in blocks that never move. */
    POOL_BLOCKS_MAX = 1 << 14,
};

struct pool_item {
    uint64_t hash;
    uint32_t size;
    uint8_t *data;
};

struct pool {
    pthread_mutex_t mutex;
    uint32_t count;
    uint32_t slot_count; /* Of the hash table; a power of two. */
    uint32_t *slots;     /* Numbers and one; 0: free. */
    struct pool_item *blocks[POOL_BLOCKS_MAX];
    _Atomic uint64_t bytes; /* Of memory, for all of it: any thread may look. */
};

void pool_init(struct pool *pool);
void pool_deinit(struct pool *pool);

/* The number of these bytes, which are copied if they are new. Padding must have been cleared.
 * Aborts without memory: a search has nothing to save. */
uint32_t pool_enter(struct pool *pool, const void *data, size_t size);

/* The bytes of a number; they hold until pool_deinit(), aligned as malloc() aligns. */
static inline struct bytes pool_at(const struct pool *pool, uint32_t number)
{
    const struct pool_item *item =
        &pool->blocks[number / POOL_BLOCK_ITEMS][number % POOL_BLOCK_ITEMS];
    return bytes_of(item->data, item->size);
}

/* Their hash, which depends on nothing but the bytes: the same in every run. */
uint64_t pool_hash(const struct pool *pool, uint32_t number);

#endif /* SIM_EXPLORE_POOL_H */
