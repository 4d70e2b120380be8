/* cluster_test.c -- whole clusters in virtual time: what no run of random seeds would point at. */
#include "replica/replica_internal.h"
#include "sim/cluster.h"

#include "stage.h"
#include "test.h"

TEST(replica, that_waits_for_the_founding_sleeps_meanwhile)
{
    struct world world;
    struct cluster *cluster = set_up(&world, &OPTIONS);
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
    take_down(&world, cluster);
}

static void put(struct world *world, struct cluster *cluster, uint32_t node)
{
    static const uint8_t KEY_K[] = {0x0a, 1, 'k'};
    uint32_t good = 0;
    assert_int_equal(replica_submit(cluster_replica(cluster, node), KV_COMMAND_PUT,
                                    bytes_of(KEY_K, sizeof KEY_K), note_outcome, &good),
                     0);
    cluster_touch(cluster, node);
    (void)events_in(world, 1000000);
    assert_int_equal(good, 1);
}

/* A few entries are kept for members that are late; what elections write behind them, and nothing
 * else is written, must not pile up because of that. */
TEST(replica, keeps_a_short_log_where_there_are_elections_and_no_entries)
{
    struct cluster_options options = OPTIONS;
    struct replica_status status;
    struct world world;
    uint64_t longest = 0;
    options.limits.segment_bytes = 16 << 10;
    options.limits.tail_bytes = 60000;
    struct cluster *cluster = set_up(&world, &options);
    start_all(cluster);
    (void)events_in(&world, 5000000);
    put(&world, cluster, 2);
    for (uint32_t i = 0; i < 40; i++) {
        replica_status(cluster_replica(cluster, 0), &status);
        assert_true(status.has_leader);
        cluster_pause(cluster, status.leader, 5000000);
        (void)events_in(&world, 8000000);
        for (uint32_t node = 0; node < options.nodes; node++) {
            replica_status(cluster_replica(cluster, node), &status);
            longest = status.log_bytes > longest ? status.log_bytes : longest;
        }
    }
    assert_true(longest > options.limits.tail_bytes); /* Or nothing was kept. */
    assert_true(longest <= options.limits.snapshot_bytes + options.limits.tail_bytes +
                               2 * options.limits.segment_bytes);
    take_down(&world, cluster);
}

static uint32_t running(struct cluster *cluster)
{
    uint32_t set = 0;
    for (uint32_t node = 0; node < OPTIONS.nodes; node++) {
        struct replica_status status;
        replica_status(cluster_replica(cluster, node), &status);
        set |= status.is_running << node;
    }
    return set;
}

/* As soon as one runs, its link to one that does not is cut for good. 0 if all run by then. */
static int found_and_cut(struct world *world, struct cluster *cluster)
{
    start_all(cluster);
    while (running(cluster) == 0 && world_step(world, 5000000) != 0) {
    }
    const uint32_t set = running(cluster);
    for (uint32_t first = 0; first < OPTIONS.nodes; first++) {
        for (uint32_t other = 0; other < OPTIONS.nodes; other++) {
            if ((set >> first & 1) != 0 && (set >> other & 1) == 0) {
                net_cut(cluster_net(cluster), first, other);
                net_cut(cluster_net(cluster), other, first);
                return 1;
            }
        }
    }
    return 0;
}

/* Who runs has heard that all hold the table. The others must not hang on hearing it from all. */
TEST(replica, learns_from_any_that_votes_that_the_founding_is_over)
{
    uint32_t tried = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world world;
        world_init(&world, seed, 0);
        struct cluster *cluster = cluster_new(&world, &OPTIONS);
        if (found_and_cut(&world, cluster)) {
            (void)events_in(&world, 10000000);
            assert_int_equal(running(cluster), 7);
            tried++;
        }
        cluster_free(cluster);
        world_deinit(&world);
    }
    assert_true(tried > 3);
}

/* -- A broken link ------------------------------------------------------------------------- */

/* These two do not hear each other. */
static void break_link(struct cluster *cluster, uint32_t node, uint32_t other)
{
    net_cut(cluster_net(cluster), node, other);
    net_cut(cluster_net(cluster), other, node);
}

static void note_read(void *context, int error)
{
    uint32_t *good = context;
    *good += error == 0;
}

