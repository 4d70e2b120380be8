/* peer_test.c -- three members that keep the rules: connecting, frames, queues, restarts. */
#include "peer/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "test.h"

struct expected_frames {
    const struct member *member;
    uint32_t peer;
    uint64_t count;
};

static int have_come(void *context)
{
    const struct expected_frames *expected = context;
    return expected->member->frames[expected->peer] >= expected->count;
}

/* Run until `to` has had so many frames of `from` in all. */
static void run_until_frames(struct rig *rig, uint32_t to, uint32_t from, uint64_t count)
{
    struct expected_frames expected = {&rig->members[to], rig_peer(to, from), count};
    loop_run_until(&rig->loop, have_come, &expected);
    assert_int_equal(expected.member->frames[expected.peer], count);
}

TEST(peers, connect_once_for_each_pair)
{
    struct rig rig;
    rig_open(&rig);
    rig_start_all(&rig);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        for (uint32_t peer = 0; peer < MEMBERS - 1; peer++) {
            struct peer_statistics statistics;
            assert_int_equal(rig.members[i].connected[peer], 1);
            assert_int_equal(rig.members[i].disconnected[peer], 0);
            peers_statistics(rig.members[i].peers, peer, &statistics);
            assert_int_equal(statistics.connected_count, 1);
        }
        assert_int_equal(rig.members[i].hello_count, 2);
    }
    rig_close(&rig);
}

TEST(peers, tell_each_other_who_they_are)
{
    struct rig rig;
    rig_open(&rig);
    rig.members[1].options.table_hash = 0x7ab1e;
    rig.members[1].options.flags = 5;
    rig_start(&rig, 0);
    rig_start(&rig, 1);
    loop_run_until(&rig.loop, rig_is_connected, &rig);
    const struct peer_hello *hello = &rig.members[0].hello;
    assert_int_equal(hello->member, 101);
    assert_int_equal(hello->incarnation, 1001);
    assert_int_equal(hello->cluster_key, 0xc1);
    assert_int_equal(hello->table_hash, 0x7ab1e);
    assert_int_equal(hello->flags, 5);
    assert_int_equal(hello->version, 1);
    assert_int_equal(rig.members[1].hello.member, 100);
    rig_close(&rig);
}

TEST(peers, carry_frames_of_every_size_whole)
{
    static const uint32_t sizes[] = {0,     1,      2,      100,    4096,    32767, 32768,
                                     65536, 262127, 262128, 262129, 1 << 20, 7,     16 << 20};
    enum {
        COUNT = sizeof sizes / sizeof sizes[0]
    };
    struct rig rig;
    uint64_t bytes = 0;
    rig_open(&rig);
    rig_start_all(&rig);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(rig_send(&rig.members[2], 0, sizes[i]), 0);
        assert_int_equal(rig_send(&rig.members[0], 1, sizes[i]), 0);
        bytes += sizes[i];
    }
    peers_flush(rig.members[0].peers);
    peers_flush(rig.members[2].peers);
    run_until_frames(&rig, 0, 2, COUNT);
    run_until_frames(&rig, 2, 0, COUNT);
    assert_true(rig.members[0].body_bytes[1] == bytes);
    assert_true(rig.members[2].body_bytes[0] == bytes);

    struct peer_statistics sent, received;
    peers_statistics(rig.members[2].peers, 0, &sent);
    peers_statistics(rig.members[0].peers, 1, &received);
    assert_int_equal(sent.frames_sent, COUNT);
    assert_true(sent.bytes_sent == bytes + COUNT * 16);
    assert_int_equal(received.frames_received, COUNT);
    assert_true(received.bytes_received == sent.bytes_sent);
    assert_int_equal(sent.frames_dropped, 0);
    rig_close(&rig);
}

