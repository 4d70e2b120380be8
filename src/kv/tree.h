/* tree.h -- an ordered map from keys to items whose past roots stay readable: a B+tree with
 * copy on write by epochs.
 *
 * Threads   One thread changes the tree. A frozen root may be read by any other thread, from
 *           tree_freeze() until tree_thaw(), while the first goes on changing the tree.
 * Memory    The tree owns its nodes; the items are the caller's. */
#ifndef KV_TREE_H
#define KV_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/list.h"
#include "kv/item.h"

enum {
    TREE_FANOUT = 64,    /* Items of a leaf, children of an inner node, at most. */
    TREE_DEPTH_MAX = 16, /* Levels. Half-full nodes would hold 32^16 keys: it cannot be met. */
};

struct tree_node;

struct tree {
    struct tree_node *root;          /* NULL: no key. */
    size_t count;                    /* Keys. */
    uint64_t epoch;                  /* What nodes made now are stamped with; from 1. */
    uint64_t frozen_epoch;           /* Of the newest open frozen root; 0: none is open. */
    struct list frozen;              /* Open frozen roots, oldest first. */
    struct tree_node *retired_first; /* Replaced nodes that a frozen root may still read, ... */
    struct tree_node *retired_last;  /* ... in the order in which they were replaced. */
};

/* A root as it was at one moment. The caller's memory; it must not move while it is open. */
struct tree_frozen {
    const struct tree_node *root; /* For tree_find() and tree_seek(). */
    uint64_t epoch;               /* Sees the nodes born in it or before. */
    struct list link;             /* In tree.frozen. */
};

/* An empty tree, which holds no memory. */
void tree_init(struct tree *tree);

/* Free every node. No root may be frozen. */
void tree_deinit(struct tree *tree);

/* The item at `key` below `root` (NULL: an empty tree), or NULL. */
struct item *tree_find(const struct tree_node *root, struct bytes key);

/* The place for `key`, ready to be written. Holds the item that is there, or NULL for a key
 * that was absent: then the caller must at once store an item with this very key. The pointer
 * holds until the next call. Returns NULL without memory; the tree then has the keys it had. */
struct item **tree_slot(struct tree *tree, struct bytes key);

/* Take `key`, which is there, out. Nothing may be frozen; needs no memory. */
void tree_remove(struct tree *tree, struct bytes key);

/* Make `frozen` show the tree as it is now, whatever happens to the tree, until tree_thaw(). */
void tree_freeze(struct tree *tree, struct tree_frozen *frozen);

/* Nobody reads `frozen` any more. Frees the nodes that only it could see. */
void tree_thaw(struct tree *tree, struct tree_frozen *frozen);

static inline int tree_is_frozen(const struct tree *tree)
{
    assert(tree->frozen_epoch < tree->epoch);
    return tree->frozen_epoch != 0;
}

/* Walks a tree in the order of its keys. Holds as long as the tree below the root is not
 * changed: for ever below a frozen root, until the next tree_slot() or tree_remove() else. */
struct tree_cursor {
    const struct tree_node *path[TREE_DEPTH_MAX]; /* From the root to a leaf. */
    uint32_t index[TREE_DEPTH_MAX];               /* The next child or item of each. */
    uint32_t depth;                               /* Nodes on the path; 0: at the end. */
};

/* Stand before the first key that is not below `key`. */
void tree_seek(struct tree_cursor *cursor, const struct tree_node *root, struct bytes key);

/* The next item, or NULL at the end. */
struct item *tree_next(struct tree_cursor *cursor);

/* Assert everything that must hold of the tree's shape: for tests. Costs time. */
void tree_check(const struct tree *tree);

#endif /* KV_TREE_H */
