/* hearing.h -- whom a member hears, what they say of themselves, and what it says of itself.
 *
 * A member *hears* another that answered its question within the election time-out and whose disk
 * makes progress. It *sees a leader* if it is one, if it hears one that hears a phase 2 quorum, or
 * if it hears a member that vouches for such a leader, directly and never at third hand. It *could
 * lead* if those that it hears are a phase 1 quorum, and those of them that can vote on what comes
 * next a phase 2 quorum. All of it is computed from the last answers (struct election_peer), and
 * changes nothing. */
#ifndef PAXOS_HEARING_H
#define PAXOS_HEARING_H

#include "synod/core.h"

struct synod_core;

/* Whether the member at `position` is heard; itself, if its disk makes progress. */
int hearing_of(const struct synod_core *c, uint32_t position);

/* The set of members heard, this one included. */
uint32_t hearing_set(const struct synod_core *c);

/* The last slot for which the member at `position` could remember a vote, as far as we know. */
synod_slot hearing_reach(const struct synod_core *c, uint32_t position);

/* Those heard that can vote on our next slot. */
uint32_t hearing_voters(const struct synod_core *c);

/* The highest slot that we voted on or know chosen. */
synod_slot hearing_last(const struct synod_core *c);

/* It says that it leads, and hears a phase 2 quorum; that it hears such a leader directly, and one
 * that we could follow. */
int hearing_leads(const struct synod_status_report *status);
int hearing_vouches(const struct synod_core *c, const struct synod_status_report *status);

/* Whether there is a leader, as far as we hear; and whether the one that we follow still is. */
int hearing_sees_leader(const struct synod_core *c);
int hearing_has_leader(const struct synod_core *c);

/* Whom to give what is for the leader, as in struct synod_status. */
synod_member_id hearing_via(const struct synod_core *c);

/* Whether we lack more than our window holds of what one that is heard knows; whether we could
 * lead; whether we hear another that says it could, or one that says it hears such a one. */
int hearing_is_far_behind(const struct synod_core *c);
int hearing_is_able(const struct synod_core *c);
int hearing_of_one_able(const struct synod_core *c);

/* Whether we have promised to another that stands, and leave it its time; whether we hear one that
 * does, for another than us. */
int hearing_awaits(const struct synod_core *c);
int hearing_of_one_that_awaits(const struct synod_core *c);

/* What we say of ourselves. */
struct synod_status_report hearing_status(const struct synod_core *c);

#endif /* PAXOS_HEARING_H */
