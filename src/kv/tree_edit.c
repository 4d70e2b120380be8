/* tree_edit.c -- changing a tree: slots for keys, and taking keys out. tree.c says how. */
#include "base/heap.h"
#include "kv/tree_internal.h"

enum {
    TREE_SPARSE = TREE_FANOUT / 4 /* Entries of a node that looks for one to merge with. */
};

/* -- Nodes and their lives ----------------------------------------------------------------- */

static size_t node_size(const struct tree_node *node)
{
    return node->is_leaf ? sizeof(struct leaf) : sizeof(struct inner);
}

static struct tree_node *new_node(const struct tree *tree, uint32_t is_leaf)
{
    struct tree_node *node = heap_allocate(is_leaf ? sizeof(struct leaf) : sizeof(struct inner));
    assert(is_leaf <= 1);
    assert(tree->epoch > tree->frozen_epoch); /* What is born now may be written. */
    if (node != NULL) {
        *node = (struct tree_node){.born = tree->epoch, .is_leaf = is_leaf};
    }
    return node;
}

/* `node` left the tree. Free it once no frozen root can reach it. The reader of a frozen root
 * never looks at the two fields written here, so there is no race. */
static void retire(struct tree *tree, struct tree_node *node)
{
    assert(node->retired == 0);
    assert(tree_is_frozen(tree) && node->born <= tree->frozen_epoch);

    node->retired = tree->epoch;
    node->retired_next = NULL;
    if (tree->retired_last == NULL) {
        tree->retired_first = node;
    } else {
        tree->retired_last->retired_next = node;
    }
    tree->retired_last = node;
}

/* The node at `link`, in a form that may be written: itself, or a copy put in its place where
 * a frozen root may see it. `link` is in a node that may be written. NULL without memory. */
static struct tree_node *own(struct tree *tree, struct tree_node **link)
{
    struct tree_node *node = *link;
    assert(node->retired == 0);
    assert(node->count <= TREE_FANOUT);
    if (node->born > tree->frozen_epoch) {
        return node;
    }
    struct tree_node *copy = heap_allocate(node_size(node));
    if (copy == NULL) {
        return NULL;
    }
    memcpy(copy, node, node_size(node));
    copy->born = tree->epoch;
    *link = copy;
    retire(tree, node);
    assert(copy->born > tree->frozen_epoch && copy->retired == 0);
    return copy;
}

/* -- Growing ------------------------------------------------------------------------------- */

/* The shortest prefix of `right` that is above `left`, which is below `right`. */
static struct separator *new_separator(struct bytes left, struct bytes right)
{
    size_t size = 0;
    while (size < left.size && left.data[size] == right.data[size]) {
        size++;
    }
    assert(size < right.size); /* Else left would not be below right. */
    assert(size == left.size || left.data[size] < right.data[size]);
    size++;
    struct separator *separator = heap_allocate(sizeof *separator + size);
    if (separator != NULL) {
        separator->size = size;
        memcpy(separator->bytes, right.data, size);
    }
    return separator;
}

static void insert_child(struct inner *parent, uint32_t at, struct separator *separator,
                         struct tree_node *child)
{
    const size_t moved = parent->node.count - at;
    assert(at >= 1 && at <= parent->node.count);
    assert(separator != NULL && child != NULL);
    assert(parent->node.count < TREE_FANOUT);
    memmove(parent->separators + at + 1, parent->separators + at,
            moved * sizeof parent->separators[0]);
    memmove(parent->children + at + 1, parent->children + at, moved * sizeof parent->children[0]);
    parent->separators[at] = separator;
    parent->children[at] = child;
    parent->node.count++;
}

/* Split the full leaf at `index` of `parent`, which has room, to make room for `key`. A key
 * behind all others leaves the left leaf nearly full: keys that come in order, such as
 * numbered ones, then fill their leaves. Returns 0, or -1 without memory. */
static int split_leaf(struct tree *tree, struct inner *parent, uint32_t index, struct bytes key)
{
    struct leaf *left = as_leaf(parent->children[index]);
    const uint32_t count = left->node.count;
    const int is_last = bytes_compare(item_key(left->items[count - 1]), key) < 0;
    const uint32_t kept = is_last ? count - 1 : count / 2;

    assert(count == TREE_FANOUT);
    assert(kept >= 1 && kept < count);
    assert(parent->node.count < TREE_FANOUT);
    struct tree_node *node = new_node(tree, 1);
    struct separator *separator =
        new_separator(item_key(left->items[kept - 1]), item_key(left->items[kept]));
    if (node == NULL || separator == NULL) {
        heap_release(node);
        heap_release(separator);
        return -1;
    }
    struct leaf *right = as_leaf(node);
    right->node.count = count - kept;
    memcpy(right->items, left->items + kept, right->node.count * sizeof right->items[0]);
    memcpy(right->marks, left->marks + kept, right->node.count);
    left->node.count = kept;
    insert_child(parent, index + 1, separator, node);
    assert(left->node.count + right->node.count == count);
    return 0;
}

