/* replay_time.c -- the rules about real time, restarts and compactions, in one sweep over time.
 *
 * What has ended tells what had happened by then; so whatever begins later must show at least
 * as much. A read that may be old need show no more than its own member has told before; and
 * that, only since the member last began: a member that restarts begins from its disk, and what
 * it had applied but not yet learned to be chosen again may be missing for a while. */
#include "check/replay_internal.h"

#include <stdlib.h>

#include "base/assert.h"

/* What is one more can be said, too; no store gets anywhere near. */
#define NAMED_MAX (INT64_MAX - 2)

struct moment {
    uint64_t at_us;
    uint32_t operation;
    uint32_t is_end;
};

struct floor {
    int64_t revision; /* The greatest that was told. */
    int64_t teller;
};

struct sweep {
    struct replay *replay;
    struct floor ended; /* By anybody that has answered. */
    struct floor members[CHRONICLE_MEMBERS_MAX];
    uint64_t life_us[CHRONICLE_MEMBERS_MAX]; /* What began then or later, began in its last life. */
    struct floor compacted;                  /* What somebody knows to be compacted. */
    struct floor forgotten[CHRONICLE_MEMBERS_MAX]; /* The same, by what that member has told. */
    int64_t compacting; /* The greatest revision that any compaction was begun for. */
};

static int compare_moments(const void *left, const void *right)
{
    const struct moment *l = left;
    const struct moment *r = right;
    if (l->at_us != r->at_us) {
        return l->at_us < r->at_us ? -1 : 1;
    }
    if (l->is_end != r->is_end) {
        return l->is_end ? 1 : -1; /* At the same moment: they overlap. */
    }
    return (l->operation > r->operation) - (l->operation < r->operation);
}

static void raise(struct floor *floor, int64_t revision, uint32_t teller)
{
    if (revision > floor->revision) {
        *floor = (struct floor){revision, teller};
    }
}

/* The smallest and the greatest revision that an operation names: to read at, or to compact. */
static void find_named(const struct chronicle *history, const struct operation *operation,
                       int64_t named[2])
{
    named[0] = INT64_MAX;
    named[1] = 0;
    for (int branch = 0; branch < 2; branch++) {
        uint32_t count;
        if (operation->outcome == OUTCOME_DONE && branch != operation->has_succeeded) {
            continue; /* What it would have read in the other one was not even looked at. */
        }
        const struct step *steps = chronicle_branch(history, operation, branch, &count);
        for (uint32_t i = 0; i < count; i++) {
            const int is_named = steps[i].kind == STEP_COMPACT ||
                                 (steps[i].kind == STEP_GET && steps[i].number != 0);
            if (is_named) {
                const int64_t number =
                    steps[i].number < NAMED_MAX ? (int64_t)steps[i].number : NAMED_MAX;
                named[0] = replay_min(named[0], number);
                named[1] = replay_max(named[1], number);
            }
        }
    }
}

static int check_begin(struct sweep *sweep, uint32_t index)
{
    struct replay *replay = sweep->replay;
    const struct operation *operation = &replay->history->operations[index];
    const int is_write = replay->placements[index].revision != 0;
    const struct floor *floor =
        operation->is_serializable ? &sweep->members[operation->member] : &sweep->ended;
    int64_t named[2];

    find_named(replay->history, operation, named);
    if (operation->outcome == OUTCOME_FUTURE) {
        return named[1] > floor->revision
                   ? 0
                   : replay_reject(replay,
                                   "a revision was refused as not given yet after somebody "
                                   "had been told of it",
                                   index, floor->teller);
    }
    if (operation->outcome != OUTCOME_DONE) {
        return 0;
    }
    if (operation->revision < floor->revision) {
        return replay_reject(replay,
                             operation->is_serializable
                                 ? "a read that may be old is older than what its member had told "
                                   "before it began"
                                 : "an operation has a smaller revision than one that had ended "
                                   "before it began",
                             index, floor->teller);
    }
    if (is_write && operation->revision == floor->revision) {
        return replay_reject(replay,
                             "a write has the revision of an answer that had been given "
                             "before the write began",
                             index, floor->teller);
    }
    if (named[1] > operation->revision) {
        return replay_reject(replay, "a revision was read or compacted that had not been given yet",
                             index, CHECKER_NOBODY);
    }
    const struct floor *compacted =
        operation->is_serializable ? &sweep->forgotten[operation->member] : &sweep->compacted;
    if (named[0] < compacted->revision + (operation->kind == OPERATION_COMPACT)) {
        return replay_reject(replay, "a revision was read or compacted that was compacted before",
                             index, compacted->teller);
    }
    return 0;
}

