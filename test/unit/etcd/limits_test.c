/* limits_test.c -- answers that there is no room for, and what their clients are told. */
#include <string.h>

#include "front.h"
#include "synod/error.h"

#define RANGE "/etcdserverpb.KV/Range"
#define PUT   "/etcdserverpb.KV/Put"

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
