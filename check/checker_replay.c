/* checker_replay.c -- the judge that replays a history in order of its revisions.
 *
 *   place     every write has its revision, or is known to have left no trace  (replay_place.c)
 *   twice     what can be done once was done once                              (replay_twice.c)
 *   time      what began later shows at least as much                          (replay_time.c)
 *   replay    in order of revisions, each write and then the reads of the state that it made:
 *             every answer must be what the model says, and every write changes the model
 *   search    a revision that no known write has is given to one that nobody saw, such that all
 *             answers are right, or none is left to try               (replay_search.c) */
#include "check/checker_replay.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "check/replay_internal.h"

int replay_reject(struct replay *replay, const char *sentence, int64_t first, int64_t second)
{
    const int64_t both[2] = {first, second};
    checker_conclude(replay->verdict, replay->history, CHECKER_REJECTS, sentence, both);
    return -1;
}

/* An answer is not the model's, because of one key or others that were explained already. */
static int contradict(struct replay *replay, const struct event *event, const char *sentence,
                      int64_t other)
{
    replay->found = (struct contradiction){
        .sentence = sentence, .revision = event->revision, .operations = {event->operation, other}};
    return -1;
}

/* Where an event looks at what was there: at this revision. */
static int64_t revision_seen(const struct event *event)
{
    return event->kind == EVENT_READ ? event->revision : event->revision - 1;
}

static int contradict_on_key(struct replay *replay, const struct event *event, uint32_t key,
                             const char *sentence)
{
    const struct version *version = model_at(&replay->model, key, event->revision);
    replay_explain(replay, key, revision_seen(event));
    return contradict(replay, event, sentence,
                      version == NULL ? CHECKER_NOBODY : (int64_t)version->operation);
}

/* -- What an answer shows of one key -------------------------------------------------------- */

/* The key was seen to be absent. */
static int see_absent(struct replay *replay, const struct event *event, uint32_t key)
{
    return model_has(&replay->model, key, event->revision)
               ? contradict_on_key(replay, event, key,
                                   "a key was seen to be absent that had been put and not deleted")
               : 0;
}

/* A deletion found the key, no matter with what. */
static int see_present(struct replay *replay, const struct event *event, uint32_t key)
{
    return model_has(&replay->model, key, event->revision)
               ? 0
               : contradict_on_key(replay, event, key,
                                   "a key was said to be there that was absent");
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
    const struct version *version = model_at(&replay->model, item->key, event->revision);
    const int is_so = version != NULL && version->value == item->value && version->value != 0 &&
                      version->revision == item->mod && version->create == item->create &&
                      version->number == item->version;
    return is_so ? 0 : contradict_on_key(replay, event, item->key, blame(item, version));
}

/* -- What an answer shows of a range -------------------------------------------------------- */

/* The count is told, and nothing of some keys. */
static int see_count(struct replay *replay, const struct event *event, const struct step *step)
{
    uint32_t count = 0;
    for (uint32_t key = step->key; key < step->end && key < replay->model.key_count; key++) {
        count += model_has(&replay->model, key, event->revision) != 0;
    }
    if (count == step->count) {
        return 0;
    }
    for (uint32_t key = step->key; key < step->end && key < replay->model.key_count; key++) {
        replay_explain(replay, key, revision_seen(event));
    }
    return contradict(replay, event, "a count is not that of the keys that were there",
                      CHECKER_NOBODY);
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
        return contradict(replay, event,
                          "an answer contradicts itself: count, items, limit and more",
                          CHECKER_NOBODY);
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
        return contradict(replay, event, "a key is written twice in one revision",
                          before->operation);
    }
    model_enter(&replay->model, key, &version);
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
            continue;
        }
        if (event->kind == EVENT_READ) {
            outcome = contradict_on_key(replay, event, key,
                                        "a deletion of a key that was there took no revision");
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
        past.revision = (int64_t)step->number;
        past.kind = EVENT_READ;
    }
    return see_range(replay, &past, step);
}

