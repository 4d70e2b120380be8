/* server.c -- the listening side: who may connect, what each connection speaks, how long it may
 * be silent, and when what it has to say is sent.
 *
 *                first bytes "PRI "
 *   accepted ------------------------> HTTP/2 (http2.c)   --+
 *      |                                                     +--> doomed --> freed
 *      +-----------------------------> HTTP/1.1 (http1.c) --+
 *         anything else
 *
 * Nothing is written, and no connection is freed, before the turn ends: handlers that answer in
 * the middle of nghttp2's callbacks can do no harm, and the answers of one turn to one client
 * are one system call.
 *
 * Against those who hold connections and do nothing with them:
 *
 *   HTTP/2     must send its preface and SETTINGS within first_request_us. Later it may be
 *              silent for hours, as etcd's clients are; after idle_us it gets a PING, and must
 *              answer it within ping_timeout_us.
 *   HTTP/1.1   must complete each request within first_request_us from its first byte (the
 *              first one: from being accepted), and is closed when idle for idle_us.
 *
 * And against those who ask and do not read what they get: while answers wait, some of them must
 * leave within stalled_us - for the kernel where the stream's queue is full, for the stream where
 * HTTP/2's window is closed. An answer to a PING is none. Time is counted in firings of the timer,
 * so that a process that was stopped for a minute does not blame its clients.
 */
#include "grpc/server.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "grpc/server_internal.h"

enum {
    TIMER_US = 1000000,
    OUT_KEPT = 2 * OUTPUT_GATHERED_MAX, /* Memory that the gathering buffer keeps. */
};

struct listener {
    struct list link; /* In server->listeners. */
    struct grpc_server *server;
    struct os_listener *listener;
};

void grpc_server_options_init(struct grpc_server_options *options)
{
    *options = (struct grpc_server_options){
        .message_max = 1536 * 1024 + 512 * 1024,
        .http_body_max = 4 * 1024 * 1024,
        .header_max = 16 * 1024,
        .memory_max = 512u * 1024 * 1024,
        /* A quarter: three that do not read leave room for all others until they are closed. */
        .connection_output_max = 128u * 1024 * 1024,
        .stream_queue_max = 64u * 1024 * 1024,
        .connections_max = 20000,
        .streams_max = 65536,
        .control_frames_max = 1000,
        .first_request_us = 20u * 1000000,
        .idle_us = 2ull * 3600 * 1000000,
        .ping_timeout_us = 20u * 1000000,
        .stalled_us = 30u * 1000000,
    };
}

/* -- The end of a connection ------------------------------------------------------------ */

void connection_touch(struct connection *connection)
{
    if (list_is_empty(&connection->dirty_link)) {
        list_append(&connection->server->dirty, &connection->dirty_link);
    }
}

void connection_doom(struct connection *connection)
{
    connection->is_doomed = 1;
    connection_touch(connection);
}

void connection_hurry(struct connection *connection)
{
    struct grpc_server *server = connection->server;
    connection->due_us = os_now_us(server->os) + server->options.first_request_us;
    list_remove(&connection->due_link);
    list_append(&server->due, &connection->due_link);
}

void connection_rest(struct connection *connection)
{
    connection->due_us = 0;
    list_remove(&connection->due_link);
}

static void destroy(struct connection *connection)
{
    struct grpc_server *server = connection->server;

    /* Handlers are told one exchange at a time, and may end others meanwhile. */
    while (!list_is_empty(&connection->exchanges)) {
        exchange_disconnect(LIST_ITEM(connection->exchanges.next, struct exchange, link));
    }
    assert(connection->output == 0);
    server->counts.memory -= connection->queued;
    http2_close(connection);
    http1_close(connection);
    os_stream_close(connection->stream);
    list_remove(&connection->link);
    list_remove(&connection->due_link);
    list_remove(&connection->dirty_link);
    list_remove(&connection->unsent_link);
    server->counts.connections--;
    free(connection);
}

/* -- Sending ---------------------------------------------------------------------------- */

