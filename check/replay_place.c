/* replay_place.c -- which writes have which revisions.
 *
 * An acknowledged write tells its revision itself. One whose outcome is unknown is placed by the
 * answers that show its value: they name the revision. What is then left over on one side are
 * revisions that no known write has, gaps, and on the other writes of which nothing is known.
 * Each gap must be filled by a write of its own that had begun before anybody was told of that
 * revision. The later the gap, the more writes may fill it, so counting them upwards decides
 * whether they can all be filled (Hall's condition, for sets each of which holds the one
 * before). */
#include "check/replay_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"

/* Who puts a value: an open table, found by value. */
struct writer {
    uint64_t value; /* 0: the place is free. */
    uint32_t operation;
    uint32_t step;
};

struct writers {
    struct writer *table;
    size_t mask;
};

static struct writer *find_place(const struct writers *writers, uint64_t value)
{
    size_t at = (size_t)(value * 0x9e3779b97f4a7c15u >> 20) & writers->mask;
    while (writers->table[at].value != 0 && writers->table[at].value != value) {
        at = (at + 1) & writers->mask;
    }
    return &writers->table[at];
}

static int collect_writers(struct replay *replay, struct writers *writers)
{
    const struct chronicle *history = replay->history;
    size_t capacity = 64;
    while (capacity < 2 * history->step_count) {
        capacity *= 2;
    }
    writers->mask = capacity - 1;
    writers->table = checker_allocate(capacity, sizeof *writers->table);
    for (uint32_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        for (uint32_t j = 0; j < chronicle_step_count(operation); j++) {
            const uint32_t step = operation->first_step + j;
            if (history->steps[step].kind != STEP_PUT) {
                continue;
            }
            struct writer *writer = find_place(writers, history->steps[step].number);
            if (writer->value != 0 || history->steps[step].number == 0) {
                const int64_t both[2] = {i, writer->value == 0 ? i : (int64_t)writer->operation};
                checker_conclude(replay->verdict, history, CHECKER_GAVE_UP,
                                 "a history cannot be judged in which a value is put twice, or 0",
                                 both);
                return -1;
            }
            *writer = (struct writer){history->steps[step].number, i, step};
        }
    }
    return 0;
}

/* -- Where unknown writes were seen --------------------------------------------------------- */

/* The writer is DONE: it must have written what was seen, there. */
static int check_known(struct replay *replay, const struct writer *writer,
                       const struct seen_item *item, uint32_t seer)
{
    const struct operation *operation = &replay->history->operations[writer->operation];
    const int taken = operation->has_succeeded ? PLACE_THEN : PLACE_ELSE;
    if (replay->history->steps[writer->step].place != taken) {
        return replay_reject(replay,
                             "a value was seen that its txn did not put, in a branch that "
                             "was not taken",
                             seer, writer->operation);
    }
    if (operation->revision != item->mod) {
        return replay_reject(replay, "a value was seen at another revision than its put was given",
                             seer, writer->operation);
    }
    return 0;
}

static int place_sighting(struct replay *replay, const struct writers *writers,
                          const struct seen_item *item, uint32_t seer)
{
    const struct chronicle *history = replay->history;
    const struct writer *writer = find_place(writers, item->value);
    if (writer->value == 0) {
        return replay_reject(replay, "a value was seen that nobody ever put", seer, CHECKER_NOBODY);
    }
    const struct operation *operation = &history->operations[writer->operation];
    struct placement *placement = &replay->placements[writer->operation];
    if (history->steps[writer->step].key != item->key) {
        return replay_reject(replay, "a value was seen under another key than it was put to", seer,
                             writer->operation);
    }
    if (item->mod <= replay->base || item->mod > history->operations[seer].revision) {
        return replay_reject(replay,
                             "a value was seen that was written at no revision before the "
                             "answer's",
                             seer, writer->operation);
    }
    if (operation->outcome == OUTCOME_DONE) {
        return check_known(replay, writer, item, seer);
    }
    if (operation->outcome != OUTCOME_UNKNOWN) {
        return replay_reject(replay, "a value was seen whose put surely did not happen", seer,
                             writer->operation);
    }
    if (placement->revision != 0 && placement->revision != item->mod) {
        return replay_reject(replay,
                             "one write, whose client never learned of it, was seen at two "
                             "revisions",
                             placement->teller, seer);
    }
    if (placement->branch != 0 && placement->branch != history->steps[writer->step].place) {
        return replay_reject(replay, "values of both branches of one txn were seen",
                             placement->teller, seer);
    }
    *placement = (struct placement){item->mod, seer, history->steps[writer->step].place};
    return 0;
}

