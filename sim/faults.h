/* faults.h -- the misfortunes of one seed, one after the other. */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "sim/partition.h"
#include "sim/swarm.h"

struct faults;

/* How a node outside of a healed quorum goes wrong for good. Those of the quorum ... */
#define FATE_MAP(X)                                                                                \
    X(FATE_DEAD, "dead")                                                                           \
    X(FATE_PAUSED, "paused")                                                                       \
    X(FATE_SLOW_CLOCK, "slow-clock")                                                               \
    X(FATE_UNHEARD, "unheard") /* ... do not hear it; ... */                                       \
    X(FATE_DEAF, "deaf")       /* ... it does not hear them; ... */                                \
    X(FATE_CUT_OFF, "cut-off") /* ... or both. */                                                  \
    X(FATE_DYING, "dying")     /* Again and again. */                                              \
    X(FATE_FLAPPING, "flapping")                                                                   \
    X(FATE_HANGING_ON, "hanging-on") /* By its links with one whom the others go on hearing. */

#define FATE_ENUM(name, text) name,
enum fate {
    FATE_MAP(FATE_ENUM) FATE_END
};

/* Never NULL. */
const char *fate_name(enum fate fate);

/* What has happened, and how often. */
struct fault_counts {
    uint32_t kinds[FAULT_END];      /* Of those in the air: 1 if they were. */
    uint32_t shapes[PARTITION_END]; /* Of cuts that cut something. */
    uint32_t fates[FATE_END];
};

/* All of them are borrowed while it lives. It sets the cluster's events. */
struct faults *faults_new(struct world *world, const struct swarm *swarm, struct cluster *cluster,
                          struct workload *workload);
void faults_free(struct faults *faults);

/* Begin; from then on they come by themselves, until faults_end(). */
void faults_start(struct faults *faults);

/* No more of them: nodes that are down are started again, and stay up as far as their disks let
 * them; the network is whole, clocks go right, disks do what they are told. */
void faults_end(struct faults *faults);

/* As above for the `quorum` (bits) alone, links among them included: whatever else is wrong stays
 * wrong for good, and the nodes outside get one more thing that does. */
void faults_heal_quorum(struct faults *faults, uint64_t quorum);

/* How many there were of each kind. Borrowed while it lives. */
const struct fault_counts *faults_counts(const struct faults *faults);

#endif /* SIM_FAULTS_H */
