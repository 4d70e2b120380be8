/* random.c -- requests drawn from a seed, as protobuf-c's messages in an arena. */
#include "random.h"

#include "base/assert.h"
#include "base/bytes.h"

typedef Etcdserverpb__RequestOp request_op;
typedef Etcdserverpb__Compare compare;

static void *take(struct random *r, size_t size)
{
    void *memory = arena_allocate(r->arena, size);
    assert(memory != NULL);
    return memory;
}

static int chance(struct random *r, uint64_t numerator, uint64_t denominator)
{
    return prng_chance(&r->prng, numerator, denominator);
}

static ProtobufCBinaryData data(struct random *r, const void *bytes, size_t size)
{
    uint8_t *to = take(r, size);
    if (size > 0) {
        memcpy(to, bytes, size);
    }
    return (ProtobufCBinaryData){.len = size, .data = to};
}

/* Few keys, so that requests meet: one to three of "abc", sometimes a zero byte or none. */
static ProtobufCBinaryData key(struct random *r)
{
    char bytes[3];
    if (chance(r, 1, 200)) {
        return data(r, NULL, 0);
    }
    const size_t size = 1 + (size_t)prng_below(&r->prng, 3);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (char)('a' + prng_below(&r->prng, 3));
    }
    if (chance(r, 1, 50)) {
        bytes[size - 1] = 0;
    }
    return data(r, bytes, size);
}

static ProtobufCBinaryData range_end(struct random *r)
{
    switch (prng_below(&r->prng, 8)) {
    case 0:
        return data(r, "\0", 1);
    case 1:
    case 2:
        return key(r);
    case 3:
        return data(r, "d", 1);
    default:
        return data(r, NULL, 0);
    }
}

static ProtobufCBinaryData value(struct random *r)
{
    static const char values[] = "xyzzyxyzzy";
    return data(r, values, (size_t)prng_below(&r->prng, 5));
}

/* Mostly 0, else around the revisions that matter. */
static int64_t revision(struct random *r)
{
    switch (prng_below(&r->prng, 8)) {
    case 0:
        return (int64_t)prng_below(&r->prng, (uint64_t)r->revision + 4) - 2;
    case 1:
        return r->compacted + (int64_t)prng_below(&r->prng, 3) - 1;
    case 2:
        return r->revision - (int64_t)prng_below(&r->prng, 10);
    default:
        return 0;
    }
}

static int64_t filter(struct random *r)
{
    return chance(r, 1, 8) ? revision(r) : 0;
}

Etcdserverpb__RangeRequest *random_range(struct random *r)
{
    Etcdserverpb__RangeRequest *range = take(r, sizeof *range);
    etcdserverpb__range_request__init(range);
    range->key = key(r);
    range->range_end = range_end(r);
    range->limit = chance(r, 1, 3) ? (int64_t)prng_below(&r->prng, 8) - 1 : 0;
    range->revision = revision(r);
    if (chance(r, 1, 2)) {
        range->sort_order = (Etcdserverpb__RangeRequest__SortOrder)prng_below(&r->prng, 3);
        range->sort_target = (Etcdserverpb__RangeRequest__SortTarget)prng_below(&r->prng, 5);
    }
    if (chance(r, 1, 100)) {
        range->sort_target = (Etcdserverpb__RangeRequest__SortTarget)7;
    }
    range->serializable = chance(r, 1, 4);
    range->keys_only = chance(r, 1, 4);
    range->count_only = chance(r, 1, 8);
    range->min_mod_revision = filter(r);
    range->max_mod_revision = filter(r);
    range->min_create_revision = filter(r);
    range->max_create_revision = filter(r);
    return range;
}

Etcdserverpb__PutRequest *random_put(struct random *r)
{
    Etcdserverpb__PutRequest *put = take(r, sizeof *put);
    etcdserverpb__put_request__init(put);
    put->key = key(r);
    put->value = value(r);
    put->lease = chance(r, 1, 40) ? 7 : 0;
    put->prev_kv = chance(r, 1, 3);
    if (chance(r, 1, 6)) {
        put->ignore_value = 1;
        put->value.len = chance(r, 1, 10) ? put->value.len : 0;
    }
    put->ignore_lease = chance(r, 1, 10);
    return put;
}

