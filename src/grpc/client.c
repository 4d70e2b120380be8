/* client.c -- a client's connections.
 *
 *   channel   connecting --on_open--> open --lost--> dead (only grpc_channel_close is left)
 *
 * Calls may be submitted from the first moment: nghttp2 keeps them, and nothing is written
 * before the connection stands.
 *
 * Callbacks may do anything, including closing the channel that is calling them. So a channel
 * that is closed is only marked, and freed at the end of the turn, when nothing of its own code
 * is under way.
 */
#include "grpc/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "grpc/client_internal.h"

enum {
    CONNECTION_WINDOW = 64 * 1024 * 1024, /* Answers are taken in as they arrive: the windows */
    STREAM_WINDOW = 16 * 1024 * 1024,     /* bound only what is on its way. */
    QUEUED_MAX = 1024 * 1024,             /* Bytes in the stream's queue before we hold back. */
};

void channel_touch(struct grpc_channel *channel)
{
    if (list_is_empty(&channel->dirty_link)) {
        list_append(&channel->client->dirty, &channel->dirty_link);
    }
}

/* -- Sending ----------------------------------------------------------------------------- */

/* Append what nghttp2 has to send to client->out. Returns 0, or -1 when the session failed. */
static int gather(struct grpc_channel *channel)
{
    struct buffer *out = &channel->client->out;
    while (buffer_size(out) < (size_t)CLIENT_OUT_MAX) {
        const uint8_t *data;
        const ssize_t size = nghttp2_session_mem_send(channel->session, &data);
        if (size < 0 || (size > 0 && buffer_append(out, data, (size_t)size) != 0)) {
            return -1;
        }
        if (size == 0) {
            break;
        }
    }
    return 0;
}

/* -- The end of a channel --------------------------------------------------------------- */

static void lose(struct grpc_channel *channel, int error)
{
    if (!channel->is_lost) {
        channel->is_lost = 1;
        channel->is_open = 0;
        channel->error = error;
        channel_touch(channel);
    }
}

static void close_stream(struct grpc_channel *channel)
{
    if (channel->stream != NULL) {
        os_stream_close(channel->stream);
        channel->stream = NULL;
    }
}

static void channel_free(struct grpc_channel *channel)
{
    close_stream(channel);
    struct list *link;
    struct list *following;
    LIST_FOREACH (&channel->calls, link, following) {
        client_call_release(LIST_ITEM(link, struct grpc_client_call, link));
    }
    nghttp2_session_del(channel->session);
    list_remove(&channel->link);
    list_remove(&channel->dirty_link);
    free(channel->address);
    free(channel);
}

/* Tell everybody that the connection is lost. */
static void bury(struct grpc_channel *channel)
{
    char text[160];
    channel->is_dead = 1;
    close_stream(channel);
    snprintf(text, sizeof text, "the connection to %.100s is lost: %s", channel->address,
             channel->error == 0 ? "closed by the server" : strerror(-channel->error));
    while (!list_is_empty(&channel->calls) && !channel->is_closed) {
        client_call_end(LIST_ITEM(channel->calls.next, struct grpc_client_call, link),
                        GRPC_UNAVAILABLE, text);
    }
    if (!channel->is_closed && channel->events != NULL && channel->events->on_close != NULL) {
        channel->events->on_close(channel->context, channel->error);
    }
}

static void flush(struct grpc_channel *channel)
{
    struct grpc_client *client = channel->client;
    if (channel->is_open && os_stream_queued(channel->stream) < (size_t)QUEUED_MAX) {
        buffer_clear(&client->out, 2 * (size_t)CLIENT_OUT_MAX);
        if (gather(channel) != 0) {
            lose(channel, -ENOMEM);
        }
        const struct bytes out = buffer_bytes(&client->out);
        if (out.size > 0 && os_stream_write(channel->stream, &out, 1) != 0) {
            lose(channel, -ENOMEM);
        }
        if (out.size >= (size_t)CLIENT_OUT_MAX) {
            channel_touch(channel);
        }
        if (!nghttp2_session_want_read(channel->session) &&
            !nghttp2_session_want_write(channel->session)) {
            lose(channel, 0);
        }
    }
    if (channel->is_lost && !channel->is_dead && !channel->is_closed) {
        bury(channel);
    }
    if (channel->is_closed) {
        channel_free(channel);
    }
}

static void end_turn(void *context)
{
    struct grpc_client *client = context;
    while (!list_is_empty(&client->dirty)) {
        struct grpc_channel *channel =
            LIST_ITEM(client->dirty.next, struct grpc_channel, dirty_link);
        list_remove(&channel->dirty_link);
        flush(channel);
    }
}

/* -- The stream's events ---------------------------------------------------------------- */

static void on_open(void *context)
{
    struct grpc_channel *channel = context;
    channel->is_open = 1;
    channel_touch(channel);
    if (channel->events != NULL && channel->events->on_open != NULL) {
        channel->events->on_open(channel->context);
    }
}