static void note_begin(struct sweep *sweep, uint32_t index)
{
    const struct chronicle *history = sweep->replay->history;
    const struct operation *operation = &history->operations[index];
    if (operation->kind == OPERATION_RESTART) {
        sweep->members[operation->member] = (struct floor){0, CHECKER_NOBODY};
        sweep->forgotten[operation->member] = (struct floor){0, CHECKER_NOBODY};
        sweep->life_us[operation->member] = operation->begin_us + 1;
    } else if (operation->kind == OPERATION_COMPACT && operation->outcome <= OUTCOME_DONE) {
        int64_t named[2];
        find_named(history, operation, named);
        sweep->compacting = replay_max(sweep->compacting, named[1]);
    }
}

/* Up to where all is compacted, by an answer; 0: it does not tell. A read is refused below that,
 * and of several the least was; a compaction is refused up to there. */
static int64_t compacted_by(const struct chronicle *history, const struct operation *operation)
{
    int64_t named[2];
    find_named(history, operation, named);
    if (operation->kind == OPERATION_COMPACT) {
        return named[0];
    }
    return operation->outcome == OUTCOME_COMPACTED && named[0] < INT64_MAX ? named[0] + 1 : 0;
}

static int check_refusal(const struct sweep *sweep, uint32_t index)
{
    const struct chronicle *history = sweep->replay->history;
    const struct operation *operation = &history->operations[index];
    int64_t named[2];
    find_named(history, operation, named);
    const int is_said_again = operation->kind == OPERATION_COMPACT;
    return named[0] < sweep->compacting + is_said_again
               ? 0
               : replay_reject(sweep->replay,
                               "a revision was refused as compacted that nobody had "
                               "compacted",
                               index, CHECKER_NOBODY);
}

static int check_end(struct sweep *sweep, uint32_t index)
{
    struct replay *replay = sweep->replay;
    const struct operation *operation = &replay->history->operations[index];
    const int is_of_this_life = operation->begin_us >= sweep->life_us[operation->member];
    if (operation->outcome == OUTCOME_COMPACTED && check_refusal(sweep, index) != 0) {
        return -1;
    }
    if (operation->outcome == OUTCOME_DONE) {
        raise(&sweep->ended, operation->revision, index);
    }
    if (operation->outcome == OUTCOME_DONE && is_of_this_life) {
        raise(&sweep->members[operation->member], operation->revision, index);
    }
    if (operation->outcome == OUTCOME_DONE || operation->outcome == OUTCOME_COMPACTED) {
        const int64_t compacted = compacted_by(replay->history, operation);
        raise(&sweep->compacted, compacted, index);
        raise(&sweep->forgotten[operation->member], is_of_this_life ? compacted : 0, index);
    }
    return 0;
}

static size_t collect_moments(const struct chronicle *history, struct moment *moments)
{
    size_t count = 0;
    for (uint32_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        if (operation->outcome == OUTCOME_NOT_DONE) {
            continue;
        }
        moments[count++] = (struct moment){operation->begin_us, i, 0};
        if (operation->outcome != OUTCOME_UNKNOWN && operation->kind != OPERATION_RESTART) {
            moments[count++] = (struct moment){operation->end_us, i, 1};
        }
    }
    return count;
}

int replay_check_time(struct replay *replay)
{
    const struct chronicle *history = replay->history;
    struct moment *moments = checker_allocate(2 * history->operation_count, sizeof *moments);
    const size_t count = collect_moments(history, moments);
    struct sweep sweep = {.replay = replay,
                          .ended = {replay->base, CHECKER_NOBODY},
                          .compacted = {0, CHECKER_NOBODY}};
    int outcome = 0;

    for (uint32_t i = 0; i < CHRONICLE_MEMBERS_MAX; i++) {
        sweep.members[i].teller = CHECKER_NOBODY;
        sweep.forgotten[i].teller = CHECKER_NOBODY;
    }
    qsort(moments, count, sizeof *moments, compare_moments);
    for (size_t i = 0; i < count && outcome == 0; i++) {
        if (moments[i].is_end) {
            outcome = check_end(&sweep, moments[i].operation);
        } else {
            note_begin(&sweep, moments[i].operation);
            if (history->operations[moments[i].operation].kind != OPERATION_RESTART) {
                outcome = check_begin(&sweep, moments[i].operation);
            }
        }
    }
    free(moments);
    return outcome;
}
