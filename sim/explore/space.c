/* space.c -- successors of a state, from steps of nodes that are taken once and remembered. */
#include "sim/explore/space.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/explore/claims.h"
#include "sim/explore/memo.h"
#include "sim/message_name.h"

struct explorer {
    struct world_parts *parts;
    struct node_bench *bench;
    struct memo steps;    /* Node, member and event: what came of it. */
    struct memo unions;   /* Messages, messages sent: both together. */
    struct action action; /* The one that is tried. */
};

struct explorer *explorer_new(struct world_parts *parts)
{
    struct explorer *explorer = calloc(1, sizeof *explorer);
    assert(explorer != NULL);
    explorer->parts = parts;
    explorer->bench = node_bench_new(parts);
    memo_init(&explorer->steps);
    memo_init(&explorer->unions);
    return explorer;
}

void explorer_free(struct explorer *explorer)
{
    memo_deinit(&explorer->steps);
    memo_deinit(&explorer->unions);
    node_bench_free(explorer->bench);
    free(explorer);
}

uint64_t explorer_bytes(const struct explorer *explorer)
{
    return (explorer->steps.slot_count + explorer->unions.slot_count) * sizeof(struct memo_entry);
}

/* What the member does, taken from memory or computed. What breaks a claim is not kept: the
 * search ends there. */
static struct node_outcome step_of(struct explorer *explorer, const struct action *action,
                                   uint32_t node)
{
    const uint64_t key = (uint64_t)node << 8 | (uint64_t)action->member << 4 | action->event.type;
    const uint32_t *known = memo_find(&explorer->steps, key, action->event.argument);
    struct node_outcome outcome;
    if (known != NULL) {
        return (struct node_outcome){known[0], known[1], known[2]};
    }
    node_step(explorer->bench, action->member, node, action->event, &outcome);
    if ((outcome.flags & NODE_BROKEN) == 0) {
        memo_keep(&explorer->steps,
                  &(struct memo_entry){
                      key, action->event.argument, {outcome.node, outcome.flags, outcome.sent}});
    }
    return outcome;
}

/* -- States --------------------------------------------------------------------------------- */

uint32_t space_state_bytes(const struct world_parts *parts)
{
    const uint32_t numbers = parts->scope->members + 1; /* Of nodes, and of the list of messages. */
    return numbers * (uint32_t)sizeof(uint32_t) + SCOPE_BUDGETS + 1;
}

uint32_t space_encode(const struct world_parts *parts, const struct state *state, uint8_t *to)
{
    const uint32_t node_bytes = parts->scope->members * (uint32_t)sizeof state->nodes[0];
    memcpy(to, state->nodes, node_bytes);
    to += node_bytes;
    memcpy(to, &state->messages, sizeof state->messages);
    to += sizeof state->messages;
    memcpy(to, state->budgets, SCOPE_BUDGETS);
    to[SCOPE_BUDGETS] = state->applied;
    return space_state_bytes(parts);
}

uint32_t space_decode(const struct world_parts *parts, const uint8_t *from, struct state *state)
{
    const uint32_t node_bytes = parts->scope->members * (uint32_t)sizeof state->nodes[0];
    memcpy(state->nodes, from, node_bytes);
    from += node_bytes;
    memcpy(&state->messages, from, sizeof state->messages);
    from += sizeof state->messages;
    memcpy(state->budgets, from, SCOPE_BUDGETS);
    state->applied = from[SCOPE_BUDGETS];
    return space_state_bytes(parts);
}

/* Two rising lists as one. */
static uint32_t merge(struct explorer *explorer, uint32_t messages, uint32_t sent)
{
    const struct bytes left = pool_at(&explorer->parts->lists, messages);
    const struct bytes right = pool_at(&explorer->parts->lists, sent);
    const uint16_t *a = (const void *)left.data;
    const uint16_t *b = (const void *)right.data;
    const uint16_t *const a_end = a + left.size / sizeof *a;
    const uint16_t *const b_end = b + right.size / sizeof *b;
    uint16_t merged[SPACE_MESSAGES_MAX];
    uint32_t count = 0;
    while (a < a_end || b < b_end) {
        assert(count < SPACE_MESSAGES_MAX);
        const int is_left = b == b_end || (a < a_end && *a <= *b);
        const uint16_t number = is_left ? *a : *b;
        a += a < a_end && *a == number;
        b += b < b_end && *b == number;
        merged[count++] = number;
    }
    return pool_enter(&explorer->parts->lists, merged, count * sizeof *merged);
}

static uint32_t messages_with(struct explorer *explorer, uint32_t messages, uint32_t sent)
{
    if (pool_at(&explorer->parts->lists, sent).size == 0) {
        return messages;
    }
    const uint64_t key = (uint64_t)messages + 1;
    const uint32_t *known = memo_find(&explorer->unions, key, sent);
    if (known != NULL) {
        return known[0];
    }
    const uint32_t merged = merge(explorer, messages, sent);
    memo_keep(&explorer->unions, &(struct memo_entry){key, sent, {merged, 0, 0}});
    return merged;
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
    case NODE_BEGIN:
    case NODE_FLUSH:
    case NODE_MESSAGE:
        break;
    }
    return SCOPE_BUDGETS;
}

