/* net.c -- a network that delays, loses, repeats, reorders and is cut.
 *
 * A connection has two ends; each is an os_stream of one node. What an end writes is taken apart
 * into frames, and each frame becomes an event at the other end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/list.h"
#include "base/sanitized.h"
#include "sim/net_internal.h"

enum {
    CONNECT_TIMEOUT_US = 1000000,
    DELIVERY_ROOM = IS_SANITIZED ? 1 : 256 /* Bytes; no frame has but one. */
};

struct connection;

struct end {
    struct os_stream stream; /* First: an os_stream * is an end *. */
    struct connection *connection;
    uint32_t node;
    uint32_t is_open;  /* Its owner may be told things. */
    uint32_t is_owned; /* Its owner has not closed it. */
    uint32_t frames;   /* Sent so far. */
    uint64_t last_us;  /* When the last frame that keeps its place arrives. */
    uint64_t held;     /* Bytes that were sent and that the other side has not taken; ... */
    uint64_t blocked;  /* ... and those that a cut keeps from it, as long as it lasts. */
    const struct os_stream_events *events;
    void *context;
    struct buffer output; /* Bytes that are no whole frame yet. */
    char name[24];
};

struct connection {
    struct list link; /* In net.connections, until nobody can name it. */
    struct net *net;
    uint32_t events;    /* On their way. */
    struct end ends[2]; /* 0 dialled. */
    uint32_t is_made;   /* The other side has accepted it. */
};

/* A frame on its way. Most are small: their memory goes from one to the next. */
struct delivery {
    struct list link; /* In net.pending, ... */
    struct end *to;
    uint64_t sent_us;
    uint32_t copies; /* ... until so many have arrived. */
    uint32_t is_held;
    size_t size;
    uint8_t bytes[];
};

static struct end *other_end(struct end *end)
{
    return &end->connection->ends[end == &end->connection->ends[0]];
}

static uint64_t draw_delay(struct net *net, const struct end *end)
{
    const struct connection *connection = end->connection;
    return net_delay(net, end->node, connection->ends[end == &connection->ends[0]].node);
}

static void touched(struct net *net, uint32_t node)
{
    net->after(net->after_context, node);
}

/* Make an event that names a connection; the handler calls end_event() when it has happened. */
static void make_event(struct connection *connection, uint64_t at_us, world_handler handler,
                       void *object, uint64_t argument)
{
    struct world *world = connection->net->world;
    assert(at_us >= world->now_us);
    connection->events++;
    world_after(world, at_us - world->now_us, handler, object, argument);
}

static void forget(struct connection *connection)
{
    list_remove(&connection->link);
    buffer_deinit(&connection->ends[0].output);
    buffer_deinit(&connection->ends[1].output);
    free(connection);
}

static void forget_if_needless(struct connection *connection)
{
    if (connection->events == 0 && !connection->ends[0].is_owned && !connection->ends[1].is_owned) {
        forget(connection);
    }
}

static void end_event(struct connection *connection)
{
    assert(connection->events > 0);
    connection->events--;
    forget_if_needless(connection);
}

/* If `node` stands still, its handler is called again when it goes on. */
static int is_deferred(struct net *net, uint32_t node, world_handler handler, void *object,
                       uint64_t argument)
{
    if (net->paused_until_us[node] <= net->world->now_us) {
        return 0;
    }
    world_defer(net->world, net->paused_until_us[node], handler, object, argument);
    return 1;
}

/* -- Ends that close ---------------------------------------------------------------------- */

static void hear_close(void *object, uint64_t error)
{
    struct end *end = object;
    struct net *net = end->connection->net;
    if (end->is_open && is_deferred(net, end->node, hear_close, object, error)) {
        return;
    }
    if (end->is_open) {
        end->is_open = 0;
        end->events->on_close(end->context, -(int)error);
        touched(net, end->node);
    }
    end_event(end->connection);
}

/* Tell the other side, if the network lets it through. */
static void announce_close(struct end *end, int error)
{
    struct net *net = end->connection->net;
    struct end *other = other_end(end);
    if (other->is_open && net->cuts[end->node][other->node] == 0) {
        uint64_t at = net->world->now_us + draw_delay(net, end);
        at = at > end->last_us ? at : end->last_us; /* Behind what was sent. */
        make_event(end->connection, at, hear_close, other, (uint64_t)-error);
    }
}

/* -- Frames ------------------------------------------------------------------------------- */

static void show(const struct delivery *delivery, int is_lost)
{
    const struct end *to = delivery->to;
    world_show_frame(to->connection->net->world, &(struct world_frame){
                                                     .from = other_end(delivery->to)->node,
                                                     .to = to->node,
                                                     .sent_us = delivery->sent_us,
                                                     .is_lost = is_lost,
                                                     .bytes = delivery->bytes,
                                                     .size = delivery->size,
                                                 });
}

