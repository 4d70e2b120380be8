/* check.c -- what etcd refuses in a request before it proposes it: no store is needed. */
#include "base/assert.h"
#include "kv/conflict.h"
#include "kv/kv.h"
#include "kv/walk.h"

int kv_check_range(const struct kv_range_request *request)
{
    assert(bytes_is_whole(request->key));
    assert(bytes_is_whole(request->range_end));
    if (request->key.size == 0) {
        return KV_ERR_EMPTY_KEY;
    }
    if (request->sort_order < KV_SORT_NONE || request->sort_order > KV_SORT_DESCEND ||
        request->sort_target < KV_SORT_KEY || request->sort_target > KV_SORT_VALUE) {
        return KV_ERR_INVALID_SORT;
    }
    return 0;
}

int kv_check_put(const struct kv_put_request *request)
{
    assert(bytes_is_whole(request->key));
    assert(bytes_is_whole(request->value));
    if (request->key.size == 0) {
        return KV_ERR_EMPTY_KEY;
    }
    if (request->ignores_value && request->value.size != 0) {
        return KV_ERR_VALUE_PROVIDED;
    }
    if (request->ignores_lease && request->lease != 0) {
        return KV_ERR_LEASE_PROVIDED;
    }
    return 0;
}

int kv_check_delete_range(const struct kv_delete_range_request *request)
{
    assert(bytes_is_whole(request->key));
    assert(bytes_is_whole(request->range_end));
    return request->key.size == 0 ? KV_ERR_EMPTY_KEY : 0;
}

/* One txn without its operations. The longest of its three lists is taken from what it may
 * have, and what is left is what each txn inside it may have. */
static int check_lists(struct kv_txn_request *txn, int32_t ops_left)
{
    uint32_t longest = txn->compare_count;

    assert(txn->success.txn == txn && txn->failure.txn == txn);
    assert((txn->compare_count == 0) == (txn->first_compare == NULL));
    assert(ops_left >= 0);
    longest = txn->success.count > longest ? txn->success.count : longest;
    longest = txn->failure.count > longest ? txn->failure.count : longest;
    if (longest > (uint32_t)ops_left) {
        return KV_ERR_TOO_MANY_OPS;
    }
    txn->ops_left = ops_left - (int32_t)longest;
    assert(txn->ops_left >= 0 && txn->ops_left <= ops_left);
    for (const struct kv_compare *c = txn->first_compare; c != NULL; c = c->next) {
        if (c->key.size == 0) {
            return KV_ERR_EMPTY_KEY;
        }
    }
    return 0;
}

static int check_op(const struct kv_op *op)
{
    assert(op->branch != NULL);
    assert(op->branch->count > 0);
    switch (op->kind) {
    case KV_OP_RANGE:
        return kv_check_range(op->range);
    case KV_OP_PUT:
        return kv_check_put(op->put);
    case KV_OP_DELETE_RANGE:
        return kv_check_delete_range(op->delete_range);
    case KV_OP_TXN:
        return check_lists(op->txn, op->branch->txn->ops_left);
    default:
        return KV_ERR_KEY_NOT_FOUND; /* An empty operation: etcd's choice of words. */
    }
}

int kv_check_txn(struct kv_txn_request *request, int32_t ops_max, struct arena *arena)
{
    assert(request->parent == NULL);
    assert(ops_max > 0);

    int error = check_lists(request, ops_max);
    if (error != 0) {
        return error;
    }
    for (const struct kv_op *op = walk_first(request); op != NULL; op = walk_next(op)) {
        error = check_op(op);
        if (error != 0) {
            return error;
        }
    }
    return conflict_check(request, arena);
}

static int holds_only_ranges(const struct kv_branch *branch, int must_be_serializable)
{
    const struct kv_op *op = branch->first;
    assert((branch->count == 0) == (branch->first == NULL));
    while (op != NULL && op->kind == KV_OP_RANGE &&
           (op->range->is_serializable || !must_be_serializable)) {
        op = op->next;
    }
    return op == NULL;
}

int kv_txn_is_read_only(const struct kv_txn_request *request)
{
    assert(request->parent == NULL);
    return holds_only_ranges(&request->success, 0) && holds_only_ranges(&request->failure, 0);
}

int kv_txn_is_serializable(const struct kv_txn_request *request)
{
    assert(request->parent == NULL);
    return holds_only_ranges(&request->success, 1) && holds_only_ranges(&request->failure, 1);
}
