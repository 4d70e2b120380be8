/* judge.c -- sees every vote and every proposal of a cluster, and says what Paxos allows. */
#include "judge.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* What is known of one ballot in one slot. */
struct judge_ballot {
    struct synod_ballot ballot;
    struct synod_entry entry;
    uint32_t is_proposed;
    uint32_t voters; /* The set of members whose disks hold the vote. */
};

struct judge_slot {
    struct judge_ballot *ballots;
    uint32_t count;
    uint32_t chosen; /* One more than the position of the lowest ballot that chose; 0: none. */
};

void judge_init(struct judge *judge, const struct synod_members *members)
{
    *judge = (struct judge){.members = members};
}

void judge_deinit(struct judge *judge)
{
    for (uint64_t i = 0; i < judge->slot_count; i++) {
        free(judge->slots[i].ballots);
    }
    free(judge->slots);
    *judge = (struct judge){0};
}

static uint32_t size_of(uint32_t set)
{
    uint32_t size = 0;
    for (; set != 0; set &= set - 1) {
        size++;
    }
    return size;
}

static struct judge_slot *slot_at(struct judge *judge, synod_slot slot)
{
    assert(slot >= 1 && slot < 1u << 20);
    if (slot > judge->slot_count) {
        const uint64_t count = slot + 15;
        judge->slots = realloc(judge->slots, count * sizeof *judge->slots);
        assert(judge->slots != NULL);
        memset(&judge->slots[judge->slot_count], 0,
               (count - judge->slot_count) * sizeof *judge->slots);
        judge->slot_count = count;
    }
    return &judge->slots[slot - 1];
}

static const struct judge_ballot *find(const struct judge *judge, synod_slot slot,
                                       struct synod_ballot ballot)
{
    if (slot == 0 || slot > judge->slot_count) {
        return NULL;
    }
    const struct judge_slot *at = &judge->slots[slot - 1];
    for (uint32_t i = 0; i < at->count; i++) {
        if (synod_ballot_compare(at->ballots[i].ballot, ballot) == 0) {
            return &at->ballots[i];
        }
    }
    return NULL;
}

/* The ballot's entry in a slot, made if it is new. One ballot has one value in a slot. */
static struct judge_ballot *enter(struct judge *judge, struct synod_ballot ballot,
                                  const struct synod_entry *entry)
{
    struct judge_slot *at = slot_at(judge, entry->slot);
    for (uint32_t i = 0; i < at->count; i++) {
        if (synod_ballot_compare(at->ballots[i].ballot, ballot) == 0) {
            assert(synod_entry_equal(&at->ballots[i].entry, entry));
            return &at->ballots[i];
        }
    }
    at->ballots = realloc(at->ballots, (at->count + 1) * sizeof *at->ballots);
    assert(at->ballots != NULL);
    at->ballots[at->count] = (struct judge_ballot){.ballot = ballot, .entry = *entry};
    return &at->ballots[at->count++];
}

/* P2a and P2b: what is above the ballot that chose has the value that was chosen. */
static void check_against_chosen(struct judge *judge, const struct judge_ballot *given)
{
    struct judge_slot *at = slot_at(judge, given->entry.slot);
    if (at->chosen == 0) {
        return;
    }
    const struct judge_ballot *chosen = &at->ballots[at->chosen - 1];
    if (synod_ballot_compare(given->ballot, chosen->ballot) >= 0) {
        assert(synod_entry_equal(&given->entry, &chosen->entry));
    }
}

/* The highest ballot below `limit` under which the member voted in the slot, or NULL. */
static const struct judge_ballot *highest_vote(const struct judge_slot *at, uint32_t member,
                                               struct synod_ballot limit)
{
    const struct judge_ballot *best = NULL;
    for (uint32_t i = 0; i < at->count; i++) {
        const struct judge_ballot *vote = &at->ballots[i];
        if ((vote->voters & 1u << member) != 0 && synod_ballot_compare(vote->ballot, limit) < 0 &&
            (best == NULL || synod_ballot_compare(vote->ballot, best->ballot) > 0)) {
            best = vote;
        }
    }
    return best;
}

