/* item.h -- one version of one key: the unit that the store keeps, never changed once seen. */
#ifndef KV_ITEM_H
#define KV_ITEM_H

#include "base/assert.h"
#include "base/bytes.h"

/* True if the bytes are where they say: for assertions. */
static inline int bytes_is_whole(struct bytes bytes)
{
    return bytes.data != NULL || bytes.size == 0;
}

/* One allocation: the fields, then the key, then the value. A deletion is an item too, a
 * tombstone: create_revision, version, lease and value_size are 0 there.
 *
 * The versions of a key form a chain from the newest to the oldest. `older` of a published
 * item is changed by reclaiming alone, which never runs while a root of the tree is frozen. */
struct item {
    int64_t create_revision; /* Of the first put since the key was last absent. */
    int64_t mod_revision;    /* Of the write that made this version. */
    int64_t version;         /* Puts since the key was last absent; 0: a tombstone. */
    int64_t lease;           /* The lease it hangs on; 0: none. */
    struct item *older;      /* The version before, tombstones included; NULL: none kept. */
    uint32_t sub;            /* Order among the changes of one revision, from 0. */
    uint32_t key_size;       /* In bytes, at least 1. */
    uint32_t value_size;     /* In bytes. */
    uint8_t bytes[];         /* The key, then the value. */
};

/* A new item with copies of `key` and `value` and all numbers 0, or NULL without memory.
 * key.size is at least 1; both sizes fit in 32 bits. */
struct item *item_new(struct bytes key, struct bytes value);

/* Free one item; the versions before it stay. */
void item_free(struct item *item);

static inline struct bytes item_key(const struct item *item)
{
    assert(item->key_size > 0);
    return bytes_of(item->bytes, item->key_size);
}

static inline struct bytes item_value(const struct item *item)
{
    return bytes_of(item->bytes + item->key_size, item->value_size);
}

static inline int item_is_tombstone(const struct item *item)
{
    assert(item->version >= 0);
    return item->version == 0;
}

/* True if the write of `left` came before that of `right`. */
static inline int item_is_written_before(const struct item *left, const struct item *right)
{
    assert(left->mod_revision > 0 && right->mod_revision > 0);
    return left->mod_revision != right->mod_revision ? left->mod_revision < right->mod_revision
                                                     : left->sub < right->sub;
}

/* Bytes of memory that the item takes, without the allocator's own. */
static inline size_t item_size(const struct item *item)
{
    assert(item->key_size > 0);
    assert(item->version > 0 || item->value_size == 0);
    return offsetof(struct item, bytes) + item->key_size + item->value_size;
}

/* The version that a reader at `revision` sees, or NULL where the key is absent then.
 * `newest` may be NULL. */
const struct item *item_at(const struct item *newest, int64_t revision);

/* True if `item` may follow `older` (NULL: none) in a chain: the rules that every write keeps
 * and that a snapshot must satisfy. */
int item_may_follow(const struct item *item, const struct item *older);

#endif /* KV_ITEM_H */
