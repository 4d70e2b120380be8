/* reference.h -- what Paxos allows, as sets of votes and promises: the watch over real cores.
 *
 * The third statement of the protocol, beside src/paxos and model/paxos.pml. It does not act; it
 * is told of every step that any core of a cluster takes, as the event that went in and the effects
 * that came out, and says whether the abstract protocol allows that step to that member, given
 * what is on its disk and what it has heard. So each run of a simulation is a proof, for that run,
 * that the code does what the paper says (a refinement check).
 *
 * It is written from Paxos Made Simple (2001) and The Part-Time Parliament (1998) and shares no
 * code with src/paxos. It forgets nothing, needs no window, and knows no time-outs:
 *
 *   proposals  (slot, ballot) -> entry, and which members have voted for it: in their memory, on
 *              their disk
 *   attempts   ballot -> whose it is, in which life, and the promises that were given for it
 *   chosen     slot -> the entry for which a phase 2 quorum has votes of one ballot on its disks
 *
 *   a step may        only if
 *   -------------     ------------------------------------------------------------------------
 *   PREPARE b         b is this member's, of this life, and waits for the promise of b
 *   PROMISE b         it was asked; nothing above b is promised; each highest vote is shown, and it
 *                     waits for all of that
 *   ACCEPT b, s, v    a phase 1 quorum's promises of b were heard, of which some quorum allows v
 *                     in s; b proposes nothing else there, nor anything where it gave notice
 *   a vote b, s, v    that was proposed, and nothing above b is promised (P1a)
 *   ACCEPTED          the vote was cast, and it waits for it
 *   hand out s, v     v is chosen in s, and s is the next slot
 *   a notice b, n     every slot up to n is chosen, with b's proposal where b has one
 *   a read's index    all that anybody had applied when the read began
 *   restart           whatever promise and votes were durable are known again; what it restored is
 *                     durable from then on
 *   hear              a PREPARE or PROMISE that was said, and could leave by then; a proposal, a
 *                     vote or a chosen entry that is one */
#ifndef MODEL_REFERENCE_H
#define MODEL_REFERENCE_H

#include "synod/core.h"

struct reference;

/* A cluster of so many members, none of which has lived yet. Ends the process when memory ends. */
struct reference *reference_new(uint32_t members, uint32_t phase1, uint32_t phase2);
void reference_free(struct reference *r);

/* A life of a member begins, given by its position: what was not on its disk is lost. Before the
 * first event of every life. */
void reference_begin(struct reference *r, uint32_t member);

/* The core of that member has taken a step. Returns 0, or -1 when Paxos does not allow it: then,
 * and from then on, reference_why() tells. Everything is borrowed during the call. */
int reference_step(struct reference *r, uint32_t member, const struct synod_event *event,
                   const struct synod_effects *effects);

/* The first step that was not allowed, in a sentence; NULL if all were. */
const char *reference_why(const struct reference *r);

/* What was watched: a check that saw nothing proves nothing. */
struct reference_counts {
    uint64_t steps;
    uint64_t ballots;   /* For which anybody stood. */
    uint64_t proposals; /* Different (slot, ballot)s. */
    uint64_t votes;     /* On disks. */
    uint64_t chosen;    /* Slots. */
    uint64_t reads;     /* Confirmed. */
};
struct reference_counts reference_counts(const struct reference *r);

#endif /* MODEL_REFERENCE_H */
