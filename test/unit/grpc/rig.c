/* rig.c -- a server whose handlers do as the path says, and clients of it, in memory. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- Handlers --------------------------------------------------------------------------- */

static int is_path(struct bytes path, const char *text)
{
    return bytes_equal(path, bytes_of_text(text));
}

static enum grpc_method_kind on_method(void *context, struct bytes path)
{
    (void)context;
    if (is_path(path, "/t.S/Chat") || is_path(path, "/t.S/Feed")) {
        return GRPC_METHOD_STREAM;
    }
    if (is_path(path, "/t.S/Echo") || is_path(path, "/t.S/Hold") || is_path(path, "/t.S/Fail") ||
        is_path(path, "/t.S/Grow")) {
        return GRPC_METHOD_UNARY;
    }
    return GRPC_METHOD_UNKNOWN;
}

static void on_call(void *context, struct grpc_call *call)
{
    struct rig *rig = context;
    const struct bytes path = grpc_call_path(call);
    if (is_path(path, "/t.S/Echo")) {
        assert_int_equal(grpc_call_reply(call, grpc_call_message(call)), 0);
    } else if (is_path(path, "/t.S/Hold")) {
        assert_true(rig->held_count < HELD_MAX);
        rig->held[rig->held_count++] = call;
    } else if (is_path(path, "/t.S/Grow")) {
        const struct bytes message = grpc_call_message(call);
        char digits[32] = {0};
        memcpy(digits, message.data, message.size);
        const size_t size = strtoul(digits, NULL, 10);
        uint8_t *to = grpc_call_reserve(call, size);
        assert_non_null(to);
        for (size_t i = 0; i < size; i++) {
            to[i] = (uint8_t)(i * 7);
        }
        assert_int_equal(grpc_call_commit(call), 0);
    } else {
        grpc_call_fail(call, GRPC_ABORTED, "100% no\n");
    }
}

static void on_cancel(void *context, struct grpc_call *call)
{
    struct rig *rig = context;
    assert_true(grpc_call_is_dead(call));
    rig->cancels++;
}

static void on_stream_open(void *context, struct grpc_call *call)
{
    struct rig *rig = context;
    rig->stream_opens++;
    rig->stream = call;
}

static void on_stream_message(void *context, struct grpc_call *call, struct bytes message)
{
    struct rig *rig = context;
    rig->stream_messages++;
    if (is_path(grpc_call_path(call), "/t.S/Chat")) {
        assert_int_equal(grpc_call_send(call, message), 0);
    }
}

static void on_stream_end(void *context, struct grpc_call *call)
{
    struct rig *rig = context;
    rig->stream_ends++;
    if (is_path(grpc_call_path(call), "/t.S/Chat")) {
        grpc_call_finish(call, GRPC_OK, NULL);
    }
}

static void on_stream_drain(void *context, struct grpc_call *call)
{
    (void)call;
    ((struct rig *)context)->stream_drains++;
}

static void on_stream_close(void *context, struct grpc_call *call)
{
    struct rig *rig = context;
    assert_true(call == rig->stream);
    rig->stream = NULL;
    rig->stream_closes++;
}

static void reply_echo(struct http_request *request)
{
    char text[1024];
    const struct bytes method = http_request_method(request);
    const struct bytes path = http_request_path(request);
    const struct bytes query = http_request_query(request);
    const struct bytes body = http_request_body(request);
    const struct bytes x = http_request_header(request, "x");
    const int size = snprintf(text, sizeof text, "%.*s %.*s [%.*s] (%.*s)", (int)method.size,
                              (const char *)method.data, (int)path.size, (const char *)path.data,
                              (int)query.size, (const char *)query.data, (int)body.size,
                              (const char *)body.data);
    if (x.data != NULL) {
        char value[64];
        snprintf(value, sizeof value, "%.*s", (int)x.size, (const char *)x.data);
        http_reply_header(request, "y", value);
    }
    http_reply(request, 200, "text/plain", bytes_of(text, (size_t)size));
}

static void on_http(void *context, struct http_request *request)
{
    struct rig *rig = context;
    const struct bytes path = http_request_path(request);
    if (is_path(path, "/echo")) {
        reply_echo(request);
    } else if (is_path(path, "/pieces")) {
        http_reply_begin(request, 200, "text/plain");
        assert_int_equal(http_reply_send(request, bytes_of_text("one")), 0);
        assert_int_equal(http_reply_send(request, bytes_of_text("two")), 0);
        http_reply_end(request);
    } else if (is_path(path, "/big")) {
        char *big = malloc(1000000);
        assert_non_null(big);
        memset(big, 'b', 1000000);
        http_reply(request, 200, "text/plain", bytes_of(big, 1000000));
        free(big);
    } else if (is_path(path, "/hold")) {
        rig->request = request;
    } else {
        http_reply(request, 404, "text/plain", bytes_of_text("404 page not found\n"));
    }
}

