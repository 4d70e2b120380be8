/* visited_test.c -- what the explorer remembers: parts by number, states by fingerprint. */
#include "sim/explore/memo.h"
#include "sim/explore/pool.h"
#include "sim/explore/visited.h"
#include "test.h"

enum {
    MANY = 100000
};

TEST(pool, gives_equal_bytes_one_number_and_keeps_them)
{
    static struct pool pool;
    static struct pool other;
    pool_init(&pool);
    pool_init(&other);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(pool_enter(&pool, &i, sizeof i), i);
    }
    for (uint32_t i = 0; i < MANY; i += 7) {
        assert_int_equal(pool_enter(&pool, &i, sizeof i), i);
        assert_memory_equal(pool_at(&pool, i).data, &i, sizeof i);
    }
    assert_int_equal(pool_enter(&pool, NULL, 0), MANY); /* Nothing is something, too. */
    assert_int_equal(pool_enter(&pool, NULL, 0), MANY);
    const uint32_t last = MANY - 1;
    const uint32_t number = pool_enter(&other, &last, sizeof last);
    assert_int_equal(pool_hash(&pool, last), pool_hash(&other, number));
    pool_deinit(&pool);
    pool_deinit(&other);
}

TEST(visited, knows_each_fingerprint_once_as_it_grows)
{
    struct visited visited;
    visited_init(&visited);
    for (uint64_t i = 0; i < MANY; i++) {
        assert_int_equal(visited_add(&visited, i * UINT64_C(0x9e3779b97f4a7c15)), 1);
    }
    assert_int_equal(visited_reserve(&visited, MANY, UINT64_C(1) << 22, UINT64_C(1) << 30), 0);
    for (uint64_t i = 0; i < MANY; i++) {
        assert_int_equal(visited_add(&visited, i * UINT64_C(0x9e3779b97f4a7c15)), 0);
    }
    assert_int_equal(visited_add(&visited, 5), 1);
    visited_deinit(&visited);
}

TEST(visited, takes_no_more_memory_than_it_may)
{
    struct visited visited;
    visited_init(&visited);
    assert_int_equal(visited_reserve(&visited, 0, UINT64_C(1) << 30, UINT64_C(1) << 24), -1);
    assert_int_equal(visited_add(&visited, 5), 1); /* And goes on with what it has. */
    visited_deinit(&visited);
}

TEST(memo, finds_what_was_kept_and_nothing_else)
{
    struct memo memo;
    memo_init(&memo);
    for (uint32_t i = 1; i <= MANY; i++) {
        assert_null(memo_find(&memo, i, i % 3));
        memo_keep(&memo, &(struct memo_entry){i, i % 3, {i, 2 * i, 3 * i}});
    }
    for (uint32_t i = 1; i <= MANY; i++) {
        const uint32_t *values = memo_find(&memo, i, i % 3);
        assert_non_null(values);
        assert_true(values[0] == i && values[1] == 2 * i && values[2] == 3 * i);
        assert_null(memo_find(&memo, i, 3));
    }
    memo_deinit(&memo);
}
