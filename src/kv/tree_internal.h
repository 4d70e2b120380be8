/* tree_internal.h -- the nodes of a tree and how to search them, for tree*.c. */
#ifndef KV_TREE_INTERNAL_H
#define KV_TREE_INTERNAL_H

#include "base/assert.h"
#include "kv/hash.h"
#include "kv/tree.h"

struct tree_node {
    uint64_t born;                  /* Epoch in which it was made. */
    uint64_t retired;               /* Epoch in which it was replaced; 0: it was not. */
    struct tree_node *retired_next; /* On the retire list. */
    uint32_t count;                 /* Entries. */
    uint32_t is_leaf;               /* Says which of the two it is. */
};

struct leaf {
    struct tree_node node;
    uint8_t marks[TREE_FANOUT]; /* mark_of() the key of each item. */
    struct item *items[TREE_FANOUT];
};

struct separator {
    size_t size;
    uint8_t bytes[];
};

struct inner {
    struct tree_node node;
    struct separator *separators[TREE_FANOUT];
    struct tree_node *children[TREE_FANOUT];
};

static inline struct leaf *as_leaf(struct tree_node *node)
{
    assert(node->is_leaf);
    return (struct leaf *)(void *)node;
}

static inline const struct leaf *as_const_leaf(const struct tree_node *node)
{
    assert(node->is_leaf);
    return (const struct leaf *)(const void *)node;
}

static inline struct inner *as_inner(struct tree_node *node)
{
    assert(!node->is_leaf);
    return (struct inner *)(void *)node;
}

static inline const struct inner *as_const_inner(const struct tree_node *node)
{
    assert(!node->is_leaf);
    return (const struct inner *)(const void *)node;
}

static inline uint8_t mark_of(struct bytes key)
{
    assert(bytes_is_whole(key));
    return (uint8_t)hash_of(key);
}

static inline struct bytes separator_bytes(const struct separator *separator)
{
    assert(separator != NULL);
    assert(separator->size > 0);
    return bytes_of(separator->bytes, separator->size);
}

/* The child below which `key` belongs: the last whose separator is not above it. */
static inline uint32_t child_index(const struct inner *inner, struct bytes key)
{
    uint32_t low = 0; /* Separator `low` is not above the key (0 counts as such) ... */
    uint32_t high = inner->node.count; /* ... and separator `high` is above it. */
    assert(high >= 1 && high <= TREE_FANOUT);
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (bytes_compare(separator_bytes(inner->separators[middle]), key) <= 0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    assert(low + 1 == high && high <= inner->node.count);
    return low;
}

/* How many items of the leaf are below `key`. */
static inline uint32_t lower_bound(const struct leaf *leaf, struct bytes key)
{
    uint32_t low = 0;
    uint32_t high = leaf->node.count;
    assert(high <= TREE_FANOUT);
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (bytes_compare(item_key(leaf->items[middle]), key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    assert(low == high && high <= leaf->node.count);
    return low;
}

/* The index of `key` in the leaf, or TREE_FANOUT where it is not there. */
static inline uint32_t exact_index(const struct leaf *leaf, struct bytes key)
{
    const uint8_t mark = mark_of(key);
    const uint8_t *end = leaf->marks + leaf->node.count;
    const uint8_t *at = leaf->marks;
    assert(leaf->node.count <= TREE_FANOUT);
    while (at < end && (at = memchr(at, mark, (size_t)(end - at))) != NULL) {
        const uint32_t index = (uint32_t)(at - leaf->marks);
        assert(index < leaf->node.count);
        assert(leaf->items[index] != NULL);
        if (bytes_equal(item_key(leaf->items[index]), key)) {
            return index;
        }
        at++;
    }
    return TREE_FANOUT;
}

/* Ask for a whole leaf at once: its lines then come from memory side by side, where reading
 * marks, pointer and item in turn would wait for each. An inner node is in the cache anyway. */
static inline void prefetch(const struct tree_node *node)
{
    assert(node != NULL);
    for (size_t at = 0; at < sizeof(struct leaf); at += 64) {
        __builtin_prefetch((const uint8_t *)node + at);
    }
}

#endif /* KV_TREE_INTERNAL_H */