/* It follows the leader, since another vouches for it. What its clients want goes through that. */
TEST(replica, serves_its_clients_though_it_does_not_hear_the_leader)
{
    struct replica_status status;
    struct world world;
    uint32_t reads = 0;
    struct cluster *cluster = set_up(&world, &OPTIONS);
    start_all(cluster);
    (void)events_in(&world, 5000000);
    replica_status(cluster_replica(cluster, 0), &status);
    assert_true(status.has_leader);
    const uint32_t leader = status.leader;
    const uint32_t deaf = (leader + 1) % OPTIONS.nodes;
    break_link(cluster, leader, deaf);
    (void)events_in(&world, 10000000);
    for (uint32_t i = 0; i < 10; i++) {
        put(&world, cluster, deaf);
        assert_int_equal(replica_read(cluster_replica(cluster, deaf), note_read, &reads), 0);
        cluster_touch(cluster, deaf);
        (void)events_in(&world, 1000000);
        assert_int_equal(reads, i + 1);
    }
    replica_status(cluster_replica(cluster, deaf), &status);
    assert_int_equal(status.leader, leader); /* Nobody had to stand for it. */
    cluster_free(cluster);
    world_deinit(&world);
}

/* -- Elections that take long --------------------------------------------------------------- */

/* The candidate's promise must be on its disk before it asks, and the voter's before it answers:
 * phase 1 takes two syncs, longer than the election time-out, and each of them is progress. */
TEST(replica, elects_on_disks_that_are_nearly_as_slow_as_the_election)
{
    struct cluster_options options = OPTIONS;
    struct world world;
    options.os.flush_us_min = 700000;
    options.os.flush_us_max = 700000;
    struct cluster *cluster = set_up(&world, &options);
    start_all(cluster);
    (void)events_in(&world, 30000000);
    assert_true(seconds_led(&world, cluster, 60) > 50);
    take_down(&world, cluster);
}

/* A leader dies with as many large entries on their way as it may have, each of which is a piece of
 * a promise of its own. Of the next 60 seconds somebody must lead in so many. */
static void elect_with_much_to_report(const struct net_options *net, uint64_t report_us,
                                      uint32_t led_min)
{
    struct cluster_options options = OPTIONS;
    struct replica_status status;
    struct world world;
    uint32_t good = 0;
    options.net = *net;
    options.limits.snapshot_bytes = 400 << 20;
    options.limits.segment_bytes = 16 << 20;
    struct cluster *cluster = set_up(&world, &options);
    start_all(cluster);
    (void)events_in(&world, 20000000);
    replica_status(cluster_replica(cluster, 0), &status);
    assert_true(status.has_leader);
    for (uint32_t i = 0; i < 8; i++) {
        put_large(cluster, status.leader, &good);
        (void)events_in(&world, 1000);
    }
    (void)events_in(&world, report_us);
    cluster_kill(cluster, status.leader, 1);
    assert_true(seconds_led(&world, cluster, 60) >= led_min);
    take_down(&world, cluster);
}

/* There and back takes 300 ms: eight pieces take longer than the election time-out. The others have
 * voted, and do not know what is chosen. */
TEST(replica, elects_where_there_is_much_to_report_and_far_to_go)
{
    elect_with_much_to_report(&(struct net_options){.delay_us_min = 150000, .delay_us_max = 150000},
                              200000, 50);
}

/* A piece takes longer to send than a message is waited for. */
TEST(replica, elects_where_there_is_much_to_report_over_a_narrow_link)
{
    elect_with_much_to_report(
        &(struct net_options){.delay_us_min = 10000, .delay_us_max = 10000, .bytes_per_s = 2500000},
        2240000, 58);
}

/* -- A disk that is slower than the others' -------------------------------------------------- */

/* Put large values, one every 20 ms; the disk of one node takes 300 ms for each flush. The others
 * are a quorum. Returns the most that was not durable there at any time. */
static uint64_t backlog_of_the_slow(struct world *world, struct cluster *cluster, uint32_t slow,
                                    uint32_t *good)
{
    uint64_t most = 0;
    cluster_set_os(cluster, slow,
                   &(struct os_sim_options){
                       .turn_us_max = 50, .flush_us_min = 300000, .flush_us_max = 300000});
    for (uint32_t i = 0; i < 100; i++) {
        struct replica_status status;
        put_large(cluster, slow, good);
        (void)events_in(world, 20000);
        replica_status(cluster_replica(cluster, slow), &status);
        most = status.log_backlog > most ? status.log_backlog : most;
    }
    cluster_calm_node(cluster, slow);
    (void)events_in(world, 10000000);
    return most;
}

