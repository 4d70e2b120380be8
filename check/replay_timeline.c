/* replay_timeline.c -- what is known of each key, at every revision, the later ones too.
 *
 * Whoever fills a gap must not contradict what later answers show. So all that is known of a key
 * stands in one list, in order of revisions: its known writes, and what answers showed of it.
 * From the state of the key at some gap the next answer about it tells what must still happen to
 * it, unseen, until then:
 *
 *   the key is absent     one deletion, after its last known put
 *   an item               its last put is known, and nothing came after it. If it was created
 *                         later than now: a deletion before, if it is there; its creation, if no
 *                         known put is at that revision; and as many puts since as its version
 *                         counts more than are known. If it was created before now: these alone
 *
 * That is the least: more may happen before a deletion. What asks for more writes than there are
 * gaps cannot be. */
#include <stdlib.h>

#include "base/assert.h"
#include "check/replay_internal.h"

enum entry_kind {
    ENTRY_PUT = 1,
    ENTRY_DELETE,
    ENTRY_ABSENT, /* It was seen to be absent. */
    ENTRY_ITEM,   /* It was seen. */
    ENTRY_UNSURE, /* It may have been written: nobody knows which branch was taken. */
};

struct timeline_entry {
    int64_t revision; /* Of the write, or of the state that was seen. */
    uint32_t item;    /* Of ITEM. */
    uint32_t kind;    /* enum entry_kind. */
};

/* -- Collecting ----------------------------------------------------------------------------- */

/* Entries are counted in a first pass, and entered in a second one. */
struct collection {
    struct replay *replay;
    size_t *next; /* For each key, where its next entry goes. */
};

static void add_entry(const struct collection *collection, uint32_t key,
                      const struct timeline_entry *entry)
{
    if (!replay_is_watched(collection->replay, key)) {
        return;
    }
    if (collection->replay->timeline != NULL) {
        collection->replay->timeline[collection->next[key]] = *entry;
    }
    collection->next[key]++;
}

/* What a step's items and count show, of the state before it. */
static void add_seen(const struct collection *collection, const struct step *step, int64_t revision)
{
    const struct chronicle *history = collection->replay->history;
    const struct seen_item *items = &history->items[step->first_item];
    const int is_whole =
        step->kind == STEP_PUT ? step->wants_items : step->count == step->item_count;
    uint32_t next = 0;
    for (uint32_t key = step->key; key < step->end && key < history->key_count; key++) {
        struct timeline_entry entry = {.revision = revision, .kind = ENTRY_ABSENT};
        if (next < step->item_count && items[next].key == key) {
            entry.kind = ENTRY_ITEM;
            entry.item = step->first_item + next++;
        } else if (!is_whole && next == step->item_count) {
            break;
        }
        add_entry(collection, key, &entry);
    }
}

static int is_written_before(const struct step *steps, uint32_t count, const struct step *step)
{
    int is_written = 0;
    for (uint32_t i = 0; i < count; i++) {
        is_written |=
            step_is_write(&steps[i]) && steps[i].key < step->end && step->key < steps[i].end;
    }
    return is_written;
}

static void add_write(const struct collection *collection, const struct step *step,
                      int64_t revision, int is_sure)
{
    const struct timeline_entry entry = {.revision = revision,
                                         .kind = !is_sure                 ? ENTRY_UNSURE
                                                 : step->kind == STEP_PUT ? ENTRY_PUT
                                                                          : ENTRY_DELETE};
    if (!step_is_write(step)) {
        return;
    }
    for (uint32_t key = step->key; key < step->end && key < collection->replay->history->key_count;
         key++) {
        add_entry(collection, key, &entry);
    }
}

