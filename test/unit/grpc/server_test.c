/* server_test.c -- gRPC calls through the whole of client and server. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

/* The plain case, and what leaves in how many writes. */
TEST(server, answers_a_unary_call)
{
    struct rig *rig = rig_new(NULL);
    struct answer answer = {0};

    rig_connect(rig);
    rig_call(rig, "/t.S/Echo", bytes_of_text("hello"), 0, &answer);
    os_pair_settle(rig->pair);

    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.code, GRPC_OK);
    assert_true(bytes_equal(buffer_bytes(&answer.message), bytes_of_text("hello")));
    assert_int_equal(rig->channel_opens, 1);
    answer_deinit(&answer);
    rig_free(rig);
}

TEST(server, answers_an_empty_message_with_an_empty_message)
{
    struct rig *rig = rig_new(NULL);
    struct answer answer = {0};

    rig_connect(rig);
    rig_call(rig, "/t.S/Echo", bytes_of(NULL, 0), 0, &answer);
    os_pair_settle(rig->pair);

    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.code, GRPC_OK);
    assert_int_equal(buffer_size(&answer.message), 0);
    rig_free(rig);
}

/* Status texts travel percent-encoded and arrive as they were. */
TEST(server, fails_a_call_with_code_and_text)
{
    struct rig *rig = rig_new(NULL);
    struct answer answer = {0};

    rig_connect(rig);
    rig_call(rig, "/t.S/Fail", bytes_of_text("x"), 0, &answer);
    os_pair_settle(rig->pair);

    assert_int_equal(answer.code, GRPC_ABORTED);
    assert_string_equal(answer.text, "100% no\n");
    rig_free(rig);
}

TEST(server, answers_unimplemented_to_an_unknown_method)
{
    struct rig *rig = rig_new(NULL);
    struct answer answer = {0};

    rig_connect(rig);
    rig_call(rig, "/no.Such/Method", bytes_of_text("x"), 0, &answer);
    os_pair_settle(rig->pair);

    assert_int_equal(answer.code, GRPC_UNIMPLEMENTED);
    assert_string_equal(answer.text, "unknown method /no.Such/Method");
    rig_free(rig);
}

/* A thousand calls at once: each gets its own answer, and both sides gather: the number of
 * writes must not grow with the number of calls. */
TEST(server, answers_many_calls_of_a_turn_in_few_writes)
{
    enum {
        CALLS = 1000
    };
    struct rig *rig = rig_new(NULL);
    struct answer *answers = calloc(CALLS, sizeof *answers);
    char text[CALLS][8];

    rig_connect(rig);
    os_pair_settle(rig->pair);
    const size_t writes = rig->pair->writes;
    for (int i = 0; i < CALLS; i++) {
        snprintf(text[i], sizeof text[i], "%d", i);
        rig_call(rig, "/t.S/Echo", bytes_of_text(text[i]), 0, &answers[i]);
    }
    os_pair_settle(rig->pair);

    assert_true(rig->pair->writes - writes <= 4);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(answers[i].count, 1);
        assert_int_equal(answers[i].code, GRPC_OK);
        assert_true(bytes_equal(buffer_bytes(&answers[i].message), bytes_of_text(text[i])));
        answer_deinit(&answers[i]);
    }
    free(answers);
    rig_free(rig);
}

/* Whatever the network does to the boundaries of what was written. */
TEST(server, understands_input_in_pieces_of_any_size)
{
    for (size_t piece = 1; piece < 60; piece = piece * 3 / 2 + 1) {
        struct rig *rig = rig_new(NULL);
        struct answer answers[3] = {0};

        rig->pair->piece_max = piece;
        rig_connect(rig);
        rig_call(rig, "/t.S/Echo", bytes_of_text("one"), 0, &answers[0]);
        rig_call(rig, "/t.S/Fail", bytes_of_text("two"), 0, &answers[1]);
        rig_call(rig, "/t.S/Grow", bytes_of_text("70000"), 0, &answers[2]);
        os_pair_settle(rig->pair);

        assert_int_equal(answers[0].code, GRPC_OK);
        assert_int_equal(answers[1].code, GRPC_ABORTED);
        assert_int_equal(answers[2].code, GRPC_OK);
        assert_int_equal(buffer_size(&answers[2].message), 70000);
        answer_deinit(&answers[0]);
        answer_deinit(&answers[2]);
        rig_free(rig);
    }
}

