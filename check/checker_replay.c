/* checker_replay.c -- the judge that replays a history in order of its revisions.
 *
 *   place     every write has its revision, or is known to have left no trace  (replay_place.c)
 *   time      what began later shows at least as much                          (replay_time.c)
 *   replay    in order of revisions, each write and then the reads of the state that it made:
 *             every answer must be what the model says, and every write changes the model
 *
 * Where an answer and the model differ, either something unseen happened before (a guess explains
 * it: replay_guess.c), or the answer is wrong. What an answer shows of a key at a revision is
 * certain from then on, so no later guess can undo it. */
#include "check/checker_replay.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "check/replay_internal.h"

enum {
    BANS_MAX = 2000,    /* Replays of one history, */
    WORK_MAX = 20000000 /* and operations in all of them. */
};

int replay_reject(struct replay *replay, const char *sentence, int64_t first, int64_t second)
{
    const int64_t both[2] = {first, second};
    checker_conclude(replay->verdict, replay->history, CHECKER_REJECTS, sentence, both);
    return -1;
}

/* True if answers of later revisions came first: guesses were made without this one. */
static int is_late(const struct replay *replay, const struct event *event)
{
    return event->revision < replay->now && replay->unplaced_count > 0;
}

/* An answer about a key is not the model's, and no guess helps. */
static int conclude_on_key(struct replay *replay, const struct event *event, uint32_t key,
                           const char *sentence)
{
    const int64_t at = event->is_read ? event->revision : event->revision - 1;
    const struct version *version = model_at(&replay->model, key, at);
    const int64_t both[2] = {event->operation,
                             version == NULL ? CHECKER_NOBODY : (int64_t)version->operation};
    const int is_unsure =
        is_late(replay, event) || (replay->is_loose && replay_has_candidates(replay, key));
    replay_blame(replay, key);
    checker_conclude(replay->verdict, replay->history,
                     is_unsure ? CHECKER_GAVE_UP : CHECKER_REJECTS, sentence, both);
    return -1;
}

/* -- What an answer shows of one key -------------------------------------------------------- */

static void note_seen(struct replay *replay, uint32_t key, int64_t revision, int is_settled)
{
    struct version *version = model_at(&replay->model, key, revision);
    if (version != NULL) {
        version->seen_until = replay_max(version->seen_until, revision);
    }
    if (is_settled || version == NULL) {
        struct model_key *model_key = &replay->model.keys[key];
        model_key->settled = replay_max(model_key->settled, revision);
    }
}

/* The key was seen to be absent. */
static int see_absent(struct replay *replay, const struct event *event, uint32_t key)
{
    const struct version *version = model_at(&replay->model, key, event->revision);
    if (version != NULL && version->value != 0) {
        const struct guess guess = {GUESS_DELETE, key, version->revision + 1, event->revision};
        if (!replay_guess(replay, &guess)) {
            return conclude_on_key(replay, event, key,
                                   "a key was seen to be absent that had been put and not deleted");
        }
    }
    note_seen(replay, key, event->revision, 1);
    return 0;
}

/* A deletion found the key, no matter with what. */
static int see_present(struct replay *replay, const struct event *event, uint32_t key)
{
    const struct version *version = model_at(&replay->model, key, event->revision);
    const struct guess guess = {GUESS_PUT, key, version == NULL ? 0 : version->revision + 1,
                                event->revision};
    if (!model_has(&replay->model, key, event->revision) && !replay_guess(replay, &guess)) {
        return conclude_on_key(replay, event, key, "a key was said to be there that was absent");
    }
    return 0;
}

/* What must have happened, unseen, so that this version is as it was seen: 1 and a guess; 0: it
 * is as it was seen; -1: nothing can explain it. */
