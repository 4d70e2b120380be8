/* record_test.c -- one request, said in many ways, and always the same one twice. */
#include "kv/decode.h"
#include "sim/record.h"
#include "test.h"

enum {
    OPERATIONS = 400
};

static const struct chronicle_who SOMEBODY = {.client = 1, .begin_us = 10};

/* A txn: of two compares, two puts and a get if they hold, else of a get. */
static void add_txn(struct chronicle *history)
{
    const struct step steps[] = {
        {.kind = STEP_COMPARE, .key = 1, .target = TARGET_MOD, .relation = RELATION_EQUAL},
        {.kind = STEP_COMPARE, .key = 2, .target = TARGET_VERSION, .relation = RELATION_LESS},
        {.kind = STEP_PUT, .key = 1, .number = 5},
        {.kind = STEP_PUT, .key = 2, .number = 6},
        {.kind = STEP_GET, .key = 1, .end = 4, .wants_items = 1},
        {.kind = STEP_GET, .place = PLACE_ELSE, .key = 1, .end = 9, .wants_items = 1},
    };
    (void)chronicle_begin(history, OPERATION_TXN, &SOMEBODY);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        (void)chronicle_add(history, &steps[i]);
    }
}

/* How often things were said so, in both branches of all txns, on the outside and within. */
struct counts {
    uint32_t nested, ordered, keys_only, filtered, operations;
};

static void count_branch(const struct kv_branch *branch, struct counts *counts)
{
    for (const struct kv_op *op = branch->first; op != NULL; op = op->next) {
        if (op->kind == KV_OP_TXN) {
            assert_int_equal(op->txn->compare_count, branch->txn->compare_count);
            assert_true(op->txn->success.count == 0 || op->txn->failure.count == 0);
            counts->nested++;
            count_branch(&op->txn->success, counts);
            count_branch(&op->txn->failure, counts);
        } else {
            counts->operations++;
            counts->ordered += op->kind == KV_OP_RANGE && op->range->sort_order != 0;
            counts->keys_only += op->kind == KV_OP_RANGE && op->range->is_keys_only;
            counts->filtered += op->kind == KV_OP_RANGE && op->range->min_mod_revision != 0;
        }
    }
}

static void count_txn(struct bytes message, struct counts *counts)
{
    struct arena arena = {0};
    struct kv_txn_request *txn;
    assert_int_equal(decode_txn(message, KV_OPS_MAX, &arena, &txn), 0);
    assert_int_equal(kv_check_txn(txn, KV_OPS_MAX, &arena), 0);
    count_branch(&txn->success, counts);
    count_branch(&txn->failure, counts);
    arena_deinit(&arena);
}

TEST(record, says_a_txn_in_many_ways_and_each_of_them_alike_when_asked_again)
{
    struct chronicle history;
    struct buffer first = {0};
    struct buffer again = {0};
    struct counts counts = {0};
    chronicle_init(&history);
    for (size_t i = 0; i < OPERATIONS; i++) {
        add_txn(&history);
        buffer_clear(&first, SIZE_MAX);
        buffer_clear(&again, SIZE_MAX);
        assert_int_equal(record_encode(&history, i, &first), KV_COMMAND_TXN);
        assert_int_equal(record_encode(&history, i, &again), KV_COMMAND_TXN);
        assert_int_equal(bytes_compare(buffer_bytes(&first), buffer_bytes(&again)), 0);
        count_txn(buffer_bytes(&first), &counts);
    }
    assert_int_equal(counts.operations, 4 * OPERATIONS);
    assert_in_range(counts.nested, OPERATIONS / 20, 2 * OPERATIONS);
    assert_in_range(counts.ordered, OPERATIONS / 20, OPERATIONS);
    assert_in_range(counts.keys_only, OPERATIONS / 20, OPERATIONS);
    assert_in_range(counts.filtered, OPERATIONS / 20, OPERATIONS);
    buffer_deinit(&first);
    buffer_deinit(&again);
    chronicle_deinit(&history);
}
