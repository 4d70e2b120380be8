/* kv_test.c -- etcd's rules, one claim each. */
#include "test.h"

#include <string.h>

#include "base/arena.h"
#include "failing_heap.h"
#include "kv/kv.h"

static struct arena arena;

static struct bytes text(const char *from)
{
    return bytes_of_text(from);
}

static int64_t put(struct kv *kv, const char *key, const char *value)
{
    const struct kv_put_request request = {.key = text(key), .value = text(value)};
    struct kv_put_result result;
    assert_int_equal(kv_put(kv, &request, &result), 0);
    return result.revision;
}

static int64_t delete_range(struct kv *kv, const char *key, const char *end)
{
    const struct kv_delete_range_request request = {.key = text(key), .range_end = text(end)};
    struct kv_delete_range_result result;
    assert_int_equal(kv_delete_range(kv, &request, &arena, &result), 0);
    return result.deleted;
}

static int compact(struct kv *kv, int64_t revision)
{
    const struct kv_compaction_request request = {.revision = revision};
    struct kv_compaction_result result;
    return kv_compact(kv, &request, &result);
}

static struct kv_range_result range(struct kv *kv, const char *key, const char *end,
                                    int64_t revision)
{
    const struct kv_range_request request = {
        .key = text(key), .range_end = text(end), .revision = revision};
    struct kv_range_result result;
    assert_int_equal(kv_range(kv, &request, &arena, &result), 0);
    return result;
}

static int range_error(struct kv *kv, const char *key, int64_t revision)
{
    const struct kv_range_request request = {.key = text(key), .revision = revision};
    struct kv_range_result result;
    return kv_range(kv, &request, &arena, &result);
}

static const struct item *get(struct kv *kv, const char *key)
{
    const struct kv_range_result result = range(kv, key, "", 0);
    return result.item_count == 0 ? NULL : result.items[0];
}

static void assert_value(const struct item *item, const char *value)
{
    assert_non_null(item);
    assert_true(bytes_equal(item_value(item), text(value)));
}

static void end(struct kv *kv)
{
    kv_check(kv);
    kv_free(kv);
    arena_deinit(&arena);
}

/* A txn put together by hand: one operation after the other in the then branch. */
struct txn {
    struct kv_txn_request request;
    struct kv_op ops[8];
    struct kv_put_request puts[8];
    struct kv_delete_range_request deletions[8];
};

static void begin(struct txn *txn)
{
    memset(txn, 0, sizeof *txn);
    txn->request.success.txn = &txn->request;
    txn->request.failure.txn = &txn->request;
}

static struct kv_op *add(struct txn *txn, enum kv_op_kind kind)
{
    struct kv_branch *branch = &txn->request.success;
    struct kv_op *op = &txn->ops[branch->count++];
    *op = (struct kv_op){.branch = branch, .kind = kind};
    if (branch->last == NULL) {
        branch->first = op;
    } else {
        branch->last->next = op;
    }
    branch->last = op;
    return op;
}

static void add_put(struct txn *txn, const char *key, int ignores_value)
{
    struct kv_put_request *request = &txn->puts[txn->request.success.count];
    *request = (struct kv_put_request){.key = text(key), .ignores_value = (uint8_t)ignores_value};
    add(txn, KV_OP_PUT)->put = request;
}

static void add_deletion(struct txn *txn, const char *key, struct bytes range_end)
{
    struct kv_delete_range_request *request = &txn->deletions[txn->request.success.count];
    *request = (struct kv_delete_range_request){.key = text(key), .range_end = range_end};
    add(txn, KV_OP_DELETE_RANGE)->delete_range = request;
}

/* -- Revisions ------------------------------------------------------------------------------- */

TEST(kv, starts_at_revision_1_and_adds_one_per_write)
{
    struct kv *kv = kv_new();
    assert_int_equal(kv_revision(kv), 1);
    assert_int_equal(put(kv, "a", "1"), 2);
    assert_int_equal(put(kv, "a", "2"), 3);
    assert_int_equal(delete_range(kv, "a", ""), 1);
    assert_int_equal(kv_revision(kv), 4);
    end(kv);
}

