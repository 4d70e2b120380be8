/* net.c -- a network that delays, loses, repeats, reorders and is cut.
 *
 * A connection has two ends; each is an os_stream of one node. What an end writes is taken apart
 * into frames, and each frame becomes an event at the other end. */
#include "sim/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/crc32c.h"
#include "base/list.h"

enum {
    FRAME_HEAD_SIZE = 16,
    FRAME_TYPE_AT = 8,
    FRAME_OF_MESSAGE = 16, /* enum replica_frame, FRAME_MESSAGE. */
    CONNECT_TIMEOUT_US = 1000000,
};

struct connection;

struct end {
    struct os_stream stream; /* First: an os_stream * is an end *. */
    struct connection *connection;
    uint32_t node;
    uint32_t is_open; /* Its owner may be told things. */
    uint32_t frames;  /* Sent so far. */
    uint64_t last_us; /* When the last frame that keeps its place arrives. */
    const struct os_stream_events *events;
    void *context;
    struct buffer output; /* Bytes that are no whole frame yet. */
    char name[24];
};

struct connection {
    struct connection *next;
    struct net *net;
    struct end ends[2]; /* 0 dialled. */
    uint32_t is_made;   /* The other side has accepted it. */
};

/* A frame on its way. */
struct delivery {
    struct list link; /* In net.pending, ... */
    struct end *to;
    uint32_t copies; /* ... until so many have arrived. */
    size_t size;
    uint8_t bytes[];
};

struct net {
    struct world *world;
    struct net_options options;
    struct connection *connections; /* All there ever were: events may name them. */
    struct {
        os_accept_callback accept;
        void *context;
    } listeners[NET_NODES_MAX];
    uint8_t is_cut[NET_NODES_MAX][NET_NODES_MAX]; /* [from][to] */
    struct list pending;                          /* Deliveries. */
    void (*after)(void *context, uint32_t node);
    void *after_context;
    struct net_counts counts;
};

static struct end *other_end(struct end *end)
{
    return &end->connection->ends[end == &end->connection->ends[0]];
}

static uint64_t draw_delay(struct net *net)
{
    const uint64_t range = net->options.delay_us_max - net->options.delay_us_min + 1;
    return net->options.delay_us_min + world_below(net->world, range);
}

static void touched(struct net *net, uint32_t node)
{
    net->after(net->after_context, node);
}

/* -- Ends that close ---------------------------------------------------------------------- */

static void hear_close(void *object, uint64_t error)
{
    struct end *end = object;
    struct net *net = end->connection->net;
    if (end->is_open) {
        end->is_open = 0;
        end->events->on_close(end->context, -(int)error);
        touched(net, end->node);
    }
}

/* Tell the other side, if the network lets it through. */
static void announce_close(struct end *end, int error)
{
    struct net *net = end->connection->net;
    struct end *other = other_end(end);
    if (other->is_open && !net->is_cut[end->node][other->node]) {
        uint64_t at = net->world->now_us + draw_delay(net);
        at = at > end->last_us ? at : end->last_us; /* Behind what was sent. */
        world_after(net->world, at - net->world->now_us, hear_close, other, (uint64_t)-error);
    }
}

/* -- Frames ------------------------------------------------------------------------------- */

static void hand_over(const struct delivery *delivery)
{
    struct end *to = delivery->to;
    struct end *from = other_end(to);
    struct net *net = to->connection->net;

    if (net->is_cut[from->node][to->node]) {
        net->counts.blocked++;
        return;
    }
    if (!to->is_open) {
        announce_close(to, -ECONNRESET); /* Nobody is there: the sender hears it. */
        return;
    }
    world_trace(net->world, "frame", from->node * 16u + to->node,
                crc32c(0, delivery->bytes, delivery->size));
    to->events->on_data(to->context, bytes_of(delivery->bytes, delivery->size));
    touched(net, to->node);
}

static void deliver(void *object, uint64_t argument)
{
    struct delivery *delivery = object;
    (void)argument;
    hand_over(delivery);
    if (--delivery->copies == 0) {
        list_remove(&delivery->link);
        free(delivery);
    }
}

enum fate {
    FATE_LOST = 1,
    FATE_LATE,
    FATE_TWICE
};

