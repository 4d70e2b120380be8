/* catchup_test.c -- members that were away, and links that are narrow or long. */
#include <stdio.h>
#include <string.h>

#include "replica/replica_internal.h"
#include "sim/cluster_internal.h"
#include "stage.h"
#include "test.h"

/* Twenty-eight megabytes at 2.5 MB/s, which would be eleven seconds if nothing else was sent. */
TEST(replica, catches_up_over_a_narrow_link)
{
    struct cluster_options options = OPTIONS;
    struct replica_status status;
    struct replica_status behind;
    struct world world;
    uint32_t good = 0;
    options.limits.snapshot_bytes = 400 << 20;
    options.limits.cache_bytes = 400 << 20;
    options.limits.segment_bytes = 16 << 20;
    options.net.bytes_per_s = 2500000;
    struct cluster *cluster = set_up(&world, &options);
    start_all(cluster);
    (void)events_in(&world, 2000000);
    replica_status(cluster_replica(cluster, 0), &status);
    const uint32_t late = (status.leader + 1) % OPTIONS.nodes;
    cluster_kill(cluster, late, 1);
    for (uint32_t i = 0; i < 40; i++) {
        put_large(cluster, status.leader, &good);
        (void)events_in(&world, 2000000);
    }
    assert_int_equal(good, 40);
    cluster_start(cluster, late);
    (void)events_in(&world, 20000000);
    replica_status(cluster_replica(cluster, status.leader), &status);
    replica_status(cluster_replica(cluster, late), &behind);
    assert_int_equal(behind.applied, status.applied);
    take_down(&world, cluster);
}

/* Twenty thousand small entries, from a quarter of the way round the world: asked for one message
 * at a time they would take half a minute. */
TEST(replica, catches_up_with_many_entries_from_far_away)
{
    struct cluster_options options = OPTIONS;
    struct world world;
    uint32_t good = 0;
    options.limits.snapshot_bytes = 400 << 20;
    options.limits.segment_bytes = 16 << 20;
    struct cluster *cluster = set_up(&world, &options);
    start_all(cluster);
    (void)events_in(&world, 5000000);
    cluster_kill(cluster, 2, 1);
    (void)events_in(&world, 5000000);
    for (uint32_t i = 0; i < 20000; i++) {
        put_small(cluster, 0, &good);
        (void)events_in(&world, 2000);
    }
    (void)events_in(&world, 1000000);
    assert_int_equal(good, 20000);
    net_set_options(cluster_net(cluster),
                    &(struct net_options){.delay_us_min = 25000, .delay_us_max = 25000});
    cluster_start(cluster, 2);
    (void)events_in(&world, 8000000);
    assert_int_equal(lag(cluster, 2, 0), 0);
    take_down(&world, cluster);
}

/* Little may be on its way to a disk, so it takes little at a time. But it asks on as soon as the
 * disk has that, and does not wait as if it had been asked in vain. */
TEST(replica, asks_on_when_its_disk_has_caught_up)
{
    struct cluster_options options = OPTIONS;
    struct world world;
    uint32_t good = 0;
    options.limits.snapshot_bytes = 400 << 20;
    options.limits.segment_bytes = 16 << 20;
    options.limits.backlog_bytes_max = 2000;
    struct cluster *cluster = set_up(&world, &options);
    const uint32_t leads = start_and_elect(&world, cluster);
    const uint32_t late = (leads + 1) % OPTIONS.nodes;
    cluster_kill(cluster, late, 1);
    for (uint32_t i = 0; i < 1200; i++) {
        put_small(cluster, leads, &good);
        (void)events_in(&world, 1000);
    }
    assert_int_equal(good, 1200);
    cluster_start(cluster, late);
    (void)events_in(&world, 10000000);
    assert_int_equal(lag(cluster, late, leads), 0);
    take_down(&world, cluster);
}

/* Three megabytes a second are written, and one member can be told of one. It falls behind, that
 * cannot be helped; but what it hears is not a minute old, and nothing piles up in front of it. */
