/* cluster.h -- a whole cluster of real replicas on simulated nodes.
 *
 * What runs here is the production code: core, log, peers, replica, store; only os.h beneath
 * and the clients above are the simulation's. Each replica's machine is watched: all must
 * apply the same commands in the same slots. */
#ifndef SIM_CLUSTER_H
#define SIM_CLUSTER_H

#include <stdio.h>

#include "check/chronicle.h"
#include "kv/kv.h"
#include "replica/replica.h"
#include "sim/net.h"
#include "sim/os_sim.h"
#include "sim/world.h"

/* What a member keeps, and may be given anew whenever it starts: struct replica_options. */
struct cluster_limits {
    uint64_t snapshot_bytes;
    uint64_t tail_bytes;
    uint64_t cache_bytes;
    uint64_t backlog_bytes_max; /* 0: the default. */
    uint32_t segment_bytes;
    uint32_t pending_max; /* 0: the default. */
};

struct cluster_options {
    uint32_t nodes;
    struct cluster_limits limits;
    /* Draws what a member has from this start on; NULL: all have `limits` all the time. */
    void (*refit)(struct cluster_limits *limits, struct world *world);
    uint32_t window;       /* 0: the default. */
    uint32_t report_every; /* At so many revisions a node reports its state to the history. */
    uint32_t heartbeat_ms;
    uint32_t election_ms;
    uint64_t distance_us_max; /* Between two nodes: each pair draws its own. */
    uint32_t lame;            /* The disk of this node ... */
    uint64_t lame_us;         /* ... takes so much longer for a flush, for good. */
    int has_frail_snapshots;  /* Damage comes to them, too: disk.h. */
    struct net_options net;
    struct os_sim_options os;
};

struct cluster;

/* Told of processes that end by themselves. */
struct cluster_events {
    void (*on_death)(void *context, uint32_t node); /* From now on it answers nobody. */
    void (*on_down)(void *context, uint32_t node);  /* It is gone: another may be started. */
};

struct cluster *cluster_new(struct world *world, const struct cluster_options *options);
void cluster_free(struct cluster *cluster);

/* From now on the network is quick and faultless; and the node's process is awake and is not about
 * to be killed, its clock goes right and its disk is quick and does what it is told. */
void cluster_calm(struct cluster *cluster);
void cluster_calm_node(struct cluster *cluster, uint32_t node);

/* How quick the node's loop and disk are from now on, but for what is lame. */
void cluster_set_os(struct cluster *cluster, uint32_t node, const struct os_sim_options *os);

struct net *cluster_net(struct cluster *cluster);
uint32_t cluster_nodes(const struct cluster *cluster);

/* From now on nodes report their states there, as often as the options say. Borrowed for good. */
void cluster_set_history(struct cluster *cluster, struct chronicle *history);

/* All is over: tell that history what became of writes whose clients learned nothing. */
void cluster_testify(const struct cluster *cluster);

/* `events` is borrowed for good. Without it nobody is told. */
void cluster_set_events(struct cluster *cluster, const struct cluster_events *events,
                        void *context);

/* A process on a node: is one there, may one be started (a node that refused its damaged disk
 * stays down), start one, kill it. A start may fail where the node's disk makes trouble: then
 * on_down is told. With `has_power_cut` what was not synced is lost. */
int cluster_is_up(const struct cluster *cluster, uint32_t node);
int cluster_can_start(const struct cluster *cluster, uint32_t node);
void cluster_start(struct cluster *cluster, uint32_t node);
void cluster_kill(struct cluster *cluster, uint32_t node, int has_power_cut);

/* It will die at its `calls`-th call to the os from now on; or it stops in good order. Both are
 * told by the events. */
void cluster_kill_at(struct cluster *cluster, uint32_t node, uint64_t calls, int has_power_cut);
void cluster_stop(struct cluster *cluster, uint32_t node);

/* A process that stands still, or whose clock goes wrong. */
void cluster_pause(struct cluster *cluster, uint32_t node, uint64_t duration_us);
int cluster_is_paused(const struct cluster *cluster, uint32_t node);
void cluster_set_clock(struct cluster *cluster, uint32_t node, uint32_t rate_ppm, uint64_t jump_us);

/* A disk that refuses. Where writes fail, the node counts as damaged: after a failed sync nobody
 * knows what is on the disk, and to refuse it later is right. */
void cluster_set_trouble(struct cluster *cluster, uint32_t node,
                         const struct os_sim_trouble *trouble);

/* True if some node has been running once. Before, every node is needed. */
int cluster_has_begun(const struct cluster *cluster);

/* True if every node has been running once. Before, the cluster needs all its disks. */
int cluster_is_founded(const struct cluster *cluster);

/* Damage what a node has on its disk; a wipe ends the process. Returns 0 if nothing was done: the
 * cluster is not founded yet, or there was nothing to damage. */
int cluster_damage(struct cluster *cluster, uint32_t node, enum disk_damage damage);

/* True if the node's disk was neither wiped nor refused: it owes what all owe, once it is up. */
int cluster_is_able(const struct cluster *cluster, uint32_t node);

/* Of a node that is up; borrowed until it dies. Tell the node after using them. */
struct replica *cluster_replica(struct cluster *cluster, uint32_t node);
struct kv *cluster_kv(struct cluster *cluster, uint32_t node);
void cluster_touch(struct cluster *cluster, uint32_t node);

/* True if all nodes that can be are up, have applied the same and hold the same state. */
int cluster_is_equal(struct cluster *cluster);

/* What went wrong, or NULL: two replicas applied different things, or one failed. */
const char *cluster_violation(const struct cluster *cluster);

/* Where every node stands, in a line. */
void cluster_describe(const struct cluster *cluster, char *text, size_t size);

/* The same and more, a line for each node. */
void cluster_print(const struct cluster *cluster, FILE *to);

struct cluster_counts {
    uint64_t starts;
    uint64_t kills;
    uint64_t leaders;  /* Changes of leader, over all nodes. */
    uint64_t applied;  /* The highest slot. */
    uint64_t restores; /* Snapshots loaded. */
    uint64_t steps;    /* Of all cores, each held against the reference. */
    uint64_t refusals; /* Disks refused for their damage. */
};
struct cluster_counts cluster_counts(const struct cluster *cluster);

#endif /* SIM_CLUSTER_H */
