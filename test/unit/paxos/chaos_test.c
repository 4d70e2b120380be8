/* chaos_test.c -- thousands of short lives of small clusters, with everything going wrong.
 *
 * Each seed draws a cluster with tiny limits (a window of 2 to 8 slots, messages of 1 to 8
 * entries), then some hundred strokes of fate: messages arrive in any order, twice or never,
 * disks lag, members crash and come back with what was durable, links break in one direction or
 * both. The cluster (test/lib/cluster.h) checks safety after each step. At the end some quorum
 * is healed, all other faults become permanent, and what is left must make progress. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "cluster.h"
#include "test.h"

enum {
    STROKES = 400,
    PATIENCE_MS = 60000,
    MORE_SLOTS = 3
};

/* Written before the seed is played: a signal handler may not print numbers. */
static char present_seed[80];

static void say_seed(int signal_number)
{
    (void)!write(STDERR_FILENO, present_seed, strlen(present_seed));
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

/* What a seed does, and how often: faults of one kind hide those of another, so each seed has
 * its own mixture, and some kinds it has not at all. */
struct chaos {
    struct cluster cluster;
    struct prng prng;
    uint64_t value;
    uint32_t count;
    uint32_t lose;   /* Of 100 messages. */
    uint32_t repeat; /* Of 100 messages. */
    uint32_t crash;  /* Of 1000 strokes; and so on. */
    uint32_t cut;
    uint32_t slow;
    uint32_t snapshot;
    uint32_t silence; /* Long enough for time-outs. */
};

static uint32_t below(struct chaos *chaos, uint32_t limit)
{
    return (uint32_t)prng_below(&chaos->prng, limit);
}

static void draw_cluster(struct chaos *chaos, uint64_t seed)
{
    static const uint32_t sizes[] = {1, 2, 3, 3, 3, 3, 4, 5, 5, 7};
    struct synod_options options;
    synod_options_init(&options);
    chaos->prng = (struct prng){.state = seed};
    chaos->value = 0;
    chaos->count = sizes[below(chaos, sizeof sizes / sizeof *sizes)];
    options.self = 1;
    options.seed = prng_next(&chaos->prng);
    options.members.count = chaos->count;
    for (uint32_t i = 0; i < chaos->count; i++) {
        options.members.ids[i] = i + 1;
    }
    options.members.phase1 = chaos->count / 2 + 1;
    options.members.phase2 = chaos->count / 2 + 1;
    if (below(chaos, 4) == 0) {
        options.members.phase2 = 1 + below(chaos, chaos->count);
        options.members.phase1 = chaos->count - options.members.phase2 + 1;
    }
    options.window = 2u << below(chaos, 3);
    options.pipeline_max = 1 + below(chaos, options.window / 2);
    options.entries_max = 1 + below(chaos, CLUSTER_ENTRIES_MAX);
    options.message_bytes_max = 20 + below(chaos, 100);
    options.reads_max = 1 + below(chaos, 4);
    chaos->lose = below(chaos, 2) * below(chaos, 15);
    chaos->repeat = below(chaos, 2) * below(chaos, 20);
    chaos->crash = below(chaos, 3) * below(chaos, 20);
    chaos->cut = below(chaos, 2) * below(chaos, 40);
    chaos->slow = below(chaos, 2) * below(chaos, 30);
    chaos->snapshot = below(chaos, 2) * below(chaos, 40);
    chaos->silence = below(chaos, 2) * below(chaos, 30);
    cluster_init(&chaos->cluster, &options);
    for (uint32_t i = 0; i < chaos->count; i++) {
        cluster_start(&chaos->cluster, i);
    }
}

/* -- Strokes of fate ---------------------------------------------------------------------- */

/* A message in the order of chance. Heartbeats are many, and say little: mostly another. */
static uint32_t draw_packet(struct chaos *chaos)
{
    const struct cluster *c = &chaos->cluster;
    uint32_t packet = below(chaos, c->packet_count);
    for (uint32_t i = 0; i < 3 && c->packets[packet].message.type >= SYNOD_MESSAGE_ASK; i++) {
        packet = below(chaos, c->packet_count);
    }
    return packet;
}

static void deliver_some(struct chaos *chaos, uint32_t count)
{
    struct cluster *c = &chaos->cluster;
    for (uint32_t i = 0; i < count && c->packet_count > 0; i++) {
        const uint32_t packet = draw_packet(chaos);
        const int is_own = c->packets[packet].message.from == c->packets[packet].message.to;
        if (c->packets[packet].is_held) {
            continue;
        }
        if (!is_own && below(chaos, 100) < chaos->lose) {
            cluster_lose(c, packet);
        } else {
            cluster_deliver(c, packet, !is_own && below(chaos, 100) < chaos->repeat);
        }
    }
}

static void pass_time(struct chaos *chaos, uint32_t limit_ms)
{
    struct cluster *c = &chaos->cluster;
    c->now_ms += below(chaos, limit_ms);
    for (uint32_t i = 0; i < chaos->count; i++) {
        if (c->members[i].core != NULL && below(chaos, 4) != 0) {
            cluster_tick(c, i);
        }
    }
}

static void wish(struct chaos *chaos)
{
    struct cluster *c = &chaos->cluster;
    const int leader = cluster_leader(c);
    const uint32_t member =
        leader >= 0 && below(chaos, 4) != 0 ? (uint32_t)leader : below(chaos, chaos->count);
    for (uint32_t i = 1 + below(chaos, 3); i > 0 && c->members[member].core != NULL; i--) {
        if (below(chaos, 3) == 0) {
            (void)cluster_read(c, member);
        } else {
            (void)cluster_propose(c, member, ++chaos->value, below(chaos, 2));
        }
    }
}

static void report_link(struct chaos *chaos, uint32_t member, uint32_t other, int is_up)
{
    struct cluster *c = &chaos->cluster;
    if (c->members[member].core != NULL && member != other) {
        (void)cluster_step(
            c, member,
            (struct synod_event){.type = is_up ? SYNOD_EVENT_CONNECTED : SYNOD_EVENT_DISCONNECTED,
                                 .member = other + 1});
    }
}

static void crash(struct chaos *chaos, uint32_t member)
{
    struct cluster *c = &chaos->cluster;
    cluster_flush(c, member, below(chaos, 4));
    cluster_crash(c, member);
    for (uint32_t i = 0; i < chaos->count; i++) {
        if (below(chaos, 2) == 0) {
            report_link(chaos, i, member, 0);
        }
    }
}

/* Break or mend one direction of one link, or mend all of a member's. */
static void change_link(struct chaos *chaos, uint32_t member)
{
    struct cluster *c = &chaos->cluster;
    const uint32_t other = below(chaos, chaos->count);
    if (other == member || below(chaos, 4) == 0) {
        c->cut[member] = 0;
        return;
    }
    c->cut[member] ^= 1u << other;
    if (below(chaos, 2) == 0) {
        report_link(chaos, member, other, (c->cut[member] & 1u << other) == 0);
    }
}

static void strike_faults(struct chaos *chaos)
{
    struct cluster *c = &chaos->cluster;
    const uint32_t member = below(chaos, chaos->count);
    const int is_up = c->members[member].core != NULL;
    if (!is_up && below(chaos, 20) == 0) {
        cluster_start(c, member);
    } else if (is_up && below(chaos, 1000) < chaos->crash) {
        crash(chaos, member);
    }
    if (below(chaos, 1000) < chaos->cut) {
        change_link(chaos, member);
    }
    if (below(chaos, 1000) < chaos->slow) {
        c->is_disk_slow ^= 1u << member;
    }
    if (c->members[member].core != NULL && below(chaos, 1000) < chaos->snapshot) {
        cluster_snapshot(c, member);
    }
    if (below(chaos, 1000) < chaos->silence) {
        pass_time(chaos, 1500);
    }
}

static void strike(struct chaos *chaos)
{
    const uint32_t stroke = below(chaos, 100);
    strike_faults(chaos);
    if (stroke < 60) {
        deliver_some(chaos, 1 + below(chaos, 3 * chaos->count));
    } else if (stroke < 75) {
        pass_time(chaos, 30);
    } else if (stroke < 90) {
        wish(chaos);
    } else {
        const uint32_t member = below(chaos, chaos->count);
        if (chaos->cluster.members[member].core != NULL) {
            cluster_flush(&chaos->cluster, member, below(chaos, 5));
        }
    }
}

/* -- Liveness ----------------------------------------------------------------------------- */

/* Draw a set of members that is a quorum of both phases; everybody, half of the times. */
static uint32_t draw_quorum(struct chaos *chaos)
{
    const struct synod_members *members = &chaos->cluster.options.members;
    const uint32_t needed = members->phase1 > members->phase2 ? members->phase1 : members->phase2;
    uint32_t quorum = (1u << chaos->count) - 1;
    if (below(chaos, 2) == 0) {
        return quorum;
    }
    for (uint32_t left = chaos->count; left > needed;) {
        const uint32_t member = below(chaos, chaos->count);
        left -= (quorum & 1u << member) != 0;
        quorum &= ~(1u << member);
    }
    return quorum;
}

/* Heal the quorum; whatever else is broken stays so, and breaks at random once more. */
static void heal(struct chaos *chaos, uint32_t quorum)
{
    struct cluster *c = &chaos->cluster;
    c->is_disk_slow = 0;
    for (uint32_t i = 0; i < chaos->count; i++) {
        if ((quorum & 1u << i) != 0) {
            c->cut[i] &= ~quorum;
        } else if (below(chaos, 3) != 0) {
            c->cut[i] ^= below(chaos, 1u << chaos->count);
        }
        c->cut[i] &= ~(1u << i);
        const int should_be_up = (quorum & 1u << i) != 0 || below(chaos, 2) == 0;
        if (c->members[i].core == NULL && should_be_up) {
            cluster_start(c, i);
        }
        if (c->members[i].core != NULL) {
            cluster_flush(c, i, UINT32_MAX);
        }
    }
    for (uint32_t i = 0; i < chaos->count; i++) {
        report_link(chaos, i, below(chaos, chaos->count), 1);
    }
}

static int have_all_applied(const struct chaos *chaos, uint32_t quorum, synod_slot slot)
{
    for (uint32_t i = 0; i < chaos->count; i++) {
        if ((quorum & 1u << i) != 0 && chaos->cluster.members[i].applied < slot) {
            return 0;
        }
    }
    return 1;
}

static int is_answered(const struct cluster_member *m, uint64_t id)
{
    for (uint32_t i = 0; i < CLUSTER_READS_MAX; i++) {
        if (m->reads[i].id == id && m->reads[i].is_answered) {
            return 1;
        }
    }
    return 0;
}

static void say_stuck(const struct chaos *chaos, uint32_t quorum)
{
    const struct cluster *c = &chaos->cluster;
    fprintf(stderr, "no progress: %u members, healed %x, applied %llu\n", chaos->count, quorum,
            (unsigned long long)c->applied);
    for (uint32_t i = 0; i < chaos->count; i++) {
        if (c->members[i].core != NULL) {
            struct synod_status s;
            synod_core_status(c->members[i].core, &s);
            fprintf(stderr,
                    "  %u: role %d promised %llu.%llu leader %llu.%llu chosen %llu last %llu "
                    "hears %u in flight %u why %s, reaches all but %x\n",
                    i + 1, (int)s.role, (unsigned long long)s.promised.round,
                    (unsigned long long)s.promised.member, (unsigned long long)s.leader.round,
                    (unsigned long long)s.leader.member, (unsigned long long)s.chosen,
                    (unsigned long long)s.last, s.hears, s.in_flight, synod_why_text(s.why),
                    c->cut[i]);
        }
    }
}

static void demand_progress(struct chaos *chaos)
{
    struct cluster *c = &chaos->cluster;
    const uint32_t quorum = draw_quorum(chaos);
    heal(chaos, quorum);
    const synod_slot target = c->applied + MORE_SLOTS;
    const uint64_t deadline = c->now_ms + PATIENCE_MS;
    int is_read = 0;
    while (!is_read || !have_all_applied(chaos, quorum, target)) {
        if (c->now_ms >= deadline) {
            say_stuck(chaos, quorum);
        }
        assert(c->now_ms < deadline);
        const int leader = cluster_leader(c);
        uint64_t read = 0;
        if (leader >= 0) {
            (void)cluster_propose(c, (uint32_t)leader, ++chaos->value, 0);
            (void)cluster_read(c, (uint32_t)leader);
            read = c->members[leader].read_count;
        }
        cluster_run(c, c->now_ms + 50);
        is_read = is_read || (leader >= 0 && is_answered(&c->members[leader], read));
    }
}

/* Returns the slots that were applied. */
static synod_slot run_seed(uint64_t seed)
{
    struct chaos chaos;
    (void)snprintf(present_seed, sizeof present_seed, "chaos: the seed is SEED=%llu\n",
                   (unsigned long long)seed);
    draw_cluster(&chaos, seed);
    for (uint32_t i = 0; i < STROKES; i++) {
        strike(&chaos);
    }
    const synod_slot applied = chaos.cluster.applied;
    demand_progress(&chaos);
    cluster_deinit(&chaos.cluster);
    return applied;
}

TEST(chaos, breaks_no_rule_and_ends_in_progress)
{
    const char *only = getenv("SEED");
    const char *seeds = getenv("SEEDS");
    const uint64_t count = seeds != NULL ? strtoull(seeds, NULL, 10) : 8000;
    synod_slot applied = 0;
    (void)signal(SIGABRT, say_seed);
    if (only != NULL) {
        (void)run_seed(strtoull(only, NULL, 10));
    } else {
        for (uint64_t seed = 1; seed <= count; seed++) {
            applied += run_seed(seed);
        }
        assert_true(applied > count); /* The strokes leave room for some work. */
    }
    (void)signal(SIGABRT, SIG_DFL);
}