/* Larger than every window: flow control in both directions, of streams and connection. */
TEST(server, carries_big_messages_in_both_directions)
{
    struct grpc_server_options options;
    grpc_server_options_init(&options);
    options.message_max = 64 * 1024 * 1024;
    struct rig *rig = rig_new(&options);
    struct answer request = {0};
    struct answer response = {0};
    const size_t size = 40 * 1024 * 1024;
    uint8_t *big = malloc(size);

    for (size_t i = 0; i < size; i++) {
        big[i] = (uint8_t)(i * 13 >> 3);
    }
    rig_connect(rig);
    rig_call(rig, "/t.S/Echo", bytes_of(big, size), 0, &request);
    rig_call(rig, "/t.S/Grow", bytes_of_text("200000000"), 0, &response);
    os_pair_settle(rig->pair);

    assert_int_equal(request.code, GRPC_OK);
    assert_int_equal(buffer_size(&request.message), size);
    assert_memory_equal(buffer_bytes(&request.message).data, big, size);
    assert_int_equal(response.code, GRPC_OK);
    assert_int_equal(buffer_size(&response.message), 200000000);
    assert_int_equal(buffer_bytes(&response.message).data[12345], (uint8_t)(12345 * 7));
    answer_deinit(&request);
    answer_deinit(&response);
    free(big);
    rig_free(rig);
}

TEST(server, refuses_a_message_above_the_limit_and_lives)
{
    struct rig *rig = rig_new(NULL);
    struct answer large = {0};
    struct answer small = {0};
    const size_t max = 2 * 1024 * 1024;
    uint8_t *big = calloc(1, max + 1);

    rig_connect(rig);
    rig_call(rig, "/t.S/Echo", bytes_of(big, max + 1), 0, &large);
    os_pair_settle(rig->pair);
    assert_int_equal(large.code, GRPC_RESOURCE_EXHAUSTED);
    assert_string_equal(large.text, "grpc: received message larger than max (2097153 vs. 2097152)");

    rig_call(rig, "/t.S/Echo", bytes_of(big, max), 0, &small);
    os_pair_settle(rig->pair);
    assert_int_equal(small.code, GRPC_OK);
    assert_int_equal(grpc_server_counts(rig->server).memory, 0);
    answer_deinit(&small);
    free(big);
    rig_free(rig);
}

/* An answer may come much later, and calls are answered in any order. */
TEST(server, takes_answers_late_and_in_any_order)
{
    struct rig *rig = rig_new(NULL);
    struct answer answers[2] = {0};

    rig_connect(rig);
    rig_call(rig, "/t.S/Hold", bytes_of_text("first"), 0, &answers[0]);
    rig_call(rig, "/t.S/Hold", bytes_of_text("second"), 0, &answers[1]);
    os_pair_settle(rig->pair);
    assert_int_equal(rig->held_count, 2);
    assert_int_equal(answers[0].count + answers[1].count, 0);

    assert_int_equal(grpc_call_reply(rig->held[1], grpc_call_message(rig->held[1])), 0);
    os_pair_settle(rig->pair);
    assert_int_equal(answers[0].count, 0);
    assert_true(bytes_equal(buffer_bytes(&answers[1].message), bytes_of_text("second")));
    grpc_call_fail(rig->held[0], GRPC_UNAVAILABLE, "etcdserver: no leader");
    os_pair_settle(rig->pair);
    assert_int_equal(answers[0].code, GRPC_UNAVAILABLE);
    assert_string_equal(answers[0].text, "etcdserver: no leader");
    answer_deinit(&answers[1]);
    rig_free(rig);
}

TEST(server, hands_on_the_deadline_and_the_metadata)
{
    struct rig *rig = rig_new(NULL);
    struct answer answer = {0};
    const struct grpc_request request = {
        .path = "/t.S/Hold", .timeout_us = 2500000, .token = "secret.1"};

    rig_connect(rig);
    assert_int_equal(grpc_channel_call(rig->channel, &request, answer_take, &answer, NULL), 0);
    os_pair_settle(rig->pair);

    struct grpc_call *call = rig->held[0];
    assert_int_equal(grpc_call_deadline_us(call), rig->pair->now_us + 2500000);
    assert_true(bytes_equal(grpc_call_metadata(call, "token"), bytes_of_text("secret.1")));
    assert_null(grpc_call_metadata(call, "hasleader").data);
    assert_true(bytes_equal(grpc_call_authority(call), bytes_of_text(rig->address)));
    assert_string_equal(grpc_call_peer_name(call), "memory:1");
    assert_int_equal(grpc_call_reply(call, bytes_of_text("x")), 0);
    os_pair_settle(rig->pair);
    answer_deinit(&answer);
    rig_free(rig);
}

