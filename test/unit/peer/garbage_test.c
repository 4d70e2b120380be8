/* garbage_test.c -- those who do not keep the rules are dropped, named, and do no harm. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "peer/peer_internal.h"
#include "rig.h"
#include "test.h"

enum {
    FRAME_SIZE_MAX = FRAME_HEADER_SIZE + FRAME_HELLO_SIZE_MAX
};

/* All members up, with little patience. */
static void open_impatient(struct rig *rig)
{
    rig_open(rig);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        rig->members[i].options.handshake_us = 100000;
    }
    rig_start_all(rig);
}

/* Nobody lost anybody over it. */
static void close_unharmed(struct rig *rig)
{
    for (uint32_t i = 0; i < MEMBERS; i++) {
        for (uint32_t peer = 0; peer < MEMBERS - 1; peer++) {
            assert_int_equal(rig->members[i].connected[peer], 1);
            assert_int_equal(rig->members[i].disconnected[peer], 0);
        }
    }
    rig_close(rig);
}

/* Write this to member 2 as the first thing; it hangs up and says why in the log. */
static void expect_drop(struct rig *rig, struct bytes bytes, const char *why)
{
    struct stranger stranger;
    const uint64_t refused = peers_refused_count(rig->members[2].peers);
    stranger_call(rig, &stranger, 2);
    stranger_write(&stranger, bytes);
    stranger_wait_for_end(rig, &stranger);
    assert_int_equal(buffer_size(&stranger.received), 0); /* Strangers get no answer. */
    assert_true(rig_has_logged("dropped peer peer=127.", why));
    assert_int_equal(peers_refused_count(rig->members[2].peers), refused + 1);
    stranger_close(&stranger);
}

/* The same with a hello that is well formed: it is answered with the reason. */
static void expect_refusal(struct rig *rig, const struct frame_hello *hello, const char *why)
{
    struct stranger stranger;
    uint8_t frame[FRAME_SIZE_MAX];
    stranger_call(rig, &stranger, 2);
    stranger_write(&stranger, bytes_of(frame, encode_hello(frame, hello)));
    assert_int_equal(stranger_wait_for_frame(rig, &stranger), FRAME_REFUSED);
    stranger_wait_for_end(rig, &stranger);
    const struct bytes answer = buffer_bytes(&stranger.received);
    assert_non_null(memmem(answer.data, answer.size, why, strlen(why)));
    assert_true(rig_has_logged("refused peer peer=127.", why));
    stranger_close(&stranger);
}

/* -- Before the hello ------------------------------------------------------------------- */

TEST(peers, drop_random_bytes)
{
    struct rig rig;
    struct prng prng = {.state = 1};
    open_impatient(&rig);
    for (int round = 0; round < 30; round++) {
        uint8_t bytes[64];
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)prng_next(&prng);
        }
        expect_drop(&rig, bytes_of(bytes, sizeof bytes), "in place of a hello");
    }
    close_unharmed(&rig);
}

TEST(peers, drop_other_protocols)
{
    struct rig rig;
    open_impatient(&rig);
    expect_drop(&rig, bytes_of_text("GET /version HTTP/1.1\r\nHost: x\r\n\r\n"),
                "in place of a hello");
    expect_drop(&rig, bytes_of_text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "in place of a hello");
    close_unharmed(&rig);
}

TEST(peers, take_no_memory_for_a_huge_frame_announced)
{
    struct rig rig;
    uint8_t frame[FRAME_HEADER_SIZE] = {0};
    open_impatient(&rig);
    put_u32(frame, UINT32_MAX);
    put_u16(frame + 8, FRAME_HELLO);
    put_u16(frame + 10, 1);
    expect_drop(&rig, bytes_of(frame, sizeof frame),
                "frame of 4294967295 bytes announced, at most 1024 taken");
    put_u32(frame, FRAME_HELLO_SIZE_MAX + 1);
    expect_drop(&rig, bytes_of(frame, sizeof frame), "frame of 1025 bytes announced");
    close_unharmed(&rig);
}

TEST(peers, drop_a_hello_with_a_wrong_bit_or_without_sense)
{
    struct rig rig;
    uint8_t frame[FRAME_SIZE_MAX];
    open_impatient(&rig);
    const struct frame_hello hello = hello_of(&rig, 0);
    size_t size = encode_hello(frame, &hello);
    frame[FRAME_HEADER_SIZE + 30] ^= 0x10;
    expect_drop(&rig, bytes_of(frame, size), "frame with a wrong checksum");
    size = encode_frame(frame, FRAME_HELLO, 1, bytes_of_text("hello!"));
    expect_drop(&rig, bytes_of(frame, size), "not a hello");
    close_unharmed(&rig);
}

