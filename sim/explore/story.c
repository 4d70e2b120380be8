/* story.c -- a way through the states as a space-time diagram: a row for each step.
 *
 * Time is the number of the step. A message is drawn from the step in which it was first sent to
 * the one in which it arrives; one that arrives twice is drawn twice, one that never does is not
 * drawn. */
#include "sim/explore/story.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/draw.h"
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

struct story {
    struct world_parts parts;
    struct explorer *explorer;
    struct draw *draw;
    struct state state;
    uint32_t step;
    uint32_t sent[UINT16_MAX + 1]; /* The step in which a message was first sent, by number. */
};

/* -- Words ---------------------------------------------------------------------------------- */

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
    fputs(packet->is_snapshot ? "SNAPSHOT" : MESSAGES[m->type], to);
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

/* The text that `print` writes: free it with free(). */
static char *message_words(const struct packet *packet)
{
    char *words = NULL;
    size_t size;
    FILE *to = open_memstream(&words, &size);
    assert(to != NULL);
    print_message(to, packet);
    fclose(to);
    return words;
}

/* -- Drawing -------------------------------------------------------------------------------- */

static void draw_message(const struct story *story, uint32_t number)
{
    const struct packet *packet = node_packet(&story->parts, number);
    char *words = message_words(packet);
    const struct draw_arrow arrow = {
        .from = (uint32_t)packet->message.from - 1,
        .to = (uint32_t)packet->message.to - 1,
        .sent = story->sent[number],
        .arrived = story->step,
        .text = words,
    };
    draw_arrow(story->draw, &arrow);
    free(words);
}

static void draw_action(const struct story *story, const struct action *action)
{
    static const char *const WORDS[] = {
        [NODE_BEGIN] = "begins",
        [NODE_STAND] = "stands for election",
        [NODE_FLUSH] = "has one more record on its disk",
        [NODE_READ] = "begins a read",
        [NODE_SNAPSHOT] = "takes a snapshot",
    };
    char text[32];
    switch (action->event.type) {
    case NODE_MESSAGE:
        draw_message(story, action->event.argument);
        return;
    case NODE_CRASH:
        draw_event(story->draw, story->step, action->member, DRAW_CRASH,
                   "crashes, and loses what was not durable");
        draw_event(story->draw, story->step, action->member, DRAW_START, "starts again");
        return;
    case NODE_PROPOSE:
        snprintf(text, sizeof text, "proposes v%" PRIu32, action->event.argument);
        draw_event(story->draw, story->step, action->member, DRAW_POINT, text);
        return;
    case NODE_TIMEOUT:
        draw_event(story->draw, story->step, action->member, DRAW_POINT,
                   (story->parts.scope->messages & SCOPE_REPEATS) != 0
                       ? "waits until it says again what has no answer"
                       : "lets every time-out pass");
        return;
    default:
        draw_event(story->draw, story->step, action->member, DRAW_POINT, WORDS[action->event.type]);
    }
}

/* What the member can now tell its clients. */
static void draw_applied(const struct story *story, uint32_t member, uint32_t before,
                         uint32_t after)
{
    const uint32_t was = node_at(&story->parts, before)->applied;
    const uint32_t is = node_at(&story->parts, after)->applied;
    char text[32];
    for (uint32_t slot = was + 1; slot <= is; slot++) {
        snprintf(text, sizeof text, "applies slot %" PRIu32, slot);
        draw_event(story->draw, story->step, member, DRAW_POINT, text);
    }
}

/* Messages that are there for the first time. */
static void note_sent(struct story *story, const struct state *next)
{
    const struct bytes list = pool_at(&story->parts.lists, next->messages);
    const uint16_t *numbers = (const void *)list.data;
    for (size_t i = 0; i < list.size / sizeof *numbers; i++) {
        if (story->sent[numbers[i]] == 0) {
            story->sent[numbers[i]] = story->step;
        }
    }
}

static void draw_breach(const struct story *story, uint32_t member,
                        const struct violation *violation)
{
    char text[512];
    snprintf(text, sizeof text, "broken: %s: %s", violation->claim, violation->detail);
    draw_event(story->draw, story->step, member, DRAW_ALARM, "here");
    draw_note(story->draw, story->step, text);
}

/* -- A way ---------------------------------------------------------------------------------- */

static struct story *story_new(const struct scope *scope)
{
    struct story *story = calloc(1, sizeof *story);
    assert(story != NULL);
    world_parts_init(&story->parts, scope);
    story->explorer = explorer_new(&story->parts);
    story->draw = draw_new();
    for (uint32_t m = 0; m < scope->members; m++) {
        const char name[2] = {(char)('a' + (int)m), 0};
        (void)draw_lane(story->draw, name);
    }
    return story;
}

static void story_free(struct story *story)
{
    draw_free(story->draw);
    explorer_free(story->explorer);
    world_parts_deinit(&story->parts);
    free(story);
}

/* Take the step with that name. Returns what story_tell() will. */
static int take_step(struct story *story, const char *name)
{
    struct space_step step = {.violation = {0}};
    const int taken = space_take(story->explorer, &story->state, name, &step);
    story->step++;
    if (taken == 0) {
        char text[64];
        snprintf(text, sizeof text, "%s is not possible here", name);
        draw_note(story->draw, story->step, text);
        return 2;
    }
    draw_action(story, &step.action);
    if (taken < 0) {
        draw_breach(story, step.action.member, &step.violation);
        return 1;
    }
    draw_applied(story, step.action.member, story->state.nodes[step.action.member],
                 step.next.nodes[step.action.member]);
    note_sent(story, &step.next);
    story->state = step.next;
    return 0;
}

static int take_each(struct story *story, const char *way)
{
    char *names = strdup(way);
    char *rest = NULL;
    int code = 0;
    assert(names != NULL);
    for (char *name = strtok_r(names, ",", &rest); name != NULL && code == 0;
         name = strtok_r(NULL, ",", &rest)) {
        code = take_step(story, name);
    }
    free(names);
    return code;
}

static int take_all(struct story *story, const char *way)
{
    const char *prologue = story->parts.scope->prologue;
    struct violation violation = {0};
    if (space_begin(story->explorer, &story->state, &violation) != 0) {
        draw_breach(story, 0, &violation);
        return 1;
    }
    const int code = prologue != NULL ? take_each(story, prologue) : 0;
    return code != 0 ? code : take_each(story, way);
}

int story_tell(const struct scope *scope, const char *way, FILE *text, FILE *svg)
{
    struct story *story = story_new(scope);
    const int code = take_all(story, way);
    draw_write_text(story->draw, text);
    if (svg != NULL) {
        draw_write_svg(story->draw, svg);
    }
    story_free(story);
    return code;
}
