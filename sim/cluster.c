/* cluster.c -- a whole cluster of real replicas on simulated nodes. */
#include "sim/cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"
#include "kv/machine.h"
#include "synod/error.h"

/* A replica's machine, and the chain of what it has applied: each link hashes the link before
 * and one command. The cluster knows the chain after each slot, so it notices the first slot
 * in which two replicas differ, also when one of them had been given a snapshot. */
struct watched {
    struct cluster *cluster;
    uint32_t node;
    struct machine *machine;
    struct synod_machine inner;
    synod_slot slot; /* Of the last command. */
    uint64_t chain;  /* After it. */
    int is_restored; /* The chain is that of the snapshot's slot, wherever that was. */
};

struct node {
    struct os_sim *os;
    struct replica *replica; /* NULL: no process. */
    struct watched watched;
};

struct cluster {
    struct world *world;
    struct net *net;
    struct cluster_options options;
    struct node nodes[NET_NODES_MAX];
    uint64_t *chains; /* By slot: the chain after it; 0: not known. */
    uint64_t chain_capacity;
    struct cluster_counts counts;
    char violation[512];
};

static void violate(struct cluster *cluster, const char *format, uint64_t first, uint64_t second)
{
    if (cluster->violation[0] == 0) {
        snprintf(cluster->violation, sizeof cluster->violation, format, first, second);
    }
}

/* -- Watching ----------------------------------------------------------------------------- */

static uint64_t *chain_at(struct cluster *cluster, synod_slot slot)
{
    if (slot >= cluster->chain_capacity) {
        uint64_t capacity = cluster->chain_capacity == 0 ? 1024 : cluster->chain_capacity;
        while (capacity <= slot) {
            capacity *= 2;
        }
        uint64_t *chains = world_allocate(capacity * sizeof *chains);
        if (cluster->chain_capacity > 0) {
            memcpy(chains, cluster->chains, cluster->chain_capacity * sizeof *chains);
        }
        free(cluster->chains);
        cluster->chains = chains;
        cluster->chain_capacity = capacity;
    }
    return &cluster->chains[slot];
}

/* The last command of a slot was applied: every replica must have the same chain here. */
static void close_slot(struct watched *watched)
{
    if (watched->slot == 0) {
        return;
    }
    uint64_t *known = chain_at(watched->cluster, watched->slot);
    if (*known == 0) {
        *known = watched->chain;
    } else if (*known != watched->chain) {
        violate(watched->cluster,
                "agreement: node %" PRIu64 " applied something else in slot %" PRIu64,
                watched->node, watched->slot);
    }
}

static void begin_slot(struct watched *watched, synod_slot slot)
{
    if (watched->is_restored) {
        /* Continue from the last slot before this one in which anybody applied anything. */
        synod_slot before = slot - 1;
        while (before > 0 && *chain_at(watched->cluster, before) == 0) {
            before--;
        }
        watched->chain = before == 0 ? 0 : *chain_at(watched->cluster, before);
        watched->is_restored = 0;
    } else {
        close_slot(watched);
    }
    if (slot <= watched->slot) {
        violate(watched->cluster, "order: node %" PRIu64 " applied slot %" PRIu64 " too late",
                watched->node, slot);
    }
    watched->slot = slot;
    if (slot > watched->cluster->counts.applied) {
        watched->cluster->counts.applied = slot;
    }
}

static const void *apply(void *context, const struct synod_command *command)
{
    struct watched *watched = context;
    if (command->slot != watched->slot) {
        begin_slot(watched, command->slot);
    }
    const uint64_t link[3] = {watched->chain, command->kind,
                              XXH3_64bits(command->data, command->size)};
    watched->chain = XXH3_64bits(link, sizeof link) | 1;
    return watched->inner.apply(watched->inner.context, command);
}

static uint64_t state_size(void *context)
{
    struct watched *watched = context;
    return watched->inner.state_size(watched->inner.context);
}

static void *snapshot_open(void *context)
{
    struct watched *watched = context;
    close_slot(watched);
    return watched->inner.snapshot_open(watched->inner.context);
}

static void snapshot_close(void *context, void *cursor)
{
    struct watched *watched = context;
    watched->inner.snapshot_close(watched->inner.context, cursor);
}

