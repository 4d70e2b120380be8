/* space.c -- successors of a state, from steps of nodes that are taken once and remembered. */
#include "sim/explore/space.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/explore/claims.h"

enum {
    MEMO_SLOTS_MIN = 1 << 16
};

/* A step that was taken. */
struct step {
    uint64_t key; /* Node, member and event; 0: none. */
    uint64_t argument;
    struct node_outcome *outcome;
};

struct explorer {
    struct world_parts *parts;
    struct node_bench *bench;
    struct step *steps;
    uint64_t step_count;
    uint64_t slot_count;
    struct action action; /* The one that is tried. */
    struct node_outcome outcome;
};

static void *take(size_t size)
{
    void *memory = calloc(1, size);
    assert(memory != NULL);
    return memory;
}

struct explorer *explorer_new(struct world_parts *parts)
{
    struct explorer *explorer = take(sizeof *explorer);
    explorer->parts = parts;
    explorer->bench = node_bench_new(parts);
    explorer->slot_count = MEMO_SLOTS_MIN;
    explorer->steps = take(explorer->slot_count * sizeof *explorer->steps);
    return explorer;
}

void explorer_free(struct explorer *explorer)
{
    for (uint64_t i = 0; i < explorer->slot_count; i++) {
        free(explorer->steps[i].outcome);
    }
    free(explorer->steps);
    node_bench_free(explorer->bench);
    free(explorer);
}

/* -- Steps that were taken ------------------------------------------------------------------ */

static uint64_t mixed(uint64_t key, uint64_t argument)
{
    uint64_t hash = (key ^ argument << 32) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 29;
    hash *= UINT64_C(0xbf58476d1ce4e5b9);
    return hash ^ hash >> 32;
}

static struct step *find_step(const struct explorer *explorer, uint64_t key, uint64_t argument)
{
    for (uint64_t at = mixed(key, argument);; at++) {
        struct step *step = &explorer->steps[at & (explorer->slot_count - 1)];
        if (step->key == 0 || (step->key == key && step->argument == argument)) {
            return step;
        }
    }
}

static void make_room(struct explorer *explorer)
{
    struct step *old = explorer->steps;
    const uint64_t count = explorer->slot_count;
    if (explorer->step_count < count / 2) {
        return;
    }
    explorer->slot_count = 2 * count;
    explorer->steps = take(explorer->slot_count * sizeof *explorer->steps);
    for (uint64_t i = 0; i < count; i++) {
        if (old[i].key != 0) {
            *find_step(explorer, old[i].key, old[i].argument) = old[i];
        }
    }
    free(old);
}

/* What the member does, taken from memory or computed. */
static const struct node_outcome *step_of(struct explorer *explorer, const struct action *action,
                                          uint32_t node)
{
    const uint64_t key = (uint64_t)node << 8 | (uint64_t)action->member << 4 | action->event.type;
    struct step *step = find_step(explorer, key, action->event.argument);
    if (step->key != 0) {
        return step->outcome;
    }
    struct node_outcome *outcome = &explorer->outcome;
    node_step(explorer->bench, action->member, node, action->event, outcome);
    if ((outcome->flags & NODE_BROKEN) != 0) {
        return outcome; /* The search ends here. */
    }
    const size_t size =
        offsetof(struct node_outcome, sent) + outcome->sent_count * sizeof outcome->sent[0];
    make_room(explorer);
    step = find_step(explorer, key, action->event.argument);
    step->key = key;
    step->argument = action->event.argument;
    step->outcome = take(size);
    memcpy(step->outcome, outcome, size);
    explorer->step_count++;
    return step->outcome;
}

/* -- States --------------------------------------------------------------------------------- */

uint32_t space_encode(const struct world_parts *parts, const struct state *state, uint8_t *to)
{
    const uint32_t node_bytes = parts->scope->members * (uint32_t)sizeof state->nodes[0];
    const uint32_t message_bytes = state->message_count * (uint32_t)sizeof state->messages[0];
    uint8_t *at = to;
    memcpy(at, state->nodes, node_bytes);
    at += node_bytes;
    memcpy(at, state->budgets, SCOPE_BUDGETS);
    at += SCOPE_BUDGETS;
    *at++ = state->message_count;
    memcpy(at, state->messages, message_bytes);
    return (uint32_t)(at - to) + message_bytes;
}

