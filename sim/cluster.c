/* cluster.c -- a whole cluster of real replicas on simulated nodes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "kv/machine.h"
#include "sim/cluster_internal.h"
#include "synod/error.h"

enum {
    STEPS_A_SCAN = 8192, /* A scan takes as long as dozens of steps, ... */
    STARTS_A_SCAN = 8,   /* ... and there are dozens of lives in a seed. */
    LIVES_A_SCAN = 16,   /* To scan the store takes longer. */
    STORM = 100000 /* Frames in a simulated second: six times what any honest seed has sent. */
};

static void bury(void *object, uint64_t life);

/* -- Processes ---------------------------------------------------------------------------- */

static void on_running(void *context)
{
    struct node *node = context;
    world_trace(node->cluster->world, "running", node->index, 0);
    node->has_run = 1;
    if (node->starts % STARTS_A_SCAN == 1) {
        cluster_scan_core(node->cluster, node->index);
    }
    cluster_look_at_founding(node->cluster, node->index);
    if (node->is_wiped) {
        ledger_violate(&node->cluster->ledger,
                       "founding: node %u votes again with an empty disk (start %" PRIu64 ")",
                       node->index, node->starts);
    }
}

static void on_leader(void *context)
{
    struct node *node = context;
    struct cluster *cluster = node->cluster;
    struct replica_status status;
    replica_status(node->replica, &status);
    cluster->counts.leaders++;
    world_trace(cluster->world, "leader", node->index, status.has_leader ? status.leader + 1u : 0u);
}

/* The process is finished, but we are in the middle of it: bury it when the stack is gone. */
static void end_soon(struct cluster *cluster, uint32_t index)
{
    struct node *node = &cluster->nodes[index];
    cluster_note_table(node);
    node->is_ending = 1;
    cluster->events->on_death(cluster->context, index);
    world_after(cluster->world, 0, bury, cluster, node->starts * NET_NODES_MAX + index);
}

/* A disk that does not take what is written ends a life. One that does not give what is read does
 * so where the state is in the file alone: a snapshot that was received. */
static int may_fail(const struct node *node, const struct report *report)
{
    return node->is_damaged || node->was_full ||
           (node->has_trouble && strstr(report->text, ".receive") != NULL);
}

static void on_failed(void *context, const struct report *report)
{
    struct node *node = context;
    struct cluster *cluster = node->cluster;
    if (node->is_ending) {
        return;
    }
    world_trace(cluster->world, "failed", node->index, 0);
    if (!may_fail(node, report)) {
        ledger_violate(&cluster->ledger, "failure: node %u: %.400s", node->index, report->text);
    }
    end_soon(cluster, node->index);
}

static void on_stopped(void *context)
{
    struct node *node = context;
    if (!node->is_ending) {
        world_trace(node->cluster->world, "stopped", node->index, 0);
        os_sim_set_power(node->os, 0);
        end_soon(node->cluster, node->index);
    }
}

static void on_barrier(void *context)
{
    struct node *node = context;
    if (!node->is_ending) {
        node->cluster->counts.kills++;
        world_trace(node->cluster->world, "barrier", node->index, 0);
        end_soon(node->cluster, node->index);
    }
}

static void on_step(void *context, const struct synod_event *event,
                    const struct synod_effects *effects)
{
    struct node *node = context;
    struct cluster *cluster = node->cluster;
    const char *wrong = watch_step(cluster->watch, node->index, event, effects);
    if (wrong != NULL) {
        ledger_violate(&cluster->ledger, "refinement: %s", wrong);
    }
    if (++cluster->steps % STEPS_A_SCAN == 0) {
        cluster_scan_core(cluster, node->index);
    }
}

static const struct replica_events EVENTS = {
    .on_running = on_running,
    .on_leader = on_leader,
    .on_failed = on_failed,
    .on_stopped = on_stopped,
    .on_step = on_step,
};

int cluster_is_up(const struct cluster *cluster, uint32_t node)
{
    return cluster->nodes[node].replica != NULL && !cluster->nodes[node].is_ending;
}

int cluster_can_start(const struct cluster *cluster, uint32_t node)
{
    return cluster->nodes[node].replica == NULL && !cluster->nodes[node].is_refused &&
           !cluster->nodes[node].is_ending;
}

