/* rig.c -- a server and a client of it, in memory; what happens to one of them may fail. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fault.h"
#include "test.h"

enum {
    BODY_MAX = 300000,
    SECOND = 1000000
};

/* The bytes of every body: those of any size are a beginning of them. */
static const uint8_t *body(void)
{
    static uint8_t bytes[BODY_MAX];
    for (size_t i = 0; i < BODY_MAX && bytes[1] == 0; i++) {
        bytes[BODY_MAX - 1 - i] = (uint8_t)((BODY_MAX - 1 - i) % 251);
    }
    return bytes;
}

/* -- The server's handlers, which may find that there is no memory ------------------------- */

static int is_path(struct bytes path, const char *text)
{
    return bytes_equal(path, bytes_of_text(text));
}

static enum grpc_method_kind on_method(void *context, struct bytes path)
{
    (void)context;
    return is_path(path, "/t.S/Chat")   ? GRPC_METHOD_STREAM
           : is_path(path, "/t.S/None") ? GRPC_METHOD_UNKNOWN
                                        : GRPC_METHOD_UNARY;
}

static void on_call(void *context, struct grpc_call *call)
{
    struct rig *rig = context;
    const struct bytes path = grpc_call_path(call);
    if (is_path(path, "/t.S/Echo")) {
        if (grpc_call_reply(call, grpc_call_message(call)) != 0) {
            assert_true(fault_has_struck());
            grpc_call_fail(call, GRPC_RESOURCE_EXHAUSTED, "no room");
        }
    } else if (is_path(path, "/t.S/Hold")) {
        rig->held = call;
    } else {
        grpc_call_fail(call, GRPC_ABORTED, "100% no\n");
    }
}

static void on_cancel(void *context, struct grpc_call *call)
{
    struct rig *rig = context;
    assert_true(call == rig->held);
    grpc_call_fail(call, GRPC_CANCELED, "");
    rig->held = NULL;
}

static void on_stream_open(void *context, struct grpc_call *call)
{
    (void)context;
    (void)call;
}

static void on_stream_message(void *context, struct grpc_call *call, struct bytes message)
{
    (void)context;
    if (grpc_call_send(call, message) != 0) {
        assert_true(fault_has_struck());
        grpc_call_finish(call, GRPC_RESOURCE_EXHAUSTED, "no memory");
    }
}

static void on_stream_end(void *context, struct grpc_call *call)
{
    (void)context;
    grpc_call_finish(call, GRPC_OK, NULL);
}

static void on_stream_close(void *context, struct grpc_call *call)
{
    (void)context;
    (void)call;
}

static void on_http(void *context, struct http_request *request)
{
    (void)context;
    if (is_path(http_request_path(request), "/pieces")) {
        http_reply_begin(request, 200, "text/plain");
        (void)http_reply_send(request, bytes_of_text("one"));
        (void)http_reply_send(request, bytes_of(body(), BODY_MAX));
        http_reply_end(request);
        return;
    }
    http_reply(request, 200, "text/plain", http_request_body(request));
}

static const struct grpc_handlers HANDLERS = {
    .on_method = on_method,
    .on_call = on_call,
    .on_cancel = on_cancel,
    .on_stream_open = on_stream_open,
    .on_stream_message = on_stream_message,
    .on_stream_end = on_stream_end,
    .on_stream_close = on_stream_close,
    .on_http = on_http,
};

/* -- The rig ------------------------------------------------------------------------------ */

static struct os *os_of(struct rig *rig, enum rig_side side)
{
    return side == rig->side ? os_fault_os(rig->fault) : &rig->pair->os;
}

static void ignore_line(const char *line, uint32_t size)
{
    (void)line;
    (void)size;
}

