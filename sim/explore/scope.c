/* scope.c -- the worlds that are explored: small enough to be seen whole, or for so many states.
 *
 * Breadth comes first, so a search that is stopped has seen everything that so few steps can do. */
#include "sim/explore/scope.h"

#include <stddef.h>
#include <string.h>

enum {
    MILLION = 1000000,

    DECIDING = 1 << SYNOD_MESSAGE_PREPARE | 1 << SYNOD_MESSAGE_PROMISE | 1 << SYNOD_MESSAGE_ACCEPT |
               1 << SYNOD_MESSAGE_ACCEPTED,
    PHASES = 1 << SYNOD_MESSAGE_PREPARE | 1 << SYNOD_MESSAGE_PROMISE | 1 << SYNOD_MESSAGE_ACCEPT |
             1 << SYNOD_MESSAGE_ACCEPTED | 1 << SYNOD_MESSAGE_REFUSED,
    LEARNING = 1 << SYNOD_MESSAGE_NOTICE | 1 << SYNOD_MESSAGE_CHOSEN,
    FETCHING = 1 << SYNOD_MESSAGE_FETCH | 1 << SYNOD_MESSAGE_LEARN,
    ASKING = 1 << SYNOD_MESSAGE_ASK | 1 << SYNOD_MESSAGE_ANSWER,
};

/* clang-format off */
static const struct scope CI[] = {
    {"a1", "one slot, three ballots of two proposers",
     3, 0, 0, 2, 1, DECIDING, 0, 0,
     {[SCOPE_STANDS] = 3, [SCOPE_PROPOSALS] = 2}},
    {"a2", "the same on slow disks, and a crash",
     3, 0, 0, 2, 1, PHASES | LEARNING, 1, 6 * MILLION,
     {[SCOPE_STANDS] = 3, [SCOPE_PROPOSALS] = 2, [SCOPE_CRASHES] = 1}},
    {"b", "two slots, and a change of leader between them",
     3, 0, 0, 2, 2, DECIDING, 0, 0,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 3}},
    {"b2", "the same, with promises that come in pieces",
     3, 0, 0, 2, 2, DECIDING | SCOPE_PIECES, 0, 3 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 3}},
    {"c1", "four members, quorums of three and of two",
     4, 3, 2, 2, 1, PHASES | LEARNING, 0, 0,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 2}},
    {"c2", "five members, quorums of four and of two",
     5, 4, 2, 2, 1, DECIDING, 0, 3 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 2}},
    {"c3", "four members, quorums of two and of three, and a crash",
     4, 2, 3, 1, 1, DECIDING, 0, 0,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 1, [SCOPE_CRASHES] = 1}},
    {"d", "reads by a leader that another may have deposed",
     3, 0, 0, 2, 1, DECIDING | ASKING, 0, 3 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 1, [SCOPE_READS] = 1}},
    {"e", "a snapshot, and a member that is too far behind",
     3, 0, 0, 1, 1, DECIDING | FETCHING | ASKING | SCOPE_LATECOMER, 0, 3 * MILLION,
     {[SCOPE_STANDS] = 1, [SCOPE_PROPOSALS] = 1, [SCOPE_SNAPSHOTS] = 1, [SCOPE_TIMEOUTS] = 1}},
};

static const struct scope RELEASE[] = {
    {"a1", "one slot, three ballots of two proposers, refusals and notices",
     3, 0, 0, 2, 1, PHASES | LEARNING, 0, 0,
     {[SCOPE_STANDS] = 3, [SCOPE_PROPOSALS] = 2}},
    {"a2", "the same on slow disks, and two crashes",
     3, 0, 0, 2, 1, PHASES | LEARNING, 1, 300 * MILLION,
     {[SCOPE_STANDS] = 3, [SCOPE_PROPOSALS] = 2, [SCOPE_CRASHES] = 2}},
    {"b", "two slots, and a change of leader between them",
     3, 0, 0, 2, 2, PHASES | LEARNING, 0, 200 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 3}},
    {"b2", "the same, with promises that come in pieces",
     3, 0, 0, 2, 2, DECIDING | SCOPE_PIECES, 0, 100 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 3}},
    {"c1", "four members, quorums of three and of two, a crash",
     4, 3, 2, 2, 1, PHASES | LEARNING, 1, 240 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 2, [SCOPE_CRASHES] = 1}},
    {"c2", "five members, quorums of four and of two",
     5, 4, 2, 2, 1, DECIDING, 0, 200 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 2}},
    {"d", "reads by a leader that another may have deposed",
     3, 0, 0, 2, 1, DECIDING | ASKING, 0, 120 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 1, [SCOPE_READS] = 1}},
    {"e", "a snapshot, a member that is too far behind, and a crash",
     3, 0, 0, 2, 1, DECIDING | FETCHING | ASKING | SCOPE_LATECOMER, 0, 240 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 2, [SCOPE_SNAPSHOTS] = 1, [SCOPE_TIMEOUTS] = 1,
      [SCOPE_CRASHES] = 1}},
};
/* clang-format on */

const struct scope *scope_list(const char *depth, uint32_t *count)
{
    if (strcmp(depth, "ci") == 0) {
        *count = sizeof CI / sizeof CI[0];
        return CI;
    }
    if (strcmp(depth, "release") == 0) {
        *count = sizeof RELEASE / sizeof RELEASE[0];
        return RELEASE;
    }
    return NULL;
}

struct synod_options scope_options(const struct scope *scope, uint32_t self)
{
    struct synod_options options;
    synod_options_init(&options);
    options.self = self + 1;
    options.view = 1;
    options.members.count = scope->members;
    options.members.phase1 = scope->phase1 != 0 ? scope->phase1 : scope->members / 2 + 1;
    options.members.phase2 = scope->phase2 != 0 ? scope->phase2 : scope->members / 2 + 1;
    for (uint32_t i = 0; i < scope->members; i++) {
        options.members.ids[i] = i + 1;
    }
    options.window = scope->slots <= 2 ? SCOPE_WINDOW / 2 : SCOPE_WINDOW;
    options.pipeline_max = options.window / 2;
    options.entries_max = (scope->messages & SCOPE_PIECES) != 0 ? 1 : 2;
    options.reads_max = 2;
    options.heartbeat_ms = 100;
    options.election_ms = 500;
    options.retry_ms = 200;
    options.seed = 1;
    return options;
}

int scope_has_questions(const struct scope *scope)
{
    return (scope->messages & ASKING) != 0;
}

uint64_t scope_round_max(const struct scope *scope)
{
    return 1 + (uint64_t)scope->budgets[SCOPE_STANDS];
}
