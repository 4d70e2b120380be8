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

/* DeleteRange (RPC KV.DeleteRange, and inside a txn). The items are gathered first: a deletion
 * may copy the very nodes that a scan stands in. */
int store_delete_range(struct kv *kv, const struct kv_delete_range_request *request,
                       struct arena *arena, struct kv_delete_range_result *result)
{
    struct item_array found = {0};
    struct store_scan scan;
    const struct item *item;

    assert(request->key.size > 0);
    assert(kv->compacted <= kv->revision);
    store_scan(&scan, kv, request->key, request->range_end, store_now(kv));
    while ((item = store_scan_next(&scan)) != NULL) {
        if (item_array_append(&found, arena, item) != 0) {
            return KV_ERR_NO_MEMORY;
        }
    }
    for (size_t i = 0; i < found.count; i++) {
        if (store_delete(kv, item_key(found.items[i])) != 0) {
            return KV_ERR_NO_MEMORY;
        }
    }
    if (result != NULL) {
        *result = (struct kv_delete_range_result){
            .revision = store_now(kv),
            .deleted = (int64_t)found.count,
            .items = found.items,
            .item_count = request->wants_previous ? found.count : 0,
        };
    }
    return 0;
}

int kv_delete_range(struct kv *kv, const struct kv_delete_range_request *request,
                    struct arena *arena, struct kv_delete_range_result *result)
{
    assert(request->key.size > 0);
    assert(kv->changes == 0);
    const int error = store_delete_range(kv, request, arena, result);
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
