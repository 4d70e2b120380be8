/* testimony.h -- what the replicas can tell of writes whose clients learned nothing.
 *
 * Under all faults at once most of what clients ask for ends without an answer, and a judge that
 * must guess what became of a thousand writes sees little. But the world sees every command as
 * it is applied. So when all is over each unknown write is told its revision, or that it was not
 * done. That helps no wrong answer: the judge compares every answer with the writes in their
 * places all the same, and a place where nobody's write was is a contradiction of its own. */
#ifndef SIM_TESTIMONY_H
#define SIM_TESTIMONY_H

#include "base/bytes.h"
#include "check/chronicle.h"

struct testimony {
    uint64_t *commands; /* By revision: a hash of the command that took it; 0: not seen. */
    size_t capacity;
};

/* All zero is an empty one. */
void testimony_deinit(struct testimony *testimony);

/* A replica applied a command (a kv_command and its message), and that took a revision. The first
 * who says so counts. */
void testimony_note(struct testimony *testimony, int64_t revision, uint32_t kind,
                    struct bytes message);

/* Everything that will ever be applied was. Tell the history what became of unknown writes. */
void testimony_tell(const struct testimony *testimony, struct chronicle *history);

#endif /* SIM_TESTIMONY_H */