/* Of what a frame says: its header, in which there is a checksum of its body. */
static uint64_t fingerprint(const struct delivery *delivery)
{
    assert(delivery->size >= NET_FRAME_HEAD_SIZE);
    return get_u64(delivery->bytes);
}

static int is_cut(const struct end *from)
{
    const struct connection *connection = from->connection;
    const struct end *to = &connection->ends[from == &connection->ends[0]];
    return connection->net->cuts[from->node][to->node] > 0;
}

static void hand_over(const struct delivery *delivery)
{
    struct end *to = delivery->to;
    struct end *from = other_end(to);
    struct net *net = to->connection->net;

    if (is_cut(from)) {
        net->counts.blocked++;
        from->blocked += delivery->size;
        show(delivery, 1);
        return;
    }
    if (!to->is_open) {
        announce_close(to, -ECONNRESET); /* Nobody is there: the sender hears it. */
        return;
    }
    show(delivery, 0);
    world_trace(net->world, "frame", from->node * 16u + to->node, fingerprint(delivery));
    to->events->on_data(to->context, bytes_of(delivery->bytes, delivery->size));
    touched(net, to->node);
}

static struct delivery *delivery_new(struct net *net, size_t size)
{
    struct delivery *delivery;
    if (size <= DELIVERY_ROOM && !list_is_empty(&net->spare)) {
        delivery = LIST_ITEM(net->spare.previous, struct delivery, link);
        list_remove(&delivery->link);
    } else {
        const size_t room = size < DELIVERY_ROOM ? DELIVERY_ROOM : size;
        delivery = world_reallocate(NULL, sizeof *delivery + room);
    }
    list_append(&net->pending, &delivery->link);
    delivery->size = size;
    return delivery;
}

static void delivery_free(struct net *net, struct delivery *delivery)
{
    list_remove(&delivery->link);
    if (delivery->size <= DELIVERY_ROOM) {
        list_append(&net->spare, &delivery->link);
    } else {
        free(delivery);
    }
}

static void deliver(void *object, uint64_t argument)
{
    struct delivery *delivery = object;
    if (is_deferred(delivery->to->connection->net, delivery->to->node, deliver, object, argument)) {
        return;
    }
    struct connection *connection = delivery->to->connection;
    if (delivery->is_held) {
        other_end(delivery->to)->held -= delivery->size;
        delivery->is_held = 0;
    }
    hand_over(delivery);
    if (--delivery->copies == 0) {
        delivery_free(connection->net, delivery);
    }
    end_event(connection);
}

static void count_frame(struct net *net)
{
    const uint64_t second = net->world->now_us / 1000000;
    if (second != net->second) {
        net->second = second;
        net->counts.frames_this_second = 0;
    }
    net->counts.frames++;
    net->counts.frames_this_second++;
}

/* The first frame of each side meets with nothing: it is the introduction. */
static int befalls(struct end *from, struct bytes frame, enum net_fate fate)
{
    return from->frames > 1 &&
           net_befalls(from->connection->net, from->node, other_end(from)->node, frame, fate);
}

static void send_frame(struct end *from, const uint8_t *bytes, size_t size)
{
    struct net *net = from->connection->net;
    struct world *world = net->world;
    const uint32_t to = other_end(from)->node;
    const struct bytes frame = bytes_of(bytes, size);
    const uint64_t clogged = net->clogged_until_us[from->node][to];

    from->frames++;
    count_frame(net);
    const uint64_t left = net_transmit(net, from->node, to, size);
    if (befalls(from, frame, NET_FATE_LOST)) {
        net->counts.lost++;
        world_show_frame(world, &(struct world_frame){.from = from->node,
                                                      .to = to,
                                                      .sent_us = world->now_us,
                                                      .is_lost = 1,
                                                      .bytes = bytes,
                                                      .size = size});
        return;
    }
    struct delivery *delivery = delivery_new(net, size);
    delivery->to = other_end(from);
    delivery->sent_us = world->now_us;
    delivery->copies = 1;
    delivery->is_held = 1;
    from->held += size;
    from->blocked = is_cut(from) ? from->blocked : 0;
    memcpy(delivery->bytes, bytes, size);

    uint64_t at = left + draw_delay(net, from);
    at = at > clogged ? at : clogged;
    if (befalls(from, frame, NET_FATE_LATE)) {
        net->counts.reordered++;
        at += net_lateness(net, from->node, to);
    } else {
        at = at > from->last_us ? at : from->last_us;
        from->last_us = at;
    }
    make_event(from->connection, at, deliver, delivery, 0);
    if (befalls(from, frame, NET_FATE_TWICE)) {
        net->counts.repeated++;
        delivery->copies++;
        at += net_lateness(net, from->node, to);
        make_event(from->connection, at, deliver, delivery, 0);
    }
}