Etcdserverpb__DeleteRangeRequest *random_delete_range(struct random *r)
{
    Etcdserverpb__DeleteRangeRequest *deletion = take(r, sizeof *deletion);
    etcdserverpb__delete_range_request__init(deletion);
    deletion->key = key(r);
    deletion->range_end = chance(r, 1, 2) ? data(r, NULL, 0) : range_end(r);
    deletion->prev_kv = chance(r, 1, 2);
    return deletion;
}

Etcdserverpb__CompactionRequest *random_compaction(struct random *r)
{
    Etcdserverpb__CompactionRequest *compaction = take(r, sizeof *compaction);
    etcdserverpb__compaction_request__init(compaction);
    compaction->revision =
        chance(r, 1, 2) ? r->revision - (int64_t)prng_below(&r->prng, 6) : revision(r);
    compaction->physical = chance(r, 1, 2);
    return compaction;
}

static compare *random_compare(struct random *r)
{
    static const Etcdserverpb__Compare__TargetUnionCase cases[] = {
        ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION,
        ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION,
        ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION,
        ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE,
        ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE,
        ETCDSERVERPB__COMPARE__TARGET_UNION__NOT_SET,
    };
    compare *c = take(r, sizeof *c);
    etcdserverpb__compare__init(c);
    c->key = key(r);
    c->range_end = range_end(r);
    c->result = (Etcdserverpb__Compare__CompareResult)prng_below(&r->prng, 4);
    c->target = (Etcdserverpb__Compare__CompareTarget)prng_below(&r->prng, 5);
    if (chance(r, 1, 50)) {
        c->result = (Etcdserverpb__Compare__CompareResult)9;
    }
    if (chance(r, 1, 50)) {
        c->target = (Etcdserverpb__Compare__CompareTarget)9;
    }
    c->target_union_case =
        chance(r, 1, 10) ? cases[prng_below(&r->prng, 6)] : cases[(unsigned)c->target % 5];
    switch ((int)c->target_union_case) {
    case ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE:
        c->value = value(r);
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION:
        c->version = (int64_t)prng_below(&r->prng, 4);
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION:
        c->create_revision = revision(r);
        break;
    case ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION:
        c->mod_revision = revision(r);
        break;
    default:
        break; /* No lease but 0 is ever there. */
    }
    return c;
}

static request_op *random_op(struct random *r, int depth)
{
    request_op *op = take(r, sizeof *op);
    etcdserverpb__request_op__init(op);
    const uint64_t kind = prng_below(&r->prng, depth > 0 ? 20 : 16);
    if (kind < 5) {
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
        op->request_range = random_range(r);
        /* Most must succeed, or hardly any txn would. */
        op->request_range->revision = chance(r, 1, 8) ? op->request_range->revision : 0;
        op->request_range->sort_target %= 5;
    } else if (kind < 12) {
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        op->request_put = random_put(r);
        op->request_put->lease = chance(r, 1, 10) ? op->request_put->lease : 0;
        op->request_put->ignore_lease = chance(r, 1, 3) && op->request_put->ignore_lease;
    } else if (kind < 16) {
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
        op->request_delete_range = random_delete_range(r);
    } else {
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
        op->request_txn = random_txn(r, depth - 1);
    }
    if (chance(r, 1, 300)) {
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST__NOT_SET;
    }
    return op;
}

static request_op **random_ops(struct random *r, int depth, size_t *count)
{
    *count = (size_t)prng_below(&r->prng, 5);
    request_op **ops = take(r, (*count + 1) * sizeof(*ops));
    for (size_t i = 0; i < *count; i++) {
        ops[i] = random_op(r, depth);
    }
    return ops;
}

Etcdserverpb__TxnRequest *random_txn(struct random *r, int depth)
{
    Etcdserverpb__TxnRequest *txn = take(r, sizeof *txn);
    etcdserverpb__txn_request__init(txn);
    txn->n_compare = (size_t)prng_below(&r->prng, 3);
    txn->compare = take(r, (txn->n_compare + 1) * sizeof(*txn->compare));
    for (size_t i = 0; i < txn->n_compare; i++) {
        txn->compare[i] = random_compare(r);
    }
    txn->success = random_ops(r, depth, &txn->n_success);
    txn->failure = random_ops(r, depth, &txn->n_failure);
    return txn;
}

struct bytes random_pack(struct random *r, const ProtobufCMessage *message)
{
    uint8_t *to = take(r, protobuf_c_message_get_packed_size(message));
    return bytes_of(to, protobuf_c_message_pack(message, to));
}
