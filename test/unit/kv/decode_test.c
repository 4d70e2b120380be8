/* decode_test.c -- any bytes in: a request that means what protobuf-c reads, or an error. */
#include "test.h"

#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/assert.h"
#include "failing_heap.h"
#include "kv.pb-c.h"
#include "kv/decode.h"
#include "random.h"

typedef Etcdserverpb__TxnRequest txn_message;
typedef Etcdserverpb__RequestOp op_message;

/* -- Our requests as protobuf-c's messages ----------------------------------------------------- */

static void *take(struct arena *arena, size_t size)
{
    void *memory = arena_allocate(arena, size);
    assert(memory != NULL);
    return memory;
}

static ProtobufCBinaryData data(struct bytes bytes)
{
    return (ProtobufCBinaryData){.len = bytes.size, .data = (uint8_t *)(uintptr_t)bytes.data};
}

static void rebuild_range(const struct kv_range_request *from, Etcdserverpb__RangeRequest *to)
{
    etcdserverpb__range_request__init(to);
    to->key = data(from->key);
    to->range_end = data(from->range_end);
    to->limit = from->limit;
    to->revision = from->revision;
    to->sort_order = (Etcdserverpb__RangeRequest__SortOrder)from->sort_order;
    to->sort_target = (Etcdserverpb__RangeRequest__SortTarget)from->sort_target;
    to->serializable = from->is_serializable;
    to->keys_only = from->is_keys_only;
    to->count_only = from->is_count_only;
    to->min_mod_revision = from->min_mod_revision;
    to->max_mod_revision = from->max_mod_revision;
    to->min_create_revision = from->min_create_revision;
    to->max_create_revision = from->max_create_revision;
}

static void rebuild_put(const struct kv_put_request *from, Etcdserverpb__PutRequest *to)
{
    etcdserverpb__put_request__init(to);
    to->key = data(from->key);
    to->value = data(from->value);
    to->lease = from->lease;
    to->prev_kv = from->wants_previous;
    to->ignore_value = from->ignores_value;
    to->ignore_lease = from->ignores_lease;
}

static void rebuild_delete_range(const struct kv_delete_range_request *from,
                                 Etcdserverpb__DeleteRangeRequest *to)
{
    etcdserverpb__delete_range_request__init(to);
    to->key = data(from->key);
    to->range_end = data(from->range_end);
    to->prev_kv = from->wants_previous;
}

/* A compare keeps only the operand that goes with its target, so the message's own is first
 * brought to that form. */
static void rebuild_compare(const struct kv_compare *from, Etcdserverpb__Compare *to)
{
    etcdserverpb__compare__init(to);
    to->result = (Etcdserverpb__Compare__CompareResult)from->result;
    to->target = (Etcdserverpb__Compare__CompareTarget)from->target;
    to->key = data(from->key);
    to->range_end = data(from->range_end);
    switch (from->target) {
    case KV_TARGET_VALUE:
        to->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE;
        to->value = data(from->value);
        break;
    default:
        to->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
        to->version = from->number;
        break;
    }
}

static void normalize_compare(Etcdserverpb__Compare *c)
{
    static const int cases[] = {4, 5, 6, 7, 8};
    const int target = (int)c->target;
    const int fits = target >= 0 && target < 5 && (int)c->target_union_case == cases[target];
    /* The numbers share their memory in the oneof. */
    const int64_t number = fits && target != 3 ? c->version : 0;
    const ProtobufCBinaryData value = fits && target == 3 ? c->value : data(bytes_of(NULL, 0));
    if (target == 3) {
        if (!fits && (int)c->target_union_case == 7) {
            free(c->value.data);
        }
        c->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE;
        c->value = value;
        return;
    }
    if ((int)c->target_union_case == 7) {
        free(c->value.data);
    }
    c->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION;
    c->version = number;
}

static void normalize(txn_message *txn)
{
    for (size_t i = 0; i < txn->n_compare; i++) {
        normalize_compare(txn->compare[i]);
    }
    for (size_t i = 0; i < txn->n_success + txn->n_failure; i++) {
        op_message *op = i < txn->n_success ? txn->success[i] : txn->failure[i - txn->n_success];
        if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN) {
            normalize(op->request_txn);
        }
    }
}

static txn_message *rebuild_txn(const struct kv_txn_request *from, struct arena *arena);

