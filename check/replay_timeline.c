/* replay_timeline.c -- what is known of each key, at every revision, the later ones too.
 *
 * For guesses: a write that is put in somewhere must not contradict what the next answer shows
 * of any of its keys. So all that is known of a key stands in one list, in order of revisions:
 * its known writes, and what answers showed of it. */
#include <stdlib.h>

#include "base/assert.h"
#include "check/replay_internal.h"

enum entry_kind {
    ENTRY_PUT = 1,
    ENTRY_DELETE,
    ENTRY_ABSENT, /* It was seen to be absent. */
    ENTRY_ITEM    /* It was seen. */
};

struct timeline_entry {
    int64_t revision; /* Of the write, or of the state that was seen. */
    uint32_t item;    /* Of ITEM. */
    uint32_t kind;    /* enum entry_kind. */
};

/* Entries are counted in a first pass, and entered in a second one. */
struct collection {
    struct replay *replay;
    size_t *next; /* For each key, where its next entry goes. */
};

static void add_entry(const struct collection *collection, uint32_t key,
                      const struct timeline_entry *entry)
{
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
        is_written |= (steps[i].kind == STEP_PUT || steps[i].kind == STEP_DELETE) &&
                      steps[i].key < step->end && step->key < steps[i].end;
    }
    return is_written;
}

static void add_event(const struct collection *collection, const struct event *event)
{
    const struct replay *replay = collection->replay;
    const struct operation *operation = &replay->history->operations[event->operation];
    const int has_succeeded = event->is_read
                                  ? operation->has_succeeded
                                  : replay->placements[event->operation].branch == PLACE_THEN;
    const int64_t before = event->is_read ? event->revision : event->revision - 1;
    uint32_t count;
    const struct step *steps = chronicle_branch(replay->history, operation, has_succeeded, &count);
    for (uint32_t i = 0; i < count; i++) {
        const struct step *step = &steps[i];
        const int is_past =
            step->kind == STEP_GET && step->number != 0 && operation->kind == OPERATION_TXN;
        struct timeline_entry entry = {.revision = event->revision, .kind = ENTRY_DELETE};
        if (operation->outcome == OUTCOME_DONE && !is_past && !is_written_before(steps, i, step)) {
            add_seen(collection, step, before);
        }
        if (event->is_read || (step->kind != STEP_PUT && step->kind != STEP_DELETE)) {
            continue;
        }
        entry.kind = step->kind == STEP_PUT ? ENTRY_PUT : ENTRY_DELETE;
        for (uint32_t key = step->key; key < step->end && key < replay->history->key_count; key++) {
            add_entry(collection, key, &entry);
        }
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

static void apply_entry(struct version *version, const struct timeline_entry *entry)
{
    const int is_there = version->value != 0;
    *version = (struct version){
        .revision = entry->revision,
        .value = entry->kind == ENTRY_PUT,
        .number = is_there ? version->number + 1 : 1,
        .create = is_there ? version->create : entry->revision,
    };
}

/* One put too few, or several, is no contradiction: others may be put in as well. But what was
 * explained already must stay explained. */
static enum foresight compare_entry(const struct replay *replay, const struct version *version,
                                    const struct timeline_entry *entry)
{
    const int is_past = entry->revision < replay->now - 1;
    const enum foresight wrong = is_past ? FORESIGHT_FORBIDDEN : FORESIGHT_WRONG;
    const int is_there = version->value != 0;
    if (entry->kind == ENTRY_ABSENT) {
        return is_there ? wrong : FORESIGHT_POSSIBLE;
    }
    const struct seen_item *item = &replay->history->items[entry->item];
    const int is_alike =
        is_there && item->mod == version->revision && item->create == version->create;
    const int is_enough =
        is_past ? item->version == version->number : item->version >= version->number;
    return is_alike && is_enough ? FORESIGHT_POSSIBLE : wrong;
}

/* Apply guesses that were made of the key, above one revision and below another. */
static void apply_guesses(const struct replay *replay, uint32_t key, const int64_t between[2],
                          struct version *version)
{
    const struct model_key *versions = &replay->model.keys[key];
    const struct version *last = model_at(&replay->model, key, between[0]);
    size_t next = last == NULL ? 0 : (size_t)(last - versions->versions) + 1;
    for (; next < versions->count && versions->versions[next].revision < between[1]; next++) {
        const struct version *guess = &versions->versions[next];
        const struct timeline_entry entry = {.revision = guess->revision,
                                             .kind = guess->value != 0 ? ENTRY_PUT : ENTRY_DELETE};
        if (guess->is_guess) {
            apply_entry(version, &entry);
        }
    }
}

enum foresight replay_foresee(const struct replay *replay, uint32_t key, int64_t revision,
                              int is_put)
{
    const struct version *before = model_at(&replay->model, key, revision - 1);
    const struct timeline_entry effect = {.revision = revision,
                                          .kind = is_put ? ENTRY_PUT : ENTRY_DELETE};
    struct version version = before == NULL ? (struct version){0} : *before;
    size_t low = replay->timeline_start[key];
    size_t high = replay->timeline_start[key + 1];
    const size_t end = high;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (replay->timeline[middle].revision < revision) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    apply_entry(&version, &effect);
    for (; low < end; low++) {
        const struct timeline_entry *entry = &replay->timeline[low];
        apply_guesses(replay, key, (int64_t[2]){version.revision, entry->revision + 1}, &version);
        if (entry->kind == ENTRY_ABSENT || entry->kind == ENTRY_ITEM) {
            return compare_entry(replay, &version, entry);
        }
        apply_entry(&version, entry);
    }
    return FORESIGHT_POSSIBLE;
}
