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

static size_t chunk_bytes(const struct arena *arena)
{
    struct chunk { /* As arena.c has it. */
        struct chunk *older;
        size_t size;
    };
    size_t bytes = 0;
    for (const struct chunk *chunk = (const struct chunk *)(const void *)arena->chunks;
         chunk != NULL; chunk = chunk->older) {
        bytes += chunk->size;
    }
    return bytes;
}

/* An array that doubles takes the memory of its last size and not of all of them. */
TEST(arena, gives_back_what_a_growing_piece_has_left)
{
    struct arena arena = {0};
    size_t size = 10;
    uint8_t *piece = arena_allocate(&arena, 100);
    assert_non_null(piece);
    piece = arena_allocate(&arena, size);

    for (; size < 10u << 20; size *= 2) {
        memset(piece, (int)(size % 251), size);
        uint8_t *larger = arena_resize(&arena, piece, size, size * 2);
        assert_non_null(larger);
        assert_true(size * 2 > 8000 || larger == piece);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(larger[i], size % 251);
        }
        piece = larger;
    }
    assert_true(chunk_bytes(&arena) <= 2 * size + 16 * 1024);
    arena_deinit(&arena);
}

TEST(arena, has_room_again_when_a_piece_is_made_smaller)
{
    struct arena arena = {0};
    void *piece = arena_allocate(&arena, 1 << 20);

    assert_ptr_equal(arena_resize(&arena, piece, 1 << 20, 10), piece);
    const size_t bytes = chunk_bytes(&arena);
    assert_non_null(arena_allocate(&arena, 1 << 19));
    assert_int_equal(chunk_bytes(&arena), bytes);
    arena_deinit(&arena);
}

TEST(arena, leaves_a_piece_as_it_was_where_it_cannot_grow)
{
    struct arena arena = {0};
    uint8_t *piece = arena_allocate(&arena, 8);

    memcpy(piece, "seven..", 8);
    assert_null(arena_resize(&arena, piece, 8, SIZE_MAX / 2));
    assert_string_equal((const char *)piece, "seven..");
    const uint8_t *next = arena_allocate(&arena, 8);
    assert_true(next >= piece + 8);
    arena_deinit(&arena);
}
