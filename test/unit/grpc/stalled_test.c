/* stalled_test.c -- clients that ask and do not read: what they hold, and for how long. */
#include <errno.h>

#include "rig.h"

#define GET_BIG "GET /big HTTP/1.1\r\nhost: x\r\n\r\n"

enum {
    BIG = 1000000,
    SECOND = 1000000
};

/* HTTP/2: SETTINGS of a window of 0 for each stream, and GET /big. */
static const char ASK_AND_TAKE_NOTHING[] =
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    "\0\0\x06\4\0\0\0\0\0\0\4\0\0\0\0"
    "\0\0\x0e\1\5\0\0\0\1\x82\x86\4\4/big\1\4test";
static const char PING[] = "\0\0\x08\6\0\0\0\0\0pingpong";

static size_t memory(const struct rig *rig)
{
    return grpc_server_counts(rig->server).memory;
}

static uint32_t connections(const struct rig *rig)
{
    return grpc_server_counts(rig->server).connections;
}

/* Let go of a client that may have been closed, and see that nothing is left of it. */
static void end(struct rig *rig, struct raw *raw)
{
    os_stream_pause(raw->stream, 0);
    os_pair_settle(rig->pair);
    raw_close(raw);
    os_pair_settle(rig->pair);
    assert_int_equal(connections(rig), 0);
    assert_int_equal(memory(rig), 0);
    rig_free(rig);
}

TEST(server, closes_a_client_that_takes_nothing_of_its_answer)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;

    raw_connect(rig, &raw);
    os_stream_pause(raw.stream, 1);
    raw_send_text(rig, &raw, GET_BIG);
    /* The exchange is over: all that is left of it is in the stream's queue, and counts. */
    assert_in_range(memory(rig), BIG - rig->pair->kernel_size, BIG);
    os_pair_advance(rig->pair, 29 * SECOND);
    assert_int_equal(connections(rig), 1);
    os_pair_advance(rig->pair, 2 * SECOND);
    assert_int_equal(connections(rig), 0);
    assert_int_equal(grpc_server_counts(rig->server).connections_stalled, 1);
    assert_int_equal(memory(rig), 0);
    end(rig, &raw);
}

/* Its socket is read, and its window is closed: PINGs do not keep it. */
TEST(server, closes_a_client_that_opens_no_window_for_its_answer)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;

    raw_connect(rig, &raw);
    raw_send(rig, &raw, ASK_AND_TAKE_NOTHING, sizeof ASK_AND_TAKE_NOTHING - 1);
    assert_true(memory(rig) > BIG);
    for (int i = 0; i < 29; i++) {
        raw_send(rig, &raw, PING, sizeof PING - 1);
        os_pair_advance(rig->pair, SECOND);
    }
    assert_false(raw.is_closed);
    assert_int_equal(raw_count(&raw, "pingpong"), 29);
    os_pair_advance(rig->pair, 2 * SECOND);
    assert_true(raw.is_closed);
    assert_int_equal(grpc_server_counts(rig->server).connections_stalled, 1);
    end(rig, &raw);
}

TEST(server, keeps_a_client_that_reads_slowly)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;

    rig->pair->piece_max = 20000;
    raw_connect(rig, &raw);
    os_stream_pause(raw.stream, 1);
    raw_send_text(rig, &raw, GET_BIG);
    for (int i = 0; i < 40; i++) {
        os_pair_advance(rig->pair, 25 * SECOND);
        os_stream_pause(raw.stream, 0);
        (void)os_pair_turn(rig->pair);
        os_stream_pause(raw.stream, 1);
    }
    assert_int_equal(connections(rig), 1);
    assert_in_range(buffer_size(&raw.received), 40 * 20000, BIG);
    end(rig, &raw);
}

/* Nothing waits for it, so it is not late with anything. */
TEST(server, keeps_a_client_that_waits_for_an_answer)
{
    struct rig *rig = rig_new(NULL);
    struct answer answer = {0};

    rig_connect(rig);
    rig_call(rig, "/t.S/Hold", bytes_of_text("x"), 0, &answer);
    os_pair_advance(rig->pair, 1000ull * SECOND);
    assert_int_equal(grpc_call_reply(rig->held[0], bytes_of_text("late")), 0);
    os_pair_settle(rig->pair);
    assert_int_equal(answer.code, GRPC_OK);
    answer_deinit(&answer);
    rig_free(rig);
}

/* A clock that jumps is a process that was stopped: its clients had no chance to read. */
TEST(server, does_not_blame_a_client_for_its_own_sleep)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;

    raw_connect(rig, &raw);
    os_stream_pause(raw.stream, 1);
    raw_send_text(rig, &raw, GET_BIG);
    rig->pair->now_us += 600ull * SECOND;
    os_pair_settle(rig->pair);
    assert_int_equal(connections(rig), 1);
    os_pair_advance(rig->pair, 30 * SECOND);
    assert_int_equal(connections(rig), 0);
    end(rig, &raw);
}

/* What is in flight may be done, so its small answer has room whatever others hold. */
TEST(server, answers_no_more_than_it_has_memory_for_but_a_little)
{
    struct grpc_server_options options;
    grpc_server_options_init(&options);
    options.memory_max = 100000;
    options.connection_output_max = 1000000;
    struct rig *rig = rig_new(&options);
    struct answer answers[3] = {0};
    static uint8_t message[60000];

    rig_connect(rig);
    for (int i = 0; i < 3; i++) {
        rig_call(rig, "/t.S/Hold", bytes_of_text("x"), 0, &answers[i]);
    }
    os_pair_settle(rig->pair);
    assert_int_equal(grpc_call_reply(rig->held[0], bytes_of(message, sizeof message)), 0);
    assert_int_equal(grpc_call_reply(rig->held[1], bytes_of(message, sizeof message)), -ENOBUFS);
    grpc_call_fail(rig->held[1], GRPC_RESOURCE_EXHAUSTED, "no room");
    assert_int_equal(grpc_call_reply(rig->held[2], bytes_of(message, 1000)), 0);
    os_pair_settle(rig->pair);
    assert_int_equal(answers[0].code, GRPC_OK);
    assert_int_equal(answers[1].code, GRPC_RESOURCE_EXHAUSTED);
    assert_int_equal(answers[2].code, GRPC_OK);
    assert_int_equal(memory(rig), 0);
    answer_deinit(&answers[0]);
    answer_deinit(&answers[2]);
    rig_free(rig);
}
