/* frontier.h -- the states of one level, written one after the other and read once.
 *
 * Chunks of memory in a list. A thread fills chunks of its own and hands them over when they
 * are full, and takes one whole chunk at a time to read. */
#ifndef SIM_EXPLORE_FRONTIER_H
#define SIM_EXPLORE_FRONTIER_H

#include <pthread.h>
#include <stdint.h>

enum {
    FRONTIER_CHUNK_BYTES = 1 << 18
};

struct frontier_chunk {
    struct frontier_chunk *next;
    uint32_t count; /* States in it. */
    uint32_t used;
    uint8_t bytes[FRONTIER_CHUNK_BYTES];
};

struct frontier {
    pthread_mutex_t mutex;
    struct frontier_chunk *first;
    uint64_t count;         /* States in all of it. */
    _Atomic uint64_t bytes; /* Of memory that its chunks take. */
};

void frontier_init(struct frontier *frontier);
void frontier_deinit(struct frontier *frontier);

/* An empty chunk of one's own. */
struct frontier_chunk *frontier_chunk_new(void);

/* Hand over a chunk, whoever made it. */
void frontier_give(struct frontier *frontier, struct frontier_chunk *chunk);

/* Take a chunk to read, and free() it then. NULL: there are no more. */
struct frontier_chunk *frontier_take(struct frontier *frontier);

#endif /* SIM_EXPLORE_FRONTIER_H */
