/* kv_service_test.c -- requests from their call to their answer, whatever the replica does. */
#include <string.h>

#include "front.h"
#include "synod/error.h"

#define RANGE   "/etcdserverpb.KV/Range"
#define PUT     "/etcdserverpb.KV/Put"
#define DELETE  "/etcdserverpb.KV/DeleteRange"
#define TXN     "/etcdserverpb.KV/Txn"
#define COMPACT "/etcdserverpb.KV/Compact"

static Etcdserverpb__PutRequest put_of(const char *key, const char *value)
{
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    put.key = text_bytes(key);
    put.value = text_bytes(value);
    return put;
}

static Etcdserverpb__RangeRequest range_of(const char *key, int is_serializable)
{
    Etcdserverpb__RangeRequest range = ETCDSERVERPB__RANGE_REQUEST__INIT;
    range.key = text_bytes(key);
    range.serializable = is_serializable;
    return range;
}

static void assert_failed_with(const struct outcome *outcome, enum grpc_code code, const char *text)
{
    assert_int_equal(outcome->count, 1);
    assert_int_equal(outcome->code, code);
    assert_string_equal(outcome->text, text);
}

/* A range answer, unpacked, of an outcome that must be a success. */
static Etcdserverpb__RangeResponse *range_answer(const struct outcome *outcome)
{
    const struct bytes message = buffer_bytes(&outcome->message);
    assert_int_equal(outcome->count, 1);
    assert_int_equal(outcome->code, GRPC_OK);
    Etcdserverpb__RangeResponse *answer =
        etcdserverpb__range_response__unpack(NULL, message.size, message.data);
    assert_non_null(answer);
    return answer;
}

TEST(put, is_answered_when_it_was_applied_and_not_before)
{
    struct front *front = front_new();
    struct outcome outcome;
    const Etcdserverpb__PutRequest put = put_of("k", "v");
    front_send(front, PUT, &put.base, &outcome);
    assert_int_equal(outcome.count, 0);
    assert_int_equal(front->replica.asked_count, 1);
    assert_int_equal(front->replica.asked[0].kind, KV_COMMAND_PUT);
    front_answer(front, 0);
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.code, GRPC_OK);
    const struct bytes message = buffer_bytes(&outcome.message);
    Etcdserverpb__PutResponse *answer =
        etcdserverpb__put_response__unpack(NULL, message.size, message.data);
    assert_non_null(answer);
    assert_int_equal(answer->header->revision, 2);
    assert_int_equal(answer->header->cluster_id, 77);
    assert_int_equal(answer->header->member_id, 101);
    assert_int_equal(answer->header->raft_term, 9);
    etcdserverpb__put_response__free_unpacked(answer, NULL);
    outcome_deinit(&outcome);
    front_free(front);
}

TEST(put, enters_the_log_as_the_bytes_that_came)
{
    struct front *front = front_new();
    struct outcome outcome;
    const Etcdserverpb__PutRequest put = put_of("key", "value");
    front_send(front, PUT, &put.base, &outcome);
    assert_true(bytes_equal(buffer_bytes(&front->replica.asked[0].command), packed(&put.base)));
    front_answer(front, 0);
    outcome_deinit(&outcome);
    front_free(front);
}

TEST(put, is_refused_before_anything_is_proposed)
{
    static char large[10001];
    struct front *front = front_new();
    struct outcome outcome;
    Etcdserverpb__PutRequest put = put_of("", "v");
    front_send(front, PUT, &put.base, &outcome);
    assert_failed_with(&outcome, GRPC_INVALID_ARGUMENT, "etcdserver: key is not provided");

    put = put_of("k", "v");
    put.ignore_value = 1;
    front_send(front, PUT, &put.base, &outcome);
    assert_failed_with(&outcome, GRPC_INVALID_ARGUMENT, "etcdserver: value is provided");

    memset(large, 'x', sizeof large - 1);
    put = put_of("k", large);
    front_send(front, PUT, &put.base, &outcome);
    assert_failed_with(&outcome, GRPC_INVALID_ARGUMENT, "etcdserver: request is too large");

    front_call(front, PUT, bytes_of("\x0a\x7fk", 3), 0, &outcome);
    assert_failed_with(&outcome, GRPC_INTERNAL,
                       "grpc: error unmarshalling request: malformed message");
    assert_int_equal(front->replica.asked_count, 0);
    front_free(front);
}

