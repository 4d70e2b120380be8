/* farm.h -- many seeds, on all the cores of the machine. */
#ifndef SIM_FARM_H
#define SIM_FARM_H

#include "sim/run.h"

/* Told of every seed when it is done, in no order. */
typedef void (*farm_callback)(void *context, uint64_t seed, const struct run_result *result);

/* Run `count` seeds from `options->seed` on, in `jobs` processes. Returns 0, or -1 if a process
 * could not be made or died: then seeds are missing. */
int farm_run(const struct run_options *options, uint64_t count, uint32_t jobs,
             farm_callback callback, void *context);

#endif /* SIM_FARM_H */
