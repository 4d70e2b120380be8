/* replay_guess.c -- placing writes that nobody knows of.
 *
 * An answer shows that something happened to a key between two revisions. Of the writes that
 * nobody knows of, one that had begun early enough and would do just that is put into the first
 * free revision there where no later answer contradicts it. Among several the one that began
 * last is taken: those that began earlier can also stand in for it later, but not the other way
 * round.
 *
 * In the end each revision that is still free was given to some write all the same, of which no
 * answer tells. It is filled with one that contradicts nothing. */
#include "check/replay_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"

int replay_compare_version(const struct step *compare, const struct version *version)
{
    const int is_there = version != NULL && version->value != 0;
    uint64_t number = 0;
    if (compare->target == TARGET_VALUE && !is_there) {
        return 0;
    }
    if (is_there) {
        number = compare->target == TARGET_MOD       ? (uint64_t)version->revision
                 : compare->target == TARGET_CREATE  ? (uint64_t)version->create
                 : compare->target == TARGET_VERSION ? version->number
                                                     : version->value;
    }
    switch (compare->relation) {
    case RELATION_EQUAL:
        return number == compare->number;
    case RELATION_NOT_EQUAL:
        return number != compare->number;
    case RELATION_LESS:
        return number < compare->number;
    default:
        return number > compare->number;
    }
}

int replay_compare(const struct replay *replay, const struct step *compare, int64_t revision)
{
    return replay_compare_version(compare, model_at(&replay->model, compare->key, revision));
}

int replay_is_open(const struct replay *replay, uint32_t key, int64_t revision)
{
    const int64_t settled = replay_max(replay->model.keys[key].settled, replay->base);
    const size_t begin = replay->candidate_start[key];
    if (begin == replay->candidate_start[key + 1] || settled >= replay->last ||
        replay_revision(replay, settled + 1)->next_gap > revision) {
        return 0;
    }
    return replay->history->operations[replay->candidates[begin]].begin_us <=
           replay_revision(replay, replay_min(revision, replay->last))->known_us;
}

int replay_has_candidates(const struct replay *replay, uint32_t key)
{
    return replay->candidate_start[key] < replay->candidate_start[key + 1];
}

/* True if nobody saw the key both before and after this revision, and the same. */
static int is_unseen(const struct replay *replay, uint32_t key, int64_t revision)
{
    const struct version *before = model_at(&replay->model, key, revision);
    return before == NULL || (before->revision < revision && before->seen_until < revision);
}

/* True if the next thing that the model knows of the key is a deletion of it, which found it. */
static int is_deleted_next(const struct model *model, uint32_t key, int64_t revision)
{
    const struct version *before = model_at(model, key, revision);
    const struct model_key *versions = &model->keys[key];
    const size_t next = before == NULL ? 0 : (size_t)(before - versions->versions) + 1;
    return next < versions->count && versions->versions[next].value == 0;
}

/* What an operation would do at a revision that nothing has yet. */
struct effect {
    const struct replay *replay;
    const struct step *steps; /* Of the branch that it would take. */
    uint32_t count;
    int64_t revision;
    uint32_t writes; /* Keys that it would write. */
    uint8_t branch;  /* enum step_place. */
    int is_allowed;  /* All of them may be, for all that was replayed. */
    int is_foreseen; /* And no later answer about them says otherwise. */
    int is_wanted;   /* It would do what is asked for. */
};

static void find_branch(const struct replay *replay, const struct operation *operation,
                        struct effect *effect)
{
    int holds = 1;
    for (uint32_t i = 0; i < operation->compare_count; i++) {
        holds &= replay_compare(replay, &replay->history->steps[operation->first_step + i],
                                effect->revision - 1);
    }
    effect->steps = chronicle_branch(replay->history, operation, holds, &effect->count);
    effect->branch = holds ? PLACE_THEN : PLACE_ELSE;
}

static void foresee_step(struct effect *effect, const struct step *step, const struct guess *guess)
{
    const struct model *model = &effect->replay->model;
    for (uint32_t key = step->key; key < step->end && key < model->key_count; key++) {
        const int is_put = step->kind == STEP_PUT;
        if (!is_put && !model_has(model, key, effect->revision - 1)) {
            continue;
        }
        effect->writes++;
        const enum foresight foresight =
            replay_foresee(effect->replay, key, effect->revision, is_put);
        effect->is_allowed &= is_unseen(effect->replay, key, effect->revision) &&
                              foresight != FORESIGHT_FORBIDDEN &&
                              (is_put || !is_deleted_next(model, key, effect->revision));
        effect->is_foreseen &= foresight == FORESIGHT_POSSIBLE;
        effect->is_wanted |= key == guess->key && is_put == (guess->kind == GUESS_PUT);
    }
}

