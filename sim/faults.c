/* faults.c -- the misfortunes of one seed, one after the other.
 *
 * One is drawn, happens, and, where it is not over at once, ends by itself after a while; they
 * overlap as they like. Damage to disks comes to a minority of nodes only, chosen beforehand: what
 * the rest holds must be enough to go on, whatever the damaged make of it. A damaged node may
 * refuse its disk, and then stays down. */
#include "sim/faults.h"

#include <stdlib.h>

#include "base/assert.h"

enum {
    MILLION = 1000000,
    RETRY_US = 20000,
    FOREVER_US = 2000000000,
    CUTS_MAX = 300,         /* In a run. */
    AGAIN_US_MAX = 3000000, /* Who comes and goes does so at least as often. */
    CALLS_MAX = 400         /* To the os, within which a barrier lies. */
};

struct faults {
    struct world *world;
    const struct swarm *swarm;
    struct cluster *cluster;
    struct workload *workload;
    uint32_t rates[NET_NODES_MAX]; /* Of the clocks, in millionths. */
    struct partition cuts[CUTS_MAX];
    uint32_t cut_count;
    uint64_t kept_down; /* Nodes that nobody starts any more; bits. */
    uint64_t flapped;   /* Nodes of which the links are cut now, and will be mended; bits. */
    uint64_t done;
    struct fault_counts counts;
    int is_over;
};

#define FATE_NAME(name, text) [name] = text,
const char *fate_name(enum fate fate)
{
    static const char *const NAMES[FATE_END + 1] = {FATE_MAP(FATE_NAME)[FATE_END] = "none"};
    return NAMES[fate < FATE_END ? fate : FATE_END];
}

static uint32_t draw_node(struct faults *faults)
{
    return (uint32_t)world_below(faults->world, cluster_nodes(faults->cluster));
}

static uint64_t draw_pause(struct faults *faults)
{
    return 1000 + world_below(faults->world, faults->swarm->pause_us_max);
}

/* A node of the minority that may be damaged, or none: NET_NODES_MAX. */
static uint32_t draw_victim(struct faults *faults)
{
    const uint32_t node = draw_node(faults);
    for (uint32_t i = 0; i < cluster_nodes(faults->cluster); i++) {
        const uint32_t candidate = (node + i) % cluster_nodes(faults->cluster);
        if (((faults->swarm->victims >> candidate) & 1) != 0) {
            return candidate;
        }
    }
    return NET_NODES_MAX;
}

/* -- Processes ------------------------------------------------------------------------------ */

static void restart(void *object, uint64_t node)
{
    struct faults *faults = object;
    const int is_kept = ((faults->kept_down >> node) & 1) != 0;
    if (!is_kept && cluster_can_start(faults->cluster, (uint32_t)node) &&
        cluster_violation(faults->cluster) == NULL) {
        cluster_start(faults->cluster, (uint32_t)node);
    }
}

static void on_death(void *context, uint32_t node)
{
    struct faults *faults = context;
    workload_on_kill(faults->workload, node);
}

static void on_down(void *context, uint32_t node)
{
    struct faults *faults = context;
    world_after(faults->world, faults->is_over ? RETRY_US : draw_pause(faults), restart, faults,
                node);
}

static const struct cluster_events EVENTS = {.on_death = on_death, .on_down = on_down};

static int kill(struct faults *faults, uint32_t node)
{
    if (!cluster_is_up(faults->cluster, node)) {
        return 0;
    }
    cluster_kill(faults->cluster, node, world_chance(faults->world, 2, 3));
    on_death(faults, node);
    on_down(faults, node);
    return 1;
}

static int kill_all(struct faults *faults)
{
    int count = 0;
    for (uint32_t node = 0; node < cluster_nodes(faults->cluster); node++) {
        count += kill(faults, node);
    }
    return count;
}

static uint32_t leader_or(struct faults *faults, uint32_t otherwise)
{
    for (uint32_t node = 0; node < cluster_nodes(faults->cluster); node++) {
        struct replica_status status;
        if (cluster_is_up(faults->cluster, node)) {
            replica_status(cluster_replica(faults->cluster, node), &status);
            if (status.is_leader) {
                return node;
            }
        }
    }
    return otherwise;
}

static int kill_at_barrier(struct faults *faults)
{
    const uint32_t node = draw_node(faults);
    const uint64_t calls = 1 + world_below(faults->world, CALLS_MAX);
    const int has_power_cut = world_chance(faults->world, 1, 2);
    if (!cluster_is_up(faults->cluster, node)) {
        return 0;
    }
    cluster_kill_at(faults->cluster, node, calls, has_power_cut);
    return 1;
}

