/* claims_test.c -- the explorer's claims about all members: each is broken by hand, once.
 *
 * The story that they start from: b proposed value 7 in slot 1 under ballot 2.b, a and b promised
 * and voted for it, and a has applied it. */
#include <string.h>

#include "sim/explore/claim.h"
#include "sim/explore/claims.h"
#include "test.h"

enum {
    MEMBERS = 3,
    A = 0,
    B = 1,
    C = 2,
};

struct member {
    uint16_t disk[NODE_LIST_MAX];
    uint16_t proposals[NODE_LIST_MAX];
    uint32_t disk_count;
    uint32_t proposal_count;
    uint32_t applied;
    uint8_t value;
};

struct rig {
    struct world_parts parts;
    struct member members[MEMBERS];
    struct violation violation;
};

static struct synod_ballot ballot(uint64_t round, uint32_t proposer)
{
    return (struct synod_ballot){.round = round, .member = proposer + 1, .incarnation = 1};
}

static uint16_t record(struct rig *rig, struct synod_ballot of, uint32_t value)
{
    struct synod_record record;
    memset(&record, 0, sizeof record);
    record.type = value == 0 ? SYNOD_RECORD_PROMISE : SYNOD_RECORD_VOTE;
    record.view = 1;
    record.ballot = of;
    if (value != 0) {
        record.entry.slot = 1;
        record.entry.view = 1;
        record.entry.kind = SYNOD_ENTRY_VALUE;
        record.entry.size = 1;
        record.entry.checksum = value;
    }
    return (uint16_t)pool_enter(&rig->parts.records, &record, sizeof record);
}

static void promise(struct rig *rig, uint32_t member, struct synod_ballot of)
{
    struct member *m = &rig->members[member];
    m->disk[m->disk_count++] = record(rig, of, 0);
}

static void vote(struct rig *rig, uint32_t member, struct synod_ballot of, uint32_t value)
{
    struct member *m = &rig->members[member];
    m->disk[m->disk_count++] = record(rig, of, value);
}

static void propose(struct rig *rig, uint32_t member, struct synod_ballot of, uint32_t value)
{
    struct member *m = &rig->members[member];
    m->proposals[m->proposal_count++] = record(rig, of, value);
}

static void begin(struct rig *rig)
{
    uint32_t count;
    memset(rig, 0, sizeof *rig);
    world_parts_init(&rig->parts, scope_list("ci", &count));
    assert_int_equal(rig->parts.scope->members, MEMBERS);
    promise(rig, A, ballot(2, B));
    promise(rig, B, ballot(2, B));
    propose(rig, B, ballot(2, B), 7);
    vote(rig, A, ballot(2, B), 7);
    vote(rig, B, ballot(2, B), 7);
    rig->members[A].applied = 1;
    rig->members[A].value = 7;
}

/* The claim that the story breaks, or none. Ends it. */
static enum claim broken(struct rig *rig)
{
    struct state state;
    memset(&state, 0, sizeof state);
    for (uint32_t m = 0; m < MEMBERS; m++) {
        const struct member *member = &rig->members[m];
        struct node node;
        memset(&node, 0, sizeof node);
        node.disk =
            pool_enter(&rig->parts.lists, member->disk, member->disk_count * sizeof(uint16_t));
        node.proposals = pool_enter(&rig->parts.lists, member->proposals,
                                    member->proposal_count * sizeof(uint16_t));
        node.forgotten = pool_enter(&rig->parts.lists, NULL, 0);
        node.applied = member->applied;
        node.values[0] = member->value;
        state.nodes[m] = pool_enter(&rig->parts.nodes, &node, sizeof node);
    }
    const int error = claims_check(&rig->parts, &state, &rig->violation);
    assert_int_equal(error, rig->violation.claim == NULL ? 0 : -1);
    world_parts_deinit(&rig->parts);
    for (enum claim claim = CLAIM_NONE + 1; error != 0 && claim < CLAIM_END; claim++) {
        if (strcmp(claim_name(claim), rig->violation.claim) == 0) {
            return claim;
        }
    }
    assert_int_equal(error, 0);
    return CLAIM_NONE;
}

