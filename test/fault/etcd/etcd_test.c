/* etcd_test.c -- requests of every kind, and the n-th allocation of the front end fails.
 *
 * The replica is the one of the unit tests, which has memory or says at once that it has none;
 * the store's own want of memory while it applies is test/unit/kv's. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "fault.h"
#include "os_fault.h"
#include "test/unit/etcd/front.h"

enum {
    PUTS_MAX = 16,
    SECOND = 1000000
};

/* What a client may believe of a put of its own. */
enum belief {
    BELIEF_DONE = 1,
    BELIEF_NOT_DONE, /* Refused: it may be asked for again without a second thought. */
    BELIEF_UNKNOWN,
};

struct life {
    struct front *front;
    struct os_fault *fault;
    enum belief puts[PUTS_MAX]; /* Of the keys "0", "1", ... */
    size_t put_count;
};

static void ignore_line(__attribute__((unused)) const char *line,
                        __attribute__((unused)) uint32_t size)
{
}

static void begin(struct life *life)
{
    struct os_pair *pair = os_pair_new();
    log_configure(&(struct log_options){.level = LOG_DEBUG, .sink = ignore_line});
    *life = (struct life){.fault = os_fault_new(&pair->os)};
    life->front = front_new_on(pair, os_fault_os(life->fault));
}

static void end(struct life *life)
{
    const int was = fault_enter(0);
    front_free(life->front);
    os_fault_free(life->fault);
    fault_leave(was);
}

/* -- Requests ----------------------------------------------------------------------------- */

static void answer_all(struct front *front)
{
    while (front->replica.answered < front->replica.asked_count) {
        front_answer(front, 0);
    }
}

/* Every call ends, once, and as soon as the replica has done its part; what fails has a cause. */
static void check_outcome(const struct outcome *outcome)
{
    assert_int_equal(outcome->count, 1);
    if (outcome->code != GRPC_OK && !fault_has_struck()) {
        fail_msg("nothing was struck, and a call ends with %s: %s", grpc_code_name(outcome->code),
                 outcome->text);
    }
}

static void ask(struct life *life, const char *method, const ProtobufCMessage *message,
                struct outcome *outcome)
{
    char path[64];
    snprintf(path, sizeof path, "/etcdserverpb.%s", method);
    front_connect(life->front);
    front_send(life->front, path, message, outcome);
    answer_all(life->front);
    check_outcome(outcome);
}

/* Ask, and see only that there is an outcome. */
static void look(struct life *life, const char *method, const ProtobufCMessage *message)
{
    struct outcome outcome;
    ask(life, method, message, &outcome);
    outcome_deinit(&outcome);
}

/* What a client makes of it, by the rule of src/cli/session.c: the server's words say that nothing
 * was proposed, or there was no connection. */
static enum belief belief_of(const struct outcome *outcome)
{
    if (outcome->code == GRPC_OK) {
        return BELIEF_DONE;
    }
    const int is_refused = strcmp(outcome->text, "etcdserver: too many requests") == 0 ||
                           strcmp(outcome->text, "etcdserver: no leader") == 0 ||
                           strcmp(outcome->text, "not sent") == 0;
    return is_refused ? BELIEF_NOT_DONE : BELIEF_UNKNOWN;
}

static Etcdserverpb__PutRequest next_put(struct life *life, char key[2])
{
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    assert_true(life->put_count < PUTS_MAX);
    key[0] = (char)('0' + life->put_count);
    key[1] = '\0';
    put.key = text_bytes(key);
    put.value = text_bytes("value");
    put.prev_kv = 1;
    return put;
}

static void put_next(struct life *life)
{
    char key[2];
    struct outcome outcome;
    const Etcdserverpb__PutRequest put = next_put(life, key);
    ask(life, "KV/Put", &put.base, &outcome);
    life->puts[life->put_count++] = belief_of(&outcome);
    outcome_deinit(&outcome);
}

/* The same in a txn with an answer of several parts. */
static void put_next_in_txn(struct life *life)
{
    char key[2];
    struct outcome outcome;
    Etcdserverpb__PutRequest put = next_put(life, key);
    Etcdserverpb__RangeRequest range = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__RequestOp ops[2] = {ETCDSERVERPB__REQUEST_OP__INIT,
                                      ETCDSERVERPB__REQUEST_OP__INIT};
    Etcdserverpb__RequestOp *success[2] = {&ops[0], &ops[1]};
    Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
    range.key = text_bytes("0");
    range.range_end = text_bytes("9");
    ops[0].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    ops[0].request_put = &put;
    ops[1].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    ops[1].request_range = &range;
    txn.n_success = 2;
    txn.success = success;
    ask(life, "KV/Txn", &txn.base, &outcome);
    life->puts[life->put_count++] = belief_of(&outcome);
    outcome_deinit(&outcome);
}

static void read_all(struct life *life, int is_serializable)
{
    Etcdserverpb__RangeRequest range = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT;
    Etcdserverpb__RequestOp *success = &op;
    Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
    range.key = text_bytes("0");
    range.range_end = text_bytes("9");
    range.serializable = is_serializable;
    range.sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND;
    op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    op.request_range = &range;
    txn.n_success = 1;
    txn.success = &success;
    look(life, "KV/Range", &range.base);
    look(life, "KV/Txn", &txn.base);
}

