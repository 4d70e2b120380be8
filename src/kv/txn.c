/* txn.c -- Txn: decide, check, then do.
 *
 *   1. decide  Which branch of every txn on the way is taken, nested ones included: on the state
 *              before the txn, whatever it will change.
 *   2. check   Everything that could fail on the branches taken: first the puts, then the ranges,
 *              as etcd does, whose first error is what a client sees. After this nothing fails,
 *              so a txn happens whole or not at all.
 *   3. do      The operations in order, each seeing what those before it did. All their changes
 *              have one revision.
 *
 * The tree of txns is walked by its links (walk.h): no recursion, however deep it is. */
#include "kv/kv.h"

#include "base/assert.h"
#include "base/mutant.h"
#include "kv/store.h"
#include "kv/walk.h"

/* -- Deciding ------------------------------------------------------------------------------ */

/* Below zero, zero or above zero, as the item is below what it is compared with. A key that is
 * absent (NULL) counts as one whose numbers are 0. */
static int compare_item(const struct kv_compare *compare, const struct item *item)
{
    int64_t number = 0;

    assert(item != NULL || compare->target != KV_TARGET_VALUE);
    assert(item == NULL || !item_is_tombstone(item));
    switch (compare->target) {
    case KV_TARGET_VALUE:
        return bytes_compare(item_value(item), compare->value);
    case KV_TARGET_VERSION:
        number = item == NULL ? 0 : item->version;
        break;
    case KV_TARGET_CREATE:
        number = item == NULL ? 0 : item->create_revision;
        break;
    case KV_TARGET_MOD:
        number = item == NULL ? 0 : item->mod_revision;
        break;
    case KV_TARGET_LEASE:
        number = item == NULL ? 0 : item->lease;
        break;
    default:
        return 0;
    }
    return (number > compare->number) - (number < compare->number);
}

static int holds_for(const struct kv_compare *compare, const struct item *item)
{
    assert(compare->key.size > 0);
    if (item == NULL && compare->target == KV_TARGET_VALUE) {
        return 0; /* No value is not the empty value: false, whatever the operator. */
    }
    const int order = compare_item(compare, item);
    switch (compare->result) {
    case KV_EQUAL:
        return order == 0;
    case KV_NOT_EQUAL:
        return order != 0;
    case KV_GREATER:
        return order > 0;
    case KV_LESS:
        return order < 0;
    default:
        return 1;
    }
}

/* Every key of the range must satisfy it; a range without keys counts as one absent key. */
static int holds(const struct kv *kv, const struct kv_compare *compare)
{
    struct store_scan scan;

    assert(compare->key.size > 0);
    assert(kv->changes == 0);
    store_scan(&scan, kv, compare->key, compare->range_end, store_now(kv) - MUTANT(43));
    const struct item *item = store_scan_next(&scan);
    if (item == NULL) {
        return holds_for(compare, NULL);
    }
    for (; item != NULL; item = store_scan_next(&scan)) {
        if (!holds_for(compare, item)) {
            return 0;
        }
    }
    return 1;
}

static void decide_one(const struct kv *kv, struct kv_txn_request *txn)
{
    const struct kv_compare *compare = txn->first_compare;
    assert(txn->success.txn == txn && txn->failure.txn == txn);
    assert(kv->changes == 0);
    while (compare != NULL && holds(kv, compare)) {
        compare = compare->next;
    }
    txn->has_succeeded = compare == NULL;
    assert(txn->has_succeeded || txn->compare_count > 0);
    txn->response = NULL;
}

/* Returns how many operations the branches taken hold. */
static size_t decide(const struct kv *kv, struct kv_txn_request *request)
{
    size_t count = 0;

    assert(request->depth == 0);
    assert(kv->changes == 0);
    decide_one(kv, request);
    for (struct kv_op *op = walk_first_taken(request); op != NULL; op = walk_next_taken(op)) {
        count++;
        if (op->kind == KV_OP_TXN) {
            decide_one(kv, op->txn);
        }
    }
    return count;
}

/* -- Checking ------------------------------------------------------------------------------ */

/* `cleared` is the lowest key from which on an earlier operation deletes everything (empty:
 * none does). etcd's overlap check does not know such a deletion and lets a put that keeps its
 * value follow it, on which the server panics. Here the key is simply not found. */
static int check_put(const struct kv *kv, const struct kv_put_request *put, struct bytes cleared)
{
    assert(put->key.size > 0);
    assert(kv->changes == 0);
    if (put->ignores_value || put->ignores_lease) {
        const int is_cleared = cleared.size > 0 && bytes_compare(cleared, put->key) <= 0;
        if (is_cleared || store_get(kv, put->key) == NULL) {
            return KV_ERR_KEY_NOT_FOUND;
        }
    }
    return put->lease != 0 ? KV_ERR_LEASE_NOT_FOUND : 0;
}

static int check_puts(const struct kv *kv, const struct kv_txn_request *request)
{
    struct bytes cleared = {0};

    assert(kv->changes == 0);
    for (struct kv_op *op = walk_first_taken(request); op != NULL; op = walk_next_taken(op)) {
        if (op->kind == KV_OP_PUT) {
            const int error = check_put(kv, op->put, cleared);
            if (error != 0) {
                return error;
            }
        } else if (op->kind == KV_OP_DELETE_RANGE && range_is_open(op->delete_range->range_end)) {
            const struct bytes key = op->delete_range->key;
            if (cleared.size == 0 || bytes_compare(key, cleared) < 0) {
                cleared = key;
            }
        }
    }
    return 0;
}

