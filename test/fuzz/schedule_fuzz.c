/* schedule_fuzz.c -- honest members, and an input that is their fate.
 *
 * The input chooses the cluster's limits and then, stroke by stroke, which message arrives, is
 * lost or comes twice, which disk finishes, who crashes, comes back, proposes and reads. After
 * each step the cluster and its judge (test/lib/cluster.h) check every rule of Paxos.
 *
 * Options   u8 members, u8 window, u8 entries in a message, u8 bytes in one
 * Stroke    u8: the kind in the low four bits, a member or a number in the others; one byte more
 *           where a message is chosen or time passes */
#include "base/assert.h"
#include "cluster.h"
#include "fuzz.h"

enum {
    STROKES_MAX = 1000,
    PATIENCE_MS = 20
};

struct fate {
    struct feed feed;
    struct cluster cluster;
    uint32_t count;
    uint64_t value;
};

/* -- Strokes ------------------------------------------------------------------------------ */

enum delivery {
    DELIVER_ONCE = 1,
    DELIVER_AND_KEEP,
    DELIVER_NEVER
};

static void deliver(struct fate *fate, enum delivery how)
{
    struct cluster *c = &fate->cluster;
    const uint8_t which = feed_u8(&fate->feed);
    if (c->packet_count == 0) {
        return;
    }
    const uint32_t packet = which % c->packet_count;
    const int is_own = c->packets[packet].message.from == c->packets[packet].message.to;
    if (c->packets[packet].is_held) {
        return;
    }
    if (how == DELIVER_NEVER && !is_own) {
        cluster_lose(c, packet);
    } else {
        cluster_deliver(c, packet, how == DELIVER_AND_KEEP && !is_own);
    }
}

static void pass_time(struct fate *fate, uint32_t member, uint32_t unit_ms)
{
    struct cluster *c = &fate->cluster;
    c->now_ms += feed_u8(&fate->feed) * (uint64_t)unit_ms;
    if (c->members[member].core != NULL) {
        cluster_tick(c, member);
    }
}

/* A link broke, or works again; a link to itself means that the member is asked to stand. */
static void report_link(struct fate *fate, uint32_t member, enum synod_event_type type)
{
    const uint32_t other = feed_u8(&fate->feed) % fate->count;
    if (member == other) {
        (void)cluster_step(&fate->cluster, member, (struct synod_event){.type = SYNOD_EVENT_STAND});
    } else {
        (void)cluster_step(&fate->cluster, member,
                           (struct synod_event){.type = type, .member = other + 1});
    }
}

/* What needs a member that is up. */
static void strike_member(struct fate *fate, uint32_t kind, uint32_t member)
{
    struct cluster *c = &fate->cluster;
    switch (kind) {
    case 6:
        fate->value++;
        (void)cluster_propose(c, member, fate->value, fate->value & 1);
        break;
    case 7:
        (void)cluster_read(c, member);
        break;
    case 8:
        cluster_flush(c, member, 1);
        break;
    case 9:
        cluster_flush(c, member, UINT32_MAX);
        break;
    case 10:
        cluster_crash(c, member);
        break;
    case 11:
        report_link(fate, member, SYNOD_EVENT_CONNECTED);
        break;
    case 12:
        report_link(fate, member, SYNOD_EVENT_DISCONNECTED);
        break;
    default:
        cluster_snapshot(c, member);
    }
}

static void strike(struct fate *fate)
{
    struct cluster *c = &fate->cluster;
    const uint8_t stroke = feed_u8(&fate->feed);
    const uint32_t member = stroke / 16u % fate->count;
    switch (stroke % 16) {
    case 0:
    case 1:
        deliver(fate, DELIVER_ONCE);
        break;
    case 2:
        deliver(fate, stroke >= 128 ? DELIVER_AND_KEEP : DELIVER_NEVER);
        break;
    case 3:
        cluster_deliver_own(c);
        break;
    case 4:
        pass_time(fate, member, stroke >= 128 ? 20 : 1);
        break;
    case 5:
        cluster_run(c, c->now_ms + PATIENCE_MS);
        break;
    case 14:
        c->is_disk_slow ^= 1u << member;
        break;
    case 15:
        c->cut[member] = feed_u8(&fate->feed) & ((1u << fate->count) - 1) & ~(1u << member);
        break;
    default:
        if (c->members[member].core != NULL) {
            strike_member(fate, stroke % 16, member);
        } else {
            cluster_start(c, member);
        }
    }
}

/* -- The cluster -------------------------------------------------------------------------- */

static void begin(struct fate *fate)
{
    static const uint8_t sizes[] = {3, 3, 3, 1, 2, 4, 5};
    struct synod_options options;
    synod_options_init(&options);
    fate->count = sizes[feed_u8(&fate->feed) % sizeof sizes];
    options.self = 1;
    options.seed = 1;
    options.members.count = fate->count;
    for (uint32_t i = 0; i < fate->count; i++) {
        options.members.ids[i] = i + 1;
    }
    options.members.phase1 = options.members.phase2 = fate->count / 2 + 1;
    options.window = 2u << feed_u8(&fate->feed) % 3;
    options.pipeline_max = options.window / 2;
    options.entries_max = 1 + feed_u8(&fate->feed) % CLUSTER_ENTRIES_MAX;
    options.message_bytes_max = 20 + feed_u8(&fate->feed);
    options.reads_max = 2;
    cluster_init(&fate->cluster, &options);
    for (uint32_t i = 0; i < fate->count; i++) {
        cluster_start(&fate->cluster, i);
    }
}

FUZZ(schedule)
{
    struct fate fate = {.feed = {input}};
    begin(&fate);
    for (uint32_t i = 0; i < STROKES_MAX && !feed_is_empty(&fate.feed); i++) {
        strike(&fate);
    }
    cluster_deinit(&fate.cluster);
}