TEST(replica, does_not_fill_a_link_that_is_too_narrow_for_what_is_written)
{
    enum {
        QUEUE_MAX = 9 << 20
    };
    struct cluster_options options = OPTIONS;
    struct world world;
    uint32_t good = 0;
    size_t most = 0;
    options.limits.segment_bytes = 1 << 20;
    options.limits.snapshot_bytes = 16 << 20;
    struct cluster *cluster = set_up(&world, &options);
    const uint32_t leads = start_and_elect(&world, cluster);
    const uint32_t far = (leads + 1) % OPTIONS.nodes;
    const struct replica *leader = cluster_replica(cluster, leads);
    net_narrow(cluster_net(cluster), leads, far, 1000000);
    for (uint32_t i = 0; i < 1800; i++) {
        put_value(cluster, leads, 20000, &good);
        (void)events_in(&world, 6667);
        const size_t queued = peers_queued(leader->peers, leader->members[far].peer);
        most = queued > most ? queued : most;
    }
    assert_int_equal(good, 1800);
    assert_in_range(most, 1 << 20, QUEUE_MAX); /* It was too narrow. */
    take_down(&world, cluster);
}

/* What a member that stands still does not read stays with the leader, once the system holds no
 * more. It is no more than is worth to be sent again, and it goes when the member is given up. */
TEST(replica, keeps_little_for_a_member_that_reads_nothing)
{
    enum {
        QUEUE_MAX = 9 << 20,
        ROOM = 64 << 10
    };
    struct cluster_options options = OPTIONS;
    struct world world;
    uint32_t good = 0;
    size_t most = 0;
    options.limits.segment_bytes = 1 << 20;
    options.net.room_bytes = ROOM;
    struct cluster *cluster = set_up(&world, &options);
    const uint32_t leads = start_and_elect(&world, cluster);
    const uint32_t still = (leads + 1) % OPTIONS.nodes;
    const struct replica *leader = cluster_replica(cluster, leads);
    cluster_pause(cluster, still, 15000000);
    for (uint32_t i = 0; i < 600; i++) {
        put_value(cluster, leads, 20000, &good);
        (void)events_in(&world, 20000);
        const size_t queued = peers_queued(leader->peers, leader->members[still].peer);
        most = queued > most ? queued : most;
    }
    assert_int_equal(good, 600);
    assert_in_range(most, ROOM, QUEUE_MAX);
    assert_in_range(peers_queued(leader->peers, leader->members[still].peer), 0, ROOM);
    (void)events_in(&world, 10000000);
    assert_int_equal(lag(cluster, still, leads), 0);
    take_down(&world, cluster);
}

/* The clients of a follower write three megabytes a second, and it can tell the leader of one. The
 * third member dies, so its votes are needed: they do not wait behind what is forwarded. */
TEST(replica, votes_in_time_though_its_clients_write_more_than_it_can_forward)
{
    enum {
        QUEUE_MAX = 256 << 10
    };
    struct cluster_options options = OPTIONS;
    struct world world;
    uint32_t forwarded = 0;
    uint32_t good = 0;
    size_t most = 0;
    options.limits.segment_bytes = 1 << 20;
    options.limits.snapshot_bytes = 16 << 20;
    struct cluster *cluster = set_up(&world, &options);
    const uint32_t leads = start_and_elect(&world, cluster);
    const uint32_t busy = (leads + 1) % OPTIONS.nodes;
    const struct replica *follower = cluster_replica(cluster, busy);
    net_narrow(cluster_net(cluster), busy, leads, 1000000);
    cluster_kill(cluster, (leads + 2) % OPTIONS.nodes, 1);
    for (uint32_t i = 0; i < 1800; i++) {
        put_value(cluster, busy, 20000, &forwarded);
        if (i % 15 == 0) {
            put_value(cluster, leads, 1 << 14, &good);
        }
        (void)events_in(&world, 6667);
        const size_t queued = peers_queued(follower->peers, follower->members[leads].peer);
        most = queued > most ? queued : most;
    }
    assert_in_range(most, 64 << 10, QUEUE_MAX); /* It was too narrow. */
    (void)events_in(&world, 6000000);
    assert_int_equal(good, 120);
    assert_in_range(forwarded, 300, 900);
    take_down(&world, cluster);
}

/* The third has gone, so nothing is chosen before the late one has what it lacks. What clients
 * write meanwhile it could not remember yet: to propose it again and again would fill the link. */