int cluster_is_able(const struct cluster *cluster, uint32_t node)
{
    return !cluster->nodes[node].is_refused && !cluster->nodes[node].is_wiped;
}

static void on_apply(void *context)
{
    struct node *node = context;
    node->revision = kv_revision(machine_kv(node->machine));
}

/* States are compared at every so-many-th revision: every replica passes there, some of them much
 * later than others. It is the same place of the log for all, so what is compacted there is, too,
 * and in the hash: that is no excuse for another one. */
static void on_applied(void *context, const struct synod_command *command)
{
    struct node *node = context;
    struct cluster *cluster = node->cluster;
    const struct kv *kv = machine_kv(node->machine);
    const int64_t revision = kv_revision(kv);
    if (revision == node->revision) {
        return;
    }
    testimony_note(&cluster->testimony, revision, command->kind,
                   bytes_of(command->data, command->size));
    if (cluster->history != NULL && revision % cluster->options.report_every == 0) {
        const struct state_report report = {.at_us = cluster->world->now_us,
                                            .revision = revision,
                                            .compacted = -1,
                                            .hash = kv_hash(kv),
                                            .member = node->index};
        chronicle_report(cluster->history, &report);
    }
}

static void make_machine(struct cluster *cluster, uint32_t index, struct synod_machine *machine)
{
    struct node *node = &cluster->nodes[index];
    node->machine = machine_new();
    assert(node->machine != NULL);
    node->watched = (struct ledger_machine){.ledger = &cluster->ledger,
                                            .node = index,
                                            .on_apply = on_apply,
                                            .on_applied = on_applied,
                                            .context = node};
    machine_callbacks(node->machine, &node->watched.inner);
    ledger_watch(&node->watched, machine);
}

/* What is left of a process goes. */
static void clear(struct node *node)
{
    cluster_note_table(node);
    os_sim_kill(node->os);
    if (node->replica != NULL) {
        replica_free(node->replica);
        os_sim_drain(node->os);
    }
    machine_free(node->machine);
    node->replica = NULL;
    node->is_ending = 0;
    node->has_trouble = node->is_in_trouble;
    node->was_full = node->is_full;
    os_sim_revive(node->os);
}

static void end(struct cluster *cluster, uint32_t index)
{
    struct node *node = &cluster->nodes[index];
    assert(node->replica != NULL);
    cluster_look_at(cluster, index);
    if (node->starts % LIVES_A_SCAN == 0) {
        cluster_scan(cluster, index);
    }
    node->is_ending = 1;
    replica_kill(node->replica);
    clear(node);
}

static void bury(void *object, uint64_t life)
{
    struct cluster *cluster = object;
    const uint32_t index = (uint32_t)(life % NET_NODES_MAX);
    struct node *node = &cluster->nodes[index];
    if (node->replica != NULL && node->is_ending && node->starts == life / NET_NODES_MAX) {
        end(cluster, index);
        cluster->events->on_down(cluster->context, index);
    }
}

/* The process did not come up. That is right where its disk is damaged or makes trouble, and
 * where it has died on the way. */
static void on_refusal(struct cluster *cluster, uint32_t index, const struct report *report)
{
    struct node *node = &cluster->nodes[index];
    const int has_died = os_sim_is_dead(node->os);
    world_trace(cluster->world, "refused", index, (uint64_t)has_died);
    if (!has_died && !node->has_trouble && node->is_damaged) {
        node->is_refused = 1;
        cluster->counts.refusals++;
    } else if (!has_died && !node->has_trouble) {
        ledger_violate(&cluster->ledger, "recovery: node %u cannot start: %.400s", index,
                       report->text);
    }
    clear(node);
    cluster->events->on_down(cluster->context, index);
}

