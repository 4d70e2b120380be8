/* run.h -- one seed: a cluster, its clients, its misfortunes, and the verdict. */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include <stdint.h>

struct run_options {
    uint64_t seed;
    uint32_t operations; /* 0: as the seed says. */
    int is_verbose;      /* Print the trace. */
};

struct run_result {
    uint64_t trace; /* Hash of all that happened. */
    uint64_t simulated_us;
    uint64_t events;
    uint64_t operations; /* Done, of all that were begun. */
    uint64_t faults;     /* Kills, cuts and stalls. */
    uint64_t kills;
    uint64_t leaders;
    uint64_t restores;
    char failure[768]; /* "" if all is well. */
};

/* An assertion that fails inside is a failure of the seed like any other; the memory of that
 * world is then lost. */
void run_seed(const struct run_options *options, struct run_result *result);

#endif /* SIM_RUN_H */
