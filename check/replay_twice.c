/* replay_twice.c -- what can be done once and was done twice: a compaction at one revision.
 *
 * Of two of them the second is refused, whenever they were begun. */
#include <stdlib.h>

#include "check/replay_internal.h"

struct compaction {
    int64_t revision;
    int64_t operation;
};

static int compare_compactions(const void *left, const void *right)
{
    const int64_t l = ((const struct compaction *)left)->revision;
    const int64_t r = ((const struct compaction *)right)->revision;
    return (l > r) - (l < r);
}

static size_t collect_compactions(const struct chronicle *history, struct compaction *done)
{
    size_t count = 0;
    for (uint32_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        if (operation->kind == OPERATION_COMPACT && operation->outcome == OUTCOME_DONE) {
            done[count++] =
                (struct compaction){(int64_t)history->steps[operation->first_step].number, i};
        }
    }
    return count;
}

int replay_check_twice(struct replay *replay)
{
    const struct chronicle *history = replay->history;
    struct compaction *done = checker_allocate(history->operation_count, sizeof *done);
    const size_t count = collect_compactions(history, done);
    int outcome = 0;
    qsort(done, count, sizeof *done, compare_compactions);
    for (size_t i = 1; i < count && outcome == 0; i++) {
        if (done[i].revision == done[i - 1].revision) {
            outcome = replay_reject(replay, "one revision was compacted twice",
                                    done[i - 1].operation, done[i].operation);
        }
    }
    free(done);
    return outcome;
}