/* The client gives up by itself; the server is told, and the late answer does no harm. */
TEST(server, is_told_when_a_client_runs_out_of_time)
{
    struct rig *rig = rig_new(NULL);
    struct answer late = {0};
    struct answer next = {0};

    rig_connect(rig);
    rig_call(rig, "/t.S/Hold", bytes_of_text("x"), 50000, &late);
    os_pair_advance(rig->pair, 49000);
    assert_int_equal(late.count, 0);
    os_pair_advance(rig->pair, 2000);
    assert_int_equal(late.count, 1);
    assert_int_equal(late.code, GRPC_DEADLINE_EXCEEDED);
    assert_int_equal(rig->cancels, 1);

    assert_int_equal(grpc_call_reply(rig->held[0], bytes_of_text("too late")), 0);
    rig_call(rig, "/t.S/Echo", bytes_of_text("y"), 50000, &next);
    os_pair_settle(rig->pair);
    assert_int_equal(late.count, 1);
    assert_int_equal(next.code, GRPC_OK);
    assert_int_equal(grpc_server_counts(rig->server).memory, 0);
    answer_deinit(&next);
    rig_free(rig);
}

TEST(server, is_told_when_a_call_is_cancelled)
{
    struct rig *rig = rig_new(NULL);
    struct answer answer = {0};
    const struct grpc_request request = {.path = "/t.S/Hold"};
    struct grpc_client_call *call;

    rig_connect(rig);
    assert_int_equal(grpc_channel_call(rig->channel, &request, answer_take, &answer, &call), 0);
    os_pair_settle(rig->pair);
    grpc_client_call_cancel(call);
    os_pair_settle(rig->pair);

    assert_int_equal(answer.count, 0);
    assert_int_equal(rig->cancels, 1);
    grpc_call_fail(rig->held[0], GRPC_INTERNAL, "nobody hears this");
    os_pair_settle(rig->pair);
    rig_free(rig);
}

/* Cancelled before anything of it was sent: the server never hears of it. */
TEST(server, never_sees_a_call_that_was_cancelled_at_once)
{
    struct rig *rig = rig_new(NULL);
    struct answer answer = {0};
    struct answer next = {0};
    const struct grpc_request request = {.path = "/t.S/Hold"};
    struct grpc_client_call *call;

    rig_connect(rig);
    assert_int_equal(grpc_channel_call(rig->channel, &request, answer_take, &answer, &call), 0);
    grpc_client_call_cancel(call);
    rig_call(rig, "/t.S/Echo", bytes_of_text("x"), 0, &next);
    os_pair_settle(rig->pair);

    assert_int_equal(rig->held_count, 0);
    assert_int_equal(answer.count, 0);
    assert_int_equal(next.code, GRPC_OK);
    answer_deinit(&next);
    rig_free(rig);
}

TEST(server, is_told_of_every_pending_call_when_a_connection_dies)
{
    struct rig *rig = rig_new(NULL);
    struct answer answers[3] = {0};

    rig_connect(rig);
    for (int i = 0; i < 3; i++) {
        rig_call(rig, "/t.S/Hold", bytes_of_text("x"), 0, &answers[i]);
    }
    os_pair_settle(rig->pair);
    grpc_channel_close(rig->channel);
    os_pair_settle(rig->pair);

    assert_int_equal(rig->cancels, 3);
    assert_int_equal(answers[0].count, 0);
    assert_int_equal(grpc_server_counts(rig->server).connections, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(grpc_call_reply(rig->held[i], bytes_of_text("nobody hears this")), 0);
    }
    assert_int_equal(grpc_server_counts(rig->server).memory, 0);
    rig_free(rig);
}

