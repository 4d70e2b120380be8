/* store.h -- the inside of the store, for the files of this folder. */
#ifndef KV_STORE_H
#define KV_STORE_H

#include "kv/history.h"
#include "kv/kv.h"
#include "kv/tree.h"

/* A hash of the whole store, and what it was the hash of. The versions tell a store that is being
 * loaded from a whole one. */
struct kept_hash {
    uint64_t value;
    int64_t revision; /* 0: none is kept. */
    int64_t compacted;
    uint64_t versions;
};

struct kv {
    struct tree tree;       /* From each key to its newest version. */
    struct history history; /* Versions that superseded others, oldest first. */
    struct kv_stats stats;
    int64_t revision;  /* Of the last write that ended. */
    int64_t compacted; /* -1: never. */
    uint32_t changes;  /* By the write that is under way, at revision + 1; else 0. */
    uint32_t dumps;    /* Open. */
    struct kept_hash hash;
    uint8_t is_orphan; /* Its owner let go: the last dump to close frees it. */
};

/* Drop everything: an empty store at revision 1. No dump may be open. */
void store_clear(struct kv *kv);

/* Free the store now, or when its last dump closes. */
void store_abandon(struct kv *kv);

/* What a reader sees now: the last revision, or that of the write under way once it has
 * changed something. */
int64_t store_now(const struct kv *kv);

/* End the write that is under way: one revision, if it changed anything. */
void store_commit(struct kv *kv);

/* The version of `key` that is there now, or NULL. */
const struct item *store_get(const struct kv *kv, struct bytes key);

/* Put `key` within the write under way. Returns 0 or KV_ERR_NO_MEMORY: then nothing changed. */
int store_put(struct kv *kv, struct bytes key, struct bytes value, int64_t lease);

/* Delete `key`, which is there now, within the write under way. Errors as of store_put(). */
int store_delete(struct kv *kv, struct bytes key);

/* Put an item that was built elsewhere (load.c) in as the newest version of a key that was
 * absent. Returns 0 or KV_ERR_NO_MEMORY: then the item is the caller's still. */
int store_adopt(struct kv *kv, struct item *item);

/* Hang `item` onto the end of a chain, behind `newer`. The history is the caller's to append. */
void store_adopt_older(struct kv *kv, struct item *newer, struct item *item);

/* The keys of a range that are present at a revision, in order. Holds as long as the store is
 * not changed. */
struct store_scan {
    struct tree_cursor cursor;
    const struct item *single; /* The only answer, where the range is one key. */
    struct bytes end;          /* Empty: none. */
    int64_t revision;
    uint8_t is_single;
};

/* True if range_end means "every key from `key` on". */
static inline int range_is_open(struct bytes range_end)
{
    assert(bytes_is_whole(range_end));
    return range_end.size == 1 && range_end.data[0] == 0;
}

void store_scan(struct store_scan *scan, const struct kv *kv, struct bytes key,
                struct bytes range_end, int64_t revision);

/* The next version, or NULL at the end. */
const struct item *store_scan_next(struct store_scan *scan);

/* A growing array of items in an arena. All zero is an empty one. Nothing else may be taken from
 * the arena while it grows. */
struct item_array {
    const struct item **items;
    size_t count;
    size_t capacity;
};

/* Returns 0 or KV_ERR_NO_MEMORY. */
int item_array_append(struct item_array *array, struct arena *arena, const struct item *item);

/* Keep the first `count` items; it grows no more. */
void item_array_cut(struct item_array *array, struct arena *arena, size_t count);

/* -- Room for an answer -------------------------------------------------------------------- */

enum {
    ANSWER_ITEM_SIZE = 72 /* What an item takes in an answer besides its key and value, at most:
                           * tags, sizes and numbers, and its place in an array. */
};

struct room {
    struct arena *arena; /* Of the arrays. */
    uint64_t left;       /* Bytes that the answer may still take. */
};

/* The room for an answer, where a request bounds it. */
struct room room_of(struct arena *arena, uint64_t answer_max);

/* Count an item of the answer. Returns 0, or KV_ERR_TOO_LARGE: it does not fit in what is left. */
int room_take(struct room *room, const struct item *item, int is_keys_only);

/* Parts of kv_txn() that are the single operations' as well: within the write under way, or of
 * what it sees. */
int store_range(const struct kv *kv, const struct kv_range_request *request, struct room *room,
                struct kv_range_result *result);
int store_delete_range(struct kv *kv, const struct kv_delete_range_request *request,
                       struct room *room, struct kv_delete_range_result *result);
int store_put_request(struct kv *kv, const struct kv_put_request *request,
                      struct kv_put_result *result);

#endif /* KV_STORE_H */
