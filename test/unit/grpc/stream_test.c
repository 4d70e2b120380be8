/* stream_test.c -- calls with any number of messages in both directions. */
#include <errno.h>

#include "rig.h"

TEST(server, carries_a_stream_in_both_directions)
{
    struct rig *rig = rig_new(NULL);
    struct answer answer = {0};
    const struct grpc_request request = {.path = "/t.S/Chat"};
    struct grpc_client_call *call;

    rig_connect(rig);
    assert_int_equal(grpc_channel_stream(rig->channel, &request, &ANSWER_EVENTS, &answer, &call),
                     0);
    os_pair_settle(rig->pair);
    assert_int_equal(rig->stream_opens, 1);
    assert_int_equal(grpc_client_call_send(call, bytes_of_text("ab")), 0);
    assert_int_equal(grpc_client_call_send(call, bytes_of_text("")), 0);
    os_pair_settle(rig->pair);
    assert_int_equal(answer.messages, 2);
    assert_int_equal(grpc_client_call_send(call, bytes_of_text("cd")), 0);
    grpc_client_call_half_close(call);
    os_pair_settle(rig->pair);

    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.code, GRPC_OK);
    assert_int_equal(answer.messages, 3);
    assert_true(bytes_equal(buffer_bytes(&answer.message), bytes_of_text("abcd")));
    assert_int_equal(rig->stream_closes, 0); /* It was finished by its handler. */
    answer_deinit(&answer);
    rig_free(rig);
}

TEST(server, ends_a_stream_before_the_client_does)
{
    struct rig *rig = rig_new(NULL);
    struct answer answer = {0};
    const struct grpc_request request = {.path = "/t.S/Feed"};
    struct grpc_client_call *call;

    rig_connect(rig);
    assert_int_equal(grpc_channel_stream(rig->channel, &request, &ANSWER_EVENTS, &answer, &call),
                     0);
    os_pair_settle(rig->pair);
    assert_int_equal(grpc_call_send(rig->stream, bytes_of_text("last")), 0);
    grpc_call_finish(rig->stream, GRPC_UNAVAILABLE, "etcdserver: no leader");
    os_pair_settle(rig->pair);

    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.code, GRPC_UNAVAILABLE);
    assert_string_equal(answer.text, "etcdserver: no leader");
    assert_int_equal(answer.messages, 1);
    assert_int_equal(grpc_server_counts(rig->server).memory, 0);
    answer_deinit(&answer);
    rig_free(rig);
}

TEST(server, is_told_when_a_stream_is_cancelled)
{
    struct rig *rig = rig_new(NULL);
    struct answer answer = {0};
    const struct grpc_request request = {.path = "/t.S/Feed"};
    struct grpc_client_call *call;

    rig_connect(rig);
    assert_int_equal(grpc_channel_stream(rig->channel, &request, &ANSWER_EVENTS, &answer, &call),
                     0);
    os_pair_settle(rig->pair);
    grpc_client_call_cancel(call);
    os_pair_settle(rig->pair);
    assert_int_equal(rig->stream_closes, 1);
    assert_int_equal(answer.count, 0);
    assert_int_equal(grpc_server_counts(rig->server).memory, 0);
    rig_free(rig);
}

/* A reader that does not read: what is queued for it is bounded, and drains when it reads. */
TEST(server, bounds_what_waits_for_a_slow_reader)
{
    struct grpc_server_options options;
    grpc_server_options_init(&options);
    options.stream_queue_max = 100000;
    struct rig *rig = rig_new(&options);
    struct answer answer = {0};
    const struct grpc_request request = {.path = "/t.S/Feed"};
    struct grpc_client_call *call;
    static uint8_t message[1000];

    rig_connect(rig);
    assert_int_equal(grpc_channel_stream(rig->channel, &request, &ANSWER_EVENTS, &answer, &call),
                     0);
    os_pair_settle(rig->pair);
    size_t sent = 0;
    while (grpc_call_send(rig->stream, bytes_of(message, sizeof message)) == 0) {
        sent++;
        assert_true(sent < 1000);
    }
    assert_in_range(grpc_call_queued(rig->stream), 99000, 101000);
    assert_int_equal(rig->stream_drains, 0);
    os_pair_settle(rig->pair);
    assert_int_equal(grpc_call_queued(rig->stream), 0);
    assert_true(rig->stream_drains > 0);
    assert_int_equal(answer.messages, sent);
    grpc_call_finish(rig->stream, GRPC_OK, NULL);
    os_pair_settle(rig->pair);
    assert_int_equal(answer.count, 1);
    answer_deinit(&answer);
    rig_free(rig);
}
