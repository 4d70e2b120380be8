/* answer_test.c -- answers are bounded, and what is applied does not depend on it. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "failing_heap.h"
#include "kv/machine.h"
#include "kv/store.h"
#include "random.h"

enum {
    KEYS = 300, /* More than a deletion takes at once. */
};

struct rig {
    struct machine *machine;
    struct synod_machine m;
    struct arena arena;
    struct random random;
};

static const struct kv_result *apply(struct rig *rig, uint32_t kind,
                                     const ProtobufCMessage *message)
{
    const struct bytes bytes = random_pack(&rig->random, message);
    const struct synod_command command = {
        .term = 9, .kind = kind, .data = bytes.data, .size = bytes.size, .wants_result = 1};
    return rig->m.apply(rig->machine, &command);
}

static ProtobufCBinaryData text(const char *from)
{
    return (ProtobufCBinaryData){.len = strlen(from), .data = (uint8_t *)(uintptr_t)from};
}

/* A machine whose answers take `answer_max` at most, with KEYS keys "k000" ... that hold "old". */
static void open_rig(struct rig *rig, uint64_t answer_max)
{
    *rig = (struct rig){.machine = machine_new()};
    machine_callbacks(rig->machine, &rig->m);
    machine_limit_answers(rig->machine, answer_max);
    rig->random.arena = &rig->arena;
    for (uint32_t i = 0; i < KEYS; i++) {
        Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
        char key[16];
        snprintf(key, sizeof key, "k%03u", i);
        put.key = text(key);
        put.value = text("old");
        assert_int_equal(apply(rig, KV_COMMAND_PUT, &put.base)->error, 0);
    }
}

static void close_rig(struct rig *rig)
{
    kv_check(machine_kv(rig->machine));
    machine_free(rig->machine);
    arena_deinit(&rig->arena);
}

static const struct kv_result *delete_all(struct rig *rig)
{
    Etcdserverpb__DeleteRangeRequest deletion = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    deletion.key = text("k");
    deletion.range_end = text("l");
    deletion.prev_kv = 1;
    return apply(rig, KV_COMMAND_DELETE_RANGE, &deletion.base);
}

/* All keys are read, one is put, all are deleted, one is put again and read: each part is seen by
 * those behind it. */
static const struct kv_result *change_all(struct rig *rig)
{
    Etcdserverpb__RangeRequest range = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__DeleteRangeRequest deletion = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    Etcdserverpb__RequestOp ops[4];
    Etcdserverpb__RequestOp *success[4];
    Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;

    for (int i = 0; i < 4; i++) {
        etcdserverpb__request_op__init(&ops[i]);
        success[i] = &ops[i];
    }
    range.key = text("k");
    range.range_end = text("l");
    put.key = text("z");
    put.value = text("new");
    deletion.key = text("k");
    deletion.range_end = text("k299x");
    deletion.prev_kv = 1;
    ops[0].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    ops[0].request_range = &range;
    ops[1].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    ops[1].request_put = &put;
    ops[2].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
    ops[2].request_delete_range = &deletion;
    ops[3] = ops[0];
    txn.success = success;
    txn.n_success = 4;
    return apply(rig, KV_COMMAND_TXN, &txn.base);
}

TEST(deletion, of_many_keys_deletes_and_shows_each_of_them_in_order)
{
    struct rig rig;
    struct kv_stats stats;

    open_rig(&rig, 0);
    const struct kv_result *result = delete_all(&rig);
    assert_int_equal(result->error, 0);
    assert_int_equal(result->lost, 0);
    assert_int_equal(result->delete_range.deleted, KEYS);
    assert_int_equal(result->delete_range.item_count, KEYS);
    for (uint32_t i = 0; i < KEYS; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%03u", i);
        const struct item *item = result->delete_range.items[i];
        assert_true(bytes_equal(item_key(item), bytes_of_text(key)));
        assert_true(bytes_equal(item_value(item), bytes_of_text("old")));
    }
    assert_int_equal(result->delete_range.revision, KEYS + 2);
    kv_stats(machine_kv(rig.machine), &stats);
    assert_int_equal(stats.keys, 0);
    close_rig(&rig);
}

