/* client_internal.h -- what the client's own files share: channels and their calls.
 *
 *   client.c       connections: made, lost, and what a turn gathered on them sent
 *   client_call.c  calls: made, answered, timed out
 */
#ifndef GRPC_CLIENT_INTERNAL_H
#define GRPC_CLIENT_INTERNAL_H

#include <nghttp2/nghttp2.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/list.h"
#include "grpc/client.h"
#include "grpc/message.h"

enum {
    CLIENT_OUT_MAX = 256 * 1024
}; /* Bytes gathered for one write, roughly. */

struct grpc_client {
    struct os *os;
    struct list channels;
    struct list dirty;     /* Channels that may have something to send, or to end. */
    struct list deadlines; /* Calls that have one, the first to pass first. */
    struct list spares;    /* Calls to be used again, with their memory. */
    size_t spares_count;
    struct os_timer *timer;
    uint64_t timer_us; /* When the timer fires; 0: it does not run. */
    struct buffer out; /* Gathers one channel's output at a time. */
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *options;
};

struct grpc_channel {
    struct list link;       /* In client->channels. */
    struct list dirty_link; /* In client->dirty. */
    struct list calls;
    struct grpc_client *client;
    struct os_stream *stream; /* NULL once it was closed. */
    nghttp2_session *session;
    const struct grpc_channel_events *events;
    void *context;
    char *address;
    int error; /* Why it is lost. */
    uint8_t is_open;
    uint8_t is_lost;   /* Tell on_close at the end of the turn. */
    uint8_t is_dead;   /* on_close was told: no more calls. */
    uint8_t is_closed; /* The caller let go of it. */
};

struct grpc_client_call {
    struct list link;          /* In channel->calls, or in the spares. */
    struct list deadline_link; /* In client->deadlines. */
    struct grpc_channel *channel;
    grpc_callback callback;
    const struct grpc_stream_events *events; /* NULL: a unary call. */
    void *context;
    uint64_t deadline_us;
    int32_t stream_id; /* 0 once the stream is closed. */
    uint32_t status;   /* :status; 0 while it has not come. */
    int code;          /* grpc-status; -1 while it has not come. */
    struct message_reader reader;
    struct buffer out;        /* What is still to be sent. */
    struct buffer text;       /* grpc-message, as it came. */
    uint8_t is_half_closed;   /* Nothing will be added to `out`. */
    uint8_t is_trailers_over; /* All header fields have come. */
    const char *failure;      /* What we found wrong; NULL: nothing. */
    enum grpc_code failure_code;
};

/* -- client.c --------------------------------------------------------------------------- */

/* Look at the channel at the end of the turn. */
void channel_touch(struct grpc_channel *channel);

/* -- client_call.c ---------------------------------------------------------------------- */

/* Say how the call ended; it is gone afterwards. */
void client_call_end(struct grpc_client_call *call, enum grpc_code code, const char *text);

/* Forget the call without a word. */
void client_call_release(struct grpc_client_call *call);

/* Let nghttp2's sessions tell the calls what arrives, and ask them what to send. */
void client_call_install(nghttp2_session_callbacks *callbacks);

/* End the calls whose time is over: the callback of client->timer. */
void client_call_on_timer(void *context);

/* Free the memory that is kept for later calls. */
void client_call_free_spares(struct grpc_client *client);

#endif /* GRPC_CLIENT_INTERNAL_H */
