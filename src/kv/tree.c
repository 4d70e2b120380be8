/* tree.c -- an ordered map from keys to items whose past roots stay readable.
 *
 *            [ - | m | t ]              inner: child i holds the keys from separator i
 *           /      |      \                    (included) to separator i + 1 (excluded)
 *     [a c f]   [m n q]   [t x]         leaf:  pointers to items, in the order of their keys
 *
 * Shape         All leaves are on one level. A node holds 1 to TREE_FANOUT entries. A separator
 *               is the shortest prefix of the first key at its right that is above the last
 *               key at its left; the tree owns it. Separator 0 of a node is unused: NULL.
 * Marks         A leaf keeps one byte of a hash of each key beside the pointers. A point look-up
 *               finds its item by memchr over those 64 bytes and reads one item, where a binary
 *               search would miss the cache in six of them.
 * Copy on write tree_freeze() ends an epoch. A node born in that epoch or before may be seen
 *               through the frozen root, so it is never changed again: the writer copies it, and
 *               its parents before it, from the root down. The node that was replaced goes on the
 *               retire list, and is freed when every root frozen before its replacement is
 *               thawed. Roots thaw in any order; the list is in the order of replacement, so
 *               only its front need be looked at. No counts of references, no atomics.
 * Growth        On the way down, a full inner node is split before it is entered, so a leaf's
 *               split always finds room in the parent. Each step leaves a whole tree, so running
 *               out of memory between two of them loses nothing.
 * Shrinking     A node that is at most a quarter full is merged with a neighbour when the two fit
 *               into one. Nothing else is ever moved between neighbours: simple, and a node that
 *               stays sparse has neighbours that are nearly full, which is all memory asks for. */
#include "kv/tree.h"

#include "base/heap.h"
#include "kv/tree_internal.h"

enum {
    AHEAD = 4 /* A walk asks for items so early that they come while it does something else. */
};

/* -- Searching ----------------------------------------------------------------------------- */

struct item *tree_find(const struct tree_node *root, struct bytes key)
{
    const struct tree_node *node = root;
    assert(bytes_is_whole(key));
    if (node == NULL) {
        return NULL;
    }
    while (!node->is_leaf) {
        const struct inner *inner = as_const_inner(node);
        node = inner->children[child_index(inner, key)];
        prefetch(node);
    }
    const struct leaf *leaf = as_const_leaf(node);
    const uint32_t index = exact_index(leaf, key);
    assert(index == TREE_FANOUT || index < node->count);
    return index == TREE_FANOUT ? NULL : leaf->items[index];
}

void tree_seek(struct tree_cursor *cursor, const struct tree_node *root, struct bytes key)
{
    assert(bytes_is_whole(key));
    cursor->depth = 0;
    if (root == NULL) {
        return;
    }
    const struct tree_node *node = root;
    while (!node->is_leaf) {
        const struct inner *inner = as_const_inner(node);
        const uint32_t index = child_index(inner, key);
        assert(cursor->depth + 1 < TREE_DEPTH_MAX);
        cursor->path[cursor->depth] = node;
        cursor->index[cursor->depth++] = index + 1;
        node = inner->children[index];
    }
    cursor->path[cursor->depth] = node;
    cursor->index[cursor->depth++] = lower_bound(as_const_leaf(node), key);
}

/* The leaf that the cursor stands in is used up: go to the next one. */
static void leave_leaf(struct tree_cursor *cursor)
{
    uint32_t level = cursor->depth - 1;
    assert(cursor->depth > 0);
    do {
        if (level == 0) {
            cursor->depth = 0;
            return;
        }
        level--;
    } while (cursor->index[level] == cursor->path[level]->count);

    while (!cursor->path[level]->is_leaf) {
        const struct inner *inner = as_const_inner(cursor->path[level]);
        const struct tree_node *child = inner->children[cursor->index[level]++];
        level++;
        assert(level < TREE_DEPTH_MAX);
        cursor->path[level] = child;
        cursor->index[level] = 0;
    }
    cursor->depth = level + 1;
}

struct item *tree_next(struct tree_cursor *cursor)
{
    assert(cursor->depth <= TREE_DEPTH_MAX);
    while (cursor->depth > 0) {
        const uint32_t level = cursor->depth - 1;
        const struct leaf *leaf = as_const_leaf(cursor->path[level]);
        assert(cursor->index[level] <= leaf->node.count);
        const uint32_t index = cursor->index[level];
        if (index + AHEAD < leaf->node.count) {
            __builtin_prefetch(leaf->items[index + AHEAD]);
        }
        if (index < leaf->node.count) {
            cursor->index[level]++;
            return leaf->items[index];
        }
        leave_leaf(cursor);
    }
    return NULL;
}

