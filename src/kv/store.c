/* store.c -- the inside of the store: versions, revisions, and the memory of old ones.
 *
 *     tree:   key -> newest version -> older -> older        chains, newest first
 *     history:  [S1, S2, S3 ...]                             every version that has an `older`,
 *                                                            in the order of writing
 *
 * A version can be seen at the revisions from its own up to the one before its successor's. Once
 * the store is compacted at C nobody reads below C, so what a successor S with revision <= C
 * superseded is garbage; and so is S itself if it is a tombstone, for a key without versions is
 * absent too. The queue has every successor in the order of revisions, so the garbage is found
 * at its front, at a cost that depends on the garbage alone and not on the size of the store. By
 * then all that was older than the version dropped is gone already: its own turn came before. */
#include "kv/store.h"

#include "base/assert.h"
#include "base/heap.h"
#include "base/mutant.h"

struct kv *kv_new(void)
{
    struct kv *kv = heap_allocate(sizeof *kv);
    if (kv == NULL) {
        return NULL;
    }
    *kv = (struct kv){.revision = 1, .compacted = -1};
    tree_init(&kv->tree);
    assert(store_now(kv) == 1);
    return kv;
}

void store_clear(struct kv *kv)
{
    struct tree_cursor cursor;
    struct item *item;

    assert(kv->dumps == 0 && !tree_is_frozen(&kv->tree));
    assert(kv->changes == 0);
    tree_seek(&cursor, kv->tree.root, bytes_of(NULL, 0));
    while ((item = tree_next(&cursor)) != NULL) {
        while (item != NULL) {
            struct item *older = item->older;
            item_free(item);
            item = older;
        }
    }
    tree_deinit(&kv->tree);
    history_deinit(&kv->history);
    *kv = (struct kv){.revision = 1, .compacted = -1};
    tree_init(&kv->tree);
}

void kv_free(struct kv *kv)
{
    assert(kv->dumps == 0);
    assert(!tree_is_frozen(&kv->tree));
    store_clear(kv);
    heap_release(kv);
}

void store_abandon(struct kv *kv)
{
    assert(!kv->is_orphan);
    assert(kv->changes == 0);
    if (kv->dumps == 0) {
        kv_free(kv);
    } else {
        kv->is_orphan = 1;
    }
}

/* -- Reading ------------------------------------------------------------------------------- */

int64_t store_now(const struct kv *kv)
{
    assert(kv->revision >= 1);
    return kv->revision + (kv->changes > 0);
}

const struct item *store_get(const struct kv *kv, struct bytes key)
{
    assert(key.size > 0);
    return item_at(tree_find(kv->tree.root, key), store_now(kv));
}

void store_scan(struct store_scan *scan, const struct kv *kv, struct bytes key,
                struct bytes range_end, int64_t revision)
{
    assert(key.size > 0);
    assert(revision <= store_now(kv));

    scan->revision = revision;
    scan->is_single = range_end.size == 0;
    if (scan->is_single) {
        scan->single = item_at(tree_find(kv->tree.root, key), revision);
        return;
    }
    scan->end = range_is_open(range_end) ? bytes_of(NULL, 0) : range_end;
    tree_seek(&scan->cursor, kv->tree.root, key);
}

const struct item *store_scan_next(struct store_scan *scan)
{
    const struct item *item;

    if (scan->is_single) {
        item = scan->single;
        scan->single = NULL;
        assert(item == NULL || item->mod_revision <= scan->revision);
        return item;
    }
    while ((item = tree_next(&scan->cursor)) != NULL) {
        if (scan->end.size > 0 && bytes_compare(item_key(item), scan->end) >= 0) {
            scan->cursor.depth = 0; /* It stays at the end. */
            return NULL;
        }
        item = item_at(item, scan->revision);
        if (item != NULL) {
            assert(item->mod_revision <= scan->revision);
            assert(!item_is_tombstone(item));
            return item;
        }
    }
    return NULL;
}

