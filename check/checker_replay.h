/* checker_replay.h -- the judge that replays a history in order of its revisions.
 *
 * The store gives every write a revision of its own and every answer the revision it was given
 * at, so the order need not be searched for: it is read off, and every answer is compared with
 * what a model of the store says at that revision. A history is rejected if
 *
 *   real time   something began after something else had ended and has a smaller revision, or
 *               the same one for its own write; a read that may be old is older than what its
 *               member had told since it last began, or reads what did not exist yet;
 *   revisions   two writes have the same one, or one was given to no write that anybody knows of;
 *   answers     any differs from the model's: values, revisions, versions, counts, what was
 *               there before, which branch a txn took;
 *   compaction  what was compacted is read, or what was not is said to be.
 *
 * A write whose outcome nobody knows happened if somebody saw its value, at the revision where
 * it was seen, all of it, and not twice. One that left no trace of its own (a deletion; a put
 * that was overwritten) may have any revision that is left over and that nobody was told of before
 * the write began; and every revision that is left over was given to such a write. Which one had
 * which is searched for, until all answers are right or nothing is left to try. So it accepts
 * exactly what some correct store can have answered; it gives up only where the search would take
 * too long. */
#ifndef CHECK_CHECKER_REPLAY_H
#define CHECK_CHECKER_REPLAY_H

#include "check/checker.h"

/* Judge. Takes O(n log n), n counting operations, steps, items and the keys of ranges, and what
 * the search takes. */
void checker_replay(const struct chronicle *history, struct checker_verdict *verdict);

/* The same, and if it accepts tell how writes of unknown outcome were done in the order that it
 * found: a hint for each operation of the history, zeroed before. `hints` may be NULL. */
void checker_replay_telling(const struct chronicle *history, struct checker_hint *hints,
                            struct checker_verdict *verdict);

#endif /* CHECK_CHECKER_REPLAY_H */