static op_message **rebuild_ops(const struct kv_branch *branch, struct arena *arena)
{
    op_message **ops = take(arena, (branch->count + 1) * sizeof(*ops));
    size_t count = 0;
    for (const struct kv_op *op = branch->first; op != NULL; op = op->next) {
        op_message *to = take(arena, sizeof *to);
        etcdserverpb__request_op__init(to);
        to->request_case = (Etcdserverpb__RequestOp__RequestCase)op->kind;
        switch (op->kind) {
        case KV_OP_RANGE:
            to->request_range = take(arena, sizeof *to->request_range);
            rebuild_range(op->range, to->request_range);
            break;
        case KV_OP_PUT:
            to->request_put = take(arena, sizeof *to->request_put);
            rebuild_put(op->put, to->request_put);
            break;
        case KV_OP_DELETE_RANGE:
            to->request_delete_range = take(arena, sizeof *to->request_delete_range);
            rebuild_delete_range(op->delete_range, to->request_delete_range);
            break;
        case KV_OP_TXN:
            to->request_txn = rebuild_txn(op->txn, arena);
            break;
        default:
            break;
        }
        ops[count++] = to;
    }
    assert(count == branch->count);
    return ops;
}

static txn_message *rebuild_txn(const struct kv_txn_request *from, struct arena *arena)
{
    txn_message *to = take(arena, sizeof *to);
    etcdserverpb__txn_request__init(to);
    to->compare = take(arena, (from->compare_count + 1) * sizeof(*to->compare));
    for (const struct kv_compare *c = from->first_compare; c != NULL; c = c->next) {
        to->compare[to->n_compare] = take(arena, sizeof **to->compare);
        rebuild_compare(c, to->compare[to->n_compare++]);
    }
    to->n_success = from->success.count;
    to->success = rebuild_ops(&from->success, arena);
    to->n_failure = from->failure.count;
    to->failure = rebuild_ops(&from->failure, arena);
    return to;
}

/* protobuf-c keeps what it does not know; we do not. */
static void forget_unknown(ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->n_unknown_fields; i++) {
        free(message->unknown_fields[i].data);
    }
    free(message->unknown_fields);
    message->n_unknown_fields = 0;
    message->unknown_fields = NULL;
}

static void forget_unknown_in_txn(txn_message *txn)
{
    forget_unknown(&txn->base);
    for (size_t i = 0; i < txn->n_compare; i++) {
        forget_unknown(&txn->compare[i]->base);
    }
    for (size_t i = 0; i < txn->n_success + txn->n_failure; i++) {
        op_message *op = i < txn->n_success ? txn->success[i] : txn->failure[i - txn->n_success];
        forget_unknown(&op->base);
        switch ((int)op->request_case) {
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE:
            forget_unknown(&op->request_range->base);
            break;
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT:
            forget_unknown(&op->request_put->base);
            break;
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE:
            forget_unknown(&op->request_delete_range->base);
            break;
        case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN:
            forget_unknown_in_txn(op->request_txn);
            break;
        default:
            break;
        }
    }
}

/* -- Agreement --------------------------------------------------------------------------------- */

static uint64_t agreed;
static uint64_t refused;

static void assert_same(struct random *r, const ProtobufCMessage *left,
                        const ProtobufCMessage *right)
{
    assert_true(bytes_equal(random_pack(r, left), random_pack(r, right)));
}

/* What both accept, both must read alike. */
static void compare_txn(struct random *r, struct bytes message)
{
    struct kv_txn_request *request;
    const int error = decode_txn(message, KV_OPS_UNLIMITED, r->arena, &request);
    txn_message *expected = etcdserverpb__txn_request__unpack(NULL, message.size, message.data);

    assert_true(error == 0 || error == KV_ERR_MALFORMED);
    if (error == 0 && expected != NULL) {
        forget_unknown_in_txn(expected);
        normalize(expected);
        assert_same(r, &expected->base, &rebuild_txn(request, r->arena)->base);
        agreed++;
    } else {
        refused++;
    }
    if (expected != NULL) {
        etcdserverpb__txn_request__free_unpacked(expected, NULL);
    }
}

static void compare_range(struct random *r, struct bytes message)
{
    struct kv_range_request request;
    Etcdserverpb__RangeRequest rebuilt;
    const int error = decode_range(message, &request);
    Etcdserverpb__RangeRequest *expected =
        etcdserverpb__range_request__unpack(NULL, message.size, message.data);

    if (error == 0 && expected != NULL) {
        forget_unknown(&expected->base);
        rebuild_range(&request, &rebuilt);
        assert_same(r, &expected->base, &rebuilt.base);
        agreed++;
    } else {
        refused++;
    }
    if (expected != NULL) {
        etcdserverpb__range_request__free_unpacked(expected, NULL);
    }
}

