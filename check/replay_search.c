/* replay_search.c -- filling the gaps: which unseen write had which revision that is left over.
 *
 * A revision that no known write has was given to one whose client never learned of it, and whose
 * value nobody saw. The gaps are filled one after the other while the history is replayed; so the
 * model is exact at every moment, and what a write would do at a gap (the branch of a txn, the
 * keys of a range) is read off it. Writes that would do the same are one kind: as revisions tell
 * the later the more, whichever of them could be given to one gap could be given to any later
 * one, and so it does not matter which is taken.
 *
 * Every kind is weighed before it is tried: what it leaves to be done to its keys (replay_need())
 * must be possible, and what makes most of the next answers right is tried first.
 *
 * A contradiction is due to the state of some keys. That depends on the gaps since they were last
 * settled which could have written them, and, through txns of which nobody knows what became, on
 * the keys that these compare. Only those gaps are filled otherwise, the last one first; and where
 * what was chosen there touches none of the keys in question, only what does is tried instead. If
 * nothing can be, it is due to what the kinds that were not tried were left out for; and so on
 * backwards, until there is no gap that it could be due to: then no correct store gave these
 * answers (conflict-directed backjumping: Prosser, Hybrid Algorithms for the Constraint
 * Satisfaction Problem, 1993). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "check/replay_internal.h"

enum {
    WORK_MAX = 50000000 /* What is done again and again, for one history. */
};

/* Up to this revision, from that one on, the state of a key is explained. */
struct window {
    int64_t low;
    int64_t high; /* 0: it is not. */
    uint32_t key;
};

void replay_prepare_search(struct replay *replay)
{
    const uint32_t keys = replay->history->key_count;
    replay_collect_kinds(replay);
    replay->needs = checker_allocate(keys, sizeof *replay->needs);
    replay->windows = checker_allocate(keys, sizeof *replay->windows);
    replay->due_gaps = checker_allocate(set_words(replay->gap_count), sizeof *replay->due_gaps);
    replay->due_keys = checker_allocate(set_words(keys), sizeof *replay->due_keys);
}

void replay_forget_search(struct replay *replay)
{
    for (uint32_t i = 0; i < replay->gap_count; i++) {
        free(replay->gaps[i].pruned);
        free(replay->gaps[i].gaps);
        free(replay->gaps[i].keys);
    }
    replay_forget_kinds(replay);
    free(replay->needs);
    free(replay->windows);
    free(replay->queue);
    free(replay->due_gaps);
    free(replay->due_keys);
}

/* -- What a contradiction is due to --------------------------------------------------------- */

static void push_window(struct replay *replay, struct window window)
{
    const struct window *known = &replay->windows[window.key];
    if (known->high >= window.high && known->low <= window.low && known->high > 0) {
        return;
    }
    if (replay->queue_count == replay->queue_capacity) {
        replay->queue_capacity = replay->queue_capacity == 0 ? 64 : 2 * replay->queue_capacity;
        replay->queue = realloc(replay->queue, replay->queue_capacity * sizeof *replay->queue);
        if (replay->queue == NULL) {
            abort();
        }
    }
    replay->queue[replay->queue_count++] = window;
}

/* The keys that decide which branches the txns take that may write this one. */
static void push_compared(struct replay *replay, struct window window)
{
    const struct chronicle *history = replay->history;
    for (size_t i = replay->candidate_start[window.key];
         i < replay->candidate_start[window.key + 1]; i++) {
        const struct operation *operation = &history->operations[replay->candidates[i]];
        for (uint32_t j = 0; j < operation->compare_count; j++) {
            const uint32_t key = history->steps[operation->first_step + j].key;
            push_window(replay, (struct window){window.low, window.high, key});
        }
    }
}