/* How many in a million frames like this one meet with that fate. A seed may pick on one type
 * of message: what goes wrong when just the promises come late is seldom met by chance. */
static uint32_t odds(const struct net *net, const uint8_t *bytes, size_t size, enum fate fate)
{
    const struct net_options *options = &net->options;
    if (size >= FRAME_HEAD_SIZE + 4 && get_u16(bytes + FRAME_TYPE_AT) == FRAME_OF_MESSAGE &&
        get_u32(bytes + FRAME_HEAD_SIZE) == options->victim) {
        return options->victim_ppm;
    }
    return fate == FATE_LOST   ? options->loss_ppm
           : fate == FATE_LATE ? options->reorder_ppm
                               : options->repeat_ppm;
}

static void send_frame(struct end *from, const uint8_t *bytes, size_t size)
{
    struct net *net = from->connection->net;
    struct world *world = net->world;
    const int is_first = from->frames++ == 0;

    net->counts.frames++;
    if (!is_first && world_chance(world, odds(net, bytes, size, FATE_LOST), 1000000)) {
        net->counts.lost++;
        return;
    }
    struct delivery *delivery = malloc(sizeof *delivery + size);
    assert(delivery != NULL);
    delivery->to = other_end(from);
    delivery->copies = 1;
    delivery->size = size;
    memcpy(delivery->bytes, bytes, size);
    list_append(&net->pending, &delivery->link);

    uint64_t at = world->now_us + draw_delay(net);
    if (!is_first && world_chance(world, odds(net, bytes, size, FATE_LATE), 1000000)) {
        net->counts.reordered++;
        at += world_below(world, net->options.late_us_max + 1);
    } else {
        at = at > from->last_us ? at : from->last_us;
        from->last_us = at;
    }
    world_after(world, at - world->now_us, deliver, delivery, 0);
    if (!is_first && world_chance(world, odds(net, bytes, size, FATE_TWICE), 1000000)) {
        net->counts.repeated++;
        delivery->copies++;
        world_after(world, at - world->now_us + world_below(world, net->options.late_us_max + 1),
                    deliver, delivery, 0);
    }
}

static void send_whole_frames(struct end *end)
{
    for (;;) {
        const struct bytes held = buffer_bytes(&end->output);
        if (held.size < FRAME_HEAD_SIZE) {
            return;
        }
        const size_t size = FRAME_HEAD_SIZE + (size_t)get_u32(held.data);
        if (held.size < size) {
            return;
        }
        send_frame(end, held.data, size);
        buffer_consume(&end->output, size);
    }
}

/* -- The functions of a stream ------------------------------------------------------------ */

static void attach(struct os_stream *stream, const struct os_stream_events *events, void *context)
{
    struct end *end = (struct end *)stream;
    end->events = events;
    end->context = context;
}

static int write_parts(struct os_stream *stream, const struct bytes *parts, size_t count)
{
    struct end *end = (struct end *)stream;
    for (size_t i = 0; i < count; i++) {
        if (buffer_append(&end->output, parts[i].data, parts[i].size) != 0) {
            return -ENOMEM;
        }
    }
    if (end->is_open && end->connection->is_made) {
        send_whole_frames(end);
    }
    return 0;
}

static size_t queued(const struct os_stream *stream)
{
    (void)stream;
    return 0;
}

static void pause_reading(struct os_stream *stream, int is_paused)
{
    (void)stream;
    (void)is_paused; /* Frames here are small: nobody pauses. */
}

static void close_end(struct os_stream *stream)
{
    struct end *end = (struct end *)stream;
    end->is_open = 0;
    announce_close(end, 0);
}

static const char *peer_name(const struct os_stream *stream)
{
    return ((const struct end *)stream)->name;
}

static const struct os_stream_functions STREAM_FUNCTIONS = {
    .attach = attach,
    .write = write_parts,
    .queued = queued,
    .pause = pause_reading,
    .close = close_end,
    .peer_name = peer_name,
};

/* -- Connecting --------------------------------------------------------------------------- */

static void hear_open(void *object, uint64_t argument)
{
    struct end *end = object;
    (void)argument;
    if (end->is_open && other_end(end)->is_open) {
        end->connection->is_made = 1;
        end->events->on_open(end->context);
        touched(end->connection->net, end->node);
        send_whole_frames(end);
    }
}