static void set_limits(struct cluster *cluster, struct replica_options *options)
{
    struct cluster_limits limits = cluster->options.limits;
    if (cluster->options.refit != NULL) {
        cluster->options.refit(&limits, cluster->world);
    }
    options->snapshot_bytes = limits.snapshot_bytes;
    options->tail_bytes = limits.tail_bytes;
    options->cache_bytes = limits.cache_bytes;
    options->segment_bytes = limits.segment_bytes;
    if (limits.pending_max != 0) {
        options->pending_max = limits.pending_max;
    }
    if (limits.backlog_bytes_max != 0) {
        options->backlog_bytes_max = limits.backlog_bytes_max;
    }
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
    set_limits(cluster, &options);
    options.window = cluster->options.window;
    options.heartbeat_ms = cluster->options.heartbeat_ms;
    options.election_ms = cluster->options.election_ms;
    make_machine(cluster, index, &machine);
    cluster->counts.starts++;
    node->starts++;
    world_trace(cluster->world, "start", index, 0);
    options.machine = &machine;
    options.events = &EVENTS;
    options.context = node;
    watch_begin(cluster->watch, index, os_sim_disk(node->os));
    const int error = replica_open(os_sim_os(node->os), &options, &report, &node->replica);
    if (error != 0) {
        node->replica = NULL;
        on_refusal(cluster, index, &report);
    } else {
        os_sim_touch(node->os);
    }
}

void cluster_kill(struct cluster *cluster, uint32_t index, int has_power_cut)
{
    cluster->counts.kills++;
    world_trace(cluster->world, "kill", index, (uint64_t)has_power_cut);
    os_sim_set_power(cluster->nodes[index].os, has_power_cut);
    end(cluster, index);
}

void cluster_kill_at(struct cluster *cluster, uint32_t index, uint64_t calls, int has_power_cut)
{
    struct node *node = &cluster->nodes[index];
    assert(cluster_is_up(cluster, index));
    os_sim_set_power(node->os, has_power_cut);
    os_sim_die_at(node->os, calls, on_barrier, node);
}

void cluster_stop(struct cluster *cluster, uint32_t index)
{
    assert(cluster_is_up(cluster, index));
    world_trace(cluster->world, "stop", index, 0);
    replica_stop(cluster->nodes[index].replica);
    os_sim_touch(cluster->nodes[index].os);
}

void cluster_pause(struct cluster *cluster, uint32_t node, uint64_t duration_us)
{
    world_trace(cluster->world, "pause", node, duration_us);
    os_sim_pause(cluster->nodes[node].os, duration_us);
}

int cluster_is_paused(const struct cluster *cluster, uint32_t node)
{
    return os_sim_is_paused(cluster->nodes[node].os);
}

void cluster_set_clock(struct cluster *cluster, uint32_t node, uint32_t rate_ppm, uint64_t jump_us)
{
    world_trace(cluster->world, "clock", node, rate_ppm + jump_us);
    os_sim_set_clock(cluster->nodes[node].os, rate_ppm, jump_us);
}

void cluster_set_trouble(struct cluster *cluster, uint32_t index,
                         const struct os_sim_trouble *trouble)
{
    struct node *node = &cluster->nodes[index];
    const int is_trouble = trouble->is_full || trouble->read_ppm != 0 || trouble->write_ppm != 0;
    world_trace(cluster->world, "trouble", index, trouble->read_ppm + trouble->write_ppm);
    node->has_trouble = node->has_trouble || is_trouble;
    node->is_damaged = node->is_damaged || trouble->write_ppm != 0;
    node->is_in_trouble = is_trouble;
    node->is_full = trouble->is_full != 0;
    node->was_full = node->was_full || node->is_full;
    os_sim_set_trouble(node->os, trouble);
}

int cluster_has_begun(const struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->options.nodes; i++) {
        if (cluster->nodes[i].has_run) {
            return 1;
        }
    }
    return 0;
}

int cluster_is_founded(const struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->options.nodes; i++) {
        if (!cluster->nodes[i].has_run) {
            return 0;
        }
    }
    return 1;
}

int cluster_damage(struct cluster *cluster, uint32_t index, enum disk_damage damage)
{
    struct node *node = &cluster->nodes[index];
    if (!cluster_is_founded(cluster) || node->is_ending || node->is_wiped) {
        return 0;
    }
    if (damage == DISK_WIPED && node->replica != NULL) {
        cluster_kill(cluster, index, 1);
    }
    if (!disk_damage(os_sim_disk(node->os), damage)) {
        return 0;
    }
    world_trace(cluster->world, "damage", index, damage);
    node->is_damaged = 1;
    node->is_wiped = node->is_wiped || damage == DISK_WIPED;
    node->is_refused = node->is_refused && damage != DISK_WIPED;
    return 1;
}

