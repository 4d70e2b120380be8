/* connection.c -- one connection: the handshake, then frames; or the reason why not.
 *
 *     DIALLING --open--> GREETING --good HELLO--> READY
 *        |                  |                       |
 *        +------------------+-- closed, late, bad --+--> ENDED
 *                                  or silent
 *
 * One that came in begins at GREETING, as a stranger: it gets nothing from us, and little
 * memory, before its HELLO is right.
 *
 * Reading   The stream lends its bytes for the time of a call. Frames that lie whole in them
 *           are handed up where they lie. Only the beginning of one that is not whole yet is
 *           copied, into `input`, and what follows is added until it is whole. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mutant.h"
#include "peer/peer_internal.h"

enum {
    STRANGER_COUNT_MAX = 64, /* More, and the oldest must go. */
    INPUT_KEEP = 16 * 1024,  /* Memory that a connection keeps between two frames. */
    QUIET_PARTS = 4,         /* Of silence; one more must pass in which nothing came. */
};

/* -- Ending ----------------------------------------------------------------------------- */

static void free_connection(struct connection *connection)
{
    assert(connection->state == CONNECTION_ENDED);
    buffer_deinit(&connection->input);
    free(connection);
}

static void stop_being_a_stranger(struct connection *connection)
{
    if (!list_is_empty(&connection->link)) {
        list_remove(&connection->link);
        connection->peers->stranger_count--;
    }
}

void connection_end(struct connection *connection)
{
    struct peers *peers = connection->peers;
    if (connection->state == CONNECTION_ENDED) {
        return;
    }
    if (connection->peer == PEER_UNKNOWN) {
        peers->refused_count++;
    }
    connection->state = CONNECTION_ENDED;
    stop_being_a_stranger(connection);
    if (connection->stream != NULL) {
        os_stream_close(connection->stream);
    }
    if (connection->timer != NULL) {
        os_timer_free(peers->os, connection->timer);
    }
    if (connection->peer != PEER_UNKNOWN) {
        peer_lost(&peers->table[connection->peer], connection);
    }
    if (!connection->is_handling) {
        free_connection(connection);
    }
}

/* The other side does not keep the rules. */
static void drop(struct connection *connection, const char *why)
{
    struct peers *peers = connection->peers;
    log_write(LOG_WARN, "dropped peer",
              (struct log_field[]){log_text("peer", os_stream_peer_name(connection->stream)),
                                   log_text("why", why),
                                   {0}});
    if (connection->peer != PEER_UNKNOWN) {
        peers->table[connection->peer].statistics.dropped_count++;
    }
    connection_end(connection);
}

/* An attempt failed, or a connection broke. The first failure of a series is news, the others
 * are not. */
static void report(const struct connection *connection, int error)
{
    const struct peers *peers = connection->peers;
    const char *message = "connection ended without a hello";
    enum log_level level = LOG_DEBUG;
    if (connection->peer != PEER_UNKNOWN && peers->table[connection->peer].failures == 0) {
        level = LOG_INFO;
    }
    if (connection->state == CONNECTION_READY) {
        message = "lost peer";
        level = LOG_INFO;
    } else if (connection->state == CONNECTION_DIALLING) {
        message = "cannot connect to peer";
    }
    log_write(level, message,
              (struct log_field[]){log_text("peer", os_stream_peer_name(connection->stream)),
                                   log_text("error", error == 0 ? "closed" : strerror(-error)),
                                   {0}});
}

/* Nothing came for a part of the time for which a member may be silent. One part alone says little:
 * it may be we who stood still, and what came meanwhile will be read before the next is over. */
static void on_quiet(struct connection *connection)
{
    const struct peers *peers = connection->peers;
    if (connection->quiet_parts++ < QUIET_PARTS || MUTANT(103)) {
        os_timer_start(peers->os, connection->timer, peers->options.silence_us / QUIET_PARTS);
        return;
    }
    report(connection, -ETIMEDOUT);
    connection_end(connection);
}

static void on_late(void *context)
{
    struct connection *connection = context;
    if (connection->state == CONNECTION_READY) {
        on_quiet(connection);
    } else if (connection->state == CONNECTION_DIALLING) {
        report(connection, -ETIMEDOUT);
        connection_end(connection);
    } else {
        drop(connection, "no hello in time");
    }
}

