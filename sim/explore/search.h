/* search.h -- breadth first through every state, on all cores of the machine.
 *
 * Level by level: all states that n steps lead to, then all that n + 1 do. So the first broken
 * claim is broken by the shortest way there is. Of a state that is done, only its fingerprint is
 * kept (visited.h); the way to a broken claim is found by a second search, which carries with each
 * state that waits the way to it. */
#ifndef SIM_EXPLORE_SEARCH_H
#define SIM_EXPLORE_SEARCH_H

#include "sim/explore/space.h"

struct search_result {
    uint64_t states;   /* Distinct ones. */
    uint64_t steps;    /* From state to state. */
    uint64_t frontier; /* States of the last level. */
    uint32_t depth;    /* Levels that were gone through whole. */
    uint32_t is_whole; /* Nothing was left out. */
    uint32_t is_full;  /* It ended because memory did. */
    uint64_t nodes;    /* Different states of single members. */
    uint64_t messages; /* Different messages. */
    double seconds;
    struct violation violation; /* claim NULL: none. */
};

struct search_options {
    const struct scope *scope;
    uint64_t states_max; /* Stop after so many; 0: never. */
    uint64_t bytes_max;  /* Of memory for all that grows with the search; the way to a broken claim
                          * is found within them, too. */
    uint32_t threads;
    /* What else is claimed of every state, or NULL. Returns 0, or -1 and what is broken. */
    int (*claim)(void *context, const struct world_parts *parts, const struct state *state,
                 struct violation *violation);
    /* Called now and then, and at the end of each level. */
    void (*on_progress)(void *context, const struct search_result *result);
    void *context;
};

void search_run(const struct search_options *options, struct search_result *result);

/* The shortest way to a broken claim, after search_run() with the same options found that one is:
 * as names of actions (space_name_action()) with a comma between, the last of which breaks it.
 * Where more than one breaks at the same distance, `violation` may be another than `broken` tells
 * of. The caller frees it; NULL if there is no memory for it. */
char *search_way(const struct search_options *options, const struct search_result *broken,
                 struct violation *violation);

#endif /* SIM_EXPLORE_SEARCH_H */