static void explain_window(struct replay *replay, struct window window)
{
    struct window *known = &replay->windows[window.key];
    set_add(replay->due_keys, window.key);
    if (!replay_is_watched(replay, window.key)) {
        return;
    }
    window.low = replay_min(window.low, replay_settled(replay, window.key, window.low));
    if (known->high > 0) {
        window.low = replay_min(window.low, known->low);
        window.high = replay_max(window.high, known->high);
        if (window.low == known->low && window.high == known->high) {
            return;
        }
    }
    *known = window;
    const uint32_t first = replay->first_gap[window.key];
    const uint32_t low = replay_gaps_up_to(replay, window.low);
    const uint32_t end = replay_gaps_up_to(replay, window.high);
    for (uint32_t i = low > first ? low : first; i < end && i < replay->depth; i++) {
        set_add(replay->due_gaps, i);
    }
    /* What is compared matters only from the first write on that nobody knows. */
    const uint32_t next = low > first ? low : first;
    if (replay->has_unsure) {
        push_compared(replay, window);
    } else if (next < end) {
        window.low = replay->gaps[next].revision - 1;
        push_compared(replay, window);
    }
}

void replay_explain(struct replay *replay, uint32_t key, int64_t revision)
{
    if (replay->gap_count == 0) {
        return;
    }
    push_window(replay, (struct window){revision, revision, key});
    while (replay->queue_count > 0) {
        explain_window(replay, replay->queue[--replay->queue_count]);
    }
}

static void explain_operation(struct replay *replay, const struct operation *operation,
                              int64_t revision)
{
    for (uint32_t i = 0; i < chronicle_step_count(operation); i++) {
        const struct step *step = &replay->history->steps[operation->first_step + i];
        for (uint32_t key = step->key; key < step->end && key < replay->history->key_count; key++) {
            if (step_is_write(step) || step->kind == STEP_COMPARE) {
                replay_explain(replay, key, revision);
            }
        }
    }
}

static void forget_explanation(struct replay *replay)
{
    set_empty(replay->due_gaps, replay->gap_count);
    set_empty(replay->due_keys, replay->history->key_count);
    for (uint32_t i = 0; i < replay->watched_count; i++) {
        replay->windows[replay->watched[i]] = (struct window){0};
    }
}

/* -- Filling one gap ------------------------------------------------------------------------ */

enum {
    COST_NEVER = 1 << 30,
    GAIN_OWED = 1 << 20, /* It must be done here, or never. */
    GAIN_NEED = 1 << 12, /* It must be done here or later; the less room there is the better. */
    LOSS = 1 << 8        /* Something else must be done afterwards. */
};

/* What a kind would do at a gap. */
struct effect {
    struct replay *replay;
    const struct gap *gap;
    uint32_t writes;
    uint32_t owed; /* Writes that had to be done here. */
    int64_t cost;
};

static void weigh_write(struct effect *effect, uint32_t key, uint64_t value)
{
    struct replay *replay = effect->replay;
    const struct version write = {.revision = effect->gap->revision, .value = value};
    const struct version *before = model_at(&replay->model, key, write.revision);
    if (value == 0 && (before == NULL || before->value == 0)) {
        return;
    }
    const struct version after = model_next(before, &write);
    const struct need need = replay_need(replay, key, &after, write.revision);
    const struct need *without = &replay->needs[key];
    effect->writes++;
    replay->work++;
    if (need.count == NEED_NEVER) {
        effect->cost = COST_NEVER;
    } else if (without->count == NEED_NEVER) {
        effect->owed++;
        effect->cost -= GAIN_OWED;
    } else if (need.count < without->count) {
        effect->cost -=
            GAIN_NEED - (without->slack < GAIN_NEED / 2 ? without->slack : GAIN_NEED / 2);
    } else {
        effect->cost += (int64_t)(need.count - without->count) * LOSS;
    }
}

