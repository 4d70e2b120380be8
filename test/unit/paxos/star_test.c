/* star_test.c -- seven members, of whom one alone reaches enough that can vote. */
#include "cluster.h"
#include "rig.h"

enum {
    LEADER, /* Reaches THROUGH and the two that are far behind: a quorum, and no voters. */
    THROUGH,
    BEHIND,
    BEHIND_TOO,
    CENTRE, /* Reaches THROUGH and the two tips: four that can vote. */
    TIP,
    TIP_TOO,
    COUNT,
    WINDOW = 8,
    BEFORE = 20, /* Slots chosen while two were away. */
    SLOWLY_MS = 1500,
    PATIENCE_MS = 60000
};

struct star {
    struct cluster cluster;
    uint64_t delay_ms;    /* Of promises to the centre. */
    uint64_t seen_packet; /* Delayed, as far as they are to be. */
};

static uint32_t all_but(uint32_t reached)
{
    return ((1u << COUNT) - 1) & ~reached;
}

/* What would bring those that are behind up to date is lost: their disks have no room for it. */
static void starve(struct cluster *c)
{
    for (uint32_t i = c->packet_count; i-- > 0;) {
        const struct cluster_packet *packet = &c->packets[i];
        const synod_member_id to = packet->message.to;
        if ((to == BEHIND + 1 || to == BEHIND_TOO + 1) &&
            (packet->is_snapshot || packet->message.type == SYNOD_MESSAGE_LEARN ||
             packet->message.type == SYNOD_MESSAGE_ACCEPT)) {
            cluster_lose(c, i);
        }
    }
}

static void delay_promises(struct star *star)
{
    struct cluster *c = &star->cluster;
    for (uint32_t i = 0; i < c->packet_count; i++) {
        struct cluster_packet *packet = &c->packets[i];
        if (packet->id > star->seen_packet && packet->message.type == SYNOD_MESSAGE_PROMISE &&
            packet->message.to == CENTRE + 1) {
            packet->due_ms += star->delay_ms;
        }
    }
    star->seen_packet = c->next_packet - 1;
}

static void pass(struct star *star, uint64_t until_ms)
{
    struct cluster *c = &star->cluster;
    while (c->now_ms < until_ms) {
        starve(c);
        delay_promises(star);
        cluster_run(c, c->now_ms + 1);
    }
}

static void lead_without_two(struct cluster *c)
{
    for (uint32_t i = 0; i < COUNT; i++) {
        if (i != BEHIND && i != BEHIND_TOO) {
            cluster_start(c, i);
        }
    }
    cluster_run(c, 3000);
    assert_int_equal(cluster_step(c, LEADER, (struct synod_event){.type = SYNOD_EVENT_STAND}), 0);
    cluster_run(c, c->now_ms + 1000);
    assert_int_equal(cluster_leader(c), LEADER);
    for (uint64_t value = 1; value <= BEFORE; value++) {
        assert_true(cluster_propose(c, LEADER, value, 0) > 0);
        cluster_run(c, c->now_ms + 50);
    }
    cluster_run(c, c->now_ms + 1000);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_true(i == BEHIND || i == BEHIND_TOO || c->members[i].applied >= BEFORE);
    }
}

static void leave_a_star(struct cluster *c)
{
    c->cut[LEADER] = all_but(1u << LEADER | 1u << THROUGH | 1u << BEHIND | 1u << BEHIND_TOO);
    c->cut[BEHIND] = c->cut[BEHIND_TOO] = c->cut[LEADER];
    c->cut[CENTRE] = all_but(1u << CENTRE | 1u << THROUGH | 1u << TIP | 1u << TIP_TOO);
    c->cut[THROUGH] = 1u << TIP | 1u << TIP_TOO;
    c->cut[TIP] = all_but(1u << TIP | 1u << CENTRE);
    c->cut[TIP_TOO] = all_but(1u << TIP_TOO | 1u << CENTRE);
    cluster_start(c, BEHIND);
    cluster_start(c, BEHIND_TOO);
}

/* Until the centre leads, and what it proposes is chosen and comes to those that it reaches. */
static int gets_on(struct star *star)
{
    struct cluster *c = &star->cluster;
    const synod_slot target = c->applied + 1;
    const uint64_t deadline = c->now_ms + PATIENCE_MS;
    uint64_t value = 1000;
    while (c->now_ms < deadline) {
        const int leader = cluster_leader(c);
        if (leader >= 0) {
            (void)cluster_propose(c, (uint32_t)leader, ++value, 0);
        }
        pass(star, c->now_ms + 50);
        if (leader == CENTRE && c->members[THROUGH].applied >= target &&
            c->members[TIP].applied >= target && c->members[TIP_TOO].applied >= target) {
            return 1;
        }
    }
    return 0;
}

static int keeps(struct star *star, int leader)
{
    const struct cluster *c = &star->cluster;
    const uint64_t until_ms = c->now_ms + PATIENCE_MS;
    while (c->now_ms < until_ms && cluster_leader(c) == leader) {
        pass(star, c->now_ms + 50);
    }
    return cluster_leader(c) == leader;
}

static void play(uint64_t seed, uint64_t delay_ms)
{
    struct synod_options options;
    struct star star = {.delay_ms = delay_ms};
    synod_options_init(&options);
    options.self = 1;
    options.seed = seed;
    options.window = WINDOW;
    options.pipeline_max = WINDOW / 2;
    options.entries_max = 4;
    options.members.count = COUNT;
    options.members.phase1 = options.members.phase2 = COUNT / 2 + 1;
    for (uint32_t i = 0; i < COUNT; i++) {
        options.members.ids[i] = i + 1;
    }
    cluster_init(&star.cluster, &options);
    lead_without_two(&star.cluster);
    leave_a_star(&star.cluster);
    assert_true(gets_on(&star));
    assert_true(keeps(&star, CENTRE));
    cluster_deinit(&star.cluster);
}

/* Nobody but the centre could lead; it does not hear the leader, and those that the leader hears
 * could not. (Omni-Paxos, section 2: progress needs one that is connected to a quorum.) */
TEST(star, is_led_from_its_centre)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        play(seed, 0);
    }
}

/* Whoever was in the way may stand again, and undo what the centre has got so far: it has to leave
 * it more time each time. */
TEST(star, is_led_from_its_centre_though_promises_take_long)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        play(seed, SLOWLY_MS);
    }
}