static struct effect foresee(const struct replay *replay, const struct operation *operation,
                             int64_t revision, const struct guess *guess)
{
    struct effect effect = {
        .replay = replay, .revision = revision, .is_allowed = 1, .is_foreseen = 1};
    find_branch(replay, operation, &effect);
    for (uint32_t i = 0; i < effect.count; i++) {
        if (effect.steps[i].kind == STEP_PUT || effect.steps[i].kind == STEP_DELETE) {
            foresee_step(&effect, &effect.steps[i], guess);
        }
    }
    return effect;
}

static void enact(struct replay *replay, uint32_t operation, const struct guess *guess,
                  const struct effect *effect)
{
    struct version version = {.revision = effect->revision, .operation = operation, .is_guess = 1};
    for (uint32_t i = 0; i < effect->count; i++) {
        const struct step *step = &effect->steps[i];
        if (step->kind != STEP_PUT && step->kind != STEP_DELETE) {
            continue;
        }
        version.value = step->kind == STEP_PUT ? step->number : 0;
        for (uint32_t key = step->key; key < step->end && key < replay->model.key_count; key++) {
            const struct version *before = model_at(&replay->model, key, effect->revision);
            const int is_new = before == NULL || before->revision < effect->revision;
            if (is_new && (version.value != 0 || (before != NULL && before->value != 0))) {
                model_enter(&replay->model, key, &version);
            }
        }
    }
    replay->is_guessed[operation] = 1;
    replay->guesses[replay->guess_count++] = (struct guessed){.operation = operation,
                                                              .key = guess->key,
                                                              .branch = effect->branch,
                                                              .revision = effect->revision};
    replay_revision(replay, effect->revision)->use = REVISION_GUESSED;
}

static int is_banned(const struct replay *replay, uint32_t operation, uint32_t key,
                     int64_t revision)
{
    for (size_t i = 0; i < replay->ban_count; i++) {
        const struct guessed *ban = &replay->bans[i];
        if (ban->operation == operation && ban->key == key && ban->revision == revision) {
            return 1;
        }
    }
    return 0;
}

void replay_blame(struct replay *replay, uint32_t key)
{
    const size_t begin = replay->candidate_start[key];
    const size_t end = replay->candidate_start[key + 1];
    for (size_t i = replay->guess_count; i > (size_t)(replay->culprit + 1); i--) {
        for (size_t j = begin; j < end; j++) {
            if (replay->candidates[j] == replay->guesses[i - 1].operation) {
                replay->culprit = (int64_t)i - 1;
                return;
            }
        }
    }
}

int replay_ban(struct replay *replay)
{
    if (replay->culprit < 0 || replay->ban_count == replay->ban_capacity) {
        return 0;
    }
    replay->bans[replay->ban_count++] = replay->guesses[replay->culprit];
    for (size_t i = 0; i < replay->guess_count; i++) {
        const struct guessed *guess = &replay->guesses[i];
        replay->is_guessed[guess->operation] = 0;
        replay_revision(replay, guess->revision)->use = REVISION_FREE;
    }
    replay->guess_count = 0;
    replay->culprit = -1;
    replay->is_loose = 1; /* What is banned may have been right. */
    return 1;
}

/* True if it might as well have been another write, or another revision. */
static int has_alternative(const struct replay *replay, const struct guess *guess, int64_t revision)
{
    const int64_t high = replay_min(guess->high, replay->last);
    size_t count = 0;
    for (size_t i = replay->candidate_start[guess->key];
         i < replay->candidate_start[guess->key + 1] && count < 2; i++) {
        count += !replay->is_guessed[replay->candidates[i]];
    }
    return count > 1 ||
           (revision < high && replay_revision(replay, revision + 1)->next_gap <= high);
}

/* Try each write that may be it, at one free revision. A hasty one does not look ahead. */
static int guess_at(struct replay *replay, const struct guess *guess, int64_t revision,
                    int is_hasty)
{
    const uint64_t known_us = replay_revision(replay, revision)->known_us;
    const size_t begin = replay->candidate_start[guess->key];
    for (size_t i = replay->candidate_start[guess->key + 1]; i > begin; i--) {
        const uint32_t index = replay->candidates[i - 1];
        const struct operation *operation = &replay->history->operations[index];
        if (replay->is_guessed[index] || operation->begin_us > known_us ||
            is_banned(replay, index, guess->key, revision)) {
            continue;
        }
        const struct effect effect = foresee(replay, operation, revision, guess);
        if (effect.is_wanted && effect.is_allowed && (effect.is_foreseen || is_hasty)) {
            replay->is_loose |= is_hasty || operation->kind == OPERATION_TXN || effect.writes > 1 ||
                                has_alternative(replay, guess, revision);
            enact(replay, index, guess, &effect);
            return 1;
        }
        /* It was in the way, or it may have taken the other branch. */
        replay->is_loose |= effect.is_wanted || operation->compare_count > 0;
    }
    return 0;
}

