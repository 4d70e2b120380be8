/* tree_test.c -- the ordered tree and its frozen roots. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/prng.h"
#include "failing_heap.h"
#include "kv/tree.h"

enum {
    KEYS = 4096
};

/* The tree beside the plainest map there is: an item or NULL per number. */
struct rig {
    struct tree tree;
    struct item *items[KEYS];
    size_t count;
};

static struct bytes key_of(char *text, uint32_t number)
{
    /* Keys of several lengths with long common prefixes, among them prefixes of others. */
    const int size =
        snprintf(text, 32, "/registry/pods/%03x%.*s", number / 4, (int)(number % 4), "abc");
    return bytes_of(text, (size_t)size);
}

static struct item *new_item(uint32_t number)
{
    char text[32];
    struct item *item = item_new(key_of(text, number), bytes_of_text("v"));
    assert_non_null(item);
    return item;
}

/* Put a new item; returns the one it replaced. */
static struct item *put(struct rig *rig, uint32_t number)
{
    struct item *item = new_item(number);
    struct item *before = rig->items[number];
    struct item **slot = tree_slot(&rig->tree, item_key(item));

    assert_non_null(slot);
    assert_ptr_equal(*slot, before);
    *slot = item;
    rig->items[number] = item;
    rig->count += before == NULL;
    return before;
}

static void take_out(struct rig *rig, uint32_t number)
{
    tree_remove(&rig->tree, item_key(rig->items[number]));
    item_free(rig->items[number]);
    rig->items[number] = NULL;
    rig->count--;
}

/* Every key that should be there is found, no other is, and a walk meets them in order. */
static void check_items(const struct tree_node *root, struct item *const *items)
{
    struct tree_cursor cursor;
    char text[32];

    tree_seek(&cursor, root, bytes_of(NULL, 0));
    for (uint32_t i = 0; i < KEYS; i++) {
        assert_ptr_equal(tree_find(root, key_of(text, i)), items[i]);
        if (items[i] != NULL) {
            assert_ptr_equal(tree_next(&cursor), items[i]);
        }
    }
    assert_null(tree_next(&cursor));
    assert_null(tree_next(&cursor));
}

static void empty(struct rig *rig)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        item_free(rig->items[i]);
    }
    tree_deinit(&rig->tree);
}

TEST(tree, holds_what_was_put_in_any_order_and_not_taken_out)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct rig rig = {.count = 0};
        struct prng prng = {.state = seed};
        /* Grow, hold, shrink, again and again: the odds of a put change as it goes. */
        tree_init(&rig.tree);
        for (uint32_t step = 0; step < 30000; step++) {
            const uint32_t number = (uint32_t)prng_below(&prng, KEYS);
            const uint64_t odds = (step / 6000) % 2 == 0 ? 9 : 2;
            if (prng_chance(&prng, odds, 10)) {
                item_free(put(&rig, number));
            } else if (rig.items[number] != NULL) {
                take_out(&rig, number);
            }
            if (step % 5000 == 4999) {
                tree_check(&rig.tree);
                assert_int_equal(rig.tree.count, rig.count);
                check_items(rig.tree.root, rig.items);
            }
        }
        for (uint32_t i = 0; i < KEYS; i++) {
            if (rig.items[i] != NULL) {
                take_out(&rig, i);
            }
        }
        assert_null(rig.tree.root);
        empty(&rig);
    }
}

TEST(tree, seeks_the_first_key_not_below)
{
    struct rig rig = {.count = 0};
    struct prng prng = {.state = 5};
    char text[32];

    tree_init(&rig.tree);
    for (uint32_t i = 0; i < 1500; i++) {
        item_free(put(&rig, (uint32_t)prng_below(&prng, KEYS)));
    }
    const struct item *expected = NULL;
    for (uint32_t i = KEYS; i > 0; i--) {
        struct tree_cursor cursor;
        expected = rig.items[i - 1] != NULL ? rig.items[i - 1] : expected;
        tree_seek(&cursor, rig.tree.root, key_of(text, i - 1));
        assert_ptr_equal(tree_next(&cursor), expected);
    }
    empty(&rig);
}

TEST(tree, fills_its_leaves_when_keys_come_in_order)
{
    struct rig rig = {.count = 0};
    struct tree_cursor cursor;
    const struct tree_node *leaf = NULL;
    uint32_t leaves = 0;

    tree_init(&rig.tree);
    for (uint32_t i = 0; i < KEYS; i++) {
        assert_null(put(&rig, i));
    }
    tree_check(&rig.tree);
    tree_seek(&cursor, rig.tree.root, bytes_of(NULL, 0));
    while (tree_next(&cursor) != NULL) {
        leaves += cursor.path[cursor.depth - 1] != leaf;
        leaf = cursor.path[cursor.depth - 1];
    }
    assert_true(leaves <= KEYS / (TREE_FANOUT - 1) + 1);
    empty(&rig);
}

/* Keys in order leave nodes with one child at the right edge, whose neighbours are full: such a
 * leaf has nobody to merge with when it empties, and its parents must go with it. */
