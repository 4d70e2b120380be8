/* transfer_test.c -- snapshots for members that were away: over narrow links, from givers that go,
 * or whose disks have lost something. */
#include <inttypes.h>
#include <stdio.h>

#include "replica/replica_internal.h"
#include "sim/cluster_internal.h"
#include "stage.h"
#include "test.h"

/* The third has gone, so the late one is needed, and the leader must be heard by it while it gives
 * the snapshot: at 200 KB/s that takes 20 seconds. */
TEST(replica, gives_a_snapshot_over_a_narrow_link_and_leads)
{
    struct world world;
    struct cluster *cluster = set_up(&world, &OPTIONS);
    const uint32_t late = fall_behind(&world, cluster);
    const uint32_t leader = (late + 2) % OPTIONS.nodes;
    make_narrow(cluster, 200000);
    cluster_kill(cluster, (late + 1) % OPTIONS.nodes, 1);
    cluster_start(cluster, late);
    assert_true(seconds_led(&world, cluster, 40) > 38);
    assert_int_equal(lag(cluster, late, leader), 0);
    take_down(&world, cluster);
}

/* A worker syncs it now and then, while more comes: that costs no time, or the log of the giver,
 * cut behind newer snapshots, would leave it behind. */
TEST(replica, takes_a_large_snapshot_as_fast_as_it_comes)
{
    struct cluster_options options = OPTIONS;
    struct world world;
    uint32_t good = 0;
    options.limits.snapshot_bytes = 30 << 20;
    options.limits.segment_bytes = 1 << 20;
    struct cluster *cluster = set_up(&world, &options);
    const uint32_t leads = start_and_elect(&world, cluster);
    const uint32_t late = (leads + 1) % OPTIONS.nodes;
    cluster_kill(cluster, late, 1);
    for (int i = 0; i < 60; i++) {
        put_large(cluster, leads, &good);
        (void)events_in(&world, 100000);
    }
    assert_int_equal(good, 60);
    assert_true(cluster_replica(cluster, leads)->snapshot > 40);
    cluster_start(cluster, late);
    (void)events_in(&world, 2000000); /* So long each question in vain would take. */
    assert_int_equal(lag(cluster, late, leads), 0);
    assert_int_equal(cluster_counts(cluster).restores, 1);
    take_down(&world, cluster);
}

/* Others write, so much that there is a newer snapshot long before the old one has arrived. */
TEST(replica, finishes_a_snapshot_though_there_are_newer_ones)
{
    struct world world;
    uint32_t good = 0;
    struct cluster *cluster = set_up(&world, &OPTIONS);
    const uint32_t late = fall_behind(&world, cluster);
    const uint32_t busy = (late + 1) % OPTIONS.nodes;
    make_narrow(cluster, 200000);
    cluster_start(cluster, late);
    for (uint32_t i = 0; i < 6000; i++) {
        put_small(cluster, busy, &good);
        (void)events_in(&world, 10000);
    }
    assert_in_range(lag(cluster, late, busy), 0, 20);
    assert_true(good > 5900);
    assert_true(cluster_counts(cluster).restores >= 1);
    take_down(&world, cluster);
}

/* No member takes a snapshot for which it has no room, and none leaves off asking: there may be
 * room later. Until then the others go on. */
TEST(replica, takes_a_snapshot_when_there_is_room_for_it)
{
    struct world world;
    struct cluster *cluster = set_up(&world, &OPTIONS);
    const uint32_t late = fall_behind(&world, cluster);
    const uint32_t leader = (late + 2) % OPTIONS.nodes;
    cluster_set_trouble(cluster, late, &(struct os_sim_trouble){.is_tight = 1});
    cluster_start(cluster, late);
    assert_int_equal(seconds_led(&world, cluster, 30), 30);
    assert_in_range(lag(cluster, late, leader), 1, VALUES);
    cluster_set_trouble(cluster, late, &(struct os_sim_trouble){0});
    (void)events_in(&world, 60000000);
    assert_int_equal(lag(cluster, late, leader), 0);
    assert_in_range(cluster_counts(cluster).restores, 1, 2);
    take_down(&world, cluster);
}

