/* run.c -- one seed: a cluster, its clients, its misfortunes, and the verdict.
 *
 * What a run is like is drawn from the seed first (how many nodes, how bad a network, which
 * faults at all), so that some seeds are gentle, some are cruel in one way, and some in all
 * (swarm testing: Groce et al., ISSTA 2012). Misfortunes come while the clients work. Then
 * everything is healed, and the cluster must come together: all nodes up, all work ended, all
 * states equal. At last every key is read through every node, and the history is judged. */
#include "sim/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/cluster.h"
#include "sim/escape.h"
#include "sim/workload.h"

enum {
    WORK_US_MAX = 60000000,
    HEAL_US_MAX = 60000000
};

struct run {
    struct world world;
    struct cluster *cluster;
    struct workload *workload;
    uint64_t fault_us_mean; /* Between misfortunes; 0: there are none. */
    uint64_t pause_us_max;  /* How long one lasts at most. */
    int has_kills;
    int has_cuts;
    int is_healed;
    uint64_t faults;
};

/* -- What a seed is like --------------------------------------------------------------------- */

static uint32_t draw_ppm(struct world *world, uint32_t most)
{
    return world_chance(world, 1, 2) ? (uint32_t)world_below(world, most) : 0;
}

static struct cluster_options draw_cluster(struct world *world)
{
    static const uint32_t NODES[] = {3, 3, 3, 5, 1};
    struct cluster_options options = {
        .nodes = NODES[world_below(world, 5)],
        .snapshot_bytes = 20000 + world_below(world, 600000),
        .tail_bytes = world_below(world, 20000),
        .cache_bytes = world_below(world, 20000),
        .segment_bytes = 4096u * (uint32_t)(4 + world_below(world, 28)),
        .heartbeat_ms = 5 + (uint32_t)world_below(world, 100),
        .net = {.delay_us_min = 10 + world_below(world, 500)},
        .os = {.turn_us_max = world_below(world, 200),
               .flush_us_min = 20 + world_below(world, 200),
               .stall_ppm = draw_ppm(world, 2000),
               .stall_us = 100000 + world_below(world, 3000000)},
    };
    options.net.delay_us_max = options.net.delay_us_min + world_below(world, 5000);
    options.election_ms = options.heartbeat_ms * (2 + (uint32_t)world_below(world, 10));
    options.net.late_us_max = world_chance(world, 1, 2) ? 20000 : world_below(world, 3000000);
    options.net.loss_ppm = draw_ppm(world, 50000);
    options.net.repeat_ppm = draw_ppm(world, 200000);
    options.net.reorder_ppm = draw_ppm(world, 200000);
    if (world_chance(world, 1, 3)) {
        options.net.victim =
            1 + (uint32_t)world_below(world, SYNOD_MESSAGE_TYPE_END - SYNOD_MESSAGE_PREPARE);
        options.net.victim_ppm = (uint32_t)world_below(world, 500000);
    }
    if (world_chance(world, 1, 3)) {
        /* Hasty: time-outs no longer than a slow message, so candidates meet all the time. */
        options.heartbeat_ms = 1 + (uint32_t)world_below(world, 8);
        options.election_ms = options.heartbeat_ms * 2 + (uint32_t)world_below(world, 10);
        options.net.late_us_max = world_below(world, 100000);
    }
    options.os.flush_us_max =
        options.os.flush_us_min +
        (world_chance(world, 3, 4) ? world_below(world, 5000) : world_below(world, 100000));
    return options;
}

static struct workload_options draw_workload(struct world *world, uint32_t operations)
{
    return (struct workload_options){
        .clients = 1 + (uint32_t)world_below(world, 12),
        .keys = 1 + (uint32_t)world_below(world, 10),
        .operations = operations != 0 ? operations : 200 + (uint32_t)world_below(world, 600),
        .think_us_max = world_below(world, 20000),
        .read_percent = 10 + (uint32_t)world_below(world, 50),
        .delete_percent = (uint32_t)world_below(world, 15),
        .swap_percent = (uint32_t)world_below(world, 25),
    };
}

static void draw_faults(struct run *run)
{
    struct world *world = &run->world;
    run->has_kills = world_chance(world, 3, 4);
    run->has_cuts = world_chance(world, 3, 4) && cluster_nodes(run->cluster) > 1;
    if (run->has_kills || run->has_cuts) {
        run->fault_us_mean = 50000 + world_below(world, 1000000);
        run->pause_us_max = 10000 + world_below(world, 4000000);
    }
}

/* -- Misfortunes ------------------------------------------------------------------------------ */

static void restart(void *object, uint64_t node)
{
    struct run *run = object;
    if (!cluster_is_up(run->cluster, (uint32_t)node) && cluster_violation(run->cluster) == NULL) {
        cluster_start(run->cluster, (uint32_t)node);
    }
}

static void kill_one(struct run *run)
{
    const uint32_t node = (uint32_t)world_below(&run->world, cluster_nodes(run->cluster));
    if (cluster_is_up(run->cluster, node)) {
        cluster_kill(run->cluster, node);
        workload_on_kill(run->workload, node);
        world_after(&run->world, world_below(&run->world, run->pause_us_max), restart, run, node);
    }
}

static void kill_all(struct run *run)
{
    for (uint32_t node = 0; node < cluster_nodes(run->cluster); node++) {
        if (cluster_is_up(run->cluster, node)) {
            cluster_kill(run->cluster, node);
            workload_on_kill(run->workload, node);
            world_after(&run->world, world_below(&run->world, run->pause_us_max), restart, run,
                        node);
        }
    }
}