TEST(put, fails_as_the_replica_says_it_failed)
{
    static const struct {
        int error;
        enum grpc_code code;
        const char *text;
    } cases[] = {
        {SYNOD_ERR_NO_LEADER, GRPC_UNAVAILABLE, "etcdserver: no leader"},
        {SYNOD_ERR_UNKNOWN, GRPC_UNAVAILABLE, "etcdserver: request timed out"},
        {SYNOD_ERR_STOPPED, GRPC_UNAVAILABLE, "etcdserver: server stopped"},
        {SYNOD_ERR_BUSY, GRPC_RESOURCE_EXHAUSTED, "etcdserver: too many requests"},
        {SYNOD_ERR_MEMORY, GRPC_RESOURCE_EXHAUSTED, "etcdserver: too many requests"},
        {SYNOD_ERR_TOO_BIG, GRPC_INVALID_ARGUMENT, "etcdserver: request is too large"},
    };
    struct front *front = front_new();
    const Etcdserverpb__PutRequest put = put_of("k", "v");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct outcome outcome;
        front_send(front, PUT, &put.base, &outcome);
        front_answer(front, cases[i].error); /* Said later ... */
        assert_failed_with(&outcome, cases[i].code, cases[i].text);
        front->replica.refusal = cases[i].error; /* ... and at once. */
        front_send(front, PUT, &put.base, &outcome);
        assert_failed_with(&outcome, cases[i].code, cases[i].text);
        front->replica.refusal = 0;
    }
    front_free(front);
}

TEST(range, that_is_serializable_needs_no_replica)
{
    struct front *front = front_new();
    struct outcome outcome;
    front_put(front, "k", "v");
    front->replica.refusal = SYNOD_ERR_NO_LEADER;
    const Etcdserverpb__RangeRequest range = range_of("k", 1);
    front_send(front, RANGE, &range.base, &outcome);
    Etcdserverpb__RangeResponse *answer = range_answer(&outcome);
    assert_int_equal(answer->count, 1);
    assert_memory_equal(answer->kvs[0]->value.data, "v", 1);
    assert_int_equal(answer->header->revision, 2);
    etcdserverpb__range_response__free_unpacked(answer, NULL);
    outcome_deinit(&outcome);
    front_free(front);
}

/* What it has in memory may be half of a snapshot by then. */
TEST(range, that_is_serializable_is_refused_by_a_replica_that_has_failed)
{
    struct front *front = front_new();
    struct outcome outcome;
    front_put(front, "k", "v");
    front->replica.status.has_failed = 1;
    const Etcdserverpb__RangeRequest range = range_of("k", 1);
    front_send(front, RANGE, &range.base, &outcome);
    assert_failed_with(&outcome, GRPC_UNAVAILABLE, "etcdserver: server stopped");
    front_free(front);
}

/* What was written between the question and its answer must be seen. */
TEST(range, waits_until_the_state_is_as_new_as_it_is)
{
    struct front *front = front_new();
    struct outcome write;
    struct outcome read;
    const Etcdserverpb__PutRequest put = put_of("k", "new");
    const Etcdserverpb__RangeRequest range = range_of("k", 0);
    front_send(front, PUT, &put.base, &write);
    front_send(front, RANGE, &range.base, &read);
    assert_int_equal(read.count, 0);
    front_answer(front, 0);
    assert_int_equal(read.count, 0);
    front_answer(front, 0);
    Etcdserverpb__RangeResponse *answer = range_answer(&read);
    assert_int_equal(answer->count, 1);
    assert_memory_equal(answer->kvs[0]->value.data, "new", 3);
    etcdserverpb__range_response__free_unpacked(answer, NULL);
    outcome_deinit(&write);
    outcome_deinit(&read);
    front_free(front);
}

TEST(range, fails_with_the_errors_of_the_store)
{
    struct front *front = front_new();
    struct outcome outcome;
    Etcdserverpb__RangeRequest range = range_of("k", 1);
    range.revision = 99;
    front_send(front, RANGE, &range.base, &outcome);
    assert_failed_with(&outcome, GRPC_OUT_OF_RANGE,
                       "etcdserver: mvcc: required revision is a future revision");
    range = range_of("", 1);
    front_send(front, RANGE, &range.base, &outcome);
    assert_failed_with(&outcome, GRPC_INVALID_ARGUMENT, "etcdserver: key is not provided");
    range = range_of("k", 0);
    front->replica.refusal = SYNOD_ERR_NO_LEADER;
    front_send(front, RANGE, &range.base, &outcome);
    assert_failed_with(&outcome, GRPC_UNAVAILABLE, "etcdserver: no leader");
    front_free(front);
}

TEST(deletion, tells_how_many_keys_it_deleted)
{
    struct front *front = front_new();
    struct outcome outcome;
    front_put(front, "k", "v");
    Etcdserverpb__DeleteRangeRequest deletion = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    deletion.key = text_bytes("k");
    front_send(front, DELETE, &deletion.base, &outcome);
    assert_int_equal(front->replica.asked[1].kind, KV_COMMAND_DELETE_RANGE);
    front_answer(front, 0);
    const struct bytes message = buffer_bytes(&outcome.message);
    Etcdserverpb__DeleteRangeResponse *answer =
        etcdserverpb__delete_range_response__unpack(NULL, message.size, message.data);
    assert_non_null(answer);
    assert_int_equal(answer->deleted, 1);
    etcdserverpb__delete_range_response__free_unpacked(answer, NULL);
    outcome_deinit(&outcome);
    front_free(front);
}