static void cut_off(struct cluster *cluster, uint32_t node)
{
    for (uint32_t other = 0; other < OPTIONS.nodes; other++) {
        if (other != node) {
            net_cut(cluster_net(cluster), node, other);
            net_cut(cluster_net(cluster), other, node);
        }
    }
}

/* They hear each other again. */
static void meet(struct cluster *cluster, uint32_t node, uint32_t other)
{
    net_mend(cluster_net(cluster), node, other);
    net_mend(cluster_net(cluster), other, node);
}

/* Who gives the node a snapshot: the one of whom it hears most. */
static uint32_t giver_of(struct cluster *cluster, uint32_t node)
{
    const struct replica *r = cluster_replica(cluster, node);
    uint64_t most = 0;
    uint32_t giver = node;
    for (uint32_t other = 0; other < OPTIONS.nodes; other++) {
        struct peer_statistics statistics;
        if (other != node) {
            peers_statistics(r->peers, r->members[other].peer, &statistics);
            giver = statistics.bytes_received > most ? other : giver;
            most = statistics.bytes_received > most ? statistics.bytes_received : most;
        }
    }
    return giver;
}

/* A member that needs twenty seconds for a snapshot never has more than ten in a row, and is then
 * cut off until every connection has broken, and then hears the other member first. What has
 * arrived is not asked for again, and who is back is asked at once. */
TEST(replica, goes_on_with_a_snapshot_after_a_broken_connection)
{
    struct world world;
    struct cluster *cluster = set_up(&world, &OPTIONS);
    const uint32_t late = fall_behind(&world, cluster);
    const uint32_t leader = (late + 2) % OPTIONS.nodes;
    make_narrow(cluster, 200000);
    cluster_start(cluster, late);
    for (uint32_t i = 0; i < 3; i++) {
        (void)events_in(&world, 5000000);
        assert_in_range(lag(cluster, late, leader), 1, VALUES);
        cut_off(cluster, late);
        (void)events_in(&world, 10000000);
        meet(cluster, late, OPTIONS.nodes - late - giver_of(cluster, late));
        (void)events_in(&world, 300000);
        net_heal(cluster_net(cluster));
    }
    (void)events_in(&world, 10000000);
    assert_int_equal(lag(cluster, late, leader), 0);
    assert_true(cluster_counts(cluster).restores == 1);
    take_down(&world, cluster);
}

/* The giver dies for good, and what the only other member can give is not newer. It will have to
 * do, and soon: the late one is needed. */
TEST(replica, takes_a_snapshot_of_another_when_its_giver_has_gone)
{
    struct world world;
    uint32_t good = 0;
    struct cluster *cluster = set_up(&world, &OPTIONS);
    const uint32_t late = fall_behind(&world, cluster);
    make_narrow(cluster, 1000000);
    cluster_start(cluster, late);
    (void)events_in(&world, 2000000);
    const uint32_t giver = giver_of(cluster, late);
    const uint32_t other = OPTIONS.nodes - late - giver;
    assert_non_null(cluster_replica(cluster, late)->receiving);
    assert_true(cluster_replica(cluster, other)->snapshot <=
                cluster_replica(cluster, giver)->snapshot);
    cluster_kill(cluster, giver, 1);
    (void)events_in(&world, 15000000);
    assert_int_equal(lag(cluster, late, other), 0);
    assert_int_equal(cluster_counts(cluster).restores, 1);
    put_value(cluster, late, VALUE_BYTES, &good);
    (void)events_in(&world, 2000000);
    assert_int_equal(good, 1);
    take_down(&world, cluster);
}