uint32_t space_decode(const struct world_parts *parts, const uint8_t *from, struct state *state)
{
    const uint32_t node_bytes = parts->scope->members * (uint32_t)sizeof state->nodes[0];
    const uint8_t *at = from;
    memcpy(state->nodes, at, node_bytes);
    at += node_bytes;
    memcpy(state->budgets, at, SCOPE_BUDGETS);
    at += SCOPE_BUDGETS;
    state->message_count = *at++;
    memcpy(state->messages, at, state->message_count * sizeof state->messages[0]);
    return (uint32_t)(at - from) + state->message_count * (uint32_t)sizeof state->messages[0];
}

static void add_message(struct state *state, uint16_t message)
{
    uint32_t at = state->message_count;
    while (at > 0 && state->messages[at - 1] > message) {
        at--;
    }
    if (at > 0 && state->messages[at - 1] == message) {
        return;
    }
    assert(state->message_count < SPACE_MESSAGES_MAX);
    memmove(&state->messages[at + 1], &state->messages[at],
            (state->message_count - at) * sizeof state->messages[0]);
    state->messages[at] = message;
    state->message_count++;
}

static void remove_message(struct state *state, uint32_t message)
{
    for (uint32_t i = 0; i < state->message_count; i++) {
        if (state->messages[i] == message) {
            state->message_count--;
            memmove(&state->messages[i], &state->messages[i + 1],
                    (state->message_count - i) * sizeof state->messages[0]);
            return;
        }
    }
}

/* -- Actions -------------------------------------------------------------------------------- */

/* The budget that an event is taken from, or SCOPE_BUDGETS. */
static enum scope_budget budget_of(const struct action *action)
{
    switch (action->event.type) {
    case NODE_STAND:
        return SCOPE_STANDS;
    case NODE_PROPOSE:
        return SCOPE_PROPOSALS;
    case NODE_CRASH:
        return SCOPE_CRASHES;
    case NODE_TIMEOUT:
        return SCOPE_TIMEOUTS;
    case NODE_READ:
        return SCOPE_READS;
    case NODE_SNAPSHOT:
        return SCOPE_SNAPSHOTS;
    case NODE_MESSAGE:
        return action->is_repeat ? SCOPE_REPEATS : SCOPE_BUDGETS;
    case NODE_BEGIN:
    case NODE_FLUSH:
        break;
    }
    return SCOPE_BUDGETS;
}

/* 1: `next` is where the action leads; 0: it leads nowhere; -1: it broke a claim. */
static int act(struct explorer *explorer, const struct state *state, const struct action *action,
               struct state *next, struct violation *violation)
{
    const enum scope_budget budget = budget_of(action);
    if (budget < SCOPE_BUDGETS && state->budgets[budget] == 0) {
        return 0;
    }
    explorer->action = *action;
    const struct node_outcome *outcome = step_of(explorer, action, state->nodes[action->member]);
    if ((outcome->flags & NODE_BROKEN) != 0) {
        *violation = *node_breach(explorer->bench);
        return -1;
    }
    if ((outcome->flags & NODE_IMPOSSIBLE) != 0) {
        return 0;
    }
    memcpy(next, state,
           offsetof(struct state, messages) + state->message_count * sizeof state->messages[0]);
    next->nodes[action->member] = outcome->node;
    if (budget < SCOPE_BUDGETS) {
        next->budgets[budget]--;
    }
    if (action->event.type == NODE_MESSAGE && !action->is_repeat) {
        remove_message(next, action->event.argument);
    }
    for (uint32_t i = 0; i < outcome->sent_count; i++) {
        add_message(next, outcome->sent[i]);
    }
    if ((outcome->flags & NODE_CONCERNS_ALL) != 0) {
        return claims_check(explorer->parts, next, violation) != 0 ? -1 : 1;
    }
    return 1;
}

static uint32_t applied_anywhere(const struct world_parts *parts, const struct state *state)
{
    uint32_t applied = 0;
    for (uint32_t m = 0; m < parts->scope->members; m++) {
        const uint32_t here = node_at(parts, state->nodes[m])->applied;
        applied = here > applied ? here : applied;
    }
    return applied;
}

