/* story.c -- steps in words: who does what, what arrives, and what it makes a member say. */
#include "sim/explore/story.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/explore/space.h"

static const char *const MESSAGES[SYNOD_MESSAGE_TYPE_END] = {
    [SYNOD_MESSAGE_PREPARE] = "PREPARE",       [SYNOD_MESSAGE_PROMISE] = "PROMISE",
    [SYNOD_MESSAGE_ACCEPT] = "ACCEPT",         [SYNOD_MESSAGE_ACCEPTED] = "ACCEPTED",
    [SYNOD_MESSAGE_REFUSED] = "REFUSED",       [SYNOD_MESSAGE_NOTICE] = "NOTICE",
    [SYNOD_MESSAGE_CHOSEN] = "CHOSEN",         [SYNOD_MESSAGE_FETCH] = "FETCH",
    [SYNOD_MESSAGE_LEARN] = "LEARN",           [SYNOD_MESSAGE_ASK] = "ASK",
    [SYNOD_MESSAGE_ANSWER] = "ANSWER",         [SYNOD_MESSAGE_READ] = "READ",
    [SYNOD_MESSAGE_READ_INDEX] = "READ_INDEX",
};

static char letter(uint64_t member)
{
    return member == 0 ? '-' : (char)('a' + (int)member - 1);
}

static void print_ballot(FILE *to, struct synod_ballot ballot)
{
    fprintf(to, "%" PRIu64 ".%c", ballot.round, letter(ballot.member));
    if (ballot.incarnation >> 32 > 1) {
        fprintf(to, "'%" PRIu64, ballot.incarnation >> 32);
    }
}

static void print_entry(FILE *to, const struct synod_entry *entry)
{
    if (entry->kind == SYNOD_ENTRY_NOOP) {
        fprintf(to, " [%" PRIu64 ": no-op]", entry->slot);
    } else {
        fprintf(to, " [%" PRIu64 ": v%" PRIu64 "]", entry->slot, entry->checksum);
    }
}

static void print_message(FILE *to, const struct packet *packet)
{
    const struct synod_message *m = &packet->message;
    const struct synod_entry *entries = (const void *)(packet + 1);
    const struct synod_vote *votes = (const void *)(packet + 1);
    fprintf(to, "%c>%c %s", letter(m->from), letter(m->to),
            packet->is_snapshot ? "SNAPSHOT" : MESSAGES[m->type]);
    if (!synod_ballot_is_none(m->ballot)) {
        fputc(' ', to);
        print_ballot(to, m->ballot);
    }
    for (uint32_t i = 0; i < m->entry_count; i++) {
        print_entry(to, &entries[i]);
    }
    for (uint32_t i = 0; i < m->vote_count; i++) {
        print_entry(to, &votes[i].entry);
        fputs(votes[i].is_chosen ? " chosen" : " voted ", to);
        if (!votes[i].is_chosen) {
            print_ballot(to, votes[i].ballot);
        }
    }
    if (!synod_ballot_is_none(m->promised)) {
        fputs(" promised ", to);
        print_ballot(to, m->promised);
    }
    if (m->chosen != 0) {
        fprintf(to, " chosen to %" PRIu64, m->chosen);
    }
    if (m->type == SYNOD_MESSAGE_READ_INDEX || m->type == SYNOD_MESSAGE_FETCH) {
        fprintf(to, " slot %" PRIu64, m->slot);
    }
}

static void print_action(FILE *to, const struct world_parts *parts, const struct action *action)
{
    static const char *const WORDS[] = {
        [NODE_BEGIN] = "begins",
        [NODE_STAND] = "stands for election",
        [NODE_PROPOSE] = "proposes a value",
        [NODE_FLUSH] = "has one more record on its disk",
        [NODE_CRASH] = "crashes, loses what was not durable, and starts again",
        [NODE_TIMEOUT] = "lets every time-out pass",
        [NODE_READ] = "begins a read",
        [NODE_SNAPSHOT] = "takes a snapshot",
    };
    if (action->event.type == NODE_MESSAGE) {
        print_message(to, node_packet(parts, action->event.argument));
        fputs(action->is_repeat ? " arrives, and will again" : " arrives", to);
        return;
    }
    fprintf(to, "%c %s", 'a' + (int)action->member, WORDS[action->event.type]);
    if (action->event.type == NODE_PROPOSE) {
        fprintf(to, ": v%" PRIu32, action->event.argument);
    }
}

static int has_message(const struct state *state, uint16_t message)
{
    for (uint32_t i = 0; i < state->message_count; i++) {
        if (state->messages[i] == message) {
            return 1;
        }
    }
    return 0;
}

/* What is under way now and was not before. */
static void print_sent(FILE *to, const struct world_parts *parts, const struct state *before,
                       const struct state *after)
{
    for (uint32_t i = 0; i < after->message_count; i++) {
        if (!has_message(before, after->messages[i])) {
            fputs("         sends ", to);
            print_message(to, node_packet(parts, after->messages[i]));
            fputc('\n', to);
        }
    }
}

int story_tell(const struct scope *scope, const char *way, FILE *to)
{
    struct world_parts *parts = calloc(1, sizeof *parts);
    char *words = strdup(way);
    struct state state;
    struct violation violation = {0};
    char *rest = NULL;
    int code = 0;
    assert(parts != NULL && words != NULL);
    world_parts_init(parts, scope);
    struct explorer *explorer = explorer_new(parts);
    if (space_first(explorer, &state, &violation) != 0) {
        fprintf(to, "  at the start: %s: %s\n", violation.claim, violation.detail);
        code = 1;
    }
    uint32_t count = 0;
    for (char *name = strtok_r(words, ",", &rest); name != NULL && code == 0;
         name = strtok_r(NULL, ",", &rest)) {
        struct space_step step = {.violation = {0}};
        const int taken = space_take(explorer, &state, name, &step);
        fprintf(to, "  %3" PRIu32 "    ", ++count);
        if (taken == 0) {
            fprintf(to, "%s is not possible here\n", name);
            code = 2;
            break;
        }
        print_action(to, parts, &step.action);
        fputc('\n', to);
        if (taken < 0) {
            fprintf(to, "         breaks: %s: %s\n", step.violation.claim, step.violation.detail);
            code = 1;
            break;
        }
        print_sent(to, parts, &state, &step.next);
        state = step.next;
    }
    explorer_free(explorer);
    world_parts_deinit(parts);
    free(parts);
    free(words);
    return code;
}