TEST(server, tells_every_pending_call_when_it_stops)
{
    struct rig *rig = rig_new(NULL);
    struct answer answers[3] = {0};

    rig_connect(rig);
    for (int i = 0; i < 3; i++) {
        rig_call(rig, "/t.S/Hold", bytes_of_text("x"), 0, &answers[i]);
    }
    os_pair_settle(rig->pair);
    grpc_server_stop(rig->server);
    os_pair_settle(rig->pair);

    assert_int_equal(rig->cancels, 3);
    assert_int_equal(rig->channel_closes, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(answers[i].count, 1);
        assert_int_equal(answers[i].code, GRPC_UNAVAILABLE);
        assert_int_equal(grpc_call_reply(rig->held[i], bytes_of_text("nobody hears this")), 0);
    }
    const struct grpc_request request = {.path = "/t.S/Echo"};
    assert_int_equal(grpc_channel_call(rig->channel, &request, answer_take, &answers[0], NULL),
                     -ENOTCONN);
    rig_free(rig);
}

TEST(client, hears_that_nobody_listens)
{
    struct rig *rig = rig_new(NULL);
    struct answer answer = {0};

    snprintf(rig->address, sizeof rig->address, "memory:%d", 999);
    rig_connect(rig);
    rig_call(rig, "/t.S/Echo", bytes_of_text("x"), 0, &answer);
    os_pair_settle(rig->pair);

    assert_int_equal(answer.code, GRPC_UNAVAILABLE);
    assert_string_equal(answer.text, "the connection to memory:999 is lost: Connection refused");
    assert_int_equal(rig->channel_closes, 1);
    assert_int_equal(rig->channel_error, -ECONNREFUSED);
    grpc_channel_close(rig->channel);
    os_pair_settle(rig->pair);
    rig_free(rig);
}

static void close_channel(void *context, const struct grpc_result *result)
{
    struct rig *rig = context;
    (void)result;
    grpc_channel_close(rig->channel);
}

/* A caller may let go of the channel in the very callback that it is calling. */
TEST(client, may_close_its_channel_in_a_callback)
{
    struct rig *rig = rig_new(NULL);
    struct answer answer = {0};
    const struct grpc_request request = {.path = "/t.S/Echo"};

    rig_connect(rig);
    assert_int_equal(grpc_channel_call(rig->channel, &request, close_channel, rig, NULL), 0);
    rig_call(rig, "/t.S/Echo", bytes_of_text("x"), 0, &answer);
    os_pair_settle(rig->pair);

    assert_int_equal(answer.count, 0);
    assert_int_equal(grpc_server_counts(rig->server).connections, 0);

    /* The same where the connection is lost with two calls on it. */
    rig_connect(rig);
    assert_int_equal(grpc_channel_call(rig->channel, &request, close_channel, rig, NULL), 0);
    rig_call(rig, "/t.S/Hold", bytes_of_text("x"), 0, &answer);
    grpc_server_stop(rig->server);
    os_pair_settle(rig->pair);
    assert_int_equal(answer.count, 0);
    rig_free(rig);
}

/* The client has gone, and the handler ends with the program: who counts blocks of memory, as
 * `make fault` and the sanitizers do, finds none that is lost. */
TEST(server, frees_a_call_that_a_handler_has_never_ended)
{
    struct rig *rig = rig_new(NULL);
    struct answer answer = {0};

    rig_connect(rig);
    rig_call(rig, "/t.S/Hold", bytes_of_text("x"), 0, &answer);
    os_pair_settle(rig->pair);
    grpc_channel_close(rig->channel);
    rig->channel = NULL;
    os_pair_settle(rig->pair);
    assert_int_equal(rig->cancels, 1);
    assert_int_equal(grpc_server_counts(rig->server).connections, 0);
    assert_true(grpc_server_counts(rig->server).memory > 0);
    rig_free(rig);
}

/* -- Time ------------------------------------------------------------------------------- */

TEST(server, closes_a_connection_that_says_nothing)
{
    struct rig *rig = rig_new(NULL);
    struct raw raw;

    raw_connect(rig, &raw);
    os_pair_advance(rig->pair, 19000000);
    assert_false(raw.is_closed);
    os_pair_advance(rig->pair, 3000000);
    assert_true(raw.is_closed);
    raw_close(&raw);
    rig_free(rig);
}