static int stop(struct faults *faults)
{
    const uint32_t node = draw_node(faults);
    if (!cluster_is_up(faults->cluster, node)) {
        return 0;
    }
    cluster_stop(faults->cluster, node);
    return 1;
}

static int pause_one(struct faults *faults)
{
    const uint32_t node = draw_node(faults);
    const uint64_t duration = draw_pause(faults);
    if (!cluster_is_up(faults->cluster, node)) {
        return 0;
    }
    cluster_pause(faults->cluster, node, duration);
    return 1;
}

/* -- Clocks --------------------------------------------------------------------------------- */

static int jump(struct faults *faults)
{
    const uint32_t node = draw_node(faults);
    cluster_set_clock(faults->cluster, node, faults->rates[node], draw_pause(faults));
    return 1;
}

static void thaw(void *object, uint64_t node)
{
    struct faults *faults = object;
    cluster_set_clock(faults->cluster, (uint32_t)node, faults->rates[node], 0);
}

static int freeze(struct faults *faults)
{
    const uint32_t node = draw_node(faults);
    cluster_set_clock(faults->cluster, node, 0, 0);
    world_after(faults->world, draw_pause(faults), thaw, faults, node);
    return 1;
}

/* -- The network ---------------------------------------------------------------------------- */

/* What others have cut stays so. */
static void mend(void *object, uint64_t index)
{
    struct faults *faults = object;
    if (!faults->is_over) {
        partition_mend(&faults->cuts[index], cluster_net(faults->cluster));
    }
}

static int cut(struct faults *faults)
{
    const uint32_t nodes = cluster_nodes(faults->cluster);
    if (nodes == 1 || faults->cut_count == CUTS_MAX) {
        return 0;
    }
    struct partition partition = {
        .shape = (enum partition_shape)(1 + world_below(faults->world, PARTITION_END - 1)),
        .nodes = nodes,
        .centre = draw_node(faults),
        .side = prng_next(&faults->world->prng),
    };
    if (world_chance(faults->world, 1, 2)) {
        partition.centre = leader_or(faults, partition.centre);
    }
    partition.other =
        (partition.centre + 1 + (uint32_t)world_below(faults->world, nodes - 1)) % nodes;
    world_trace(faults->world, "cut", partition.shape, partition.centre);
    const uint32_t links = partition_apply(&partition, cluster_net(faults->cluster));
    faults->counts.shapes[partition.shape] += links > 0; /* Among few nodes some cut nothing. */
    faults->cuts[faults->cut_count] = partition;
    world_after(faults->world, draw_pause(faults), mend, faults, faults->cut_count++);
    return 1;
}

static int clog_link(struct faults *faults)
{
    const uint32_t from = draw_node(faults);
    const uint32_t to = draw_node(faults);
    const uint64_t until = faults->world->now_us + draw_pause(faults);
    world_trace(faults->world, "clog", from, to);
    net_clog(cluster_net(faults->cluster), from, to, until);
    return from != to;
}

static int break_streams(struct faults *faults)
{
    const uint32_t node = draw_node(faults);
    const uint32_t leader = leader_or(faults, draw_node(faults));
    const uint32_t other = world_chance(faults->world, 1, 2) ? leader : draw_node(faults);
    world_trace(faults->world, "break", node, other);
    return net_break(cluster_net(faults->cluster), node, other) > 0;
}

/* -- Disks ---------------------------------------------------------------------------------- */

static void relieve(void *object, uint64_t node)
{
    struct faults *faults = object;
    cluster_set_trouble(faults->cluster, (uint32_t)node, &(struct os_sim_trouble){0});
}

static int trouble(struct faults *faults, enum fault fault)
{
    const uint32_t node = fault == FAULT_WRITE_ERROR ? draw_victim(faults) : draw_node(faults);
    const uint32_t ppm = 1000u << world_below(faults->world, 10);
    const int is_tight = fault == FAULT_FULL && world_chance(faults->world, 1, 2);
    const struct os_sim_trouble trouble = {
        .read_ppm = fault == FAULT_READ_ERROR ? ppm : 0,
        .write_ppm = fault == FAULT_WRITE_ERROR ? ppm : 0,
        .is_full = fault == FAULT_FULL && !is_tight,
        .is_tight = is_tight,
    };
    if (node >= cluster_nodes(faults->cluster) ||
        (fault == FAULT_WRITE_ERROR && !cluster_is_founded(faults->cluster))) {
        return 0;
    }
    cluster_set_trouble(faults->cluster, node, &trouble);
    world_after(faults->world, draw_pause(faults), relieve, faults, node);
    return 1;
}

