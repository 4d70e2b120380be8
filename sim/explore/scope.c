/* scope.c -- the worlds that are explored: small enough to be seen whole, or for so many states.
 *
 * Breadth comes first, so a search that is stopped has seen everything that so few steps can do. */
#include "sim/explore/scope.h"

#include <stddef.h>
#include <string.h>

#include "sim/explore/canon.h"

enum {
    MILLION = 1000000,

    RETRY_MS = 200,
    ELECTION_MS = 500,
    REPEAT_MS = 240, /* More than the one, and two of them are less than the other. */

    DECIDING = 1 << SYNOD_MESSAGE_PREPARE | 1 << SYNOD_MESSAGE_PROMISE | 1 << SYNOD_MESSAGE_ACCEPT |
               1 << SYNOD_MESSAGE_ACCEPTED,
    PHASES = 1 << SYNOD_MESSAGE_PREPARE | 1 << SYNOD_MESSAGE_PROMISE | 1 << SYNOD_MESSAGE_ACCEPT |
             1 << SYNOD_MESSAGE_ACCEPTED | 1 << SYNOD_MESSAGE_REFUSED,
    LEARNING = 1 << SYNOD_MESSAGE_NOTICE | 1 << SYNOD_MESSAGE_CHOSEN,
    FETCHING = 1 << SYNOD_MESSAGE_FETCH | 1 << SYNOD_MESSAGE_LEARN,
    READING = 1 << SYNOD_MESSAGE_READ | 1 << SYNOD_MESSAGE_READ_INDEX,
    ASKING = 1 << SYNOD_MESSAGE_ASK | 1 << SYNOD_MESSAGE_ANSWER,
};

/* A proposes a value; its own vote is lost in a crash, and that of C is not. B, which has heard
 * nothing of it, has another value chosen by A and itself. So C has to learn what it has not voted
 * for, and what it says and does after that rests on the record of what it has learned. */
static const char OTHER_VOTE[] =
    "sa,fa,a>c:prepare,fc,c>a:promise,pa,a>c:accept,fc,ca,"
    "sb,fb,b>a:prepare,fa,a>b:promise,pb,fb,b>a:accept,fa,a>b:accepted,"
    "c>b:ask,b>c:answer,tc,c>b:fetch";

/* A leads, and C follows it: a leader is followed when it says that it hears a quorum. C begins a
 * read, and the answer is on its way. */
static const char READ_OF_FOLLOWER[] =
    "sa,a>b:prepare,b>a:promise,a>b:ask,b>a:answer,ra,a>c:ask,a>c:ask,"
    "rc,c>a:read,a>b:ask,b>a:answer";

/* A has a value chosen in the first slot, by C's vote, and B takes it over from C; beside it B
 * proposes one of its own in the second slot, and that may be chosen before the first is again. */
static const char TAKEN_OVER[] =
    "sa,a>c:prepare,c>a:promise,pa,a>c:accept,c>a:accepted,sb,b>c:prepare,c>b:promise,pb";