int item_array_append(struct item_array *array, struct arena *arena, const struct item *item)
{
    assert(array->count <= array->capacity);
    assert(item != NULL);

    if (array->count == array->capacity) {
        const size_t capacity = array->capacity == 0 ? 4 : array->capacity * 2;
        const size_t size = array->capacity * sizeof *array->items;
        const size_t wanted = capacity * sizeof *array->items;
        const struct item **items = array->capacity == 0
                                        ? arena_allocate(arena, wanted)
                                        : arena_resize(arena, array->items, size, wanted);
        if (items == NULL) {
            return KV_ERR_NO_MEMORY;
        }
        array->items = items;
        array->capacity = capacity;
    }
    array->items[array->count++] = item;
    assert(array->count <= array->capacity);
    return 0;
}

struct room room_of(struct arena *arena, uint64_t answer_max)
{
    const struct room room = {.arena = arena, .left = answer_max == 0 ? UINT64_MAX : answer_max};
    assert(arena != NULL);
    assert(room.left > 0);
    return room;
}

int room_take(struct room *room, const struct item *item, int is_keys_only)
{
    const uint64_t value_size = is_keys_only ? 0 : item->value_size;
    const uint64_t size = ANSWER_ITEM_SIZE + item->key_size + value_size;
    assert(!item_is_tombstone(item));
    assert(item->key_size > 0);
    if (size > room->left) {
        return KV_ERR_TOO_LARGE;
    }
    room->left -= size;
    return 0;
}

void item_array_cut(struct item_array *array, struct arena *arena, size_t count)
{
    assert(count <= array->count);
    assert(array->count <= array->capacity);
    if (array->capacity > 0) {
        /* Made smaller, it stays where it is. */
        (void)arena_resize(arena, array->items, array->capacity * sizeof *array->items,
                           count * sizeof *array->items);
    }
    array->count = count;
    array->capacity = count;
}

/* -- Writing ------------------------------------------------------------------------------- */

/* Make `item` the newest version in `slot`; its place in the history is reserved. */
static void publish(struct kv *kv, struct item **slot, struct item *item)
{
    struct item *older = *slot;

    assert(kv->changes < UINT32_MAX);
    item->mod_revision = kv->revision + 1;
    item->sub = kv->changes++;
    item->older = older;
    assert(item_may_follow(item, older));
    *slot = item;
    kv->stats.versions++;
    if (older == NULL) {
        return;
    }
    history_append(&kv->history, item);
    if (!item_is_tombstone(older)) {
        assert(kv->stats.keys > 0);
        assert(kv->stats.live_bytes >= item_size(older));
        kv->stats.keys--;
        kv->stats.live_bytes -= item_size(older);
        kv->stats.history_bytes += item_size(older);
    }
}

int store_put(struct kv *kv, struct bytes key, struct bytes value, int64_t lease)
{
    struct item *item = item_new(key, value);
    struct item **slot = NULL;

    assert(key.size > 0);
    assert(bytes_is_whole(value));
    if (item != NULL && history_reserve(&kv->history) == 0) {
        slot = tree_slot(&kv->tree, key);
    }
    if (slot == NULL) {
        item_free(item);
        return KV_ERR_NO_MEMORY;
    }
    const struct item *older = *slot;
    const int is_new = older == NULL || item_is_tombstone(older);
    item->create_revision = is_new ? kv->revision + 1 : older->create_revision;
    item->version = is_new ? 1 : older->version + 1;
    item->lease = MUTANT(42) ? (int64_t)((uintptr_t)item >> 4 & 1) : lease;
    publish(kv, slot, item);
    kv->stats.keys++;
    kv->stats.live_bytes += item_size(item);
    assert(kv->stats.keys <= kv->tree.count);
    assert(*slot == item && item->mod_revision == store_now(kv));
    return 0;
}

int store_delete(struct kv *kv, struct bytes key)
{
    struct item *tombstone = item_new(key, bytes_of(NULL, 0));
    struct item **slot = NULL;

    assert(store_get(kv, key) != NULL);
    if (tombstone != NULL && history_reserve(&kv->history) == 0) {
        slot = tree_slot(&kv->tree, key);
    }
    if (slot == NULL) {
        item_free(tombstone);
        return KV_ERR_NO_MEMORY;
    }
    assert(*slot != NULL && !item_is_tombstone(*slot));
    publish(kv, slot, tombstone);
    assert(*slot == tombstone && item_is_tombstone(tombstone));
    kv->stats.history_bytes += item_size(tombstone);
    return 0;
}