TEST(kv, leaves_the_revision_alone_when_nothing_changes)
{
    struct kv *kv = kv_new();
    struct txn txn;
    struct kv_txn_result result;

    assert_int_equal(delete_range(kv, "a", "z"), 0);
    begin(&txn);
    assert_int_equal(kv_txn(kv, &txn.request, &arena, &result), 0);
    assert_int_equal(result.revision, 1);
    assert_int_equal(kv_revision(kv), 1);
    end(kv);
}

TEST(kv, gives_the_changes_of_a_txn_one_revision_in_order)
{
    struct kv *kv = kv_new();
    struct txn txn;
    struct kv_txn_result result;

    begin(&txn);
    add_put(&txn, "a", 0);
    add_put(&txn, "b", 0);
    assert_int_equal(kv_check_txn(&txn.request, KV_OPS_MAX, &arena), 0);
    assert_int_equal(kv_txn(kv, &txn.request, &arena, &result), 0);
    assert_int_equal(result.revision, 2);
    assert_int_equal(get(kv, "a")->mod_revision, 2);
    assert_int_equal(get(kv, "a")->sub, 0);
    assert_int_equal(get(kv, "b")->mod_revision, 2);
    assert_int_equal(get(kv, "b")->sub, 1);
    end(kv);
}

TEST(kv, counts_versions_from_creation_and_anew_after_a_deletion)
{
    struct kv *kv = kv_new();
    put(kv, "a", "1");
    put(kv, "a", "2");
    assert_int_equal(get(kv, "a")->version, 2);
    assert_int_equal(get(kv, "a")->create_revision, 2);
    assert_int_equal(get(kv, "a")->mod_revision, 3);
    delete_range(kv, "a", "");
    assert_null(get(kv, "a"));
    put(kv, "a", "3");
    assert_int_equal(get(kv, "a")->version, 1);
    assert_int_equal(get(kv, "a")->create_revision, 5);
    end(kv);
}

/* -- Compaction ------------------------------------------------------------------------------ */

TEST(kv, can_be_read_at_the_compacted_revision_but_not_below)
{
    struct kv *kv = kv_new();
    put(kv, "a", "1");
    put(kv, "a", "2");
    put(kv, "a", "3");
    assert_int_equal(compact(kv, 3), 0);
    kv_reclaim(kv, 100);
    assert_int_equal(range_error(kv, "a", 2), KV_ERR_COMPACTED);
    assert_value(range(kv, "a", "", 3).items[0], "2");
    assert_value(range(kv, "a", "", 4).items[0], "3");
    assert_int_equal(range_error(kv, "a", 5), KV_ERR_FUTURE);
    assert_int_equal(compact(kv, 3), KV_ERR_COMPACTED);
    assert_int_equal(compact(kv, 5), KV_ERR_FUTURE);
    end(kv);
}

TEST(kv, gives_back_the_memory_of_what_was_compacted)
{
    struct kv *kv = kv_new();
    struct kv_stats stats;

    for (int i = 0; i < 2000; i++) {
        put(kv, "a", "value");
        put(kv, "b", "value");
    }
    delete_range(kv, "b", "");
    assert_int_equal(compact(kv, kv_revision(kv)), 0);
    kv_stats(kv, &stats);
    assert_int_equal(stats.versions, 4001);
    assert_int_equal(kv_reclaim(kv, 10), 10);
    kv_check(kv);
    while (kv_reclaim(kv, 100) > 0) {
    }
    kv_stats(kv, &stats);
    assert_int_equal(stats.versions, 1);
    assert_int_equal(stats.keys, 1);
    assert_int_equal(stats.history_bytes, 0);
    end(kv);
}

/* etcd compacts at 0 once, and refuses -1: its store starts out as compacted at -1. */
TEST(kv, takes_a_first_compaction_at_0)
{
    struct kv *kv = kv_new();
    assert_int_equal(compact(kv, -1), KV_ERR_COMPACTED);
    assert_int_equal(compact(kv, 0), 0);
    assert_int_equal(compact(kv, 0), KV_ERR_COMPACTED);
    end(kv);
}

/* -- Put and Range --------------------------------------------------------------------------- */