/* clang-format off */
static const struct scope CI[] = {
    {"a1", "one slot, three ballots of two proposers",
     3, 0, 0, 2, 1, DECIDING, 0, 0,
     {[SCOPE_STANDS] = 3, [SCOPE_PROPOSALS] = 2}, NULL},
    {"a2", "the same on slow disks, and a crash",
     3, 0, 0, 2, 1, PHASES | LEARNING, 1, 6 * MILLION,
     {[SCOPE_STANDS] = 3, [SCOPE_PROPOSALS] = 2, [SCOPE_CRASHES] = 1}, NULL},
    {"a3", "the same with repeats, where nobody gives up",
     3, 0, 0, 2, 1, PHASES | LEARNING | SCOPE_REPEATS, 1, 2 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 2, [SCOPE_TIMEOUTS] = 1, [SCOPE_CRASHES] = 1},
     NULL},
    {"b", "two slots, and a change of leader between them",
     3, 0, 0, 2, 2, DECIDING, 0, 0,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 3}, NULL},
    {"b2", "the same, with promises that come in pieces",
     3, 0, 0, 2, 2, DECIDING | SCOPE_PIECES, 0, 3 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 3}, NULL},
    {"c1", "four members, quorums of three and of two",
     4, 3, 2, 2, 1, PHASES | LEARNING, 0, 0,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 2}, NULL},
    {"c2", "five members, quorums of four and of two",
     5, 4, 2, 2, 1, DECIDING, 0, 3 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 2}, NULL},
    {"c3", "four members, quorums of two and of three, and a crash",
     4, 2, 3, 1, 1, DECIDING, 0, 0,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 1, [SCOPE_CRASHES] = 1}, NULL},
    {"d", "reads by a leader that another may have deposed",
     3, 0, 0, 2, 1, DECIDING | ASKING, 0, 3 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 1, [SCOPE_READS] = 1}, NULL},
    {"d2", "reads of a leader that has taken over what was chosen",
     3, 0, 0, 2, 2, DECIDING | ASKING | SCOPE_PIECES, 0, 3 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 2, [SCOPE_READS] = 1}, TAKEN_OVER},
    {"d3", "reads by a leader that another may have deposed, and a crash",
     3, 0, 0, 2, 1, DECIDING | ASKING, 0, 2 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 1, [SCOPE_READS] = 1, [SCOPE_CRASHES] = 1}, NULL},
    {"e", "a snapshot, and a member that is too far behind",
     3, 0, 0, 1, 1, DECIDING | FETCHING | ASKING | SCOPE_ASKER | SCOPE_DEAF, 0, 3 * MILLION,
     {[SCOPE_STANDS] = 1, [SCOPE_PROPOSALS] = 1, [SCOPE_SNAPSHOTS] = 1, [SCOPE_TIMEOUTS] = 1},
     NULL},
    {"e2", "the same, and a crash",
     3, 0, 0, 1, 1, DECIDING | FETCHING | ASKING | SCOPE_ASKER | SCOPE_DEAF, 0, 2 * MILLION,
     {[SCOPE_STANDS] = 1, [SCOPE_PROPOSALS] = 1, [SCOPE_SNAPSHOTS] = 1, [SCOPE_TIMEOUTS] = 1,
      [SCOPE_CRASHES] = 1}, NULL},
    {"f", "a value that is learned over a vote for another, and crashes",
     3, 0, 0, 2, 2, DECIDING | FETCHING | ASKING | SCOPE_ASKER, 1, 3 * MILLION,
     {[SCOPE_STANDS] = 3, [SCOPE_PROPOSALS] = 3, [SCOPE_TIMEOUTS] = 1, [SCOPE_CRASHES] = 2},
     OTHER_VOTE},
    {"g", "reads of a follower that crashes",
     3, 0, 0, 1, 1, DECIDING | ASKING | READING, 0, 3 * MILLION,
     {[SCOPE_STANDS] = 1, [SCOPE_PROPOSALS] = 1, [SCOPE_READS] = 3, [SCOPE_CRASHES] = 1},
     READ_OF_FOLLOWER},
};

