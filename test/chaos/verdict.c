/* verdict.c -- what the history says, in figures.
 *
 * Whether it can be explained at all is for the judges that the simulator has as well. What is
 * counted here besides is the plainest of promises, so that a failure says how bad it is: a
 * write was acknowledged at revision w, and a read of its key at revision r >= w shows the
 * key as it was before w. Each such write is lost. */
#include "test/chaos/verdict.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/xmalloc.h"

/* An acknowledged write. */
struct written {
    uint32_t key;
    int64_t revision;
    int is_deletion;
    int is_lost;
};

struct ledger {
    const struct chronicle *history;
    struct written *writes; /* By key, then revision. */
    size_t count;
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

/* True if a deletion that nobody knows about may have come before the read ended. */
static int may_be_deleted(const struct chronicle *history, const struct operation *read,
                          uint32_t key)
{
    for (size_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        if (operation->kind == OPERATION_DELETE && operation->outcome == OUTCOME_UNKNOWN &&
            history->steps[operation->first_step].key == key &&
            operation->begin_us <= read->end_us) {
            return 1;
        }
    }
    return 0;
}

/* Mark what this read should have seen, or something newer, and did not. */
static void mark_missed(struct ledger *ledger, const struct operation *read,
                        const struct step *step)
{
    const int64_t seen = step->item_count == 0 ? 0 : ledger->history->items[step->first_item].mod;
    size_t at = count_below(ledger, step->key, read->revision);
    int is_excused = 0;
    while (at > 0 && !is_excused) {
        struct written *write = &ledger->writes[--at];
        if (write->key != step->key || write->revision <= seen ||
            (seen == 0 && write->is_deletion) || write->is_lost) {
            break;
        }
        is_excused = seen == 0 && may_be_deleted(ledger->history, read, step->key);
        write->is_lost = !is_excused;
    }
}

static uint64_t count_lost(const struct chronicle *history)
{
    struct ledger ledger = {.history = history,
                            .writes = xcalloc(history->operation_count + 1, sizeof *ledger.writes)};
    uint64_t lost = 0;
    for (size_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        if (chronicle_has_written(history, operation)) {
            ledger.writes[ledger.count++] =
                (struct written){.key = history->steps[operation->first_step].key,
                                 .revision = operation->revision,
                                 .is_deletion = operation->kind == OPERATION_DELETE};
        }
    }
    qsort(ledger.writes, ledger.count, sizeof *ledger.writes, compare);
    for (size_t i = 0; i < history->operation_count; i++) {
        const struct operation *operation = &history->operations[i];
        uint32_t count;
        const struct step *step =
            chronicle_branch(history, operation, operation->has_succeeded, &count);
        if (operation->outcome == OUTCOME_DONE && count == 1 && step->kind == STEP_GET) {
            mark_missed(&ledger, operation, step);
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
    *verdict = (struct verdict){.lost = count_lost(history)};
    (void)checker_judge(history, &verdict->judges);
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