/* Here, unlike in a Range of its own, a negative revision is an old one: etcd's words. */
static int check_ranges(const struct kv *kv, const struct kv_txn_request *request)
{
    assert(kv->changes == 0);
    assert(kv->compacted <= kv->revision);
    for (struct kv_op *op = walk_first_taken(request); op != NULL; op = walk_next_taken(op)) {
        if (op->kind != KV_OP_RANGE || op->range->revision == 0) {
            continue;
        }
        if (op->range->revision > kv->revision) {
            return KV_ERR_FUTURE;
        }
        if (op->range->revision < kv->compacted && !MUTANT(45)) {
            return KV_ERR_COMPACTED;
        }
    }
    return 0;
}

/* -- Doing --------------------------------------------------------------------------------- */

/* The answer while it is made. */
struct answer {
    struct room room;
    struct kv_response *next; /* The next part goes here; NULL: nobody waits, or it is lost. */
    int lost;                 /* 0, or why it is: a negative enum kv_error. */
};

/* Where `error` is not 0 a part of the answer cannot be had, and so there is none. What is still
 * to be done is done without it. */
static void lose(struct answer *answer, int error)
{
    assert(error == 0 || error == KV_ERR_NO_MEMORY || error == KV_ERR_TOO_LARGE);
    assert(answer->lost == 0);
    if (error != 0) {
        answer->lost = error;
        answer->next = NULL;
    }
}

static int execute_put(struct kv *kv, const struct kv_put_request *put, struct answer *answer)
{
    struct kv_put_result *result = answer->next == NULL ? NULL : &answer->next->put;
    const int error = store_put_request(kv, put, result);
    assert(put->key.size > 0);
    assert(answer->lost == 0 || result == NULL);
    if (error == 0 && result != NULL && result->previous != NULL) {
        lose(answer, room_take(&answer->room, result->previous, 0));
    }
    return error;
}

static int execute_delete_range(struct kv *kv, const struct kv_delete_range_request *request,
                                struct answer *answer)
{
    struct kv_delete_range_result *result =
        answer->next == NULL ? NULL : &answer->next->delete_range;
    const int error = store_delete_range(kv, request, &answer->room, result);
    assert(error == 0 || error == KV_ERR_NO_MEMORY);
    assert(answer->lost == 0 || result == NULL);
    if (error == 0 && result != NULL) {
        lose(answer, result->lost);
    }
    return error;
}

static int execute(struct kv *kv, struct kv_op *op, struct answer *answer)
{
    struct kv_response *response = answer->next;

    assert(op->branch->txn->has_succeeded == (op->branch == &op->branch->txn->success));
    assert(op->kind >= KV_OP_RANGE && op->kind <= KV_OP_TXN);
    if (response != NULL) {
        *response = (struct kv_response){.parent = op->branch->txn->response, .kind = op->kind};
    }
    switch (op->kind) {
    case KV_OP_RANGE:
        if (response != NULL) {
            lose(answer, store_range(kv, op->range, &answer->room, &response->range));
        }
        return 0;
    case KV_OP_PUT:
        return execute_put(kv, op->put, answer);
    case KV_OP_DELETE_RANGE:
        return execute_delete_range(kv, op->delete_range, answer);
    default:
        assert(op->kind == KV_OP_TXN);
        op->txn->response = response;
        if (response != NULL) {
            response->has_succeeded = op->txn->has_succeeded;
        }
        return 0;
    }
}

static int execute_all(struct kv *kv, struct kv_txn_request *request, struct answer *answer)
{
    assert(request->parent == NULL);
    assert(kv->changes == 0);
    for (struct kv_op *op = walk_first_taken(request); op != NULL; op = walk_next_taken(op)) {
        const int error = execute(kv, op, answer);
        if (error != 0) {
            assert(error == KV_ERR_NO_MEMORY); /* All else was checked. */
            return error;
        }
        answer->next = answer->next == NULL ? NULL : answer->next + 1;
    }
    return 0;
}

int kv_txn(struct kv *kv, struct kv_txn_request *request, struct arena *arena,
           struct kv_txn_result *result)
{
    assert(kv->changes == 0);
    assert(request->parent == NULL);

    const size_t count = decide(kv, request);
    int error = check_puts(kv, request);
    if (error == 0) {
        error = check_ranges(kv, request);
    }
    if (error != 0) {
        return error;
    }
    struct answer answer = {.room = room_of(arena, request->answer_max)};
    struct kv_response *responses = NULL;
    if (result != NULL) {
        responses = arena_allocate(arena, count * sizeof *responses);
        answer.next = responses;
        lose(&answer, responses == NULL ? KV_ERR_NO_MEMORY : 0);
    }
    const int64_t before = kv->revision;
    error = execute_all(kv, request, &answer);
    store_commit(kv);
    kv->revision += MUTANT(44) && kv->revision == before;
    assert(kv->revision == before || kv->revision == before + 1);
    assert(kv->revision == before || !kv_txn_is_read_only(request));
    assert(error != 0 || answer.next == NULL || answer.next == responses + count);
    if (result != NULL) {
        *result = (struct kv_txn_result){
            .revision = kv->revision,
            .responses = answer.lost == 0 ? responses : NULL,
            .response_count = answer.lost == 0 ? count : 0,
            .lost = answer.lost,
            .has_succeeded = request->has_succeeded,
        };
    }
    return error;
}