static void heal(void *object, uint64_t argument)
{
    struct run *run = object;
    (void)argument;
    net_heal(cluster_net(run->cluster));
}

/* Cut links: everything around one node, a split in two, one direction of one link, a chain
 * (each node hears its neighbours alone), or any set of directions. */
static void cut(struct run *run)
{
    struct world *world = &run->world;
    const uint32_t nodes = cluster_nodes(run->cluster);
    const uint64_t shape = world_below(world, 5);
    const uint32_t one = (uint32_t)world_below(world, nodes);
    const uint32_t other = (one + 1 + (uint32_t)world_below(world, nodes - 1)) % nodes;
    const uint64_t side = world_below(world, 1u << nodes);

    world_trace(world, "cut", shape, one);
    for (uint32_t from = 0; from < nodes; from++) {
        for (uint32_t to = 0; to < nodes; to++) {
            const int is_cut = shape == 0   ? from == one || to == one
                               : shape == 1 ? ((side >> from) & 1) != ((side >> to) & 1)
                               : shape == 2 ? from == one && to == other
                               : shape == 3 ? from > to + 1 || to > from + 1
                                            : world_chance(world, 1, 4);
            if (from != to && is_cut) {
                net_cut(cluster_net(run->cluster), from, to);
            }
        }
    }
    world_after(world, world_below(world, run->pause_us_max), heal, run, 0);
}

static void misfortune(void *object, uint64_t argument)
{
    struct run *run = object;
    (void)argument;
    if (run->is_healed) {
        return;
    }
    run->faults++;
    if (run->has_cuts && (!run->has_kills || world_chance(&run->world, 1, 2))) {
        cut(run);
    } else if (world_chance(&run->world, 1, 10)) {
        kill_all(run);
    } else {
        kill_one(run);
    }
    world_after(&run->world, world_below(&run->world, 2 * run->fault_us_mean), misfortune, run, 0);
}

/* -- The run ---------------------------------------------------------------------------------- */

static int is_broken(const struct run *run)
{
    return cluster_violation(run->cluster) != NULL;
}

static void work(struct run *run)
{
    const uint64_t until = run->world.now_us + WORK_US_MAX;
    for (uint32_t node = 0; node < cluster_nodes(run->cluster); node++) {
        cluster_start(run->cluster, node);
    }
    workload_start(run->workload);
    if (run->fault_us_mean != 0) {
        world_after(&run->world, world_below(&run->world, 2 * run->fault_us_mean), misfortune, run,
                    0);
    }
    while (!workload_is_done(run->workload) && !is_broken(run) &&
           world_step(&run->world, until) != 0) {
    }
}

/* Everything is healed: now the cluster owes progress. Returns 0 if it does not come together. */
static int come_together(struct run *run)
{
    const uint64_t until = run->world.now_us + HEAL_US_MAX;
    uint64_t next_look = 0;

    run->is_healed = 1;
    cluster_calm(run->cluster);
    for (uint32_t node = 0; node < cluster_nodes(run->cluster); node++) {
        restart(run, node);
    }
    while (!is_broken(run)) {
        if (run->world.now_us >= next_look) {
            next_look = run->world.now_us + 50000;
            if (workload_is_done(run->workload) && cluster_is_equal(run->cluster)) {
                return 1;
            }
        }
        if (world_step(&run->world, until) == 0) {
            return 0;
        }
    }
    return 1;
}

static void run_world(const struct run_options *options, struct run_result *result)
{
    struct run run = {0};
    world_init(&run.world, options->seed, options->is_verbose);
    const struct cluster_options cluster_options = draw_cluster(&run.world);
    const struct workload_options workload_options = draw_workload(&run.world, options->operations);
    run.cluster = cluster_new(&run.world, &cluster_options);
    run.workload = workload_new(&run.world, run.cluster, &workload_options);
    draw_faults(&run);

    work(&run);
    const int has_come_together = come_together(&run);
    if (is_broken(&run)) {
        snprintf(result->failure, sizeof result->failure, "%s", cluster_violation(run.cluster));
    } else if (!has_come_together) {
        char where[512];
        cluster_describe(run.cluster, where, sizeof where);
        snprintf(result->failure, sizeof result->failure,
                 "liveness: not together %d s after everything was healed: %s%s",
                 HEAL_US_MAX / 1000000, where,
                 workload_is_done(run.workload) ? "" : "; clients wait");
    } else {
        workload_read_all(run.workload);
        (void)linear_check(workload_history(run.workload), result->failure, sizeof result->failure);
    }
    const struct cluster_counts counts = cluster_counts(run.cluster);
    result->trace = run.world.trace;
    result->simulated_us = run.world.now_us;
    result->events = run.world.events;
    result->operations = workload_done(run.workload);
    result->faults = run.faults;
    result->kills = counts.kills;
    result->leaders = counts.leaders;
    result->restores = counts.restores;
    cluster_free(run.cluster);
    workload_free(run.workload);
    world_deinit(&run.world);
}

void run_seed(const struct run_options *options, struct run_result *result)
{
    struct escape escape;
    *result = (struct run_result){0};
    escape_prepare(&escape);
    if (setjmp(escape.to) == 0) {
        run_world(options, result);
    }
    escape_end();
    if (escape.text[0] != 0) {
        snprintf(result->failure, sizeof result->failure, "%s", escape.text);
    }
}