/* The cost of trying this kind at the gap; COST_NEVER: it cannot be. */
static int64_t weigh(struct replay *replay, const struct gap *gap, const struct kind *kind,
                     uint32_t owed)
{
    struct effect effect = {.replay = replay, .gap = gap};
    const struct operation *operation = replay_doer(replay, kind);
    const uint8_t branch = replay_branch(replay, operation, gap->revision - 1);
    uint32_t count;
    const struct step *steps =
        chronicle_branch(replay->history, operation, branch == PLACE_THEN, &count);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t key = steps[i].key;
             step_is_write(&steps[i]) && key < steps[i].end && key < replay->history->key_count &&
             effect.cost != COST_NEVER;
             key++) {
            weigh_write(&effect, key, steps[i].kind == STEP_PUT ? steps[i].number : 0);
        }
    }
    return effect.writes == 0 || effect.owed < owed ? COST_NEVER : effect.cost;
}

/* What every watched key needs if nothing is done to it here. Returns how many need it here. */
static uint32_t find_needs(struct replay *replay, const struct gap *gap)
{
    uint32_t owed = 0;
    for (uint32_t i = 0; i < replay->watched_count; i++) {
        const uint32_t key = replay->watched[i];
        const struct version *state = model_at(&replay->model, key, gap->revision);
        replay->needs[key] = replay_need(replay, key, state, gap->revision);
        owed += replay->needs[key].count == NEED_NEVER;
    }
    replay->work += replay->watched_count;
    return owed;
}

static void enact(struct replay *replay, uint32_t index, uint32_t chosen)
{
    struct gap *gap = &replay->gaps[index];
    struct kind *kind = &replay->kinds[chosen];
    const uint32_t member = replay->unplaced[kind->first + kind->used];
    const struct operation *operation = &replay->history->operations[member];
    const uint8_t branch = replay_branch(replay, operation, gap->revision - 1);
    uint32_t count;
    const struct step *steps =
        chronicle_branch(replay->history, operation, branch == PLACE_THEN, &count);
    for (uint32_t i = 0; i < count; i++) {
        const struct version version = {.revision = gap->revision,
                                        .value = steps[i].kind == STEP_PUT ? steps[i].number : 0,
                                        .operation = member};
        for (uint32_t key = steps[i].key;
             step_is_write(&steps[i]) && key < steps[i].end && key < replay->history->key_count;
             key++) {
            if (version.value != 0 || model_has(&replay->model, key, gap->revision)) {
                model_enter(&replay->model, key, &version);
            }
        }
    }
    gap->chosen = chosen;
    gap->member = member;
    kind->used++;
    replay->depth = index + 1;
}

/* Nothing fits: whatever it is that keeps each kind from this gap. */
static void explain_gap(struct replay *replay, const struct gap *gap, uint32_t owed)
{
    set_merge(replay->due_gaps, gap->gaps, replay->gap_count);
    set_merge(replay->due_keys, gap->keys, replay->history->key_count);
    for (uint32_t i = 0; i < replay->watched_count && owed > 0; i++) {
        if (replay->needs[replay->watched[i]].count == NEED_NEVER) {
            replay_explain(replay, replay->watched[i], gap->revision - 1);
        }
    }
    for (uint32_t i = 0; i < replay->kind_count; i++) {
        const struct kind *kind = &replay->kinds[i];
        const uint32_t begun = replay_count_begun(replay, kind, gap);
        if (begun == 0 ||
            (owed > 0 && !replay_touches(replay, replay_doer(replay, kind), replay->due_keys))) {
            continue; /* Not what is done elsewhere keeps it from here. */
        }
        explain_operation(replay, replay_doer(replay, kind), gap->revision - 1);
        for (uint32_t j = 0; j < replay->depth && kind->used == begun; j++) {
            if (replay->gaps[j].chosen == i) {
                set_add(replay->due_gaps, j);
            }
        }
    }
    replay->found =
        (struct contradiction){.revision = gap->revision,
                               .operations = {replay_writer(replay, gap->revision - 1),
                                              replay_writer(replay, gap->revision + 1)}};
}

