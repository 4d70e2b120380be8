/* sight.h -- what all seeds together have come by, and what they should have: else the simulator is
 * blind there, and a run that found nothing says little. */
#ifndef SIM_SIGHT_H
#define SIM_SIGHT_H

#include <stdio.h>

#include "sim/run.h"

struct sight {
    uint64_t seeds;
    uint64_t kinds[FAULT_END]; /* How often each fault happened, all seeds together; ... */
    uint64_t shapes[PARTITION_END];
    uint64_t fates[FATE_END];
    uint64_t marks[MARKS_MAX]; /* ... and each mark was come by. */
    uint64_t spared;           /* Seeds without any misfortune, as they should be; ... */
    uint64_t numbers[MISFORTUNES_MAX + 1]; /* ... and of the others how many had so many. */
    uint64_t least_seed;                   /* The lowest of those that had fewest. */
};

/* All zero has seen nothing. One more seed ran. */
void sight_add(struct sight *sight, uint64_t seed, const struct run_result *result);

/* The misfortunes of the seeds that were not spared: the median, and the least. 0: of no seed. */
uint32_t sight_median(const struct sight *sight);
uint32_t sight_least(const struct sight *sight);

/* Print what happened how often; with `has_marks` each mark, too. */
void sight_print(const struct sight *sight, int has_marks, FILE *to);

/* After enough seeds, of which nothing was taken away: name whatever none of them has come by.
 * Returns how much that is. */
uint32_t sight_judge(const struct sight *sight, const struct swarm_limits *limits, FILE *to);

#endif /* SIM_SIGHT_H */