static int diagnose(const struct replay *replay, const struct seen_item *item,
                    const struct version *version, struct guess *guess)
{
    if (version == NULL || version->revision != item->mod || version->value != item->value) {
        return -1;
    }
    if (version->create == item->create) {
        *guess = (struct guess){GUESS_PUT, item->key, item->create + 1, item->mod - 1};
        return item->version < version->number ? -1 : item->version > version->number;
    }
    if (item->create > item->mod) {
        return -1;
    }
    const struct version *creation = model_at(&replay->model, item->key, item->create);
    const int is_known = creation != NULL && creation->revision == item->create;
    if (item->create < version->create) {
        /* It was put before what looks like its creation, and not deleted in between. */
        *guess = (struct guess){GUESS_PUT, item->key, item->create, item->create};
        return !is_known && creation == model_at(&replay->model, item->key, version->create - 1)
                   ? 1
                   : -1;
    }
    /* The key was absent in between, and put again at the revision that the item says. */
    if (!is_known) {
        *guess = (struct guess){GUESS_PUT, item->key, item->create, item->create};
        return 1;
    }
    const struct version *before = model_at(&replay->model, item->key, item->create - 1);
    if (creation->value == 0 || before == NULL || before->value == 0) {
        return -1;
    }
    *guess = (struct guess){GUESS_DELETE, item->key, before->revision + 1, item->create - 1};
    return 1;
}

/* Why an item cannot be, in words. */
static const char *blame(const struct seen_item *item, const struct version *version)
{
    if (version == NULL || version->value == 0) {
        return "a key was seen to be there that was absent";
    }
    if (version->revision > item->mod) {
        return "an old value of a key was seen after a newer one had been put";
    }
    if (version->revision < item->mod || version->value != item->value) {
        return "a value was seen that the key did not have";
    }
    return "a key was seen with a create revision or a version that it did not have";
}

static int see_item(struct replay *replay, const struct event *event, const struct seen_item *item)
{
    struct guess guess;
    int outcome;
    do {
        const struct version *version = model_at(&replay->model, item->key, event->revision);
        outcome = diagnose(replay, item, version, &guess);
        if (outcome < 0 && version != NULL && !version->is_guess &&
            version->revision != item->mod) {
            return replay_reject(replay, blame(item, version), event->operation,
                                 version->operation); /* Whatever was guessed. */
        }
        if (outcome < 0 || (outcome > 0 && !replay_guess(replay, &guess))) {
            return conclude_on_key(replay, event, item->key, blame(item, version));
        }
    } while (outcome != 0);
    note_seen(replay, item->key, event->revision, 1);
    return 0;
}

/* -- What an answer shows of a range -------------------------------------------------------- */

/* How many keys of a range are there in the model. */
static uint32_t count_present(const struct replay *replay, const struct step *step,
                              int64_t revision)
{
    uint32_t count = 0;
    for (uint32_t key = step->key; key < step->end && key < replay->model.key_count; key++) {
        count += model_has(&replay->model, key, revision) != 0;
    }
    return count;
}

/* The count is told, and nothing of some keys: let guesses make up for the difference. */
static int see_count(struct replay *replay, const struct event *event, const struct step *step)
{
    uint32_t present = count_present(replay, step, event->revision);
    int is_open = is_late(replay, event);
    for (uint32_t key = step->key; key < step->end && key < replay->model.key_count; key++) {
        const int is_there = model_has(&replay->model, key, event->revision);
        const struct version *version = model_at(&replay->model, key, event->revision);
        const struct guess guess = {is_there ? GUESS_DELETE : GUESS_PUT, key,
                                    version == NULL ? 0 : version->revision + 1, event->revision};
        is_open |= replay_is_open(replay, key, event->revision);
        if (present != step->count && is_there == (present > step->count) &&
            replay_guess(replay, &guess)) {
            replay->is_loose = 1; /* It might have been another key. */
            present = count_present(replay, step, event->revision);
        }
    }
    if (present != step->count) {
        for (uint32_t key = step->key; key < step->end && key < replay->model.key_count; key++) {
            replay_blame(replay, key);
        }
        const int64_t both[2] = {event->operation, CHECKER_NOBODY};
        checker_conclude(replay->verdict, replay->history,
                         is_open ? CHECKER_GAVE_UP : CHECKER_REJECTS,
                         "a count is not that of the keys that were there", both);
        return -1;
    }
    return 0;
}

