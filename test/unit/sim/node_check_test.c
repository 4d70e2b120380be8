/* node_check_test.c -- what the explorer holds one member to: each claim is broken by hand, once.
 *
 * The member is b, in its first life, with nothing on its disk; its core is a real one. */
#include <string.h>

#include "paxos/core_internal.h"
#include "sim/explore/claim.h"
#include "sim/explore/node_internal.h"
#include "test.h"

enum {
    A = 0,
    B = 1,
    FIRST_LIFE = 1,
};

struct rig {
    struct world_parts parts;
    struct node_bench *bench;
    struct node_outcome outcome;
};

static void begin(struct rig *rig)
{
    uint32_t count;
    memset(rig, 0, sizeof *rig);
    world_parts_init(&rig->parts, scope_list("ci", &count));
    rig->bench = node_bench_new(&rig->parts);
    rig->bench->outcome = &rig->outcome;
    rig->bench->member = B;
    rig->bench->options = scope_options(rig->parts.scope, B);
    rig->bench->node.lives = FIRST_LIFE;
    assert_non_null(synod_core_init(rig->bench->core, &rig->bench->options));
}

/* Ends the story, which broke that claim, or none. */
static void assert_broken(struct rig *rig, enum claim claim)
{
    const int is_broken = (rig->outcome.flags & NODE_BROKEN) != 0;
    assert_int_equal(is_broken, claim != CLAIM_NONE);
    if (is_broken) {
        assert_string_equal(node_breach(rig->bench)->claim, claim_name(claim));
    }
    node_bench_free(rig->bench);
    world_parts_deinit(&rig->parts);
}

static struct synod_ballot ballot(uint64_t round, uint32_t proposer, uint64_t life)
{
    return (struct synod_ballot){
        .round = round, .member = proposer + 1, .incarnation = life << 32 | 1};
}

static struct synod_entry entry(uint64_t value)
{
    return (struct synod_entry){
        .slot = 1, .view = 1, .kind = SYNOD_ENTRY_VALUE, .size = 8, .checksum = value};
}

static void keep(struct rig *rig, struct node_list *list, struct synod_ballot of, uint64_t value)
{
    const struct synod_record record = {
        .type = value == 0 ? SYNOD_RECORD_PROMISE : SYNOD_RECORD_VOTE,
        .view = 1,
        .ballot = of,
        .entry = value == 0 ? (struct synod_entry){0} : entry(value),
    };
    node_list_append(list, node_record_number(&rig->parts, &record));
}

static void write_record(struct rig *rig, struct synod_ballot of)
{
    const struct synod_record record = {
        .type = SYNOD_RECORD_VOTE, .view = 1, .ballot = of, .entry = entry(7)};
    node_check_record(rig->bench, &record);
}

/* PROMISE with a vote for 7, ACCEPTED of it, or PREPARE. */
static void say(struct rig *rig, uint32_t type, struct synod_ballot of)
{
    struct {
        struct packet packet;
        struct synod_vote vote;
    } room;
    memset(&room, 0, sizeof room);
    room.packet.message.type = type;
    room.packet.message.ballot = of;
    if (type == SYNOD_MESSAGE_PROMISE) {
        room.packet.message.vote_count = 1;
        room.vote = (struct synod_vote){.ballot = ballot(2, A, 1), .entry = entry(7)};
    } else if (type == SYNOD_MESSAGE_ACCEPTED) {
        const struct synod_entry accepted = entry(7);
        room.packet.message.entry_count = 1;
        memcpy(&room.vote, &accepted, sizeof accepted);
    }
    node_check_sent(rig->bench, &room.packet);
}

static void propose(struct rig *rig, struct synod_ballot of, uint64_t value)
{
    const struct synod_entry proposed = entry(value);
    node_check_proposal(rig->bench, of, &proposed);
}

TEST(node, may_write_what_is_not_below_its_promise)
{
    struct rig rig;
    begin(&rig);
    rig.bench->node.told = ballot(3, A, 1);
    write_record(&rig, ballot(3, A, 1));
    assert_broken(&rig, CLAIM_NONE);

    begin(&rig);
    rig.bench->node.told = ballot(3, A, 1);
    write_record(&rig, ballot(2, B, 1));
    assert_broken(&rig, CLAIM_P1A);
}

