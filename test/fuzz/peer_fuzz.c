/* peer_fuzz.c -- the connections of a member, and others that keep no rules.
 *
 * The member dials one address and is dialled from another; both are played by the input. Stroke:
 * u8, the kind in the low three bits, which connection in the others; and what the kind asks
 * for. Hellos and frames are built whole, with the right checksum unless the input says not. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "os_pair.h"
#include "peer/frame.h"
#include "peer/peer.h"

enum {
    STREAMS_MAX = 6,
    PEERS = 2,
    KEY = 7,
    BODY_MAX = 300
};

/* Addresses end in what os_pair takes for a port: ours gets the first, the one we dial the next. */
static const char OURS[] = "m:1";
static const char DIALLED[] = "m:2";
static const char DIALS_US[] = "l:9";

struct rig {
    struct os_pair *pair;
    struct peers *peers;
    struct os_listener *listener;
    struct os_stream *streams[STREAMS_MAX]; /* NULL: closed. */
    uint32_t stream_count;
    int is_connected[PEERS];
    int is_refusing;
    uint64_t frames;
};

/* -- What the member is told -------------------------------------------------------------- */

static const char *on_hello(void *context, uint32_t peer, const struct peer_hello *hello)
{
    const struct rig *rig = context;
    assert(peer < PEERS && hello->cluster_key == KEY && hello->version == FRAME_VERSION_MAX);
    assert(strcmp(hello->address, peer == 0 ? DIALLED : DIALS_US) == 0);
    return rig->is_refusing ? "not today" : NULL;
}

static void on_connected(void *context, uint32_t peer)
{
    struct rig *rig = context;
    assert(peer < PEERS && !rig->is_connected[peer]);
    rig->is_connected[peer] = 1;
}

static void on_disconnected(void *context, uint32_t peer)
{
    struct rig *rig = context;
    assert(peer < PEERS && rig->is_connected[peer]);
    rig->is_connected[peer] = 0;
}

static const char *on_frame(void *context, uint32_t peer, uint16_t type, uint32_t group,
                            struct bytes body)
{
    struct rig *rig = context;
    assert(peer < PEERS && rig->is_connected[peer] && type >= PEER_FRAME_TYPE_MIN);
    assert(body.size <= BODY_MAX);
    rig->frames++;
    return group == 1 ? "a group that is not here" : NULL;
}

static const struct peers_events EVENTS = {.on_hello = on_hello,
                                           .on_connected = on_connected,
                                           .on_disconnected = on_disconnected,
                                           .on_frame = on_frame};

/* -- The others --------------------------------------------------------------------------- */

struct end {
    struct rig *rig;
    uint32_t position;
};

static struct end ends[STREAMS_MAX];

static void on_data(__attribute__((unused)) void *context,
                    __attribute__((unused)) struct bytes data)
{
}

static void on_nothing(__attribute__((unused)) void *context)
{
}

static void on_close(void *context, __attribute__((unused)) int error)
{
    struct end *end = context;
    os_stream_close(end->rig->streams[end->position]);
    end->rig->streams[end->position] = NULL;
}

static const struct os_stream_events STREAM_EVENTS = {
    .on_open = on_nothing, .on_data = on_data, .on_drain = on_nothing, .on_close = on_close};

static struct end *new_end(struct rig *rig)
{
    if (rig->stream_count == STREAMS_MAX) {
        return NULL;
    }
    struct end *end = &ends[rig->stream_count];
    *end = (struct end){rig, rig->stream_count++};
    return end;
}

static void on_accept(void *context, struct os_stream *stream)
{
    struct rig *rig = context;
    struct end *end = new_end(rig);
    if (end == NULL) {
        os_stream_close(stream);
    } else {
        rig->streams[end->position] = stream;
        os_stream_attach(stream, &STREAM_EVENTS, end);
    }
}

static void dial(struct rig *rig)
{
    struct end *end = new_end(rig);
    if (end != NULL) {
        const int error =
            os_connect(&rig->pair->os, OURS, &STREAM_EVENTS, end, &rig->streams[end->position]);
        assert(error == 0);
    }
}

static void write_frame(struct os_stream *stream, struct frame_header header, struct bytes body,
                        int is_spoilt)
{
    uint8_t encoded[FRAME_HEADER_SIZE];
    header.body_size = (uint32_t)body.size;
    frame_encode_header(encoded, &header, &body, 1);
    encoded[4] ^= is_spoilt ? 1 : 0;
    const struct bytes parts[] = {bytes_of(encoded, sizeof encoded), body};
    (void)os_stream_write(stream, parts, 2);
}

