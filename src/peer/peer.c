/* peer.c -- the table of peers: who dials whom, when to try again, what waits for each.
 *
 * Two members need one connection. If both dialled, two would cross, and each side might keep
 * the one that the other closes. So the side whose address compares lower (as bytes) dials:
 * both know both addresses from the table of members, and need not talk to agree.
 *
 * The price is that a restarted member may have to wait to be called. So a caller whose
 * connection breaks tries again after retry_us_min or less, then twice as long each time, up to
 * retry_us_max; half of each wait is chance, lest the members of a cluster all knock at once. */
#include "peer/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "peer/peer_internal.h"

enum {
    DIRECT_SIZE = 32 * 1024, /* Bodies from here on are not copied into the output ... */
    DIRECT_PARTS = 62,       /* ... if they have no more parts than this. */
    OUTPUT_KEEP = 16 * 1024, /* Memory that an output keeps when there is little to send. */
    FAILURES_MAX = 32,       /* Counted no further. */
};

void peers_options_init(struct peers_options *options)
{
    *options = (struct peers_options){
        .frame_size_max = 16u << 20,
        .queue_size_max = (size_t)64 << 20,
        .handshake_us = 3000000,
        .silence_us = 5000000,
        .retry_us_min = 20000,
        .retry_us_max = 1000000,
    };
}

/* -- Dialling --------------------------------------------------------------------------- */

static void dial_later(struct peer *peer)
{
    struct peers *peers = peer->peers;
    uint64_t delay = peers->options.retry_us_min;
    for (uint32_t i = 0; i < peer->failures && delay < peers->options.retry_us_max; i++) {
        delay *= 2;
    }
    if (delay > peers->options.retry_us_max) {
        delay = peers->options.retry_us_max;
    }
    if (peer->failures < FAILURES_MAX) {
        peer->failures++;
    }
    os_timer_start(peers->os, peer->timer, delay / 2 + prng_below(&peers->prng, delay / 2 + 1));
}

static void on_dial(void *context)
{
    struct peer *peer = context;
    const int error = connection_dial(peer);
    if (error != 0) {
        log_write(peer->failures == 0 ? LOG_INFO : LOG_DEBUG, "cannot connect to peer",
                  (struct log_field[]){
                      log_text("peer", peer->address), log_text("error", strerror(-error)), {0}});
        dial_later(peer);
    }
}

/* -- What connections tell -------------------------------------------------------------- */

uint32_t peer_find(const struct peers *peers, const char *address)
{
    for (uint32_t i = 0; i < peers->count; i++) {
        if (strcmp(peers->table[i].address, address) == 0) {
            return i;
        }
    }
    return PEER_UNKNOWN;
}

void peer_ready(struct peer *peer, struct connection *connection)
{
    struct peers *peers = peer->peers;
    if (peer->connection != NULL) {
        /* A new one from the same member: that side knows that the old one is of no use, even
         * if we have not noticed. Only now, for only now is it known to be that member. */
        connection_end(peer->connection);
    }
    assert(peer->connection == NULL);
    if (peer->attempt == connection) {
        peer->attempt = NULL;
    }
    peer->connection = connection;
    peer->statistics.connected_count++;
    log_write(LOG_INFO, "connected to peer",
              (struct log_field[]){log_text("peer", peer->address),
                                   log_text("at", os_stream_peer_name(connection->stream)),
                                   {0}});
    peers->callbacks++;
    peers->events->on_connected(peers->context, peer->index);
    peers->callbacks--;
}

void peer_lost(struct peer *peer, struct connection *connection)
{
    struct peers *peers = peer->peers;
    const int was_ready = peer->connection == connection;
    if (was_ready) {
        peer->connection = NULL;
        buffer_clear(&peer->output, 0);
    } else {
        assert(peer->attempt == connection);
        peer->attempt = NULL;
    }
    if (peers->is_stopping) {
        return;
    }
    if (peer->is_ours) {
        dial_later(peer);
    }
    if (was_ready) {
        peers->callbacks++;
        peers->events->on_disconnected(peers->context, peer->index);
        peers->callbacks--;
    }
}

static void on_accept(void *context, struct os_stream *stream)
{
    connection_accept(context, stream);
}

/* -- A new identity --------------------------------------------------------------------- */

static void on_remake(void *context)
{
    struct peers *peers = context;
    for (uint32_t i = 0; i < peers->count; i++) {
        struct peer *peer = &peers->table[i];
        if (peer->attempt != NULL) {
            connection_end(peer->attempt);
        }
        if (peer->connection != NULL) {
            connection_end(peer->connection);
        }
    }
}