static void send_whole_frames(struct end *end)
{
    for (;;) {
        const struct bytes held = buffer_bytes(&end->output);
        if (held.size < NET_FRAME_HEAD_SIZE) {
            return;
        }
        const size_t size = NET_FRAME_HEAD_SIZE + (size_t)get_u32(held.data);
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
    struct end *end = (struct end *)(uintptr_t)stream;
    const uint64_t held = end->held + (is_cut(end) ? end->blocked : 0);
    return net_backlog(end->connection->net, end->node, other_end(end)->node, held);
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
    end->is_owned = 0;
    forget_if_needless(end->connection);
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
    if (is_deferred(end->connection->net, end->node, hear_open, object, argument)) {
        return;
    }
    if (end->is_open && other_end(end)->is_open) {
        end->connection->is_made = 1;
        end->events->on_open(end->context);
        touched(end->connection->net, end->node);
        send_whole_frames(end);
    }
    end_event(end->connection);
}

static void answer(struct connection *connection)
{
    struct net *net = connection->net;
    struct end *dialler = &connection->ends[0];
    struct end *listener = &connection->ends[1];
    const uint64_t now = net->world->now_us;
    if (net->cuts[dialler->node][listener->node] > 0 ||
        net->cuts[listener->node][dialler->node] > 0) {
        make_event(connection, now + CONNECT_TIMEOUT_US, hear_close, dialler, ETIMEDOUT);
        return;
    }
    if (net->listeners[listener->node].accept == NULL) {
        make_event(connection, now + draw_delay(net, dialler), hear_close, dialler, ECONNREFUSED);
        return;
    }
    listener->is_open = 1;
    listener->is_owned = 1;
    connection->is_made = 1;
    net->listeners[listener->node].accept(net->listeners[listener->node].context,
                                          &listener->stream);
    touched(net, listener->node);
    make_event(connection, now + draw_delay(net, listener), hear_open, dialler, 0);
}

/* A request to connect arrives. */
static void arrive(void *object, uint64_t argument)
{
    struct connection *connection = object;
    const int is_wanted = (int)connection->ends[0].is_open;
    if (is_wanted &&
        is_deferred(connection->net, connection->ends[1].node, arrive, object, argument)) {
        return;
    }
    if (is_wanted) {
        answer(connection);
    }
    end_event(connection);
}

static struct connection *connection_new(struct net *net, uint32_t from, uint32_t to)
{
    struct connection *connection = world_allocate(sizeof *connection);
    list_append(&net->connections, &connection->link);
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
    connection->ends[0].is_owned = 1;
    connection->ends[0].events = events;
    connection->ends[0].context = context;
    make_event(connection, net->world->now_us + draw_delay(net, &connection->ends[0]), arrive,
               connection, 0);
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
    list_init(&net->spare);
    list_init(&net->connections);
    return net;
}

static void free_all(struct list *deliveries)
{
    while (!list_is_empty(deliveries)) {
        struct delivery *delivery = LIST_ITEM(deliveries->next, struct delivery, link);
        list_remove(&delivery->link);
        free(delivery);
    }
}

void net_free(struct net *net)
{
    while (!list_is_empty(&net->connections)) {
        forget(LIST_ITEM(net->connections.next, struct connection, link));
    }
    free_all(&net->pending);
    free_all(&net->spare);
    free(net);
}

void net_pause(struct net *net, uint32_t node, uint64_t until_us)
{
    net->paused_until_us[node] = until_us;
}

void net_node_died(struct net *net, uint32_t node)
{
    net_unlisten(net, node);
    struct list *at;
    struct list *following;
    LIST_FOREACH (&net->connections, at, following) {
        struct connection *connection = LIST_ITEM(at, struct connection, link);
        for (uint32_t i = 0; i < 2; i++) {
            struct end *end = &connection->ends[i];
            if (end->node == node && end->is_open) {
                end->is_open = 0;
                announce_close(end, -ECONNRESET);
            }
        }
    }
}

uint32_t net_break(struct net *net, uint32_t node, uint32_t other)
{
    uint32_t count = 0;
    struct list *at;
    struct list *following;
    LIST_FOREACH (&net->connections, at, following) {
        struct connection *connection = LIST_ITEM(at, struct connection, link);
        const uint32_t from = connection->ends[0].node;
        const uint32_t to = connection->ends[1].node;
        const int is_theirs = (from == node && to == other) || (from == other && to == node);
        for (uint32_t i = 0; is_theirs && i < 2; i++) {
            struct end *end = &connection->ends[i];
            if (end->is_open) {
                make_event(connection, net->world->now_us, hear_close, end, ECONNRESET);
                count++;
            }
        }
    }
    return count;
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