/* The items are in order, within the range and the limit, and as many as the count says. */
static int is_well_formed(const struct step *step, const struct seen_item *items)
{
    uint32_t due = step->wants_items ? step->count : 0;
    if (step->kind == STEP_GET && step->limit != 0 && step->limit < due) {
        due = step->limit;
    }
    int is_good = step->item_count == due;
    for (uint32_t i = 0; i < step->item_count && is_good; i++) {
        is_good = items[i].key >= step->key && items[i].key < step->end &&
                  (i == 0 || items[i].key > items[i - 1].key);
    }
    return is_good && (step->has_more != 0) == (step->kind == STEP_GET && step->wants_items &&
                                                step->count > step->item_count);
}

/* A range's items and count, of what was there. */
static int see_range(struct replay *replay, const struct event *event, const struct step *step)
{
    const struct seen_item *items = &replay->history->items[step->first_item];
    const int is_whole = step->count == step->item_count;
    const uint32_t end = is_whole                ? step->end
                         : step->item_count == 0 ? step->key
                                                 : items[step->item_count - 1].key;
    uint32_t next = 0;
    int outcome = 0;

    if (!is_well_formed(step, items)) {
        return replay_reject(replay, "an answer contradicts itself: count, items, limit and more",
                             event->operation, CHECKER_NOBODY);
    }
    for (uint32_t key = step->key; key < end && key < replay->model.key_count && outcome == 0;
         key++) {
        if (next < step->item_count && items[next].key == key) {
            outcome = see_item(replay, event, &items[next++]);
        } else {
            outcome = see_absent(replay, event, key);
        }
    }
    if (outcome == 0 && next < step->item_count) {
        outcome = see_item(replay, event, &items[next]); /* The last one of those that fitted. */
    }
    return outcome == 0 && !is_whole ? see_count(replay, event, step) : outcome;
}

/* -- Steps ---------------------------------------------------------------------------------- */

/* True if the answers are known; else it was merely seen that the operation was done. */
static int is_answered(const struct replay *replay, const struct event *event)
{
    return replay->history->operations[event->operation].outcome == OUTCOME_DONE;
}

static int enter(struct replay *replay, const struct event *event, uint32_t key, uint64_t value)
{
    const struct version *before = model_at(&replay->model, key, event->revision);
    const struct version version = {
        .revision = event->revision, .value = value, .operation = event->operation};
    if (before != NULL && before->revision == event->revision) {
        return replay_reject(replay, "a key is written twice in one revision", event->operation,
                             before->operation);
    }
    model_enter(&replay->model, key, &version);
    replay->written++;
    return 0;
}

static int replay_put(struct replay *replay, const struct event *event, const struct step *step)
{
    int outcome = 0;
    if (is_answered(replay, event) && step->wants_items) {
        outcome = step->item_count == 1
                      ? see_item(replay, event, &replay->history->items[step->first_item])
                      : see_absent(replay, event, step->key);
    }
    return outcome != 0 ? outcome : enter(replay, event, step->key, step->number);
}

static int replay_delete(struct replay *replay, const struct event *event, const struct step *step)
{
    int outcome = 0;
    if (is_answered(replay, event)) {
        if (step->end == step->key + 1 && step->count == 1 && !step->wants_items) {
            outcome = see_present(replay, event, step->key);
        } else {
            outcome = see_range(replay, event, step);
        }
    }
    for (uint32_t key = step->key; key < step->end && key < replay->model.key_count && outcome == 0;
         key++) {
        if (!model_has(&replay->model, key, event->revision)) {
            if (is_answered(replay, event)) {
                note_seen(replay, key, event->revision, 1);
            }
        } else if (event->is_read) {
            outcome = replay_reject(replay, "a deletion of a key that was there took no revision",
                                    event->operation, CHECKER_NOBODY);
        } else {
            outcome = enter(replay, event, key, 0);
        }
    }
    return outcome;
}