/* The same for a full inner node. The separator in the middle moves up. */
static int split_inner(struct tree *tree, struct inner *parent, uint32_t index, struct bytes key)
{
    struct inner *left = as_inner(parent->children[index]);
    const uint32_t count = left->node.count;
    const int is_last = child_index(left, key) == count - 1;
    const uint32_t kept = is_last ? count - 1 : count / 2;

    assert(count == TREE_FANOUT);
    assert(kept >= 1 && kept < count);
    assert(parent->node.count < TREE_FANOUT);
    struct tree_node *node = new_node(tree, 0);
    if (node == NULL) {
        return -1;
    }
    struct inner *right = as_inner(node);
    right->node.count = count - kept;
    memcpy(right->children, left->children + kept, right->node.count * sizeof right->children[0]);
    memcpy(right->separators, left->separators + kept,
           right->node.count * sizeof right->separators[0]);
    right->separators[0] = NULL;
    insert_child(parent, index + 1, left->separators[kept], node);
    left->node.count = kept;
    assert(left->node.count + right->node.count == count);
    return 0;
}

/* Put a new root with one child above the present one. */
static int add_level(struct tree *tree)
{
    struct tree_node *node = new_node(tree, 0);
    assert(tree->root != NULL);
    assert(tree->root->count == TREE_FANOUT);
    if (node == NULL) {
        return -1;
    }
    struct inner *root = as_inner(node);
    root->separators[0] = NULL;
    root->children[0] = tree->root;
    root->node.count = 1;
    tree->root = node;
    return 0;
}

/* Step from the writable inner node `parent` (count below TREE_FANOUT) to the writable child
 * that `key` belongs to, splitting it first if it is full and `is_to_grow`. */
static struct tree_node *descend(struct tree *tree, struct inner *parent, struct bytes key,
                                 int is_to_grow)
{
    uint32_t index = child_index(parent, key);
    assert(parent->node.count < TREE_FANOUT);
    assert(parent->node.born > tree->frozen_epoch);
    struct tree_node *child = own(tree, &parent->children[index]);
    if (child == NULL || child->count < TREE_FANOUT || !is_to_grow) {
        return child;
    }
    const int failed = child->is_leaf ? split_leaf(tree, parent, index, key)
                                      : split_inner(tree, parent, index, key);
    if (failed) {
        return NULL;
    }
    if (bytes_compare(separator_bytes(parent->separators[index + 1]), key) <= 0) {
        index++;
    }
    return parent->children[index];
}

static struct item **insert_slot(struct tree *tree, struct leaf *leaf, struct bytes key)
{
    const uint32_t at = lower_bound(leaf, key);
    const size_t moved = leaf->node.count - at;
    assert(leaf->node.count < TREE_FANOUT);
    assert(leaf->node.born > tree->frozen_epoch);
    assert(at == leaf->node.count || bytes_compare(key, item_key(leaf->items[at])) < 0);
    memmove(leaf->items + at + 1, leaf->items + at, moved * sizeof leaf->items[0]);
    memmove(leaf->marks + at + 1, leaf->marks + at, moved);
    leaf->marks[at] = mark_of(key);
    leaf->items[at] = NULL;
    leaf->node.count++;
    tree->count++;
    assert(leaf->node.count <= TREE_FANOUT);
    return &leaf->items[at];
}

/* The writable root, a level higher where it was full and inner; NULL without memory. */
static struct tree_node *own_root(struct tree *tree)
{
    assert((tree->root == NULL) == (tree->count == 0));
    if (tree->root == NULL) {
        tree->root = new_node(tree, 1);
        return tree->root;
    }
    struct tree_node *root = own(tree, &tree->root);
    if (root == NULL || root->is_leaf || root->count < TREE_FANOUT) {
        return root;
    }
    return add_level(tree) == 0 ? tree->root : NULL;
}

struct item **tree_slot(struct tree *tree, struct bytes key)
{
    struct inner *parent = NULL;
    struct tree_node *node = own_root(tree);

    assert(key.size > 0);
    while (node != NULL && !node->is_leaf) {
        parent = as_inner(node);
        const struct tree_node *child = parent->children[child_index(parent, key)];
        prefetch(child);
        node = descend(tree, parent, key, !child->is_leaf);
    }
    if (node == NULL) {
        return NULL;
    }
    struct leaf *leaf = as_leaf(node);
    const uint32_t index = exact_index(leaf, key);
    if (index < TREE_FANOUT) {
        return &leaf->items[index]; /* An overwrite: even a full leaf stays as it is. */
    }
    if (leaf->node.count == TREE_FANOUT) {
        if (parent == NULL) {
            if (add_level(tree) != 0) {
                return NULL;
            }
            parent = as_inner(tree->root);
        }
        node = descend(tree, parent, key, 1);
        if (node == NULL) {
            return NULL;
        }
        leaf = as_leaf(node);
    }
    return insert_slot(tree, leaf, key);
}