/* Count what waits in the stream's queue, and see whether anything has left since the last time. */
static void count_unsent(struct connection *connection)
{
    struct grpc_server *server = connection->server;
    const size_t queued = os_stream_queued(connection->stream);
    const uint64_t left = connection->written - queued;
    const int was_queued = connection->queued > 0;
    const int is_watched = !list_is_empty(&connection->unsent_link);
    const int is_moving = connection->answered != connection->left_answered ||
                          (left != connection->left && (queued > 0 || was_queued));

    server->counts.memory += queued - connection->queued;
    connection->queued = queued;
    connection->left = left;
    connection->left_answered = connection->answered;
    if (connection->output == 0 && queued == 0) {
        list_remove(&connection->unsent_link);
    } else if (is_moving || !is_watched) {
        connection->left_tick = server->ticks;
        list_remove(&connection->unsent_link);
        list_append(&server->unsent, &connection->unsent_link);
    }
}

/* Send what the connection has, as far as the stream's queue is short. */
static void flush(struct connection *connection)
{
    struct grpc_server *server = connection->server;

    buffer_clear(&server->out, OUT_KEPT);
    if (!connection->is_lost && os_stream_queued(connection->stream) < (size_t)OUTPUT_QUEUED_MAX) {
        if (connection->session != NULL) {
            http2_gather(connection);
        } else if (connection->http1 != NULL) {
            http1_gather(connection);
        }
        const struct bytes out = buffer_bytes(&server->out);
        if (out.size > 0) {
            server->counts.sent_bytes += out.size;
            connection->written += out.size;
            if (os_stream_write(connection->stream, &out, 1) != 0) {
                connection->is_doomed = 1;
            }
            /* The limit of one gathering was reached: the rest goes with the next one. */
            if (out.size >= (size_t)OUTPUT_GATHERED_MAX) {
                connection_touch(connection);
            }
        }
    }
    if (connection->is_doomed) {
        destroy(connection);
    } else {
        count_unsent(connection);
    }
}

static void flush_dirty(struct grpc_server *server)
{
    while (!list_is_empty(&server->dirty)) {
        struct connection *connection =
            LIST_ITEM(server->dirty.next, struct connection, dirty_link);
        list_remove(&connection->dirty_link);
        flush(connection);
    }
}

static void tell_drained(struct grpc_server *server)
{
    while (!list_is_empty(&server->drained)) {
        struct exchange *exchange = LIST_ITEM(server->drained.next, struct exchange, drained_link);
        list_remove(&exchange->drained_link);
        if (exchange->kind == EXCHANGE_STREAM && server->handlers.on_stream_drain != NULL) {
            server->handlers.on_stream_drain(server->context, (struct grpc_call *)exchange);
        } else if (exchange->kind == EXCHANGE_HTTP && server->handlers.on_http_drain != NULL) {
            server->handlers.on_http_drain(server->context, (struct http_request *)exchange);
        }
    }
}

/* Everything that this turn's callbacks answered leaves here. A handler that is told that its
 * stream drained may send more; that ends when the stream's queue is full. */
static void end_turn(void *context)
{
    struct grpc_server *server = context;
    do {
        flush_dirty(server);
        tell_drained(server);
    } while (!list_is_empty(&server->dirty));
}

/* -- Receiving -------------------------------------------------------------------------- */

/* Decide what the connection speaks. Returns 0 while that is open, else 1. */
static int sniff(struct connection *connection, struct bytes *data)
{
    static const uint8_t PREFACE[SNIFF_SIZE] = {'P', 'R', 'I', ' '};
    while (data->size > 0 && connection->sniffed_size < SNIFF_SIZE) {
        connection->sniffed[connection->sniffed_size++] = data->data[0];
        *data = bytes_of(data->data + 1, data->size - 1);
        if (memcmp(connection->sniffed, PREFACE, connection->sniffed_size) != 0) {
            break;
        }
    }
    const int is_http2 = memcmp(connection->sniffed, PREFACE, connection->sniffed_size) == 0;
    if (is_http2 && connection->sniffed_size < SNIFF_SIZE) {
        return 0;
    }
    if ((is_http2 ? http2_open(connection) : http1_open(connection)) != 0) {
        connection_doom(connection);
    }
    return 1;
}

