/* grpc_rig.c -- a server in memory whose handlers do as the path says, and one raw client. */
#include "grpc_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

enum {
    MUCH = 3000 /* Bytes: above the limit of one connection's output, a few times. */
};

static int is_path(struct bytes path, const char *text)
{
    return bytes_equal(path, bytes_of_text(text));
}

/* -- gRPC --------------------------------------------------------------------------------- */

static enum grpc_method_kind on_method(void *context, struct bytes path)
{
    assert(context != NULL);
    if (is_path(path, "/t.S/Chat") || is_path(path, "/t.S/Feed")) {
        return GRPC_METHOD_STREAM;
    }
    return path.size > 5 && memcmp(path.data, "/t.S/", 5) == 0 ? GRPC_METHOD_UNARY
                                                               : GRPC_METHOD_UNKNOWN;
}

/* Look at all that can be asked about a call. */
static void look_at(struct grpc_call *call)
{
    assert(grpc_call_peer_name(call) != NULL);
    (void)grpc_call_deadline_us(call);
    (void)grpc_call_metadata(call, "token");
    (void)grpc_call_authority(call);
}

static void reply(struct grpc_call *call, struct bytes message)
{
    if (grpc_call_reply(call, message) != 0) {
        grpc_call_fail(call, GRPC_RESOURCE_EXHAUSTED, "no room");
    }
}

static void on_call(void *context, struct grpc_call *call)
{
    struct grpc_rig *rig = context;
    const struct bytes path = grpc_call_path(call);
    assert(!grpc_call_is_dead(call));
    look_at(call);
    if (is_path(path, "/t.S/Hold") && rig->call_count < GRPC_RIG_HELD_MAX) {
        rig->calls[rig->call_count++] = call;
    } else if (is_path(path, "/t.S/Grow")) {
        uint8_t *room = grpc_call_reserve(call, MUCH);
        assert(room != NULL);
        memset(room, 'x', MUCH);
        if (grpc_call_commit(call) != 0) {
            grpc_call_fail(call, GRPC_RESOURCE_EXHAUSTED, "no room");
        }
    } else if (is_path(path, "/t.S/Fail")) {
        grpc_call_fail(call, GRPC_ABORTED, "100% no\n");
    } else {
        reply(call, grpc_call_message(call));
    }
}

static void on_cancel(void *context, struct grpc_call *call)
{
    const struct grpc_rig *rig = context;
    int is_held = 0;
    for (size_t i = 0; i < rig->call_count; i++) {
        is_held |= rig->calls[i] == call;
    }
    assert(is_held && grpc_call_is_dead(call));
}

static size_t position_of(const struct grpc_rig *rig, const struct grpc_call *call)
{
    size_t i = 0;
    while (i < rig->stream_count && rig->streams[i] != call) {
        i++;
    }
    return i;
}

static void on_stream_open(void *context, struct grpc_call *call)
{
    struct grpc_rig *rig = context;
    look_at(call);
    if (rig->stream_count == GRPC_RIG_HELD_MAX) {
        grpc_call_finish(call, GRPC_RESOURCE_EXHAUSTED, "enough");
    } else {
        rig->streams[rig->stream_count++] = call;
    }
}

static void on_stream_message(void *context, struct grpc_call *call, struct bytes message)
{
    const struct grpc_rig *rig = context;
    assert(position_of(rig, call) < rig->stream_count);
    if (is_path(grpc_call_path(call), "/t.S/Chat")) {
        (void)grpc_call_send(call, message);
        (void)grpc_call_queued(call);
    }
}

static void forget_stream(struct grpc_rig *rig, const struct grpc_call *call)
{
    const size_t position = position_of(rig, call);
    assert(position < rig->stream_count); /* Nothing is told of one that is over. */
    rig->streams[position] = rig->streams[--rig->stream_count];
}

static void on_stream_end(void *context, struct grpc_call *call)
{
    if (is_path(grpc_call_path(call), "/t.S/Chat")) {
        forget_stream(context, call);
        grpc_call_finish(call, GRPC_OK, NULL);
    }
}

static void on_stream_drain(void *context, struct grpc_call *call)
{
    const struct grpc_rig *rig = context;
    assert(position_of(rig, call) < rig->stream_count);
}

static void on_stream_close(void *context, struct grpc_call *call)
{
    forget_stream(context, call);
}

/* -- HTTP --------------------------------------------------------------------------------- */

