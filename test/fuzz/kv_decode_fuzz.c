/* kv_decode_fuzz.c -- a request to the store, as bytes from any client.
 *
 * The first byte says which request the others are. What we and protobuf-c both take, both must
 * read alike; what we take has views that lie within the message. */
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "kv.pb-c.h"
#include "kv/decode.h"
#include "kv/walk.h"

static struct bytes message;

/* A view of the message, or empty; and what protobuf-c read there. */
static void check_view(struct bytes view, ProtobufCBinaryData expected)
{
    assert(view.size == 0 ||
           (view.data >= message.data && view.data + view.size <= message.data + message.size));
    assert(bytes_equal(view, bytes_of(expected.data, expected.len)));
}

static void check_range(void)
{
    struct kv_range_request ours;
    const int error = decode_range(message, &ours);
    Etcdserverpb__RangeRequest *theirs =
        etcdserverpb__range_request__unpack(NULL, message.size, message.data);
    if (error == 0) {
        (void)kv_check_range(&ours);
    }
    if (error == 0 && theirs != NULL) {
        check_view(ours.key, theirs->key);
        check_view(ours.range_end, theirs->range_end);
        assert(ours.limit == theirs->limit && ours.revision == theirs->revision);
        assert(ours.sort_order == (int32_t)theirs->sort_order);
        assert(ours.sort_target == (int32_t)theirs->sort_target);
        assert(ours.is_serializable == theirs->serializable);
        assert(ours.is_keys_only == theirs->keys_only);
        assert(ours.is_count_only == theirs->count_only);
        assert(ours.min_mod_revision == theirs->min_mod_revision);
        assert(ours.max_mod_revision == theirs->max_mod_revision);
        assert(ours.min_create_revision == theirs->min_create_revision);
        assert(ours.max_create_revision == theirs->max_create_revision);
    }
    if (theirs != NULL) {
        etcdserverpb__range_request__free_unpacked(theirs, NULL);
    }
}

static void check_put(void)
{
    struct kv_put_request ours;
    const int error = decode_put(message, &ours);
    Etcdserverpb__PutRequest *theirs =
        etcdserverpb__put_request__unpack(NULL, message.size, message.data);
    if (error == 0) {
        (void)kv_check_put(&ours);
    }
    if (error == 0 && theirs != NULL) {
        check_view(ours.key, theirs->key);
        check_view(ours.value, theirs->value);
        assert(ours.lease == theirs->lease);
        assert(ours.wants_previous == theirs->prev_kv);
        assert(ours.ignores_value == theirs->ignore_value);
        assert(ours.ignores_lease == theirs->ignore_lease);
    }
    if (theirs != NULL) {
        etcdserverpb__put_request__free_unpacked(theirs, NULL);
    }
}

static void check_delete_range(void)
{
    struct kv_delete_range_request ours;
    const int error = decode_delete_range(message, &ours);
    Etcdserverpb__DeleteRangeRequest *theirs =
        etcdserverpb__delete_range_request__unpack(NULL, message.size, message.data);
    if (error == 0) {
        (void)kv_check_delete_range(&ours);
    }
    if (error == 0 && theirs != NULL) {
        check_view(ours.key, theirs->key);
        check_view(ours.range_end, theirs->range_end);
        assert(ours.wants_previous == theirs->prev_kv);
    }
    if (theirs != NULL) {
        etcdserverpb__delete_range_request__free_unpacked(theirs, NULL);
    }
}

static void check_compaction(void)
{
    struct kv_compaction_request ours;
    const int error = decode_compaction(message, &ours);
    Etcdserverpb__CompactionRequest *theirs =
        etcdserverpb__compaction_request__unpack(NULL, message.size, message.data);
    if (error == 0 && theirs != NULL) {
        assert(ours.revision == theirs->revision);
        assert(ours.is_physical == theirs->physical);
    }
    if (theirs != NULL) {
        etcdserverpb__compaction_request__free_unpacked(theirs, NULL);
    }
}

/* The operations in the order of writing, nested ones behind the one that they are in. */
static void count_ops(const Etcdserverpb__TxnRequest *txn, size_t *count)
{
    for (size_t i = 0; i < txn->n_success + txn->n_failure; i++) {
        const Etcdserverpb__RequestOp *op =
            i < txn->n_success ? txn->success[i] : txn->failure[i - txn->n_success];
        (*count)++;
        if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN) {
            count_ops(op->request_txn, count);
        }
    }
}

static void check_txn(int32_t ops_max)
{
    struct arena arena = {0};
    struct kv_txn_request *ours;
    const int error = decode_txn(message, ops_max, &arena, &ours);
    Etcdserverpb__TxnRequest *theirs =
        etcdserverpb__txn_request__unpack(NULL, message.size, message.data);
    if (error == 0 && theirs != NULL) {
        size_t our_count = 0;
        size_t their_count = 0;
        for (struct kv_op *op = walk_first(ours); op != NULL; op = walk_next(op)) {
            our_count++;
        }
        count_ops(theirs, &their_count);
        assert(our_count == their_count && ours->compare_count == theirs->n_compare);
        assert(ours->success.count == theirs->n_success);
        assert(ours->failure.count == theirs->n_failure);
    }
    if (error == 0) {
        (void)kv_check_txn(ours, ops_max, &arena);
    }
    if (theirs != NULL) {
        etcdserverpb__txn_request__free_unpacked(theirs, NULL);
    }
    arena_deinit(&arena);
}

FUZZ(kv_decode)
{
    struct feed feed = {input};
    const uint8_t kind = feed_u8(&feed);
    message = feed.rest;
    switch (kind % 6) {
    case 0:
        check_range();
        break;
    case 1:
        check_put();
        break;
    case 2:
        check_delete_range();
        break;
    case 3:
        check_compaction();
        break;
    case 4:
        check_txn(KV_OPS_MAX);
        break;
    default:
        check_txn(KV_OPS_UNLIMITED);
    }
}
