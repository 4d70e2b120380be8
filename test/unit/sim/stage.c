/* stage.c -- a cluster of three in virtual time, and what is done with it in many a test. */
#include "stage.h"

#include "test.h"

const struct cluster_options OPTIONS = {
    .nodes = 3,
    .limits = {.snapshot_bytes = 100000,
               .tail_bytes = 10000,
               .cache_bytes = 10000,
               .segment_bytes = 65536},
    .heartbeat_ms = 100,
    .election_ms = 1000,
    .net = {.delay_us_min = 50, .delay_us_max = 500},
    .os = {.turn_us_max = 50, .flush_us_min = 50, .flush_us_max = 300},
};

uint64_t events_in(struct world *world, uint64_t duration_us)
{
    const uint64_t before = world->events;
    const uint64_t until = world->now_us + duration_us;
    while (world_step(world, until) != 0) {
    }
    return world->events - before;
}

void start_all(struct cluster *cluster)
{
    for (uint32_t node = 0; node < OPTIONS.nodes; node++) {
        cluster_start(cluster, node);
    }
}

uint32_t start_and_elect(struct world *world, struct cluster *cluster)
{
    struct replica_status status;
    start_all(cluster);
    (void)events_in(world, 5000000);
    replica_status(cluster_replica(cluster, 0), &status);
    assert_true(status.has_leader);
    return status.leader;
}

struct cluster *set_up(struct world *world, const struct cluster_options *options)
{
    world_init(world, 1, 0);
    return cluster_new(world, options);
}

void take_down(struct world *world, struct cluster *cluster)
{
    assert_null(cluster_violation(cluster));
    cluster_free(cluster);
    world_deinit(world);
}

void note_outcome(void *context, int error, const void *result)
{
    uint32_t *good = context;
    *good += error == 0 && result != NULL;
}

void put_value(struct cluster *cluster, uint32_t node, uint32_t size, uint32_t *good)
{
    static uint8_t body[700000 + 16] = {0x0a, 1, 'k', 0x12};
    assert_true(size >= 1 << 14 &&
                size + 16 <= sizeof body); /* So that its size has three bytes. */
    body[4] = (uint8_t)((size & 0x7f) | 0x80);
    body[5] = (uint8_t)((size >> 7 & 0x7f) | 0x80);
    body[6] = (uint8_t)(size >> 14);
    assert_int_equal(replica_submit(cluster_replica(cluster, node), KV_COMMAND_PUT,
                                    bytes_of(body, 7 + size), note_outcome, good),
                     0);
    cluster_touch(cluster, node);
}

void put_large(struct cluster *cluster, uint32_t node, uint32_t *good)
{
    put_value(cluster, node, 700000, good);
}

uint32_t seconds_led(struct world *world, struct cluster *cluster, uint32_t seconds)
{
    uint32_t led = 0;
    for (uint32_t second = 0; second < seconds; second++) {
        uint32_t is_led = 0;
        (void)events_in(world, 1000000);
        for (uint32_t node = 0; node < OPTIONS.nodes; node++) {
            struct replica_status status;
            if (cluster_is_up(cluster, node)) {
                replica_status(cluster_replica(cluster, node), &status);
                is_led |= status.is_leader;
            }
        }
        led += is_led;
    }
    return led;
}

uint32_t fall_behind(struct world *world, struct cluster *cluster)
{
    const uint32_t leader = start_and_elect(world, cluster);
    const uint32_t late = (leader + 1) % OPTIONS.nodes;
    uint32_t good = 0;
    cluster_kill(cluster, late, 1);
    for (uint32_t i = 0; i < VALUES; i++) {
        put_value(cluster, leader, VALUE_BYTES, &good);
        (void)events_in(world, 300000);
    }
    (void)events_in(world, 2000000);
    assert_int_equal(good, VALUES);
    return late;
}

uint64_t lag(struct cluster *cluster, uint32_t node, uint32_t other)
{
    struct replica_status behind;
    struct replica_status ahead;
    replica_status(cluster_replica(cluster, node), &behind);
    replica_status(cluster_replica(cluster, other), &ahead);
    return ahead.applied - behind.applied;
}

void make_narrow(struct cluster *cluster, uint64_t bytes_per_s)
{
    const struct net_options net = {
        .delay_us_min = 5000, .delay_us_max = 5000, .bytes_per_s = bytes_per_s};
    net_set_options(cluster_net(cluster), &net);
}

void put_small(struct cluster *cluster, uint32_t node, uint32_t *good)
{
    assert_int_equal(replica_submit(cluster_replica(cluster, node), KV_COMMAND_PUT,
                                    bytes_of("\x0a\x01k", 3), note_outcome, good),
                     0);
    cluster_touch(cluster, node);
}
