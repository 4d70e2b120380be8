/* world.h -- virtual time: events in order, one seed for all chance, one hash of all that was.
 *
 * Everything that happens in a simulation is an event at some microsecond. Events of the same
 * moment run in the order in which they were made, and all chance comes from the world's one
 * generator, so a seed gives the same run every time, and the trace hash proves it. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stddef.h>
#include <stdint.h>

#include "base/prng.h"

typedef void (*world_handler)(void *object, uint64_t argument);

struct world_event {
    uint64_t at_us;
    uint64_t sequence; /* Parts events of the same moment. */
    world_handler handler;
    void *object;
    uint64_t argument;
};

/* Somebody who is told what happens, to draw it. Nothing that it does changes the run. */
struct world_frame {
    uint32_t from;
    uint32_t to;
    uint64_t sent_us;
    int is_lost;
    const uint8_t *bytes;
    size_t size;
};

struct world;
struct world_witness {
    void (*on_fact)(void *context, const struct world *world, const char *what, uint64_t first,
                    uint64_t second);
    void (*on_frame)(void *context, const struct world *world, const struct world_frame *frame);
    void *context;
};

struct world {
    uint64_t now_us;
    uint64_t sequence;
    uint64_t trace;  /* Hash of all that was traced. */
    uint64_t events; /* Run so far. */
    struct prng prng;
    struct world_event *heap;
    size_t count;
    size_t capacity;
    int is_verbose;                      /* Print what is traced. */
    uint64_t event_limit;                /* Nothing happens after so many events; 0: no limit. */
    const struct world_witness *witness; /* NULL: none. */
};

void world_init(struct world *world, uint64_t seed, int is_verbose);
void world_deinit(struct world *world);

/* Call `handler` in `delay_us`. Aborts without memory: a simulation has nothing to save. */
void world_after(struct world *world, uint64_t delay_us, world_handler handler, void *object,
                 uint64_t argument);

/* The same for something that must wait until `until_us`, or less if whoever waits is let go
 * before: so it is called again now and then. Those who wait keep their order. */
void world_defer(struct world *world, uint64_t until_us, world_handler handler, void *object,
                 uint64_t argument);

/* Run the next event. Returns 0 if there is none at or before `until_us`; time is then
 * `until_us`. */
int world_step(struct world *world, uint64_t until_us);

/* True if the limit of events was reached. */
static inline int world_is_halted(const struct world *world)
{
    return world->event_limit != 0 && world->events >= world->event_limit;
}

/* Chance. */
uint64_t world_below(struct world *world, uint64_t limit);
int world_chance(struct world *world, uint64_t numerator, uint64_t denominator);

/* Enter a fact into the trace: a literal, and two numbers that say which. */
void world_trace(struct world *world, const char *what, uint64_t first, uint64_t second);

/* Something that is not part of the trace by itself, and only worth seeing; ... */
static inline void world_show(const struct world *world, const char *what, uint64_t first,
                              uint64_t second)
{
    if (world->witness != NULL) {
        world->witness->on_fact(world->witness->context, world, what, first, second);
    }
}

/* ... and a frame that arrived, or was lost. */
static inline void world_show_frame(const struct world *world, const struct world_frame *frame)
{
    if (world->witness != NULL) {
        world->witness->on_frame(world->witness->context, world, frame);
    }
}

/* Memory that is there, all zeroes, or the end; the same as realloc() gives it. */
void *world_allocate(size_t size);
void *world_reallocate(void *memory, size_t size);

#endif /* SIM_WORLD_H */
