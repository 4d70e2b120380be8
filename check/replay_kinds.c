/* replay_kinds.c -- the writes that nobody knows of: which are alike, and what they may write.
 *
 * Puts of one key are alike, as nobody saw their values, unless some compare names them;
 * deletions of the same keys are; txns are that would compare and write the same. What they would
 * have read makes no difference. */
#include <stdlib.h>
#include <string.h>

#include "check/replay_internal.h"

/* -- Kinds ---------------------------------------------------------------------------------- */

const struct operation *replay_doer(const struct replay *replay, const struct kind *kind)
{
    return &replay->history->operations[replay->unplaced[kind->first]];
}

/* Values that compares name, sorted: puts of others are all alike. */
struct names {
    uint64_t *values;
    size_t count;
};

static int compare_values(const void *left, const void *right)
{
    const uint64_t l = *(const uint64_t *)left;
    const uint64_t r = *(const uint64_t *)right;
    return (l > r) - (l < r);
}

static struct names collect_names(const struct chronicle *history)
{
    struct names names = {checker_allocate(history->step_count, sizeof(uint64_t)), 0};
    for (size_t i = 0; i < history->step_count; i++) {
        if (history->steps[i].kind == STEP_COMPARE && history->steps[i].target == TARGET_VALUE) {
            names.values[names.count++] = history->steps[i].number;
        }
    }
    qsort(names.values, names.count, sizeof *names.values, compare_values);
    return names;
}

static const struct chronicle *sorted_history;
static const struct names *sorted_names;

/* What a step does, in numbers. */
static void describe(const struct step *step, uint64_t numbers[5])
{
    const int is_put = step->kind == STEP_PUT;
    const int is_named = is_put && bsearch(&step->number, sorted_names->values, sorted_names->count,
                                           sizeof(uint64_t), compare_values) != NULL;
    memset(numbers, 0, 5 * sizeof *numbers);
    numbers[0] = (uint64_t)step->kind << 8 | step->place;
    if (step->kind != STEP_GET) {
        numbers[1] = step->key;
        numbers[2] = step->end;
        numbers[3] = (uint64_t)step->target << 8 | step->relation;
        numbers[4] = step->kind == STEP_COMPARE || is_named ? step->number : 0;
    }
}

static int compare_deeds(const struct operation *left, const struct operation *right)
{
    const uint32_t count = chronicle_step_count(left);
    int order = (count > chronicle_step_count(right)) - (count < chronicle_step_count(right));
    for (uint32_t i = 0; i < count && order == 0; i++) {
        uint64_t l[5];
        uint64_t r[5];
        describe(&sorted_history->steps[left->first_step + i], l);
        describe(&sorted_history->steps[right->first_step + i], r);
        order = memcmp(l, r, sizeof l);
    }
    return order;
}

static int compare_unplaced(const void *left, const void *right)
{
    const uint32_t l = *(const uint32_t *)left;
    const uint32_t r = *(const uint32_t *)right;
    const struct operation *operations = sorted_history->operations;
    const int order = compare_deeds(&operations[l], &operations[r]);
    if (order != 0) {
        return order;
    }
    if (operations[l].begin_us != operations[r].begin_us) {
        return operations[l].begin_us < operations[r].begin_us ? -1 : 1;
    }
    return (l > r) - (l < r);
}

static void collect_kinds(struct replay *replay)
{
    const struct names names = collect_names(replay->history);
    sorted_history = replay->history;
    sorted_names = &names;
    qsort(replay->unplaced, replay->unplaced_count, sizeof *replay->unplaced, compare_unplaced);
    replay->kinds = checker_allocate(replay->unplaced_count, sizeof *replay->kinds);
    for (size_t i = 0; i < replay->unplaced_count; i++) {
        const struct operation *operation = &replay->history->operations[replay->unplaced[i]];
        if (i == 0 ||
            compare_deeds(operation, replay_doer(replay, &replay->kinds[replay->kind_count - 1]))) {
            replay->kinds[replay->kind_count++].first = i;
        }
        replay->kinds[replay->kind_count - 1].count++;
    }
    free(names.values);
}

