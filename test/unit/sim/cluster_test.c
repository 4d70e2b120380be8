/* cluster_test.c -- whole clusters in virtual time: what no run of random seeds would point at. */
#include "sim/cluster.h"

#include "test.h"

static const struct cluster_options OPTIONS = {
    .nodes = 3,
    .snapshot_bytes = 100000,
    .tail_bytes = 10000,
    .cache_bytes = 10000,
    .segment_bytes = 65536,
    .heartbeat_ms = 100,
    .election_ms = 1000,
    .net = {.delay_us_min = 50, .delay_us_max = 500},
    .os = {.turn_us_max = 50, .flush_us_min = 50, .flush_us_max = 300},
};

static uint64_t events_in(struct world *world, uint64_t duration_us)
{
    const uint64_t before = world->events;
    const uint64_t until = world->now_us + duration_us;
    while (world_step(world, until) != 0) {
    }
    return world->events - before;
}

TEST(replica, that_waits_for_the_founding_sleeps_meanwhile)
{
    struct world world;
    world_init(&world, 1, 0);
    struct cluster *cluster = cluster_new(&world, &OPTIONS);
    cluster_start(cluster, 0);
    cluster_start(cluster, 1);
    (void)events_in(&world, 1000000);
    /* Ten times a second each looks for the third, which is not there. */
    assert_true(events_in(&world, 10000000) < 2000);
    cluster_start(cluster, 2);
    (void)events_in(&world, 5000000);
    for (uint32_t node = 0; node < 3; node++) {
        struct replica_status status;
        replica_status(cluster_replica(cluster, node), &status);
        assert_true(status.is_running && status.has_leader);
    }
    assert_null(cluster_violation(cluster));
    cluster_free(cluster);
    world_deinit(&world);
}

/* A check that is told of nothing would never complain. */
TEST(cluster, holds_every_step_of_every_core_against_the_reference)
{
    struct world world;
    world_init(&world, 1, 0);
    struct cluster *cluster = cluster_new(&world, &OPTIONS);
    for (uint32_t node = 0; node < 3; node++) {
        cluster_start(cluster, node);
    }
    (void)events_in(&world, 2000000);
    const uint64_t steps = cluster_counts(cluster).steps;
    assert_true(steps > 3 * 20); /* At the least a tick each heartbeat. */
    (void)events_in(&world, 1000000);
    assert_true(cluster_counts(cluster).steps > steps + 3 * 10);
    assert_null(cluster_violation(cluster));
    cluster_free(cluster);
    world_deinit(&world);
}
