/* grpc_client_fuzz.c -- our gRPC client, and a server that keeps no rules.
 *
 * u8 size of the pieces in which bytes arrive; then strokes: u8, of which one in eight lets time
 * pass, one makes, feeds or cancels a call, and the others send a piece of h2_script.h. Every call
 * ends once, and nothing is told of it afterwards. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "grpc/client.h"
#include "h2_script.h"
#include "os_pair.h"

enum {
    CALLS_MAX = 32
};

struct call {
    struct grpc_client_call *call; /* NULL: it was never made, or has ended. */
    int is_stream;
    int is_half_closed;
};

struct rig {
    struct os_pair *pair;
    struct grpc_client *client;
    struct grpc_channel *channel;
    struct os_listener *listener;
    struct os_stream *stream; /* The server's end; NULL: none yet, or no more. */
    int is_lost;
    struct call calls[CALLS_MAX];
    size_t call_count;
};

/* -- The server --------------------------------------------------------------------------- */

static void on_data(__attribute__((unused)) void *context,
                    __attribute__((unused)) struct bytes data)
{
}

static void on_drain(__attribute__((unused)) void *context)
{
}

static void on_close(void *context, __attribute__((unused)) int error)
{
    struct rig *rig = context;
    os_stream_close(rig->stream);
    rig->stream = NULL;
}

static const struct os_stream_events SERVER_EVENTS = {
    .on_open = on_drain, .on_data = on_data, .on_drain = on_drain, .on_close = on_close};

static void accept_stream(void *context, struct os_stream *stream)
{
    struct rig *rig = context;
    assert(rig->stream == NULL);
    rig->stream = stream;
    os_stream_attach(stream, &SERVER_EVENTS, rig);
}

static void send_bytes(struct rig *rig, struct bytes bytes)
{
    if (rig->stream != NULL && bytes.size > 0) {
        const int error = os_stream_write(rig->stream, &bytes, 1);
        assert(error == 0);
    }
    os_pair_settle(rig->pair);
}

/* -- The client --------------------------------------------------------------------------- */

static void on_end(void *context, const struct grpc_result *result)
{
    struct call *call = context;
    assert(call->call != NULL && result->text != NULL);
    assert(result->code != GRPC_OK || result->text[0] == '\0' || result->message.size == 0 ||
           !call->is_stream);
    call->call = NULL;
}

static void on_message(void *context, struct bytes message)
{
    const struct call *call = context;
    assert(call->call != NULL && call->is_stream);
    assert(message.size == 0 || message.data != NULL);
}

static const struct grpc_stream_events STREAM_EVENTS = {.on_message = on_message, .on_end = on_end};

static void on_lost(void *context, __attribute__((unused)) int error)
{
    struct rig *rig = context;
    assert(!rig->is_lost);
    rig->is_lost = 1;
    for (size_t i = 0; i < rig->call_count; i++) {
        assert(rig->calls[i].call == NULL);
    }
}

static const struct grpc_channel_events CHANNEL_EVENTS = {.on_close = on_lost};

static void make_call(struct rig *rig, uint8_t how)
{
    const struct grpc_request request = {.path = h2_paths[how % H2_PATHS],
                                         .message = bytes_of_text("hello"),
                                         .timeout_us = how >= 128 ? 2000000 : 0,
                                         .token = how % 2 == 0 ? "t" : NULL};
    if (rig->call_count == CALLS_MAX) {
        return;
    }
    struct call *call = &rig->calls[rig->call_count++];
    call->is_stream = how % 4 == 3;
    const int error =
        call->is_stream
            ? grpc_channel_stream(rig->channel, &request, &STREAM_EVENTS, call, &call->call)
            : grpc_channel_call(rig->channel, &request, on_end, call, &call->call);
    assert(error == 0 || rig->is_lost);
    if (error != 0) {
        call->call = NULL;
    }
}

static void act(struct rig *rig, struct feed *feed)
{
    const uint8_t how = feed_u8(feed);
    struct call *call = rig->call_count == 0 ? NULL : &rig->calls[how / 4 % rig->call_count];
    if (how % 4 != 0 || call == NULL || call->call == NULL) {
        make_call(rig, how / 4);
    } else if (call->is_stream && !call->is_half_closed && how < 64) {
        (void)grpc_client_call_send(call->call, bytes_of_text("more"));
    } else if (call->is_stream && !call->is_half_closed && how < 128) {
        call->is_half_closed = 1;
        grpc_client_call_half_close(call->call);
    } else {
        grpc_client_call_cancel(call->call);
        call->call = NULL;
    }
    os_pair_settle(rig->pair);
}

static void begin(struct rig *rig)
{
    char address[32];
    rig->pair = os_pair_new();
    rig->client = grpc_client_new(&rig->pair->os);
    assert(rig->client != NULL);
    int error = os_listen(&rig->pair->os, "memory:0", accept_stream, rig, &rig->listener);
    assert(error == 0);
    snprintf(address, sizeof address, "memory:%d", os_listener_port(&rig->pair->os, rig->listener));
    error = grpc_channel_open(rig->client, address, &CHANNEL_EVENTS, rig, &rig->channel);
    assert(error == 0);
    make_call(rig, 0);
    make_call(rig, 3);
    os_pair_settle(rig->pair);
}

FUZZ(grpc_client)
{
    struct feed feed = {input};
    struct buffer out = {0};
    struct rig *rig = calloc(1, sizeof *rig);
    assert(rig != NULL);
    begin(rig);
    rig->pair->piece_max = feed_u8(&feed) % 64;
    const int error = buffer_append(&out, "\0\0\0\4\0\0\0\0\0", 9); /* SETTINGS. */
    assert(error == 0);
    while (!feed_is_empty(&feed)) {
        const uint8_t stroke = feed_u8(&feed);
        if (stroke % 8 == 0) {
            os_pair_advance(rig->pair, feed_u8(&feed) * UINT64_C(100000));
        } else if (stroke % 8 == 1) {
            act(rig, &feed);
        } else {
            h2_script_piece(&out, &feed);
        }
        if (stroke >= 128) {
            send_bytes(rig, buffer_bytes(&out));
            buffer_clear(&out, 0);
        }
    }
    send_bytes(rig, buffer_bytes(&out));
    buffer_deinit(&out);
    grpc_channel_close(rig->channel);
    os_pair_settle(rig->pair);
    if (rig->stream != NULL) {
        os_stream_close(rig->stream);
    }
    grpc_client_free(rig->client);
    os_listener_close(&rig->pair->os, rig->listener);
    os_pair_free(rig->pair);
    free(rig);
}
