/* quorum.c -- who is a member, and which sets of members decide. */
#include "paxos/quorum.h"

#include "base/assert.h"
#include "base/mutant.h"

int quorum_position(const struct synod_members *members, synod_member_id id)
{
    assert(members->count >= 1 && members->count <= SYNOD_MEMBERS_MAX);
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->ids[i] == id) {
            return (int)i;
        }
    }
    return -1;
}

/* The compiler's own popcount would call into its runtime, which a pure object must not. */
uint32_t quorum_count(uint32_t set)
{
    assert((set >> SYNOD_MEMBERS_MAX) == 0);
    uint32_t count = 0;
    for (; set != 0; set &= set - 1) {
        count++;
    }
    return count;
}

/* Every phase 1 quorum meets every phase 2 quorum because the sizes add up to more than all
 * members, which synod_options_are_valid() has checked. */
int quorum_is_met(const struct synod_members *members, enum quorum_phase phase, uint32_t set)
{
    assert(phase == QUORUM_PHASE1 || phase == QUORUM_PHASE2);
    assert(members->count >= 1 && members->count <= SYNOD_MEMBERS_MAX);
    assert(members->phase1 + members->phase2 > members->count);
    assert((set >> members->count) == 0);
    const uint32_t needed = phase == QUORUM_PHASE1 ? members->phase1 : members->phase2;
    assert(needed >= 1 && needed <= members->count);
    return quorum_count(set) + MUTANT(11) >= needed;
}
