/* space.h -- the states of a cluster, and what leads from one to another. */
#ifndef SIM_EXPLORE_SPACE_H
#define SIM_EXPLORE_SPACE_H

#include "sim/explore/node.h"

enum {
    SPACE_MESSAGES_MAX = 220,
    SPACE_OWN_MAX = 7 * SCOPE_MEMBERS_MAX, /* What members may do by themselves. */
    SPACE_SUCCESSORS_MAX = SPACE_OWN_MAX + SPACE_MESSAGES_MAX, /* Of a state. */
    SPACE_STATE_BYTES_MAX = 4 * SCOPE_MEMBERS_MAX + 4 + SCOPE_BUDGETS + 1,
    SPACE_NAME_BYTES = 24,
};

/* A state. Every message that was ever sent may arrive, now or later, once or again and again, or
 * never: so the network is the set of them all, and nothing is ever taken out of it. That is all
 * the loss, delay, repeating and reordering that there can be, without a bound. */
struct state {
    uint32_t nodes[SCOPE_MEMBERS_MAX];
    uint32_t messages;              /* List of messages, numbers rising. */
    uint8_t budgets[SCOPE_BUDGETS]; /* What may still happen. */
    uint8_t applied; /* Where there are reads: the most slots that anybody has ever applied. */
};

/* What happens next, and to whom. */
struct action {
    uint32_t member;
    struct node_event event;
};

/* A thread's part: it takes steps, and remembers those it took. */
struct explorer;
struct explorer *explorer_new(struct world_parts *parts);
void explorer_free(struct explorer *explorer);

/* Of memory, for what it remembers. */
uint64_t explorer_bytes(const struct explorer *explorer);

/* All members have begun their first lives, and nothing is under way. Returns 0, or -1 and the
 * violation. */
int space_begin(struct explorer *explorer, struct state *state, struct violation *violation);

/* The same, and the scope's prologue has happened. */
int space_first(struct explorer *explorer, struct state *state, struct violation *violation);

/* Called for every state that one step leads to. Returns 0 to go on. */
typedef int (*space_visit)(void *context, const struct action *action, const struct state *state);

/* Visit all successors, in an order that depends on the state alone. Returns 0, or -1 where a
 * claim is broken (`violation` and `broken` tell which, and by what), or what `visit` returned. */
int space_expand(struct explorer *explorer, const struct state *state, space_visit visit,
                 void *context, struct violation *violation);

/* The action whose successor broke a claim, after space_expand() returned -1. */
struct action space_broken_by(const struct explorer *explorer);

/* States as bytes: SPACE_STATE_BYTES_MAX at most. Two states are equal if their bytes are. */
uint32_t space_encode(const struct world_parts *parts, const struct state *state, uint8_t *to);
uint32_t space_decode(const struct world_parts *parts, const uint8_t *from, struct state *state);

/* How many they are: the same for all states of a scope. */
uint32_t space_state_bytes(const struct world_parts *parts);

/* A name for an action that means the same in another run: SPACE_NAME_BYTES at most. */
void space_name_action(const struct world_parts *parts, const struct action *action, char *name);

struct space_step {
    struct action action;
    struct state next;
    struct violation violation;
};

/* Take the step of this name: space_name_action()'s, as "sa" (member a stands); or "a>b:accept",
 * the first message of that type between those that brings anything. Returns 1, 0 if there is none
 * in this state, or -1 if it, or one that stands before it, breaks a claim: `action` and
 * `violation` then say which. */
int space_take(struct explorer *explorer, const struct state *state, const char *name,
               struct space_step *step);

#endif /* SIM_EXPLORE_SPACE_H */