TEST(answer, of_a_range_is_counted_to_the_byte)
{
    struct rig rig;
    struct arena arena = {0};
    struct kv_range_result result;
    const uint64_t item = ANSWER_ITEM_SIZE + 4 + 3;
    const struct kv_range_request all = {.key = bytes_of_text("k"),
                                         .range_end = bytes_of_text("l")};
    struct kv_range_request request = all;

    open_rig(&rig, 0);
    const struct kv *kv = machine_kv(rig.machine);
    request.answer_max = KEYS * item;
    assert_int_equal(kv_range(kv, &request, &arena, &result), 0);
    assert_int_equal(result.item_count, KEYS);
    request.answer_max--;
    assert_int_equal(kv_range(kv, &request, &arena, &result), KV_ERR_TOO_LARGE);

    request.is_keys_only = 1;
    assert_int_equal(kv_range(kv, &request, &arena, &result), 0);
    request.is_count_only = 1;
    request.answer_max = 1;
    assert_int_equal(kv_range(kv, &request, &arena, &result), 0);
    assert_int_equal(result.count, KEYS);

    /* What the limit cuts off is not in the answer. */
    request = all;
    request.sort_order = KV_SORT_DESCEND;
    request.limit = 2;
    request.answer_max = 2 * item;
    assert_int_equal(kv_range(kv, &request, &arena, &result), 0);
    assert_int_equal(result.item_count, 2);
    assert_int_equal(result.count, KEYS);
    assert_true(result.has_more);
    request.answer_max--;
    assert_int_equal(kv_range(kv, &request, &arena, &result), KV_ERR_TOO_LARGE);
    arena_deinit(&arena);
    close_rig(&rig);
}

/* Whatever part of the answer there is no room for. */
TEST(answer, that_is_lost_does_not_change_what_is_applied)
{
    struct rig roomy;
    open_rig(&roomy, 0);
    assert_int_equal(change_all(&roomy)->lost, 0);
    const uint64_t hash = kv_hash(machine_kv(roomy.machine));

    uint32_t lost = 0;
    for (uint64_t answer_max = 1; answer_max < 60000; answer_max += 997) {
        struct rig rig;
        open_rig(&rig, answer_max);
        const struct kv_result *result = change_all(&rig);
        assert_int_equal(result->error, 0);
        assert_true(result->lost == 0 || result->lost == KV_ERR_TOO_LARGE);
        lost += result->lost != 0;
        assert_int_equal(result->txn.revision, KEYS + 2);
        assert_true(kv_hash(machine_kv(rig.machine)) == hash);
        close_rig(&rig);
    }
    assert_in_range(lost, 40, 55);
    close_rig(&roomy);
}

TEST(answer, of_a_deletion_that_is_lost_does_not_keep_a_key)
{
    struct rig roomy;
    struct rig rig;

    open_rig(&roomy, 0);
    open_rig(&rig, 10000);
    assert_int_equal(delete_all(&roomy)->lost, 0);
    const struct kv_result *result = delete_all(&rig);
    assert_int_equal(result->error, 0);
    assert_int_equal(result->lost, KV_ERR_TOO_LARGE);
    assert_true(kv_hash(machine_kv(rig.machine)) == kv_hash(machine_kv(roomy.machine)));
    close_rig(&roomy);
    close_rig(&rig);
}

/* The arrays of an answer are no reason to end a replica: for each allocation that fails the txn is
 * either applied as on all others, or it ran out of memory for what it does itself. */
TEST(answer, that_finds_no_memory_is_lost_and_the_txn_is_applied)
{
    struct rig roomy;
    uint32_t losses = 0;

    open_rig(&roomy, 0);
    const uint64_t before = kv_hash(machine_kv(roomy.machine));
    const struct kv_range_request range = {.key = bytes_of_text("k"),
                                           .range_end = bytes_of_text("l")};
    for (uint64_t try = 1;; try++) {
        struct kv_branch *branch;
        struct kv_txn_request txn = {.depth = 0};
        struct kv_range_request read = range;
        struct kv_put_request put = {.key = bytes_of_text("k007"), .value = bytes_of_text("new")};
        struct kv_op ops[2] = {{.kind = KV_OP_RANGE, .range = &read}, {.kind = KV_OP_PUT}};
        struct kv_txn_result result = {.lost = 0};
        struct arena arena = {0};
        struct kv *kv = machine_kv(roomy.machine);

        branch = &txn.success;
        *branch = (struct kv_branch){.first = &ops[0], .last = &ops[1], .txn = &txn, .count = 2};
        txn.failure.txn = &txn;
        ops[0].next = &ops[1];
        ops[0].branch = branch;
        ops[1].branch = branch;
        ops[1].put = &put;
        const int64_t revision = kv_revision(kv);
        failing_heap_try(try);
        const int error = kv_txn(kv, &txn, &arena, &result);
        const int has_failed = failing_heap_has_failed();
        failing_heap_set(0, 0);
        arena_deinit(&arena);
        assert_int_equal(error != 0 || result.lost != 0, has_failed);
        if (error == 0) {
            assert_int_equal(kv_revision(kv), revision + 1);
        }
        losses += result.lost == KV_ERR_NO_MEMORY;
        if (!has_failed) {
            break;
        }
    }
    assert_true(kv_hash(machine_kv(roomy.machine)) != before);
    assert_true(losses >= 2);
    close_rig(&roomy);
}
