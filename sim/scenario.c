/* scenario.c -- partitions by name, permanent, in which somebody must still make progress.
 *
 * The three of OmniPaxos (Ng, Haridi, Carbone, EuroSys 2023, section 2) have stopped real systems:
 * etcd, ZooKeeper and others either elect nobody, or elect again and again, although one member
 * hears a quorum. In `constrained` that member lags behind, as in the paper. One-way links have
 * done the same (Cloudflare, 2 November 2020). */
#include "sim/scenario.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "sim/workload.h"

enum {
    WRITES = 20,     /* Before. */
    WRITES_EACH = 5, /* Of each that must make progress; and as many reads. */
    TRY_US = 100000,
    SETTLED_ELECTIONS = 20
};

struct stage {
    struct world world;
    struct swarm swarm;
    struct cluster *cluster;
    struct workload *workload;
    struct run_result *result;
};

static uint32_t leader_of(const struct stage *stage)
{
    const uint32_t nodes = cluster_nodes(stage->cluster);
    for (uint32_t node = 0; node < nodes; node++) {
        struct replica_status status;
        replica_status(cluster_replica(stage->cluster, node), &status);
        if (status.is_leader) {
            return node;
        }
    }
    return nodes;
}

/* Members that hear a majority, themselves included, and are heard by it. */
static uint64_t find_connected(const struct partition *partition)
{
    uint64_t connected = 0;
    for (uint32_t node = 0; node < partition->nodes; node++) {
        uint32_t count = 1;
        for (uint32_t other = 0; other < partition->nodes; other++) {
            count += other != node && !partition_cuts(partition, node, other) &&
                     !partition_cuts(partition, other, node);
        }
        if (count > partition->nodes / 2) {
            connected |= (uint64_t)1 << node;
        }
    }
    return connected;
}

int scenario_is_sensible(enum partition_shape shape, uint32_t nodes)
{
    const struct partition partition = {.shape = shape, .nodes = nodes, .other = 1, .side = 1};
    const uint32_t least = shape == PARTITION_CONSTRAINED || shape == PARTITION_RING ? 4 : 3;
    return shape != PARTITION_RANDOM && nodes >= least && find_connected(&partition) != 0;
}

static void fail(struct stage *stage, const char *what)
{
    char where[400];
    cluster_describe(stage->cluster, where, sizeof where);
    snprintf(stage->result->failure, sizeof stage->result->failure, "liveness: %s: %s", what,
             where);
}

/* Until there is a leader, and something was written through every node. Returns the leader. */
static uint32_t warm_up(struct stage *stage)
{
    const uint64_t until = stage->world.now_us + run_progress_limit(&stage->swarm);
    for (uint32_t node = 0; node < cluster_nodes(stage->cluster); node++) {
        cluster_start(stage->cluster, node);
    }
    for (uint32_t i = 0; i < WRITES; i++) {
        (void)workload_probe(stage->workload, i % cluster_nodes(stage->cluster), until);
    }
    while (leader_of(stage) == cluster_nodes(stage->cluster) &&
           world_step(&stage->world, until) != 0) {
    }
    return leader_of(stage);
}

/* The one that will hear all misses what the others write now. */
static void leave_behind(struct stage *stage, const struct partition *partition)
{
    struct partition before = *partition;
    before.shape = PARTITION_CHAINED;
    (void)partition_apply(&before, cluster_net(stage->cluster));
    for (uint32_t i = 0; i < WRITES; i++) {
        (void)workload_probe(stage->workload, partition->centre, stage->world.now_us + TRY_US);
    }
}

/* Each of those who reach a quorum gets so many writes through, and reads: who does not hear the
 * leader itself must not depose it, but hears somebody who does (docs/decisions/0009). */
