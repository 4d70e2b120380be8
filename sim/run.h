/* run.h -- one seed: a cluster, its clients, its misfortunes, and the verdict. */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include <stdint.h>

#include "sim/faults.h"
#include "sim/marks.h"

struct run_options {
    uint64_t seed;
    struct swarm_limits limits;
    enum partition_shape scenario; /* Play this, see scenario.h; PARTITION_NONE: all that may be. */
    int is_verbose;                /* Print the trace. */
    const char *history;           /* A file to write what the clients did and saw into; or NULL. */
    uint64_t event_limit; /* Stop after so many events, without a verdict; 0: at the end. */
    const struct world_witness *witness; /* Told of all that happens; or NULL. */
    /* Shown the cluster as it is at the end; or NULL. */
    void (*on_end)(void *context, struct cluster *cluster, const struct swarm *swarm);
    void *context;
};

struct run_result {
    uint64_t trace; /* Hash of all that happened. */
    uint64_t simulated_us;
    uint64_t events;
    uint64_t operations;  /* Done, of all that were begun. */
    uint64_t progress_us; /* The longest that a healed quorum took to acknowledge a write. */
    uint64_t starts;
    uint64_t kills;
    uint64_t leaders;
    uint64_t restores;
    uint64_t refusals;
    uint64_t frames;
    uint32_t nodes;
    uint32_t clients;
    uint32_t is_spared;        /* No misfortunes came, for none should. */
    uint32_t marks[MARKS_MAX]; /* How often each was come by. */
    struct fault_counts faults;
    char doubt[768];   /* Which judge gave up on what clients saw, where none rejects it. */
    char failure[768]; /* "" if all is well. */
};

/* Misfortunes, of all kinds together. */
uint64_t run_misfortunes(const struct run_result *result);

/* What a healed quorum owes: a write through each of its members within so many microseconds. */
uint64_t run_progress_limit(const struct swarm *swarm);

/* The world that is simulated now, for those who ask for the time; or NULL. */
void run_set_world(struct world *world);
uint64_t run_now_us(void);

/* An assertion that fails inside is a failure of the seed like any other; the memory of that
 * world is then lost. */
void run_seed(const struct run_options *options, struct run_result *result);

#endif /* SIM_RUN_H */
