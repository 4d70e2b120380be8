/* swarm.c -- what a seed is like. */
#include "sim/swarm.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

enum {
    ELECTION_SHARE = 8, /* A way, or a flush, takes so much of an election time-out. */
    CROWD_MIN = 50,     /* Clients that come all at once. */
    CROWD_MORE = 150,
    FAULT_US_MIN = 20000, /* From one misfortune to the next, on average at least. */
    FRAIL_SHARE = 4,      /* One of so many seeds has disks that damage snapshots, too. */
    KEYS_MANY = 64,       /* More than a node of the tree holds. */
    KEYS_MOST = 2000,
    NARROW_BYTES_MIN = 1000000, /* A second. */
    NARROW_BYTES_MAX = 10000000,
    NARROW_BYTES_LEAST = 200000,  /* Within an election time-out. */
    OFTEN_SHARE = 8,              /* One of so many small seeds compares states at each revision. */
    PAST_SHORT = 20,              /* Compactions in a thousand operations, or more. */
    REPORT_EVERY = 64,            /* Revisions. */
    THINKING_US_MAX = 1200000000, /* Of a seed: two thirds of what run.c gives it. */
};

#define FAULT_NAME(name, text) [name] = text,
static const char *const NAMES[] = {[FAULT_NONE] = "none", FAULT_MAP(FAULT_NAME)};

const char *fault_name(enum fault fault)
{
    return fault < FAULT_END ? NAMES[fault] : NAMES[FAULT_NONE];
}

enum fault fault_find(const char *name, size_t length)
{
    for (uint32_t i = FAULT_NONE + 1; i < FAULT_END; i++) {
        if (strlen(NAMES[i]) == length && memcmp(NAMES[i], name, length) == 0) {
            return (enum fault)i;
        }
    }
    return FAULT_NONE;
}

void swarm_describe(uint64_t faults, char *text, size_t size)
{
    size_t at = 0;
    text[0] = 0;
    for (uint32_t i = FAULT_NONE + 1; i < FAULT_END; i++) {
        if ((faults & fault_bit((enum fault)i)) != 0 && at < size) {
            const int length = snprintf(text + at, size - at, "%s%s", at == 0 ? "" : ",", NAMES[i]);
            at += length > 0 ? (size_t)length : 0;
        }
    }
}

/* A number between 1 and `most` of which the logarithm is even: as many small ones as large. */
static uint64_t draw_scale(struct world *world, uint64_t most)
{
    uint32_t bits = 0;
    while ((most >> bits) > 1) {
        bits++;
    }
    const uint64_t top = (uint64_t)2 << world_below(world, bits + 1);
    return 1 + world_below(world, top < most ? top : most);
}

/* One seed in sixteen is spared, one in sixteen gets everything, and of the others each kind
 * comes in every second. */
static uint64_t draw_faults(struct world *world)
{
    const uint64_t kind = world_below(world, 16);
    uint64_t faults = 0;
    for (uint32_t i = FAULT_NONE + 1; i < FAULT_END; i++) {
        const int comes = world_chance(world, 1, 2);
        if (kind == 1 || (kind > 1 && comes)) {
            faults |= fault_bit((enum fault)i);
        }
    }
    return faults;
}

static uint32_t draw_ppm(struct swarm *swarm, struct world *world, enum fault fault, uint32_t most)
{
    const uint32_t ppm = (uint32_t)draw_scale(world, most);
    return swarm_has(swarm, fault) ? ppm : 0;
}

static void draw_net(struct swarm *swarm, struct world *world)
{
    struct net_options *net = &swarm->cluster.net;
    const uint64_t slow = draw_scale(world, 30000);
    const uint64_t late = draw_scale(world, 3000000);
    net->delay_us_min = 50 + world_below(world, 500);
    net->delay_us_max = net->delay_us_min + (swarm_has(swarm, FAULT_SLOW_NET) ? slow : 200);
    net->late_us_max = 20000 + late;
    net->loss_ppm = draw_ppm(swarm, world, FAULT_LOSS, 100000);
    net->repeat_ppm = draw_ppm(swarm, world, FAULT_REPEAT, 300000);
    net->reorder_ppm = draw_ppm(swarm, world, FAULT_REORDER, 300000);
    net->bytes_per_s = NARROW_BYTES_MIN + draw_scale(world, NARROW_BYTES_MAX);
    if (!swarm_has(swarm, FAULT_NARROW)) {
        net->bytes_per_s = 0;
    }
    net->room_bytes = UINT64_C(16384) << world_below(world, 9); /* 16 kB to 4 MB. */
    net->victim = 1 + (uint32_t)world_below(world, SYNOD_MESSAGE_TYPE_END - SYNOD_MESSAGE_PREPARE);
    net->victim_ppm = 50000 + (uint32_t)world_below(world, 500000);
    if (!swarm_has(swarm, FAULT_PICK)) {
        net->victim = 0;
        net->victim_ppm = 0;
    }
}

