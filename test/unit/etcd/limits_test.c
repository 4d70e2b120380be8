/* limits_test.c -- answers that there is no room for, and what their clients are told. */
#include <stdio.h>
#include <string.h>

#include "front.h"
#include "synod/error.h"

#define RANGE "/etcdserverpb.KV/Range"
#define PUT   "/etcdserverpb.KV/Put"
#define TXN   "/etcdserverpb.KV/Txn"

#define TOO_LARGE "etcdserver: the answer is too large; ask for less of it (limit, keys_only)"

#define METRICS "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"

enum {
    VALUE_SIZE = 8000
};

/* A text of VALUE_SIZE letters, until the next call. */
static const char *value_of(char letter)
{
    static char value[VALUE_SIZE + 1];
    memset(value, letter, VALUE_SIZE);
    return value;
}

static void assert_failed_with(const struct outcome *outcome, enum grpc_code code, const char *text)
{
    assert_int_equal(outcome->count, 1);
    assert_int_equal(outcome->code, code);
    assert_string_equal(outcome->text, text);
}

/* What key "k" holds: the letter of its value. */
static char letter_of(struct front *front)
{
    const struct kv_range_request request = {.key = bytes_of_text("k")};
    struct kv_range_result result;
    struct arena arena = {0};
    assert_int_equal(kv_range(machine_kv(front->machine), &request, &arena, &result), 0);
    assert_int_equal(result.item_count, 1);
    const char letter = (char)item_value(result.items[0]).data[0];
    arena_deinit(&arena);
    return letter;
}

/* The put is done, so nobody may be told that it was refused: a client would do it again, or take
 * the old value for the present one. A read may be asked again. */
TEST(request, that_was_done_is_not_said_to_be_refused_when_its_client_reads_too_slowly)
{
    struct front *front = front_new_limited(&(struct front_limits){.output_max = 2 * VALUE_SIZE});
    struct outcome reads[2];
    struct outcome outcome;
    Etcdserverpb__RangeRequest range = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;

    front_put(front, "k", value_of('a'));
    range.key = text_bytes("k");
    put.key = text_bytes("k");
    put.value = text_bytes(value_of('b'));
    put.prev_kv = 1;
    front_send(front, RANGE, &range.base, &reads[0]);
    front_send(front, PUT, &put.base, &outcome);
    front_send(front, RANGE, &range.base, &reads[1]);
    for (int i = 0; i < 3; i++) {
        front_answer_now(front, 0);
    }
    os_pair_settle(front->pair);

    assert_int_equal(reads[0].code, GRPC_OK);
    assert_failed_with(&outcome, GRPC_UNAVAILABLE, "etcdserver: request timed out");
    assert_failed_with(&reads[1], GRPC_RESOURCE_EXHAUSTED, "etcdserver: too many requests");
    assert_int_equal(letter_of(front), 'b');
    const char *page = front_http(front, METRICS);
    assert_non_null(strstr(page, "grpc_method=\"Put\",grpc_code=\"OK\"} 1\n"));
    assert_non_null(strstr(page, "grpc_method=\"Put\",grpc_code=\"Unavailable\"} 1\n"));
    assert_non_null(strstr(page, "grpc_method=\"Range\",grpc_code=\"OK\"} 1\n"));
    assert_non_null(strstr(page, "grpc_method=\"Range\",grpc_code=\"ResourceExhausted\"} 1\n"));
    outcome_deinit(&reads[0]);
    front_free(front);
}

/* A put, or nothing, and two ranges of all keys. */
static void send_txn(struct front *front, Etcdserverpb__PutRequest *put, struct outcome *outcome)
{
    Etcdserverpb__RangeRequest range = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__RequestOp ops[3] = {ETCDSERVERPB__REQUEST_OP__INIT,
                                      ETCDSERVERPB__REQUEST_OP__INIT,
                                      ETCDSERVERPB__REQUEST_OP__INIT};
    Etcdserverpb__RequestOp *success[3] = {&ops[0], &ops[1], &ops[2]};
    Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;

    range.key = text_bytes("k");
    for (int i = 0; i < 3; i++) {
        ops[i].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
        ops[i].request_range = &range;
    }
    if (put != NULL) {
        ops[2].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        ops[2].request_put = put;
    }
    txn.success = success;
    txn.n_success = 3;
    front_send(front, TXN, &txn.base, outcome);
    front_answer(front, 0);
}

/* A few bytes may ask for any number of them. */
TEST(request, whose_answer_would_be_too_large_is_refused)
{
    struct front *front =
        front_new_limited(&(struct front_limits){.answer_max = 3 * VALUE_SIZE / 2});
    struct outcome outcome;
    Etcdserverpb__RangeRequest range = ETCDSERVERPB__RANGE_REQUEST__INIT;

    front_put(front, "k", value_of('a'));
    front_put(front, "l", value_of('a'));
    range.key = text_bytes("k");
    front_send(front, RANGE, &range.base, &outcome);
    front_answer(front, 0);
    assert_int_equal(outcome.code, GRPC_OK);
    outcome_deinit(&outcome);

    range.range_end = text_bytes("z");
    front_send(front, RANGE, &range.base, &outcome);
    front_answer(front, 0);
    assert_failed_with(&outcome, GRPC_RESOURCE_EXHAUSTED, TOO_LARGE);
    send_txn(front, NULL, &outcome);
    assert_failed_with(&outcome, GRPC_RESOURCE_EXHAUSTED, TOO_LARGE);

    range.keys_only = 1;
    front_send(front, RANGE, &range.base, &outcome);
    front_answer(front, 0);
    assert_int_equal(outcome.code, GRPC_OK);
    outcome_deinit(&outcome);
    front_free(front);
}

/* What one replica has room for must not decide what all of them apply. */
TEST(request, that_writes_is_done_though_its_answer_would_be_too_large)
{
    struct front *front =
        front_new_limited(&(struct front_limits){.answer_max = 3 * VALUE_SIZE / 2});
    struct outcome outcome;
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;

    front_put(front, "k", value_of('a'));
    put.key = text_bytes("k");
    put.value = text_bytes(value_of('b'));
    send_txn(front, &put, &outcome);
    assert_failed_with(&outcome, GRPC_UNAVAILABLE, "etcdserver: request timed out");
    assert_int_equal(letter_of(front), 'b');
    assert_non_null(
        strstr(front_http(front, METRICS), "grpc_method=\"Txn\",grpc_code=\"Unavailable\"} 1\n"));
    front_free(front);
}

/* Bounds of two ports that share the process's descriptors. */
TEST(ports, have_each_a_bound_of_their_own)
{
    struct front *front = front_new_limited(
        &(struct front_limits){.connections_max = 2, .metrics_connections_max = 1});
    char client[sizeof front->address];
    int port;

    memcpy(client, front->address, sizeof client);
    assert_string_not_equal(front_http(front, METRICS), "");
    struct grpc_channel *second;
    struct grpc_channel *third;
    assert_int_equal(grpc_channel_open(front->client, client, NULL, NULL, &second), 0);
    os_pair_settle(front->pair);
    assert_string_equal(front_http(front, METRICS), "");
    assert_int_equal(etcd_server_listen_metrics(front->server, "127.0.0.1:0", &port), 0);
    snprintf(front->address, sizeof front->address, "127.0.0.1:%d", port);
    assert_non_null(strstr(front_http(front, METRICS), "synod_client_connections 2\n"));
    assert_int_equal(grpc_channel_open(front->client, front->address, NULL, NULL, &third), 0);
    os_pair_settle(front->pair);
    assert_string_equal(front_http(front, METRICS), "");
    front_free(front);
}