static void add_branch(const struct collection *collection, const struct event *event,
                       const struct step *steps, uint32_t count, int is_sure)
{
    const struct operation *operation = &collection->replay->history->operations[event->operation];
    const int is_read = event->kind == EVENT_READ;
    for (uint32_t i = 0; i < count; i++) {
        const struct step *step = &steps[i];
        const int is_past =
            step->kind == STEP_GET && step->number != 0 && operation->kind == OPERATION_TXN;
        if (operation->outcome == OUTCOME_DONE && !is_past && !is_written_before(steps, i, step)) {
            add_seen(collection, step, is_read ? event->revision : event->revision - 1);
        }
        if (!is_read) {
            add_write(collection, step, event->revision, is_sure);
        }
    }
}

static void add_event(const struct collection *collection, const struct event *event)
{
    const struct replay *replay = collection->replay;
    if (event->kind == EVENT_GAP) {
        return;
    }
    const struct operation *operation = &replay->history->operations[event->operation];
    const uint8_t branch = replay->placements[event->operation].branch;
    const int is_sure = event->kind == EVENT_READ || branch != 0;
    const int has_succeeded =
        event->kind == EVENT_READ ? operation->has_succeeded : branch != PLACE_ELSE;
    uint32_t count;
    const struct step *steps = chronicle_branch(replay->history, operation, has_succeeded, &count);
    add_branch(collection, event, steps, count, is_sure);
    if (!is_sure) {
        steps = chronicle_branch(replay->history, operation, 0, &count);
        add_branch(collection, event, steps, count, 0);
    }
}

void replay_collect_timeline(struct replay *replay, const struct event *events, size_t count)
{
    const size_t keys = replay->history->key_count;
    struct collection collection = {replay, checker_allocate(keys + 1, sizeof(size_t))};
    replay->timeline_start = checker_allocate(keys + 1, sizeof *replay->timeline_start);
    for (size_t i = 0; i < count; i++) {
        add_event(&collection, &events[i]);
    }
    for (size_t key = 0; key < keys; key++) {
        replay->timeline_start[key + 1] = replay->timeline_start[key] + collection.next[key];
        collection.next[key] = replay->timeline_start[key];
    }
    replay->timeline = checker_allocate(replay->timeline_start[keys], sizeof *replay->timeline);
    for (size_t i = 0; i < count; i++) {
        add_event(&collection, &events[i]);
    }
    free(collection.next);
}

void replay_forget_timeline(struct replay *replay)
{
    free(replay->timeline);
    free(replay->timeline_start);
}

