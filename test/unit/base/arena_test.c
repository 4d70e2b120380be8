/* arena_test.c -- memory in small pieces, given back all at once. */
#include "test.h"

#include <string.h>

#include "base/arena.h"

TEST(arena, gives_pieces_that_do_not_overlap)
{
    struct arena arena = {0};
    uint8_t *pieces[500];

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 500; i++) {
            pieces[i] = arena_allocate(&arena, i * 7);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % 16, 0);
            memset(pieces[i], (int)(i % 251), i * 7);
        }
        for (size_t i = 0; i < 500; i++) {
            for (size_t at = 0; at < i * 7; at++) {
                assert_int_equal(pieces[i][at], i % 251);
            }
        }
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}

TEST(arena, gives_the_same_memory_again_after_a_reset)
{
    struct arena arena = {0};
    assert_non_null(arena_allocate(&arena, 100));

    for (int i = 0; i < 1000; i++) {
        assert_non_null(arena_allocate(&arena, 100));
    }
    const void *large = arena_allocate(&arena, 1 << 20);
    assert_non_null(large);
    arena_reset(&arena);
    const void *again = arena_allocate(&arena, 100);
    arena_reset(&arena);
    assert_ptr_equal(arena_allocate(&arena, 100), again);
    arena_deinit(&arena);
}

TEST(arena, refuses_sizes_that_cannot_be)
{
    struct arena arena = {0};

    assert_null(arena_allocate(&arena, SIZE_MAX));
    assert_null(arena_allocate(&arena, SIZE_MAX / 2));
    assert_non_null(arena_allocate(&arena, 1));
    arena_reset(&arena);
    arena_deinit(&arena);
    arena_reset(&arena);
}

TEST(arena, keeps_no_large_chunk_after_a_reset)
{
    struct arena arena = {0};

    assert_non_null(arena_allocate(&arena, 1 << 20));
    arena_reset(&arena);
    assert_null(arena.chunks);
    assert_non_null(arena_allocate(&arena, 10));
    arena_reset(&arena);
    assert_non_null(arena.chunks);
    arena_deinit(&arena);
}
