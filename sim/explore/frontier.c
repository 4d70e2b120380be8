/* frontier.c -- a list of chunks behind a lock that is seldom taken. */
#include "sim/explore/frontier.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"

void frontier_init(struct frontier *frontier)
{
    *frontier = (struct frontier){0};
    pthread_mutex_init(&frontier->mutex, NULL);
}

void frontier_deinit(struct frontier *frontier)
{
    struct frontier_chunk *chunk;
    while ((chunk = frontier_take(frontier)) != NULL) {
        free(chunk);
    }
    pthread_mutex_destroy(&frontier->mutex);
}

struct frontier_chunk *frontier_chunk_new(void)
{
    struct frontier_chunk *chunk = malloc(sizeof *chunk);
    assert(chunk != NULL);
    chunk->next = NULL;
    chunk->count = 0;
    chunk->used = 0;
    return chunk;
}

void frontier_give(struct frontier *frontier, struct frontier_chunk *chunk)
{
    pthread_mutex_lock(&frontier->mutex);
    chunk->next = frontier->first;
    frontier->first = chunk;
    frontier->count += chunk->count;
    atomic_fetch_add(&frontier->bytes, sizeof *chunk);
    pthread_mutex_unlock(&frontier->mutex);
}

struct frontier_chunk *frontier_take(struct frontier *frontier)
{
    pthread_mutex_lock(&frontier->mutex);
    struct frontier_chunk *chunk = frontier->first;
    if (chunk != NULL) {
        frontier->first = chunk->next;
        frontier->count -= chunk->count;
        atomic_fetch_sub(&frontier->bytes, sizeof *chunk);
    }
    pthread_mutex_unlock(&frontier->mutex);
    return chunk;
}