struct rig *rig_new(enum rig_side side)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    log_configure(&(struct log_options){.level = LOG_DEBUG, .sink = ignore_line});
    rig->side = side;
    rig->pair = os_pair_new();
    rig->pair->piece_max = 1000;
    rig->fault = os_fault_new(&rig->pair->os);
    const int was = fault_enter(side == RIG_SERVER);
    rig->server = grpc_server_new(os_of(rig, RIG_SERVER), NULL, &HANDLERS, rig);
    if (rig->server != NULL && grpc_server_listen(rig->server, "memory:0", &rig->port) != 0) {
        assert_true(fault_has_struck());
        rig->port = 0;
    }
    (void)fault_enter(side == RIG_CLIENT);
    rig->client = grpc_client_new(os_of(rig, RIG_CLIENT));
    fault_leave(was);
    assert_true(fault_has_struck() || (rig->client != NULL && rig->server != NULL));
    return rig;
}

int rig_is_whole(const struct rig *rig)
{
    return rig->server != NULL && rig->client != NULL && rig->port != 0;
}

void rig_free(struct rig *rig)
{
    const int was = fault_enter(0);
    for (size_t i = 0; i < rig->answer_count; i++) {
        assert_int_equal(rig->answers[i].ends, 1);
    }
    if (rig->channel != NULL) {
        grpc_channel_close(rig->channel);
        os_pair_settle(rig->pair);
    }
    if (rig->server != NULL) {
        assert_null(rig->held);
        assert_int_equal(grpc_server_counts(rig->server).connections, 0);
        assert_int_equal(grpc_server_counts(rig->server).memory, 0);
        assert_true(grpc_server_counts(rig->server).protocol_errors <= rig->nonsense);
        grpc_server_stop(rig->server);
        os_pair_settle(rig->pair);
        grpc_server_free(rig->server);
    }
    if (rig->client != NULL) {
        grpc_client_free(rig->client);
    }
    os_pair_free(rig->pair);
    os_fault_free(rig->fault);
    fault_leave(was);
    free(rig);
}

static void on_channel_close(void *context, int error)
{
    struct rig *rig = context;
    (void)error;
    grpc_channel_close(rig->channel);
    rig->channel = NULL;
}

void rig_connect(struct rig *rig)
{
    static const struct grpc_channel_events events = {.on_close = on_channel_close};
    char address[32];
    if (rig->channel != NULL) {
        return;
    }
    snprintf(address, sizeof address, "memory:%d", rig->port);
    const int was = fault_enter(rig->side == RIG_CLIENT);
    if (grpc_channel_open(rig->client, address, &events, rig, &rig->channel) != 0) {
        assert_true(fault_has_struck());
        rig->channel = NULL;
    }
    fault_leave(was);
    os_pair_settle(rig->pair);
}

/* -- Calls -------------------------------------------------------------------------------- */

static void take_bytes(struct answer *answer, struct bytes bytes)
{
    answer->is_wrong |= !bytes_equal(bytes, bytes_of(body(), bytes.size));
    answer->size += bytes.size;
}

static void on_answer(void *context, const struct grpc_result *result)
{
    struct answer *answer = context;
    answer->ends++;
    answer->code = result->code;
    snprintf(answer->text, sizeof answer->text, "%s", result->text);
    take_bytes(answer, result->message);
    if (result->code == GRPC_OK) {
        assert_false(answer->is_wrong);
        assert_int_equal(answer->size, answer->expected);
    } else if (answer->code == GRPC_DEADLINE_EXCEEDED) {
        assert_true(answer->is_held); /* Whatever fails is told at once. */
    } else if (answer->code != GRPC_ABORTED && answer->code != GRPC_UNIMPLEMENTED) {
        assert_true(fault_has_struck());
    }
}

static void on_message(void *context, struct bytes message)
{
    take_bytes(context, message);
}

static const struct grpc_stream_events STREAM_EVENTS = {.on_message = on_message,
                                                        .on_end = on_answer};

static struct answer *answer_new(struct rig *rig, size_t expected)
{
    assert_true(rig->answer_count < ANSWERS_MAX);
    struct answer *answer = &rig->answers[rig->answer_count++];
    *answer = (struct answer){.expected = expected};
    return answer;
}