/* u8: which of its fields are odd. */
static void write_hello(struct os_stream *stream, struct feed *feed)
{
    static const char *const addresses[] = {DIALLED, DIALS_US, DIALLED, DIALS_US, OURS, "x:1"};
    uint8_t body[FRAME_HELLO_SIZE_MAX];
    const uint8_t which = feed_u8(feed);
    struct frame_hello hello = {.version_min = FRAME_VERSION_MIN,
                                .version_max = FRAME_VERSION_MAX,
                                .cluster_key = KEY,
                                .member = 2u + which % 2,
                                .incarnation = 1};
    const char *address = addresses[which % 6];
    memcpy(hello.address, address, strlen(address));
    memcpy(hello.name, "n", 1);
    if (which >= 128) {
        hello.version_min = feed_u8(feed);
        hello.version_max = feed_u8(feed);
        hello.cluster_key = feed_u8(feed);
        hello.member = feed_number(feed);
    }
    size_t size = frame_encode_hello(body, &hello);
    if (which >= 192) { /* Another byte somewhere, and more or fewer of them. */
        body[feed_u8(feed) % size] = feed_u8(feed);
        size += feed_u8(feed) % 8;
        size -= feed_u8(feed) % 8;
    }
    write_frame(stream, (struct frame_header){.type = FRAME_HELLO, .version = 1},
                bytes_of(body, size), 0);
}

/* -- Strokes ------------------------------------------------------------------------------ */

static void write_something(struct rig *rig, struct os_stream *stream, uint8_t kind,
                            struct feed *feed)
{
    if (kind == 0 || kind == 1) {
        write_hello(stream, feed);
    } else if (kind == 2) {
        const uint8_t type = feed_u8(feed);
        const uint8_t odd = feed_u8(feed);
        const struct frame_header header = {
            .type = type, .version = odd == 1 ? feed_u8(feed) : 1u, .group = odd == 2};
        write_frame(stream, header, feed_take(feed, feed_u8(feed) * 2u), odd == 3);
    } else {
        const struct bytes raw = feed_take(feed, 1u + feed_u8(feed));
        (void)os_stream_write(stream, &raw, 1);
    }
    os_pair_settle(rig->pair);
}

static void act(struct rig *rig, struct feed *feed)
{
    const uint8_t how = feed_u8(feed);
    if (how % 4 == 0) {
        rig->is_refusing = how >= 128;
    } else if (how % 4 == 1) {
        peers_set_identity(rig->peers, how, how, how);
    } else {
        const struct bytes body = bytes_of_text("body");
        const int error = peers_send(rig->peers, how / 4 % PEERS,
                                     (struct peer_frame){.type = PEER_FRAME_TYPE_MIN}, &body, 1);
        assert((error == 0) == (rig->is_connected[how / 4 % PEERS] != 0));
        peers_flush(rig->peers);
    }
}

static void strike(struct rig *rig, struct feed *feed)
{
    const uint8_t stroke = feed_u8(feed);
    const uint32_t position = stroke / 8u % STREAMS_MAX;
    struct os_stream *stream = position < rig->stream_count ? rig->streams[position] : NULL;
    switch (stroke % 8) {
    case 4:
        dial(rig);
        break;
    case 5:
        os_pair_advance(rig->pair, feed_u8(feed) * UINT64_C(50000));
        break;
    case 6:
        act(rig, feed);
        break;
    case 7:
        if (stream != NULL) {
            rig->streams[position] = NULL;
            os_stream_close(stream);
        }
        break;
    default:
        if (stream != NULL) {
            write_something(rig, stream, stroke % 8, feed);
        }
    }
    os_pair_settle(rig->pair);
}

static void begin(struct rig *rig)
{
    static const char *const others[PEERS] = {DIALLED, DIALS_US};
    struct peers_options options;
    peers_options_init(&options);
    options.name = "us";
    options.address = OURS;
    options.listen = OURS;
    options.peers = others;
    options.peer_count = PEERS;
    options.cluster_key = KEY;
    options.member = 1;
    options.incarnation = 1;
    options.frame_size_max = BODY_MAX;
    options.queue_size_max = 1000;
    rig->pair = os_pair_new();
    int error = peers_new(&rig->pair->os, &options, &EVENTS, rig, &rig->peers);
    assert(error == 0 && peers_port(rig->peers) == 1);
    error = os_listen(&rig->pair->os, DIALLED, on_accept, rig, &rig->listener);
    assert(error == 0 && os_listener_port(&rig->pair->os, rig->listener) == 2);
    dial(rig);
    os_pair_advance(rig->pair, 1000);
}

FUZZ(peer)
{
    struct feed feed = {input};
    struct rig *rig = calloc(1, sizeof *rig);
    assert(rig != NULL);
    begin(rig);
    rig->pair->piece_max = feed_u8(&feed) % 64;
    while (!feed_is_empty(&feed)) {
        strike(rig, &feed);
    }
    for (uint32_t i = 0; i < PEERS; i++) {
        struct peer_statistics statistics;
        assert(peers_is_connected(rig->peers, i) == rig->is_connected[i]);
        peers_statistics(rig->peers, i, &statistics);
        assert(statistics.frames_received <= rig->frames);
    }
    peers_free(rig->peers);
    for (uint32_t i = 0; i < rig->stream_count; i++) {
        if (rig->streams[i] != NULL) {
            os_stream_close(rig->streams[i]);
        }
    }
    os_listener_close(&rig->pair->os, rig->listener);
    os_pair_free(rig->pair);
    free(rig);
}