TEST(tree, drops_a_leaf_that_has_no_neighbour)
{
    for (uint32_t count = KEYS - 130; count <= KEYS; count++) {
        struct rig rig = {.count = 0};

        tree_init(&rig.tree);
        for (uint32_t i = 0; i < count; i++) {
            assert_null(put(&rig, i));
        }
        for (uint32_t i = count; i > count - 200; i--) {
            take_out(&rig, i - 1);
        }
        tree_check(&rig.tree);
        empty(&rig);
    }
}

enum {
    FROZEN = 5,
    GARBAGE_MAX = 100000
};

/* Roots frozen at random and thawed in any order; replaced items are kept to the end, as the
 * store does while anything is frozen. */
TEST(tree, shows_frozen_roots_as_they_were)
{
    static struct item *garbage[GARBAGE_MAX];
    static struct item *shown[FROZEN][KEYS];
    struct rig rig = {.count = 0};
    struct tree_frozen frozen[FROZEN];
    int is_frozen[FROZEN] = {0};
    size_t garbage_count = 0;
    struct prng prng = {.state = 77};

    tree_init(&rig.tree);
    for (uint32_t step = 0; step < 60000; step++) {
        struct item *replaced = put(&rig, (uint32_t)prng_below(&prng, KEYS));
        if (replaced != NULL) {
            garbage[garbage_count++] = replaced;
        }
        const size_t i = (size_t)prng_below(&prng, FROZEN);
        if (step % 300 != 0) {
            continue;
        }
        if (is_frozen[i]) {
            check_items(frozen[i].root, shown[i]);
            tree_thaw(&rig.tree, &frozen[i]);
        } else {
            memcpy(shown[i], rig.items, sizeof rig.items);
            tree_freeze(&rig.tree, &frozen[i]);
        }
        is_frozen[i] = !is_frozen[i];
        tree_check(&rig.tree);
    }
    check_items(rig.tree.root, rig.items);
    for (size_t i = 0; i < FROZEN; i++) {
        if (is_frozen[i]) {
            check_items(frozen[i].root, shown[i]);
            tree_thaw(&rig.tree, &frozen[i]);
        }
    }
    assert_null(rig.tree.retired_first);
    assert_false(tree_is_frozen(&rig.tree));
    for (size_t i = 0; i < garbage_count; i++) {
        item_free(garbage[i]);
    }
    empty(&rig);
}

TEST(tree, copies_nothing_that_was_born_after_the_freeze)
{
    struct rig rig = {.count = 0};
    struct tree_frozen frozen;

    tree_init(&rig.tree);
    assert_null(put(&rig, 1));
    tree_freeze(&rig.tree, &frozen);
    struct item *replaced = put(&rig, 1);
    const struct tree_node *copy = rig.tree.root;
    assert_ptr_not_equal(copy, frozen.root);
    assert_null(put(&rig, 2));
    assert_ptr_equal(rig.tree.root, copy);
    tree_thaw(&rig.tree, &frozen);
    item_free(replaced);
    empty(&rig);
}

/* Fail every allocation that a new key needs in turn, once and for ever, until none is left to
 * fail; then put it. Returns how many tries failed. */
static uint32_t put_against_failures(struct rig *rig, uint32_t number, int is_checking)
{
    struct item *item = new_item(number);
    struct item **slot = NULL;
    uint32_t failures = 0;

    for (uint64_t try = 1; slot == NULL; try++) {
        failing_heap_try(try);
        slot = tree_slot(&rig->tree, item_key(item));
        failing_heap_set(0, 0);
        failures += slot == NULL;
        if (slot == NULL && is_checking) {
            check_items(rig->tree.root, rig->items);
        }
    }
    *slot = item;
    rig->items[number] = item;
    return failures;
}

/* Whatever allocation fails, the tree has the keys it had, and the next try succeeds. */
TEST(tree, survives_the_failure_of_any_allocation)
{
    struct rig rig = {.count = 0};
    uint32_t failures = 0;

    tree_init(&rig.tree);
    for (uint32_t i = 0; i < KEYS; i++) { /* In no order. */
        failures += put_against_failures(&rig, (i * 1597) % KEYS, i % 64 == 0);
    }
    assert_true(failures > 2 * KEYS / TREE_FANOUT);
    tree_check(&rig.tree);
    check_items(rig.tree.root, rig.items);
    empty(&rig);
}

TEST(tree, survives_the_failure_of_any_allocation_while_a_root_is_frozen)
{
    static struct item *before[KEYS];
    struct rig rig = {.count = 0};
    struct tree_frozen frozen;
    uint32_t failures = 0;

    tree_init(&rig.tree);
    for (uint32_t i = 0; i < KEYS; i++) {
        memcpy(before, rig.items, sizeof before);
        tree_freeze(&rig.tree, &frozen);
        failures += put_against_failures(&rig, (i * 1597) % KEYS, i % 64 == 0);
        if (i % 64 == 0) {
            check_items(frozen.root, before);
        }
        tree_thaw(&rig.tree, &frozen);
    }
    assert_true(failures > 2 * KEYS);
    tree_check(&rig.tree);
    check_items(rig.tree.root, rig.items);
    empty(&rig);
}