static int replay_get(struct replay *replay, const struct event *event, const struct step *step)
{
    struct event past = *event;
    if (!is_answered(replay, event)) {
        return 0;
    }
    if (step->number != 0) {
        /* Within a txn it comes later than others at its revision: a guess may be in its way. */
        replay->is_loose |= past.revision != (int64_t)step->number;
        past.revision = (int64_t)step->number;
        past.is_read = 1;
    }
    return see_range(replay, &past, step);
}

/* -- Compares ------------------------------------------------------------------------------- */

/* Let something unseen have happened to the key so that this compare holds, or does not: a
 * deletion or a put since its last known write, or one of them before that. */
static void turn(struct replay *replay, const struct step *compare, int64_t revision)
{
    static const struct version NEVER = {0};
    const struct version *last = model_at(&replay->model, compare->key, revision);
    const struct version now = last == NULL ? NEVER : *last;
    const int holds = replay_compare_version(compare, &now);
    const int is_there = now.value != 0;
    const struct version outcomes[] = {
        NEVER,
        {revision, is_there ? now.create : revision, 0, UINT64_MAX, now.number + 1, 0, 0},
        {now.revision, now.revision, 0, now.value, 1, 0, 0},
        {now.revision, now.create, 0, now.value, now.number + 1, 0, 0},
    };
    const struct guess guesses[] = {
        {GUESS_DELETE, compare->key, now.revision + 1, revision},
        {GUESS_PUT, compare->key, now.revision + 1, revision},
        {GUESS_DELETE, compare->key, now.create + 1, now.revision - 1},
        {GUESS_PUT, compare->key, now.create + 1, now.revision - 1},
    };
    for (size_t i = 0; i < sizeof guesses / sizeof *guesses; i++) {
        const int is_possible = is_there || i == 1;
        if (is_possible && replay_compare_version(compare, &outcomes[i]) != holds &&
            replay_guess(replay, &guesses[i])) {
            return;
        }
    }
}

static const struct step *find_false(const struct replay *replay, const struct step *compares,
                                     uint32_t count, int64_t revision)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!replay_compare(replay, &compares[i], revision)) {
            return &compares[i];
        }
    }
    return NULL;
}

/* True if any of the keys that are compared could be otherwise than the model says. */
static int are_compares_open(const struct replay *replay, const struct event *event)
{
    const struct operation *operation = &replay->history->operations[event->operation];
    const struct step *compares = &replay->history->steps[operation->first_step];
    const int64_t at = event->is_read ? event->revision : event->revision - 1;
    int is_open = 0;
    for (uint32_t i = 0; i < operation->compare_count; i++) {
        is_open |= replay_is_open(replay, compares[i].key, at);
    }
    return is_open;
}

