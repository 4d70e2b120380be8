/* item.c -- one version of one key: the unit that the store keeps, never changed once seen. */
#include "kv/item.h"

#include "base/assert.h"
#include "base/heap.h"

struct item *item_new(struct bytes key, struct bytes value)
{
    assert(bytes_is_whole(key) && bytes_is_whole(value));
    assert(key.size > 0 && key.size <= UINT32_MAX);
    assert(value.size <= UINT32_MAX);

    struct item *item = heap_allocate(offsetof(struct item, bytes) + key.size + value.size);
    if (item == NULL) {
        return NULL;
    }
    item->create_revision = 0;
    item->mod_revision = 0;
    item->version = 0;
    item->lease = 0;
    item->older = NULL;
    item->sub = 0;
    item->key_size = (uint32_t)key.size;
    item->value_size = (uint32_t)value.size;
    memcpy(item->bytes, key.data, key.size);
    assert(item->key_size == key.size && item->value_size == value.size);
    if (value.size > 0) {
        memcpy(item->bytes + key.size, value.data, value.size);
    }
    return item;
}

void item_free(struct item *item)
{
    heap_release(item);
}

const struct item *item_at(const struct item *newest, int64_t revision)
{
    const struct item *item = newest;
    assert(newest == NULL || newest->mod_revision > 0);
    assert(revision >= 0);
    while (item != NULL && item->mod_revision > revision) {
        item = item->older;
    }
    return item == NULL || item_is_tombstone(item) ? NULL : item;
}

int item_may_follow(const struct item *item, const struct item *older)
{
    assert(item != NULL);
    assert(item != older);
    if (older != NULL && !item_is_written_before(older, item)) {
        return 0;
    }
    if (item_is_tombstone(item)) {
        return older != NULL && !item_is_tombstone(older) && item->create_revision == 0 &&
               item->lease == 0 && item->value_size == 0;
    }
    if (older != NULL && !item_is_tombstone(older)) {
        return item->create_revision == older->create_revision &&
               item->version == older->version + 1;
    }
    if (older != NULL) {
        return item->create_revision == item->mod_revision && item->version == 1;
    }
    /* The first that is kept: what came before may have been compacted away. Even a new key
     * need not be here with version 1; but each put had a revision of its own. */
    return item->version >= 1 && item->create_revision >= 1 &&
           item->create_revision <= item->mod_revision &&
           item->version - 1 <= item->mod_revision - item->create_revision &&
           (item->version > 1 || item->create_revision == item->mod_revision);
}
