/* scenario.h -- partitions by name, permanent, in which somebody must still make progress. */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "sim/partition.h"
#include "sim/run.h"

enum {
    SCENARIO_NODES = 5 /* Every scenario makes sense with so many. */
};

/* One cluster, drawn from options->seed and without any other fault: once it has a leader and has
 * written something, links break in the shape options->scenario around the leader, for good. Then
 * somebody who reaches a quorum in both directions must get one write after the other through,
 * within the bound that liveness has in every run. result->progress_us says how long it took. */
void scenario_run(const struct run_options *options, struct run_result *result);

/* True if a cluster of so many can come apart like this, and somebody reaches a quorum then. */
int scenario_is_sensible(enum partition_shape shape, uint32_t nodes);

#endif /* SIM_SCENARIO_H */
