/* scope.h -- how large a world is explored: who there is, and how much may go wrong. */
#ifndef SIM_EXPLORE_SCOPE_H
#define SIM_EXPLORE_SCOPE_H

#include <stdint.h>

#include "synod/core.h"

enum {
    SCOPE_MEMBERS_MAX = 5,
    SCOPE_SLOTS_MAX = 4,
    SCOPE_WINDOW = 8, /* The smallest that holds twice the slots. */

    /* Beside the types in `messages`: the last member asks others whether they are there although
     * it does not lead, and so hears who knows more; nobody else asks. Without it only leaders ask,
     * as reads need it. */
    SCOPE_ASKER = 1,

    /* Also beside them: a time-out is that of a repeat. What has no answer is said again, and
     * nobody gives up: an election's time-out is longer than the two that a scope may have. Else
     * every time-out is over. */
    SCOPE_REPEATS = 1 << 28,

    /* Also beside them: the last member hears no ACCEPT, and falls behind. */
    SCOPE_DEAF = 1 << 29,

    /* Also beside them: a message has one entry, or one vote, so that a promise about more than one
     * slot comes in pieces. Else it has two. */
    SCOPE_PIECES = 1 << 30,
};

/* What may happen only so often, over all members. */
enum scope_budget {
    SCOPE_STANDS = 0, /* A member stands for election. */
    SCOPE_PROPOSALS,  /* A leader proposes a value, each time another. */
    SCOPE_CRASHES,    /* A member loses what is not durable, and starts again. */
    SCOPE_TIMEOUTS,   /* So much time passes at a member that every time-out is over, or see
                       * SCOPE_REPEATS. */
    SCOPE_READS,      /* A member begins a linearizable read. */
    SCOPE_SNAPSHOTS,  /* A member's state up to now replaces its older records. */
    SCOPE_BUDGETS,
};

struct scope {
    const char *name;
    const char *title; /* What it is about, in words. */
    uint32_t members;
    uint32_t phase1; /* Members of a quorum; 0: a majority. */
    uint32_t phase2;
    uint32_t proposers;    /* The first so many may stand. */
    uint32_t slots;        /* No leader proposes beyond. */
    uint32_t messages;     /* Set of the types that the network carries: 1 << type; and
                            * SCOPE_ASKER, SCOPE_REPEATS, SCOPE_DEAF, SCOPE_PIECES. */
    uint32_t is_disk_slow; /* Records become durable one by one, in steps of their own. */
    uint64_t states_max;   /* Where the search stops, unless another bound is asked for; 0: when
                            * all has been seen. */
    uint8_t budgets[SCOPE_BUDGETS]; /* What the prologue takes comes out of them, too. */

    /* What has happened before anything else may: a way from the first state to one that is rare
     * and far from it, words as in space_take(); NULL: nothing. */
    const char *prologue;
};

/* The scopes of one depth, `count` of them: "ci" or "release". NULL for another word. */
const struct scope *scope_list(const char *depth, uint32_t *count);

/* The options of every core in a scope; `self` counts from 0. */
struct synod_options scope_options(const struct scope *scope, uint32_t self);

/* Members of a quorum of each phase. */
uint32_t scope_phase1(const struct scope *scope);
uint32_t scope_phase2(const struct scope *scope);

/* How much time passes in a time-out, in ms. */
uint64_t scope_timeout_ms(const struct scope *scope);

/* True if the members ask each other whether they are there. */
int scope_has_questions(const struct scope *scope);

/* Nothing above this round is gone into. */
uint64_t scope_round_max(const struct scope *scope);

#endif /* SIM_EXPLORE_SCOPE_H */
