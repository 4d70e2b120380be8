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
};

/* A node with an empty disk. */
struct os_sim *os_sim_new(struct world *world, struct net *net, uint32_t node,
                          const struct os_sim_options *options);
void os_sim_set_options(struct os_sim *sim, const struct os_sim_options *options);
void os_sim_free(struct os_sim *sim);

struct os *os_sim_os(struct os_sim *sim);

/* Something was handed to the node's process: its turn ends before long. */
void os_sim_touch(struct os_sim *sim);

/* The process dies where it stands, and with it the power of its disk. Timers, hooks and
 * streams are gone. Jobs that a worker had are told to `done`, so that the dead process's
 * memory can be freed; nothing that it does any more reaches disk or network. */
void os_sim_kill(struct os_sim *sim);

/* Finish what a dead process still asks of its workers while it is freed. */
void os_sim_drain(struct os_sim *sim);

/* A new process may use the node. */
void os_sim_revive(struct os_sim *sim);

#endif /* SIM_OS_SIM_H */