static void draw_os(struct swarm *swarm, struct world *world)
{
    struct os_sim_options *os = &swarm->cluster.os;
    const uint64_t slow = draw_scale(world, 100000);
    os->turn_us_max = draw_scale(world, 400);
    os->flush_us_min = 20 + world_below(world, 200);
    os->flush_us_max = os->flush_us_min + (swarm_has(swarm, FAULT_SLOW_DISK) ? slow : 300);
    os->stall_ppm = draw_ppm(swarm, world, FAULT_STALL, 5000);
    os->stall_us = 100000 + world_below(world, 5000000);
    os->late_percent = 50 * (uint32_t)world_below(world, 3);
}

static void draw_limits(struct cluster_limits *limits, struct world *world)
{
    limits->snapshot_bytes = UINT64_C(5000) << world_below(world, 8); /* 5 to 640 kB. */
    limits->tail_bytes = world_below(world, 300000);
    limits->cache_bytes = world_below(world, 20000);
    limits->backlog_bytes_max = 500 + draw_scale(world, 1 << 20);
    limits->segment_bytes = 4096u * (uint32_t)(4 + world_below(world, 28));
    limits->pending_max = 2 + (uint32_t)draw_scale(world, 200);
}

static void draw_times(struct swarm *swarm, struct world *world)
{
    struct cluster_options *cluster = &swarm->cluster;
    const uint32_t calm = 40 + (uint32_t)world_below(world, 120);
    /* Each member greets each other: more of them, and nobody would have time for anything else. */
    const uint32_t hasty = (4 + (uint32_t)world_below(world, 40)) * (cluster->nodes + 2) / 4;
    const uint32_t factor = 2 + (uint32_t)world_below(world, 10);
    const uint32_t more = (uint32_t)world_below(world, 20);
    const int has_haste = swarm_has(swarm, FAULT_HASTE);
    cluster->heartbeat_ms = has_haste ? hasty : calm;
    cluster->election_ms = has_haste ? 2 * hasty + more : calm * factor;
    swarm->drift_ppm = draw_ppm(swarm, world, FAULT_DRIFT, 300000);
}

/* A leader must be heard besides the few large values that it sends: docs/PROTOCOL.md. */
static void widen_links(struct swarm *swarm)
{
    uint64_t *width = &swarm->cluster.net.bytes_per_s;
    const uint64_t least = NARROW_BYTES_LEAST * UINT64_C(1000) / swarm->cluster.election_ms;
    *width = *width != 0 && *width < least ? least : *width;
}

/* What is far or slow for good, and yet promised to work. */
static void draw_ways(struct swarm *swarm, struct world *world)
{
    struct cluster_options *cluster = &swarm->cluster;
    const uint64_t most = (uint64_t)cluster->election_ms * 1000 / ELECTION_SHARE;
    const uint64_t far = draw_scale(world, most);
    const uint64_t slow = draw_scale(world, most);
    cluster->lame = (uint32_t)world_below(world, cluster->nodes);
    cluster->distance_us_max = swarm_has(swarm, FAULT_FAR) ? far : 0;
    cluster->lame_us = swarm_has(swarm, FAULT_LAME) ? slow : 0;
}

/* Who is away for a while is many windows behind, or most of one. */
static void draw_window(struct swarm *swarm, struct world *world)
{
    const uint32_t window = 8u << world_below(world, 6);
    swarm->cluster.window = world_chance(world, 1, 2) ? window : 0;
}

/* Where nothing goes wrong nothing may fail: so nothing is so small that members fall behind. */
static void spare(struct swarm *swarm)
{
    if (swarm->faults == 0) {
        swarm->cluster.window = 0;
        swarm->cluster.limits.backlog_bytes_max = 0;
        swarm->cluster.limits.pending_max = 0;
        swarm->cluster.net.room_bytes = 0;
    }
}

/* A few clients that think for long would be at it for an hour. */
static void bound_thinking(struct workload_options *workload)
{
    const uint64_t most = UINT64_C(2) * THINKING_US_MAX * workload->clients / workload->operations;
    workload->think_us_max = workload->think_us_max < most ? workload->think_us_max : most;
}

/* Few keys are fought for; of many the tree of the store has more levels than one. */
static void draw_keys(struct requests_options *requests, struct world *world)
{
    requests->keys = 1 + (uint32_t)world_below(world, 12);
    requests->width = 1 + (uint32_t)world_below(world, 6);
    if (world_chance(world, 1, 4)) {
        requests->keys = KEYS_MANY + (uint32_t)world_below(world, KEYS_MOST);
        requests->width = 1 + (uint32_t)draw_scale(world, KEYS_MANY);
    }
}

