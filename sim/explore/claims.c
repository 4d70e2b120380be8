/* claims.c -- the global predicates, over every vote that was ever durable and every proposal
 * that was ever made. */
#include "sim/explore/claims.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "sim/explore/claim.h"

enum {
    FACTS_MAX = NODE_LIST_MAX * SCOPE_MEMBERS_MAX
};

/* Somebody's vote or proposal. */
struct fact {
    uint32_t member;
    const struct synod_record *record;
};

struct facts {
    const struct world_parts *parts;
    const struct state *state;
    struct violation *violation;
    uint32_t vote_count;
    uint32_t proposal_count;
    uint32_t chosen_count;
    struct fact votes[FACTS_MAX];
    struct fact proposals[FACTS_MAX];
    struct fact chosen[FACTS_MAX]; /* Of the proposals, those that a phase 2 quorum voted for. */
    struct synod_ballot promised[SCOPE_MEMBERS_MAX]; /* On the disk. */
};

static int break_claim(const struct facts *facts, enum claim claim, const char *text,
                       const struct synod_record *record)
{
    facts->violation->claim = claim_name(claim);
    snprintf(facts->violation->detail, sizeof facts->violation->detail,
             "%s: slot %" PRIu64 ", ballot %" PRIu64 ".%" PRIu64 ", value %" PRIu64, text,
             record->entry.slot, record->ballot.round, record->ballot.member,
             record->entry.checksum);
    return -1;
}

static void collect(struct facts *facts, uint32_t member, uint32_t list, int are_votes)
{
    const struct bytes bytes = pool_at(&facts->parts->lists, list);
    const uint16_t *numbers = (const void *)bytes.data;
    for (size_t i = 0; i < bytes.size / sizeof *numbers; i++) {
        const struct synod_record *record = node_record(facts->parts, numbers[i]);
        const struct fact fact = {member, record};
        if (are_votes && synod_ballot_compare(record->ballot, facts->promised[member]) > 0) {
            facts->promised[member] = record->ballot;
        }
        if (record->type == SYNOD_RECORD_VOTE && are_votes) {
            assert(facts->vote_count < FACTS_MAX);
            facts->votes[facts->vote_count++] = fact;
        } else if (record->type == SYNOD_RECORD_VOTE) {
            assert(facts->proposal_count < FACTS_MAX);
            facts->proposals[facts->proposal_count++] = fact;
        }
    }
}

static int is_same_proposal(const struct synod_record *left, const struct synod_record *right)
{
    return synod_ballot_compare(left->ballot, right->ballot) == 0 &&
           synod_entry_equal(&left->entry, &right->entry);
}

static uint32_t voters(const struct facts *facts, const struct synod_record *proposal)
{
    uint32_t set = 0;
    for (uint32_t i = 0; i < facts->vote_count; i++) {
        if (is_same_proposal(facts->votes[i].record, proposal)) {
            set |= 1u << facts->votes[i].member;
        }
    }
    return set;
}

static uint32_t size_of(uint32_t set)
{
    return (uint32_t)__builtin_popcount(set);
}

static void collect_chosen(struct facts *facts)
{
    const uint32_t enough = scope_phase2(facts->parts->scope);
    for (uint32_t i = 0; i < facts->proposal_count; i++) {
        if (size_of(voters(facts, facts->proposals[i].record)) >= enough) {
            facts->chosen[facts->chosen_count++] = facts->proposals[i];
        }
    }
}

static int check_votes(const struct facts *facts)
{
    for (uint32_t i = 0; i < facts->vote_count; i++) {
        int is_proposed = 0;
        for (uint32_t k = 0; k < facts->proposal_count && !is_proposed; k++) {
            is_proposed = is_same_proposal(facts->votes[i].record, facts->proposals[k].record);
        }
        if (!is_proposed) {
            return break_claim(facts, CLAIM_PROPOSED, "nobody proposed this",
                               facts->votes[i].record);
        }
    }
    return 0;
}

static int is_against(const struct synod_record *chosen, const struct synod_record *other)
{
    return other->entry.slot == chosen->entry.slot &&
           !synod_entry_equal(&other->entry, &chosen->entry);
}

/* Of these votes, or proposals: the first under a ballot above that of something chosen in its
 * slot, and for something else. NULL: there is none. */
static const struct synod_record *find_against(const struct facts *facts, const struct fact *list,
                                               uint32_t count)
{
    for (uint32_t i = 0; i < facts->chosen_count; i++) {
        const struct synod_record *chosen = facts->chosen[i].record;
        for (uint32_t k = 0; k < count; k++) {
            const struct synod_record *other = list[k].record;
            if (is_against(chosen, other) &&
                synod_ballot_compare(other->ballot, chosen->ballot) > 0) {
                return other;
            }
        }
    }
    return NULL;
}

static int check_p2(const struct facts *facts)
{
    for (uint32_t i = 1; i < facts->chosen_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            const struct synod_record *other = facts->chosen[i].record;
            if (is_against(facts->chosen[k].record, other)) {
                return break_claim(facts, CLAIM_P2, "chosen beside another", other);
            }
        }
    }
    return 0;
}