static int restore_begin(void *context)
{
    struct watched *watched = context;
    watched->is_restored = 1;
    watched->cluster->counts.restores++;
    return watched->inner.restore_begin(watched->inner.context);
}

static int restore_piece(void *context, const void *data, size_t size)
{
    struct watched *watched = context;
    return watched->inner.restore_piece(watched->inner.context, data, size);
}

static int restore_end(void *context)
{
    struct watched *watched = context;
    return watched->inner.restore_end(watched->inner.context);
}

/* -- Processes ---------------------------------------------------------------------------- */

static void on_running(void *context)
{
    struct watched *watched = context;
    world_trace(watched->cluster->world, "running", watched->node, 0);
}

static void on_leader(void *context)
{
    struct watched *watched = context;
    struct cluster *cluster = watched->cluster;
    struct replica_status status;
    replica_status(cluster->nodes[watched->node].replica, &status);
    cluster->counts.leaders++;
    world_trace(cluster->world, "leader", watched->node,
                status.has_leader ? status.leader + 1u : 0u);
}

static void on_failed(void *context, const struct report *report)
{
    struct watched *watched = context;
    struct cluster *cluster = watched->cluster;
    if (cluster->violation[0] == 0) {
        snprintf(cluster->violation, sizeof cluster->violation, "failure: node %u: %.400s",
                 watched->node, report->text);
    }
}

static void on_stopped(void *context)
{
    (void)context;
}

static const struct replica_events EVENTS = {
    .on_running = on_running,
    .on_leader = on_leader,
    .on_failed = on_failed,
    .on_stopped = on_stopped,
};

int cluster_is_up(const struct cluster *cluster, uint32_t node)
{
    return cluster->nodes[node].replica != NULL;
}

static void make_machine(struct cluster *cluster, uint32_t index, struct synod_machine *machine)
{
    struct watched *watched = &cluster->nodes[index].watched;
    *watched = (struct watched){.cluster = cluster, .node = index, .machine = machine_new()};
    assert(watched->machine != NULL);
    machine_callbacks(watched->machine, &watched->inner);
    *machine = (struct synod_machine){
        .context = watched,
        .apply = apply,
        .state_size = state_size,
        .snapshot_open = snapshot_open,
        .snapshot_read = watched->inner.snapshot_read,
        .snapshot_close = snapshot_close,
        .restore_begin = restore_begin,
        .restore_piece = restore_piece,
        .restore_end = restore_end,
    };
}

void cluster_start(struct cluster *cluster, uint32_t index)
{
    static const char *const NAMES[NET_NODES_MAX] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
    static const char *const ADDRESSES[NET_NODES_MAX] = {
        "node:0", "node:1", "node:2", "node:3", "node:4", "node:5", "node:6", "node:7", "node:8"};
    struct node *node = &cluster->nodes[index];
    struct replica_member members[NET_NODES_MAX];
    struct replica_options options;
    struct synod_machine machine;
    struct report report;

    assert(node->replica == NULL);
    for (uint32_t i = 0; i < cluster->options.nodes; i++) {
        members[i] = (struct replica_member){.name = NAMES[i], .address = ADDRESSES[i]};
    }
    replica_options_init(&options);
    options.data_dir = "data";
    options.listen = ADDRESSES[index];
    options.members = members;
    options.member_count = cluster->options.nodes;
    options.self = index;
    options.snapshot_bytes = cluster->options.snapshot_bytes;
    options.tail_bytes = cluster->options.tail_bytes;
    options.cache_bytes = cluster->options.cache_bytes;
    options.segment_bytes = cluster->options.segment_bytes;
    options.heartbeat_ms = cluster->options.heartbeat_ms;
    options.election_ms = cluster->options.election_ms;
    make_machine(cluster, index, &machine);
    cluster->counts.starts++;
    world_trace(cluster->world, "start", index, 0);
    options.machine = &machine;
    options.events = &EVENTS;
    options.context = &node->watched;
    const int error = replica_open(os_sim_os(node->os), &options, &report, &node->replica);
    if (error != 0) {
        if (cluster->violation[0] == 0) {
            snprintf(cluster->violation, sizeof cluster->violation,
                     "recovery: node %u cannot start: %.400s", index, report.text);
        }
        machine_free(node->watched.machine);
        node->replica = NULL;
    }
    os_sim_touch(node->os);
}

