/* verdict.c -- what the history says, in figures.
 *
 * Whether it can be explained at all is for the judge that the simulator has as well. What is
 * counted here besides is the plainest of promises, so that a failure says how bad it is: a
 * write was acknowledged at revision w, and a read of its key at revision r >= w shows the
 * key as it was before w. Each such write is lost. */
#include "test/chaos/verdict.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/xmalloc.h"

/* An acknowledged write. */
struct written {
    const struct operation *operation;
    int is_lost;
};

struct ledger {
    const struct linear *history;
    struct written *writes; /* By key, then revision. */
    size_t count;
};

static int compare(const void *left, const void *right)
{
    const struct operation *l = ((const struct written *)left)->operation;
    const struct operation *r = ((const struct written *)right)->operation;
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
        const struct operation *operation = ledger->writes[middle].operation;
        if (operation->key < key || (operation->key == key && operation->revision <= revision)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* True if a deletion that nobody knows about may have come before the read ended. */
static int may_be_deleted(const struct linear *history, const struct operation *read)
{
    for (size_t i = 0; i < history->count; i++) {
        const struct operation *operation = &history->operations[i];
        if (operation->kind == OPERATION_DELETE && operation->key == read->key &&
            operation->outcome != OUTCOME_DONE && operation->outcome != OUTCOME_NOT_DONE &&
            operation->begin_us <= read->end_us) {
            return 1;
        }
    }
    return 0;
}

/* Mark what this read should have seen, or something newer, and did not. */
static void mark_missed(struct ledger *ledger, const struct operation *read)
{
    size_t at = count_below(ledger, read->key, read->revision);
    int is_excused = 0;
    while (at > 0 && !is_excused) {
        struct written *write = &ledger->writes[--at];
        const struct operation *operation = write->operation;
        if (operation->key != read->key || operation->revision <= read->seen_mod ||
            (read->seen_mod == 0 && operation->kind == OPERATION_DELETE) || write->is_lost) {
            break;
        }
        is_excused = read->seen_mod == 0 && may_be_deleted(ledger->history, read);
        write->is_lost = !is_excused;
    }
}

static uint64_t count_lost(const struct linear *history)
{
    struct ledger ledger = {.history = history,
                            .writes = xcalloc(history->count + 1, sizeof *ledger.writes)};
    uint64_t lost = 0;
    for (size_t i = 0; i < history->count; i++) {
        const struct operation *operation = &history->operations[i];
        if (operation->outcome == OUTCOME_DONE && operation->has_written) {
            ledger.writes[ledger.count++].operation = operation;
        }
    }
    qsort(ledger.writes, ledger.count, sizeof *ledger.writes, compare);
    for (size_t i = 0; i < history->count; i++) {
        const struct operation *operation = &history->operations[i];
        if (operation->outcome == OUTCOME_DONE && !operation->has_written &&
            operation->kind != OPERATION_DELETE) {
            mark_missed(&ledger, operation);
        }
    }
    for (size_t i = 0; i < ledger.count; i++) {
        lost += ledger.writes[i].is_lost != 0;
    }
    free(ledger.writes);
    return lost;
}

void verdict_find(const struct linear *history, struct verdict *verdict)
{
    *verdict = (struct verdict){.lost = count_lost(history)};
    verdict->explanation = linear_check(history, verdict->text, sizeof verdict->text);
}

int verdict_dump(const struct linear *history, const char *path)
{
    static const char *const kinds[] = {"", "put", "delete", "get", "swap"};
    static const char *const outcomes[] = {"pending", "done", "unknown", "not-done"};
    FILE *to = fopen(path, "w");
    if (to == NULL) {
        return -1;
    }
    fprintf(to, "# begin_us end_us client operation key outcome; revision, wrote, expected, saw\n");
    for (size_t i = 0; i < history->count; i++) {
        const struct operation *o = &history->operations[i];
        fprintf(to,
                "%" PRIu64 " %" PRIu64 " client %" PRIu32 " %s key %" PRIu32
                " %s; revision %" PRId64 " wrote %" PRIu64 "%s expected %" PRId64 " saw %" PRIu64
                " of %" PRId64 "\n",
                o->begin_us, o->end_us, o->client, kinds[o->kind], o->key, outcomes[o->outcome],
                o->revision, o->value, o->has_written ? "" : " (not)", o->expected, o->seen,
                o->seen_mod);
    }
    return fclose(to) == 0 ? 0 : -1;
}