TEST(node, says_nothing_before_its_disk_holds_it)
{
    struct rig rig;
    begin(&rig);
    keep(&rig, &rig.bench->disk, ballot(2, A, 1), 7);
    keep(&rig, &rig.bench->disk, ballot(3, A, 1), 0);
    say(&rig, SYNOD_MESSAGE_PROMISE, ballot(3, A, 1));
    say(&rig, SYNOD_MESSAGE_ACCEPTED, ballot(2, A, 1));
    assert_broken(&rig, CLAIM_NONE);

    begin(&rig);
    keep(&rig, &rig.bench->disk, ballot(2, A, 1), 7);
    keep(&rig, &rig.bench->pending, ballot(3, A, 1), 0); /* The promise is on its way. */
    say(&rig, SYNOD_MESSAGE_PROMISE, ballot(3, A, 1));
    assert_broken(&rig, CLAIM_DURABLE);

    begin(&rig);
    keep(&rig, &rig.bench->pending, ballot(2, A, 1), 7); /* The vote that is shown is. */
    keep(&rig, &rig.bench->disk, ballot(3, A, 1), 0);
    say(&rig, SYNOD_MESSAGE_PROMISE, ballot(3, A, 1));
    assert_broken(&rig, CLAIM_DURABLE);

    begin(&rig);
    keep(&rig, &rig.bench->disk, ballot(2, A, 1), 0);
    keep(&rig, &rig.bench->pending, ballot(2, A, 1), 7);
    say(&rig, SYNOD_MESSAGE_ACCEPTED, ballot(2, A, 1));
    assert_broken(&rig, CLAIM_DURABLE);

    begin(&rig);
    say(&rig, SYNOD_MESSAGE_PREPARE, ballot(2, B, FIRST_LIFE));
    assert_broken(&rig, CLAIM_DURABLE);
}

TEST(node, has_its_ballots_for_itself_and_for_one_life)
{
    struct rig rig;
    begin(&rig);
    keep(&rig, &rig.bench->disk, ballot(2, B, FIRST_LIFE), 0);
    say(&rig, SYNOD_MESSAGE_PREPARE, ballot(2, B, FIRST_LIFE));
    propose(&rig, ballot(2, B, FIRST_LIFE), 7);
    assert_broken(&rig, CLAIM_NONE);

    begin(&rig);
    rig.bench->node.lives = FIRST_LIFE + 1;
    keep(&rig, &rig.bench->disk, ballot(2, B, FIRST_LIFE), 0);
    say(&rig, SYNOD_MESSAGE_PREPARE, ballot(2, B, FIRST_LIFE));
    assert_broken(&rig, CLAIM_LEADER);

    begin(&rig);
    keep(&rig, &rig.bench->disk, ballot(2, A, FIRST_LIFE), 0);
    propose(&rig, ballot(2, A, FIRST_LIFE), 7);
    assert_broken(&rig, CLAIM_LEADER);
}

TEST(node, proposes_one_value_under_a_ballot_in_a_slot)
{
    struct rig rig;
    begin(&rig);
    propose(&rig, ballot(2, B, FIRST_LIFE), 7);
    propose(&rig, ballot(2, B, FIRST_LIFE), 7);
    propose(&rig, ballot(3, B, FIRST_LIFE), 8);
    assert_broken(&rig, CLAIM_NONE);

    begin(&rig);
    propose(&rig, ballot(2, B, FIRST_LIFE), 7);
    propose(&rig, ballot(2, B, FIRST_LIFE), 8);
    assert_broken(&rig, CLAIM_VALUE);
}

TEST(node, steps_down_when_it_hears_of_a_higher_promise)
{
    const struct synod_ballot own = ballot(2, B, FIRST_LIFE);
    const struct synod_message refused = {
        .type = SYNOD_MESSAGE_REFUSED, .ballot = own, .promised = ballot(3, A, 1)};
    struct rig rig;
    begin(&rig);
    node_check_heard(rig.bench, &refused); /* It follows. */
    assert_broken(&rig, CLAIM_NONE);

    begin(&rig);
    rig.bench->core->proposer.state = PROPOSER_LEADING;
    rig.bench->core->proposer.ballot = own;
    rig.bench->core->election.leader = own;
    node_check_heard(rig.bench, &refused);
    assert_broken(&rig, CLAIM_REFUSED);
}

TEST(node, begins_no_life_with_a_lower_promise)
{
    struct rig rig;
    begin(&rig);
    rig.bench->node.told = ballot(3, A, 1);
    rig.bench->core->acceptor.promised = ballot(3, A, 1);
    node_check_life(rig.bench);
    assert_broken(&rig, CLAIM_NONE);

    begin(&rig);
    rig.bench->node.told = ballot(3, A, 1);
    rig.bench->core->acceptor.promised = ballot(2, A, 1);
    node_check_life(rig.bench);
    assert_broken(&rig, CLAIM_PROMISED);
}

TEST(node, has_no_vote_above_its_promise)
{
    struct rig rig;
    begin(&rig);
    rig.bench->core->acceptor.promised = ballot(2, A, 1);
    keep(&rig, &rig.bench->disk, ballot(2, A, 1), 7);
    node_check_state(rig.bench);
    assert_broken(&rig, CLAIM_NONE);

    begin(&rig);
    rig.bench->core->acceptor.promised = ballot(2, A, 1);
    keep(&rig, &rig.bench->pending, ballot(3, A, 1), 7);
    node_check_state(rig.bench);
    assert_broken(&rig, CLAIM_VOTE);
}