TEST(put, keeps_what_it_is_told_to_keep)
{
    struct kv *kv = kv_new();
    struct kv_put_request request = {.key = text("a"), .ignores_value = 1, .wants_previous = 1};
    struct kv_put_result result;

    assert_int_equal(kv_put(kv, &request, &result), KV_ERR_KEY_NOT_FOUND);
    put(kv, "a", "old");
    assert_int_equal(kv_put(kv, &request, &result), 0);
    assert_value(get(kv, "a"), "old");
    assert_int_equal(result.previous->version, 1);
    assert_int_equal(get(kv, "a")->version, 2);
    request.ignores_value = 0;
    request.lease = 1;
    assert_int_equal(kv_put(kv, &request, &result), KV_ERR_LEASE_NOT_FOUND);
    assert_int_equal(kv_revision(kv), 3);
    end(kv);
}

TEST(range, knows_four_kinds_of_ends)
{
    struct kv *kv = kv_new();
    put(kv, "a", "");
    put(kv, "aa", "");
    put(kv, "b", "");
    assert_int_equal(range(kv, "a", "", 0).count, 1);
    assert_int_equal(range(kv, "a", "b", 0).count, 2);
    assert_int_equal(range(kv, "b", "a", 0).count, 0);
    const struct kv_range_request all = {.key = bytes_of("\0", 1), .range_end = bytes_of("\0", 1)};
    struct kv_range_result result;
    assert_int_equal(kv_range(kv, &all, &arena, &result), 0);
    assert_int_equal(result.count, 3);
    end(kv);
}

TEST(range, counts_before_it_filters_and_cuts)
{
    struct kv *kv = kv_new();
    put(kv, "a", "");
    put(kv, "b", "");
    put(kv, "c", "");
    const struct kv_range_request request = {.key = text("a"),
                                             .range_end = text("z"),
                                             .min_mod_revision = 3,
                                             .limit = 1,
                                             .sort_order = KV_SORT_DESCEND};
    struct kv_range_result result;
    assert_int_equal(kv_range(kv, &request, &arena, &result), 0);
    assert_int_equal(result.count, 3);
    assert_int_equal(result.item_count, 1);
    assert_true(bytes_equal(item_key(result.items[0]), text("c")));
    assert_true(result.has_more);
    end(kv);
}

/* etcd fetches limit + 1 keys and sorts those. */
TEST(range, sorts_only_what_the_limit_lets_in_when_no_order_is_given)
{
    struct kv *kv = kv_new();
    put(kv, "b", "");
    put(kv, "a", "");
    put(kv, "d", "");
    put(kv, "c", "");
    struct kv_range_request request = {
        .key = text("a"), .range_end = text("z"), .limit = 1, .sort_target = KV_SORT_MOD};
    struct kv_range_result result;
    assert_int_equal(kv_range(kv, &request, &arena, &result), 0);
    assert_true(bytes_equal(item_key(result.items[0]), text("b")));
    request.key = text("c");
    assert_int_equal(kv_range(kv, &request, &arena, &result), 0);
    assert_true(bytes_equal(item_key(result.items[0]), text("d")));
    request.key = text("a");
    request.sort_order = KV_SORT_DESCEND;
    assert_int_equal(kv_range(kv, &request, &arena, &result), 0);
    assert_true(bytes_equal(item_key(result.items[0]), text("c")));
    end(kv);
}

TEST(range, refuses_sort_options_that_there_are_not)
{
    static const int32_t options[][3] = {
        {0, 0, 0},
        {2, 4, 0},
        {-1, 0, KV_ERR_INVALID_SORT},
        {3, 0, KV_ERR_INVALID_SORT},
        {0, -1, KV_ERR_INVALID_SORT},
        {0, 5, KV_ERR_INVALID_SORT},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        const struct kv_range_request request = {
            .key = text("a"), .sort_order = options[i][0], .sort_target = options[i][1]};
        assert_int_equal(kv_check_range(&request), options[i][2]);
    }
}

/* -- Txn --------------------------------------------------------------------------------------- */

