/* arena.c -- memory that is taken in small pieces and given back all at once. */
#include "base/arena.h"

#include <string.h>

#include "base/assert.h"
#include "base/heap.h"

enum {
    ARENA_CHUNK_SIZE = 16 * 1024, /* Bytes of an ordinary chunk, its header included. */
    ARENA_ALIGN = 16,             /* What malloc gives, and more than any type of ours needs. */
};

struct arena_chunk {
    struct arena_chunk *older;
    size_t size; /* Bytes, this header included. */
};

enum {
    ARENA_HEADER_SIZE = (sizeof(struct arena_chunk) + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN
};

static uint8_t *first_piece(struct arena_chunk *chunk)
{
    return (uint8_t *)chunk + ARENA_HEADER_SIZE;
}

/* Put a new chunk in use, with room for `size` bytes. What is left of the one in use is
 * lost until the reset. Large pieces double the chunk, so that many of them stay cheap. */
static int grow(struct arena *arena, size_t size)
{
    size_t wanted = ARENA_CHUNK_SIZE;
    if (size > SIZE_MAX / 4) {
        return -1;
    }
    while (wanted - ARENA_HEADER_SIZE < size) {
        wanted *= 2;
    }
    struct arena_chunk *chunk = heap_allocate(wanted);
    if (chunk == NULL) {
        return -1;
    }
    *chunk = (struct arena_chunk){.older = arena->chunks, .size = wanted};
    arena->chunks = chunk;
    arena->next = first_piece(chunk);
    arena->end = (uint8_t *)chunk + wanted;
    return 0;
}

void *arena_allocate(struct arena *arena, size_t size)
{
    assert(arena->next <= arena->end);

    const size_t room = (size_t)(arena->end - arena->next);
    if (arena->chunks == NULL || size > room) {
        if (grow(arena, size) != 0) {
            return NULL;
        }
    }
    uint8_t *piece = arena->next;
    const size_t left = (size_t)(arena->end - piece);
    const size_t taken = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    assert(left >= size);
    /* Rounding up may pass the end of a chunk only by what alignment would waste anyway. */
    arena->next = taken < left ? piece + taken : arena->end;
    return piece;
}

void *arena_resize(struct arena *arena, void *piece, size_t old_size, size_t size)
{
    struct arena_chunk *chunk = arena->chunks;
    uint8_t *const next = arena->next;
    assert(chunk != NULL);
    assert((uint8_t *)piece >= first_piece(chunk) && (uint8_t *)piece <= next);
    assert((size_t)(next - (uint8_t *)piece) >= old_size);
    assert((size_t)(next - (uint8_t *)piece) < old_size + ARENA_ALIGN);

    arena->next = piece;
    if (size <= (size_t)(arena->end - arena->next)) {
        return arena_allocate(arena, size);
    }
    if (grow(arena, size) != 0) {
        arena->next = next;
        return NULL;
    }
    memcpy(arena->next, piece, old_size);
    if (piece == first_piece(chunk) && chunk->size != ARENA_CHUNK_SIZE) {
        arena->chunks->older = chunk->older;
        heap_release(chunk);
    }
    return arena_allocate(arena, size);
}

/* Free every chunk but `kept`, which may be NULL. */
static void free_chunks(struct arena *arena, const struct arena_chunk *kept)
{
    struct arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct arena_chunk *older = chunk->older;
        if (chunk != kept) {
            heap_release(chunk);
        }
        chunk = older;
    }
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *kept = arena->chunks;
    while (kept != NULL && kept->size != ARENA_CHUNK_SIZE) {
        kept = kept->older;
    }
    if (kept == NULL) {
        arena_deinit(arena);
        return;
    }
    if (arena->chunks != kept || kept->older != NULL) {
        free_chunks(arena, kept);
        kept->older = NULL;
    }
    arena->chunks = kept;
    arena->next = first_piece(kept);
    arena->end = (uint8_t *)kept + kept->size;
}

void arena_deinit(struct arena *arena)
{
    free_chunks(arena, NULL);
    *arena = (struct arena){0};
}
