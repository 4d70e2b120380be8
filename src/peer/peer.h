/* peer.h -- the connections among members: frames go in here, and come out over there, mostly.
 *
 * A `struct peers` keeps one TCP connection to each of the other members, makes it again when
 * it breaks, and carries frames over it. A frame is a type, a group and a body; what they mean
 * is the caller's. What is sent may be lost, and says so only to a counter: by a broken
 * connection, or because too much is waiting already. What arrives is whole and its checksum
 * is right. Nothing is promised about order or repeats: the protocol above stands both.
 *
 *     peers_send(peers, peer, frame, parts, count);     // as often as it likes
 *     peers_flush(peers);                                     // at the end of each turn
 *
 * Before the first frame each side says in a HELLO who it is; src/peer/frame.h has the bytes.
 *
 * Errors    Negative errno values. What a peer does wrong is never an error here: it is dropped
 *           and named in the log.
 * Memory    Bodies handed to peers_send() are borrowed until it returns; bodies handed to
 *           on_frame until the callback returns.
 * Threads   The loop thread of its `os`, for everything.
 */
#ifndef PEER_PEER_H
#define PEER_PEER_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "os/os.h"
#include "synod/types.h"

/* The first frame type that is the caller's; those below belong to src/peer. */
enum {
    PEER_FRAME_TYPE_MIN = 16
};

/* Limits of what a HELLO carries, without the terminator. */
enum {
    PEER_NAME_SIZE_MAX = 255,
    PEER_ADDRESS_SIZE_MAX = 263
};

struct peers;

/* What a member said of itself. Borrowed until the callback returns. */
struct peer_hello {
    uint64_t cluster_key;   /* Equal to ours, or this would not be shown. */
    synod_member_id member; /* The identity of its data directory; 0 while it has none. */
    uint64_t incarnation;   /* Which of that member's lives this is. */
    uint64_t table_hash;    /* Of the founding table that it holds; 0 while it holds none. */
    uint32_t flags;         /* The caller's; see peers_set_identity(). */
    uint16_t version;       /* Of the protocol, as agreed. */
    const char *name;       /* For people. Printable. */
    const char *address;    /* By which the table of members knows it. */
};

struct peers_events {
    /* A known address introduced itself. NULL lets it in; a phrase fit for the log says why
     * not ("it holds another founding table"), and the other side is told the same. The
     * connection that this one would replace, if any, still stands during the call. */
    const char *(*on_hello)(void *context, uint32_t peer, const struct peer_hello *hello);

    /* Frames can be sent to `peer` from now on. */
    void (*on_connected)(void *context, uint32_t peer);

    /* The connection is gone, and with it an unknown part of what was sent. Called at once
     * when the other process dies. Another on_connected may follow directly: that member made
     * a new connection, perhaps in a new life. */
    void (*on_disconnected)(void *context, uint32_t peer);

    /* A frame with a type at or above PEER_FRAME_TYPE_MIN. NULL if all is well; a phrase that
     * says what is wrong with it drops the connection ("accept of 2^31 entries"). */
    const char *(*on_frame)(void *context, uint32_t peer, uint16_t type, uint32_t group,
                            struct bytes body);
};

struct peers_options {
    const char *name;         /* Of this member, for people. */
    const char *address;      /* The "host:port" by which the others know us. */
    const char *listen;       /* The "host:port" to listen on. */
    const char *const *peers; /* Addresses of the other members: peer 0, 1, 2 ... */
    uint32_t peer_count;      /* How many; none may be `address` or there twice. */
    uint64_t cluster_key;     /* Hash of the token and the initial members. */
    synod_member_id member;   /* As in struct peer_hello; 0 if not known yet. */
    uint64_t incarnation;     /* Of this life. */
    uint64_t table_hash;      /* 0 if not known yet. */
    uint32_t flags;           /* Told in the HELLO. */
    uint32_t frame_size_max;  /* Largest body sent or taken, in bytes. */
    size_t queue_size_max;    /* Bytes that may wait for one peer. */
    uint64_t handshake_us;    /* From a connection to its HELLO, at most. */
    uint64_t silence_us;      /* Nothing came for so long, or a quarter longer: the connection is
                            * dead. Its owner must send something more often. */
    uint64_t retry_us_min;    /* The first waits between attempts are about this, ... */
    uint64_t retry_us_max;    /* ... each later one twice as long, up to this. */
};

/* Set limits and times to their defaults (frames of 16 MiB, queues of 64 MiB, a handshake of
 * 3 s, a silence of 5 s, retries from 20 ms to 1 s) and everything else to zero. */
void peers_options_init(struct peers_options *options);

/* Listen, and begin to connect. `options` and its strings are copied; `events` must outlive
 * the peers. No callback comes before the caller has returned to the loop.
 * -EADDRINUSE and others from os_listen(); -EINVAL: a name or an address is too long or not
 * printable, an address is there twice; -ENOMEM. */
int peers_new(struct os *os, const struct peers_options *options, const struct peers_events *events,
              void *context, struct peers **peers);

/* Close every connection, after what is queued has left, and forget everything. No callback
 * comes any more. Not from inside a callback of these peers. */
void peers_free(struct peers *peers);

/* What the HELLO says from now on. Connections that stand were made under the old one, so
 * they are made again, soon after this returned. */
void peers_set_identity(struct peers *peers, synod_member_id member, uint64_t table_hash,
                        uint32_t flags);

/* What a frame is, besides its bytes. */
struct peer_frame {
    uint16_t type;  /* The caller's number for what the body holds, ... */
    uint32_t group; /* ... and which of the groups that share the connection it is for. */
};

/* Put a frame into the output of `peer`; its body is the parts one after the other, at most
 * frame_size_max bytes. It leaves with the next peers_flush(), a big one maybe before.
 * -ENOTCONN: there is no connection; -EAGAIN: more than queue_size_max would wait; -ENOMEM.
 * After an error the frame is dropped and counted, and nothing else changed. */
int peers_send(struct peers *peers, uint32_t peer, struct peer_frame frame,
               const struct bytes *parts, size_t part_count);

/* Write what was put into the outputs: one write for each peer that has some. */
void peers_flush(struct peers *peers);

/* 1 while frames can be sent to `peer`. */
int peers_is_connected(const struct peers *peers, uint32_t peer);

/* Bytes that wait for `peer`, here and in its stream: the measure of how far behind it is. */
size_t peers_queued(const struct peers *peers, uint32_t peer);

/* The port that they really listen on. */
int peers_port(const struct peers *peers);

/* Counted since peers_new(). Frames are the caller's frames; bytes are all bytes of frames. */
struct peer_statistics {
    uint64_t frames_sent;     /* Put into the output; that they arrived is not implied. */
    uint64_t bytes_sent;      /* With their headers. */
    uint64_t frames_received; /* Whole and right. */
    uint64_t bytes_received;  /* With their headers. */
    uint64_t frames_dropped;  /* Refused by peers_send(), for whatever reason. */
    uint64_t connected_count; /* How often a connection was made. */
    uint64_t dropped_count;   /* How often we dropped it for what it sent. */
};

/* The counts of one peer. */
void peers_statistics(const struct peers *peers, uint32_t peer, struct peer_statistics *out);

/* Connections that ended before they had said who they are: strangers, scanners, mistakes. */
uint64_t peers_refused_count(const struct peers *peers);

#endif /* PEER_PEER_H */
