/* farm.h -- many seeds, on all the cores of the machine. */
#ifndef SIM_FARM_H
#define SIM_FARM_H

#include "sim/run.h"

struct farm_options {
    struct run_options run; /* run.seed is the first. */
    uint64_t seeds;         /* So many at most. */
    uint64_t seconds;       /* None is begun later; 0: whenever. */
    uint32_t seconds_each;  /* One that takes longer is ended; 0: it may take its time. */
    uint32_t jobs;          /* So many at a time. */
    int is_quiet;           /* What they say on standard error nobody hears. */
};

/* Told of every seed when it is done, in no order. A seed that has ended its process has failed:
 * "crash: ..."; nothing else is known of it. */
typedef void (*farm_callback)(void *context, uint64_t seed, const struct run_result *result);

/* Run them. Returns 0, or -1 if a process could not be made, or was ended between two seeds: then
 * seeds are missing. */
int farm_run(const struct farm_options *options, farm_callback callback, void *context);

#endif /* SIM_FARM_H */
