/* range.c -- Range: which keys, at which revision, filtered, sorted, cut.
 *
 * The order of the steps is etcd's, and shows: the count is taken before the filters, the sort
 * works on what passed them, the limit cuts last. One oddity of etcd is kept, since clients see
 * it: with sort order NONE and no filter the limit stops the fetching itself, one key late, so
 * a sort target other than the key then sorts only the first limit + 1 keys. */
#include "kv/kv.h"

#include <stdlib.h>

#include "base/assert.h"
#include "kv/store.h"

struct sorting {
    int32_t target;    /* enum kv_sort_target. */
    int32_t direction; /* 1: ascending; -1: descending. */
};

static int compare_numbers(int64_t left, int64_t right)
{
    return (left > right) - (left < right);
}

/* Ties go by key, ascending either way. etcd's own sort leaves them open. */
static int compare_items(const void *left_pointer, const void *right_pointer, void *context)
{
    const struct sorting *sorting = context;
    const struct item *left = *(const struct item *const *)left_pointer;
    const struct item *right = *(const struct item *const *)right_pointer;
    int order = 0;

    assert(!item_is_tombstone(left) && !item_is_tombstone(right));
    assert(sorting->direction == 1 || sorting->direction == -1);
    switch (sorting->target) {
    case KV_SORT_VERSION:
        order = compare_numbers(left->version, right->version);
        break;
    case KV_SORT_CREATE:
        order = compare_numbers(left->create_revision, right->create_revision);
        break;
    case KV_SORT_MOD:
        order = compare_numbers(left->mod_revision, right->mod_revision);
        break;
    case KV_SORT_VALUE:
        order = bytes_compare(item_value(left), item_value(right));
        break;
    default:
        assert(sorting->target == KV_SORT_KEY);
        order = bytes_compare(item_key(left), item_key(right));
        break;
    }
    return order != 0 ? order * sorting->direction : bytes_compare(item_key(left), item_key(right));
}

static void sort(const struct kv_range_request *request, struct item_array *found)
{
    struct sorting sorting = {.target = request->sort_target, .direction = 1};

    assert(request->sort_order >= KV_SORT_NONE && request->sort_order <= KV_SORT_DESCEND);
    assert(request->sort_target >= KV_SORT_KEY && request->sort_target <= KV_SORT_VALUE);
    if (request->sort_order == KV_SORT_DESCEND) {
        sorting.direction = -1;
    } else if (request->sort_target == KV_SORT_KEY) {
        return; /* The scan's own order. */
    }
    if (found->count > 1) {
        qsort_r(found->items, found->count, sizeof(*found->items), compare_items, &sorting);
    }
}

static int has_filter(const struct kv_range_request *request)
{
    assert(request->key.size > 0);
    return request->min_mod_revision != 0 || request->max_mod_revision != 0 ||
           request->min_create_revision != 0 || request->max_create_revision != 0;
}

static int passes(const struct kv_range_request *request, const struct item *item)
{
    assert(!item_is_tombstone(item));
    assert(item->create_revision <= item->mod_revision);
    if (request->max_mod_revision != 0 && item->mod_revision > request->max_mod_revision) {
        return 0;
    }
    if (request->min_mod_revision != 0 && item->mod_revision < request->min_mod_revision) {
        return 0;
    }
    if (request->max_create_revision != 0 && item->create_revision > request->max_create_revision) {
        return 0;
    }
    return request->min_create_revision == 0 ||
           item->create_revision >= request->min_create_revision;
}

/* How many items are worth gathering. */
static uint64_t items_wanted(const struct kv_range_request *request)
{
    assert(request->is_count_only <= 1);
    if (request->is_count_only) {
        return 0;
    }
    if (request->limit <= 0 || request->sort_order != KV_SORT_NONE || has_filter(request)) {
        return UINT64_MAX;
    }
    return (uint64_t)request->limit + 1; /* One more, to know whether there is more. */
}

/* Gather what the request asks for, sorted and cut. What is cut off is no part of the answer, and
 * where nothing will be cut off the scan ends as soon as the answer is too large. */
static int gather(const struct kv_range_request *request, struct store_scan *scan,
                  struct room *room, struct item_array *found, struct kv_range_result *result)
{
    const uint64_t wanted = items_wanted(request);
    const struct item *item;

    assert(found->count == 0);
    assert(result->count == 0);
    while ((item = store_scan_next(scan)) != NULL) {
        result->count++;
        if (found->count >= wanted || !passes(request, item)) {
            continue;
        }
        if (item_array_append(found, room->arena, item) != 0) {
            return KV_ERR_NO_MEMORY;
        }
        if (request->limit <= 0 && room_take(room, item, request->is_keys_only) != 0) {
            return KV_ERR_TOO_LARGE;
        }
    }
    assert(found->count <= (uint64_t)result->count);
    sort(request, found);
    if (request->limit <= 0) {
        return 0;
    }
    if (found->count > (uint64_t)request->limit) {
        item_array_cut(found, room->arena, (size_t)request->limit);
        result->has_more = 1;
    }
    for (size_t i = 0; i < found->count; i++) {
        if (room_take(room, found->items[i], request->is_keys_only) != 0) {
            return KV_ERR_TOO_LARGE;
        }
    }
    return 0;
}

int store_range(const struct kv *kv, const struct kv_range_request *request, struct room *room,
                struct kv_range_result *result)
{
    const int64_t now = store_now(kv);
    const int64_t revision = request->revision <= 0 ? now : request->revision;
    struct item_array found = {0};
    struct store_scan scan;

    assert(kv->compacted <= kv->revision);
    assert(result != NULL);
    assert(request->key.size > 0);
    if (revision > now) {
        return KV_ERR_FUTURE;
    }
    if (revision < kv->compacted) {
        return KV_ERR_COMPACTED;
    }
    store_scan(&scan, kv, request->key, request->range_end, revision);
    *result = (struct kv_range_result){.revision = now, .is_keys_only = request->is_keys_only};
    const int error = gather(request, &scan, room, &found, result);
    result->items = found.items;
    result->item_count = found.count;
    assert(result->item_count <= (uint64_t)result->count);
    return error;
}

int kv_range(const struct kv *kv, const struct kv_range_request *request, struct arena *arena,
             struct kv_range_result *result)
{
    struct room room = room_of(arena, request->answer_max);
    assert(result != NULL);
    const int error = store_range(kv, request, &room, result);
    assert(request->answer_max == 0 || room.left <= request->answer_max);
    return error;
}