TEST(txn, refuses_two_puts_of_a_key_and_a_put_of_what_it_deletes)
{
    struct txn txn;

    begin(&txn);
    add_put(&txn, "a", 0);
    add_put(&txn, "a", 0);
    assert_int_equal(kv_check_txn(&txn.request, KV_OPS_MAX, &arena), KV_ERR_DUPLICATE_KEY);
    begin(&txn);
    add_put(&txn, "b", 0);
    add_deletion(&txn, "a", text("c"));
    assert_int_equal(kv_check_txn(&txn.request, KV_OPS_MAX, &arena), KV_ERR_DUPLICATE_KEY);
    begin(&txn);
    add_put(&txn, "c", 0);
    add_deletion(&txn, "a", text("c"));
    add_deletion(&txn, "b", text("c"));
    assert_int_equal(kv_check_txn(&txn.request, KV_OPS_MAX, &arena), 0);
    arena_deinit(&arena);
}

/* etcd lets this through its check, and a put that keeps its value then stops the server. */
TEST(txn, refuses_to_keep_the_value_of_a_key_that_it_deleted)
{
    struct kv *kv = kv_new();
    struct txn txn;
    struct kv_txn_result result;

    put(kv, "a", "1");
    put(kv, "b", "1");
    begin(&txn);
    add_deletion(&txn, "a", bytes_of("\0", 1));
    add_put(&txn, "b", 1);
    assert_int_equal(kv_check_txn(&txn.request, KV_OPS_MAX, &arena), 0);
    assert_int_equal(kv_txn(kv, &txn.request, &arena, &result), KV_ERR_KEY_NOT_FOUND);
    assert_int_equal(kv_revision(kv), 3);
    assert_value(get(kv, "b"), "1");

    txn.puts[1].ignores_value = 0;
    assert_int_equal(kv_txn(kv, &txn.request, &arena, &result), 0);
    assert_null(get(kv, "a"));
    assert_int_equal(get(kv, "b")->create_revision, 4);
    end(kv);
}

TEST(txn, does_nothing_when_a_later_operation_cannot_be_done)
{
    struct kv *kv = kv_new();
    struct txn txn;
    struct kv_txn_result result;
    struct kv_range_request future = {.key = text("a"), .revision = 2};

    begin(&txn);
    add_put(&txn, "a", 0);
    add(&txn, KV_OP_RANGE)->range = &future;
    assert_int_equal(kv_check_txn(&txn.request, KV_OPS_MAX, &arena), 0);
    assert_int_equal(kv_txn(kv, &txn.request, &arena, &result), KV_ERR_FUTURE);
    assert_null(get(kv, "a"));
    assert_int_equal(kv_revision(kv), 1);
    end(kv);
}

TEST(txn, is_serializable_when_all_its_ranges_are)
{
    struct txn txn;
    struct kv_range_request serializable = {.key = text("a"), .is_serializable = 1};
    struct kv_range_request linearizable = {.key = text("a")};

    begin(&txn);
    assert_true(kv_txn_is_read_only(&txn.request));
    assert_true(kv_txn_is_serializable(&txn.request));
    add(&txn, KV_OP_RANGE)->range = &serializable;
    assert_true(kv_txn_is_serializable(&txn.request));
    add(&txn, KV_OP_RANGE)->range = &linearizable;
    assert_true(kv_txn_is_read_only(&txn.request));
    assert_false(kv_txn_is_serializable(&txn.request));
    add_put(&txn, "a", 0);
    assert_false(kv_txn_is_read_only(&txn.request));
}

/* -- Errors and memory ------------------------------------------------------------------------- */