/* It would follow from P2b, since votes are for proposals alone; it is looked at for itself. */
static int check_p2a(const struct facts *facts)
{
    const struct synod_record *other = find_against(facts, facts->votes, facts->vote_count);
    return other == NULL
               ? 0
               : break_claim(facts, CLAIM_P2A, "voted for when another was chosen", other);
}

static int check_p2b(const struct facts *facts)
{
    const struct synod_record *other = find_against(facts, facts->proposals, facts->proposal_count);
    return other == NULL ? 0
                         : break_claim(facts, CLAIM_P2B, "proposed when another was chosen", other);
}

/* Would these members' answers have allowed the proposal? */
static int is_allowed_by(const struct facts *facts, uint32_t set,
                         const struct synod_record *proposal)
{
    const struct synod_record *highest = NULL;
    for (uint32_t i = 0; i < facts->vote_count; i++) {
        const struct synod_record *vote = facts->votes[i].record;
        if ((set & 1u << facts->votes[i].member) != 0 && vote->entry.slot == proposal->entry.slot &&
            synod_ballot_compare(vote->ballot, proposal->ballot) < 0 &&
            (highest == NULL || synod_ballot_compare(vote->ballot, highest->ballot) > 0)) {
            highest = vote;
        }
    }
    return highest == NULL || synod_entry_equal(&highest->entry, &proposal->entry);
}

static int check_p2c(const struct facts *facts)
{
    const uint32_t members = facts->parts->scope->members;
    const uint32_t everybody = (1u << members) - 1;
    const uint32_t enough = scope_phase1(facts->parts->scope);
    for (uint32_t i = 0; i < facts->proposal_count; i++) {
        const struct synod_record *proposal = facts->proposals[i].record;
        uint32_t promised = 0;
        int is_allowed = 0;
        for (uint32_t m = 0; m < members; m++) {
            if (synod_ballot_compare(facts->promised[m], proposal->ballot) >= 0) {
                promised |= 1u << m;
            }
        }
        for (uint32_t set = 1; set <= everybody && !is_allowed; set++) {
            is_allowed = (set & promised) == set && size_of(set) >= enough &&
                         is_allowed_by(facts, set, proposal);
        }
        if (!is_allowed) {
            return break_claim(facts, CLAIM_P2C, "no phase 1 quorum allows this proposal",
                               proposal);
        }
    }
    return 0;
}

static int break_learned(const struct facts *facts, enum claim claim, uint32_t member,
                         uint32_t slot)
{
    const struct node *node = node_at(facts->parts, facts->state->nodes[member]);
    facts->violation->claim = claim_name(claim);
    snprintf(facts->violation->detail, sizeof facts->violation->detail,
             "member %c has learned value %u in slot %u", 'a' + (int)member, node->values[slot - 1],
             slot);
    return -1;
}

/* Whoever has learned the most is whom the others are compared with. */
static int check_prefix(const struct facts *facts)
{
    const struct node *longest = node_at(facts->parts, facts->state->nodes[0]);
    for (uint32_t m = 1; m < facts->parts->scope->members; m++) {
        const struct node *node = node_at(facts->parts, facts->state->nodes[m]);
        longest = node->applied > longest->applied ? node : longest;
    }
    for (uint32_t m = 0; m < facts->parts->scope->members; m++) {
        const struct node *node = node_at(facts->parts, facts->state->nodes[m]);
        for (uint32_t slot = 1; slot <= node->applied; slot++) {
            if (node->values[slot - 1] != longest->values[slot - 1]) {
                return break_learned(facts, CLAIM_PREFIX, m, slot);
            }
        }
    }
    return 0;
}

static int is_chosen(const struct facts *facts, uint32_t slot, uint8_t value)
{
    for (uint32_t i = 0; i < facts->chosen_count; i++) {
        const struct synod_entry *entry = &facts->chosen[i].record->entry;
        if (entry->slot == slot && entry->checksum == value) {
            return 1;
        }
    }
    return 0;
}

static int check_learned(const struct facts *facts)
{
    for (uint32_t m = 0; m < facts->parts->scope->members; m++) {
        const struct node *node = node_at(facts->parts, facts->state->nodes[m]);
        for (uint32_t slot = 1; slot <= node->applied; slot++) {
            if (!is_chosen(facts, slot, node->values[slot - 1])) {
                return break_learned(facts, CLAIM_LEARNED, m, slot);
            }
        }
    }
    return 0;
}

int claims_check(const struct world_parts *parts, const struct state *state,
                 struct violation *violation)
{
    struct facts facts;
    facts.parts = parts;
    facts.state = state;
    facts.violation = violation;
    facts.vote_count = 0;
    facts.proposal_count = 0;
    facts.chosen_count = 0;
    memset(facts.promised, 0, sizeof facts.promised);
    for (uint32_t m = 0; m < parts->scope->members; m++) {
        const struct node *node = node_at(parts, state->nodes[m]);
        collect(&facts, m, node->disk, 1);
        collect(&facts, m, node->forgotten, 1);
        collect(&facts, m, node->proposals, 0);
    }
    collect_chosen(&facts);
    return check_votes(&facts) != 0 || check_p2(&facts) != 0 || check_p2a(&facts) != 0 ||
                   check_p2b(&facts) != 0 || check_p2c(&facts) != 0 || check_prefix(&facts) != 0 ||
                   check_learned(&facts) != 0
               ? -1
               : 0;
}