static const struct scope RELEASE[] = {
    {"a1", "one slot, three ballots of two proposers, refusals and notices",
     3, 0, 0, 2, 1, PHASES | LEARNING, 0, 0,
     {[SCOPE_STANDS] = 3, [SCOPE_PROPOSALS] = 2}, NULL},
    {"a2", "the same on slow disks, and two crashes",
     3, 0, 0, 2, 1, PHASES | LEARNING, 1, 300 * MILLION,
     {[SCOPE_STANDS] = 3, [SCOPE_PROPOSALS] = 2, [SCOPE_CRASHES] = 2}, NULL},
    {"a3", "the same with repeats, where nobody gives up",
     3, 0, 0, 2, 1, PHASES | LEARNING | SCOPE_REPEATS, 1, 40 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 2, [SCOPE_TIMEOUTS] = 2, [SCOPE_CRASHES] = 2},
     NULL},
    {"b", "two slots, and a change of leader between them",
     3, 0, 0, 2, 2, PHASES | LEARNING, 0, 200 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 3}, NULL},
    {"b2", "the same, with promises that come in pieces",
     3, 0, 0, 2, 2, DECIDING | SCOPE_PIECES, 0, 100 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 3}, NULL},
    {"b3", "three slots, and a change of leader between them",
     3, 0, 0, 2, 3, DECIDING, 0, 40 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 3}, NULL},
    {"c1", "four members, quorums of three and of two, a crash",
     4, 3, 2, 2, 1, PHASES | LEARNING, 1, 200 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 2, [SCOPE_CRASHES] = 1}, NULL},
    {"c2", "five members, quorums of four and of two",
     5, 4, 2, 2, 1, DECIDING, 0, 200 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 2}, NULL},
    {"c3", "four members, quorums of two and of three, and two crashes",
     4, 2, 3, 2, 1, DECIDING, 0, 30 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 2, [SCOPE_CRASHES] = 2}, NULL},
    {"d", "reads by a leader that another may have deposed",
     3, 0, 0, 2, 1, DECIDING | ASKING, 0, 120 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 1, [SCOPE_READS] = 1}, NULL},
    {"d2", "reads of a leader that has taken over what was chosen",
     3, 0, 0, 2, 2, DECIDING | ASKING | SCOPE_PIECES, 0, 60 * MILLION,
     {[SCOPE_STANDS] = 3, [SCOPE_PROPOSALS] = 3, [SCOPE_READS] = 2}, TAKEN_OVER},
    {"d3", "reads by a leader that another may have deposed, and a crash",
     3, 0, 0, 2, 1, DECIDING | ASKING, 0, 30 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 1, [SCOPE_READS] = 1, [SCOPE_CRASHES] = 1}, NULL},
    {"e", "a snapshot, a member that is too far behind, and a crash",
     3, 0, 0, 2, 1, DECIDING | FETCHING | ASKING | SCOPE_ASKER | SCOPE_DEAF, 0, 200 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 2, [SCOPE_SNAPSHOTS] = 1, [SCOPE_TIMEOUTS] = 1,
      [SCOPE_CRASHES] = 1}, NULL},
    {"f", "a value that is learned over a vote for another, and crashes",
     3, 0, 0, 2, 2, DECIDING | FETCHING | ASKING | SCOPE_ASKER, 1, 60 * MILLION,
     {[SCOPE_STANDS] = 3, [SCOPE_PROPOSALS] = 3, [SCOPE_TIMEOUTS] = 1, [SCOPE_CRASHES] = 2},
     OTHER_VOTE},
    {"g", "reads of a follower that crashes",
     3, 0, 0, 2, 1, DECIDING | ASKING | READING, 0, 60 * MILLION,
     {[SCOPE_STANDS] = 2, [SCOPE_PROPOSALS] = 2, [SCOPE_READS] = 4, [SCOPE_CRASHES] = 1},
     READ_OF_FOLLOWER},
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

uint32_t scope_phase1(const struct scope *scope)
{
    return scope->phase1 != 0 ? scope->phase1 : scope->members / 2 + 1;
}

uint32_t scope_phase2(const struct scope *scope)
{
    return scope->phase2 != 0 ? scope->phase2 : scope->members / 2 + 1;
}

struct synod_options scope_options(const struct scope *scope, uint32_t self)
{
    struct synod_options options;
    synod_options_init(&options);
    options.self = self + 1;
    options.view = 1;
    options.members.count = scope->members;
    options.members.phase1 = scope_phase1(scope);
    options.members.phase2 = scope_phase2(scope);
    for (uint32_t i = 0; i < scope->members; i++) {
        options.members.ids[i] = i + 1;
    }
    options.window = scope->slots <= 2 ? SCOPE_WINDOW / 2 : SCOPE_WINDOW;
    options.pipeline_max = options.window / 2;
    options.entries_max = (scope->messages & SCOPE_PIECES) != 0 ? 1 : 2;
    options.reads_max = 2;
    options.heartbeat_ms = 100;
    options.election_ms = ELECTION_MS;
    options.retry_ms = RETRY_MS;
    options.seed = 1;
    return options;
}

uint64_t scope_timeout_ms(const struct scope *scope)
{
    return (scope->messages & SCOPE_REPEATS) != 0 ? REPEAT_MS : CANON_LEAP_MS;
}

int scope_has_questions(const struct scope *scope)
{
    return (scope->messages & ASKING) != 0;
}

uint64_t scope_round_max(const struct scope *scope)
{
    return 1 + (uint64_t)scope->budgets[SCOPE_STANDS];
}