/* What somebody has applied, a client may know of, and a crash does not take that back. */
static void note_applied(const struct world_parts *parts, struct state *state, uint32_t member)
{
    const uint32_t applied = node_at(parts, state->nodes[member])->applied;
    if (parts->scope->budgets[SCOPE_READS] > 0 && applied > state->applied) {
        state->applied = (uint8_t)applied;
    }
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
    const struct node_outcome outcome = step_of(explorer, action, state->nodes[action->member]);
    if ((outcome.flags & NODE_BROKEN) != 0) {
        *violation = *node_breach(explorer->bench);
        return -1;
    }
    if ((outcome.flags & NODE_IMPOSSIBLE) != 0) {
        return 0;
    }
    *next = *state;
    next->nodes[action->member] = outcome.node;
    next->messages = messages_with(explorer, state->messages, outcome.sent);
    note_applied(explorer->parts, next, action->member);
    if (budget < SCOPE_BUDGETS) {
        next->budgets[budget]--;
    } else if (next->nodes[action->member] == state->nodes[action->member] &&
               next->messages == state->messages) {
        return 0; /* Heard before, or stale. */
    }
    if ((outcome.flags & NODE_CONCERNS_ALL) != 0) {
        return claims_check(explorer->parts, next, violation) != 0 ? -1 : 1;
    }
    return 1;
}

/* What may happen at a member by itself: the n-th, or 0 where there are no more. */
static int own_action(const struct world_parts *parts, const struct state *state, uint32_t n,
                      struct action *action)
{
    static const enum node_event_type TYPES[] = {
        NODE_STAND, NODE_PROPOSE, NODE_FLUSH, NODE_CRASH, NODE_TIMEOUT, NODE_READ, NODE_SNAPSHOT};
    const uint32_t count = sizeof TYPES / sizeof TYPES[0];
    _Static_assert(sizeof TYPES / sizeof TYPES[0] * SCOPE_MEMBERS_MAX == SPACE_OWN_MAX,
                   "See space.h");
    if (n >= count * parts->scope->members) {
        return 0;
    }
    *action = (struct action){.member = n / count, .event = {.type = TYPES[n % count]}};
    if (action->event.type == NODE_PROPOSE) {
        action->event.argument =
            1u + parts->scope->budgets[SCOPE_PROPOSALS] - state->budgets[SCOPE_PROPOSALS];
    } else if (action->event.type == NODE_READ) {
        action->event.argument = state->applied;
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
    const struct bytes list = pool_at(&parts->lists, state->messages);
    const uint16_t *messages = (const void *)list.data;
    for (size_t i = 0; i < list.size / sizeof *messages; i++) {
        action = (struct action){
            .member = (uint32_t)node_packet(parts, messages[i])->message.to - 1,
            .event = {.type = NODE_MESSAGE, .argument = messages[i]},
        };
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

int space_begin(struct explorer *explorer, struct state *state, struct violation *violation)
{
    const struct world_parts *parts = explorer->parts;
    memset(state, 0, sizeof *state);
    memcpy(state->budgets, parts->scope->budgets, SCOPE_BUDGETS);
    state->messages = pool_enter(&explorer->parts->lists, NULL, 0);
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
        snprintf(name, SPACE_NAME_BYTES, "m%016" PRIx64,
                 pool_hash(&parts->messages, action->event.argument));
    } else {
        snprintf(name, SPACE_NAME_BYTES, "%c%c", LETTERS[action->event.type],
                 'a' + (int)action->member);
    }
}

/* What a person would call the arrival of a message; empty for everything else. */
static void describe_action(const struct world_parts *parts, const struct action *action,
                            char *words)
{
    words[0] = 0;
    if (action->event.type == NODE_MESSAGE) {
        const struct packet *packet = node_packet(parts, action->event.argument);
        snprintf(words, SPACE_NAME_BYTES, "%c>%c:%s", 'a' + (int)packet->message.from - 1,
                 'a' + (int)packet->message.to - 1,
                 packet->is_snapshot ? "snapshot" : message_name(packet->message.type));
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
    char words[SPACE_NAME_BYTES];
    space_name_action(looking->parts, action, name);
    describe_action(looking->parts, action, words);
    if (strcmp(name, looking->name) != 0 && strcmp(words, looking->name) != 0) {
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

int space_first(struct explorer *explorer, struct state *state, struct violation *violation)
{
    const char *prologue = explorer->parts->scope->prologue;
    if (space_begin(explorer, state, violation) != 0) {
        return -1;
    }
    while (prologue != NULL && *prologue != 0) {
        char name[SPACE_NAME_BYTES];
        struct space_step step = {.violation = {0}};
        const size_t size = strcspn(prologue, ",");
        assert(size < sizeof name);
        memcpy(name, prologue, size);
        name[size] = 0;
        const int taken = space_take(explorer, state, name, &step);
        if (taken < 0) {
            *violation = step.violation;
            return -1;
        }
        assert(taken == 1); /* Or the scope's prologue is none. */
        *state = step.next;
        prologue += size + (prologue[size] == ',');
    }
    return 0;
}
