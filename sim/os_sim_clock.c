/* os_sim_clock.c -- a node's own clock, and the timers that ring by it.
 *
 * The clock is a line through (world_us, local_us) with the slope rate_ppm; a fault draws another
 * line from here on. Timers are due by the local clock, and their events are made at the moment of
 * the world in which the present line gets there. */
#include <stdlib.h>

#include "base/assert.h"
#include "sim/os_sim_internal.h"

enum {
    MILLION = 1000000
};

struct os_timer {
    struct list link; /* In os_sim.timers. */
    struct os_sim *sim;
    os_callback callback;
    void *context;
    uint64_t due_us;     /* When it rings by the node's clock, while it runs. */
    uint64_t pending_us; /* The earliest event on its way for it, by the world's; 0: none. */
    uint32_t events;     /* On their way. */
    int is_running;
    int is_dead; /* Freed by its owner: kept until no event names it. */
};

/* -- The clock ------------------------------------------------------------------------------ */

uint64_t os_sim_now_us(struct os *os)
{
    const struct os_sim *sim = os_sim_of(os);
    const uint64_t passed = sim->world->now_us - sim->clock.world_us;
    return sim->clock.local_us + passed * sim->clock.rate_ppm / MILLION;
}

uint64_t os_sim_wall_ms(struct os *os)
{
    return os_sim_of(os)->world->now_us / 1000;
}

/* The first moment of the world at which the node's clock shows `local_us`, not before the next. */
static uint64_t world_time(const struct os_sim *sim, uint64_t local_us)
{
    const uint64_t ahead = local_us > sim->clock.local_us ? local_us - sim->clock.local_us : 0;
    const uint64_t rate = sim->clock.rate_ppm;
    const uint64_t at = sim->clock.world_us + (ahead * MILLION + rate - 1) / rate;
    return at > sim->world->now_us ? at : sim->world->now_us + 1;
}

/* -- Timers --------------------------------------------------------------------------------- */

struct os_timer *os_sim_timer_new(struct os *os, os_callback callback, void *context)
{
    struct os_timer *timer = world_allocate(sizeof *timer);
    timer->sim = os_sim_of(os);
    timer->callback = callback;
    timer->context = context;
    list_append(&timer->sim->timers, &timer->link);
    return timer;
}

static void forget(struct os_timer *timer)
{
    list_remove(&timer->link);
    free(timer);
}

static void ring(void *object, uint64_t at_us);

/* A timer is moved far more often than it rings. So moving it later only notes that; the event
 * that is on its way finds out, and makes the next. A clock that stands rings nothing. */
static void await(struct os_timer *timer)
{
    struct os_sim *sim = timer->sim;
    if (sim->clock.rate_ppm == 0) {
        return;
    }
    const uint64_t at = world_time(sim, timer->due_us);
    if (timer->pending_us == 0 || timer->pending_us > at) {
        timer->pending_us = at;
        timer->events++;
        world_after(sim->world, at - sim->world->now_us, ring, timer, at);
    }
}

static void ring(void *object, uint64_t at_us)
{
    struct os_timer *timer = object;
    struct os_sim *sim = timer->sim;
    if (timer->is_running && os_sim_defer(sim, ring, object, at_us)) {
        return;
    }
    timer->events--;
    if (at_us == timer->pending_us) {
        timer->pending_us = 0;
    }
    if (timer->is_dead && timer->events == 0) {
        forget(timer);
    } else if (timer->is_running && timer->due_us > os_sim_now_us(&sim->os)) {
        await(timer);
    } else if (timer->is_running && !sim->is_dead) {
        timer->is_running = 0;
        os_sim_touch(sim);
        timer->callback(timer->context);
    }
}

void os_sim_timer_start(struct os_timer *timer, uint64_t delay_us)
{
    timer->is_running = 1;
    timer->due_us = os_sim_now_us(&timer->sim->os) + (delay_us == 0 ? 1 : delay_us);
    await(timer);
}

void os_sim_timer_stop(struct os_timer *timer)
{
    timer->is_running = 0;
}

void os_sim_timer_free(struct os_timer *timer)
{
    timer->is_running = 0;
    timer->is_dead = 1;
    if (timer->events == 0) {
        forget(timer);
    }
}

void os_sim_timers_stop(struct os_sim *sim)
{
    struct list *at;
    struct list *following;
    LIST_FOREACH (&sim->timers, at, following) {
        LIST_ITEM(at, struct os_timer, link)->is_running = 0;
    }
}

void os_sim_timers_free(struct os_sim *sim)
{
    while (!list_is_empty(&sim->timers)) {
        forget(LIST_ITEM(sim->timers.next, struct os_timer, link));
    }
}

void os_sim_set_clock(struct os_sim *sim, uint32_t rate_ppm, uint64_t jump_us)
{
    struct list *at;
    struct list *following;
    sim->clock.local_us = os_sim_now_us(&sim->os) + jump_us;
    sim->clock.world_us = sim->world->now_us;
    sim->clock.rate_ppm = rate_ppm;
    LIST_FOREACH (&sim->timers, at, following) {
        struct os_timer *timer = LIST_ITEM(at, struct os_timer, link);
        if (timer->is_running) {
            await(timer);
        }
    }
}
