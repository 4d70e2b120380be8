/* faults.h -- the misfortunes of one seed, one after the other. */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "sim/swarm.h"

struct faults;

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

/* How many there were of each kind; FAULT_END counts. */
const uint64_t *faults_counts(const struct faults *faults);

#endif /* SIM_FAULTS_H */
