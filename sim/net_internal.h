/* net_internal.h -- the network, for its own files. */
#ifndef SIM_NET_INTERNAL_H
#define SIM_NET_INTERNAL_H

#include "base/list.h"
#include "sim/net.h"

enum {
    NET_FRAME_HEAD_SIZE = 16
};

struct net {
    struct world *world;
    struct net_options options;
    struct list connections;
    struct {
        os_accept_callback accept;
        void *context;
    } listeners[NET_NODES_MAX];
    uint32_t cuts[NET_NODES_MAX][NET_NODES_MAX];             /* [from][to]; they overlap. */
    uint64_t clogged_until_us[NET_NODES_MAX][NET_NODES_MAX]; /* [from][to] */
    uint64_t distance_us[NET_NODES_MAX][NET_NODES_MAX];
    uint64_t width[NET_NODES_MAX][NET_NODES_MAX];      /* 0: as the options say. */
    uint64_t idle_at_us[NET_NODES_MAX][NET_NODES_MAX]; /* A narrow link has sent all then. */
    uint64_t paused_until_us[NET_NODES_MAX];
    uint64_t calm;       /* Nodes between which nothing goes wrong; bits. */
    struct list pending; /* Deliveries, ... */
    struct list spare;   /* ... and the memory of small ones that were. */
    void (*after)(void *context, uint32_t node);
    void *after_context;
    struct net_counts counts;
    uint64_t second; /* The one in which `frames_this_second` were sent. */
};

/* net_links.c: what may befall a frame on its way. */
enum net_fate {
    NET_FATE_LOST = 1,
    NET_FATE_LATE,
    NET_FATE_TWICE
};

/* How long something takes from one node to the other, drawn anew each time. */
uint64_t net_delay(struct net *net, uint32_t from, uint32_t to);

/* Whether this fate befalls the frame, drawn too. */
int net_befalls(struct net *net, uint32_t from, uint32_t to, struct bytes frame,
                enum net_fate fate);

/* How much later it comes than it would, drawn too. */
uint64_t net_lateness(struct net *net, uint32_t from, uint32_t to);

/* A frame of `size` bytes is on the link when those before it have left. Returns when it has. */
uint64_t net_transmit(struct net *net, uint32_t from, uint32_t to, size_t size);

/* Bytes that have not left yet, of a stream of which `held` have not been taken at its end. */
size_t net_backlog(const struct net *net, uint32_t from, uint32_t to, uint64_t held);

#endif /* SIM_NET_INTERNAL_H */