/* -- Speaking --------------------------------------------------------------------------- */

/* Write a frame of our own. Without memory for it the connection is of no use. */
static void write_frame(struct connection *connection, enum frame_type type, struct bytes body)
{
    uint8_t encoded[FRAME_HEADER_SIZE];
    const struct frame_header header = {
        .body_size = (uint32_t)body.size, .type = (uint16_t)type, .version = FRAME_VERSION_MIN};
    frame_encode_header(encoded, &header, &body, 1);
    const struct bytes parts[] = {bytes_of(encoded, sizeof encoded), body};
    const int error = os_stream_write(connection->stream, parts, 2);
    if (error != 0) {
        drop(connection, "out of memory");
    }
}

static void write_hello(struct connection *connection)
{
    const struct peers_options *options = &connection->peers->options;
    uint8_t body[FRAME_HELLO_SIZE_MAX];
    struct frame_hello hello = {
        .version_min = FRAME_VERSION_MIN,
        .version_max = FRAME_VERSION_MAX,
        .flags = options->flags,
        .cluster_key = options->cluster_key,
        .member = options->member,
        .incarnation = options->incarnation,
        .table_hash = options->table_hash,
    };
    memcpy(hello.name, options->name, strlen(options->name));
    memcpy(hello.address, options->address, strlen(options->address));
    write_frame(connection, FRAME_HELLO, bytes_of(body, frame_encode_hello(body, &hello)));
}

/* Tell it why it is not let in, and end it. */
static void refuse(struct connection *connection, const char *address, const char *why)
{
    struct bytes text = bytes_of_text(why);
    text.size = text.size < FRAME_REFUSED_SIZE_MAX ? text.size : FRAME_REFUSED_SIZE_MAX;
    log_write(LOG_WARN, "refused peer",
              (struct log_field[]){log_text("peer", os_stream_peer_name(connection->stream)),
                                   log_text("address", address),
                                   log_text("why", why),
                                   {0}});
    write_frame(connection, FRAME_REFUSED, text);
    connection_end(connection);
}

/* -- The handshake ---------------------------------------------------------------------- */

/* Why the one who says this of itself cannot be the one we want to talk to; NULL if it can. */
static const char *judge_hello(const struct connection *connection, const struct frame_hello *hello,
                               uint32_t peer)
{
    const struct peers *peers = connection->peers;
    if (hello->version_min > FRAME_VERSION_MAX || hello->version_max < FRAME_VERSION_MIN ||
        hello->version_min > hello->version_max) {
        return "we have no version of the protocol in common";
    }
    if (hello->cluster_key != peers->options.cluster_key && !MUTANT(60)) {
        return "it belongs to another cluster: other token or initial members";
    }
    if (strcmp(hello->address, peers->options.address) == 0) {
        return "it has our own address";
    }
    if (hello->member != 0 && hello->member == peers->options.member) {
        return "it has our own identity: is its data directory a copy?";
    }
    if (peer == PEER_UNKNOWN) {
        return "its address is not a member's";
    }
    if (connection->peer != PEER_UNKNOWN && connection->peer != peer) {
        return "it answers at the address of another member";
    }
    if (connection->peer == PEER_UNKNOWN && peers->table[peer].is_ours) {
        return "it is not the one of us two who connects";
    }
    return NULL;
}

static const char *ask_owner(struct peers *peers, uint32_t peer, const struct frame_hello *hello)
{
    const struct peer_hello shown = {
        .cluster_key = hello->cluster_key,
        .member = hello->member,
        .incarnation = hello->incarnation,
        .table_hash = hello->table_hash,
        .flags = hello->flags,
        .version = hello->version_max < FRAME_VERSION_MAX ? hello->version_max
                                                          : (uint16_t)FRAME_VERSION_MAX,
        .name = hello->name,
        .address = hello->address,
    };
    peers->callbacks++;
    const char *why = peers->events->on_hello(peers->context, peer, &shown);
    peers->callbacks--;
    return why;
}