static int place_all(struct replay *replay, const struct writers *writers)
{
    const struct chronicle *history = replay->history;
    int outcome = 0;
    for (uint32_t i = 0; i < history->operation_count && outcome == 0; i++) {
        const struct operation *operation = &history->operations[i];
        if (operation->outcome != OUTCOME_DONE) {
            continue;
        }
        if (chronicle_has_written(history, operation)) {
            replay->placements[i] = (struct placement){
                operation->revision, i, operation->has_succeeded ? PLACE_THEN : PLACE_ELSE};
        }
        uint32_t count;
        const struct step *steps =
            chronicle_branch(history, operation, operation->has_succeeded, &count);
        for (uint32_t j = 0; j < count && outcome == 0; j++) {
            for (uint32_t k = 0; k < steps[j].item_count && outcome == 0; k++) {
                outcome =
                    place_sighting(replay, writers, &history->items[steps[j].first_item + k], i);
            }
        }
    }
    return outcome;
}

/* What a witness says of writes that their clients never learned of. */
static int place_witnessed(struct replay *replay)
{
    const struct chronicle *history = replay->history;
    for (uint32_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        if (operation->revision == 0 || !chronicle_may_have_written(history, operation)) {
            continue;
        }
        if (operation->revision <= replay->base) {
            return replay_reject(replay, "a write has a revision below the store's first", i,
                                 CHECKER_NOBODY);
        }
        replay->placements[i] = (struct placement){operation->revision, i,
                                                   operation->compare_count == 0 ? PLACE_THEN : 0};
    }
    return 0;
}

/* -- Revisions ------------------------------------------------------------------------------ */

static int check_range_of_revisions(struct replay *replay)
{
    const struct chronicle *history = replay->history;
    uint64_t known = 0;
    int64_t teller = CHECKER_NOBODY;
    replay->last = replay->base;
    for (uint32_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        known += replay->placements[i].revision != 0;
        if (operation->kind == OPERATION_RESTART || operation->outcome > OUTCOME_DONE ||
            (operation->outcome == OUTCOME_UNKNOWN && operation->revision == 0)) {
            continue;
        }
        if (operation->revision < replay->base + (replay->placements[i].revision != 0)) {
            return replay_reject(replay, "an answer's revision is below the store's first", i,
                                 CHECKER_NOBODY);
        }
        if (operation->revision > replay->last) {
            replay->last = operation->revision;
            teller = i;
        }
    }
    if ((uint64_t)(replay->last - replay->base) > known + replay->unplaced_count) {
        return replay_reject(replay,
                             "more revisions were given than there were writes that could "
                             "have them",
                             teller, CHECKER_NOBODY);
    }
    return 0;
}

static int enter_known(struct replay *replay)
{
    const struct chronicle *history = replay->history;
    for (uint32_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        if (operation->outcome == OUTCOME_DONE && operation->kind != OPERATION_RESTART) {
            struct revision *told = replay_revision(replay, operation->revision);
            if (operation->end_us < told->known_us) {
                told->known_us = operation->end_us;
                told->teller = i;
            }
        }
        if (replay->placements[i].revision == 0) {
            continue;
        }
        struct revision *revision = replay_revision(replay, replay->placements[i].revision);
        if (revision->is_known) {
            return replay_reject(replay, "two writes have the same revision", revision->operation,
                                 i);
        }
        revision->is_known = 1;
        revision->operation = i;
    }
    return 0;
}

/* A revision was given by the time that a greater one was. */
static void link_revisions(struct replay *replay)
{
    const struct revision *greater = replay_revision(replay, replay->last + 1);
    for (int64_t i = replay->last; i >= replay->base; i--) {
        struct revision *revision = replay_revision(replay, i);
        if (greater->known_us < revision->known_us) {
            revision->known_us = greater->known_us;
            revision->teller = greater->teller;
        }
        greater = revision;
    }
}