/* An etcd client may be silent for hours: it is asked whether it lives, and stays if it does. */
TEST(server, pings_an_idle_client_and_keeps_it_while_it_answers)
{
    struct rig *rig = rig_new(NULL);
    struct answer answer = {0};

    rig_connect(rig);
    os_pair_advance(rig->pair, 5 * 3600 * 1000000ull);
    assert_int_equal(grpc_server_counts(rig->server).connections, 1);
    rig_call(rig, "/t.S/Echo", bytes_of_text("x"), 0, &answer);
    os_pair_settle(rig->pair);
    assert_int_equal(answer.code, GRPC_OK);
    answer_deinit(&answer);
    rig_free(rig);
}

/* This one shook hands once and never answers a PING. */
TEST(server, closes_an_idle_client_that_answers_no_ping)
{
    static const char HELLO[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    struct rig *rig = rig_new(NULL);
    struct raw raw;

    raw_connect(rig, &raw);
    raw_send(rig, &raw, HELLO, sizeof HELLO - 1);
    assert_false(raw.is_closed);
    os_pair_advance(rig->pair, 7199 * 1000000ull);
    assert_false(raw.is_closed);
    os_pair_advance(rig->pair, 30 * 1000000ull);
    assert_true(raw.is_closed);
    raw_close(&raw);
    rig_free(rig);
}

TEST(server, refuses_connections_above_the_limit)
{
    struct grpc_server_options options;
    grpc_server_options_init(&options);
    options.connections_max = 2;
    struct rig *rig = rig_new(&options);
    struct raw raw[3];

    for (int i = 0; i < 3; i++) {
        raw_connect(rig, &raw[i]);
    }
    assert_false(raw[1].is_closed);
    assert_true(raw[2].is_closed);
    assert_int_equal(grpc_server_counts(rig->server).connections_refused, 1);
    for (int i = 0; i < 3; i++) {
        raw_close(&raw[i]);
    }
    rig_free(rig);
}

/* Requests that wait for their answers hold memory; there is an end to it. */
TEST(server, refuses_requests_when_its_memory_is_used_up)
{
    struct grpc_server_options options;
    grpc_server_options_init(&options);
    options.memory_max = 1000000;
    struct rig *rig = rig_new(&options);
    struct answer answers[20] = {0};
    static uint8_t message[100000];
    int refused = 0;

    rig_connect(rig);
    for (int i = 0; i < 20; i++) {
        rig_call(rig, "/t.S/Hold", bytes_of(message, sizeof message), 0, &answers[i]);
        os_pair_settle(rig->pair);
        refused += answers[i].count == 1 && answers[i].code == GRPC_RESOURCE_EXHAUSTED;
    }
    assert_true(refused > 10 && refused < 20);
    assert_int_equal(rig->held_count, 20 - refused);
    assert_true(grpc_server_counts(rig->server).memory <= 1000000);
    for (size_t i = 0; i < rig->held_count; i++) {
        assert_int_equal(grpc_call_reply(rig->held[i], bytes_of_text("x")), 0);
    }
    os_pair_settle(rig->pair);
    assert_int_equal(grpc_server_counts(rig->server).memory, 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(answers[i].count, 1);
        answer_deinit(&answers[i]);
    }
    rig_free(rig);
}

/* The handler knows what its answer was about: what it is told of is not yet answered. */
TEST(server, tells_the_handler_when_there_is_no_room_for_an_answer)
{
    struct grpc_server_options options;
    grpc_server_options_init(&options);
    options.connection_output_max = 1000;
    struct rig *rig = rig_new(&options);
    struct answer answers[2] = {0};
    static uint8_t message[900];

    rig_connect(rig);
    for (int i = 0; i < 2; i++) {
        rig_call(rig, "/t.S/Hold", bytes_of_text("x"), 0, &answers[i]);
    }
    os_pair_settle(rig->pair);
    assert_int_equal(grpc_call_reply(rig->held[0], bytes_of(message, sizeof message)), 0);
    assert_int_equal(grpc_call_reply(rig->held[1], bytes_of(message, 200)), -ENOBUFS);
    grpc_call_fail(rig->held[1], GRPC_UNAVAILABLE, "it was done, though");
    os_pair_settle(rig->pair);
    assert_int_equal(answers[0].code, GRPC_OK);
    assert_int_equal(buffer_size(&answers[0].message), sizeof message);
    assert_int_equal(answers[1].count, 1);
    assert_int_equal(answers[1].code, GRPC_UNAVAILABLE);
    assert_string_equal(answers[1].text, "it was done, though");
    assert_int_equal(grpc_server_counts(rig->server).memory, 0);
    answer_deinit(&answers[0]);
    rig_free(rig);
}