static int damage(struct faults *faults, enum disk_damage damage)
{
    const uint32_t node = draw_victim(faults);
    if (node >= cluster_nodes(faults->cluster)) {
        return 0;
    }
    const int was_up = cluster_is_up(faults->cluster, node);
    const int is_done = cluster_damage(faults->cluster, node, damage);
    if (was_up && !cluster_is_up(faults->cluster, node)) {
        on_death(faults, node);
        on_down(faults, node);
    }
    return is_done;
}

/* -- One after the other -------------------------------------------------------------------- */

static int happen(struct faults *faults, enum fault fault)
{
    switch (fault) {
    case FAULT_KILL:
        return kill(faults, draw_node(faults));
    case FAULT_KILL_ALL:
        return kill_all(faults) > 0;
    case FAULT_KILL_LEADER:
        return kill(faults, leader_or(faults, draw_node(faults)));
    case FAULT_BARRIER:
        return kill_at_barrier(faults);
    case FAULT_STOP:
        return stop(faults);
    case FAULT_PAUSE:
        return pause_one(faults);
    case FAULT_JUMP:
        return jump(faults);
    case FAULT_FREEZE:
        return freeze(faults);
    case FAULT_CUT:
        return cut(faults);
    case FAULT_CLOG:
        return clog_link(faults);
    case FAULT_BREAK:
        return break_streams(faults);
    case FAULT_READ_ERROR:
    case FAULT_WRITE_ERROR:
    case FAULT_FULL:
        return trouble(faults, fault);
    case FAULT_ROT:
        return damage(faults, DISK_ROT);
    case FAULT_STALE:
        return damage(faults, DISK_STALE);
    case FAULT_MISPLACED:
        return damage(faults, DISK_MISPLACED);
    default:
        assert(fault == FAULT_WIPE);
        return damage(faults, DISK_WIPED);
    }
}

static enum fault draw_misfortune(struct faults *faults)
{
    enum fault kinds[FAULT_END];
    uint32_t count = 0;
    for (uint32_t i = FAULT_FIRST_MISFORTUNE; i < FAULT_END; i++) {
        if (swarm_has(faults->swarm, (enum fault)i)) {
            kinds[count++] = (enum fault)i;
        }
    }
    return count == 0 ? FAULT_NONE : kinds[world_below(faults->world, count)];
}

static void misfortune(void *object, uint64_t argument)
{
    struct faults *faults = object;
    (void)argument;
    if (faults->is_over || faults->done >= faults->swarm->misfortunes) {
        return;
    }
    const enum fault fault = draw_misfortune(faults);
    if (fault == FAULT_NONE) {
        return;
    }
    if (happen(faults, fault)) {
        faults->counts.kinds[fault]++;
        faults->done++;
    }
    world_after(faults->world, world_below(faults->world, 2 * faults->swarm->fault_us_mean),
                misfortune, faults, 0);
}

/* -- Beginning and end ---------------------------------------------------------------------- */

struct faults *faults_new(struct world *world, const struct swarm *swarm, struct cluster *cluster,
                          struct workload *workload)
{
    struct faults *faults = world_allocate(sizeof *faults);
    faults->world = world;
    faults->swarm = swarm;
    faults->cluster = cluster;
    faults->workload = workload;
    for (uint32_t node = 0; node < cluster_nodes(cluster); node++) {
        faults->rates[node] =
            MILLION - swarm->drift_ppm + (uint32_t)world_below(world, 2 * swarm->drift_ppm + 1);
        cluster_set_clock(cluster, node, faults->rates[node], 0);
    }
    cluster_set_events(cluster, &EVENTS, faults);
    return faults;
}

void faults_free(struct faults *faults)
{
    free(faults);
}

void faults_start(struct faults *faults)
{
    for (uint32_t i = FAULT_NONE + 1; i < FAULT_FIRST_MISFORTUNE; i++) {
        faults->counts.kinds[i] += (uint32_t)swarm_has(faults->swarm, (enum fault)i);
    }
    world_after(faults->world, world_below(faults->world, 2 * faults->swarm->fault_us_mean),
                misfortune, faults, 0);
}

/* Its clock may be off still: by as much as they are off at any time. */
static void set_right(struct faults *faults, uint32_t node)
{
    cluster_calm_node(faults->cluster, node);
    cluster_set_clock(faults->cluster, node, faults->rates[node], 0);
    restart(faults, node);
}