static void receive(struct connection *connection, struct bytes data)
{
    if (connection->session != NULL) {
        http2_receive(connection, data);
    } else if (connection->http1 != NULL) {
        http1_receive(connection, data);
    }
}

static void on_data(void *context, struct bytes data)
{
    struct connection *connection = context;
    struct grpc_server *server = connection->server;

    server->counts.received_bytes += data.size;
    connection->active_us = os_now_us(server->os);
    connection->is_pinged = 0;
    list_remove(&connection->link);
    list_append(&server->connections, &connection->link);
    if (connection->is_doomed) {
        return;
    }
    if (connection->session == NULL && connection->http1 == NULL) {
        if (!sniff(connection, &data)) {
            return;
        }
        receive(connection, bytes_of(connection->sniffed, connection->sniffed_size));
    }
    if (data.size > 0 && !connection->is_doomed) {
        receive(connection, data);
    }
    connection_touch(connection);
}

static void on_drain(void *context)
{
    connection_touch(context);
}

static void on_close(void *context, int error)
{
    struct connection *connection = context;
    (void)error;
    connection->is_lost = 1;
    connection_doom(connection);
}

/* -- Time ------------------------------------------------------------------------------- */

/* What was silent for too long is closed or, over HTTP/2, asked whether it is still there. The
 * list is in the order of activity, so the walk ends at the first that is lively. */
static void check_idle(struct grpc_server *server, uint64_t now_us)
{
    struct list *link;
    struct list *following;
    LIST_FOREACH (&server->connections, link, following) {
        struct connection *connection = LIST_ITEM(link, struct connection, link);
        const uint64_t idle_us = now_us - connection->active_us;
        if (idle_us < server->options.idle_us) {
            return;
        }
        if (connection->session == NULL) {
            if (connection->http1 == NULL || !http1_is_busy(connection)) {
                connection_doom(connection);
            }
        } else if (!connection->is_pinged) {
            connection->is_pinged = 1;
            http2_ping(connection);
            connection_touch(connection);
        } else if (idle_us >= server->options.idle_us + server->options.ping_timeout_us) {
            connection_doom(connection);
        }
    }
}

static void check_due(struct grpc_server *server, uint64_t now_us)
{
    while (!list_is_empty(&server->due)) {
        struct connection *connection = LIST_ITEM(server->due.next, struct connection, due_link);
        if (connection->due_us > now_us) {
            return;
        }
        connection_rest(connection);
        connection_doom(connection);
    }
}

/* Those that take nothing of what waits for them hold memory that others need. */
static void check_stalled(struct grpc_server *server)
{
    struct list *link;
    struct list *following;
    LIST_FOREACH (&server->unsent, link, following) {
        struct connection *connection = LIST_ITEM(link, struct connection, unsent_link);
        if ((server->ticks - connection->left_tick) * TIMER_US < server->options.stalled_us) {
            return;
        }
        count_unsent(connection);
        if (connection->left_tick == server->ticks || list_is_empty(&connection->unsent_link)) {
            continue; /* The kernel has taken some of it, without a word. */
        }
        server->counts.connections_stalled++;
        log_write(LOG_WARN, "closing a client connection: it does not read its answers",
                  (struct log_field[]){log_text("remote", os_stream_peer_name(connection->stream)),
                                       log_u64("bytes", connection->output + connection->queued),
                                       {0}});
        list_remove(&connection->unsent_link);
        connection_doom(connection);
    }
}

static void on_timer(void *context)
{
    struct grpc_server *server = context;
    const uint64_t now_us = os_now_us(server->os);
    server->ticks++;
    check_stalled(server);
    check_due(server, now_us);
    check_idle(server, now_us);
    server->is_timing = !list_is_empty(&server->connections);
    if (server->is_timing) {
        os_timer_start(server->os, server->timer, TIMER_US);
    }
}

/* -- Accepting -------------------------------------------------------------------------- */

static const struct os_stream_events EVENTS = {
    .on_data = on_data,
    .on_drain = on_drain,
    .on_close = on_close,
};