TEST(compaction, is_refused_by_the_store_when_it_is_in_the_future)
{
    struct front *front = front_new();
    struct outcome outcome;
    Etcdserverpb__CompactionRequest compaction = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    compaction.revision = 50;
    front_send(front, COMPACT, &compaction.base, &outcome);
    front_answer(front, 0);
    assert_failed_with(&outcome, GRPC_OUT_OF_RANGE,
                       "etcdserver: mvcc: required revision is a future revision");
    front_put(front, "k", "v");
    compaction.revision = 2;
    front_send(front, COMPACT, &compaction.base, &outcome);
    front_answer(front, 0);
    assert_int_equal(outcome.code, GRPC_OK);
    outcome_deinit(&outcome);
    front_free(front);
}

/* -- Txn ------------------------------------------------------------------------------ */

/* A txn with these operations if true. */
static void send_txn(struct front *front, Etcdserverpb__RequestOp **ops, size_t count,
                     struct outcome *outcome)
{
    Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
    txn.success = ops;
    txn.n_success = count;
    front_send(front, TXN, &txn.base, outcome);
}

static Etcdserverpb__RequestOp range_op(Etcdserverpb__RangeRequest *range)
{
    Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT;
    op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    op.request_range = range;
    return op;
}

static Etcdserverpb__RequestOp put_op(Etcdserverpb__PutRequest *put)
{
    Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT;
    op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    op.request_put = put;
    return op;
}

TEST(txn, of_serializable_ranges_is_answered_at_once)
{
    struct front *front = front_new();
    struct outcome outcome;
    Etcdserverpb__RangeRequest range = range_of("k", 1);
    Etcdserverpb__RequestOp op = range_op(&range);
    Etcdserverpb__RequestOp *ops[] = {&op};
    send_txn(front, ops, 1, &outcome);
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.code, GRPC_OK);
    assert_int_equal(front->replica.asked_count, 0);
    outcome_deinit(&outcome);
    front_free(front);
}

TEST(txn, of_ranges_waits_for_the_state_and_needs_no_place_in_the_log)
{
    struct front *front = front_new();
    struct outcome outcome;
    Etcdserverpb__RangeRequest range = range_of("k", 0);
    Etcdserverpb__RequestOp op = range_op(&range);
    Etcdserverpb__RequestOp *ops[] = {&op};
    send_txn(front, ops, 1, &outcome);
    assert_int_equal(front->replica.asked_count, 1);
    assert_non_null(front->replica.asked[0].on_read);
    front_answer(front, 0);
    assert_int_equal(outcome.code, GRPC_OK);
    outcome_deinit(&outcome);
    front_free(front);
}

/* Its compares must see what was acknowledged before. */
TEST(txn, of_nothing_waits_for_the_state)
{
    struct front *front = front_new();
    struct outcome outcome;
    send_txn(front, NULL, 0, &outcome);
    assert_int_equal(outcome.count, 0);
    assert_non_null(front->replica.asked[0].on_read);
    front_answer(front, 0);
    assert_int_equal(outcome.code, GRPC_OK);
    outcome_deinit(&outcome);
    front_free(front);
}

TEST(txn, that_writes_goes_through_the_log)
{
    struct front *front = front_new();
    struct outcome outcome;
    Etcdserverpb__PutRequest put = put_of("k", "v");
    Etcdserverpb__RequestOp op = put_op(&put);
    Etcdserverpb__RequestOp *ops[] = {&op};
    send_txn(front, ops, 1, &outcome);
    assert_int_equal(front->replica.asked[0].kind, KV_COMMAND_TXN);
    front_answer(front, 0);
    const struct bytes message = buffer_bytes(&outcome.message);
    Etcdserverpb__TxnResponse *answer =
        etcdserverpb__txn_response__unpack(NULL, message.size, message.data);
    assert_non_null(answer);
    assert_true(answer->succeeded);
    assert_int_equal(answer->n_responses, 1);
    assert_int_equal(answer->header->revision, 2);
    etcdserverpb__txn_response__free_unpacked(answer, NULL);
    outcome_deinit(&outcome);
    front_free(front);
}

TEST(txn, is_refused_before_anything_is_proposed)
{
    struct front *front = front_new();
    struct outcome outcome;
    Etcdserverpb__PutRequest put = put_of("k", "v");
    Etcdserverpb__RequestOp op = put_op(&put);
    Etcdserverpb__RequestOp *ops[] = {&op, &op, &op, &op, &op, &op};
    send_txn(front, ops, 2, &outcome);
    assert_failed_with(&outcome, GRPC_INVALID_ARGUMENT,
                       "etcdserver: duplicate key given in txn request");
    send_txn(front, ops, 6, &outcome);
    assert_failed_with(&outcome, GRPC_INVALID_ARGUMENT,
                       "etcdserver: too many operations in txn request");
    assert_int_equal(front->replica.asked_count, 0);
    front_free(front);
}