TEST(peers, drop_frames_that_come_before_a_hello)
{
    struct rig rig;
    uint8_t frame[FRAME_SIZE_MAX];
    open_impatient(&rig);
    size_t size = encode_frame(frame, PEER_FRAME_TYPE_MIN, 1, bytes_of_text("x"));
    expect_drop(&rig, bytes_of(frame, size), "frame of type 16, version 1 in place of a hello");
    size = encode_frame(frame, FRAME_REFUSED, 1, bytes_of_text("you"));
    expect_drop(&rig, bytes_of(frame, size), "frame of type 2, version 1 in place of a hello");
    close_unharmed(&rig);
}

TEST(peers, wait_only_so_long_for_the_rest_of_a_hello)
{
    struct rig rig;
    uint8_t frame[FRAME_SIZE_MAX];
    open_impatient(&rig);
    const struct frame_hello hello = hello_of(&rig, 0);
    const size_t size = encode_hello(frame, &hello);
    expect_drop(&rig, bytes_of(frame, size / 2), "no hello in time");
    expect_drop(&rig, bytes_of(frame, 3), "no hello in time");
    expect_drop(&rig, bytes_of(NULL, 0), "no hello in time");
    close_unharmed(&rig);
}

static int has_refused(void *context)
{
    const struct rig *rig = context;
    return peers_refused_count(rig->members[2].peers) == 1;
}

TEST(peers, think_nothing_of_who_hangs_up_without_a_word)
{
    struct rig rig;
    struct stranger stranger;
    open_impatient(&rig);
    stranger_call(&rig, &stranger, 2);
    stranger_close(&stranger);
    loop_run_until(&rig.loop, has_refused, &rig);
    assert_false(rig_has_logged("WARN", "dropped peer"));
    close_unharmed(&rig);
}

/* Silent strangers fill all the places; a member must get in all the same. */
TEST(peers, let_members_in_past_a_crowd_of_silent_strangers)
{
    enum {
        CROWD = 200
    };
    struct rig rig;
    static struct stranger crowd[CROWD];
    struct stranger member;
    rig_open(&rig);
    rig.members[2].options.handshake_us = 60000000;
    rig_start(&rig, 2);
    for (int i = 0; i < CROWD; i++) {
        stranger_call(&rig, &crowd[i], 2);
    }
    stranger_pass_for(&rig, &member, 2, 0);
    assert_int_equal(rig.members[2].connected[0], 1);
    assert_true(peers_refused_count(rig.members[2].peers) >= CROWD - 64);
    assert_true(rig_has_logged("dropped peer", "too many strangers"));
    for (int i = 0; i < CROWD; i++) {
        stranger_close(&crowd[i]);
    }
    stranger_close(&member);
    rig_close(&rig);
}

/* -- The wrong hello -------------------------------------------------------------------- */

TEST(peers, refuse_whoever_is_not_of_the_cluster_and_say_why)
{
    struct rig rig;
    open_impatient(&rig);
    struct frame_hello hello = hello_of(&rig, 0);
    hello.cluster_key++;
    expect_refusal(&rig, &hello, "it belongs to another cluster");

    hello = hello_of(&rig, 0);
    hello.version_min = 2;
    hello.version_max = 9;
    expect_refusal(&rig, &hello, "no version of the protocol in common");
    hello.version_min = 0;
    hello.version_max = 0;
    expect_refusal(&rig, &hello, "no version of the protocol in common");

    hello = hello_of(&rig, 0);
    snprintf(hello.address, sizeof hello.address, "10.1.2.3:2380");
    expect_refusal(&rig, &hello, "its address is not a member's");

    hello = hello_of(&rig, 2);
    expect_refusal(&rig, &hello, "it has our own address");

    hello = hello_of(&rig, 0);
    hello.member = 102;
    expect_refusal(&rig, &hello, "it has our own identity");
    close_unharmed(&rig);
}

TEST(peers, refuse_a_member_who_calls_though_it_should_be_called)
{
    struct rig rig;
    struct stranger stranger;
    uint8_t frame[FRAME_SIZE_MAX];
    open_impatient(&rig);
    const struct frame_hello hello = hello_of(&rig, 2);
    stranger_call(&rig, &stranger, 0);
    stranger_write(&stranger, bytes_of(frame, encode_hello(frame, &hello)));
    assert_int_equal(stranger_wait_for_frame(&rig, &stranger), FRAME_REFUSED);
    assert_true(rig_has_logged("refused peer", "not the one of us two who connects"));
    stranger_close(&stranger);
    close_unharmed(&rig);
}