void cluster_kill(struct cluster *cluster, uint32_t index)
{
    struct node *node = &cluster->nodes[index];
    assert(node->replica != NULL);
    cluster->counts.kills++;
    world_trace(cluster->world, "kill", index, 0);
    replica_kill(node->replica);
    os_sim_kill(node->os);
    replica_free(node->replica);
    os_sim_drain(node->os);
    machine_free(node->watched.machine);
    node->replica = NULL;
    os_sim_revive(node->os);
}

struct replica *cluster_replica(struct cluster *cluster, uint32_t node)
{
    return cluster->nodes[node].replica;
}

struct kv *cluster_kv(struct cluster *cluster, uint32_t node)
{
    return machine_kv(cluster->nodes[node].watched.machine);
}

void cluster_touch(struct cluster *cluster, uint32_t node)
{
    os_sim_touch(cluster->nodes[node].os);
}

/* -- The whole ---------------------------------------------------------------------------- */

static void after_activity(void *context, uint32_t node)
{
    struct cluster *cluster = context;
    os_sim_touch(cluster->nodes[node].os);
}

struct cluster *cluster_new(struct world *world, const struct cluster_options *options)
{
    struct cluster *cluster = world_allocate(sizeof *cluster);
    cluster->world = world;
    cluster->options = *options;
    cluster->net = net_new(world, &options->net);
    net_on_activity(cluster->net, after_activity, cluster);
    for (uint32_t i = 0; i < options->nodes; i++) {
        cluster->nodes[i].os = os_sim_new(world, cluster->net, i, &options->os);
    }
    return cluster;
}

void cluster_free(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->options.nodes; i++) {
        if (cluster_is_up(cluster, i)) {
            cluster_kill(cluster, i);
        }
    }
    net_free(cluster->net);
    for (uint32_t i = 0; i < cluster->options.nodes; i++) {
        os_sim_free(cluster->nodes[i].os);
    }
    free(cluster->chains);
    free(cluster);
}

void cluster_calm(struct cluster *cluster)
{
    const struct net_options net = {.delay_us_min = 50, .delay_us_max = 500};
    const struct os_sim_options os = {.turn_us_max = 50, .flush_us_min = 50, .flush_us_max = 300};
    net_heal(cluster->net);
    net_set_options(cluster->net, &net);
    for (uint32_t i = 0; i < cluster->options.nodes; i++) {
        os_sim_set_options(cluster->nodes[i].os, &os);
    }
}

struct net *cluster_net(struct cluster *cluster)
{
    return cluster->net;
}

uint32_t cluster_nodes(const struct cluster *cluster)
{
    return cluster->options.nodes;
}

int cluster_is_equal(const struct cluster *cluster)
{
    struct replica_status first = {0};
    uint64_t hash = 0;
    for (uint32_t i = 0; i < cluster->options.nodes; i++) {
        struct replica_status status;
        if (!cluster_is_up(cluster, i)) {
            return 0;
        }
        replica_status(cluster->nodes[i].replica, &status);
        if (!status.is_running || (i > 0 && status.applied != first.applied)) {
            return 0;
        }
        first = status;
    }
    for (uint32_t i = 0; i < cluster->options.nodes; i++) {
        const uint64_t own = kv_hash(machine_kv(cluster->nodes[i].watched.machine));
        if (i > 0 && own != hash) {
            return 0;
        }
        hash = own;
    }
    return 1;
}

void cluster_describe(const struct cluster *cluster, char *text, size_t size)
{
    size_t at = 0;
    for (uint32_t i = 0; i < cluster->options.nodes && at < size; i++) {
        struct replica_status status = {0};
        if (cluster_is_up(cluster, i)) {
            replica_status(cluster->nodes[i].replica, &status);
        }
        const int length =
            snprintf(text + at, size - at, "%snode %u %s, applied %" PRIu64 ", leader %c",
                     i == 0 ? "" : "; ", i,
                     !cluster_is_up(cluster, i) ? "down"
                     : status.is_running        ? "running"
                                                : "founding",
                     status.applied, status.has_leader ? (char)('a' + status.leader) : '-');
        at += length > 0 ? (size_t)length : 0;
    }
}

const char *cluster_violation(const struct cluster *cluster)
{
    return cluster->violation[0] == 0 ? NULL : cluster->violation;
}

struct cluster_counts cluster_counts(const struct cluster *cluster)
{
    return cluster->counts;
}
