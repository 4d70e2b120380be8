/* pool.c -- a hash table of numbers over blocks of items that never move. */
#include "sim/explore/pool.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"

enum {
    SLOTS_MIN = 1 << 12,
    MALLOC_BYTES = 16, /* What the allocator takes for itself, about. */
};

static void *take(size_t size)
{
    void *memory = calloc(1, size);
    assert(memory != NULL);
    return memory;
}

static struct pool_item *item_at(const struct pool *pool, uint32_t number)
{
    return &pool->blocks[number / POOL_BLOCK_ITEMS][number % POOL_BLOCK_ITEMS];
}

void pool_init(struct pool *pool)
{
    memset(pool, 0, sizeof *pool);
    pthread_mutex_init(&pool->mutex, NULL);
    pool->slot_count = SLOTS_MIN;
    pool->slots = take(pool->slot_count * sizeof *pool->slots);
    atomic_store(&pool->bytes, pool->slot_count * sizeof *pool->slots);
}

void pool_deinit(struct pool *pool)
{
    for (uint32_t number = 0; number < pool->count; number++) {
        free(item_at(pool, number)->data);
    }
    for (uint32_t block = 0; block < POOL_BLOCKS_MAX && pool->blocks[block] != NULL; block++) {
        free(pool->blocks[block]);
    }
    free(pool->slots);
    pthread_mutex_destroy(&pool->mutex);
}

/* The slot that holds these bytes, or the free one where they belong. */
static uint32_t *find_slot(const struct pool *pool, uint64_t hash, struct bytes bytes)
{
    for (uint64_t at = hash;; at++) {
        uint32_t *slot = &pool->slots[at & (pool->slot_count - 1)];
        if (*slot == 0) {
            return slot;
        }
        const struct pool_item *item = item_at(pool, *slot - 1);
        if (item->hash == hash && bytes_equal(bytes_of(item->data, item->size), bytes)) {
            return slot;
        }
    }
}

static void grow(struct pool *pool)
{
    uint32_t *old = pool->slots;
    pool->slot_count *= 2;
    pool->slots = take(pool->slot_count * sizeof *pool->slots);
    for (uint32_t number = 0; number < pool->count; number++) {
        uint64_t at = item_at(pool, number)->hash;
        while (pool->slots[at & (pool->slot_count - 1)] != 0) {
            at++;
        }
        pool->slots[at & (pool->slot_count - 1)] = number + 1;
    }
    atomic_fetch_add(&pool->bytes, pool->slot_count / 2 * sizeof *pool->slots);
    free(old);
}

static uint32_t add(struct pool *pool, uint64_t hash, struct bytes bytes)
{
    const uint32_t number = pool->count;
    const uint32_t block = number / POOL_BLOCK_ITEMS;
    assert(block < POOL_BLOCKS_MAX);
    if (pool->blocks[block] == NULL) {
        pool->blocks[block] = take(POOL_BLOCK_ITEMS * sizeof **pool->blocks);
        atomic_fetch_add(&pool->bytes, POOL_BLOCK_ITEMS * sizeof **pool->blocks);
    }
    struct pool_item *item = item_at(pool, number);
    *item = (struct pool_item){hash, (uint32_t)bytes.size, take(bytes.size + 1)};
    if (bytes.size > 0) {
        memcpy(item->data, bytes.data, bytes.size);
    }
    pool->count++;
    atomic_fetch_add(&pool->bytes, bytes.size + MALLOC_BYTES);
    return number;
}

uint32_t pool_enter(struct pool *pool, const void *data, size_t size)
{
    const struct bytes bytes = bytes_of(data, size);
    const uint64_t hash = XXH3_64bits(data, size);
    pthread_mutex_lock(&pool->mutex);
    uint32_t *slot = find_slot(pool, hash, bytes);
    if (*slot == 0) {
        *slot = add(pool, hash, bytes) + 1;
        if (pool->count > pool->slot_count / 2) {
            grow(pool);
            slot = find_slot(pool, hash, bytes);
        }
    }
    const uint32_t number = *slot - 1;
    pthread_mutex_unlock(&pool->mutex);
    return number;
}

uint64_t pool_hash(const struct pool *pool, uint32_t number)
{
    return item_at(pool, number)->hash;
}
