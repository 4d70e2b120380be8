/* kv.c -- the store's face: errors, single writes, compaction.
 *
 * The rules of revisions (etcd's): a store starts at revision 1; a write that changes anything
 * adds exactly one, whatever the number of its changes; one that changes nothing adds none. */
#include "kv/kv.h"

#include "base/assert.h"
#include "kv/store.h"

int kv_error_status(int error)
{
#define KV_ERROR_STATUS(name, code, status, text)                                                  \
    case code:                                                                                     \
        return status;
    switch (error) {
        KV_ERROR_MAP(KV_ERROR_STATUS)
    default:
        return 2;
    }
}

const char *kv_error_text(int error)
{
#define KV_ERROR_TEXT(name, code, status, text)                                                    \
    case code:                                                                                     \
        return text;
    switch (error) {
        KV_ERROR_MAP(KV_ERROR_TEXT)
    default:
        return "etcdserver: unknown error";
    }
}

/* Put (RPC KV.Put, and inside a txn): ignore_value and ignore_lease carry over what is there,
 * and demand that something is. */
int store_put_request(struct kv *kv, const struct kv_put_request *request,
                      struct kv_put_result *result)
{
    const struct item *previous = NULL;
    struct bytes value = request->value;
    int64_t lease = request->lease;

    assert(bytes_is_whole(request->value));
    assert(kv->compacted <= kv->revision);
    assert(request->key.size > 0);
    if (request->ignores_value || request->ignores_lease || request->wants_previous) {
        previous = store_get(kv, request->key);
    }
    if ((request->ignores_value || request->ignores_lease) && previous == NULL) {
        return KV_ERR_KEY_NOT_FOUND;
    }
    if (request->ignores_value) {
        assert(value.size == 0);
        value = item_value(previous);
    }
    if (request->ignores_lease) {
        assert(lease == 0);
        lease = previous->lease;
    }
    assert(lease == 0 || previous != NULL); /* It can only be one that was kept. */
    const int error = store_put(kv, request->key, value, lease);
    if (error == 0 && result != NULL) {
        result->revision = store_now(kv);
        result->previous = request->wants_previous ? previous : NULL;
    }
    return error;
}

int kv_put(struct kv *kv, const struct kv_put_request *request, struct kv_put_result *result)
{
    assert(!tree_is_frozen(&kv->tree) || kv->dumps > 0);
    assert(request->lease == 0 || !request->ignores_lease);
    assert(kv->changes == 0);
    /* No lease was ever granted, so none can be found. Looked for first, as etcd does. */
    if (request->lease != 0) {
        return KV_ERR_LEASE_NOT_FOUND;
    }
    const int error = store_put_request(kv, request, result);
    store_commit(kv);
    assert(error != 0 || result == NULL || result->revision == kv->revision);
    return error;
}

enum {
    DELETED_AT_ONCE = 128
};

/* Delete the first keys of a range, at most DELETED_AT_ONCE. They are gathered first: a deletion
 * may copy the very nodes that a scan stands in. `deleted`: what they held; `count`: how many. */
static int delete_some(struct kv *kv, struct bytes key, struct bytes range_end,
                       const struct item *deleted[DELETED_AT_ONCE], size_t *count)
{
    struct store_scan scan;
    const struct item *item;

    *count = 0;
    assert(key.size > 0);
    store_scan(&scan, kv, key, range_end, store_now(kv));
    while (*count < (size_t)DELETED_AT_ONCE && (item = store_scan_next(&scan)) != NULL) {
        deleted[(*count)++] = item;
    }
    for (size_t i = 0; i < *count; i++) {
        if (store_delete(kv, item_key(deleted[i])) != 0) {
            return KV_ERR_NO_MEMORY;
        }
        assert(kv->changes > 0);
    }
    assert(*count <= (size_t)DELETED_AT_ONCE);
    return 0;
}

/* Put into the answer what was deleted. Returns why it is lost, or 0. */
static int keep_previous(struct item_array *previous, struct room *room,
                         const struct item *const *deleted, size_t count)
{
    int lost = 0;
    assert(count <= (size_t)DELETED_AT_ONCE);
    assert(previous->count % DELETED_AT_ONCE == 0);
    for (size_t i = 0; i < count && lost == 0; i++) {
        lost = item_array_append(previous, room->arena, deleted[i]);
        if (lost == 0) {
            lost = room_take(room, deleted[i], 0);
        }
    }
    return lost;
}

/* DeleteRange (RPC KV.DeleteRange, and inside a txn): some keys after the other, so that deleting
 * itself needs no memory that grows with them. Where some are left, the last one is the place to
 * go on from: it is absent by then, and its key lives on behind its tombstone. */
int store_delete_range(struct kv *kv, const struct kv_delete_range_request *request,
                       struct room *room, struct kv_delete_range_result *result)
{
    const struct item *deleted[DELETED_AT_ONCE];
    struct item_array previous = {0};
    struct bytes from = request->key;
    int64_t total = 0;
    int lost = 0;
    size_t count;

    assert(request->key.size > 0);
    assert(kv->compacted <= kv->revision);
    do {
        const int error = delete_some(kv, from, request->range_end, deleted, &count);
        if (error != 0) {
            return error;
        }
        if (result != NULL && request->wants_previous && lost == 0) {
            lost = keep_previous(&previous, room, deleted, count);
        }
        total += (int64_t)count;
        from = count > 0 ? item_key(deleted[count - 1]) : from;
    } while (count == (size_t)DELETED_AT_ONCE);
    assert(total >= 0);
    assert(lost != 0 || previous.count == 0 || (int64_t)previous.count == total);
    if (result != NULL) {
        *result = (struct kv_delete_range_result){
            .revision = store_now(kv),
            .deleted = total,
            .items = lost == 0 ? previous.items : NULL,
            .item_count = lost == 0 ? previous.count : 0,
            .lost = lost,
        };
    }
    return 0;
}

int kv_delete_range(struct kv *kv, const struct kv_delete_range_request *request,
                    struct arena *arena, struct kv_delete_range_result *result)
{
    assert(request->key.size > 0);
    assert(kv->changes == 0);
    struct room room = room_of(arena, request->answer_max);
    const int error = store_delete_range(kv, request, &room, result);
    store_commit(kv);
    assert(error != 0 || result == NULL || result->revision == kv->revision);
    return error;
}

/* Compact (RPC KV.Compact): at once for readers; kv_reclaim() gives the memory back later. The
 * first compaction may be at revision 0, as in etcd, where it means nothing. */
int kv_compact(struct kv *kv, const struct kv_compaction_request *request,
               struct kv_compaction_result *result)
{
    assert(kv->compacted >= -1);
    assert(kv->compacted <= kv->revision);
    assert(kv->changes == 0);
    if (request->revision <= kv->compacted) {
        return KV_ERR_COMPACTED;
    }
    if (request->revision > kv->revision) {
        return KV_ERR_FUTURE;
    }
    kv->compacted = request->revision;
    assert(kv->compacted >= 0 && kv->compacted <= kv->revision);
    if (result != NULL) {
        result->revision = kv->revision;
    }
    return 0;
}

int64_t kv_revision(const struct kv *kv)
{
    assert(kv->revision >= 1);
    return kv->revision;
}

int64_t kv_compacted(const struct kv *kv)
{
    assert(kv->compacted >= -1);
    return kv->compacted;
}

void kv_stats(const struct kv *kv, struct kv_stats *stats)
{
    assert(kv->stats.keys <= kv->tree.count);
    assert(kv->stats.versions >= kv->tree.count);
    *stats = kv->stats;
}