static void refuse(struct grpc_server *server, struct os_stream *stream)
{
    server->counts.connections_refused++;
    log_write(LOG_WARN, "refused a client connection: no room for more",
              (struct log_field[]){log_text("remote", os_stream_peer_name(stream)),
                                   log_u64("connections", server->counts.connections),
                                   {0}});
    os_stream_close(stream);
}

void grpc_server_accept(struct grpc_server *server, struct os_stream *stream)
{
    if (server->is_stopped || server->counts.connections >= server->options.connections_max) {
        refuse(server, stream);
        return;
    }
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        refuse(server, stream);
        return;
    }
    connection->server = server;
    connection->stream = stream;
    connection->active_us = os_now_us(server->os);
    list_init(&connection->due_link);
    list_init(&connection->dirty_link);
    list_init(&connection->unsent_link);
    list_init(&connection->exchanges);
    list_append(&server->connections, &connection->link);
    connection_hurry(connection);
    server->counts.connections++;
    os_stream_attach(stream, &EVENTS, connection);
    if (!server->is_timing) {
        server->is_timing = 1;
        os_timer_start(server->os, server->timer, TIMER_US);
    }
}

static void on_accept(void *context, struct os_stream *stream)
{
    grpc_server_accept(((struct listener *)context)->server, stream);
}

int grpc_server_listen(struct grpc_server *server, const char *address, int *port)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL) {
        return -ENOMEM;
    }
    listener->server = server;
    const int error = os_listen(server->os, address, on_accept, listener, &listener->listener);
    if (error != 0) {
        free(listener);
        return error;
    }
    list_append(&server->listeners, &listener->link);
    if (port != NULL) {
        *port = os_listener_port(server->os, listener->listener);
    }
    return 0;
}

/* -- Life ------------------------------------------------------------------------------- */

struct grpc_server *grpc_server_new(struct os *os, const struct grpc_server_options *options,
                                    const struct grpc_handlers *handlers, void *context)
{
    struct grpc_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return NULL;
    }
    server->os = os;
    server->handlers = *handlers;
    server->context = context;
    if (options != NULL) {
        server->options = *options;
    } else {
        grpc_server_options_init(&server->options);
    }
    assert(server->options.header_max <= UINT16_MAX);
    list_init(&server->listeners);
    list_init(&server->connections);
    list_init(&server->due);
    list_init(&server->dirty);
    list_init(&server->unsent);
    list_init(&server->drained);
    list_init(&server->orphans);
    list_init(&server->exchanges_spare);
    server->timer = os_timer_new(os, on_timer, server);
    if (server->timer == NULL || http2_init(server) != 0 ||
        os_turn_end(os, end_turn, server) != 0) {
        grpc_server_free(server);
        return NULL;
    }
    return server;
}

struct grpc_server_counts grpc_server_counts(const struct grpc_server *server)
{
    return server->counts;
}

static void close_listeners(struct grpc_server *server)
{
    while (!list_is_empty(&server->listeners)) {
        struct listener *listener = LIST_ITEM(server->listeners.next, struct listener, link);
        list_remove(&listener->link);
        os_listener_close(server->os, listener->listener);
        free(listener);
    }
}

void grpc_server_stop(struct grpc_server *server)
{
    struct list *link;
    struct list *following;
    server->is_stopped = 1;
    close_listeners(server);
    LIST_FOREACH (&server->connections, link, following) {
        struct connection *connection = LIST_ITEM(link, struct connection, link);
        if (connection->session != NULL) {
            http2_goodbye(connection, NGHTTP2_NO_ERROR);
        }
        connection_doom(connection);
    }
}

void grpc_server_free(struct grpc_server *server)
{
    close_listeners(server);
    while (!list_is_empty(&server->connections)) {
        struct connection *connection =
            LIST_ITEM(server->connections.next, struct connection, link);
        /* Nobody is told any more: the handlers' world may be gone. */
        struct list *link;
        struct list *following;
        LIST_FOREACH (&connection->exchanges, link, following) {
            LIST_ITEM(link, struct exchange, link)->is_held = 0;
        }
        destroy(connection);
    }
    if (server->timer != NULL) {
        os_timer_free(server->os, server->timer);
    }
    exchange_free_all(server);
    http2_deinit(server);
    buffer_deinit(&server->out);
    free(server);
}