static void catch_up_beside_large_values(uint64_t snapshot_bytes)
{
    struct cluster_options options = OPTIONS;
    struct world world;
    uint32_t good = 0;
    options.limits.snapshot_bytes = snapshot_bytes;
    options.limits.segment_bytes = 16 << 20;
    options.window = 16;
    struct cluster *cluster = set_up(&world, &options);
    const uint32_t late = fall_behind(&world, cluster);
    const uint32_t leads = (late + 2) % OPTIONS.nodes;
    make_narrow(cluster, 1000000);
    cluster_kill(cluster, (late + 1) % OPTIONS.nodes, 1);
    cluster_start(cluster, late);
    for (uint32_t i = 0; i < 40; i++) {
        put_value(cluster, leads, 700000, &good);
        (void)events_in(&world, 1000000);
    }
    (void)events_in(&world, 20000000);
    assert_int_equal(lag(cluster, late, leads), 0);
    good = 0;
    put_small(cluster, late, &good);
    (void)events_in(&world, 1000000);
    assert_int_equal(good, 1);
    take_down(&world, cluster);
}

TEST(replica, takes_entries_beside_large_values_that_it_cannot_take_yet)
{
    catch_up_beside_large_values(400 << 20);
}

TEST(replica, takes_a_snapshot_beside_large_values_that_it_cannot_take_yet)
{
    catch_up_beside_large_values(OPTIONS.limits.snapshot_bytes);
}

/* Clients have more to say at once than the link to the only other member carries in an election
 * time-out, or in five. That takes its time, and is no reason to lose the leader. */
TEST(replica, leads_on_though_much_is_written_at_once_over_a_narrow_link)
{
    struct world world;
    uint32_t good = 0;
    struct cluster *cluster = set_up(&world, &OPTIONS);
    const uint32_t leads = start_and_elect(&world, cluster);
    make_narrow(cluster, 2000000);
    cluster_kill(cluster, (leads + 1) % OPTIONS.nodes, 1);
    for (uint32_t i = 0; i < 16; i++) {
        put_value(cluster, leads, 600000, &good);
    }
    assert_int_equal(seconds_led(&world, cluster, 10), 10);
    assert_true(good > 12);
    put_small(cluster, leads, &good);
    (void)events_in(&world, 1000000);
    take_down(&world, cluster);
}

static void note_first(void *context, const char *name)
{
    char *first = context;
    if (first[0] == 0 && strncmp(name, "spare", 5) != 0) {
        snprintf(first, 64, "data/wal/%.48s", name);
    }
}

/* Make the oldest segment of the node's log unreadable, but for what a process has in memory. */
static void ruin_log(struct cluster *cluster, uint32_t node)
{
    static const uint8_t garbage[4096] = {0xff};
    struct disk *disk = os_sim_disk(cluster->nodes[node].os);
    struct disk_file *file;
    char first[64] = "";
    disk_list(disk, "data/wal", note_first, first);
    assert_int_equal(disk_open(disk, first, 0, 0, &file), 0);
    assert_true(disk_size(file) > 8 * sizeof garbage);
    for (uint64_t at = sizeof garbage; at < disk_size(file); at += sizeof garbage) {
        disk_write(file, at, garbage, sizeof garbage);
    }
    disk_sync(file);
}

/* The only other member has lost what the late one needs: not its state, and not yet anything that
 * was acknowledged, but the log of it. No snapshot is due, and none will be, for nothing is chosen
 * any more; so one is written, and given. */
TEST(replica, gives_its_state_where_it_cannot_read_its_log)
{
    struct cluster_options options = OPTIONS;
    struct world world;
    uint32_t good = 0;
    options.limits.snapshot_bytes = 400 << 20;
    options.limits.cache_bytes = 10000;
    options.limits.segment_bytes = 16 << 20;
    struct cluster *cluster = set_up(&world, &options);
    const uint32_t leads = start_and_elect(&world, cluster);
    const uint32_t late = (leads + 1) % OPTIONS.nodes;
    cluster_kill(cluster, late, 1);
    for (uint32_t i = 0; i < VALUES; i++) {
        put_value(cluster, leads, VALUE_BYTES, &good);
        (void)events_in(&world, 100000);
    }
    assert_int_equal(good, VALUES);
    cluster_kill(cluster, (leads + 2) % OPTIONS.nodes, 1);
    ruin_log(cluster, leads);
    cluster_start(cluster, late);
    (void)events_in(&world, 20000000);
    assert_int_equal(lag(cluster, late, leads), 0);
    assert_int_equal(cluster_counts(cluster).restores, 1);
    put_value(cluster, late, VALUE_BYTES, &good);
    (void)events_in(&world, 2000000);
    assert_int_equal(good, VALUES + 1);
    take_down(&world, cluster);
}