/* Never, so that all versions stay, or so often that there is hardly a past. */
static uint32_t draw_compactions(struct world *world)
{
    static const uint32_t PERMILLE[] = {0, 2, 5, 20};
    return PERMILLE[world_below(world, sizeof PERMILLE / sizeof PERMILLE[0])];
}

static void draw_workload(struct swarm *swarm, struct world *world)
{
    struct workload_options *workload = &swarm->workload;
    *workload = (struct workload_options){
        .clients = 1 + (uint32_t)world_below(world, 12),
        .operations = 2000 + (uint32_t)world_below(world, 1000),
        .requests = {.get_percent = 10 + (uint32_t)world_below(world, 50),
                     .delete_percent = (uint32_t)world_below(world, 15),
                     .txn_percent = (uint32_t)world_below(world, 25),
                     .large_permille = (uint32_t)draw_scale(world, 12),
                     .is_plain = world_chance(world, 1, 2)},
    };
    if (!swarm_has(swarm, FAULT_NARROW)) {
        workload->requests.large_permille = 0;
    }
    workload->think_us_max = 20000 + draw_scale(world, 2000000);
    bound_thinking(workload);
    draw_keys(&workload->requests, world);
    workload->requests.compact_permille = draw_compactions(world);
    if (world_chance(world, 1, 32)) {
        workload->clients = CROWD_MIN + (uint32_t)world_below(world, CROWD_MORE);
        workload->think_us_max = draw_scale(world, 1000000);
    }
}

/* So often that 25 to 64 misfortunes are to be expected in the time that the clients need. */
static void draw_misfortunes(struct swarm *swarm, struct world *world)
{
    const struct workload_options *workload = &swarm->workload;
    const uint64_t work_us =
        workload->operations * (workload->think_us_max / 2 + 5000) / workload->clients;
    swarm->fault_us_mean = FAULT_US_MIN + work_us / (25 + world_below(world, 40));
    swarm->pause_us_max = 10000 + draw_scale(world, 8000000);
    swarm->misfortunes = MISFORTUNES_MAX;
    const uint32_t most = (swarm->cluster.nodes - 1) / 2;
    uint32_t count = 0;
    for (uint32_t i = 0; i < swarm->cluster.nodes; i++) {
        const uint32_t node = (uint32_t)world_below(world, swarm->cluster.nodes);
        if (count < most && ((swarm->victims >> node) & 1) == 0) {
            swarm->victims |= (uint64_t)1 << node;
            count++;
        }
    }
}

/* What came later has a stream of its own: so the others' draws are as they were. A state is read
 * whole to be reported: at each revision where it is small, since there are few keys and hardly a
 * past, and seldom where that would take as long as all the rest. */
static void draw_apart(struct swarm *swarm, uint64_t stream)
{
    const struct requests_options *requests = &swarm->workload.requests;
    struct prng prng = {.state = ~stream};
    const int is_small = requests->keys < KEYS_MANY && requests->compact_permille >= PAST_SHORT;
    const int is_often = prng_chance(&prng, 1, OFTEN_SHARE);
    swarm->cluster.report_every = is_small && is_often ? 1 : REPORT_EVERY;
    swarm->cluster.has_frail_snapshots = prng_chance(&prng, 1, FRAIL_SHARE);
}

static void apply_limits(struct swarm *swarm, const struct swarm_limits *limits)
{
    if (limits->clients != 0) {
        swarm->workload.clients = limits->clients;
    }
    if (limits->operations != 0) {
        swarm->workload.operations = limits->operations;
    }
    bound_thinking(&swarm->workload);
    if (limits->misfortunes != 0) {
        swarm->misfortunes = limits->misfortunes;
    }
    if (limits->is_spared) {
        swarm->misfortunes = 0;
    }
}

void swarm_draw(struct swarm *swarm, struct world *world, const struct swarm_limits *limits)
{
    static const uint32_t NODES[] = {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 5, 5, 5, 5, 4, 4, 1, 7, 2, 6, 9};
    const uint64_t stream = world->prng.state;
    *swarm = (struct swarm){0};
    swarm->faults = draw_faults(world) & ~limits->without;
    swarm->cluster.nodes = NODES[world_below(world, sizeof NODES / sizeof NODES[0])];
    if (limits->nodes != 0) {
        swarm->cluster.nodes = limits->nodes;
    }
    assert(swarm->cluster.nodes <= NET_NODES_MAX);
    draw_limits(&swarm->cluster.limits, world);
    swarm->cluster.refit = swarm_has(swarm, FAULT_REFIT) ? draw_limits : NULL;
    draw_net(swarm, world);
    draw_os(swarm, world);
    draw_times(swarm, world);
    widen_links(swarm);
    draw_workload(swarm, world);
    draw_misfortunes(swarm, world);
    draw_window(swarm, world);
    draw_ways(swarm, world);
    draw_apart(swarm, stream);
    spare(swarm);
    apply_limits(swarm, limits);
    world->prng.state ^= (uint64_t)limits->variation << 32;
}
