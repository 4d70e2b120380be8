/* arena.h -- memory that is taken in small pieces and given back all at once. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

/* All zero is an empty arena. It grows by chunks of the system's memory. */
struct arena {
    struct arena_chunk *chunks; /* The one in use first; NULL before the first piece. */
    uint8_t *next;              /* Where the next piece goes; aligned. */
    uint8_t *end;               /* One past the chunk in use. */
};

/* `size` bytes aligned for anything, not cleared, or NULL when there is no memory. They hold
 * until arena_reset() or arena_deinit(). A size of 0 gives a pointer not to be read. */
void *arena_allocate(struct arena *arena, size_t size);

/* Make the piece that was taken last, of `old_size` bytes, larger or smaller, and return where it
 * lies now; what it held moves with it. NULL when there is no memory: then it is as it was. What
 * it leaves is free for the next pieces, or given back where it was a large chunk of its own, so a
 * growing array takes the memory of its last size and not of all of them. */
void *arena_resize(struct arena *arena, void *piece, size_t old_size, size_t size);

/* Take every piece back. One chunk of ordinary size is kept for the next pieces, so an arena
 * that serves small requests in turn never goes back to the system. */
void arena_reset(struct arena *arena);

/* Take every piece back and give all memory to the system; the arena may be used again. */
void arena_deinit(struct arena *arena);

#endif /* BASE_ARENA_H */
