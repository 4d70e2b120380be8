/* shrink.h -- a run that fails, made smaller until nothing can be taken away from it. */
#ifndef SIM_SHRINK_H
#define SIM_SHRINK_H

#include "sim/settings.h"
#include "sim/swarm.h"

/* What is counted of a run, besides its kinds of fault. */
enum shrink_number {
    SHRINK_MISFORTUNES,
    SHRINK_NODES,
    SHRINK_CLIENTS,
    SHRINK_OPERATIONS,
    SHRINK_NUMBERS
};

/* How large a run is. */
struct shrink_size {
    uint64_t faults;    /* Kinds that come; bits. */
    uint32_t variation; /* The judge's own: of the runs that are so large, the one that fails. */
    uint32_t numbers[SHRINK_NUMBERS];
};

/* True if a run of that size still fails. Asked the same twice, it says the same. */
typedef int (*shrink_judge)(void *context, struct shrink_size *size);

/* Find a size that fails, with `size`, which does, to begin with: smaller in no respect that any
 * one step down would not end the failure. A step down is one kind of fault less, or any number
 * less by one. Sets `size`, and returns how often the judge was asked. */
uint32_t shrink_search(struct shrink_size *size, shrink_judge judge, void *context);

/* The limits that make a seed so small. */
struct swarm_limits shrink_limits(const struct shrink_size *size);

/* True if it has happened after so many events, of the same run. */
typedef int (*shrink_moment_judge)(void *context, uint64_t events);

/* The fewest events after which it has, if it is so from then on: sought from `guess` on up, and
 * then by halves. 0: it does not happen at all. */
uint64_t shrink_moment(uint64_t guess, shrink_moment_judge judge, void *context);

/* Run the one seed of the settings, and make it smaller if it fails: draws what is left of it, and
 * prints the lines that repeat that. Returns 0 if it does not fail, 1 if it does. */
int shrink_seed(const struct settings *settings);

/* The same for a run that has failed among many, as far as a minute goes. `picture` is a file to
 * draw into as well, or NULL. A scenario is drawn as it is. */
void shrink_first(const struct run_options *failed, const char *picture);

#endif /* SIM_SHRINK_H */
