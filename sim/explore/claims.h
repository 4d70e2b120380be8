/* claims.h -- what binds all members together, by the names that the papers give it.
 *
 *   only what was proposed is voted for       nontriviality
 *   one value per slot                        at most one value is chosen (agreement)
 *   P2a, P2b     what has a higher ballot than something chosen has its value
 *                (Paxos Made Simple, 2.2)
 *   P2c          whoever proposed v under b had a phase 1 quorum in which nobody had accepted
 *                anything below b, or v had the highest ballot below b of what they accepted
 *   only what is chosen is learned            and every member learns it in the same slot */
#ifndef SIM_EXPLORE_CLAIMS_H
#define SIM_EXPLORE_CLAIMS_H

#include "sim/explore/space.h"

/* Look at the whole cluster. Returns 0, or -1 and what is broken. */
int claims_check(const struct world_parts *parts, const struct state *state,
                 struct violation *violation);

#endif /* SIM_EXPLORE_CLAIMS_H */