/* What may happen at a member by itself: the n-th, or 0 where there are no more. */
static int own_action(const struct world_parts *parts, const struct state *state, uint32_t n,
                      struct action *action)
{
    static const enum node_event_type TYPES[] = {
        NODE_STAND, NODE_PROPOSE, NODE_FLUSH, NODE_CRASH, NODE_TIMEOUT, NODE_READ, NODE_SNAPSHOT};
    const uint32_t count = sizeof TYPES / sizeof TYPES[0];
    if (n >= count * parts->scope->members) {
        return 0;
    }
    *action = (struct action){.member = n / count, .event = {.type = TYPES[n % count]}};
    if (action->event.type == NODE_PROPOSE) {
        action->event.argument =
            1u + parts->scope->budgets[SCOPE_PROPOSALS] - state->budgets[SCOPE_PROPOSALS];
    } else if (action->event.type == NODE_READ) {
        action->event.argument = applied_anywhere(parts, state);
    }
    return 1;
}

static int is_open(const struct world_parts *parts, const struct action *action)
{
    const struct scope *scope = parts->scope;
    if (action->event.type == NODE_STAND || action->event.type == NODE_PROPOSE) {
        return action->member < scope->proposers;
    }
    return action->event.type != NODE_FLUSH || scope->is_disk_slow;
}

static struct action arrival(const struct world_parts *parts, uint32_t message, int is_repeat)
{
    const struct packet *packet = node_packet(parts, message);
    return (struct action){.member = (uint32_t)packet->message.to - 1,
                           .event = {.type = NODE_MESSAGE, .argument = message},
                           .is_repeat = (uint32_t)is_repeat};
}

int space_expand(struct explorer *explorer, const struct state *state, space_visit visit,
                 void *context, struct violation *violation)
{
    const struct world_parts *parts = explorer->parts;
    struct action action;
    struct state next;
    for (uint32_t n = 0; own_action(parts, state, n, &action); n++) {
        const int led =
            is_open(parts, &action) ? act(explorer, state, &action, &next, violation) : 0;
        const int stop = led > 0 ? visit(context, &action, &next) : led;
        if (stop != 0) {
            return stop;
        }
    }
    for (uint32_t i = 0; i < 2u * state->message_count; i++) {
        action = arrival(parts, state->messages[i / 2], (int)(i % 2));
        const int led = act(explorer, state, &action, &next, violation);
        const int stop = led > 0 ? visit(context, &action, &next) : led;
        if (stop != 0) {
            return stop;
        }
    }
    return 0;
}

struct action space_broken_by(const struct explorer *explorer)
{
    return explorer->action;
}

int space_first(struct explorer *explorer, struct state *state, struct violation *violation)
{
    const struct world_parts *parts = explorer->parts;
    memset(state, 0, sizeof *state);
    memcpy(state->budgets, parts->scope->budgets, SCOPE_BUDGETS);
    for (uint32_t m = 0; m < parts->scope->members; m++) {
        state->nodes[m] = node_first(explorer->parts, m);
    }
    for (uint32_t m = 0; m < parts->scope->members; m++) {
        const struct action begin = {.member = m, .event = {.type = NODE_BEGIN}};
        struct state next;
        if (act(explorer, state, &begin, &next, violation) < 0) {
            return -1;
        }
        *state = next;
    }
    return 0;
}

/* -- Names ---------------------------------------------------------------------------------- */

void space_name_action(const struct world_parts *parts, const struct action *action, char *name)
{
    static const char LETTERS[] = "?bspfctrnm";
    if (action->event.type == NODE_MESSAGE) {
        snprintf(name, SPACE_NAME_BYTES, "%c%016" PRIx64, action->is_repeat ? 'k' : 'm',
                 pool_hash(&parts->messages, action->event.argument));
    } else {
        snprintf(name, SPACE_NAME_BYTES, "%c%c", LETTERS[action->event.type],
                 'a' + (int)action->member);
    }
}

struct looking {
    const struct world_parts *parts;
    const char *name;
    struct space_step *step;
};

static int is_it(void *context, const struct action *action, const struct state *next)
{
    struct looking *looking = context;
    char name[SPACE_NAME_BYTES];
    space_name_action(looking->parts, action, name);
    if (strcmp(name, looking->name) != 0) {
        return 0;
    }
    looking->step->action = *action;
    looking->step->next = *next;
    return 1;
}

int space_take(struct explorer *explorer, const struct state *state, const char *name,
               struct space_step *step)
{
    struct looking looking = {explorer->parts, name, step};
    const int found = space_expand(explorer, state, is_it, &looking, &step->violation);
    if (found < 0) {
        step->action = explorer->action;
    }
    return found;
}