static void on_http_close(void *context, struct http_request *request)
{
    struct rig *rig = context;
    assert_true(http_request_is_dead(request));
    rig->http_closes++;
}

static const struct grpc_handlers HANDLERS = {
    .on_method = on_method,
    .on_call = on_call,
    .on_cancel = on_cancel,
    .on_stream_open = on_stream_open,
    .on_stream_message = on_stream_message,
    .on_stream_end = on_stream_end,
    .on_stream_drain = on_stream_drain,
    .on_stream_close = on_stream_close,
    .on_http = on_http,
    .on_http_close = on_http_close,
};

/* -- The rig ---------------------------------------------------------------------------- */

struct rig *rig_new(const struct grpc_server_options *options)
{
    struct rig *rig = calloc(1, sizeof *rig);
    int port = 0;
    assert_non_null(rig);
    rig->pair = os_pair_new();
    rig->server = grpc_server_new(&rig->pair->os, options, &HANDLERS, rig);
    rig->client = grpc_client_new(&rig->pair->os);
    assert_non_null(rig->server);
    assert_non_null(rig->client);
    assert_int_equal(grpc_server_listen(rig->server, "memory:0", &port), 0);
    snprintf(rig->address, sizeof rig->address, "memory:%d", port);
    return rig;
}

void rig_free(struct rig *rig)
{
    grpc_client_free(rig->client);
    grpc_server_free(rig->server);
    os_pair_free(rig->pair);
    free(rig);
}

static void on_open(void *context)
{
    ((struct rig *)context)->channel_opens++;
}

static void on_close(void *context, int error)
{
    struct rig *rig = context;
    rig->channel_closes++;
    rig->channel_error = error;
}

static const struct grpc_channel_events CHANNEL_EVENTS = {.on_open = on_open, .on_close = on_close};

void rig_connect(struct rig *rig)
{
    assert_int_equal(
        grpc_channel_open(rig->client, rig->address, &CHANNEL_EVENTS, rig, &rig->channel), 0);
}

void answer_take(void *context, const struct grpc_result *result)
{
    struct answer *answer = context;
    answer->count++;
    answer->code = result->code;
    snprintf(answer->text, sizeof answer->text, "%s", result->text);
    assert_int_equal(buffer_append(&answer->message, result->message.data, result->message.size),
                     0);
}

static void take_message(void *context, struct bytes message)
{
    struct answer *answer = context;
    answer->messages++;
    assert_int_equal(buffer_append(&answer->message, message.data, message.size), 0);
}

const struct grpc_stream_events ANSWER_EVENTS = {.on_message = take_message, .on_end = answer_take};

void answer_deinit(struct answer *answer)
{
    buffer_deinit(&answer->message);
    *answer = (struct answer){0};
}

void rig_call(struct rig *rig, const char *path, struct bytes message, uint64_t timeout_us,
              struct answer *answer)
{
    const struct grpc_request request = {
        .path = path, .message = message, .timeout_us = timeout_us};
    assert_int_equal(grpc_channel_call(rig->channel, &request, answer_take, answer, NULL), 0);
}

/* -- Raw clients ------------------------------------------------------------------------ */

static void raw_on_data(void *context, struct bytes data)
{
    struct raw *raw = context;
    assert_int_equal(buffer_append(&raw->received, data.data, data.size), 0);
}

static void raw_on_drain(void *context)
{
    (void)context;
}

static void raw_on_close(void *context, int error)
{
    (void)error;
    ((struct raw *)context)->is_closed = 1;
}

static const struct os_stream_events RAW_EVENTS = {
    .on_data = raw_on_data, .on_drain = raw_on_drain, .on_close = raw_on_close};

void raw_connect(struct rig *rig, struct raw *raw)
{
    *raw = (struct raw){0};
    assert_int_equal(os_connect(&rig->pair->os, rig->address, &RAW_EVENTS, raw, &raw->stream), 0);
    os_pair_settle(rig->pair);
}

void raw_send(struct rig *rig, struct raw *raw, const void *data, size_t size)
{
    const struct bytes part = bytes_of(data, size);
    assert_int_equal(os_stream_write(raw->stream, &part, 1), 0);
    os_pair_settle(rig->pair);
}

void raw_send_text(struct rig *rig, struct raw *raw, const char *text)
{
    raw_send(rig, raw, text, strlen(text));
}

void raw_close(struct raw *raw)
{
    os_stream_close(raw->stream);
    buffer_deinit(&raw->received);
}

size_t raw_count(const struct raw *raw, const char *text)
{
    const struct bytes received = buffer_bytes(&raw->received);
    const size_t size = strlen(text);
    size_t count = 0;
    for (size_t i = 0; i + size <= received.size; i++) {
        count += (size_t)bytes_equal(bytes_of(received.data + i, size), bytes_of_text(text));
    }
    return count;
}

int raw_has(const struct raw *raw, const char *text)
{
    return raw_count(raw, text) > 0;
}