/* -- Deadlines ------------------------------------------------------------------------ */

TEST(request, is_answered_when_its_deadline_passes)
{
    struct front *front = front_new();
    struct outcome outcome;
    Etcdserverpb__PutRequest put = put_of("k", "v");
    front_call(front, PUT, packed(&put.base), 0, &outcome); /* It has none, and waits on. */
    const struct extra first = {.name = "grpc-timeout", .value = "300m"};
    struct extra extra = first;
    front_call_with(front, PUT, packed(&put.base), &extra);
    assert_string_equal(extra.status, "");
    struct outcome timed;
    front_call(front, PUT, packed(&put.base), 200000, &timed);
    os_pair_advance(front->pair, 199000);
    assert_int_equal(timed.count, 0);
    os_pair_advance(front->pair, 2000);
    assert_failed_with(&timed, GRPC_DEADLINE_EXCEEDED, "context deadline exceeded");
    assert_int_equal(outcome.count, 0);

    /* Late outcomes are dropped, and what has no deadline still gets its own. */
    front_answer(front, 0);
    assert_int_equal(outcome.count, 1);
    front_answer(front, 0);
    front_answer(front, SYNOD_ERR_UNKNOWN);
    assert_int_equal(timed.count, 1);
    outcome_deinit(&outcome);
    front_free(front);
}

TEST(request, with_many_deadlines_each_ends_at_its_own)
{
    enum {
        COUNT = 40
    };
    struct front *front = front_new();
    struct outcome outcomes[COUNT];
    Etcdserverpb__RangeRequest range = range_of("k", 0);
    for (uint64_t i = 0; i < COUNT; i++) {
        const uint64_t order = i * 7 % COUNT;
        front_call(front, RANGE, packed(&range.base), 10000 * (order + 1), &outcomes[order]);
    }
    for (uint64_t i = 0; i < COUNT; i++) {
        assert_int_equal(outcomes[i].count, 0);
        os_pair_advance(front->pair, 10000);
        assert_int_equal(outcomes[i].count, 1);
        assert_int_equal(outcomes[i].code, GRPC_DEADLINE_EXCEEDED);
    }
    front_free(front); /* The replica never answered: nothing may leak. */
}

/* -- Metadata ------------------------------------------------------------------------- */

TEST(metadata, hasleader_is_refused_at_once_where_there_is_none)
{
    struct front *front = front_new();
    Etcdserverpb__RangeRequest range = range_of("k", 1);
    struct extra extra = {.name = "hasleader", .value = "true"};
    front_call_with(front, RANGE, packed(&range.base), &extra);
    assert_string_equal(extra.status, "0");
    front->replica.status.has_leader = 0;
    front_call_with(front, RANGE, packed(&range.base), &extra);
    assert_string_equal(extra.status, "14");
    assert_string_equal(extra.text, "etcdserver: no leader");
    front_free(front);
}

TEST(metadata, client_api_version_must_be_utf8)
{
    static const struct {
        const char *value;
        const char *status;
    } cases[] = {
        {"3.5.0", "0"},
        {"3.5.0-\xc3\xa4", "0"},
        {"\xf0\x9f\x98\x80", "0"},
        {"3.5\xff", "3"},
        {"\xc0\xaf", "3"},         /* Longer than it need be. */
        {"\xed\xa0\x80", "3"},     /* A surrogate. */
        {"\xf4\x90\x80\x80", "3"}, /* Above U+10FFFF. */
        {"\xe2\x82", "3"},         /* Cut off. */
        {"\x80", "3"},
    };
    struct front *front = front_new();
    Etcdserverpb__RangeRequest range = range_of("k", 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct extra extra = {.name = "client-api-version", .value = cases[i].value};
        front_call_with(front, RANGE, packed(&range.base), &extra);
        assert_string_equal(extra.status, cases[i].status);
    }
    front_free(front);
}

TEST(method, that_is_not_there_is_unimplemented)
{
    static const char *const paths[] = {"/etcdserverpb.Watch/Watch", "/etcdserverpb.KV/RangeStream",
                                        "/etcdserverpb.Lease/LeaseGrant", "/nothing"};
    struct front *front = front_new();
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct outcome outcome;
        front_call(front, paths[i], bytes_of("", 0), 0, &outcome);
        assert_int_equal(outcome.count, 1);
        assert_int_equal(outcome.code, GRPC_UNIMPLEMENTED);
    }
    front_free(front);
}