static int see_compares(struct replay *replay, const struct event *event, int has_succeeded,
                        int is_open)
{
    const struct operation *operation = &replay->history->operations[event->operation];
    const struct step *compares = &replay->history->steps[operation->first_step];
    const uint32_t count = operation->compare_count;
    const int64_t at = event->is_read ? event->revision : event->revision - 1;

    for (uint32_t i = 0; i < count; i++) {
        if (has_succeeded ? !replay_compare(replay, &compares[i], at)
                          : find_false(replay, compares, count, at) == NULL) {
            turn(replay, &compares[i], at);
        }
    }
    const struct step *wrong = find_false(replay, compares, count, at);
    if ((wrong == NULL) != has_succeeded) {
        for (uint32_t i = 0; i < count; i++) {
            replay_blame(replay, compares[i].key);
        }
        const struct step *shown = wrong != NULL || count == 0 ? wrong : &compares[0];
        const struct version *version =
            shown == NULL ? NULL : model_at(&replay->model, shown->key, at);
        const int64_t both[2] = {event->operation,
                                 version == NULL ? CHECKER_NOBODY : (int64_t)version->operation};
        checker_conclude(replay->verdict, replay->history,
                         is_open ? CHECKER_GAVE_UP : CHECKER_REJECTS,
                         has_succeeded ? "a txn succeeded though one of its compares did not hold"
                                       : "a txn failed though all of its compares held",
                         both);
        return -1;
    }
    for (uint32_t i = 0; i < count && has_succeeded; i++) {
        const struct step *compare = &compares[i];
        const int is_absence = compare->number == 0; /* Nobody puts the value 0. */
        const int is_named = compare->target == TARGET_MOD || compare->target == TARGET_VALUE;
        if (compare->relation == RELATION_EQUAL && (is_absence || is_named)) {
            note_seen(replay, compare->key, at, is_absence);
        }
    }
    return 0;
}

/* -- Operations in order -------------------------------------------------------------------- */

static int compare_events(const void *left, const void *right)
{
    const struct event *l = left;
    const struct event *r = right;
    if (l->revision != r->revision) {
        return l->revision < r->revision ? -1 : 1;
    }
    if (l->is_read != r->is_read) {
        return l->is_read ? 1 : -1;
    }
    return (l->operation > r->operation) - (l->operation < r->operation);
}

/* Which events are there: every write that was placed, and every answer that wrote nothing. */
static size_t collect_events(const struct replay *replay, struct event *events)
{
    const struct chronicle *history = replay->history;
    size_t count = 0;
    for (uint32_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        const struct step *step = &history->steps[operation->first_step];
        struct event event = {replay->placements[i].revision, i, 0};
        if (event.revision == 0) {
            if (operation->outcome != OUTCOME_DONE || operation->kind == OPERATION_RESTART ||
                operation->kind == OPERATION_COMPACT) {
                continue;
            }
            event.is_read = 1;
            event.revision = operation->kind == OPERATION_GET && step->number != 0
                                 ? (int64_t)step->number
                                 : operation->revision;
        }
        events[count++] = event;
    }
    qsort(events, count, sizeof *events, compare_events);
    return count;
}

static int replay_steps(struct replay *replay, const struct event *event, int has_succeeded)
{
    uint32_t count;
    const struct step *steps = chronicle_branch(
        replay->history, &replay->history->operations[event->operation], has_succeeded, &count);
    int outcome = 0;
    for (uint32_t i = 0; i < count && outcome == 0; i++) {
        switch (steps[i].kind) {
        case STEP_PUT:
            outcome = replay_put(replay, event, &steps[i]);
            break;
        case STEP_DELETE:
            outcome = replay_delete(replay, event, &steps[i]);
            break;
        default:
            outcome = replay_get(replay, event, &steps[i]);
            break;
        }
    }
    return outcome;
}

/* Which branch was taken. Where nobody knows, the compares decide. */
static uint8_t find_branch(struct replay *replay, const struct event *event)
{
    const struct operation *operation = &replay->history->operations[event->operation];
    struct placement *placement = &replay->placements[event->operation];
    if (event->is_read) {
        return operation->has_succeeded ? PLACE_THEN : PLACE_ELSE;
    }
    if (placement->branch == 0) {
        const struct step *compares = &replay->history->steps[operation->first_step];
        const struct step *wrong =
            find_false(replay, compares, operation->compare_count, event->revision - 1);
        placement->branch = wrong == NULL ? PLACE_THEN : PLACE_ELSE;
    }
    return placement->branch;
}

/* What a failed txn read shows more than that some compare did not hold, so it is looked at
 * first; what a successful one is to change must not be there when its compares are judged. */
