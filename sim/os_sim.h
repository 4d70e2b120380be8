/* os_sim.h -- os.h for one node of a simulation: virtual time, a simulated disk and network. */
#ifndef SIM_OS_SIM_H
#define SIM_OS_SIM_H

#include "os/os.h"
#include "sim/disk.h"
#include "sim/net.h"
#include "sim/world.h"

struct os_sim;

struct os_sim_options {
    uint64_t turn_us_max;  /* A turn of the loop gathers what comes within this. */
    uint64_t flush_us_min; /* A job on a worker takes this long at least, ... */
    uint64_t flush_us_max; /* ... and this at most, ... */
    uint32_t stall_ppm;    /* ... but of a million, so many take as long as stall_us. */
    uint64_t stall_us;
    uint32_t late_percent; /* So many are done at the end of that time, the others when they are
                            * asked for. */
};

/* What the disk refuses, until it is told otherwise. */
struct os_sim_trouble {
    uint32_t read_ppm;  /* Of a million reads, so many fail with EIO. */
    uint32_t write_ppm; /* Of a million writes and syncs. What such a sync was to make durable is
                         * on the disk in part, and no later sync brings the rest. */
    int is_full;        /* Nothing that needs room is done: ENOSPC. */
    int is_tight;       /* Everything is done, but who asks hears that there is no room. */
};

/* A node with an empty disk. */
struct os_sim *os_sim_new(struct world *world, struct net *net, uint32_t node,
                          const struct os_sim_options *options);
void os_sim_set_options(struct os_sim *sim, const struct os_sim_options *options);
void os_sim_set_trouble(struct os_sim *sim, const struct os_sim_trouble *trouble);
void os_sim_free(struct os_sim *sim);

struct os *os_sim_os(struct os_sim *sim);
struct disk *os_sim_disk(struct os_sim *sim);

/* Something was handed to the node's process: its turn ends before long. */
void os_sim_touch(struct os_sim *sim);

/* The process stands still for so long: what comes meanwhile it sees afterwards. */
void os_sim_pause(struct os_sim *sim, uint64_t duration_us);
int os_sim_is_paused(const struct os_sim *sim);

/* From now on the node's clock runs at `rate_ppm` millionths of the world's (0: it stands), after
 * it has jumped ahead by `jump_us`. It never goes back: it is the monotonic one. */
void os_sim_set_clock(struct os_sim *sim, uint32_t rate_ppm, uint64_t jump_us);

/* The process will die at its `calls`-th call to the os from now on (at least 1): before that call
 * happens, in the middle of whatever it was doing. `callback` is told in that moment; it must see
 * to it that os_sim_kill() is called once the stack is gone. */
void os_sim_die_at(struct os_sim *sim, uint64_t calls, os_callback callback, void *context);

/* It will not, after all. */
void os_sim_live_on(struct os_sim *sim);
int os_sim_is_dead(const struct os_sim *sim);

/* Whether a death of the process is one of the machine, too: then what was not synced is lost. */
void os_sim_set_power(struct os_sim *sim, int fails_with_process);

/* The process dies where it stands, unless it has. Timers, hooks and streams are gone. Jobs that
 * a worker had are told to `done`, so that the dead process's memory can be freed; nothing that
 * it does any more reaches disk or network. */
void os_sim_kill(struct os_sim *sim);

/* Finish what a dead process still asks of its workers while it is freed. */
void os_sim_drain(struct os_sim *sim);

/* A new process may use the node. */
void os_sim_revive(struct os_sim *sim);

#endif /* SIM_OS_SIM_H */