/* The first entry of a key at or above a revision. */
static size_t find_entry(const struct replay *replay, uint32_t key, int64_t revision)
{
    size_t low = replay->timeline_start[key];
    size_t high = replay->timeline_start[key + 1];
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (replay->timeline[middle].revision < revision) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int64_t replay_settled(const struct replay *replay, uint32_t key, int64_t revision)
{
    for (size_t i = find_entry(replay, key, revision); i > replay->timeline_start[key]; i--) {
        const struct timeline_entry *entry = &replay->timeline[i - 1];
        if (entry->kind == ENTRY_ABSENT || entry->kind == ENTRY_ITEM ||
            entry->kind == ENTRY_DELETE) {
            return entry->revision;
        }
    }
    return replay->base;
}

/* -- What is needed ------------------------------------------------------------------------- */

static const struct need NEVER = {.count = NEED_NEVER};

/* So many writes of the key, above one revision and up to another. */
static struct need need_between(const struct replay *replay, uint32_t key, uint32_t count,
                                const int64_t between[2])
{
    const int64_t first = replay_max(replay_gaps_up_to(replay, between[0]), replay->first_gap[key]);
    const int64_t room = replay_max((int64_t)replay_gaps_up_to(replay, between[1]) - first, 0);
    return room < count ? NEVER : (struct need){count, (uint32_t)(room - count)};
}

/* Both of them. */
static struct need need_both(struct need left, struct need right)
{
    if (left.count == NEED_NEVER || right.count == NEED_NEVER) {
        return NEVER;
    }
    if (left.count == 0 || right.count == 0) {
        return left.count == 0 ? right : left;
    }
    return (struct need){left.count + right.count,
                         left.slack < right.slack ? left.slack : right.slack};
}

/* Known writes between the state of a key and an answer about it. */
struct stretch {
    const struct timeline_entry *first;
    const struct timeline_entry *end; /* The answer. */
};

/* It is absent in the end. */
static struct need need_absent(const struct replay *replay, uint32_t key, int is_there,
                               int64_t revision, const struct stretch *known)
{
    int64_t between[2] = {revision, known->end->revision};
    if (known->first < known->end) {
        is_there = known->end[-1].kind == ENTRY_PUT;
        between[0] = known->end[-1].revision;
    }
    return need_between(replay, key, is_there != 0, between);
}

/* The known puts from one revision on; NEED_NEVER if a deletion is among them. */
static uint32_t count_puts(const struct stretch *known, int64_t from)
{
    uint32_t count = 0;
    for (const struct timeline_entry *entry = known->first; entry < known->end; entry++) {
        if (entry->revision >= from && entry->kind == ENTRY_DELETE) {
            return NEED_NEVER;
        }
        count += entry->revision >= from;
    }
    return count;
}

/* It was created after the state that is looked at. */
static struct need need_created(const struct replay *replay, uint32_t key, int is_there,
                                int64_t revision, const struct stretch *known)
{
    const struct seen_item *item = &replay->history->items[known->end->item];
    int64_t before[2] = {revision, item->create - 1};
    int is_known = 0;
    for (const struct timeline_entry *entry = known->first; entry < known->end; entry++) {
        if (entry->revision < item->create) {
            is_there = entry->kind == ENTRY_PUT;
            before[0] = entry->revision;
        }
        is_known |= entry->revision == item->create;
    }
    const int64_t at[2] = {item->create - 1, item->create};
    const int64_t since[2] = {item->create, item->mod - 1};
    const uint32_t puts = count_puts(known, item->create);
    const uint32_t least = puts + !is_known;
    if (puts == NEED_NEVER || item->version < least) {
        return NEVER;
    }
    const struct need first = need_both(need_between(replay, key, is_there != 0, before),
                                        need_between(replay, key, !is_known, at));
    return need_both(first, need_between(replay, key, item->version - least, since));
}

static struct need need_item(const struct replay *replay, uint32_t key, const struct version *state,
                             int64_t revision, const struct stretch *known)
{
    const struct seen_item *item = &replay->history->items[known->end->item];
    const int is_there = state != NULL && state->value != 0;
    if (known->first == known->end) {
        return is_there && state->revision == item->mod && state->create == item->create &&
                       state->number == item->version
                   ? (struct need){0, 0}
                   : NEVER;
    }
    if (known->end[-1].kind != ENTRY_PUT || known->end[-1].revision != item->mod) {
        return NEVER; /* What it was seen as was put before, or not at all. */
    }
    if (item->create > revision) {
        return need_created(replay, key, is_there, revision, known);
    }
    const uint32_t puts = count_puts(known, revision);
    if (!is_there || state->create != item->create || puts == NEED_NEVER ||
        item->version < state->number + puts) {
        return NEVER;
    }
    return need_between(replay, key, item->version - state->number - puts,
                        (int64_t[2]){revision, item->mod - 1});
}

struct need replay_need(const struct replay *replay, uint32_t key, const struct version *state,
                        int64_t revision)
{
    const struct timeline_entry *end = &replay->timeline[replay->timeline_start[key + 1]];
    const struct timeline_entry *first = &replay->timeline[find_entry(replay, key, revision)];
    struct stretch known = {first, first};
    assert(replay_is_watched(replay, key));
    while (known.end < end && (known.end->kind == ENTRY_PUT || known.end->kind == ENTRY_DELETE)) {
        known.end++;
    }
    if (known.end == end || known.end->kind == ENTRY_UNSURE) {
        return (struct need){0, 0};
    }
    if (known.end->kind == ENTRY_ABSENT) {
        return need_absent(replay, key, state != NULL && state->value != 0, revision, &known);
    }
    return need_item(replay, key, state, revision, &known);
}