struct answer *rig_call(struct rig *rig, const char *path, size_t size)
{
    struct answer *answer;
    if (rig->channel == NULL) {
        return NULL;
    }
    answer = answer_new(rig, size);
    answer->is_held = strcmp(path, "/t.S/Hold") == 0;
    const struct grpc_request request = {
        .path = path, .message = bytes_of(body(), size), .timeout_us = 5 * SECOND};
    const int was = fault_enter(rig->side == RIG_CLIENT);
    const int error = grpc_channel_call(rig->channel, &request, on_answer, answer, NULL);
    fault_leave(was);
    if (error != 0) {
        assert_true(fault_has_struck());
        assert_int_equal(answer->ends, 0);
        rig->answer_count--;
        answer = NULL;
    }
    os_pair_settle(rig->pair);
    return answer;
}

struct answer *rig_chat(struct rig *rig, size_t size)
{
    static const struct grpc_request request = {.path = "/t.S/Chat", .timeout_us = 5 * SECOND};
    struct grpc_client_call *call;
    if (rig->channel == NULL) {
        return NULL;
    }
    struct answer *answer = answer_new(rig, 3 * size);
    const int was = fault_enter(rig->side == RIG_CLIENT);
    if (grpc_channel_stream(rig->channel, &request, &STREAM_EVENTS, answer, &call) != 0) {
        assert_true(fault_has_struck());
        rig->answer_count--;
        answer = NULL;
    }
    for (int i = 0; i < 3 && answer != NULL && answer->ends == 0; i++) {
        if (grpc_client_call_send(call, bytes_of(body(), size)) != 0) {
            assert_true(fault_has_struck());
            answer->expected -= size;
        }
    }
    if (answer != NULL && answer->ends == 0) {
        grpc_client_call_half_close(call);
    }
    fault_leave(was);
    os_pair_settle(rig->pair);
    return answer;
}

/* -- Plain HTTP --------------------------------------------------------------------------- */

struct raw {
    char start[16];
    size_t size;
    int is_over;
};

static void raw_on_data(void *context, struct bytes data)
{
    struct raw *raw = context;
    for (size_t i = 0; i < data.size && raw->size + 1 < sizeof raw->start; i++) {
        raw->start[raw->size++] = (char)data.data[i];
    }
}

static void raw_on_nothing(void *context)
{
    (void)context;
}

static void raw_on_close(void *context, int error)
{
    (void)error;
    ((struct raw *)context)->is_over = 1;
}

int rig_http(struct rig *rig, const char *request)
{
    static const struct os_stream_events events = {.on_open = raw_on_nothing,
                                                   .on_data = raw_on_data,
                                                   .on_drain = raw_on_nothing,
                                                   .on_close = raw_on_close};
    struct raw raw = {.size = 0};
    struct os_stream *stream;
    char address[32];
    int status = 0;
    const struct bytes part = bytes_of_text(request);
    snprintf(address, sizeof address, "memory:%d", rig->port);
    assert_int_equal(os_connect(&rig->pair->os, address, &events, &raw, &stream), 0);
    os_pair_settle(rig->pair);
    assert_int_equal(os_stream_write(stream, &part, 1), 0);
    os_pair_settle(rig->pair);
    os_stream_close(stream);
    os_pair_settle(rig->pair);
    return sscanf(raw.start, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

void rig_pass(struct rig *rig, uint64_t us)
{
    os_pair_advance(rig->pair, us);
}

void rig_recover(struct rig *rig)
{
    if (rig->server == NULL || rig->client == NULL) {
        return; /* Who cannot be made is made again by somebody else. */
    }
    const int was = fault_enter(0);
    if (rig->port == 0) {
        assert_int_equal(grpc_server_listen(rig->server, "memory:0", &rig->port), 0);
    }
    fault_leave(was);
    if (rig->channel != NULL) {
        grpc_channel_close(rig->channel);
        rig->channel = NULL;
        rig_pass(rig, SECOND);
    }
    rig_connect(rig);
    const struct answer *answer = rig_call(rig, "/t.S/Echo", 1000);
    assert_non_null(answer);
    assert_int_equal(answer->ends, 1);
    assert_int_equal(answer->code, GRPC_OK);
    assert_int_equal(rig_http(rig, "GET /echo HTTP/1.1\r\nHost: t\r\n\r\n"), 200);
}