/* -- Shrinking ----------------------------------------------------------------------------- */

/* Take child `at` out of `parent`; its node and its separator are already dealt with. */
static void remove_child(struct inner *parent, uint32_t at)
{
    const size_t moved = parent->node.count - at - 1;
    assert(at < parent->node.count);
    assert(at > 0 || parent->node.count == 1);
    memmove(parent->separators + at, parent->separators + at + 1,
            moved * sizeof parent->separators[0]);
    memmove(parent->children + at, parent->children + at + 1, moved * sizeof parent->children[0]);
    parent->node.count--;
}

/* Move everything from the child behind `index` into the child at `index`. */
static void merge(struct inner *parent, uint32_t index)
{
    struct tree_node *left_node = parent->children[index];
    struct tree_node *right_node = parent->children[index + 1];
    struct separator *separator = parent->separators[index + 1];
    const uint32_t at = left_node->count;
    const uint32_t added = right_node->count;

    assert(at + added <= TREE_FANOUT);
    assert(left_node->is_leaf == right_node->is_leaf);
    assert(separator != NULL);
    assert(left_node->retired == 0 && right_node->retired == 0);
    if (left_node->is_leaf) {
        struct leaf *left = as_leaf(left_node);
        const struct leaf *right = as_leaf(right_node);
        memcpy(left->items + at, right->items, added * sizeof left->items[0]);
        memcpy(left->marks + at, right->marks, added);
        heap_release(separator);
    } else {
        struct inner *left = as_inner(left_node);
        const struct inner *right = as_inner(right_node);
        memcpy(left->children + at, right->children, added * sizeof left->children[0]);
        memcpy(left->separators + at, right->separators, added * sizeof left->separators[0]);
        if (added > 0 && at > 0) {
            left->separators[at] = separator;
        } else {
            heap_release(separator);
        }
    }
    left_node->count += added;
    heap_release(right_node);
    remove_child(parent, index + 1);
}

/* Merge the sparse child at `index` with a neighbour if the two fit into one node, or drop it
 * if it is empty. Returns whether `parent` lost a child. */
static int tidy(struct inner *parent, uint32_t index)
{
    const uint32_t count = parent->children[index]->count;
    assert(index < parent->node.count);
    assert(count <= TREE_FANOUT);
    if (count > TREE_SPARSE) {
        return 0;
    }
    if (index + 1 < parent->node.count &&
        count + parent->children[index + 1]->count <= TREE_FANOUT) {
        merge(parent, index);
        return 1;
    }
    if (index > 0 && count + parent->children[index - 1]->count <= TREE_FANOUT) {
        merge(parent, index - 1);
        return 1;
    }
    if (count == 0) {
        assert(parent->node.count == 1); /* With a neighbour, it had merged. */
        heap_release(parent->children[index]);
        remove_child(parent, index);
        return 1;
    }
    return 0;
}

static void lower_root(struct tree *tree)
{
    while (tree->root != NULL && !tree->root->is_leaf && tree->root->count == 1) {
        struct inner *root = as_inner(tree->root);
        assert(root->separators[0] == NULL);
        tree->root = root->children[0];
        heap_release(root);
    }
    if (tree->root != NULL && tree->root->count == 0) {
        heap_release(tree->root);
        tree->root = NULL;
    }
    assert((tree->root == NULL) == (tree->count == 0));
}

void tree_remove(struct tree *tree, struct bytes key)
{
    struct inner *path[TREE_DEPTH_MAX];
    uint32_t index[TREE_DEPTH_MAX];
    uint32_t depth = 0;
    struct tree_node *node = tree->root;

    assert(!tree_is_frozen(tree));
    assert(node != NULL);
    assert(tree->count > 0);
    while (!node->is_leaf) {
        assert(depth < TREE_DEPTH_MAX);
        path[depth] = as_inner(node);
        index[depth] = child_index(path[depth], key);
        node = path[depth]->children[index[depth]];
        depth++;
    }
    struct leaf *leaf = as_leaf(node);
    const uint32_t at = exact_index(leaf, key);
    assert(at < TREE_FANOUT);
    const size_t moved = leaf->node.count - at - 1;
    memmove(leaf->items + at, leaf->items + at + 1, moved * sizeof leaf->items[0]);
    memmove(leaf->marks + at, leaf->marks + at + 1, moved);
    leaf->node.count--;
    tree->count--;

    while (depth > 0 && tidy(path[depth - 1], index[depth - 1])) {
        depth--;
    }
    lower_root(tree);
}
