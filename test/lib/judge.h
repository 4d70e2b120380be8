/* judge.h -- sees every vote and every proposal of a cluster, and says what Paxos allows.
 *
 * No member knows as much as the judge: it is told of each proposal when it is made, of each
 * promise and vote when it is on a disk, and of votes that a crash took. From these alone it
 * works out what is chosen, and it aborts at the first step that breaks a rule of Paxos Made
 * Simple, 2.2:
 *
 *     one value per ballot and slot
 *     P2    at most one value is chosen per slot
 *     P2a   once a value is chosen, no vote of a higher ballot is for another
 *     P2b   once a value is chosen, no proposal of a higher ballot is for another
 *     P2c   for a proposal of ballot b there is a phase 1 quorum that has promised b, in which
 *           nobody voted below b, or the highest vote below b was for this very value */
#ifndef TEST_JUDGE_H
#define TEST_JUDGE_H

#include "synod/types.h"

struct judge_slot;

struct judge {
    const struct synod_members *members;             /* Borrowed. */
    struct synod_ballot promised[SYNOD_MEMBERS_MAX]; /* The highest on each member's disk. */
    struct judge_slot *slots;                        /* Of slot 1 and following. */
    uint64_t slot_count;
};

void judge_init(struct judge *judge, const struct synod_members *members);
void judge_deinit(struct judge *judge);

/* `entry` was proposed under `ballot`. */
void judge_on_proposal(struct judge *judge, struct synod_ballot ballot,
                       const struct synod_entry *entry);

/* A promise or vote is on the disk of a member, given by its position in the table. */
void judge_on_promise(struct judge *judge, uint32_t member, struct synod_ballot ballot);
void judge_on_vote(struct judge *judge, uint32_t member, struct synod_ballot ballot,
                   const struct synod_entry *entry);

/* True if that vote is on the member's disk. */
int judge_has_vote(const struct judge *judge, uint32_t member, struct synod_ballot ballot,
                   synod_slot slot);

/* What is chosen in a slot, or NULL; `ballot`, unless NULL, gets the lowest ballot under which
 * it was, and `voters` the set of members that voted for it then. */
const struct synod_entry *judge_chosen(const struct judge *judge, synod_slot slot,
                                       struct synod_ballot *ballot, uint32_t *voters);

#endif /* TEST_JUDGE_H */
