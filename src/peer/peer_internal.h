/* peer_internal.h -- what the files of src/peer share: the table of peers, a connection. */
#ifndef PEER_PEER_INTERNAL_H
#define PEER_PEER_INTERNAL_H

#include "base/buffer.h"
#include "base/list.h"
#include "base/prng.h"
#include "peer/frame.h"
#include "peer/peer.h"

/* The peer of a connection that has not said who it is. */
#define PEER_UNKNOWN UINT32_MAX

enum connection_state {
    CONNECTION_DIALLING = 1, /* Ours, and not open yet. */
    CONNECTION_GREETING,     /* Open; its HELLO has not come. */
    CONNECTION_READY,        /* Known, and its peer's. */
    CONNECTION_ENDED,        /* Closed; freed as soon as nobody up the stack holds it. */
};

struct connection {
    struct peers *peers;
    struct os_stream *stream;
    struct os_timer *timer; /* Ends it unless its HELLO comes in time, or when it is silent. */
    struct list link;       /* In peers->strangers while it came in and is GREETING. */
    struct buffer input;    /* The beginning of a frame that has not come whole. */
    enum connection_state state;
    uint32_t peer;       /* PEER_UNKNOWN for one that came in, until it is READY. */
    uint16_t version;    /* Of the frames after the HELLOs. */
    uint8_t quiet_parts; /* Of the time for which it may be silent. */
    uint8_t is_handling; /* Inside connection's on_data: it must not be freed. */
};

struct peer {
    struct peers *peers;
    char *address;
    struct connection *connection; /* READY; NULL while there is none. */
    struct connection *attempt;    /* DIALLING or GREETING, ours; NULL while there is none. */
    struct os_timer *timer;        /* When to dial next. */
    struct buffer output;          /* Frames for the next peers_flush(). */
    struct peer_statistics statistics;
    uint32_t index;
    uint32_t failures; /* Attempts and empty connections since the last good one. */
    int is_ours;       /* We dial it, rather than it us. */
};

struct peers {
    struct os *os;
    struct peers_options options; /* Its strings are copies; its `peers` is not used. */
    const struct peers_events *events;
    void *context;
    struct os_listener *listener;
    struct os_timer *remake_timer; /* Runs while connections wait to be made again. */
    struct list strangers;         /* Connections that came in and are GREETING, oldest first. */
    uint32_t stranger_count;
    uint64_t refused_count;
    struct prng prng;   /* For jitter. */
    uint32_t callbacks; /* How many of our callbacks are on the stack. */
    int is_stopping;    /* No callback, no new attempt. */
    uint32_t count;
    struct peer table[];
};

/* -- connection.c ------------------------------------------------------------------------ */

/* Begin to connect to a peer. What comes of it is told through peer_ready() and peer_lost().
 * Returns 0 or a negative errno value. */
int connection_dial(struct peer *peer);

/* A stream came in: make a stranger of it. */
void connection_accept(struct peers *peers, struct os_stream *stream);

/* Close it, tell whoever must know, and free it. Harmless if it ended already. */
void connection_end(struct connection *connection);

/* -- peer.c ------------------------------------------------------------------------------ */

/* The number of the peer with this address, or PEER_UNKNOWN. */
uint32_t peer_find(const struct peers *peers, const char *address);

/* The connection has shown who it is: it is the peer's from now on, and ends the one before. */
void peer_ready(struct peer *peer, struct connection *connection);

/* The peer's connection, or an attempt at one, has ended. */
void peer_lost(struct peer *peer, struct connection *connection);

#endif /* PEER_PEER_INTERNAL_H */
