/* checker_states.c -- the judge of replicas: at one revision all hold the same state. */
#include "check/checker_states.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"

/* Who was the first to report a state: an open table, found by what the state is known by. */
struct table {
    const struct state_report **places; /* NULL: free. */
    size_t mask;
};

static const struct state_report **find(const struct table *table,
                                        const struct state_report *report)
{
    const uint64_t mixed = ((uint64_t)report->revision * 0x9e3779b97f4a7c15u) ^
                           ((uint64_t)report->compacted * 0xbf58476d1ce4e5b9u);
    size_t at = (size_t)(mixed >> 20) & table->mask;
    while (table->places[at] != NULL && (table->places[at]->revision != report->revision ||
                                         table->places[at]->compacted != report->compacted)) {
        at = (at + 1) & table->mask;
    }
    return &table->places[at];
}

static void describe(const struct state_report *report, char *text, size_t size)
{
    char line[32] = "";
    if (report->line != 0) {
        snprintf(line, sizeof line, "line %" PRIu32 ", ", report->line);
    }
    snprintf(text, size, "%smember %" PRIu32 " at %" PRIu64 " us: %016" PRIx64, line,
             report->member, report->at_us, report->hash);
}

static void reject(const struct state_report *first, const struct state_report *second,
                   struct checker_verdict *verdict)
{
    char texts[2][128];
    describe(first, texts[0], sizeof texts[0]);
    describe(second, texts[1], sizeof texts[1]);
    verdict->opinion = CHECKER_REJECTS;
    snprintf(verdict->text, sizeof verdict->text,
             "two states at revision %" PRId64 ", compacted at %" PRId64 ": [%s] and [%s]",
             first->revision, first->compacted, texts[0], texts[1]);
}

void checker_states(const struct chronicle *history, struct checker_verdict *verdict)
{
    struct table table = {.mask = 64};
    while (table.mask < 2 * history->state_count) {
        table.mask *= 2;
    }
    table.places = checker_allocate(table.mask, sizeof(struct state_report *));
    table.mask--;
    *verdict = (struct checker_verdict){.opinion = CHECKER_ACCEPTS};
    for (size_t i = 0; i < history->state_count && verdict->opinion == CHECKER_ACCEPTS; i++) {
        const struct state_report *report = &history->states[i];
        const struct state_report **place = find(&table, report);
        if (*place == NULL) {
            *place = report;
        } else if ((*place)->hash != report->hash) {
            reject(*place, report, verdict);
        }
    }
    free((void *)table.places);
}