/* What it cannot keep up with must not pile up in its memory, whether it follows or leads; and
 * when its disk has recovered, it has everything. */
TEST(replica, has_little_that_is_not_durable_where_the_disk_is_slower_than_the_others)
{
    enum {
        BACKLOG_MAX = 2 << 20,
        ENTRIES = 2 << 20 /* What a message carries, and a little more. */
    };
    for (uint32_t follows = 0; follows <= 1; follows++) {
        struct cluster_options options = OPTIONS;
        struct world world;
        uint32_t good = 0;
        options.limits.backlog_bytes_max = BACKLOG_MAX;
        options.limits.snapshot_bytes = 400 << 20;
        options.limits.segment_bytes = 16 << 20;
        struct cluster *cluster = set_up(&world, &options);
        const uint32_t slow = (start_and_elect(&world, cluster) + follows) % OPTIONS.nodes;
        const uint64_t most = backlog_of_the_slow(&world, cluster, slow, &good);
        assert_in_range(most, BACKLOG_MAX, BACKLOG_MAX + ENTRIES);
        assert_int_equal(good, 100);
        assert_true(cluster_is_equal(cluster));
        assert_null(cluster_violation(cluster));
        cluster_free(cluster);
        world_deinit(&world);
    }
}

/* A check that is told of nothing would never complain. */
TEST(cluster, holds_every_step_of_every_core_against_the_reference)
{
    struct world world;
    struct cluster *cluster = set_up(&world, &OPTIONS);
    for (uint32_t node = 0; node < 3; node++) {
        cluster_start(cluster, node);
    }
    (void)events_in(&world, 2000000);
    const uint64_t steps = cluster_counts(cluster).steps;
    assert_true(steps > 3 * 20); /* At the least a tick each heartbeat. */
    (void)events_in(&world, 1000000);
    assert_true(cluster_counts(cluster).steps > steps + 3 * 10);
    take_down(&world, cluster);
}

static void on_nothing(void *context)
{
    (void)context;
}

static void on_end(void *context, int error)
{
    int *has_ended = context;
    *has_ended = 1;
    (void)error;
}

static void on_bytes(void *context, struct bytes data)
{
    (void)context;
    (void)data;
}

/* Node 1 sends so many frames, none of which means anything, to node 0 within a second. */
static void flood(struct world *world, struct cluster *cluster, uint32_t frames)
{
    enum {
        FRAME_SIZE = 16,
        FRAMES_MAX = 110000
    };
    static const uint8_t FRAMES[FRAMES_MAX * FRAME_SIZE];
    static const struct os_stream_events EVENTS = {
        .on_open = on_nothing, .on_data = on_bytes, .on_drain = on_nothing, .on_close = on_end};
    const struct bytes bytes = bytes_of(FRAMES, frames * FRAME_SIZE);
    int has_ended = 0;
    struct os_stream *stream = net_connect(cluster_net(cluster), 1, "node:0", &EVENTS, &has_ended);
    assert_non_null(stream);
    assert_int_equal(os_stream_write(stream, &bytes, 1), 0);
    (void)events_in(world, 1000000);
    assert_true(has_ended);
    os_stream_close(stream);
}

struct outcomes {
    uint32_t good;
    uint32_t bad;
};

static void on_read(void *context, int error)
{
    struct outcomes *outcomes = context;
    outcomes->good += error == 0;
    outcomes->bad += error != 0;
}

/* A follower is far away from the others, and is asked to read again and again, each time in
 * another turn of its loop. In the end all is answered, and few frames were sent for it. */
static void read_in_many_turns(int hears_the_leader, uint32_t reads, uint64_t delay_us)
{
    struct cluster_options options = OPTIONS;
    struct replica_status status;
    struct outcomes outcomes = {0};
    struct world world;
    options.net.delay_us_min = options.net.delay_us_max = delay_us;
    struct cluster *cluster = set_up(&world, &options);
    start_all(cluster);
    (void)events_in(&world, 20000000);
    replica_status(cluster_replica(cluster, 0), &status);
    assert_true(status.has_leader);
    const uint32_t reader = (status.leader + 1) % OPTIONS.nodes;
    if (!hears_the_leader) {
        break_link(cluster, status.leader, reader);
        (void)events_in(&world, 10000000);
    }
    const uint64_t frames = net_counts(cluster_net(cluster)).frames;
    for (uint32_t i = 0; i < OPTIONS.nodes; i++) {
        cluster_replica(cluster, i)->read_id = UINT32_MAX - 3; /* They soon begin again. */
    }
    for (uint32_t i = 0; i < reads; i++) {
        assert_int_equal(replica_read(cluster_replica(cluster, reader), on_read, &outcomes), 0);
        cluster_touch(cluster, reader);
        (void)events_in(&world, 100);
    }
    (void)events_in(&world, 1000000 + 20 * delay_us);
    assert_int_equal(outcomes.good, reads);
    assert_int_equal(outcomes.bad, 0);
    assert_true(net_counts(cluster_net(cluster)).frames - frames < 1000);
    take_down(&world, cluster);
}

