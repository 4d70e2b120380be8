/* walk.h -- walking a tree of nested txns without recursion: from an operation to the next. */
#ifndef KV_WALK_H
#define KV_WALK_H

#include "kv/kv.h"

/* Both branches, success first: the order of writing. NULL at the end. */
static inline struct kv_op *walk_first(const struct kv_txn_request *txn)
{
    assert((txn->success.first == NULL) == (txn->success.count == 0));
    assert((txn->failure.first == NULL) == (txn->failure.count == 0));
    return txn->success.first != NULL ? txn->success.first : txn->failure.first;
}

/* The operation after `op`: the first inside it, else the next beside it or beside a parent. */
static inline struct kv_op *walk_next(const struct kv_op *op)
{
    assert(op->branch->count > 0);
    assert(op->next == NULL || op->next->branch == op->branch);
    if (op->kind == KV_OP_TXN && walk_first(op->txn) != NULL) {
        return walk_first(op->txn);
    }
    while (op != NULL && op->next == NULL) {
        const struct kv_txn_request *txn = op->branch->txn;
        if (op->branch == &txn->success && txn->failure.first != NULL) {
            return txn->failure.first;
        }
        op = txn->parent;
    }
    return op == NULL ? NULL : op->next;
}

/* The branches that were decided on: the order of execution. */
static inline struct kv_op *walk_first_taken(const struct kv_txn_request *txn)
{
    assert(txn->has_succeeded <= 1);
    return txn->has_succeeded ? txn->success.first : txn->failure.first;
}

static inline struct kv_op *walk_next_taken(const struct kv_op *op)
{
    assert(op->branch->count > 0);
    assert(op->next == NULL || op->next->branch == op->branch);
    if (op->kind == KV_OP_TXN && walk_first_taken(op->txn) != NULL) {
        return walk_first_taken(op->txn);
    }
    while (op != NULL && op->next == NULL) {
        op = op->branch->txn->parent;
    }
    return op == NULL ? NULL : op->next;
}

#endif /* KV_WALK_H */