TEST(node, has_applied_no_more_than_it_knows_to_be_chosen)
{
    struct rig rig;
    begin(&rig);
    rig.bench->core->learner.chosen = 1;
    rig.bench->core->learner.last = 1;
    rig.bench->node.applied = 1;
    node_check_state(rig.bench);
    assert_broken(&rig, CLAIM_NONE);

    begin(&rig);
    rig.bench->core->learner.chosen = 1;
    rig.bench->core->learner.last = 1;
    rig.bench->node.applied = 2;
    node_check_state(rig.bench);
    assert_broken(&rig, CLAIM_APPLIED);
}

TEST(node, reads_what_was_applied_when_the_read_began)
{
    const struct synod_read fresh = {.id = 1, .index = 2};
    const struct synod_read stale = {.id = 1, .index = 1};
    struct rig rig;
    begin(&rig);
    rig.bench->node.reads = 1;
    rig.bench->node.read_floors = 2;
    node_check_read(rig.bench, &fresh);
    assert_broken(&rig, CLAIM_NONE);

    begin(&rig);
    rig.bench->node.reads = 1;
    rig.bench->node.read_floors = 2;
    node_check_read(rig.bench, &stale);
    assert_broken(&rig, CLAIM_READ);
}

/* -- Whole steps ---------------------------------------------------------------------------- */

/* The member in its first life, with that on its disk. */
static uint32_t node_with(struct rig *rig, const struct synod_record *on_disk)
{
    const uint16_t number = (uint16_t)node_record_number(&rig->parts, on_disk);
    node_step(rig->bench, B, node_first(&rig->parts, B), (struct node_event){.type = NODE_BEGIN},
              &rig->outcome);
    assert_int_equal(rig->outcome.flags, 0);
    struct node node = *node_at(&rig->parts, rig->outcome.node);
    node.disk = pool_enter(&rig->parts.lists, &number, sizeof number);
    return pool_enter(&rig->parts.nodes, &node, sizeof node);
}

static void step(struct rig *rig, uint32_t node, enum node_event_type type, uint32_t argument)
{
    node_step(rig->bench, B, node, (struct node_event){type, argument}, &rig->outcome);
}

static uint32_t learn_message(struct rig *rig, uint64_t value)
{
    struct {
        struct packet packet;
        struct synod_entry entry;
    } room;
    memset(&room, 0, sizeof room);
    room.packet.message.type = SYNOD_MESSAGE_LEARN;
    room.packet.message.from = A + 1;
    room.packet.message.to = B + 1;
    room.packet.message.view = 1;
    room.packet.message.chosen = 2;
    room.packet.message.entry_count = 1;
    room.entry = entry(value);
    room.entry.slot = 2;
    return pool_enter(&rig->parts.messages, &room, sizeof room);
}

TEST(node, reads_its_disk_again)
{
    struct synod_record learned = {.type = SYNOD_RECORD_LEARNED, .view = 1, .entry = entry(7)};
    struct rig rig;
    begin(&rig);
    step(&rig, node_with(&rig, &learned), NODE_CRASH, 0);
    assert_broken(&rig, CLAIM_NONE);

    learned.entry.slot = 100; /* Far beyond its window. */
    begin(&rig);
    step(&rig, node_with(&rig, &learned), NODE_CRASH, 0);
    assert_broken(&rig, CLAIM_RESTORE);
}

/* In the second slot: what it has delivered, it does not compare any more. */
TEST(node, hears_of_no_other_value_than_it_knows)
{
    struct synod_record learned = {.type = SYNOD_RECORD_LEARNED, .view = 1, .entry = entry(7)};
    struct rig rig;
    learned.entry.slot = 2;
    begin(&rig);
    step(&rig, node_with(&rig, &learned), NODE_CRASH, 0);
    step(&rig, rig.outcome.node, NODE_MESSAGE, learn_message(&rig, 7));
    assert_broken(&rig, CLAIM_NONE);

    begin(&rig);
    step(&rig, node_with(&rig, &learned), NODE_CRASH, 0);
    step(&rig, rig.outcome.node, NODE_MESSAGE, learn_message(&rig, 8));
    assert_broken(&rig, CLAIM_P2);
}

TEST(node, is_held_to_what_its_core_asserts)
{
    const struct synod_record learned = {
        .type = SYNOD_RECORD_LEARNED, .view = 1, .entry = entry(7)};
    struct rig rig;
    begin(&rig);
    struct node node = *node_at(&rig.parts, node_with(&rig, &learned));
    const struct bytes core = pool_at(&rig.parts.cores, node.core);
    memcpy(rig.bench->core, core.data, core.size);
    rig.bench->core->proposer.state = PROPOSER_LEADING; /* Of no ballot. */
    node.core = pool_enter(&rig.parts.cores, rig.bench->core, core.size);
    step(&rig, pool_enter(&rig.parts.nodes, &node, sizeof node), NODE_TIMEOUT, 0);
    assert_broken(&rig, CLAIM_ASSERTED);
}