/* That its disk cannot be read is no reason for a giver to end: what it holds is in its memory. */
TEST(replica, lives_on_though_it_cannot_read_the_snapshot_that_it_should_give)
{
    struct world world;
    struct cluster *cluster = set_up(&world, &OPTIONS);
    const uint32_t late = fall_behind(&world, cluster);
    const uint32_t leads = (late + 2) % OPTIONS.nodes;
    cluster_kill(cluster, (late + 1) % OPTIONS.nodes, 1);
    make_narrow(cluster, 1000000);
    cluster_start(cluster, late);
    (void)events_in(&world, 1000000);
    assert_non_null(cluster_replica(cluster, late)->receiving);
    cluster_set_trouble(cluster, leads, &(struct os_sim_trouble){.read_ppm = 1000000});
    assert_int_equal(seconds_led(&world, cluster, 5), 5);
    cluster_set_trouble(cluster, leads, &(struct os_sim_trouble){0});
    (void)events_in(&world, 30000000);
    assert_int_equal(lag(cluster, late, leads), 0);
    take_down(&world, cluster);
}

/* Damage one byte in the middle of the node's snapshot: its two ends look right. */
static void ruin_snapshot(struct cluster *cluster, uint32_t node)
{
    struct disk *disk = os_sim_disk(cluster->nodes[node].os);
    struct disk_file *file;
    char path[64];
    uint8_t byte;
    snprintf(path, sizeof path, "data/snap/%016" PRIx64 ".snap",
             cluster_replica(cluster, node)->snapshot);
    assert_int_equal(disk_open(disk, path, 0, 0, &file), 0);
    disk_read(file, disk_size(file) / 2, &byte, 1);
    byte ^= 1;
    disk_write(file, disk_size(file) / 2, &byte, 1);
    disk_sync(file);
}

/* The only other member gives a snapshot that has rotted, and nothing else would make it write
 * another. */
TEST(replica, gives_its_state_where_its_snapshot_has_rotted)
{
    struct world world;
    uint32_t good = 0;
    struct cluster *cluster = set_up(&world, &OPTIONS);
    const uint32_t late = fall_behind(&world, cluster);
    const uint32_t leads = (late + 2) % OPTIONS.nodes;
    cluster_kill(cluster, (late + 1) % OPTIONS.nodes, 1);
    ruin_snapshot(cluster, leads);
    cluster_start(cluster, late);
    (void)events_in(&world, 20000000);
    assert_int_equal(lag(cluster, late, leads), 0);
    put_small(cluster, late, &good);
    (void)events_in(&world, 2000000);
    assert_int_equal(good, 1);
    take_down(&world, cluster);
}

static void put_values(struct world *world, struct cluster *cluster, uint32_t node)
{
    uint32_t good = 0;
    for (uint32_t i = 0; i < VALUES; i++) {
        put_value(cluster, node, VALUE_BYTES, &good);
        (void)events_in(world, 300000);
    }
    assert_int_equal(good, VALUES);
}

/* It had one of its own, of long ago. */
TEST(replica, keeps_no_snapshot_that_a_received_one_replaces)
{
    struct world world;
    struct cluster *cluster = set_up(&world, &OPTIONS);
    const uint32_t leader = start_and_elect(&world, cluster);
    const uint32_t late = (leader + 1) % OPTIONS.nodes;
    put_values(&world, cluster, leader);
    const synod_slot own = cluster_replica(cluster, late)->snapshot;
    assert_true(own > 0);
    cluster_kill(cluster, late, 1);
    for (int i = 0; i < 4; i++) {
        put_values(&world, cluster, leader);
    }
    cluster_start(cluster, late);
    for (int i = 0; i < 50000 && cluster_replica(cluster, late)->snapshot == own; i++) {
        (void)events_in(&world, 100);
    }
    assert_true(cluster_replica(cluster, late)->snapshot > own);
    assert_int_equal(cluster_snapshots(cluster, late), 1);
    take_down(&world, cluster);
}