static int replay_event(struct replay *replay, const struct event *event)
{
    const struct operation *operation = &replay->history->operations[event->operation];
    const int has_succeeded = find_branch(replay, event) == PLACE_THEN;
    const int is_txn = operation->kind == OPERATION_TXN;
    const int is_open = are_compares_open(replay, event);
    const uint64_t written = replay->written;
    replay->now = event->revision;
    replay->culprit = -1;
    int outcome = is_txn && has_succeeded ? see_compares(replay, event, 1, is_open) : 0;
    outcome = outcome != 0 ? outcome : replay_steps(replay, event, has_succeeded);
    if (outcome == 0 && is_txn && !has_succeeded) {
        outcome = see_compares(replay, event, 0, is_open);
    }
    if (outcome == 0 && !event->is_read && replay->written == written) {
        outcome = replay_reject(replay, "a revision was given to a write that changed nothing",
                                event->operation, CHECKER_NOBODY);
    }
    return outcome;
}

static void replay_all(struct replay *replay, const struct event *events, size_t count)
{
    int outcome = 0;
    *replay->verdict = (struct checker_verdict){.opinion = CHECKER_ACCEPTS};
    model_init(&replay->model, replay->history->key_count);
    for (size_t i = 0; i < count && outcome == 0; i++) {
        outcome = replay_event(replay, &events[i]);
    }
    if (outcome == 0) {
        (void)replay_fill(replay);
    }
    model_deinit(&replay->model);
}

/* Guesses look ahead, but not at everything. So what they explain is believed only if it stands
 * as if it were known: each write where it was put, and nothing to guess any more. */
static void verify(struct replay *replay)
{
    for (size_t i = 0; i < replay->guess_count; i++) {
        const struct guessed *guess = &replay->guesses[i];
        replay->placements[guess->operation] =
            (struct placement){guess->revision, guess->operation, guess->branch};
    }
    memset(replay->candidate_start, 0,
           ((size_t)replay->history->key_count + 1) * sizeof *replay->candidate_start);
    replay->guess_count = 0;
    struct event *events = checker_allocate(replay->history->operation_count, sizeof *events);
    replay_all(replay, events, collect_events(replay, events));
    if (replay->verdict->opinion == CHECKER_REJECTS) {
        replay->verdict->opinion = CHECKER_GAVE_UP;
    }
    free(events);
}

/* Replay; and as long as guesses are in the way, again without the one that is to blame. */
static void replay_and_guess(struct replay *replay)
{
    struct event *events = checker_allocate(replay->history->operation_count, sizeof *events);
    const size_t count = collect_events(replay, events);
    if (replay->unplaced_count > 0) {
        const size_t tries = WORK_MAX / (count + 1) + 1;
        replay->guesses = checker_allocate(replay->unplaced_count, sizeof *replay->guesses);
        replay->ban_capacity = tries < BANS_MAX ? tries : BANS_MAX;
        replay->bans = checker_allocate(replay->ban_capacity, sizeof *replay->bans);
        replay_collect_timeline(replay, events, count);
    }
    do {
        replay_all(replay, events, count);
    } while (replay->verdict->opinion == CHECKER_GAVE_UP && replay_ban(replay));
    if (replay->verdict->opinion == CHECKER_ACCEPTS && replay->guess_count > 0) {
        verify(replay);
    }
    replay_forget_timeline(replay);
    free(replay->guesses);
    free(replay->bans);
    free(events);
}

void checker_replay(const struct chronicle *history, struct checker_verdict *verdict)
{
    struct replay replay = {
        .history = history, .verdict = verdict, .base = history->base, .culprit = -1};
    *verdict = (struct checker_verdict){.opinion = CHECKER_ACCEPTS};
    if (checker_find_flaw(history, verdict) == 0 && replay_place(&replay) == 0 &&
        replay_check_time(&replay) == 0) {
        replay_and_guess(&replay);
    }
    replay_forget_places(&replay);
}