TEST(claims, hold_of_what_paxos_does)
{
    struct rig rig;
    begin(&rig);
    assert_int_equal(broken(&rig), CLAIM_NONE);

    begin(&rig); /* A later ballot found 7, and goes on with it. */
    promise(&rig, A, ballot(3, C));
    promise(&rig, C, ballot(3, C));
    propose(&rig, C, ballot(3, C), 7);
    vote(&rig, C, ballot(3, C), 7);
    assert_int_equal(broken(&rig), CLAIM_NONE);
}

TEST(claims, notice_a_vote_for_what_nobody_proposed)
{
    struct rig rig;
    begin(&rig);
    vote(&rig, C, ballot(2, B), 8);
    assert_int_equal(broken(&rig), CLAIM_PROPOSED);
}

TEST(claims, notice_a_vote_against_what_is_chosen)
{
    struct rig rig;
    begin(&rig);
    promise(&rig, A, ballot(3, C));
    promise(&rig, C, ballot(3, C));
    propose(&rig, C, ballot(3, C), 9);
    vote(&rig, C, ballot(3, C), 9);
    assert_int_equal(broken(&rig), CLAIM_P2A);
}

TEST(claims, notice_a_proposal_against_what_is_chosen)
{
    struct rig rig;
    begin(&rig);
    promise(&rig, A, ballot(3, C));
    promise(&rig, C, ballot(3, C));
    propose(&rig, C, ballot(3, C), 9);
    assert_int_equal(broken(&rig), CLAIM_P2B);
}

TEST(claims, notice_two_values_in_one_slot)
{
    struct rig rig;
    begin(&rig); /* Under a lower ballot, ... */
    propose(&rig, C, ballot(1, C), 9);
    vote(&rig, A, ballot(1, C), 9);
    vote(&rig, C, ballot(1, C), 9);
    assert_int_equal(broken(&rig), CLAIM_P2);

    begin(&rig); /* ... and under the same. */
    propose(&rig, B, ballot(2, B), 9);
    vote(&rig, A, ballot(2, B), 9);
    vote(&rig, C, ballot(2, B), 9);
    assert_int_equal(broken(&rig), CLAIM_P2);
}

TEST(claims, notice_a_proposal_that_no_quorum_has_promised)
{
    struct rig rig;
    begin(&rig);
    promise(&rig, C, ballot(3, C));
    propose(&rig, C, ballot(3, C), 7); /* The right value, by luck. */
    assert_int_equal(broken(&rig), CLAIM_P2C);
}

TEST(claims, notice_a_proposal_that_passes_over_a_vote)
{
    struct rig rig;
    begin(&rig);
    rig.members[B].disk_count--; /* Nothing is chosen yet, ... */
    rig.members[A].applied = 0;
    promise(&rig, A, ballot(3, C));
    promise(&rig, C, ballot(3, C));
    propose(&rig, C, ballot(3, C), 9); /* ... but a shows its vote for 7. */
    assert_int_equal(broken(&rig), CLAIM_P2C);
}

TEST(claims, notice_that_something_is_learned_before_it_is_chosen)
{
    struct rig rig;
    begin(&rig);
    rig.members[B].disk_count--;
    assert_int_equal(broken(&rig), CLAIM_LEARNED);

    begin(&rig); /* Nobody has proposed it, even. */
    rig.members[A].value = 8;
    assert_int_equal(broken(&rig), CLAIM_LEARNED);
}

TEST(claims, notice_that_two_have_learned_different_values)
{
    struct rig rig;
    begin(&rig);
    rig.members[C].applied = 1;
    rig.members[C].value = 8;
    assert_int_equal(broken(&rig), CLAIM_PREFIX);

    begin(&rig); /* What lies beyond somebody's prefix is none of it. */
    rig.members[C].value = 8;
    assert_int_equal(broken(&rig), CLAIM_NONE);
}