/* Change, insert, drop or repeat a few bytes. */
static struct bytes damage(struct random *r, struct bytes message)
{
    uint8_t *to = take(r->arena, message.size + 16);
    size_t size = message.size;

    memcpy(to, message.data, size);
    for (uint64_t n = prng_below(&r->prng, 3); n > 0 && size > 0; n--) {
        const size_t at = (size_t)prng_below(&r->prng, size);
        switch (prng_below(&r->prng, 4)) {
        case 0:
            to[at] = (uint8_t)prng_next(&r->prng);
            break;
        case 1:
            to[at] ^= (uint8_t)(1u << prng_below(&r->prng, 8));
            break;
        case 2:
            memmove(to + at + 1, to + at, size - at);
            size++;
            break;
        default:
            size = at;
            break;
        }
    }
    return bytes_of(to, size);
}

TEST(decode, reads_damaged_messages_as_protobuf_does_or_refuses_them)
{
    struct arena arena = {0};

    agreed = 0;
    refused = 0;
    for (uint64_t seed = 1; seed <= 30000; seed++) {
        struct random r = {.prng = {.state = seed}, .arena = &arena, .revision = 9};
        arena_reset(&arena);
        compare_txn(&r, damage(&r, random_pack(&r, &random_txn(&r, 3)->base)));
        compare_range(&r, damage(&r, random_pack(&r, &random_range(&r)->base)));
    }
    assert_true(agreed > 20000 && refused > 5000);
    arena_deinit(&arena);
}

TEST(decode, is_total_over_random_bytes)
{
    struct arena arena = {0};
    uint8_t bytes[64];

    for (uint64_t seed = 1; seed <= 100000; seed++) {
        struct random r = {.prng = {.state = seed}, .arena = &arena};
        struct kv_put_request put;
        struct kv_delete_range_request deletion;
        struct kv_compaction_request compaction;
        const size_t size = (size_t)prng_below(&r.prng, sizeof bytes);
        /* Its own allocation of just that size, so that the sanitizer sees a step too far. */
        uint8_t *message = malloc(size + 1);
        for (size_t i = 0; i < size; i++) {
            message[i] = (uint8_t)(prng_next(&r.prng) & (seed % 2 ? 0xff : 0x1f));
        }
        arena_reset(&arena);
        compare_txn(&r, bytes_of(message, size));
        compare_range(&r, bytes_of(message, size));
        (void)decode_put(bytes_of(message, size), &put);
        (void)decode_delete_range(bytes_of(message, size), &deletion);
        (void)decode_compaction(bytes_of(message, size), &compaction);
        free(message);
    }
    arena_deinit(&arena);
}

/* -- Single claims ----------------------------------------------------------------------------- */

TEST(decode, takes_the_last_of_a_repeated_field_and_skips_unknown_ones)
{
    struct kv_put_request put;
    assert_int_equal(decode_put(bytes_of("\x0a\x01"
                                         "a"
                                         "\x0a\x01"
                                         "b"        /* key twice */
                                         "\x78\x05" /* 15: a varint */
                                         "\x7a\x02zz"
                                         "\x7d\x01\x02\x03\x04"
                                         "\x79\x01\x02\x03\x04\x05\x06\x07\x08",
                                         26),
                                &put),
                     0);
    assert_true(bytes_equal(put.key, bytes_of_text("b")));
    assert_int_equal(put.value.size, 0);
}