/* True if those who promised `given`'s ballot, and whose votes below it are none or up to
 * `most`, are a phase 1 quorum, one of them with `most` itself. */
static int has_quorum_up_to(const struct judge *judge, const struct judge_slot *at,
                            const struct judge_ballot *given, const struct judge_ballot *most)
{
    uint32_t quorum = 0;
    int is_seen = most == NULL;
    for (uint32_t i = 0; i < judge->members->count; i++) {
        const struct judge_ballot *vote = highest_vote(at, i, given->ballot);
        if (synod_ballot_compare(judge->promised[i], given->ballot) < 0 ||
            (vote != NULL &&
             (most == NULL || synod_ballot_compare(vote->ballot, most->ballot) > 0))) {
            continue;
        }
        quorum |= 1u << i;
        is_seen = is_seen || vote == most;
    }
    return is_seen && size_of(quorum) >= judge->members->phase1;
}

static void check_p2c(struct judge *judge, const struct judge_ballot *given)
{
    const struct judge_slot *at = slot_at(judge, given->entry.slot);
    int is_allowed = has_quorum_up_to(judge, at, given, NULL);
    for (uint32_t i = 0; i < at->count && !is_allowed; i++) {
        is_allowed = synod_entry_equal(&at->ballots[i].entry, &given->entry) &&
                     synod_ballot_compare(at->ballots[i].ballot, given->ballot) < 0 &&
                     has_quorum_up_to(judge, at, given, &at->ballots[i]);
    }
    assert(is_allowed);
}

void judge_on_proposal(struct judge *judge, struct synod_ballot ballot,
                       const struct synod_entry *entry)
{
    struct judge_ballot *proposal = enter(judge, ballot, entry);
    if (!proposal->is_proposed) {
        proposal->is_proposed = 1;
        check_against_chosen(judge, proposal);
        check_p2c(judge, proposal);
    }
}

void judge_on_promise(struct judge *judge, uint32_t member, struct synod_ballot ballot)
{
    if (synod_ballot_compare(ballot, judge->promised[member]) > 0) {
        judge->promised[member] = ballot;
    }
}

void judge_on_vote(struct judge *judge, uint32_t member, struct synod_ballot ballot,
                   const struct synod_entry *entry)
{
    struct judge_slot *at = slot_at(judge, entry->slot);
    struct judge_ballot *vote = enter(judge, ballot, entry);
    /* P1a: a vote on the disk is of the highest ballot promised there. */
    assert(synod_ballot_compare(ballot, judge->promised[member]) >= 0);
    judge_on_promise(judge, member, ballot);
    vote->voters |= 1u << member;
    check_against_chosen(judge, vote);
    if (size_of(vote->voters) < judge->members->phase2) {
        return;
    }
    const uint32_t position = (uint32_t)(vote - at->ballots);
    if (at->chosen == 0 || synod_ballot_compare(ballot, at->ballots[at->chosen - 1].ballot) < 0) {
        at->chosen = position + 1;
        for (uint32_t i = 0; i < at->count; i++) {
            check_against_chosen(judge, &at->ballots[i]); /* Who was ahead of the choice? */
        }
    }
}

int judge_has_vote(const struct judge *judge, uint32_t member, struct synod_ballot ballot,
                   synod_slot slot)
{
    const struct judge_ballot *vote = find(judge, slot, ballot);
    return vote != NULL && (vote->voters & 1u << member) != 0;
}

const struct synod_entry *judge_chosen(const struct judge *judge, synod_slot slot,
                                       struct synod_ballot *ballot, uint32_t *voters)
{
    if (slot == 0 || slot > judge->slot_count || judge->slots[slot - 1].chosen == 0) {
        return NULL;
    }
    const struct judge_slot *at = &judge->slots[slot - 1];
    const struct judge_ballot *chosen = &at->ballots[at->chosen - 1];
    if (ballot != NULL) {
        *ballot = chosen->ballot;
        *voters = chosen->voters;
    }
    return &chosen->entry;
}