/* The texts are a contract with clients, so they stand here a second time. */
TEST(errors, have_the_codes_and_texts_of_etcd)
{
    static const struct {
        int error;
        int status;
        const char *text;
    } expected[] = {
        {KV_ERR_EMPTY_KEY, 3, "etcdserver: key is not provided"},
        {KV_ERR_KEY_NOT_FOUND, 3, "etcdserver: key not found"},
        {KV_ERR_VALUE_PROVIDED, 3, "etcdserver: value is provided"},
        {KV_ERR_LEASE_PROVIDED, 3, "etcdserver: lease is provided"},
        {KV_ERR_TOO_MANY_OPS, 3, "etcdserver: too many operations in txn request"},
        {KV_ERR_DUPLICATE_KEY, 3, "etcdserver: duplicate key given in txn request"},
        {KV_ERR_INVALID_SORT, 3, "etcdserver: invalid sort option"},
        {KV_ERR_LEASE_NOT_FOUND, 5, "etcdserver: requested lease not found"},
        {KV_ERR_COMPACTED, 11, "etcdserver: mvcc: required revision has been compacted"},
        {KV_ERR_FUTURE, 11, "etcdserver: mvcc: required revision is a future revision"},
        {KV_ERR_MALFORMED, 13, "grpc: error unmarshalling request: malformed message"},
        {KV_ERR_NO_MEMORY, 8, "etcdserver: too many requests"},
        {-1000, 2, "etcdserver: unknown error"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_int_equal(kv_error_status(expected[i].error), expected[i].status);
        assert_string_equal(kv_error_text(expected[i].error), expected[i].text);
    }
}

/* A put that finds no memory changes nothing, whichever allocation it is that fails. */
TEST(put, survives_the_failure_of_any_allocation)
{
    struct kv *kv = kv_new();
    uint32_t failures = 0;

    for (int i = 0; i < 3000; i++) {
        const char key[] = {(char)('a' + i % 26), (char)('a' + (i * 7) % 23),
                            (char)('a' + (i * 3) % 19), 0};
        const struct kv_put_request request = {.key = text(key), .value = text("v")};
        int error = KV_ERR_NO_MEMORY;
        for (uint64_t try = 1; error != 0; try++) {
            failing_heap_try(try);
            error = kv_put(kv, &request, NULL);
            failures += error != 0;
            assert_true(error == 0 || error == KV_ERR_NO_MEMORY);
        }
        failing_heap_set(0, 0);
        assert_int_equal(kv_revision(kv), i + 2);
        if (i % 100 == 0) {
            kv_check(kv);
        }
    }
    assert_true(failures > 2 * 3000);
    end(kv);
}

TEST(kv, survives_the_failure_of_its_first_allocation)
{
    failing_heap_set(1, 0);
    assert_null(kv_new());
    failing_heap_set(0, 0);
}

/* Reads have errors, too, and go on afterwards. */
TEST(range, survives_the_failure_of_any_allocation)
{
    struct kv *kv = kv_new();
    const struct kv_range_request request = {
        .key = text("a"), .range_end = text("z"), .sort_order = KV_SORT_DESCEND};
    struct kv_range_result result;
    int error = KV_ERR_NO_MEMORY;

    for (int i = 0; i < 10000; i++) {
        const char key[] = {(char)('a' + i % 26), (char)('a' + i / 26 % 26), (char)('a' + i / 676),
                            0};
        put(kv, key, "");
    }
    for (uint64_t try = 1; error != 0; try++) {
        arena_deinit(&arena);
        failing_heap_try(try);
        error = kv_range(kv, &request, &arena, &result);
        assert_true(error == 0 || error == KV_ERR_NO_MEMORY);
        assert_int_equal(error != 0, failing_heap_has_failed());
    }
    failing_heap_set(0, 0);
    assert_true(result.item_count > 9000);
    end(kv);
}

/* A deletion and a txn that run out of memory say so; the versions that are there stay whole. */
TEST(txn, survives_the_failure_of_any_allocation)
{
    uint32_t failures = 0;
    int error = KV_ERR_NO_MEMORY;

    for (uint64_t try = 1; error != 0; try++) {
        struct kv *kv = kv_new();
        struct kv_txn_result result;
        struct txn txn;

        for (int i = 0; i < 520; i++) { /* More than a block of history holds. */
            const char key[] = {'k', (char)('a' + i % 26), (char)('a' + i / 26), 0};
            put(kv, key, "value");
        }
        begin(&txn);
        add_put(&txn, "a", 0);
        add_deletion(&txn, "k", text("l"));
        arena_deinit(&arena);
        failing_heap_try(try);
        error = kv_check_txn(&txn.request, KV_OPS_MAX, &arena);
        if (error == 0) {
            error = kv_txn(kv, &txn.request, &arena, &result);
        }
        error = error == 0 ? result.lost : error;
        assert_int_equal(error, failing_heap_has_failed() ? KV_ERR_NO_MEMORY : 0);
        failing_heap_set(0, 0);
        failures += error != 0;
        if (error == 0) {
            assert_null(get(kv, "kaa"));
        }
        end(kv);
    }
    assert_true(failures > 2 * 520);
}