struct replica *cluster_replica(struct cluster *cluster, uint32_t node)
{
    return cluster->nodes[node].replica;
}

struct kv *cluster_kv(struct cluster *cluster, uint32_t node)
{
    return machine_kv(cluster->nodes[node].machine);
}

void cluster_touch(struct cluster *cluster, uint32_t node)
{
    os_sim_touch(cluster->nodes[node].os);
}

/* -- The whole ---------------------------------------------------------------------------- */

static void after_activity(void *context, uint32_t node)
{
    struct cluster *cluster = context;
    if (net_counts(cluster->net).frames_this_second > STORM) {
        ledger_violate(&cluster->ledger, "storm: more than %d frames within a second", STORM);
    }
    os_sim_touch(cluster->nodes[node].os);
}

static void tell_nobody(void *context, uint32_t node)
{
    (void)context;
    (void)node;
}

void cluster_set_history(struct cluster *cluster, struct chronicle *history)
{
    assert(cluster->options.report_every > 0);
    cluster->history = history;
}

void cluster_testify(const struct cluster *cluster)
{
    testimony_tell(&cluster->testimony, cluster->history);
}

void cluster_set_events(struct cluster *cluster, const struct cluster_events *events, void *context)
{
    cluster->events = events;
    cluster->context = context;
}

struct cluster *cluster_new(struct world *world, const struct cluster_options *options)
{
    struct cluster *cluster = world_allocate(sizeof *cluster);
    static const struct cluster_events NOBODY = {.on_death = tell_nobody, .on_down = tell_nobody};
    cluster->world = world;
    cluster->events = &NOBODY;
    cluster->options = *options;
    cluster->watch = watch_new(options->nodes);
    cluster->net = net_new(world, &options->net);
    net_on_activity(cluster->net, after_activity, cluster);
    for (uint32_t i = 0; i < options->nodes; i++) {
        cluster->nodes[i].cluster = cluster;
        cluster->nodes[i].index = i;
        cluster->nodes[i].os = os_sim_new(world, cluster->net, i, &options->os);
        cluster_set_os(cluster, i, &options->os);
        if (options->has_frail_snapshots) {
            disk_set_frail_snapshots(os_sim_disk(cluster->nodes[i].os));
        }
        for (uint32_t other = 0; other < i; other++) {
            net_place(cluster->net, i, other, world_below(world, options->distance_us_max + 1));
        }
    }
    return cluster;
}

void cluster_free(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->options.nodes; i++) {
        if (cluster->nodes[i].replica != NULL) {
            cluster_scan(cluster, i);
            end(cluster, i);
        }
    }
    net_free(cluster->net);
    for (uint32_t i = 0; i < cluster->options.nodes; i++) {
        os_sim_free(cluster->nodes[i].os);
    }
    ledger_deinit(&cluster->ledger);
    testimony_deinit(&cluster->testimony);
    watch_free(cluster->watch);
    free(cluster);
}

void cluster_calm(struct cluster *cluster)
{
    net_heal(cluster->net);
    net_set_options(cluster->net, net_calm());
}

void cluster_set_os(struct cluster *cluster, uint32_t node, const struct os_sim_options *os)
{
    struct os_sim_options options = *os;
    if (node == cluster->options.lame) {
        options.flush_us_min += cluster->options.lame_us;
        options.flush_us_max += cluster->options.lame_us;
    }
    os_sim_set_options(cluster->nodes[node].os, &options);
}

void cluster_calm_node(struct cluster *cluster, uint32_t node)
{
    const struct os_sim_options os = {.turn_us_max = 50, .flush_us_min = 50, .flush_us_max = 300};
    cluster_set_os(cluster, node, &os);
    os_sim_set_clock(cluster->nodes[node].os, 1000000, 0);
    cluster_set_trouble(cluster, node, &(struct os_sim_trouble){0});
    os_sim_live_on(cluster->nodes[node].os);
    if (cluster_is_paused(cluster, node)) {
        cluster_pause(cluster, node, 0);
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