TEST(peers, keep_frames_back_until_they_are_flushed)
{
    struct rig rig;
    rig_open(&rig);
    rig_start_all(&rig);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(rig_send(&rig.members[0], 0, 84), 0);
    }
    assert_int_equal(rig_send(&rig.members[0], 1, 1), 0);
    assert_int_equal(peers_queued(rig.members[0].peers, 0), 10000);
    assert_int_equal(rig_send(&rig.members[2], 0, 1), 0);
    peers_flush(rig.members[2].peers);
    run_until_frames(&rig, 0, 2, 1);
    assert_int_equal(rig.members[1].frames[0], 0);

    peers_flush(rig.members[0].peers);
    assert_int_equal(peers_queued(rig.members[0].peers, 0), 0);
    run_until_frames(&rig, 1, 0, 100);
    run_until_frames(&rig, 2, 0, 1);
    rig_close(&rig);
}

TEST(peers, drop_what_is_sent_without_a_connection)
{
    struct rig rig;
    struct peer_statistics statistics;
    rig_open(&rig);
    rig_start(&rig, 0);
    assert_int_equal(rig_send(&rig.members[0], 0, 10), -ENOTCONN);
    assert_int_equal(peers_queued(rig.members[0].peers, 0), 0);
    peers_flush(rig.members[0].peers);
    peers_statistics(rig.members[0].peers, 0, &statistics);
    assert_int_equal(statistics.frames_dropped, 1);
    assert_int_equal(statistics.frames_sent, 0);
    rig_close(&rig);
}

struct queue_probe {
    struct peers *peers;
    size_t limit;
};

static int is_below(void *context)
{
    const struct queue_probe *probe = context;
    return peers_queued(probe->peers, 0) <= probe->limit;
}

/* Member 1 is played by hand, and does not read. */
TEST(peers, drop_what_would_wait_beyond_the_limit_and_count_it)
{
    enum {
        LIMIT = 4 << 20,
        SIZE = 100000
    };
    struct rig rig;
    struct stranger slow;
    struct peer_statistics statistics;
    rig_open(&rig);
    rig.members[2].options.frame_size_max = 1 << 20;
    rig.members[2].options.queue_size_max = LIMIT;
    rig_start(&rig, 2);
    stranger_pass_for(&rig, &slow, 2, 0);
    os_stream_pause(slow.stream, 1);

    struct peers *peers = rig.members[2].peers;
    int sent = 0;
    int error = 0;
    while (error == 0) {
        error = rig_send(&rig.members[2], 0, sent % 2 == 0 ? SIZE : 50);
        peers_flush(peers);
        assert_true(peers_queued(peers, 0) <= LIMIT);
        sent += error == 0;
    }
    assert_int_equal(error, -EAGAIN);
    assert_true(peers_queued(peers, 0) > LIMIT - SIZE - 16);
    assert_int_equal(rig_send(&rig.members[2], 0, SIZE), -EAGAIN);
    peers_statistics(peers, 0, &statistics);
    assert_int_equal(statistics.frames_dropped, 2);
    assert_int_equal(statistics.frames_sent, sent);

    os_stream_pause(slow.stream, 0);
    struct queue_probe probe = {peers, LIMIT / 2};
    loop_run_until(&rig.loop, is_below, &probe);
    assert_int_equal(rig_send(&rig.members[2], 0, SIZE), 0);
    assert_int_equal(rig.members[2].disconnected[0], 0);
    stranger_close(&slow);
    rig_close(&rig);
}

static int others_have_noticed(void *context)
{
    const struct rig *rig = context;
    return rig->members[0].disconnected[rig_peer(0, 1)] > 0 &&
           rig->members[2].disconnected[rig_peer(2, 1)] > 0;
}

