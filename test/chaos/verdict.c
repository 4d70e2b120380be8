/* verdict.c -- what the history says, in figures.
 *
 * Whether it can be explained is for the judges that the simulator has as well. If it can, nothing
 * is lost. If not, what is counted here says how bad it is: a key was put at revision w, which
 * was acknowledged; and at revision r >= w an answer shows the key as it was before w, or absent
 * although no acknowledged deletion was in between. Each such put is lost. */
#include "test/chaos/verdict.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/xmalloc.h"

/* An acknowledged write of one key. */
struct written {
    uint32_t key;
    int64_t revision;
    int is_deletion; /* Of this key, if it was there. */
    int is_lost;
};

struct ledger {
    const struct chronicle *history;
    struct written *writes; /* By key, then revision. */
    size_t count;
    size_t capacity;
};

static int compare(const void *left, const void *right)
{
    const struct written *l = left;
    const struct written *r = right;
    if (l->key != r->key) {
        return l->key < r->key ? -1 : 1;
    }
    return l->revision == r->revision ? 0 : l->revision < r->revision ? -1 : 1;
}

/* How many writes are to keys before `key`, or to it at or below `revision`. */
static size_t count_below(const struct ledger *ledger, uint32_t key, int64_t revision)
{
    size_t low = 0;
    size_t high = ledger->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct written *write = &ledger->writes[middle];
        if (write->key < key || (write->key == key && write->revision <= revision)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Mark what should have been seen of a key at a revision, and was not; what was put at `seen` was
 * (0: nothing). */
static void mark_missed(struct ledger *ledger, uint32_t key, int64_t revision, int64_t seen)
{
    for (size_t i = count_below(ledger, key, revision); i > 0; i--) {
        struct written *write = &ledger->writes[i - 1];
        if (write->key != key || write->revision <= seen || write->is_lost ||
            (write->is_deletion && seen == 0)) {
            break;
        }
        write->is_lost = !write->is_deletion;
    }
}

/* What a get shows of every key of its range, if it shows them all. */
static void mark_missed_in(struct ledger *ledger, const struct operation *read,
                           const struct step *step)
{
    const struct seen_item *items = &ledger->history->items[step->first_item];
    const int64_t revision = step->number == 0 ? read->revision : (int64_t)step->number;
    uint32_t next = 0;
    for (uint32_t key = step->key; key < step->end && step->count == step->item_count; key++) {
        const int is_there = next < step->item_count && items[next].key == key;
        mark_missed(ledger, key, revision, is_there ? items[next++].mod : 0);
    }
}

static void add_write(struct ledger *ledger, const struct written *write)
{
    if (ledger->count == ledger->capacity) {
        ledger->capacity = ledger->capacity == 0 ? 1024 : 2 * ledger->capacity;
        ledger->writes = xrealloc(ledger->writes, ledger->capacity * sizeof *ledger->writes);
    }
    ledger->writes[ledger->count++] = *write;
}

static void add_writes(struct ledger *ledger, const struct operation *operation)
{
    uint32_t count;
    const struct step *steps =
        chronicle_branch(ledger->history, operation, operation->has_succeeded, &count);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t key = steps[i].key; step_is_write(&steps[i]) && key < steps[i].end; key++) {
            add_write(ledger, &(struct written){.key = key,
                                                .revision = operation->revision,
                                                .is_deletion = steps[i].kind == STEP_DELETE});
        }
    }
}

/* All puts and gets of what was done, a txn's too. */
static uint64_t count_lost(const struct chronicle *history)
{
    struct ledger ledger = {.history = history};
    uint64_t lost = 0;
    for (size_t i = 0; i < history->operation_count; i++) {
        if (chronicle_has_written(history, &history->operations[i])) {
            add_writes(&ledger, &history->operations[i]);
        }
    }
    if (ledger.count > 0) {
        qsort(ledger.writes, ledger.count, sizeof *ledger.writes, compare);
    }
    for (size_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        const int is_read =
            operation->outcome == OUTCOME_DONE && !chronicle_has_written(history, operation);
        uint32_t count;
        const struct step *steps =
            chronicle_branch(history, operation, operation->has_succeeded, &count);
        for (uint32_t j = 0; j < count && is_read; j++) {
            if (steps[j].kind == STEP_GET && steps[j].wants_items) {
                mark_missed_in(&ledger, operation, &steps[j]);
            }
        }
    }
    for (size_t i = 0; i < ledger.count; i++) {
        lost += ledger.writes[i].is_lost != 0;
    }
    free(ledger.writes);
    return lost;
}

void verdict_find(const struct chronicle *history, struct verdict *verdict)
{
    *verdict = (struct verdict){0};
    if (checker_judge(history, &verdict->judges) == CHECKER_REJECTS) {
        verdict->lost = count_lost(history);
    }
}

int verdict_dump(const struct chronicle *history, const char *path)
{
    FILE *to = fopen(path, "w");
    if (to == NULL) {
        return -1;
    }
    const int outcome = chronicle_write(history, to);
    return fclose(to) == 0 ? outcome : -1;
}