/* -- Roots and their lives ----------------------------------------------------------------- */

void tree_init(struct tree *tree)
{
    *tree = (struct tree){.epoch = 1};
    list_init(&tree->frozen);
}

void tree_freeze(struct tree *tree, struct tree_frozen *frozen)
{
    assert(tree->epoch > tree->frozen_epoch);
    assert(tree_is_frozen(tree) || tree->retired_first == NULL);

    frozen->root = tree->root;
    frozen->epoch = tree->epoch;
    list_append(&tree->frozen, &frozen->link);
    tree->frozen_epoch = tree->epoch;
    tree->epoch++;
}

void tree_thaw(struct tree *tree, struct tree_frozen *frozen)
{
    assert(tree_is_frozen(tree));
    assert(frozen->epoch <= tree->frozen_epoch);

    list_remove(&frozen->link);
    uint64_t oldest = UINT64_MAX;
    tree->frozen_epoch = 0;
    if (!list_is_empty(&tree->frozen)) {
        oldest = LIST_ITEM(tree->frozen.next, struct tree_frozen, link)->epoch;
        tree->frozen_epoch = LIST_ITEM(tree->frozen.previous, struct tree_frozen, link)->epoch;
    }
    /* A root frozen in epoch e reads what was replaced in later epochs, never in e or before. */
    while (tree->retired_first != NULL && tree->retired_first->retired <= oldest) {
        struct tree_node *node = tree->retired_first;
        tree->retired_first = node->retired_next;
        heap_release(node);
    }
    if (tree->retired_first == NULL) {
        tree->retired_last = NULL;
    }
    assert(tree_is_frozen(tree) || tree->retired_first == NULL);
}

void tree_deinit(struct tree *tree)
{
    struct tree_node *path[TREE_DEPTH_MAX];
    uint32_t index[TREE_DEPTH_MAX];
    uint32_t depth = 0;

    assert(!tree_is_frozen(tree));
    assert(tree->retired_first == NULL);
    if (tree->root != NULL) {
        path[depth] = tree->root;
        index[depth++] = 0;
    }
    while (depth > 0) {
        struct tree_node *node = path[depth - 1];
        if (!node->is_leaf && index[depth - 1] < node->count) {
            struct inner *inner = as_inner(node);
            const uint32_t i = index[depth - 1]++;
            heap_release(inner->separators[i]);
            assert(depth < TREE_DEPTH_MAX);
            path[depth] = inner->children[i];
            index[depth++] = 0;
        } else {
            heap_release(node);
            depth--;
        }
    }
    tree_init(tree);
}

/* -- Checking ------------------------------------------------------------------------------ */

static void check_node(const struct tree *tree, const struct tree_node *node, uint32_t depth,
                       uint32_t leaf_depth)
{
    assert(node->count >= 1 && node->count <= TREE_FANOUT);
    assert(node->retired == 0 && node->born <= tree->epoch);
    assert(node->is_leaf == (depth == leaf_depth));
    if (node->is_leaf) {
        const struct leaf *leaf = as_const_leaf(node);
        for (uint32_t i = 0; i < node->count; i++) {
            assert(leaf->marks[i] == mark_of(item_key(leaf->items[i])));
            assert(exact_index(leaf, item_key(leaf->items[i])) == i);
        }
        return;
    }
    const struct inner *inner = as_const_inner(node);
    assert(inner->separators[0] == NULL);
    for (uint32_t i = 2; i < node->count; i++) {
        assert(bytes_compare(separator_bytes(inner->separators[i - 1]),
                             separator_bytes(inner->separators[i])) < 0);
    }
}

void tree_check(const struct tree *tree)
{
    struct tree_cursor cursor;
    const struct tree_node *seen[TREE_DEPTH_MAX] = {NULL};
    const struct item *before = NULL;
    const struct item *item;
    size_t count = 0;

    assert(tree_is_frozen(tree) || tree->retired_first == NULL);
    tree_seek(&cursor, tree->root, bytes_of(NULL, 0));
    const uint32_t levels = cursor.depth;
    while ((item = tree_next(&cursor)) != NULL) {
        assert(cursor.depth == levels);
        for (uint32_t level = 0; level < levels; level++) {
            if (seen[level] != cursor.path[level]) {
                seen[level] = cursor.path[level];
                check_node(tree, seen[level], level + 1, levels);
            }
        }
        assert(before == NULL || bytes_compare(item_key(before), item_key(item)) < 0);
        assert(tree_find(tree->root, item_key(item)) == item); /* Separators lead to it. */
        before = item;
        count++;
    }
    assert(count == tree->count);
}