static void handle_hello(struct connection *connection, struct bytes body)
{
    struct peers *peers = connection->peers;
    struct frame_hello hello;
    const char *wrong = frame_decode_hello(body, &hello);
    if (wrong != NULL) {
        drop(connection, wrong);
        return;
    }
    const uint32_t peer = peer_find(peers, hello.address);
    const char *why = judge_hello(connection, &hello, peer);
    if (why == NULL) {
        why = ask_owner(peers, peer, &hello);
    }
    if (why != NULL) {
        refuse(connection, hello.address, why);
        return;
    }
    if (connection->peer == PEER_UNKNOWN) {
        write_hello(connection);
        if (connection->state == CONNECTION_ENDED) {
            return;
        }
    }
    stop_being_a_stranger(connection);
    os_timer_start(peers->os, connection->timer, peers->options.silence_us / QUIET_PARTS);
    connection->peer = peer;
    connection->version =
        hello.version_max < FRAME_VERSION_MAX ? hello.version_max : FRAME_VERSION_MAX;
    connection->state = CONNECTION_READY;
    peer_ready(&peers->table[peer], connection);
}

/* -- Listening -------------------------------------------------------------------------- */

/* True if a frame of this type may come now. */
static int is_expected(const struct connection *connection, const struct frame_header *header)
{
    if (header->type == FRAME_REFUSED) {
        return connection->peer != PEER_UNKNOWN && header->version == FRAME_VERSION_MIN;
    }
    if (connection->state == CONNECTION_GREETING) {
        return header->type == FRAME_HELLO && header->version == FRAME_VERSION_MIN;
    }
    return header->type >= PEER_FRAME_TYPE_MIN && header->version == connection->version;
}

static uint32_t body_size_max(const struct connection *connection, uint16_t type)
{
    if (type == FRAME_REFUSED) {
        return FRAME_REFUSED_SIZE_MAX;
    }
    return type == FRAME_HELLO ? FRAME_HELLO_SIZE_MAX : connection->peers->options.frame_size_max;
}

/* How many bytes the frame that `data` begins with has, or at least has. 0: the header is
 * wrong, and the connection was dropped for it. */
static size_t measure(struct connection *connection, struct bytes data)
{
    char why[96];
    if (data.size < FRAME_HEADER_SIZE) {
        return FRAME_HEADER_SIZE;
    }
    const struct frame_header header = frame_decode_header(data.data);
    if (!is_expected(connection, &header)) {
        snprintf(why, sizeof why, "frame of type %u, version %u %s", header.type, header.version,
                 connection->state == CONNECTION_GREETING ? "in place of a hello" : "");
        drop(connection, why);
        return 0;
    }
    const uint32_t size_max = body_size_max(connection, header.type);
    if (header.body_size > size_max) {
        snprintf(why, sizeof why, "frame of %u bytes announced, at most %u taken", header.body_size,
                 size_max);
        drop(connection, why);
        return 0;
    }
    return FRAME_HEADER_SIZE + (size_t)header.body_size;
}

static void handle_refused(struct connection *connection, struct bytes body)
{
    char text[FRAME_REFUSED_SIZE_MAX + 1] = "";
    memcpy(text, body.data, body.size);
    log_write(LOG_WARN, "refused by peer",
              (struct log_field[]){log_text("peer", os_stream_peer_name(connection->stream)),
                                   log_text("why", text),
                                   {0}});
    connection_end(connection);
}

/* A whole frame with a header that measure() found good. */
static void handle_frame(struct connection *connection, struct bytes frame)
{
    const struct frame_header header = frame_decode_header(frame.data);
    const struct bytes body =
        bytes_of(frame.data + FRAME_HEADER_SIZE, frame.size - FRAME_HEADER_SIZE);
    if (!frame_is_intact(frame)) {
        drop(connection, "frame with a wrong checksum");
        return;
    }
    if (header.type == FRAME_HELLO) {
        handle_hello(connection, body);
        return;
    }
    if (header.type == FRAME_REFUSED) {
        handle_refused(connection, body);
        return;
    }
    struct peers *peers = connection->peers;
    struct peer *peer = &peers->table[connection->peer];
    peer->statistics.frames_received++;
    peer->statistics.bytes_received += frame.size;
    peer->failures = 0; /* It let us in and speaks: come back at once if it goes. */
    peers->callbacks++;
    const char *wrong =
        peers->events->on_frame(peers->context, peer->index, header.type, header.group, body);
    peers->callbacks--;
    if (wrong != NULL && connection->state != CONNECTION_ENDED) {
        drop(connection, wrong);
    }
}

