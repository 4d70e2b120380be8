/* world.c -- virtual time: a heap of events, one generator, one hash. */
#include "sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void *world_allocate(size_t size)
{
    void *memory = calloc(1, size == 0 ? 1 : size);
    if (memory == NULL) {
        fprintf(stderr, "sim: out of memory\n");
        abort();
    }
    return memory;
}

static int is_before(const struct world_event *left, const struct world_event *right)
{
    return left->at_us != right->at_us ? left->at_us < right->at_us
                                       : left->sequence < right->sequence;
}

static void sift_up(struct world *world, size_t at)
{
    while (at > 0 && is_before(&world->heap[at], &world->heap[(at - 1) / 2])) {
        const struct world_event event = world->heap[at];
        world->heap[at] = world->heap[(at - 1) / 2];
        world->heap[(at - 1) / 2] = event;
        at = (at - 1) / 2;
    }
}

static void sift_down(struct world *world, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < world->count; child++) {
            if (is_before(&world->heap[child], &world->heap[least])) {
                least = child;
            }
        }
        if (least == at) {
            return;
        }
        const struct world_event event = world->heap[at];
        world->heap[at] = world->heap[least];
        world->heap[least] = event;
        at = least;
    }
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
    world->heap[world->count] = (struct world_event){.at_us = world->now_us + delay_us,
                                                     .sequence = world->sequence++,
                                                     .handler = handler,
                                                     .object = object,
                                                     .argument = argument};
    sift_up(world, world->count++);
}

int world_step(struct world *world, uint64_t until_us)
{
    if (world->count == 0 || world->heap[0].at_us > until_us) {
        world->now_us = until_us > world->now_us ? until_us : world->now_us;
        return 0;
    }
    const struct world_event event = world->heap[0];
    world->heap[0] = world->heap[--world->count];
    sift_down(world, 0);
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

static uint64_t mix(uint64_t hash, uint64_t value)
{
    struct prng prng = {.state = hash ^ value};
    return prng_next(&prng);
}

void world_trace(struct world *world, const char *what, uint64_t first, uint64_t second)
{
    world->trace = mix(world->trace, world->now_us);
    for (const char *at = what; *at != 0; at++) {
        world->trace = mix(world->trace, (uint64_t)(unsigned char)*at);
    }
    world->trace = mix(mix(world->trace, first), second);
    if (world->is_verbose) {
        printf("%9" PRIu64 ".%03" PRIu64 " ms  %-12s %" PRIu64 " %" PRIu64 "\n",
               world->now_us / 1000, world->now_us % 1000, what, first, second);
    }
}