static void delete_and_compact(struct life *life)
{
    Etcdserverpb__DeleteRangeRequest deletion = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    Etcdserverpb__CompactionRequest compaction = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    deletion.key = text_bytes("x");
    deletion.prev_kv = 1;
    compaction.revision = 1;
    look(life, "KV/DeleteRange", &deletion.base);
    look(life, "KV/Compact", &compaction.base);
}

static void ask_how_it_is(struct life *life)
{
    const Etcdserverpb__StatusRequest status = ETCDSERVERPB__STATUS_REQUEST__INIT;
    const Etcdserverpb__AlarmRequest alarm = ETCDSERVERPB__ALARM_REQUEST__INIT;
    const Etcdserverpb__HashKVRequest hash = ETCDSERVERPB__HASH_KVREQUEST__INIT;
    const Etcdserverpb__MemberListRequest list = ETCDSERVERPB__MEMBER_LIST_REQUEST__INIT;
    look(life, "Maintenance/Status", &status.base);
    look(life, "Maintenance/Alarm", &alarm.base);
    look(life, "Maintenance/HashKV", &hash.base);
    look(life, "Cluster/MemberList", &list.base);
}

/* Deadlines come before the answers of the replica do. Without memory to remember one, the call
 * ends with the replica's answer. */
static void put_too_late(struct life *life)
{
    char keys[2][2];
    struct outcome outcomes[2];
    front_connect(life->front);
    for (size_t i = 0; i < 2; i++) {
        const Etcdserverpb__PutRequest put = next_put(life, keys[i]);
        front_call(life->front, "/etcdserverpb.KV/Put", packed(&put.base), (2 - i) * SECOND,
                   &outcomes[i]);
        life->put_count++;
    }
    os_pair_advance(life->front->pair, 3 * SECOND);
    answer_all(life->front);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(outcomes[i].count, 1);
        assert_true(outcomes[i].code == GRPC_DEADLINE_EXCEEDED || fault_has_struck());
        life->puts[life->put_count - 2 + i] = belief_of(&outcomes[i]);
        outcome_deinit(&outcomes[i]);
    }
}

static void read_pages(struct life *life)
{
    static const char *const paths[] = {"/health", "/health?serializable=true", "/version",
                                        "/metrics", "/nothing"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char request[128];
        int status = 0;
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: t\r\n\r\n", paths[i]);
        const char *answer = front_http(life->front, request);
        const int is_whole = sscanf(answer, "HTTP/1.1 %d", &status) == 1;
        assert_true(fault_has_struck() || is_whole);
        assert_true(!is_whole || status == (i == 4 ? 404 : 200) || fault_has_struck());
    }
}

/* -- Truth -------------------------------------------------------------------------------- */

/* What the clients believe is so: what was acknowledged is there, what was refused is not. */
static void check_beliefs(struct life *life)
{
    struct arena arena = {0};
    for (size_t i = 0; i < life->put_count; i++) {
        const char key[] = {(char)('0' + i), '\0'};
        struct kv_range_result result;
        const struct kv_range_request range = {.key = bytes_of_text(key)};
        assert_int_equal(kv_range(machine_kv(life->front->machine), &range, &arena, &result), 0);
        const int is_there = result.count == 1;
        if ((life->puts[i] == BELIEF_DONE && !is_there) ||
            (life->puts[i] == BELIEF_NOT_DONE && is_there)) {
            fail_msg("put %zu was %s, and its key is%s there", i,
                     life->puts[i] == BELIEF_DONE ? "acknowledged" : "refused",
                     is_there ? "" : " not");
        }
    }
    arena_deinit(&arena);
}

static void live(__attribute__((unused)) void *context)
{
    struct life life;
    begin(&life);
    if (life.front->server == NULL || life.front->address[0] == '\0') {
        assert_true(fault_has_struck());
        end(&life);
        return;
    }
    put_next(&life);
    put_next_in_txn(&life);
    read_all(&life, 0);
    read_all(&life, 1);
    put_too_late(&life);
    delete_and_compact(&life);
    ask_how_it_is(&life);
    read_pages(&life);
    put_next(&life);
    fault_disarm();
    os_pair_advance(life.front->pair, 60 * (uint64_t)SECOND);
    answer_all(life.front);
    check_beliefs(&life);
    grpc_channel_close(life.front->channel);
    life.front->channel = NULL;
    front_connect(life.front);
    put_next(&life);
    assert_int_equal(life.puts[life.put_count - 1], BELIEF_DONE);
    check_beliefs(&life);
    end(&life);
}

static void fail_each(const char *name, unsigned kinds, uint64_t places_min)
{
    fault_run_both(&(struct fault_loop){
        .name = name, .kinds = kinds, .is_short = 1, .places_min = places_min, .play = live});
}

TEST(etcd, tells_the_truth_whatever_allocation_fails)
{
    fail_each("allocation", FAULT_ALLOCATION, 100);
}

TEST(etcd, tells_the_truth_whatever_send_fails)
{
    fail_each("send", FAULT_SEND, 15);
}