/* From a timer, so that on_disconnected is not called from inside this. */
void peers_set_identity(struct peers *peers, synod_member_id member, uint64_t table_hash,
                        uint32_t flags)
{
    struct peers_options *options = &peers->options;
    if (options->member == member && options->table_hash == table_hash && options->flags == flags) {
        return;
    }
    options->member = member;
    options->table_hash = table_hash;
    options->flags = flags;
    os_timer_start(peers->os, peers->remake_timer, 0);
}

/* -- Sending ---------------------------------------------------------------------------- */

/* A big body: everything that waits and then the frame, in one write, copied by nobody but the
 * stream, and by that only as far as the kernel does not take it. */
static int send_direct(struct peer *peer, const uint8_t header[FRAME_HEADER_SIZE],
                       const struct bytes *parts, size_t part_count)
{
    struct bytes all[DIRECT_PARTS + 2];
    assert(part_count <= DIRECT_PARTS);
    all[0] = buffer_bytes(&peer->output);
    all[1] = bytes_of(header, FRAME_HEADER_SIZE);
    for (size_t i = 0; i < part_count; i++) {
        all[2 + i] = parts[i];
    }
    const int error = os_stream_write(peer->connection->stream, all, part_count + 2);
    if (error == 0) {
        buffer_clear(&peer->output, OUTPUT_KEEP);
    }
    return error;
}

static int send_batched(struct peer *peer, const uint8_t header[FRAME_HEADER_SIZE],
                        const struct bytes *parts, size_t part_count, size_t size)
{
    uint8_t *to = buffer_reserve(&peer->output, size);
    if (to == NULL) {
        return -ENOMEM;
    }
    memcpy(to, header, FRAME_HEADER_SIZE);
    to += FRAME_HEADER_SIZE;
    for (size_t i = 0; i < part_count; i++) {
        if (parts[i].size > 0) {
            memcpy(to, parts[i].data, parts[i].size);
            to += parts[i].size;
        }
    }
    buffer_commit(&peer->output, size);
    return 0;
}

int peers_send(struct peers *peers, uint32_t index, struct peer_frame frame,
               const struct bytes *parts, size_t part_count)
{
    assert(index < peers->count);
    assert(frame.type >= PEER_FRAME_TYPE_MIN);
    struct peer *peer = &peers->table[index];
    size_t body_size = 0;
    for (size_t i = 0; i < part_count; i++) {
        body_size += parts[i].size;
    }
    assert(body_size <= peers->options.frame_size_max);
    const size_t size = FRAME_HEADER_SIZE + body_size;

    int error = 0;
    if (peer->connection == NULL) {
        error = -ENOTCONN;
    } else if (peers_queued(peers, index) + size > peers->options.queue_size_max) {
        error = -EAGAIN;
    } else {
        uint8_t encoded[FRAME_HEADER_SIZE];
        const struct frame_header header = {.body_size = (uint32_t)body_size,
                                            .type = frame.type,
                                            .version = peer->connection->version,
                                            .group = frame.group};
        frame_encode_header(encoded, &header, parts, part_count);
        error = body_size >= DIRECT_SIZE && part_count <= DIRECT_PARTS
                    ? send_direct(peer, encoded, parts, part_count)
                    : send_batched(peer, encoded, parts, part_count, size);
    }
    if (error != 0) {
        peer->statistics.frames_dropped++;
        return error;
    }
    peer->statistics.frames_sent++;
    peer->statistics.bytes_sent += size;
    return 0;
}

/* What could not be written for want of memory stays, and counts as queued. */
static void flush(struct peer *peer)
{
    const struct bytes output = buffer_bytes(&peer->output);
    if (output.size == 0 || os_stream_write(peer->connection->stream, &output, 1) != 0) {
        return;
    }
    /* Keep what a like turn would need again; give the rest back. */
    const size_t keep = output.size * 4 > OUTPUT_KEEP ? output.size * 4 : OUTPUT_KEEP;
    buffer_clear(&peer->output, keep);
}

void peers_flush(struct peers *peers)
{
    for (uint32_t i = 0; i < peers->count; i++) {
        flush(&peers->table[i]);
    }
}

/* -- Introspection ---------------------------------------------------------------------- */

int peers_is_connected(const struct peers *peers, uint32_t peer)
{
    assert(peer < peers->count);
    return peers->table[peer].connection != NULL;
}

size_t peers_queued(const struct peers *peers, uint32_t peer)
{
    assert(peer < peers->count);
    const struct peer *it = &peers->table[peer];
    return it->connection == NULL
               ? 0
               : buffer_size(&it->output) + os_stream_queued(it->connection->stream);
}

