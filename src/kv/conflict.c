/* conflict.c -- whether a txn puts a key twice, or puts what it deletes.
 *
 * The rule is etcd's, branch by branch. Take two operations of a txn and the innermost branch
 * that holds both, as its own or inside txns nested in it. If there is none - one is in the then
 * part of a txn, the other in its else part - they exclude each other and are no conflict. Else:
 *
 *   put, put      conflict if their keys are equal;
 *   put, delete   conflict if the key is in the deleted range, and the put or the deletion is the
 *                 branch's own, or the deletion comes first. (Left over: a deletion in a nested
 *                 txn after a put in another nested txn. etcd lets that pass, so we do.)
 *
 * A deletion of everything from a key on (range_end one zero byte) counts as an empty range
 * here: in etcd's interval tree it is one, as its end is below its begin.
 *
 * The method is a sweep over the keys in order, with the deletions that cover the present key
 * marked in two ways: a Fenwick tree over the positions of operations (how many open ones are in
 * a run of positions?) and a count per branch (has it one of its own?). Operations are numbered
 * in the order of writing, so the inside of a branch is a run of positions. A put climbs from its
 * branch to the outermost one and asks at each that has more than one element. With n operations
 * and d levels (at most KV_DEPTH_MAX) that is O(n d log n), where comparing all pairs would let
 * one request of 1.5 MiB cost minutes. */
#include "kv/conflict.h"

#include <stdlib.h>

#include "base/assert.h"
#include "kv/store.h"
#include "kv/walk.h"

/* In the order in which they are worked off at one key. */
enum event_kind {
    EVENT_END = 1, /* A range ends before this key. */
    EVENT_BEGIN,   /* A deletion covers this key. */
    EVENT_PUT,
    EVENT_POINT_END, /* The deletion of this key alone ends behind it. */
};

struct event {
    struct bytes key;
    struct kv_op *op;
    uint32_t kind; /* enum event_kind. */
};

struct sweep {
    struct event *events; /* Sorted by key, kind, position. */
    uint32_t *open;       /* Fenwick tree: open deletions by position, from index 1. */
    uint32_t event_count;
    uint32_t op_count;
    uint32_t open_count; /* Open deletions. */
};

struct census {
    uint32_t ops;
    uint32_t puts;
    uint32_t deletes;
};

/* -- Positions ----------------------------------------------------------------------------- */

/* Close `op`'s branch and those around it, as far as `next` (NULL: the end) is outside them. */
static void close_branches(const struct kv_op *op, const struct kv_op *next, uint32_t position)
{
    assert(op != NULL);
    assert(position > 0);
    while (op != NULL && op->next == NULL) {
        op->branch->end = position;
        const struct kv_txn_request *txn = op->branch->txn;
        if (next != NULL && next->branch->txn == txn) {
            return; /* From the then part to the else part. */
        }
        op = txn->parent;
    }
}

/* Number all operations, set the scratch fields of branches, count. */
static struct census number_ops(const struct kv_txn_request *request)
{
    struct census census = {0};
    struct kv_op *op = walk_first(request);

    assert(request->parent == NULL);
    while (op != NULL) {
        struct kv_op *next = walk_next(op);
        assert(op->branch->txn != NULL);
        op->position = census.ops++;
        op->branch->deletes = 0;
        census.puts += op->kind == KV_OP_PUT;
        census.deletes += op->kind == KV_OP_DELETE_RANGE;
        if (op->kind != KV_OP_TXN || walk_first(op->txn) == NULL) {
            close_branches(op, next, census.ops);
        }
        op = next;
    }
    assert(census.puts + census.deletes <= census.ops);
    return census;
}

/* True if no branch holds both: they are in the two parts of one txn. */
static int exclude_each_other(const struct kv_op *left, const struct kv_op *right)
{
    assert(left != right);
    while (left->branch != right->branch) {
        const struct kv_txn_request *left_txn = left->branch->txn;
        const struct kv_txn_request *right_txn = right->branch->txn;
        if (left_txn == right_txn) {
            return 1;
        }
        if (left_txn->depth >= right_txn->depth) {
            left = left_txn->parent;
        } else {
            right = right_txn->parent;
        }
        assert(left != NULL && right != NULL); /* All are inside one request. */
    }
    return 0;
}

/* -- Open deletions ------------------------------------------------------------------------ */

/* `change` is 1 or, modulo 2^32, -1. */
static void mark(struct sweep *sweep, const struct kv_op *op, uint32_t change)
{
    assert(change == 1 || change == UINT32_MAX);
    assert(op->position < sweep->op_count);
    sweep->open_count += change;
    op->branch->deletes += change;
    for (uint32_t i = op->position + 1; i <= sweep->op_count; i += i & (~i + 1)) {
        sweep->open[i] += change;
    }
}

/* Open deletions at positions below `position`. */
static uint32_t open_below(const struct sweep *sweep, uint32_t position)
{
    uint32_t count = 0;
    assert(sweep->open[0] == 0);
    assert(position <= sweep->op_count);
    for (uint32_t i = position; i > 0; i -= i & (~i + 1)) {
        count += sweep->open[i];
    }
    return count;
}