static void collect_gaps(struct replay *replay)
{
    const size_t free_count = (size_t)(replay->last - replay->base);
    replay->gaps = checker_allocate(free_count, sizeof *replay->gaps);
    for (int64_t i = replay->base + 1; i <= replay->last + 1; i++) {
        struct revision *revision = replay_revision(replay, i);
        revision->gaps_below = replay->gap_count;
        if (i <= replay->last && !revision->is_known) {
            replay->gaps[replay->gap_count++] =
                (struct gap){.revision = i, .known_us = revision->known_us};
        }
    }
}

static int check_begun(struct replay *replay)
{
    for (uint32_t i = 0; i < replay->history->operation_count; i++) {
        const struct placement *placement = &replay->placements[i];
        if (placement->revision != 0 &&
            replay->history->operations[i].begin_us >
                replay_revision(replay, placement->revision)->known_us) {
            return replay_reject(replay,
                                 "a write began after somebody had been told of its "
                                 "revision or of a greater one",
                                 i, replay_revision(replay, placement->revision)->teller);
        }
    }
    return 0;
}

int64_t replay_writer(const struct replay *replay, int64_t revision)
{
    if (revision <= replay->base || revision > replay->last ||
        !replay_revision(replay, revision)->is_known) {
        return CHECKER_NOBODY;
    }
    return replay_revision(replay, revision)->operation;
}

static int check_gaps(struct replay *replay)
{
    size_t begun = 0;
    for (uint32_t i = 0; i < replay->gap_count; i++) {
        const struct gap *gap = &replay->gaps[i];
        while (begun < replay->unplaced_count &&
               replay->history->operations[replay->unplaced[begun]].begin_us <= gap->known_us) {
            begun++;
        }
        if (i == begun) {
            char sentence[160];
            snprintf(sentence, sizeof sentence,
                     "revision %" PRId64 " was given, and no write can have it", gap->revision);
            return replay_reject(replay, sentence, replay_writer(replay, gap->revision - 1),
                                 replay_writer(replay, gap->revision + 1));
        }
    }
    return 0;
}

/* -- Writes that nobody knows of ------------------------------------------------------------ */

static const struct chronicle *sorted_history;

static int compare_beginnings(const void *left, const void *right)
{
    const uint32_t l = *(const uint32_t *)left;
    const uint32_t r = *(const uint32_t *)right;
    const uint64_t l_us = sorted_history->operations[l].begin_us;
    const uint64_t r_us = sorted_history->operations[r].begin_us;
    return l_us != r_us ? (l_us < r_us ? -1 : 1) : (l > r) - (l < r);
}

static void collect_unplaced(struct replay *replay)
{
    const struct chronicle *history = replay->history;
    replay->unplaced = checker_allocate(history->operation_count, sizeof *replay->unplaced);
    for (uint32_t i = 0; i < history->operation_count; i++) {
        if (replay->placements[i].revision == 0 &&
            chronicle_may_have_written(history, &history->operations[i])) {
            replay->unplaced[replay->unplaced_count++] = i;
        }
    }
    sorted_history = history;
    qsort(replay->unplaced, replay->unplaced_count, sizeof *replay->unplaced, compare_beginnings);
}

/* -- The whole ------------------------------------------------------------------------------ */

int replay_place(struct replay *replay)
{
    const struct chronicle *history = replay->history;
    struct writers writers = {0};
    replay->placements = checker_allocate(history->operation_count, sizeof *replay->placements);
    int outcome = collect_writers(replay, &writers);
    outcome = outcome != 0 ? outcome : place_witnessed(replay);
    outcome = outcome != 0 ? outcome : place_all(replay, &writers);
    free(writers.table);
    if (outcome != 0) {
        return outcome;
    }
    collect_unplaced(replay);
    if (check_range_of_revisions(replay) != 0) {
        return -1;
    }
    const size_t count = (size_t)(replay->last - replay->base) + 2;
    replay->revisions = checker_allocate(count, sizeof *replay->revisions);
    for (size_t i = 0; i < count; i++) {
        replay->revisions[i].known_us = UINT64_MAX;
    }
    outcome = enter_known(replay);
    if (outcome == 0) {
        link_revisions(replay);
        collect_gaps(replay);
        outcome = check_begun(replay) != 0 ? -1 : check_gaps(replay);
    }
    return outcome;
}

void replay_forget_places(struct replay *replay)
{
    free(replay->placements);
    free(replay->revisions);
    free(replay->unplaced);
    free(replay->gaps);
}
