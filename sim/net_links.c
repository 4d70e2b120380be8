/* net_links.c -- what the links between nodes are like: how long a frame takes, and what may
 * befall it; cut, clogged and healed. */
#include "base/bytes.h"
#include "sim/net_internal.h"

enum {
    FRAME_TYPE_AT = 8,
    FRAME_OF_MESSAGE = 16, /* enum replica_frame, FRAME_MESSAGE. */
};

/* -- Frames ------------------------------------------------------------------------------- */

const struct net_options *net_calm(void)
{
    static const struct net_options CALM = {.delay_us_min = 50, .delay_us_max = 500};
    return &CALM;
}

/* What goes for frames from one node to the other. */
static const struct net_options *options_of(const struct net *net, uint32_t from, uint32_t to)
{
    return ((net->calm >> from) & (net->calm >> to) & 1) != 0 ? net_calm() : &net->options;
}

uint64_t net_delay(struct net *net, uint32_t from, uint32_t to)
{
    const struct net_options *options = options_of(net, from, to);
    const uint64_t range = options->delay_us_max - options->delay_us_min + 1;
    return net->distance_us[from][to] + options->delay_us_min + world_below(net->world, range);
}

uint64_t net_lateness(struct net *net, uint32_t from, uint32_t to)
{
    return world_below(net->world, options_of(net, from, to)->late_us_max + 1);
}

/* How many in a million frames like this one meet with that fate. A seed may pick on one type
 * of message: what goes wrong when just the promises come late is seldom met by chance. */
static uint32_t odds(const struct net_options *options, const struct bytes frame,
                     enum net_fate fate)
{
    const uint8_t *bytes = frame.data;
    if (frame.size >= NET_FRAME_HEAD_SIZE + 4 &&
        get_u16(bytes + FRAME_TYPE_AT) == FRAME_OF_MESSAGE &&
        get_u32(bytes + NET_FRAME_HEAD_SIZE) == options->victim) {
        return options->victim_ppm;
    }
    return fate == NET_FATE_LOST   ? options->loss_ppm
           : fate == NET_FATE_LATE ? options->reorder_ppm
                                   : options->repeat_ppm;
}

int net_befalls(struct net *net, uint32_t from, uint32_t to, struct bytes frame, enum net_fate fate)
{
    return world_chance(net->world, odds(options_of(net, from, to), frame, fate), 1000000);
}

/* In bytes a second; 0: no limit. */
static uint64_t width_of(const struct net *net, uint32_t from, uint32_t to)
{
    return net->width[from][to] != 0 ? net->width[from][to] : net->options.bytes_per_s;
}

uint64_t net_transmit(struct net *net, uint32_t from, uint32_t to, size_t size)
{
    const uint64_t width = width_of(net, from, to);
    const uint64_t now = net->world->now_us;
    uint64_t *idle_at = &net->idle_at_us[from][to];
    if (width == 0) {
        return now;
    }
    *idle_at = (*idle_at > now ? *idle_at : now) + size * 1000000 / width;
    return *idle_at;
}

static uint64_t unsent(const struct net *net, uint32_t from, uint32_t to)
{
    const uint64_t width = width_of(net, from, to);
    const uint64_t idle_at = net->idle_at_us[from][to];
    const uint64_t now = net->world->now_us;
    return width == 0 || idle_at <= now ? 0 : (idle_at - now) * width / 1000000;
}

size_t net_backlog(const struct net *net, uint32_t from, uint32_t to, uint64_t held)
{
    const uint64_t room = net->options.room_bytes;
    const uint64_t over = room == 0 || held <= room ? 0 : held - room;
    const uint64_t waiting = unsent(net, from, to);
    return (size_t)(waiting > over ? waiting : over);
}

/* -- The world's side --------------------------------------------------------------------- */

/* So many cuts overlap. */
static void set_cuts(struct net *net, uint32_t from, uint32_t to, uint32_t cuts)
{
    const int was_cut = net->cuts[from][to] > 0;
    net->cuts[from][to] = cuts;
    if (was_cut != (cuts > 0)) {
        world_show(net->world, cuts > 0 ? "link cut" : "link whole", from, to);
    }
}

void net_cut(struct net *net, uint32_t from, uint32_t to)
{
    set_cuts(net, from, to, net->cuts[from][to] + 1);
}

void net_mend(struct net *net, uint32_t from, uint32_t to)
{
    set_cuts(net, from, to, net->cuts[from][to] - (net->cuts[from][to] > 0));
}

void net_place(struct net *net, uint32_t node, uint32_t other, uint64_t distance_us)
{
    net->distance_us[node][other] = distance_us;
    net->distance_us[other][node] = distance_us;
}

void net_narrow(struct net *net, uint32_t from, uint32_t to, uint64_t bytes_per_s)
{
    net->width[from][to] = bytes_per_s;
}

void net_clog(struct net *net, uint32_t from, uint32_t to, uint64_t until_us)
{
    net->clogged_until_us[from][to] = until_us;
}

void net_heal(struct net *net)
{
    net_heal_among(net, UINT64_MAX);
    net->calm = 0;
}

void net_heal_among(struct net *net, uint64_t nodes)
{
    net->calm = nodes;
    for (uint32_t from = 0; from < NET_NODES_MAX; from++) {
        for (uint32_t to = 0; to < NET_NODES_MAX; to++) {
            if (((nodes >> from) & (nodes >> to) & 1) != 0) {
                set_cuts(net, from, to, 0);
                net->clogged_until_us[from][to] = 0;
            }
        }
    }
}

void net_set_options(struct net *net, const struct net_options *options)
{
    net->options = *options;
}