static void blame_revision(struct replay *replay, int64_t revision)
{
    replay->is_loose = 1;
    for (size_t i = replay->guess_count; i > (size_t)(replay->culprit + 1); i--) {
        if (replay->guesses[i - 1].revision == revision) {
            replay->culprit = (int64_t)i - 1;
            return;
        }
    }
}

static int guess_between(struct replay *replay, const struct guess *guess, int is_hasty)
{
    const int64_t settled = replay->model.keys[guess->key].settled;
    const int64_t low = replay_max(replay_max(guess->low, settled + 1), replay->base + 1);
    const int64_t high = replay_min(guess->high, replay->last);

    for (int64_t at = low; at <= high; at++) {
        at = replay_revision(replay, at)->next_gap;
        if (at > high) {
            break;
        }
        if (replay_revision(replay, at)->use != REVISION_FREE) {
            blame_revision(replay, at); /* Whoever was put here might have gone elsewhere. */
        } else if (is_unseen(replay, guess->key, at) && guess_at(replay, guess, at, is_hasty)) {
            return 1;
        }
    }
    return 0;
}

int replay_guess(struct replay *replay, const struct guess *guess)
{
    assert(guess->key < replay->model.key_count);
    if (!replay_has_candidates(replay, guess->key)) {
        return 0;
    }
    return guess_between(replay, guess, 0) || guess_between(replay, guess, 1);
}

/* -- What is left over ---------------------------------------------------------------------- */

static int is_any_unseen(const struct replay *replay, const struct step *step, int64_t revision)
{
    int is_any = 0;
    for (uint32_t key = step->key; key < step->end && key < replay->model.key_count; key++) {
        /* Where it was absent, it may have been put and deleted again. */
        is_any |= is_unseen(replay, key, revision) || !model_has(&replay->model, key, revision);
    }
    return is_any;
}

/* True if the operation could have written anything at a revision, for all that is known. */
static int could_write(const struct replay *replay, const struct operation *operation,
                       int64_t revision)
{
    const uint32_t first = operation->first_step + operation->compare_count;
    const uint32_t count = (uint32_t)operation->then_count + operation->else_count;
    int could = 0;
    for (uint32_t i = first; i < first + count && !could; i++) {
        const struct step *step = &replay->history->steps[i];
        could = (step->kind == STEP_PUT || step->kind == STEP_DELETE) &&
                is_any_unseen(replay, step, revision);
    }
    return could;
}

/* Returns 1 if a write was found for this revision; 0 if none was; -1 if none can be. */
static int fill(struct replay *replay, int64_t revision)
{
    static const struct guess ANYTHING = {.kind = GUESS_PUT, .key = UINT32_MAX};
    const uint64_t known_us = replay_revision(replay, revision)->known_us;
    int outcome = -1;
    for (size_t i = replay->unplaced_count; i > 0; i--) {
        const uint32_t index = replay->unplaced[i - 1];
        const struct operation *operation = &replay->history->operations[index];
        if (operation->begin_us > known_us) {
            continue;
        }
        if (!replay->is_guessed[index]) {
            const struct effect effect = foresee(replay, operation, revision, &ANYTHING);
            if (effect.writes > 0 && effect.is_allowed && effect.is_foreseen) {
                enact(replay, index, &ANYTHING, &effect);
                return 1;
            }
        }
        if (could_write(replay, operation, revision)) {
            outcome = 0;
        }
    }
    return outcome;
}

int replay_fill(struct replay *replay)
{
    const size_t guess_count = replay->guess_count;
    int64_t gap = replay_revision(replay, replay->base)->next_gap;
    for (; gap <= replay->last; gap = replay_revision(replay, gap + 1)->next_gap) {
        const int outcome =
            replay_revision(replay, gap)->use == REVISION_FREE ? fill(replay, gap) : 1;
        if (outcome <= 0) {
            char sentence[160];
            snprintf(sentence, sizeof sentence,
                     "revision %" PRId64
                     " was given, and no write can have it without contradicting an answer",
                     gap);
            replay->culprit = (int64_t)guess_count - 1;
            checker_conclude(
                replay->verdict, replay->history,
                outcome < 0 && guess_count == 0 ? CHECKER_REJECTS : CHECKER_GAVE_UP, sentence,
                (int64_t[2]){replay_writer(replay, gap - 1), replay_writer(replay, gap + 1)});
            return -1;
        }
    }
    return 0;
}