static void on_http(void *context, struct http_request *request)
{
    struct grpc_rig *rig = context;
    const struct bytes path = http_request_path(request);
    assert(http_request_method(request).size > 0);
    (void)http_request_query(request);
    (void)http_request_header(request, "host");
    if (is_path(path, "/hold") && rig->request_count < GRPC_RIG_HELD_MAX) {
        rig->requests[rig->request_count++] = request;
    } else if (is_path(path, "/pieces")) {
        http_reply_begin(request, 200, "text/plain");
        (void)http_reply_send(request, bytes_of_text("one"));
        (void)http_reply_send(request, bytes_of_text("two"));
        http_reply_end(request);
    } else {
        http_reply_header(request, "y", "z");
        http_reply(request, 200, "text/plain", http_request_body(request));
    }
}

static void on_http_close(void *context, struct http_request *request)
{
    assert(context != NULL && http_request_is_dead(request));
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

/* -- The raw client ----------------------------------------------------------------------- */

static void on_data(__attribute__((unused)) void *context,
                    __attribute__((unused)) struct bytes data)
{
}

static void on_drain(__attribute__((unused)) void *context)
{
}

static void on_close(void *context, __attribute__((unused)) int error)
{
    ((struct grpc_rig *)context)->is_closed = 1;
}

static const struct os_stream_events EVENTS = {
    .on_open = on_drain, .on_data = on_data, .on_drain = on_drain, .on_close = on_close};

/* -- The rig ------------------------------------------------------------------------------ */

struct grpc_rig *grpc_rig_new(void)
{
    struct grpc_rig *rig = calloc(1, sizeof *rig);
    struct grpc_server_options options;
    char address[32];
    int port = 0;
    assert(rig != NULL);
    grpc_server_options_init(&options);
    options.message_max = 1000;
    options.http_body_max = 1000;
    options.header_max = 2000;
    options.memory_max = 20000;
    options.connection_output_max = 10000;
    options.stream_queue_max = 4000;
    options.streams_max = 6;
    options.control_frames_max = 20;
    rig->pair = os_pair_new();
    rig->server = grpc_server_new(&rig->pair->os, &options, &HANDLERS, rig);
    assert(rig->server != NULL);
    int error = grpc_server_listen(rig->server, "memory:0", &port);
    assert(error == 0);
    snprintf(address, sizeof address, "memory:%d", port);
    error = os_connect(&rig->pair->os, address, &EVENTS, rig, &rig->stream);
    assert(error == 0);
    os_pair_settle(rig->pair);
    return rig;
}

void grpc_rig_send(struct grpc_rig *rig, struct bytes bytes)
{
    if (bytes.size > 0 && !rig->is_closed) {
        const int error = os_stream_write(rig->stream, &bytes, 1);
        assert(error == 0);
    }
    os_pair_settle(rig->pair);
}

static void end_call(struct grpc_rig *rig, int is_failed)
{
    struct grpc_call *call = rig->calls[--rig->call_count];
    if (is_failed) {
        grpc_call_fail(call, GRPC_UNAVAILABLE, "late");
    } else {
        reply(call, bytes_of_text("held"));
    }
}

void grpc_rig_answer(struct grpc_rig *rig, uint8_t how)
{
    const int is_failed = how >= 128;
    if (how % 4 == 0 && rig->call_count > 0) {
        end_call(rig, is_failed);
    } else if (how % 4 == 1 && rig->request_count > 0) {
        http_reply(rig->requests[--rig->request_count], 200, "text/plain", bytes_of_text("held"));
    } else if (how % 4 == 2 && rig->stream_count > 0) {
        grpc_call_finish(rig->streams[--rig->stream_count], is_failed ? GRPC_INTERNAL : GRPC_OK,
                         "over");
    } else if (rig->stream_count > 0) {
        (void)grpc_call_send(rig->streams[how / 4 % rig->stream_count], bytes_of_text("fed"));
    }
    os_pair_settle(rig->pair);
}

void grpc_rig_free(struct grpc_rig *rig)
{
    os_stream_close(rig->stream);
    os_pair_settle(rig->pair);
    assert(rig->stream_count == 0); /* Their client has gone, and that was said. */
    grpc_server_stop(rig->server);
    os_pair_settle(rig->pair);
    while (rig->call_count > 0) {
        assert(grpc_call_is_dead(rig->calls[rig->call_count - 1]));
        end_call(rig, 0);
    }
    while (rig->request_count > 0) {
        assert(http_request_is_dead(rig->requests[rig->request_count - 1]));
        http_reply(rig->requests[--rig->request_count], 200, NULL, (struct bytes){0});
    }
    const struct grpc_server_counts counts = grpc_server_counts(rig->server);
    assert(counts.memory == 0 && counts.connections == 0);
    grpc_server_free(rig->server);
    os_pair_free(rig->pair);
    free(rig);
}