TEST(peers, speak_the_highest_version_that_both_know)
{
    struct rig rig;
    struct stranger stranger;
    uint8_t frame[FRAME_SIZE_MAX];
    rig_open(&rig);
    rig_start(&rig, 2);
    struct frame_hello hello = hello_of(&rig, 0);
    hello.version_max = 9;
    stranger_call(&rig, &stranger, 2);
    stranger_write(&stranger, bytes_of(frame, encode_hello(frame, &hello)));
    assert_int_equal(stranger_wait_for_frame(&rig, &stranger), FRAME_HELLO);
    assert_int_equal(rig.members[2].hello.version, 1);
    stranger_close(&stranger);
    rig_close(&rig);
}

struct log_probe {
    const char *first;
    const char *second;
};

static int has_logged(void *context)
{
    const struct log_probe *probe = context;
    return rig_has_logged(probe->first, probe->second);
}

/* The owner refuses; both sides' logs have the reason. Once it agrees they connect. */
TEST(peers, refuse_whom_their_owner_refuses_and_tell_it)
{
    struct rig rig;
    struct log_probe probe = {"refused by peer", "holds another table"};
    rig_open(&rig);
    rig.members[1].refusal = "it holds another table";
    rig_start(&rig, 0);
    rig_start(&rig, 1);
    loop_run_until(&rig.loop, has_logged, &probe);
    assert_true(rig_has_logged("refused peer", "holds another table"));
    assert_int_equal(rig.members[0].connected[0], 0);
    assert_int_equal(rig.members[1].connected[0], 0);
    rig.members[1].refusal = NULL;
    loop_run_until(&rig.loop, rig_is_connected, &rig);
    rig_close(&rig);
}

/* The caller refuses the one who answers: that one has let it in, and loses it again. */
TEST(peers, refuse_the_one_they_called_as_well)
{
    struct rig rig;
    struct log_probe probe = {"refused by peer", "not the disk"};
    rig_open(&rig);
    rig.members[0].refusal = "not the disk it was";
    rig_start(&rig, 0);
    rig_start(&rig, 1);
    loop_run_until(&rig.loop, has_logged, &probe);
    assert_int_equal(rig.members[0].connected[0], 0);
    assert_true(rig.members[1].connected[0] >= 1);
    assert_int_equal(rig.members[1].disconnected[0], rig.members[1].connected[0]);
    rig_close(&rig);
}

static int has_connected_twice(void *context)
{
    return ((const struct rig *)context)->members[2].connected[0] == 2;
}

TEST(peers, let_a_new_connection_replace_the_old_only_when_it_is_verified)
{
    struct rig rig;
    struct stranger old, impostor, newer;
    uint8_t frame[FRAME_SIZE_MAX];
    rig_open(&rig);
    rig_start(&rig, 2);
    stranger_pass_for(&rig, &old, 2, 0);

    struct frame_hello hello = hello_of(&rig, 0);
    hello.cluster_key++;
    expect_refusal(&rig, &hello, "another cluster");
    rig.members[2].refusal = "an older life";
    hello = hello_of(&rig, 0);
    expect_refusal(&rig, &hello, "an older life");
    rig.members[2].refusal = NULL;
    stranger_call(&rig, &impostor, 2); /* Says nothing at all. */
    assert_int_equal(rig.members[2].disconnected[0], 0);
    assert_int_equal(old.is_ended, 0);

    stranger_call(&rig, &newer, 2);
    stranger_write(&newer, bytes_of(frame, encode_hello(frame, &hello)));
    loop_run_until(&rig.loop, has_connected_twice, &rig);
    assert_int_equal(rig.members[2].disconnected[0], 1);
    stranger_wait_for_end(&rig, &old);
    assert_int_equal(newer.is_ended, 0);
    stranger_close(&old);
    stranger_close(&impostor);
    stranger_close(&newer);
    rig_close(&rig);
}

/* -- After the hello -------------------------------------------------------------------- */

static void expect_drop_after_hello(struct bytes bytes, const char *why)
{
    struct rig rig;
    struct stranger stranger;
    struct peer_statistics statistics;
    rig_open(&rig);
    rig_start(&rig, 2);
    stranger_pass_for(&rig, &stranger, 2, 0);
    stranger_write(&stranger, bytes);
    stranger_wait_for_end(&rig, &stranger);
    assert_true(rig_has_logged("dropped peer peer=127.", why));
    assert_int_equal(rig.members[2].disconnected[0], 1);
    assert_int_equal(rig.members[2].frames[0], 0);
    peers_statistics(rig.members[2].peers, 0, &statistics);
    assert_int_equal(statistics.dropped_count, 1);
    stranger_close(&stranger);
    rig_close(&rig);
}