uint32_t replay_count_begun(const struct replay *replay, const struct kind *kind,
                            const struct gap *gap)
{
    uint32_t low = 0;
    uint32_t high = kind->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const uint32_t member = replay->unplaced[kind->first + middle];
        if (replay->history->operations[member].begin_us <= gap->known_us) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int replay_touches(const struct replay *replay, const struct operation *operation,
                   const uint64_t *keys)
{
    for (uint32_t i = 0; i < chronicle_step_count(operation); i++) {
        const struct step *step = &replay->history->steps[operation->first_step + i];
        for (uint32_t key = step->key; key < step->end && key < replay->history->key_count; key++) {
            if ((step_is_write(step) || step->kind == STEP_COMPARE) && set_has(keys, key)) {
                return 1;
            }
        }
    }
    return 0;
}

/* -- Candidates ----------------------------------------------------------------------------- */

/* Count, or enter, an operation under every key that it may write. `next` has a place for each
 * key. */
static void list_candidate(struct replay *replay, uint32_t index, size_t *next)
{
    const struct operation *candidate = &replay->history->operations[index];
    for (uint32_t i = 0; i < chronicle_step_count(candidate); i++) {
        const struct step *step = &replay->history->steps[candidate->first_step + i];
        for (uint32_t key = step->key;
             step_is_write(step) && key < step->end && key < replay->history->key_count; key++) {
            if (replay->candidates != NULL) {
                replay->candidates[next[key]] = index;
            }
            next[key]++;
        }
    }
}

/* All that nobody knows of, and what is known to have been done but for its branch. */
static void list_each(struct replay *replay, size_t *next)
{
    for (size_t i = 0; i < replay->unplaced_count; i++) {
        list_candidate(replay, replay->unplaced[i], next);
    }
    for (uint32_t i = 0; i < replay->history->operation_count; i++) {
        const struct placement *placement = &replay->placements[i];
        if (placement->revision != 0 && placement->branch == 0) {
            replay->has_unsure = 1;
            list_candidate(replay, i, next);
        }
    }
}

static void list_candidates(struct replay *replay)
{
    const uint32_t keys = replay->history->key_count;
    size_t *next = checker_allocate((size_t)keys + 1, sizeof *next);
    replay->candidate_start = checker_allocate((size_t)keys + 1, sizeof *replay->candidate_start);
    replay->watched = checker_allocate(keys, sizeof *replay->watched);
    list_each(replay, next);
    for (uint32_t key = 0; key < keys; key++) {
        replay->candidate_start[key + 1] = replay->candidate_start[key] + next[key];
        if (next[key] > 0) {
            replay->watched[replay->watched_count++] = key;
        }
        next[key] = replay->candidate_start[key];
    }
    replay->candidates =
        checker_allocate(replay->candidate_start[keys], sizeof *replay->candidates);
    list_each(replay, next);
    free(next);
}

/* The first gap that somebody was told of when the first write of the key had begun. */
static void find_first_gaps(struct replay *replay)
{
    replay->first_gap = checker_allocate(replay->history->key_count, sizeof *replay->first_gap);
    for (uint32_t i = 0; i < replay->watched_count; i++) {
        const uint32_t key = replay->watched[i];
        uint64_t begin_us = UINT64_MAX;
        uint32_t gap = 0;
        for (size_t j = replay->candidate_start[key]; j < replay->candidate_start[key + 1]; j++) {
            const uint64_t us = replay->history->operations[replay->candidates[j]].begin_us;
            begin_us = us < begin_us ? us : begin_us;
        }
        for (uint32_t room = replay->gap_count; room > 0;) {
            const uint32_t half = room / 2;
            const int is_late = replay->gaps[gap + half].known_us < begin_us;
            gap += is_late ? half + 1 : 0;
            room = is_late ? room - half - 1 : half;
        }
        replay->first_gap[key] = gap;
    }
}

void replay_collect_kinds(struct replay *replay)
{
    collect_kinds(replay);
    list_candidates(replay);
    find_first_gaps(replay);
}

void replay_forget_kinds(struct replay *replay)
{
    free(replay->kinds);
    free(replay->candidates);
    free(replay->candidate_start);
    free(replay->watched);
    free(replay->first_gap);
}
