/* cluster_internal.h -- nodes and their processes, for the files of the cluster. */
#ifndef SIM_CLUSTER_INTERNAL_H
#define SIM_CLUSTER_INTERNAL_H

#include "sim/cluster.h"
#include "sim/ledger.h"
#include "sim/testimony.h"
#include "sim/watch.h"

struct node {
    struct os_sim *os;
    struct replica *replica; /* NULL: no process. */
    uint64_t starts;
    int is_ending;     /* It has died, failed or stopped, and is not buried yet. */
    int has_run;       /* It was running once, so its disk holds the table of members. */
    int has_table;     /* So it does, and that was known when some life ended. */
    int has_trouble;   /* Its disk has refused something in this life, or may have. */
    int is_in_trouble; /* Its disk refuses things now. */
    int was_full;      /* It has been full in this life. */
    int is_full;
    int is_damaged;
    int is_wiped;
    int is_refused; /* For its damage: it stays down. */
    struct cluster *cluster;
    uint32_t index;
    struct machine *machine;
    struct ledger_machine watched; /* Around the machine. */
    int64_t revision;              /* Before the command that is being applied. */
};

struct cluster {
    struct world *world;
    struct net *net;
    struct cluster_options options;
    struct node nodes[NET_NODES_MAX];
    struct ledger ledger;
    struct watch *watch; /* Of each step of each core. */
    struct cluster_counts counts;
    uint64_t steps;            /* Of all cores. */
    struct chronicle *history; /* NULL: states are not reported. */
    struct testimony testimony;
    const struct cluster_events *events;
    void *context;
};

/* Whole snapshots on the node's disk. */
uint32_t cluster_snapshots(const struct cluster *cluster, uint32_t index);

/* The node's process ends: whether its disk holds the table of members. */
void cluster_note_table(struct node *node);

/* What must hold when a node begins to vote: every member has the table of members on its disk. */
void cluster_look_at_founding(struct cluster *cluster, uint32_t index);

/* What must hold of a process at any time. */
void cluster_look_at(struct cluster *cluster, uint32_t index);

/* All that its core, if it has one yet, asserts of itself; and its store, too. Everything that they
 * hold is looked at, so not often. */
void cluster_scan_core(const struct cluster *cluster, uint32_t index);
void cluster_scan(const struct cluster *cluster, uint32_t index);

#endif /* SIM_CLUSTER_INTERNAL_H */