int peers_port(const struct peers *peers)
{
    return os_listener_port(peers->os, peers->listener);
}

void peers_statistics(const struct peers *peers, uint32_t peer, struct peer_statistics *out)
{
    assert(peer < peers->count);
    *out = peers->table[peer].statistics;
}

uint64_t peers_refused_count(const struct peers *peers)
{
    return peers->refused_count;
}

/* -- The beginning and the end ---------------------------------------------------------- */

static int is_address(const char *address)
{
    return *address != '\0' && frame_is_printable(bytes_of_text(address), PEER_ADDRESS_SIZE_MAX);
}

static int check_options(const struct peers_options *options)
{
    assert(options->queue_size_max >= FRAME_HEADER_SIZE + (size_t)options->frame_size_max);
    assert(options->retry_us_min > 0 && options->retry_us_min <= options->retry_us_max);
    if (!is_address(options->address) ||
        !frame_is_printable(bytes_of_text(options->name), PEER_NAME_SIZE_MAX)) {
        return -EINVAL;
    }
    for (uint32_t i = 0; i < options->peer_count; i++) {
        if (!is_address(options->peers[i]) || strcmp(options->peers[i], options->address) == 0) {
            return -EINVAL;
        }
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(options->peers[i], options->peers[j]) == 0) {
                return -EINVAL;
            }
        }
    }
    return 0;
}

static int init_peer(struct peers *peers, uint32_t index, const char *address)
{
    struct peer *peer = &peers->table[index];
    peer->peers = peers;
    peer->index = index;
    peer->is_ours = strcmp(peers->options.address, address) < 0;
    peer->address = strdup(address);
    peer->timer = os_timer_new(peers->os, on_dial, peer);
    if (peer->address == NULL || peer->timer == NULL) {
        return -ENOMEM;
    }
    if (peer->is_ours) {
        os_timer_start(peers->os, peer->timer, 0);
    }
    return 0;
}

static int init(struct peers *peers, const struct peers_options *options)
{
    peers->options = *options;
    peers->options.peers = NULL;
    peers->options.listen = NULL;
    peers->options.name = strdup(options->name);
    peers->options.address = strdup(options->address);
    peers->remake_timer = os_timer_new(peers->os, on_remake, peers);
    if (peers->options.name == NULL || peers->options.address == NULL ||
        peers->remake_timer == NULL) {
        return -ENOMEM;
    }
    os_random(peers->os, &peers->prng, sizeof peers->prng);
    for (uint32_t i = 0; i < options->peer_count; i++) {
        peers->count++;
        const int error = init_peer(peers, i, options->peers[i]);
        if (error != 0) {
            return error;
        }
    }
    return os_listen(peers->os, options->listen, on_accept, peers, &peers->listener);
}

int peers_new(struct os *os, const struct peers_options *options, const struct peers_events *events,
              void *context, struct peers **peers)
{
    int error = check_options(options);
    if (error != 0) {
        return error;
    }
    struct peers *made = calloc(1, sizeof *made + options->peer_count * sizeof made->table[0]);
    if (made == NULL) {
        return -ENOMEM;
    }
    made->os = os;
    made->events = events;
    made->context = context;
    list_init(&made->strangers);
    error = init(made, options);
    if (error != 0) {
        peers_free(made);
        return error;
    }
    *peers = made;
    return 0;
}

static void free_peer(struct peer *peer)
{
    if (peer->attempt != NULL) {
        connection_end(peer->attempt);
    }
    if (peer->connection != NULL) {
        connection_end(peer->connection);
    }
    if (peer->timer != NULL) {
        os_timer_free(peer->peers->os, peer->timer);
    }
    buffer_deinit(&peer->output);
    free(peer->address);
}

void peers_free(struct peers *peers)
{
    assert(peers->callbacks == 0);
    peers_flush(peers);
    peers->is_stopping = 1;
    for (uint32_t i = 0; i < peers->count; i++) {
        free_peer(&peers->table[i]);
    }
    while (!list_is_empty(&peers->strangers)) {
        connection_end(LIST_ITEM(peers->strangers.next, struct connection, link));
    }
    if (peers->listener != NULL) {
        os_listener_close(peers->os, peers->listener);
    }
    if (peers->remake_timer != NULL) {
        os_timer_free(peers->os, peers->remake_timer);
    }
    free((char *)(uintptr_t)peers->options.name);
    free((char *)(uintptr_t)peers->options.address);
    free(peers);
}