void faults_end(struct faults *faults)
{
    faults->is_over = 1;
    faults->kept_down = 0;
    cluster_calm(faults->cluster);
    for (uint32_t node = 0; node < cluster_nodes(faults->cluster); node++) {
        faults->rates[node] = MILLION;
        set_right(faults, node);
    }
}

static int is_condemned(const struct faults *faults, uint64_t node)
{
    return ((faults->kept_down >> node) & 1) != 0;
}

/* It dies, and is started, and dies, as long as it is condemned. */
static void die_again(void *object, uint64_t node)
{
    struct faults *faults = object;
    if (!is_condemned(faults, node) || cluster_violation(faults->cluster) != NULL) {
        return;
    }
    if (!kill(faults, (uint32_t)node) && cluster_can_start(faults->cluster, (uint32_t)node)) {
        cluster_start(faults->cluster, (uint32_t)node);
    }
    world_after(faults->world, 1000 + world_below(faults->world, AGAIN_US_MAX), die_again, faults,
                node);
}

/* Its links are cut, and mended, and cut. */
static void flap(void *object, uint64_t node)
{
    struct faults *faults = object;
    if (!is_condemned(faults, node)) {
        return;
    }
    faults->flapped ^= (uint64_t)1 << node;
    const int is_cut = ((faults->flapped >> node) & 1) != 0;
    for (uint32_t other = 0; other < cluster_nodes(faults->cluster); other++) {
        (is_cut ? net_cut : net_mend)(cluster_net(faults->cluster), (uint32_t)node, other);
        (is_cut ? net_cut : net_mend)(cluster_net(faults->cluster), other, (uint32_t)node);
    }
    world_after(faults->world, 1000 + world_below(faults->world, AGAIN_US_MAX), flap, faults, node);
}

/* Of the quorum, whoever is first from a place that chance draws. */
static uint32_t draw_one_of(struct faults *faults, uint64_t quorum)
{
    const uint32_t nodes = cluster_nodes(faults->cluster);
    uint32_t node = (uint32_t)world_below(faults->world, nodes);
    while (((quorum >> node) & 1) == 0) {
        node = (node + 1) % nodes;
    }
    return node;
}

static void cut_from(struct faults *faults, uint32_t node, uint64_t others, enum fate fate)
{
    struct net *net = cluster_net(faults->cluster);
    for (uint32_t other = 0; other < cluster_nodes(faults->cluster); other++) {
        if (((others >> other) & 1) != 0 && fate != FATE_DEAF) {
            net_cut(net, node, other);
        }
        if (((others >> other) & 1) != 0 && fate != FATE_UNHEARD) {
            net_cut(net, other, node);
        }
    }
}

/* Returns 0 if that could not happen to it: it was down already. */
static int befall(struct faults *faults, uint32_t node, uint64_t quorum, enum fate fate)
{
    const int was_up = cluster_is_up(faults->cluster, node);
    switch (fate) {
    case FATE_DEAD:
        return kill(faults, node);
    case FATE_PAUSED:
        if (was_up) {
            cluster_pause(faults->cluster, node, FOREVER_US);
        }
        return was_up;
    case FATE_SLOW_CLOCK:
        cluster_set_clock(faults->cluster, node, MILLION / 4, 0);
        break;
    case FATE_DYING:
        die_again(faults, node);
        break;
    case FATE_FLAPPING:
        flap(faults, node);
        break;
    case FATE_HANGING_ON:
        cut_from(faults, node, quorum & ~(UINT64_C(1) << draw_one_of(faults, quorum)), fate);
        break;
    default:
        cut_from(faults, node, quorum, fate);
        break;
    }
    return 1;
}

/* What is outside of the quorum goes wrong for good, in one way or another. */
static void condemn(struct faults *faults, uint32_t node, uint64_t quorum)
{
    const enum fate fate = (enum fate)world_below(faults->world, FATE_END);
    faults->kept_down |= (uint64_t)1 << node;
    world_trace(faults->world, "condemn", node, fate);
    faults->counts.fates[fate] += (uint32_t)befall(faults, node, quorum, fate);
}

void faults_heal_quorum(struct faults *faults, uint64_t quorum)
{
    faults->is_over = 1;
    net_heal_among(cluster_net(faults->cluster), quorum);
    for (uint32_t node = 0; node < cluster_nodes(faults->cluster); node++) {
        if (((quorum >> node) & 1) == 0) {
            condemn(faults, node, quorum);
        }
    }
    for (uint32_t node = 0; node < cluster_nodes(faults->cluster); node++) {
        if (((quorum >> node) & 1) != 0) {
            set_right(faults, node);
        }
    }
}

const struct fault_counts *faults_counts(const struct faults *faults)
{
    return &faults->counts;
}