static int choose(struct replay *replay, uint32_t index)
{
    const struct gap *gap = &replay->gaps[index];
    const uint32_t owed = find_needs(replay, gap);
    int64_t best_cost = COST_NEVER;
    uint32_t best = 0;
    for (uint32_t i = 0; i < replay->kind_count; i++) {
        const struct kind *kind = &replay->kinds[i];
        if (set_has(gap->pruned, i) || replay_count_begun(replay, kind, gap) <= kind->used) {
            continue;
        }
        const int64_t cost = weigh(replay, gap, kind, owed);
        if (cost < best_cost) {
            best_cost = cost;
            best = i;
        }
    }
    if (best_cost == COST_NEVER) {
        explain_gap(replay, gap, owed);
        return -1;
    }
    enact(replay, index, best);
    return 0;
}

int replay_fill(struct replay *replay, uint32_t index)
{
    struct gap *gap = &replay->gaps[index];
    assert(replay->depth == index);
    gap->mark = model_mark(&replay->model);
    set_empty(gap->pruned, replay->kind_count);
    set_empty(gap->gaps, replay->gap_count);
    set_empty(gap->keys, replay->history->key_count);
    return choose(replay, index);
}

/* -- Going back ----------------------------------------------------------------------------- */

/* Make the gap the last one that is filled, and unfill it. */
static void retreat(struct replay *replay, uint32_t index)
{
    while (replay->depth > index) {
        replay->kinds[replay->gaps[--replay->depth].chosen].used--;
    }
    model_undo(&replay->model, replay->gaps[index].mark);
}

/* What is found is due to this gap: what was chosen there, and what would be no better, need not
 * be tried any more. */
static void prune(struct replay *replay, uint32_t index)
{
    struct gap *gap = &replay->gaps[index];
    const uint32_t keys = replay->history->key_count;
    if (gap->pruned == NULL) {
        gap->pruned = checker_allocate(set_words(replay->kind_count), sizeof *gap->pruned);
        gap->gaps = checker_allocate(set_words(replay->gap_count), sizeof *gap->gaps);
        gap->keys = checker_allocate(set_words(keys), sizeof *gap->keys);
    }
    set_merge(gap->gaps, replay->due_gaps, replay->gap_count);
    gap->gaps[index / 64] &= ~(UINT64_C(1) << index % 64);
    set_merge(gap->keys, replay->due_keys, keys);
    set_add(gap->pruned, gap->chosen);
    if (replay_touches(replay, replay_doer(replay, &replay->kinds[gap->chosen]), gap->keys)) {
        return;
    }
    for (uint32_t i = 0; i < replay->kind_count; i++) {
        if (!replay_touches(replay, replay_doer(replay, &replay->kinds[i]), gap->keys)) {
            set_add(gap->pruned, i);
        }
    }
}

static int conclude(struct replay *replay, const struct contradiction *found,
                    enum checker_opinion opinion)
{
    char sentence[160];
    snprintf(sentence, sizeof sentence,
             "revision %" PRId64
             " was given, and no write can have it without contradicting an answer",
             found->revision);
    checker_conclude(replay->verdict, replay->history, opinion,
                     found->sentence == NULL ? sentence : found->sentence, found->operations);
    return 0;
}

int replay_go_back(struct replay *replay, size_t *event)
{
    for (int is_first = 1;; is_first = 0) {
        int64_t last = -1;
        for (uint32_t i = replay->depth; i > 0 && last < 0; i--) {
            last = set_has(replay->due_gaps, i - 1) ? (int64_t)i - 1 : -1;
        }
        if (replay->found.revision >= replay->deepest.revision) {
            replay->deepest = replay->found;
        }
        if (last < 0) {
            return conclude(replay, is_first ? &replay->found : &replay->deepest, CHECKER_REJECTS);
        }
        if (replay->work > WORK_MAX) {
            return conclude(replay, &replay->deepest, CHECKER_GAVE_UP);
        }
        retreat(replay, (uint32_t)last);
        prune(replay, (uint32_t)last);
        forget_explanation(replay);
        if (choose(replay, (uint32_t)last) == 0) {
            *event = replay->gaps[last].event + 1;
            return 1;
        }
    }
}
