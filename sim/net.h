/* net.h -- a network that delays, loses, repeats, reorders and is cut, in one direction or both.
 *
 * Streams between nodes carry frames (src/peer/frame.h). The first frame of each side, its
 * introduction, arrives if anything does; every later frame has a fate of its own: a loss is
 * harsher than TCP, and what stands above must bear it. */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "os/os.h"
#include "sim/world.h"

enum {
    NET_NODES_MAX = 9
};

struct net_options {
    uint64_t delay_us_min;
    uint64_t delay_us_max;
    uint32_t loss_ppm;    /* Frames lost, of a million. */
    uint32_t repeat_ppm;  /* Frames that come twice. */
    uint32_t reorder_ppm; /* Frames that may be overtaken, ... */
    uint64_t late_us_max; /* ... for they come so much later, at most. */
    uint32_t victim;      /* A type of message (enum synod_message_type) that fares worse; ... */
    uint32_t victim_ppm;  /* ... how many of those are lost, come late, or come twice. */
    uint64_t bytes_per_s; /* What a link from one node to another carries; 0: no limit. */
    uint64_t room_bytes;  /* What the systems at both ends hold of a stream; 0: no limit. */
};

struct net;

struct net *net_new(struct world *world, const struct net_options *options);
void net_free(struct net *net);

/* From now on `from` is not heard by `to`; one such cut is mended; all are, and all clogs. */
void net_cut(struct net *net, uint32_t from, uint32_t to);
void net_mend(struct net *net, uint32_t from, uint32_t to);
void net_heal(struct net *net);

/* Between these nodes (bits) every link is whole, quick and faultless, whatever else is wrong; and
 * as narrow as it was. */
void net_heal_among(struct net *net, uint64_t nodes);

/* The options of a network that is quick and faultless. */
const struct net_options *net_calm(void);

/* Two nodes are so far from each other, for good: that comes to each delay. */
void net_place(struct net *net, uint32_t node, uint32_t other, uint64_t distance_us);

/* That link carries so much a second, for good, whatever the options say. */
void net_narrow(struct net *net, uint32_t from, uint32_t to, uint64_t bytes_per_s);

/* Until then, what `from` sends to `to` is held back, and then it all comes. */
void net_clog(struct net *net, uint32_t from, uint32_t to, uint64_t until_us);

/* Every stream between the two breaks: both ends hear it, and what was on its way is gone. Returns
 * how many ends heard it. */
uint32_t net_break(struct net *net, uint32_t node, uint32_t other);

/* Until then `node` stands still: what is for it is handed over afterwards. */
void net_pause(struct net *net, uint32_t node, uint64_t until_us);

/* Change the fates of frames. */
void net_set_options(struct net *net, const struct net_options *options);

/* A node's process died: its streams and listeners are gone, and the others will hear of it,
 * as far as the network lets them. */
void net_node_died(struct net *net, uint32_t node);

/* What os_sim.c offers. Addresses are "node:N". `after` is called when something was handed to
 * a node: its turn ends later. */
void net_on_activity(struct net *net, void (*after)(void *context, uint32_t node), void *context);
int net_listen(struct net *net, uint32_t node, os_accept_callback accept, void *context);
void net_unlisten(struct net *net, uint32_t node);
struct os_stream *net_connect(struct net *net, uint32_t node, const char *address,
                              const struct os_stream_events *events, void *context);

struct net_counts {
    uint64_t frames;
    uint64_t lost;
    uint64_t repeated;
    uint64_t reordered;
    uint64_t blocked;
    uint64_t frames_this_second; /* Of simulated time. */
};
struct net_counts net_counts(const struct net *net);

#endif /* SIM_NET_H */