static void demand_progress(struct stage *stage, const struct partition *partition)
{
    const uint64_t begun = stage->world.now_us;
    const uint64_t until = begun + run_progress_limit(&stage->swarm);
    uint64_t left = find_connected(partition);
    uint32_t done[NET_NODES_MAX] = {0};
    for (uint32_t i = 0; left != 0 && stage->world.now_us < until; i++) {
        const uint32_t node = i % partition->nodes;
        if (((left >> node) & 1) != 0) {
            done[node] +=
                (uint32_t)workload_probe(stage->workload, node, stage->world.now_us + TRY_US);
            left &= ~((uint64_t)(done[node] >= WRITES_EACH) << node);
        }
    }
    if (left != 0) {
        fail(stage, "somebody reaches a quorum, and its writes are not acknowledged");
    }
    stage->result->operations = workload_done(stage->workload);
    stage->result->progress_us = stage->world.now_us - begun;
}

/* The highest round in which one of them has voted, or stood. */
static uint64_t find_round(const struct stage *stage, uint64_t members)
{
    uint64_t round = 0;
    for (uint32_t node = 0; node < cluster_nodes(stage->cluster); node++) {
        struct replica_status status;
        replica_status(cluster_replica(stage->cluster, node), &status);
        if (((members >> node) & 1) != 0 && status.term > round) {
            round = status.term;
        }
    }
    return round;
}

/* By now all has been said. Who leads goes on leading, and none of those who reach a quorum stands
 * against it. That a follower loses sight of the leader for a moment, and who is cut off for good,
 * is no matter. */
static void demand_peace(struct stage *stage, const struct partition *partition)
{
    const uint64_t connected = find_connected(partition);
    const uint64_t election_us = (uint64_t)stage->swarm.cluster.election_ms * 1000;
    const uint64_t until = stage->world.now_us + SETTLED_ELECTIONS * election_us;
    const uint64_t round = find_round(stage, connected);
    const uint32_t leader = leader_of(stage);
    while (world_step(&stage->world, until) != 0) {
    }
    if (leader_of(stage) != leader || find_round(stage, connected) != round) {
        fail(stage, "the lead changes hands, and nothing else has changed");
    }
}

static void play(struct stage *stage, enum partition_shape shape)
{
    const uint32_t nodes = cluster_nodes(stage->cluster);
    const uint32_t leader = warm_up(stage);
    if (leader == nodes) {
        fail(stage, "nobody leads a whole cluster");
        return;
    }
    struct partition partition = {.shape = shape, .nodes = nodes, .centre = leader};
    partition.other = (leader + 1 + (uint32_t)world_below(&stage->world, nodes - 1)) % nodes;
    partition.side = (uint64_t)1 << partition.other;
    if (shape == PARTITION_CONSTRAINED) {
        leave_behind(stage, &partition);
    }
    net_heal(cluster_net(stage->cluster));
    world_trace(&stage->world, "cut", shape, leader);
    (void)partition_apply(&partition, cluster_net(stage->cluster));
    demand_progress(stage, &partition);
    if (stage->result->failure[0] == 0) {
        demand_peace(stage, &partition);
    }
}

void scenario_run(const struct run_options *options, struct run_result *result)
{
    const enum partition_shape shape = options->scenario;
    struct swarm_limits limits = {
        .without = UINT64_MAX, .is_spared = 1, .nodes = 3 + (uint32_t)(options->seed % 3)};
    struct stage *stage = world_allocate(sizeof *stage); /* It outlives a jump out of here. */
    stage->result = result;
    if (!scenario_is_sensible(shape, limits.nodes)) {
        limits.nodes = SCENARIO_NODES;
    }
    world_init(&stage->world, options->seed, options->is_verbose);
    stage->world.witness = options->witness;
    run_set_world(&stage->world);
    swarm_draw(&stage->swarm, &stage->world, &limits);
    stage->cluster = cluster_new(&stage->world, &stage->swarm.cluster);
    stage->workload = workload_new(&stage->world, stage->cluster, &stage->swarm.workload);
    play(stage, shape);
    if (cluster_violation(stage->cluster) != NULL) {
        snprintf(result->failure, sizeof result->failure, "%s", cluster_violation(stage->cluster));
    }
    result->trace = stage->world.trace;
    result->simulated_us = stage->world.now_us;
    result->events = stage->world.events;
    result->nodes = cluster_nodes(stage->cluster);
    if (options->on_end != NULL) {
        options->on_end(options->context, stage->cluster, &stage->swarm);
    }
    cluster_free(stage->cluster);
    workload_free(stage->workload);
    world_deinit(&stage->world);
    free(stage);
}