TEST(decode, refuses_what_is_not_protobuf)
{
    static const struct bytes malformed[] = {
        {(const uint8_t *)"\x0a", 1},             /* No size. */
        {(const uint8_t *)"\x0a\x02z", 3},        /* A size past the end. */
        {(const uint8_t *)"\x08\x01", 2},         /* A key that is a number. */
        {(const uint8_t *)"\x1a\x00", 2},         /* A lease that is bytes. */
        {(const uint8_t *)"\x00\x01", 2},         /* Field number 0. */
        {(const uint8_t *)"\x0b", 1},             /* A group. */
        {(const uint8_t *)"\x0f", 1},             /* Type 7. */
        {(const uint8_t *)"\x18\x80", 2},         /* A varint cut short. */
        {(const uint8_t *)"\x7d\x01\x02\x03", 4}, /* 4 bytes cut short. */
        {(const uint8_t *)"\x79\x01\x02\x03", 4}, /* 8 bytes cut short. */
        {(const uint8_t *)"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11}, /* 65 bits. */
        {(const uint8_t *)"\xff\xff\xff\xff\xff\x01", 6}, /* A field number too large. */
    };
    struct kv_put_request put;

    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        assert_int_equal(decode_put(malformed[i], &put), KV_ERR_MALFORMED);
    }
    assert_int_equal(decode_put(bytes_of("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11), &put),
                     0);
    assert_int_equal(put.lease, -1);
    assert_int_equal(decode_put(bytes_of(NULL, 0), &put), 0);
}

/* Nothing is read of such a message, so it need not be there. */
TEST(decode, refuses_more_than_two_gigabytes)
{
    const struct bytes message = bytes_of("\x0a\x01k", (size_t)INT32_MAX + 1);
    struct arena arena = {0};
    struct kv_put_request put;
    struct kv_range_request range;
    struct kv_delete_range_request deletion;
    struct kv_compaction_request compaction;
    struct kv_txn_request *txn;

    assert_int_equal(decode_put(message, &put), KV_ERR_MALFORMED);
    assert_int_equal(decode_range(message, &range), KV_ERR_MALFORMED);
    assert_int_equal(decode_delete_range(message, &deletion), KV_ERR_MALFORMED);
    assert_int_equal(decode_compaction(message, &compaction), KV_ERR_MALFORMED);
    assert_int_equal(decode_txn(message, 1, &arena, &txn), KV_ERR_MALFORMED);
    arena_deinit(&arena);
}

TEST(decode, refuses_a_list_as_soon_as_it_is_too_long)
{
    static const struct bytes messages[] = {
        {(const uint8_t *)"\x0a\x00\x0a\x00\x0a\x00\xff", 7},
        {(const uint8_t *)"\x12\x00\x12\x00\x12\x00\xff", 7},
        {(const uint8_t *)"\x1a\x00\x1a\x00\x1a\x00\xff", 7},
    };
    struct arena arena = {0};
    struct kv_txn_request *txn;

    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(decode_txn(messages[i], 2, &arena, &txn), KV_ERR_TOO_MANY_OPS);
        assert_int_equal(decode_txn(messages[i], 3, &arena, &txn), KV_ERR_MALFORMED);
    }
    arena_deinit(&arena);
}

/* The last member of a oneof counts, and the others are not even read. */
TEST(decode, takes_the_last_operation_of_several_in_one)
{
    struct arena arena = {0};
    struct kv_txn_request *txn;

    assert_int_equal(decode_txn(bytes_of("\x12\x09"
                                         "\x0a\x01\xff" /* A range that is malformed, ... */
                                         "\x12\x04\x0a\x02xy",
                                         11),
                                KV_OPS_MAX, &arena, &txn),
                     0);
    assert_int_equal(txn->success.count, 1);
    assert_int_equal(txn->success.first->kind, KV_OP_PUT);
    assert_true(bytes_equal(txn->success.first->put->key, bytes_of_text("xy")));
    assert_int_equal(decode_txn(bytes_of("\x12\x03\x0a\x01\xff", 5), KV_OPS_MAX, &arena, &txn),
                     KV_ERR_MALFORMED);
    arena_deinit(&arena);
}

/* `levels` txns, each in the then branch of the one around it. Written from the inside out, at
 * the end of a buffer. */
static struct bytes nest(uint8_t *buffer, size_t capacity, size_t levels)
{
    size_t at = capacity;
    for (size_t level = 0; level < levels; level++) {
        for (int field = 0; field < 2; field++) {
            /* RequestOp.request_txn, then TxnRequest.success. */
            size_t size = capacity - at;
            uint8_t varint[5];
            size_t count = 0;
            do {
                varint[count++] = (uint8_t)((size & 0x7f) | (size > 0x7f ? 0x80 : 0));
                size >>= 7;
            } while (size > 0);
            assert(at >= count + 1);
            at -= count;
            memcpy(buffer + at, varint, count);
            buffer[--at] = field == 0 ? 0x22 : 0x12;
        }
    }
    return bytes_of(buffer + at, capacity - at);
}

enum {
    DEEP = 180000,
    DEEP_BYTES = 3 << 19
};

TEST(decode, refuses_a_deep_nest_at_once)
{
    uint8_t *buffer = malloc(DEEP_BYTES);
    const struct bytes message = nest(buffer, DEEP_BYTES, DEEP);
    struct arena arena = {0};
    struct kv_txn_request *txn;

    assert_true(message.size > 1400000);
    const clock_t begin = clock();
    assert_int_equal(decode_txn(message, KV_OPS_MAX, &arena, &txn), KV_ERR_TOO_MANY_OPS);
    assert_int_equal(decode_txn(message, KV_OPS_UNLIMITED, &arena, &txn), KV_ERR_TOO_MANY_OPS);
    assert_true(clock() - begin < CLOCKS_PER_SEC / 20);
    arena_deinit(&arena);
    free(buffer);
}

TEST(decode, allows_as_many_levels_as_there_are_operations_to_draw_on)
{
    uint8_t buffer[4096];
    struct arena arena = {0};
    struct kv_txn_request *txn;

    assert_int_equal(decode_txn(nest(buffer, sizeof buffer, 128), 128, &arena, &txn), 0);
    assert_int_equal(kv_check_txn(txn, 128, &arena), 0);
    assert_int_equal(kv_check_txn(txn, 127, &arena), KV_ERR_TOO_MANY_OPS);
    assert_int_equal(decode_txn(nest(buffer, sizeof buffer, 129), 128, &arena, &txn),
                     KV_ERR_TOO_MANY_OPS);
    assert_int_equal(decode_txn(nest(buffer, sizeof buffer, 5), 4, &arena, &txn),
                     KV_ERR_TOO_MANY_OPS);
    arena_deinit(&arena);
}

/* 390,000 operations of 4 bytes: empty txns beside each other. */
TEST(decode, takes_linear_time_for_the_widest_txn)
{
    enum {
        WIDE = 390000
    };
    uint8_t *buffer = malloc(WIDE * 4);
    struct arena arena = {0};
    struct kv_txn_request *txn;

    for (size_t i = 0; i < WIDE; i++) {
        memcpy(buffer + i * 4, "\x12\x02\x22\x00", 4);
    }
    const struct bytes message = bytes_of(buffer, WIDE * 4);
    assert_int_equal(decode_txn(message, KV_OPS_MAX, &arena, &txn), KV_ERR_TOO_MANY_OPS);
    const clock_t begin = clock();
    assert_int_equal(decode_txn(message, KV_OPS_UNLIMITED, &arena, &txn), 0);
    assert_int_equal(kv_check_txn(txn, KV_OPS_UNLIMITED, &arena), 0);
    assert_true(clock() - begin < 2 * CLOCKS_PER_SEC);
    assert_int_equal(txn->success.count, WIDE);
    arena_deinit(&arena);
    free(buffer);
}

/* Puts and deletions that all meet: comparing each with each would be 10^10 pairs. */
TEST(check, takes_no_quadratic_time_for_many_puts_and_deletions)
{
    enum {
        PAIRS = 100000
    };
    uint8_t *buffer = malloc(PAIRS * 32);
    size_t size = 0;
    struct arena arena = {0};
    struct kv_txn_request *txn;

    for (uint32_t i = 0; i < PAIRS; i++) {
        const uint8_t key[4] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, 'k'};
        memcpy(buffer + size, "\x12\x08\x12\x06\x0a\x04", 6);
        memcpy(buffer + size + 6, key, 4);
        memcpy(buffer + size + 10, "\x12\x0d\x1a\x0b\x0a\x01\x7f\x12\x06", 9);
        memcpy(buffer + size + 19, "\x7f\xff\xff\xff\xff\xff", 6);
        size += 25;
    }
    assert_int_equal(decode_txn(bytes_of(buffer, size), KV_OPS_UNLIMITED, &arena, &txn), 0);
    const clock_t begin = clock();
    assert_int_equal(kv_check_txn(txn, KV_OPS_UNLIMITED, &arena), 0);
    assert_true(clock() - begin < 2 * CLOCKS_PER_SEC);
    arena_deinit(&arena);
    free(buffer);
}

TEST(decode, survives_the_failure_of_any_allocation)
{
    struct arena arena = {0};
    struct arena requests = {0};
    struct random r = {.prng = {.state = 3}, .arena = &requests, .revision = 9};
    uint32_t failures = 0;

    for (int i = 0; i < 200; i++) {
        arena_reset(&requests);
        const struct bytes message = random_pack(&r, &random_txn(&r, 40)->base);
        struct kv_txn_request *txn;
        int error = KV_ERR_NO_MEMORY;
        for (uint64_t try = 1; error == KV_ERR_NO_MEMORY; try++) {
            arena_deinit(&arena);
            failing_heap_try(try);
            error = decode_txn(message, KV_OPS_UNLIMITED, &arena, &txn);
            if (error == 0) {
                error = kv_check_txn(txn, KV_OPS_UNLIMITED, &arena);
            }
            failures += error == KV_ERR_NO_MEMORY;
            assert_int_equal(error == KV_ERR_NO_MEMORY, failing_heap_has_failed());
        }
        failing_heap_set(0, 0);
    }
    assert_true(failures >= 2 * 200);
    arena_deinit(&arena);
    arena_deinit(&requests);
}
