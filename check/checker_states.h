/* checker_states.h -- the judge of replicas: at one revision all hold the same state.
 *
 * Each replica reports a hash of its state from time to time. What a state is known by is its
 * revision and the revision it was compacted at: the first who reports it sets the hash, and
 * every other must report the same. */
#ifndef CHECK_CHECKER_STATES_H
#define CHECK_CHECKER_STATES_H

#include "check/checker.h"

/* Judge the reports of a history. */
void checker_states(const struct chronicle *history, struct checker_verdict *verdict);

#endif /* CHECK_CHECKER_STATES_H */