static uint32_t open_between(const struct sweep *sweep, uint32_t begin, uint32_t end)
{
    assert(end <= sweep->op_count);
    assert(begin <= end);
    return open_below(sweep, end) - open_below(sweep, begin);
}

/* True if an open deletion is in conflict with `put`. */
static int is_deleted(const struct sweep *sweep, const struct kv_op *put)
{
    const struct kv_branch *branch = put->branch;
    const struct kv_op *element = put; /* What holds the put in `branch`: itself at first. */

    assert(put->kind == KV_OP_PUT);
    assert(put->position < put->branch->end);
    if (sweep->open_count == 0) {
        return 0;
    }
    if (open_between(sweep, branch->first->position, branch->end) > 0) {
        return 1;
    }
    while ((element = branch->txn->parent) != NULL) {
        branch = element->branch;
        if (branch->count > 1 &&
            (branch->deletes > 0 ||
             open_between(sweep, branch->first->position, element->position) > 0)) {
            return 1;
        }
    }
    return 0;
}

/* -- The sweep ----------------------------------------------------------------------------- */

static int compare_events(const void *left_pointer, const void *right_pointer)
{
    const struct event *left = left_pointer;
    const struct event *right = right_pointer;
    const int order = bytes_compare(left->key, right->key);

    assert(left->key.size > 0 && right->key.size > 0);
    assert(left->kind >= EVENT_END && right->kind >= EVENT_END);
    if (order != 0) {
        return order;
    }
    if (left->kind != right->kind) {
        return left->kind < right->kind ? -1 : 1;
    }
    return (left->op->position > right->op->position) - (left->op->position < right->op->position);
}

static void add_event(struct sweep *sweep, struct bytes key, struct kv_op *op, enum event_kind kind)
{
    assert(key.size > 0);
    assert(op->position < sweep->op_count);
    sweep->events[sweep->event_count++] = (struct event){.key = key, .op = op, .kind = kind};
}

static void add_deletion(struct sweep *sweep, struct kv_op *op)
{
    const struct kv_delete_range_request *deletion = op->delete_range;

    assert(op->kind == KV_OP_DELETE_RANGE);
    assert(deletion->key.size > 0);
    if (deletion->range_end.size == 0) {
        add_event(sweep, deletion->key, op, EVENT_BEGIN);
        add_event(sweep, deletion->key, op, EVENT_POINT_END);
    } else if (bytes_compare(deletion->key, deletion->range_end) < 0) {
        add_event(sweep, deletion->key, op, EVENT_BEGIN);
        add_event(sweep, deletion->range_end, op, EVENT_END);
    }
}

/* Puts of one key stand side by side, in the order of writing. If two of them are in conflict,
 * so are two neighbours: one that lies between them in writing lies, as seen from the innermost
 * branch that holds the two, in the element of one of them or in one of its own. */
static int run(struct sweep *sweep)
{
    const struct event *before = NULL;

    assert(sweep->open_count == 0);
    for (uint32_t i = 0; i < sweep->event_count; i++) {
        const struct event *event = &sweep->events[i];
        if (event->kind != EVENT_PUT) {
            mark(sweep, event->op, event->kind == EVENT_BEGIN ? 1 : UINT32_MAX);
            continue;
        }
        if (before != NULL && bytes_equal(before->key, event->key) &&
            !exclude_each_other(before->op, event->op)) {
            return KV_ERR_DUPLICATE_KEY;
        }
        if (is_deleted(sweep, event->op)) {
            return KV_ERR_DUPLICATE_KEY;
        }
        before = event;
    }
    assert(sweep->open_count == 0); /* Every deletion that began has ended. */
    return 0;
}

int conflict_check(struct kv_txn_request *request, struct arena *arena)
{
    const struct census census = number_ops(request);

    assert(request->depth == 0);
    if (census.puts == 0 || census.puts + census.deletes < 2) {
        return 0;
    }
    const size_t events_max = (size_t)census.puts + 2 * (size_t)census.deletes;
    struct sweep sweep = {.op_count = census.ops};
    sweep.events = arena_allocate(arena, events_max * sizeof *sweep.events);
    sweep.open = arena_allocate(arena, ((size_t)census.ops + 1) * sizeof *sweep.open);
    if (sweep.events == NULL || sweep.open == NULL) {
        return KV_ERR_NO_MEMORY;
    }
    memset(sweep.open, 0, ((size_t)census.ops + 1) * sizeof *sweep.open);
    for (struct kv_op *op = walk_first(request); op != NULL; op = walk_next(op)) {
        if (op->kind == KV_OP_PUT) {
            add_event(&sweep, op->put->key, op, EVENT_PUT);
        } else if (op->kind == KV_OP_DELETE_RANGE) {
            add_deletion(&sweep, op);
        }
    }
    assert(sweep.event_count <= events_max);
    qsort(sweep.events, sweep.event_count, sizeof *sweep.events, compare_events);
    return run(&sweep);
}
