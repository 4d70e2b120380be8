/* cluster.h -- a whole cluster of real replicas on simulated nodes.
 *
 * What runs here is the production code: core, log, peers, replica, store; only os.h beneath
 * and the clients above are the simulation's. Each replica's machine is watched: all must
 * apply the same commands in the same slots. */
#ifndef SIM_CLUSTER_H
#define SIM_CLUSTER_H

#include "kv/kv.h"
#include "replica/replica.h"
#include "sim/net.h"
#include "sim/os_sim.h"
#include "sim/world.h"

struct cluster_options {
    uint32_t nodes;
    uint64_t snapshot_bytes;
    uint64_t tail_bytes;
    uint64_t cache_bytes;
    uint32_t segment_bytes;
    uint32_t heartbeat_ms;
    uint32_t election_ms;
    struct net_options net;
    struct os_sim_options os;
};

struct cluster;

struct cluster *cluster_new(struct world *world, const struct cluster_options *options);
void cluster_free(struct cluster *cluster);

/* From now on network and disks are quick and faultless. */
void cluster_calm(struct cluster *cluster);

struct net *cluster_net(struct cluster *cluster);
uint32_t cluster_nodes(const struct cluster *cluster);

/* A process on a node: is one there, start one, kill it. */
int cluster_is_up(const struct cluster *cluster, uint32_t node);
void cluster_start(struct cluster *cluster, uint32_t node);
void cluster_kill(struct cluster *cluster, uint32_t node);

/* Of a node that is up; borrowed until it dies. Tell the node after using them. */
struct replica *cluster_replica(struct cluster *cluster, uint32_t node);
struct kv *cluster_kv(struct cluster *cluster, uint32_t node);
void cluster_touch(struct cluster *cluster, uint32_t node);

/* True if all nodes are up, have applied the same and hold the same state. */
int cluster_is_equal(const struct cluster *cluster);

/* What went wrong, or NULL: two replicas applied different things, or one failed. */
const char *cluster_violation(const struct cluster *cluster);

/* Where every node stands, in a line. */
void cluster_describe(const struct cluster *cluster, char *text, size_t size);

struct cluster_counts {
    uint64_t starts;
    uint64_t kills;
    uint64_t leaders;  /* Changes of leader, over all nodes. */
    uint64_t applied;  /* The highest slot. */
    uint64_t restores; /* Snapshots loaded. */
};
struct cluster_counts cluster_counts(const struct cluster *cluster);

#endif /* SIM_CLUSTER_H */
