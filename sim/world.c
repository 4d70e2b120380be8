/* world.c -- virtual time: a heap of events, one generator, one hash. */
#include "sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"

void world_init(struct world *world, uint64_t seed, int is_verbose)
{
    *world = (struct world){.prng = {.state = seed}, .is_verbose = is_verbose};
    (void)prng_next(&world->prng);
}

void world_deinit(struct world *world)
{
    free(world->heap);
    world->heap = NULL;
}

static void *demand(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "sim: out of memory\n");
        abort();
    }
    return memory;
}

void *world_allocate(size_t size)
{
    return demand(calloc(1, size == 0 ? 1 : size));
}

void *world_reallocate(void *memory, size_t size)
{
    return demand(realloc(memory, size == 0 ? 1 : size));
}

enum {
    DEFER_US = 50000
};

static int is_before(const struct world_event *left, const struct world_event *right)
{
    return left->at_us != right->at_us ? left->at_us < right->at_us
                                       : left->sequence < right->sequence;
}

/* The heap has four children to a node: half as deep as one of two, and the four lie side by side.
 * Events do not swap places on their way; a hole moves, and the event goes in at its end. */
static void sift_up(struct world *world, size_t hole, const struct world_event *event)
{
    while (hole > 0 && is_before(event, &world->heap[(hole - 1) / 4])) {
        world->heap[hole] = world->heap[(hole - 1) / 4];
        hole = (hole - 1) / 4;
    }
    world->heap[hole] = *event;
}

static void sift_down(struct world *world, size_t hole, const struct world_event *event)
{
    for (;;) {
        const size_t first = 4 * hole + 1;
        const size_t end = first + 4 < world->count ? first + 4 : world->count;
        if (first >= end) {
            break;
        }
        size_t least = first;
        for (size_t child = first + 1; child < end; child++) {
            least = is_before(&world->heap[child], &world->heap[least]) ? child : least;
        }
        if (!is_before(&world->heap[least], event)) {
            break;
        }
        world->heap[hole] = world->heap[least];
        hole = least;
    }
    world->heap[hole] = *event;
}

void world_after(struct world *world, uint64_t delay_us, world_handler handler, void *object,
                 uint64_t argument)
{
    if (world->count == world->capacity) {
        world->capacity = world->capacity == 0 ? 256 : world->capacity * 2;
        world->heap = realloc(world->heap, world->capacity * sizeof *world->heap);
        if (world->heap == NULL) {
            abort();
        }
    }
    const struct world_event event = {.at_us = world->now_us + delay_us,
                                      .sequence = world->sequence++,
                                      .handler = handler,
                                      .object = object,
                                      .argument = argument};
    sift_up(world, world->count++, &event);
}

void world_defer(struct world *world, uint64_t until_us, world_handler handler, void *object,
                 uint64_t argument)
{
    const uint64_t look = (world->now_us / DEFER_US + 1) * DEFER_US;
    const uint64_t at = until_us < look ? until_us : look;
    assert(until_us > world->now_us);
    world_after(world, at - world->now_us, handler, object, argument);
}

int world_step(struct world *world, uint64_t until_us)
{
    if (world_is_halted(world)) {
        return 0;
    }
    if (world->count == 0 || world->heap[0].at_us > until_us) {
        world->now_us = until_us > world->now_us ? until_us : world->now_us;
        return 0;
    }
    const struct world_event event = world->heap[0];
    const struct world_event last = world->heap[--world->count];
    if (world->count > 0) {
        sift_down(world, 0, &last);
    }
    assert(event.at_us >= world->now_us);
    world->now_us = event.at_us;
    world->events++;
    event.handler(event.object, event.argument);
    return 1;
}

uint64_t world_below(struct world *world, uint64_t limit)
{
    return prng_below(&world->prng, limit);
}

int world_chance(struct world *world, uint64_t numerator, uint64_t denominator)
{
    return prng_chance(&world->prng, numerator, denominator);
}

void world_trace(struct world *world, const char *what, uint64_t first, uint64_t second)
{
    const uint64_t fact[4] = {world->trace, world->now_us, first, second};
    world->trace = XXH3_64bits_withSeed(fact, sizeof fact, XXH3_64bits(what, strlen(what)));
    world_show(world, what, first, second);
    if (world->is_verbose) {
        printf("%9" PRIu64 ".%03" PRIu64 " ms  %-12s %" PRIu64 " %" PRIu64 "\n",
               world->now_us / 1000, world->now_us % 1000, what, first, second);
    }
}
