/* client.h -- gRPC calls to other servers: many at a time over each connection.
 *
 *     struct grpc_client *client = grpc_client_new(os);           once per loop
 *     struct grpc_channel *channel;
 *     grpc_channel_open(client, "127.0.0.1:2379", &events, context, &channel);
 *     struct grpc_request request = {.path = "/etcdserverpb.KV/Put", .message = message,
 *                                    .timeout_us = 5000000};
 *     grpc_channel_call(channel, &request, on_answer, context, NULL);
 *
 * A channel is one connection. Calls may be made as soon as it exists; they leave when it is
 * connected. When the connection is lost every call on it ends with UNAVAILABLE, and the
 * channel is good for nothing but grpc_channel_close(): whom to try next, and when, is a matter
 * for the caller, who knows the endpoints.
 *
 * What a turn of the loop produced leaves at its end in one write per channel.
 *
 * Threads   The loop thread only.
 */
#ifndef GRPC_CLIENT_H
#define GRPC_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "grpc/status.h"
#include "os/os.h"

struct grpc_client;
struct grpc_channel;
struct grpc_client_call;

/* What all the channels of one loop share. NULL without memory. It registers with
 * os_turn_end(), so it lives as long as the loop: free it after the loop has ended. */
struct grpc_client *grpc_client_new(struct os *os);

/* Close every channel (their calls end without a callback) and free everything. */
void grpc_client_free(struct grpc_client *client);

/* -- Channels --------------------------------------------------------------------------- */

struct grpc_channel_events {
    /* Optional. The connection stands. */
    void (*on_open)(void *context);
    /* Optional. It could not be made, or was lost: a negative errno value, 0 where the server
     * closed it in good order. All calls have ended before. Never from inside of a call of
     * this interface. */
    void (*on_close)(void *context, int error);
};

/* Begin to connect to "host:port". `events` may be NULL, else it outlives the channel. 0, or a
 * negative errno value: then there is no channel. */
int grpc_channel_open(struct grpc_client *client, const char *address,
                      const struct grpc_channel_events *events, void *context,
                      struct grpc_channel **channel);

/* Let go of it. Calls under way end without a callback. Allowed in every callback. */
void grpc_channel_close(struct grpc_channel *channel);

/* 1 from on_open until on_close. */
int grpc_channel_is_open(const struct grpc_channel *channel);

/* -- Calls ------------------------------------------------------------------------------ */

struct grpc_request {
    const char *path;     /* "/package.Service/Method"; borrowed until the call has ended. */
    struct bytes message; /* Copied. */
    uint64_t timeout_us;  /* 0: none. Sent as grpc-timeout, and kept here as well. */
    const char *token;    /* Sent as metadata "token" where not NULL; copied. */
};

/* How a call ended. Everything is borrowed until the callback returns. */
struct grpc_result {
    enum grpc_code code;
    const char *text;     /* Of a failure; "" where there is none. */
    struct bytes message; /* The answer, where the code is GRPC_OK. */
};

typedef void (*grpc_callback)(void *context, const struct grpc_result *result);

/* Make a unary call. The callback comes once, later, never from inside this call; after it, or
 * after grpc_client_call_cancel(), the call is no more. `call` may be NULL if it will not be
 * cancelled. -ENOTCONN on a channel that was lost, -ENOMEM: then there is no call. */
int grpc_channel_call(struct grpc_channel *channel, const struct grpc_request *request,
                      grpc_callback callback, void *context, struct grpc_client_call **call);

/* What a stream tells. */
struct grpc_stream_events {
    /* A message came; borrowed until the callback returns. */
    void (*on_message)(void *context, struct bytes message);
    /* The last word: how the stream ended. result->message is empty. */
    void (*on_end)(void *context, const struct grpc_result *result);
};

/* Begin a call with any number of messages in both directions. request->message is ignored:
 * send with grpc_client_call_send(). `events` outlives the call. Errors as above. */
int grpc_channel_stream(struct grpc_channel *channel, const struct grpc_request *request,
                        const struct grpc_stream_events *events, void *context,
                        struct grpc_client_call **call);

/* Queue one message (copied) on a stream. -ENOMEM: it was not queued. */
int grpc_client_call_send(struct grpc_client_call *call, struct bytes message);

/* Say that no more messages will come; answers may still arrive. */
void grpc_client_call_half_close(struct grpc_client_call *call);

/* Forget a call: its callbacks are not called any more, and the server is told. */
void grpc_client_call_cancel(struct grpc_client_call *call);

#endif /* GRPC_CLIENT_H */