/* Move what `input` lacks for a header, and then for a whole frame, out of `data`; handle the
 * frame once it is whole. */
static void complete_input(struct connection *connection, struct bytes *data)
{
    struct buffer *input = &connection->input;
    size_t wanted = measure(connection, buffer_bytes(input));
    while (wanted > buffer_size(input) && data->size > 0) {
        const size_t missing = wanted - buffer_size(input);
        const size_t some = missing < data->size ? missing : data->size;
        uint8_t *to = buffer_reserve(input, missing);
        if (to == NULL) {
            drop(connection, "no memory for its frame");
            return;
        }
        memcpy(to, data->data, some);
        buffer_commit(input, some);
        *data = bytes_of(data->data + some, data->size - some);
        wanted = measure(connection, buffer_bytes(input));
    }
    if (wanted > 0 && wanted == buffer_size(input)) {
        handle_frame(connection, buffer_bytes(input));
        buffer_clear(input, INPUT_KEEP);
    }
}

static void on_data(void *context, struct bytes data)
{
    struct connection *connection = context;
    connection->is_handling = 1;
    connection->quiet_parts = 0;
    while (data.size > 0 && connection->state != CONNECTION_ENDED) {
        const size_t size =
            buffer_size(&connection->input) == 0 ? measure(connection, data) : SIZE_MAX;
        if (size <= data.size && size > 0) {
            handle_frame(connection, bytes_of(data.data, size));
            data = bytes_of(data.data + size, data.size - size);
        } else if (size > 0) {
            complete_input(connection, &data);
        }
    }
    connection->is_handling = 0;
    if (connection->state == CONNECTION_ENDED) {
        free_connection(connection);
    }
}

/* -- The stream ------------------------------------------------------------------------- */

static void on_open(void *context)
{
    struct connection *connection = context;
    connection->state = CONNECTION_GREETING;
    write_hello(connection);
}

static void on_drain(__attribute__((unused)) void *context)
{
}

static void on_close(void *context, int error)
{
    report(context, error);
    connection_end(context);
}

static const struct os_stream_events stream_events = {
    .on_open = on_open,
    .on_data = on_data,
    .on_drain = on_drain,
    .on_close = on_close,
};

/* A connection with its timer running, or NULL without memory. */
static struct connection *new_connection(struct peers *peers, enum connection_state state,
                                         uint32_t peer)
{
    struct connection *connection = malloc(sizeof *connection);
    if (connection == NULL) {
        return NULL;
    }
    *connection = (struct connection){.peers = peers, .state = state, .peer = peer};
    list_init(&connection->link);
    connection->timer = os_timer_new(peers->os, on_late, connection);
    if (connection->timer == NULL) {
        free(connection);
        return NULL;
    }
    os_timer_start(peers->os, connection->timer, peers->options.handshake_us);
    return connection;
}

int connection_dial(struct peer *peer)
{
    struct peers *peers = peer->peers;
    assert(peer->is_ours && peer->connection == NULL && peer->attempt == NULL);
    struct connection *connection = new_connection(peers, CONNECTION_DIALLING, peer->index);
    if (connection == NULL) {
        return -ENOMEM;
    }
    const int error =
        os_connect(peers->os, peer->address, &stream_events, connection, &connection->stream);
    if (error != 0) {
        os_timer_free(peers->os, connection->timer);
        free(connection);
        return error;
    }
    peer->attempt = connection;
    return 0;
}

void connection_accept(struct peers *peers, struct os_stream *stream)
{
    if (peers->stranger_count == STRANGER_COUNT_MAX) {
        /* Whoever holds many silent connections must not keep a member out. */
        drop(LIST_ITEM(peers->strangers.next, struct connection, link), "too many strangers");
    }
    struct connection *connection = new_connection(peers, CONNECTION_GREETING, PEER_UNKNOWN);
    if (connection == NULL) {
        os_stream_close(stream);
        return;
    }
    connection->stream = stream;
    list_append(&peers->strangers, &connection->link);
    peers->stranger_count++;
    os_stream_attach(stream, &stream_events, connection);
}