void store_commit(struct kv *kv)
{
    assert(kv->revision < INT64_MAX);
    kv->revision = store_now(kv) + (MUTANT(160) && kv->changes > 1);
    kv->changes = 0;
    assert(kv->compacted <= kv->revision);
}

int store_adopt(struct kv *kv, struct item *item)
{
    struct item **slot = tree_slot(&kv->tree, item_key(item));
    if (slot == NULL) {
        return KV_ERR_NO_MEMORY;
    }
    assert(*slot == NULL);
    assert(item->older == NULL);
    assert(kv->history.count == 0);
    *slot = item;
    kv->stats.versions++;
    if (item_is_tombstone(item)) {
        kv->stats.history_bytes += item_size(item);
    } else {
        kv->stats.keys++;
        kv->stats.live_bytes += item_size(item);
    }
    return 0;
}

void store_adopt_older(struct kv *kv, struct item *newer, struct item *item)
{
    assert(newer->older == NULL && item->older == NULL);
    assert(item_may_follow(newer, item));
    newer->older = item;
    kv->stats.versions++;
    kv->stats.history_bytes += item_size(item);
}

/* -- Compaction ---------------------------------------------------------------------------- */

static void drop(struct kv *kv, struct item *item)
{
    assert(kv->stats.history_bytes >= item_size(item));
    assert(item->older == NULL);
    kv->stats.history_bytes -= item_size(item);
    assert(kv->stats.versions > 0);
    kv->stats.versions--;
    item_free(item);
}

size_t kv_reclaim(struct kv *kv, size_t count)
{
    size_t reclaimed = 0;

    assert(kv->changes == 0);
    assert(kv->compacted <= kv->revision);
    if (tree_is_frozen(&kv->tree)) {
        return 0; /* Another thread may be reading what we would free. */
    }
    while (reclaimed < count) {
        struct item *successor = history_first(&kv->history);
        if (successor == NULL || successor->mod_revision > kv->compacted) {
            break;
        }
        history_remove_first(&kv->history);
        struct item *garbage = successor->older;
        assert(garbage != NULL && garbage->older == NULL);
        assert(item_is_written_before(garbage, successor));
        successor->older = NULL;
        drop(kv, garbage);
        reclaimed++;
        /* A tombstone with a successor of its own waits for that one's turn. */
        if (item_is_tombstone(successor) &&
            tree_find(kv->tree.root, item_key(successor)) == successor) {
            tree_remove(&kv->tree, item_key(successor));
            drop(kv, successor);
            reclaimed++;
        }
    }
    return reclaimed;
}

/* -- Checking ------------------------------------------------------------------------------ */

void kv_check(const struct kv *kv)
{
    struct kv_stats sum = {0};
    struct tree_cursor cursor;
    const struct item *newest;
    size_t superseding = 0;

    assert(kv->revision >= 1 && kv->compacted <= kv->revision);
    assert(kv->changes == 0);
    tree_check(&kv->tree);
    tree_seek(&cursor, kv->tree.root, bytes_of(NULL, 0));
    while ((newest = tree_next(&cursor)) != NULL) {
        if (!item_is_tombstone(newest)) {
            sum.keys++;
            sum.live_bytes += item_size(newest);
            sum.history_bytes -= item_size(newest);
        }
        for (const struct item *item = newest; item != NULL; item = item->older) {
            assert(item->mod_revision <= kv->revision);
            assert(bytes_equal(item_key(item), item_key(newest)));
            assert(item->older == NULL || item_may_follow(item, item->older));
            sum.versions++;
            sum.history_bytes += item_size(item);
            superseding += item->older != NULL;
        }
    }
    assert(sum.keys == kv->stats.keys && sum.versions == kv->stats.versions);
    assert(sum.live_bytes == kv->stats.live_bytes);
    assert(sum.history_bytes == kv->stats.history_bytes);
    assert(kv->history.count == superseding);
    history_check(&kv->history);
}