/* A request to connect arrives. */
static void arrive(void *object, uint64_t argument)
{
    struct connection *connection = object;
    struct net *net = connection->net;
    struct end *dialler = &connection->ends[0];
    struct end *listener = &connection->ends[1];

    (void)argument;
    if (!dialler->is_open) {
        return;
    }
    if (net->is_cut[dialler->node][listener->node] || net->is_cut[listener->node][dialler->node]) {
        world_after(net->world, CONNECT_TIMEOUT_US, hear_close, dialler, ETIMEDOUT);
        return;
    }
    if (net->listeners[listener->node].accept == NULL) {
        world_after(net->world, draw_delay(net), hear_close, dialler, ECONNREFUSED);
        return;
    }
    listener->is_open = 1;
    connection->is_made = 1;
    net->listeners[listener->node].accept(net->listeners[listener->node].context,
                                          &listener->stream);
    touched(net, listener->node);
    world_after(net->world, draw_delay(net), hear_open, dialler, 0);
}

static struct connection *connection_new(struct net *net, uint32_t from, uint32_t to)
{
    struct connection *connection = world_allocate(sizeof *connection);
    connection->next = net->connections;
    net->connections = connection;
    connection->net = net;
    for (uint32_t i = 0; i < 2; i++) {
        struct end *end = &connection->ends[i];
        end->stream.functions = &STREAM_FUNCTIONS;
        end->connection = connection;
        end->node = i == 0 ? from : to;
        snprintf(end->name, sizeof end->name, "node:%u", i == 0 ? to : from);
    }
    return connection;
}

struct os_stream *net_connect(struct net *net, uint32_t node, const char *address,
                              const struct os_stream_events *events, void *context)
{
    assert(strncmp(address, "node:", 5) == 0);
    const uint32_t to = (uint32_t)(address[5] - '0');
    assert(to < NET_NODES_MAX);
    struct connection *connection = connection_new(net, node, to);
    connection->ends[0].is_open = 1;
    connection->ends[0].events = events;
    connection->ends[0].context = context;
    world_after(net->world, draw_delay(net), arrive, connection, 0);
    return &connection->ends[0].stream;
}

int net_listen(struct net *net, uint32_t node, os_accept_callback accept, void *context)
{
    if (net->listeners[node].accept != NULL) {
        return -EADDRINUSE;
    }
    net->listeners[node].accept = accept;
    net->listeners[node].context = context;
    return 0;
}

void net_unlisten(struct net *net, uint32_t node)
{
    net->listeners[node].accept = NULL;
}

/* -- The world's side --------------------------------------------------------------------- */

struct net *net_new(struct world *world, const struct net_options *options)
{
    struct net *net = world_allocate(sizeof *net);
    net->world = world;
    net->options = *options;
    list_init(&net->pending);
    return net;
}

void net_free(struct net *net)
{
    while (net->connections != NULL) {
        struct connection *connection = net->connections;
        net->connections = connection->next;
        buffer_deinit(&connection->ends[0].output);
        buffer_deinit(&connection->ends[1].output);
        free(connection);
    }
    while (!list_is_empty(&net->pending)) {
        struct delivery *delivery = LIST_ITEM(net->pending.next, struct delivery, link);
        list_remove(&delivery->link);
        free(delivery);
    }
    free(net);
}

void net_cut(struct net *net, uint32_t from, uint32_t to)
{
    net->is_cut[from][to] = 1;
}

void net_heal(struct net *net)
{
    memset(net->is_cut, 0, sizeof net->is_cut);
}

void net_set_options(struct net *net, const struct net_options *options)
{
    net->options = *options;
}

void net_node_died(struct net *net, uint32_t node)
{
    net_unlisten(net, node);
    for (struct connection *connection = net->connections; connection != NULL;
         connection = connection->next) {
        for (uint32_t i = 0; i < 2; i++) {
            struct end *end = &connection->ends[i];
            if (end->node == node && end->is_open) {
                end->is_open = 0;
                announce_close(end, -ECONNRESET);
            }
        }
    }
}

void net_on_activity(struct net *net, void (*after)(void *context, uint32_t node), void *context)
{
    net->after = after;
    net->after_context = context;
}

struct net_counts net_counts(const struct net *net)
{
    return net->counts;
}