/* Member 1 is dialled by 0 and dials 2: one of each kind. */
TEST(peers, notice_a_death_at_once_and_find_the_restarted_again)
{
    struct rig rig;
    rig_open(&rig);
    rig_start_all(&rig);
    for (int life = 1; life <= 3; life++) {
        assert_int_equal(rig_send(&rig.members[0], 0, 10), 0);
        assert_int_equal(rig_send(&rig.members[1], 1, 10), 0);
        peers_flush(rig.members[0].peers);
        peers_flush(rig.members[1].peers);
        run_until_frames(&rig, 1, 0, (uint64_t)life);
        run_until_frames(&rig, 2, 1, (uint64_t)life);

        rig_stop(&rig, 1);
        loop_run_until(&rig.loop, others_have_noticed, &rig);
        assert_int_equal(rig.members[0].disconnected[0], life);
        assert_int_equal(rig.members[2].disconnected[1], life);
        assert_int_equal(peers_queued(rig.members[0].peers, 0), 0);
        assert_true(peers_is_connected(rig.members[0].peers, 1));

        rig.members[1].options.incarnation++;
        rig_start(&rig, 1);
        loop_run_until(&rig.loop, rig_is_connected, &rig);
        assert_true(rig.members[0].hello.incarnation == rig.members[1].options.incarnation);
    }
    assert_int_equal(rig.members[0].connected[0], 4);
    assert_true(rig_has_logged("lost peer", rig.members[1].address));
    rig_close(&rig);
}

TEST(peers, come_together_in_whatever_order_they_start)
{
    static const uint32_t orders[6][MEMBERS] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                                {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (size_t i = 0; i < 6; i++) {
        struct rig rig;
        rig_open(&rig);
        for (size_t j = 0; j < MEMBERS; j++) {
            rig_start(&rig, orders[i][j]);
            loop_run_until(&rig.loop, rig_is_connected, &rig);
        }
        rig_close(&rig);
    }
}

TEST(peers, connect_anew_under_a_new_identity)
{
    struct rig rig;
    rig_open(&rig);
    rig.members[1].options.member = 0;
    rig_start_all(&rig);
    assert_int_equal(rig.members[0].hello_count, 2);
    peers_set_identity(rig.members[1].peers, 0, 0, 0); /* Nothing new. */
    peers_set_identity(rig.members[1].peers, 500, 0x7ab1e, 3);
    assert_int_equal(rig.members[1].disconnected[0], 0); /* Not from inside the call. */
    loop_run_until(&rig.loop, others_have_noticed, &rig);
    loop_run_until(&rig.loop, rig_is_connected, &rig);
    for (uint32_t i = 0; i < MEMBERS; i += 2) {
        assert_int_equal(rig.members[i].hello_count, 3);
        assert_int_equal(rig.members[i].hello.member, 500);
        assert_int_equal(rig.members[i].hello.table_hash, 0x7ab1e);
        assert_int_equal(rig.members[i].hello.flags, 3);
    }
    rig_close(&rig);
}

TEST(peers, refuse_options_that_cannot_work)
{
    struct rig rig;
    static char long_text[300];
    static const struct peers_events none;
    rig_open(&rig);
    struct peers *peers;
    struct member *member = &rig.members[0];
    struct peers_options bad;
    memset(long_text, 'x', sizeof long_text - 1);

    bad = member->options;
    bad.name = long_text;
    assert_int_equal(peers_new(rig.loop.os, &bad, &none, NULL, &peers), -EINVAL);
    bad.name = "two\nlines";
    assert_int_equal(peers_new(rig.loop.os, &bad, &none, NULL, &peers), -EINVAL);
    bad = member->options;
    bad.address = long_text;
    assert_int_equal(peers_new(rig.loop.os, &bad, &none, NULL, &peers), -EINVAL);
    bad = member->options;
    member->others[1] = member->others[0];
    assert_int_equal(peers_new(rig.loop.os, &bad, &none, NULL, &peers), -EINVAL);
    member->others[1] = member->address;
    assert_int_equal(peers_new(rig.loop.os, &bad, &none, NULL, &peers), -EINVAL);
    member->others[1] = rig.members[2].address;
    bad.listen = "nowhere";
    assert_int_equal(peers_new(rig.loop.os, &bad, &none, NULL, &peers), -EINVAL);
    rig_start(&rig, 1);
    bad.listen = rig.members[1].address;
    assert_int_equal(peers_new(rig.loop.os, &bad, &none, NULL, &peers), -EADDRINUSE);
    assert_int_equal(peers_port(rig.members[1].peers), 24002);
    rig_close(&rig);
}