static void on_data(void *context, struct bytes data)
{
    struct grpc_channel *channel = context;
    if (channel->is_lost || channel->is_closed) {
        return;
    }
    if (nghttp2_session_mem_recv(channel->session, data.data, data.size) < 0) {
        lose(channel, -EPROTO);
    }
    channel_touch(channel);
}

static void on_drain(void *context)
{
    channel_touch(context);
}

static void on_close(void *context, int error)
{
    lose(context, error);
}

static const struct os_stream_events EVENTS = {
    .on_open = on_open, .on_data = on_data, .on_drain = on_drain, .on_close = on_close};

/* -- Channels --------------------------------------------------------------------------- */

static int open_session(struct grpc_channel *channel)
{
    static const nghttp2_settings_entry SETTINGS[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
    };
    if (nghttp2_session_client_new2(&channel->session, channel->client->callbacks, channel,
                                    channel->client->options) != 0) {
        channel->session = NULL;
        return -ENOMEM;
    }
    if (nghttp2_submit_settings(channel->session, NGHTTP2_FLAG_NONE, SETTINGS,
                                sizeof SETTINGS / sizeof SETTINGS[0]) != 0 ||
        nghttp2_session_set_local_window_size(channel->session, NGHTTP2_FLAG_NONE, 0,
                                              CONNECTION_WINDOW) != 0) {
        return -ENOMEM;
    }
    return 0;
}

int grpc_channel_open(struct grpc_client *client, const char *address,
                      const struct grpc_channel_events *events, void *context,
                      struct grpc_channel **channel_out)
{
    struct grpc_channel *channel = calloc(1, sizeof *channel);
    if (channel == NULL) {
        return -ENOMEM;
    }
    list_init(&channel->dirty_link);
    list_init(&channel->calls);
    list_init(&channel->link);
    list_append(&client->channels, &channel->link);
    channel->client = client;
    channel->events = events;
    channel->context = context;
    channel->address = strdup(address);
    int error = channel->address == NULL ? -ENOMEM : open_session(channel);
    if (error == 0) {
        error = os_connect(client->os, address, &EVENTS, channel, &channel->stream);
    }
    if (error != 0) {
        channel->stream = NULL;
        channel_free(channel);
        return error;
    }
    *channel_out = channel;
    return 0;
}

void grpc_channel_close(struct grpc_channel *channel)
{
    assert(!channel->is_closed);
    channel->is_closed = 1;
    if (channel->is_open) {
        (void)nghttp2_session_terminate_session(channel->session, NGHTTP2_NO_ERROR);
    }
    /* Its calls end now, as far as their owners can tell. */
    struct list *link;
    struct list *following;
    LIST_FOREACH (&channel->calls, link, following) {
        struct grpc_client_call *call = LIST_ITEM(link, struct grpc_client_call, link);
        if (call->stream_id != 0) {
            nghttp2_session_set_stream_user_data(channel->session, call->stream_id, NULL);
        }
        client_call_release(call);
    }
    channel_touch(channel);
}

int grpc_channel_is_open(const struct grpc_channel *channel)
{
    return channel->is_open;
}

/* -- Life ------------------------------------------------------------------------------- */

static int init_http2(struct grpc_client *client)
{
    enum {
        STREAMS_MAX = 1000000
    };
    if (nghttp2_session_callbacks_new(&client->callbacks) != 0) {
        client->callbacks = NULL;
        return -ENOMEM;
    }
    if (nghttp2_option_new(&client->options) != 0) {
        client->options = NULL;
        return -ENOMEM;
    }
    client_call_install(client->callbacks);
    /* Until the server's SETTINGS have come, do not hold calls back at 100. */
    nghttp2_option_set_peer_max_concurrent_streams(client->options, STREAMS_MAX);
    return 0;
}

struct grpc_client *grpc_client_new(struct os *os)
{
    struct grpc_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return NULL;
    }
    client->os = os;
    list_init(&client->channels);
    list_init(&client->dirty);
    list_init(&client->deadlines);
    list_init(&client->spares);
    client->timer = os_timer_new(os, client_call_on_timer, client);
    if (client->timer == NULL || init_http2(client) != 0 ||
        os_turn_end(os, end_turn, client) != 0) {
        grpc_client_free(client);
        return NULL;
    }
    return client;
}

void grpc_client_free(struct grpc_client *client)
{
    struct list *link;
    struct list *following;
    LIST_FOREACH (&client->channels, link, following) {
        channel_free(LIST_ITEM(link, struct grpc_channel, link));
    }
    client_call_free_spares(client);
    if (client->timer != NULL) {
        os_timer_free(client->os, client->timer);
    }
    nghttp2_session_callbacks_del(client->callbacks);
    nghttp2_option_del(client->options);
    buffer_deinit(&client->out);
    free(client);
}
