/* claims.h -- what binds all members together.
 *
 * The claims of the papers (claim.h) that need somebody who sees every vote that was ever durable,
 * and every proposal that was ever made:
 *
 *   only what was proposed is voted for       nontriviality
 *   P2           at most one value is chosen in a slot (agreement)
 *   P2a, P2b     each vote, each proposal, of a higher ballot than something chosen has its value
 *                (Paxos Made Simple, 2.2)
 *   P2c          whoever proposed v under b had a phase 1 quorum in which nobody had accepted
 *                anything below b, or v had the highest ballot below b of what they accepted
 *   the chosen prefix is the same everywhere  who has learned a slot has learned what others have
 *   only what is chosen is learned            and that is chosen
 *
 * They are looked at in this order, the consequences before their causes: what breaks P2b alone has
 * not been voted for yet. */
#ifndef SIM_EXPLORE_CLAIMS_H
#define SIM_EXPLORE_CLAIMS_H

#include "sim/explore/space.h"

/* Look at the whole cluster. Returns 0, or -1 and what is broken. */
int claims_check(const struct world_parts *parts, const struct state *state,
                 struct violation *violation);

#endif /* SIM_EXPLORE_CLAIMS_H */
