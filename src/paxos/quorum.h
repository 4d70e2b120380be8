/* quorum.h -- who is a member, and which sets of members decide.
 *
 * A set of members is a bit mask over their positions in the view's table. Nothing else in the
 * core counts heads: quorums of the two phases need not be the same size (Howard, Malkhi and
 * Spiegelman, Flexible Paxos, 2016, section 3). */
#ifndef PAXOS_QUORUM_H
#define PAXOS_QUORUM_H

#include "synod/types.h"

enum quorum_phase {
    QUORUM_PHASE1 = 1, /* Sees what may have been chosen; needed to become leader. */
    QUORUM_PHASE2,     /* Chooses; confirms that a leader still stands. */
};

/* The position of a member in the table, or -1 if it is not in it. */
int quorum_position(const struct synod_members *members, synod_member_id id);

/* Members in a set. */
uint32_t quorum_count(uint32_t set);

/* True if the set is a quorum for that phase. */
int quorum_is_met(const struct synod_members *members, enum quorum_phase phase, uint32_t set);

#endif /* PAXOS_QUORUM_H */