/* -- Compares ------------------------------------------------------------------------------- */

int replay_compare(const struct replay *replay, const struct step *compare, int64_t revision)
{
    const struct version *version = model_at(&replay->model, compare->key, revision);
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

static const struct step *find_false(const struct replay *replay, const struct operation *operation,
                                     int64_t revision)
{
    const struct step *compares = &replay->history->steps[operation->first_step];
    for (uint32_t i = 0; i < operation->compare_count; i++) {
        if (!replay_compare(replay, &compares[i], revision)) {
            return &compares[i];
        }
    }
    return NULL;
}

uint8_t replay_branch(const struct replay *replay, const struct operation *operation,
                      int64_t revision)
{
    return find_false(replay, operation, revision) == NULL ? PLACE_THEN : PLACE_ELSE;
}

static int see_compares(struct replay *replay, const struct event *event, int has_succeeded)
{
    const struct operation *operation = &replay->history->operations[event->operation];
    const struct step *compares = &replay->history->steps[operation->first_step];
    const int64_t at = revision_seen(event);
    const struct step *wrong = find_false(replay, operation, at);
    if ((wrong == NULL) == has_succeeded) {
        return 0;
    }
    for (uint32_t i = 0; i < operation->compare_count; i++) {
        replay_explain(replay, compares[i].key, at);
    }
    const struct step *shown = wrong != NULL || operation->compare_count == 0 ? wrong : compares;
    const struct version *version = shown == NULL ? NULL : model_at(&replay->model, shown->key, at);
    return contradict(replay, event,
                      has_succeeded ? "a txn succeeded though one of its compares did not hold"
                                    : "a txn failed though all of its compares held",
                      version == NULL ? CHECKER_NOBODY : (int64_t)version->operation);
}

/* -- Operations in order -------------------------------------------------------------------- */

static int compare_events(const void *left, const void *right)
{
    const struct event *l = left;
    const struct event *r = right;
    if (l->revision != r->revision) {
        return l->revision < r->revision ? -1 : 1;
    }
    if (l->kind != r->kind) {
        return l->kind < r->kind ? -1 : 1;
    }
    return (l->operation > r->operation) - (l->operation < r->operation);
}

/* Which events are there: every write that was placed, every gap, and every answer that wrote
 * nothing. There is room for all of them. */
static size_t collect_events(struct replay *replay, struct event *events)
{
    const struct chronicle *history = replay->history;
    size_t count = 0;
    for (uint32_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        const struct step *step = &history->steps[operation->first_step];
        struct event event = {replay->placements[i].revision, i, EVENT_WRITE};
        if (event.revision == 0) {
            if (operation->outcome != OUTCOME_DONE || operation->kind == OPERATION_RESTART ||
                operation->kind == OPERATION_COMPACT) {
                continue;
            }
            event.kind = EVENT_READ;
            event.revision = operation->kind == OPERATION_GET && step->number != 0
                                 ? (int64_t)step->number
                                 : operation->revision;
        }
        events[count++] = event;
    }
    for (uint32_t i = 0; i < replay->gap_count; i++) {
        events[count++] = (struct event){replay->gaps[i].revision, i, EVENT_GAP};
    }
    qsort(events, count, sizeof *events, compare_events);
    for (size_t i = 0; i < count; i++) {
        if (events[i].kind == EVENT_GAP) {
            replay->gaps[events[i].operation].event = i;
        }
    }
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
static uint8_t find_branch(const struct replay *replay, const struct event *event)
{
    const struct operation *operation = &replay->history->operations[event->operation];
    const uint8_t branch = replay->placements[event->operation].branch;
    if (event->kind == EVENT_READ) {
        return operation->has_succeeded ? PLACE_THEN : PLACE_ELSE;
    }
    return branch != 0 ? branch : replay_branch(replay, operation, event->revision - 1);
}

/* Its revision is its own, and it wrote nothing. */
static int contradict_on_nothing(struct replay *replay, const struct event *event)
{
    const struct operation *operation = &replay->history->operations[event->operation];
    for (uint32_t i = 0; i < chronicle_step_count(operation); i++) {
        const struct step *step = &replay->history->steps[operation->first_step + i];
        for (uint32_t key = step->key; key < step->end && key < replay->model.key_count; key++) {
            replay_explain(replay, key, event->revision - 1);
        }
    }
    return contradict(replay, event, "a revision was given to a write that changed nothing",
                      CHECKER_NOBODY);
}

static int replay_event(struct replay *replay, const struct event *event)
{
    const struct operation *operation = &replay->history->operations[event->operation];
    const int has_succeeded = find_branch(replay, event) == PLACE_THEN;
    const size_t mark = model_mark(&replay->model);
    int outcome = operation->kind == OPERATION_TXN ? see_compares(replay, event, has_succeeded) : 0;
    outcome = outcome != 0 ? outcome : replay_steps(replay, event, has_succeeded);
    if (outcome == 0 && event->kind == EVENT_WRITE && model_mark(&replay->model) == mark) {
        outcome = contradict_on_nothing(replay, event);
    }
    return outcome;
}

/* An operation was done at this revision, in the branch that its compares say if nobody does. */
static struct checker_hint hint_at(const struct replay *replay, uint32_t operation,
                                   int64_t revision)
{
    const struct operation *done = &replay->history->operations[operation];
    const uint8_t branch = replay->placements[operation].branch;
    return (struct checker_hint){revision,
                                 branch != 0 ? branch : replay_branch(replay, done, revision - 1)};
}

static void tell(const struct replay *replay, struct checker_hint *hints)
{
    for (uint32_t i = 0; i < replay->history->operation_count; i++) {
        const int64_t revision = replay->placements[i].revision;
        if (replay->history->operations[i].outcome == OUTCOME_UNKNOWN && revision != 0) {
            hints[i] = hint_at(replay, i, revision);
        }
    }
    for (uint32_t i = 0; i < replay->gap_count; i++) {
        const struct gap *gap = &replay->gaps[i];
        hints[gap->member] = hint_at(replay, gap->member, gap->revision);
    }
}

static void replay_all(struct replay *replay, struct checker_hint *hints)
{
    const size_t room = replay->history->operation_count + replay->gap_count;
    struct event *events = checker_allocate(room, sizeof *events);
    const size_t count = collect_events(replay, events);
    size_t next = 0;
    int is_over = 0;
    model_init(&replay->model, replay->history->key_count);
    if (replay->gap_count > 0) {
        replay_prepare_search(replay);
        replay_collect_timeline(replay, events, count);
    }
    while (next < count && !is_over) {
        const struct event *event = &events[next++];
        const int outcome = event->kind == EVENT_GAP ? replay_fill(replay, event->operation)
                                                     : replay_event(replay, event);
        replay->work++;
        is_over = outcome != 0 && !replay_go_back(replay, &next);
    }
    if (!is_over && hints != NULL) {
        tell(replay, hints);
    }
    replay_forget_timeline(replay);
    replay_forget_search(replay);
    model_deinit(&replay->model);
    free(events);
}

void checker_replay(const struct chronicle *history, struct checker_verdict *verdict)
{
    checker_replay_telling(history, NULL, verdict);
}

void checker_replay_telling(const struct chronicle *history, struct checker_hint *hints,
                            struct checker_verdict *verdict)
{
    struct replay replay = {.history = history, .verdict = verdict, .base = history->base};
    *verdict = (struct checker_verdict){.opinion = CHECKER_ACCEPTS};
    if (checker_find_flaw(history, verdict) == 0 && replay_place(&replay) == 0 &&
        replay_check_twice(&replay) == 0 && replay_check_time(&replay) == 0) {
        replay_all(&replay, hints);
    }
    replay_forget_places(&replay);
}