TEST(replica, answers_reads_of_any_number_of_turns)
{
    read_in_many_turns(1, 4000, 25000);
    read_in_many_turns(0, 500, 25000);
}

/* There and back takes longer than a question is waited for. */
TEST(replica, answers_reads_from_far_away)
{
    read_in_many_turns(1, 1000, 150000);
    read_in_many_turns(0, 500, 150000);
}

/* The one that was asked for it may be so late that this is another life, which counts its reads
 * from the start again. */
TEST(replica, takes_no_answer_to_a_read_of_an_earlier_life)
{
    struct outcomes outcomes = {0};
    struct world world;
    uint8_t body[24] = {0};
    struct cluster *cluster = set_up(&world, &OPTIONS);
    const uint32_t leads = start_and_elect(&world, cluster);
    const uint32_t reader = (leads + 1) % OPTIONS.nodes;
    struct replica *r = cluster_replica(cluster, reader);
    cluster_pause(cluster, leads, 2000000);
    assert_int_equal(replica_read(r, on_read, &outcomes), 0);
    cluster_touch(cluster, reader);
    (void)events_in(&world, 10000);
    put_u64(body, replica_life(r) - ((uint64_t)1 << 32));
    put_u64(body + 8, r->read_id);
    assert_null(relay_on_index(r, bytes_of(body, sizeof body)));
    assert_int_equal(outcomes.good, 0);
    put_u64(body, replica_life(r));
    assert_null(relay_on_index(r, bytes_of(body, sizeof body)));
    assert_int_equal(outcomes.good, 1);
    cluster_free(cluster);
    world_deinit(&world);
}

/* Of messages that call forth each other no judge of the protocol complains. */
TEST(cluster, calls_it_a_storm_when_nobody_can_need_so_many_frames)
{
    struct world world;
    struct cluster *cluster = set_up(&world, &OPTIONS);
    start_all(cluster);
    (void)events_in(&world, 2000000);
    flood(&world, cluster, 90000);
    flood(&world, cluster, 90000); /* Another second, another count. */
    assert_null(cluster_violation(cluster));
    flood(&world, cluster, 110000);
    assert_non_null(cluster_violation(cluster));
    assert_non_null(strstr(cluster_violation(cluster), "storm"));
    cluster_free(cluster);
    world_deinit(&world);
}

/* A command that was forwarded to somebody who is not heard has no outcome for five seconds, and
 * hinders none of those that come after it. */
TEST(replica, takes_commands_behind_one_that_is_lost)
{
    enum {
        PENDING_MAX = 16
    };
    struct cluster_options options = OPTIONS;
    struct world world;
    struct replica_status status;
    uint32_t lost = 0;
    uint32_t good = 0;
    options.limits.pending_max = PENDING_MAX;
    struct cluster *cluster = set_up(&world, &options);
    const uint32_t leads = start_and_elect(&world, cluster);
    const uint32_t follows = (leads + 1) % OPTIONS.nodes;
    net_cut(cluster_net(cluster), follows, leads);
    put_small(cluster, follows, &lost);
    (void)events_in(&world, 10000);
    net_mend(cluster_net(cluster), follows, leads);
    for (uint32_t i = 0; i < 4 * PENDING_MAX; i++) {
        put_small(cluster, follows, &good);
        (void)events_in(&world, 20000);
    }
    assert_int_equal(good, 4 * PENDING_MAX);
    assert_int_equal(lost, 0);
    replica_status(cluster_replica(cluster, follows), &status);
    assert_int_equal(status.pending, 1);
    (void)events_in(&world, 5000000);
    replica_status(cluster_replica(cluster, follows), &status);
    assert_int_equal(status.pending, 0);
    take_down(&world, cluster);
}