TEST(peers, drop_a_member_that_sends_a_bad_frame)
{
    uint8_t frame[FRAME_SIZE_MAX];
    size_t size = encode_frame(frame, PEER_FRAME_TYPE_MIN, 1, bytes_of_text("body"));
    frame[size - 1] ^= 1;
    expect_drop_after_hello(bytes_of(frame, size), "frame with a wrong checksum");

    put_u32(frame, (16u << 20) + 1);
    expect_drop_after_hello(bytes_of(frame, FRAME_HEADER_SIZE),
                            "frame of 16777217 bytes announced, at most 16777216 taken");
    size = encode_frame(frame, PEER_FRAME_TYPE_MIN - 1, 1, bytes_of_text("body"));
    expect_drop_after_hello(bytes_of(frame, size), "frame of type 15");
    size = encode_frame(frame, PEER_FRAME_TYPE_MIN, 2, bytes_of_text("body"));
    expect_drop_after_hello(bytes_of(frame, size), "version 2");
    size = encode_frame(frame, FRAME_HELLO, 1, bytes_of_text("again"));
    expect_drop_after_hello(bytes_of(frame, size), "frame of type 1");
}

/* What comes behind the frame that was objected to is not looked at any more. */
TEST(peers, drop_a_member_whose_frame_their_owner_objects_to)
{
    struct rig rig;
    struct stranger stranger;
    uint8_t frames[3 * FRAME_HEADER_SIZE];
    rig_open(&rig);
    rig.members[2].objection = "accept of 2^31 entries";
    rig_start(&rig, 2);
    stranger_pass_for(&rig, &stranger, 2, 0);
    for (size_t i = 0; i < 3; i++) {
        encode_frame(frames + i * FRAME_HEADER_SIZE, PEER_FRAME_TYPE_MIN, 1, bytes_of("", 0));
    }
    stranger_write(&stranger, bytes_of(frames, sizeof frames));
    stranger_wait_for_end(&rig, &stranger);
    assert_true(rig_has_logged("dropped peer", "accept of 2^31 entries"));
    assert_int_equal(rig.members[2].frames[0], 1);
    assert_int_equal(rig.members[2].disconnected[0], 1);
    stranger_close(&stranger);
    rig_close(&rig);
}

/* -- Those who are called --------------------------------------------------------------- */

struct impostor {
    struct os_listener *listener;
    struct os_stream *stream;
    int calls;
    struct bytes answer; /* What every caller gets. */
};

static void on_nothing(__attribute__((unused)) void *context)
{
}

static void on_any_data(__attribute__((unused)) void *context,
                        __attribute__((unused)) struct bytes data)
{
}

static void on_impostor_close(void *context, __attribute__((unused)) int error)
{
    struct impostor *impostor = context;
    os_stream_close(impostor->stream);
    impostor->stream = NULL;
}

static const struct os_stream_events impostor_events = {on_nothing, on_any_data, on_nothing,
                                                        on_impostor_close};

static void on_call(void *context, struct os_stream *stream)
{
    struct impostor *impostor = context;
    impostor->calls++;
    impostor->stream = stream;
    os_stream_attach(stream, &impostor_events, impostor);
    os_stream_write(stream, &impostor->answer, 1);
}

static int was_called_three_times(void *context)
{
    return ((const struct impostor *)context)->calls == 3;
}

/* Somebody listens at the address of member 1. Member 0 drops him, and comes again later. */
static void expect_drop_of_called(struct bytes answer, const char *words, const char *why)
{
    struct rig rig;
    struct impostor impostor = {.answer = answer};
    rig_open(&rig);
    rig.members[0].options.handshake_us = 50000;
    assert_int_equal(
        os_listen(rig.loop.os, rig.members[1].address, on_call, &impostor, &impostor.listener), 0);
    rig_start(&rig, 0);
    loop_run_until(&rig.loop, was_called_three_times, &impostor);
    assert_true(rig_has_logged(words, why));
    assert_true(rig_has_logged(words, rig.members[1].address));
    assert_int_equal(rig.members[0].connected[0], 0);
    if (impostor.stream != NULL) {
        os_stream_close(impostor.stream);
    }
    os_listener_close(rig.loop.os, impostor.listener);
    rig_close(&rig);
}

TEST(peers, drop_whoever_answers_in_place_of_a_member)
{
    struct rig rig;
    uint8_t frame[FRAME_SIZE_MAX];
    expect_drop_of_called(bytes_of_text("SSH-2.0-OpenSSH_9.2p1 Debian\r\n"), "dropped peer",
                          "in place of a hello");
    expect_drop_of_called(bytes_of(NULL, 0), "dropped peer", "no hello in time");

    rig_open(&rig);
    struct frame_hello hello = hello_of(&rig, 2);
    rig_close(&rig);
    expect_drop_of_called(bytes_of(frame, encode_hello(frame, &hello)), "refused peer",
                          "answers at the address of another member");
    hello.cluster_key++;
    expect_drop_of_called(bytes_of(frame, encode_hello(frame, &hello)), "refused peer",
                          "another cluster");
}
